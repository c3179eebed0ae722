use crate::{Namespace, mounts, processes, sh};
use nix::sched::{CloneFlags, unshare};
use std::cell::RefCell;
use std::marker::PhantomData;
use std::path::Path;

/// A host of the test's own: the namespaces that the current thread entered.
///
/// Processes that the thread starts live in them too. When the value goes, whatever still runs on the host is killed;
/// the namespaces go with the thread.
#[derive(Debug)]
pub struct Host {
    namespaces: RefCell<Vec<Namespace>>,
    /// The namespaces are the thread's: the value must not move to another.
    _thread: PhantomData<*const ()>,
}

impl Host {
    /// Moves the current thread into fresh network and mount namespaces, as `unshare --net --mount` does.
    ///
    /// There `lo` is up, `/run` (with an empty `/run/netns`), `/etc/cni` and `/var/lib/cni` are private and empty, and
    /// `/sys` shows the new network namespace. Panics unless run by root.
    pub fn enter() -> Self {
        unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS)
            .unwrap_or_else(|e| panic!("this test needs network and mount namespaces of its own; run it as root: {e}"));
        mounts::privatise();
        sh("ip link set lo up").ok();
        Self { namespaces: RefCell::default(), _thread: PhantomData }
    }

    /// Makes a named network namespace as `ip netns add NAME` does, at `/run/netns/NAME`, with `lo` up.
    pub fn namespace(&self, name: &str) -> Namespace {
        sh(&format!("ip netns add {name} && ip -n {name} link set lo up")).ok();
        self.know(Namespace { name: name.to_owned(), path: Path::new("/run/netns").join(name) })
    }

    /// Counts a namespace that something else made among this host's: what runs in it is killed when the value goes.
    pub(crate) fn know(&self, namespace: Namespace) -> Namespace {
        self.namespaces.borrow_mut().push(namespace.clone());
        namespace
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        for namespace in self.namespaces.get_mut() {
            processes::kill_all_in(&namespace.path);
        }
        processes::kill_all_in(Path::new("/proc/thread-self/ns/net"));
    }
}
