//! The containers from which a network is measured: attached temporarily, and recorded like all others, so that even after a
//! kill `plugboard gc` finds what is left of them.

use std::fs::File;
use std::io::{PipeReader, Read};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::{Context, anyhow};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::os::fd::AsFd;

use crate::attach;
use crate::attachment::Attachment;
use crate::cache::Entry;
use crate::detach;
use crate::empty_namespace;
use crate::known_plugins::{self, keeps_limits};
use crate::namespace::TargetNamespace;
use crate::network::Network;
use crate::plan::Nic;
use crate::runtime::Runtime;
use crate::wish::Wish;

/// What ends a measurement early.
const SIGNALS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// What a shell says of a command that a signal ended.
const SIGNAL_STATUS: i32 = 128;

/// The guests of a measurement.
pub(super) struct Guests<'a> {
    runtime: &'a Runtime,
    made: Mutex<Vec<Entry>>,
}

/// Runs `work`, and takes its guests down afterwards, also when it is interrupted.
pub(super) fn with_guests<T>(
    runtime: &Runtime,
    work: impl FnOnce(&Guests<'_>) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let signals: SigSet = SIGNALS.into_iter().collect();
    // Plugins inherit this: one that is running finishes, and is undone then.
    signals.thread_block().context("cannot block signals")?;
    let signal = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC).context("cannot wait for signals")?;
    let (end, ending) = std::io::pipe().context("cannot make a pipe")?;
    let guests = Guests { runtime, made: Mutex::default() };
    let (result, problems) = thread::scope(|scope| {
        scope.spawn(|| guests.wait_for(&signal, &end));
        let result = work(&guests);
        let problems = take_down(&mut guests.lock(), runtime);
        drop(ending);
        (result, problems)
    });
    signals.thread_unblock().context("cannot unblock signals")?;
    match (result, problems.as_slice()) {
        (result, []) => result,
        (Ok(_), problems) => Err(anyhow!("{}", problems.join("; "))),
        (Err(error), problems) => Err(anyhow!("{error:#}; {}", problems.join("; "))),
    }
}

fn take_down(made: &mut Vec<Entry>, runtime: &Runtime) -> Vec<String> {
    made.drain(..).rev().flat_map(|entry| detach::take_down(&entry, runtime)).collect()
}

impl Guests<'_> {
    /// Attaches a guest to the network, as its plugins attach anyone, but without limits.
    pub(super) fn attach(&self, network: &Network, like: &Attachment) -> anyhow::Result<TargetNamespace> {
        let namespace = TargetNamespace::open(&empty_namespace::make()?)?;
        let capability_args = like.capability_args.iter().filter(|(name, _)| *name == known_plugins::RANGES);
        let attachment = Attachment {
            container_id: new_id()?,
            if_name: like.if_name.clone(),
            netns: Some(namespace.path.clone()),
            args: Vec::new(),
            capability_args: capability_args.map(|(name, value)| (name.clone(), value.clone())).collect(),
        };
        let nic = Nic { network: without_limits(network), attachment, wish: Wish::default() };
        let mut made = self.lock();
        let _attaching = self.runtime.cache.lock_to_attach(self.runtime.lock_limit)?;
        let entry = attach::set_up(&nic, &namespace, self.runtime)
            .map_err(|problems| anyhow!("a container to measure from cannot be attached: {}", problems.join("; ")))?;
        made.push(entry);
        Ok(namespace)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a signal, which ends the process, or for the end of the work.
    fn wait_for(&self, signal: &SignalFd, end: &PipeReader) {
        let mut polled = [PollFd::new(signal.as_fd(), PollFlags::POLLIN), PollFd::new(end.as_fd(), PollFlags::POLLIN)];
        while poll(&mut polled, PollTimeout::NONE).is_err() {}
        let Ok(Some(received)) = signal.read_signal_if_any(&polled) else { return };
        // Kept until the process ends: nothing is attached any more.
        let mut made = self.lock();
        for problem in take_down(&mut made, self.runtime) {
            tracing::error!("{problem}");
        }
        std::process::exit(SIGNAL_STATUS.saturating_add(received));
    }
}

/// Reads a signal only where there is one.
trait ReadIfAny {
    fn read_signal_if_any(&self, polled: &[PollFd<'_>]) -> nix::Result<Option<i32>>;
}

impl ReadIfAny for SignalFd {
    fn read_signal_if_any(&self, polled: &[PollFd<'_>]) -> nix::Result<Option<i32>> {
        match polled.first().and_then(PollFd::any) {
            Some(true) => Ok(self.read_signal()?.and_then(|info| i32::try_from(info.ssi_signo).ok())),
            _ => Ok(None),
        }
    }
}

/// The network with a NIC for a guest: no limits, nothing that only one container can have.
fn without_limits(network: &Network) -> Network {
    let mut network = network.clone();
    network.plugins.retain(|plugin| !keeps_limits(plugin));
    network.plugins.iter_mut().for_each(known_plugins::make_common);
    network
}

/// A container ID that no other has.
fn new_id() -> anyhow::Result<String> {
    let mut bytes = [0; 8];
    File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes)).context("cannot read /dev/urandom")?;
    Ok(format!("verify-{:016x}", u64::from_ne_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    #[test]
    fn a_guest_has_what_several_can_have() {
        let network = Network::from_list(
            json!({"name": "lan", "cniVersion": "1.0.0", "plugins": [
                {"type": "bridge", "nic": "tap", "owner": 5, "mac": "02:00:00:00:00:01", "vlan": 7,
                    "portIsolation": true, "disableContainerInterface": true, "ipam": {"type": "static"}},
                {"type": "veth-secondary", "nic": "macvlan", "link": "eth0", "mac": "02:00:00:00:00:02"},
                {"type": "netem-shaper", "bw": "1Mbps"}, {"type": "bandwidth"},
                {"type": "portmap", "runtimeConfig": {"portMappings": [{"hostPort": 80, "containerPort": 80}], "ipRanges": []}}]})
            .to_string()
            .as_bytes(),
        )
        .unwrap();
        let network = without_limits(&network);
        let plugins: Vec<_> = network.plugins.iter().map(|plugin| plugin.request(&network, &Map::new())).collect();
        let left = json!([
            {"type": "bridge", "vlan": 7, "name": "lan", "cniVersion": "1.0.0"},
            {"type": "veth-secondary", "nic": "macvlan", "link": "eth0", "name": "lan", "cniVersion": "1.0.0"},
            {"type": "portmap", "runtimeConfig": {"ipRanges": []}, "name": "lan", "cniVersion": "1.0.0"},
        ]);
        assert_eq!(json!(plugins), left);
    }

    #[test]
    fn ids_are_valid_and_differ() {
        let (first, second) = (new_id().unwrap(), new_id().unwrap());
        assert_eq!(cni::objection_to_name(&first), None);
        assert_ne!(first, second);
    }
}
