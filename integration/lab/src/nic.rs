//! What a virtual machine is connected to: TAP devices, in the namespace that has them, or networks of VDE.

use harness::Namespace;
use std::path::Path;
use std::process::Command;

/// What a NIC of a virtual machine is on.
#[derive(Debug, Clone)]
pub enum Line {
    /// A TAP device, by its name.
    Tap(String),
    /// A network of VDE, by its URL, such as `vxvde://234.0.0.1`: QEMU itself is a client of it.
    Vde(String),
}

/// A NIC of a virtual machine: `eth0`, `eth1` and so on, in their order.
#[derive(Debug, Clone)]
pub struct Nic {
    /// What it is on.
    pub line: Line,
    /// Its hardware address.
    pub mac: String,
    /// What the guest gives itself, as in `10.0.0.2/24`; without one the NIC is only set up.
    pub address: Option<String>,
    /// Its pairs of queues; more than one need a TAP device with `multi_queue`.
    pub queues: u32,
}

impl Nic {
    /// A NIC on a TAP device, with an address and one pair of queues.
    pub fn new(tap: &str, mac: &str, address: &str) -> Self {
        Self::on(Line::Tap(tap.to_owned()), mac, address)
    }

    /// A NIC on a network of VDE, which virtual machines of QEMU have.
    pub fn on_vde(url: &str, mac: &str, address: &str) -> Self {
        Self::on(Line::Vde(url.to_owned()), mac, address)
    }

    fn on(line: Line, mac: &str, address: &str) -> Self {
        Self { line, mac: mac.to_owned(), address: Some(address.to_owned()), queues: 1 }
    }

    /// QEMU's options for it.
    pub(crate) fn arguments(&self, place: usize) -> Vec<String> {
        let Self { line, mac, queues, .. } = self;
        // Two more interrupts than queues: for the configuration and for the control queue.
        let (several, vectors) = if *queues > 1 {
            (format!(",queues={queues}"), format!(",mq=on,vectors={}", 2 * queues + 2))
        } else {
            Default::default()
        };
        let backend = match line {
            Line::Tap(tap) => format!("tap,id=net{place},ifname={tap},script=no,downscript=no,vhost=off{several}"),
            Line::Vde(url) => format!("vde,id=net{place},sock={url}"),
        };
        vec![
            "-netdev".to_owned(),
            backend,
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
