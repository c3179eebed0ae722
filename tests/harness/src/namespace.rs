use crate::ping::Ping;
use crate::shell::{self, Background, Output, json, run};
use crate::{mounts, sh};
use nix::sched::{CloneFlags, setns, unshare};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A named network namespace: a container, a virtual machine's sandbox, or another host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// The name under which `ip netns` knows it.
    pub name: String,
    /// What a runtime would pass as `CNI_NETNS`.
    pub path: PathBuf,
}

impl Namespace {
    /// Runs `sh -c SCRIPT` in the namespace, as `ip netns exec NAME` does.
    pub fn sh(&self, script: &str) -> Output {
        let what = format!("in {}: {script}", self.name);
        self.inside(|| run(&mut shell::command(script), &what)).unwrap_or_else(|| run(&mut self.command(script), &what))
    }

    /// Starts `sh -c SCRIPT` in the namespace and goes on; see [`Background`].
    pub fn spawn(&self, script: &str) -> Background {
        let what = format!("in {}: {script}", self.name);
        self.inside(|| Background::start(&mut shell::command(script), &what))
            .unwrap_or_else(|| Background::start(&mut self.command(script), &what))
    }

    /// `ip -j -d ARGS` in the namespace.
    pub fn ip(&self, args: &str) -> Value {
        json(&self.sh(&format!("ip -j -d {args}")))
    }

    /// `tc -j ARGS` in the namespace.
    pub fn tc(&self, args: &str) -> Value {
        json(&self.sh(&format!("tc -j {args}")))
    }

    /// Pings `address` from the namespace `count` times, 50 ms apart.
    pub fn ping(&self, address: &str, count: u32) -> Ping {
        self.ping_with(address, &format!("-c{count} -i.05 -W2"))
    }

    /// Pings `address` from the namespace with the options of iputils' `ping`.
    pub fn ping_with(&self, address: &str, options: &str) -> Ping {
        Ping::read(&self.sh(&Ping::command(address, options)))
    }

    /// Does something with a thread in the namespace.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        // A thread for it alone: it needs no way back.
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                let namespace = std::fs::File::open(&self.path).unwrap_or_else(|e| panic!("{}: {e}", self.name));
                setns(namespace, CloneFlags::CLONE_NEWNET).unwrap_or_else(|e| panic!("setns {}: {e}", self.name));
                work()
            });
            inside.join().unwrap_or_else(|_| panic!("the work in {} failed", self.name))
        })
    }

    /// Removes the namespace as `ip netns delete` does. Its devices go as soon as nothing else holds it.
    pub fn delete(&self) {
        sh(&format!("ip netns delete {}", self.name)).ok();
    }

    /// Starts something where `ip netns exec NAME` would, without it: it takes longer to start than most of what it starts. `None` if
    /// the namespace cannot be entered, of which `ip` tells more.
    fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Option<T> {
        // A thread for it alone: it needs no way back.
        let outcome = std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                let namespace = std::fs::File::open(Path::new("/run/netns").join(&self.name)).ok()?;
                setns(namespace, CloneFlags::CLONE_NEWNET).ok()?;
                unshare(CloneFlags::CLONE_NEWNS).ok()?;
                mounts::show_namespace(&self.name).ok()?;
                Some(work())
            });
            inside.join()
        });
        outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    fn command(&self, script: &str) -> std::process::Command {
        let mut command = std::process::Command::new("ip");
        command.args(["netns", "exec", &self.name, "sh", "-c", script]);
        shell::quiet(&mut command);
        command
    }
}
