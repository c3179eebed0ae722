//! What a virtual machine is connected to: TAP devices, in the namespace that has them.

use harness::Namespace;
use std::path::Path;
use std::process::Command;

/// A NIC of a virtual machine: `eth0`, `eth1` and so on, in their order.
#[derive(Debug, Clone)]
pub struct Nic {
    /// The TAP device that it is on.
    pub tap: String,
    /// Its hardware address.
    pub mac: String,
    /// What the guest gives itself, as in `10.0.0.2/24`; without one the NIC is only set up.
    pub address: Option<String>,
    /// Its pairs of queues; more than one need a TAP device with `multi_queue`.
    pub queues: u32,
}

impl Nic {
    /// A NIC with an address and one pair of queues.
    pub fn new(tap: &str, mac: &str, address: &str) -> Self {
        Self { tap: tap.to_owned(), mac: mac.to_owned(), address: Some(address.to_owned()), queues: 1 }
    }

    /// QEMU's options for it.
    pub(crate) fn arguments(&self, place: usize) -> Vec<String> {
        let Self { tap, mac, queues, .. } = self;
        // Two more interrupts than queues: for the configuration and for the control queue.
        let (several, vectors) = if *queues > 1 {
            (format!(",queues={queues}"), format!(",mq=on,vectors={}", 2 * queues + 2))
        } else {
            Default::default()
        };
        vec![
            "-netdev".to_owned(),
            format!("tap,id=net{place},ifname={tap},script=no,downscript=no,vhost=off{several}"),
            "-device".to_owned(),
            format!("virtio-net-pci,netdev=net{place},mac={mac},romfile={vectors}"),
        ]
    }
}

/// A command that runs `program` in a namespace, or in the thread's.
pub(crate) fn program_in(namespace: Option<&Namespace>, program: &Path) -> Command {
    match namespace {
        None => Command::new(program),
        Some(namespace) => {
            let mut enter = Command::new("ip");
            enter.args(["netns", "exec", &namespace.name]).arg(program);
            enter
        }
    }
}
