//! The bridge, with ports.

use std::fmt::Write;

use harness::{Datapath, OpenVswitch, sh};

use super::job::Nic;

/// The bridge's name.
pub(super) const NAME: &str = "br-bench";
/// The group of the links that are ports beforehand.
const GROUP: u32 = 99;

/// A switch of its own with one bridge.
#[derive(Debug)]
pub(super) struct Bridge {
    switch: OpenVswitch,
}

impl Bridge {
    /// One with so many ports beside its own.
    pub(super) fn with(nic: Nic, ports: usize) -> Self {
        let switch = OpenVswitch::start();
        switch.add_bridge_of(Datapath::Netdev, NAME);
        let mut command = String::new();
        for port in 0..ports {
            // Writing to a string does not fail.
            let _ = write!(command, " -- add-port {NAME} there{port}");
            if nic == Nic::Internal {
                let _ = write!(command, " -- set interface there{port} type=internal");
            }
        }
        if nic == Nic::Veth {
            make_pairs(ports);
        }
        switch.vsctl(command.trim_start_matches(" -- ")).ok();
        Self { switch }
    }

    /// Waits until the switch has done all that was asked of it.
    pub(super) fn rest(&self) {
        self.switch.settle();
    }
}

/// Pairs with both ends on the host. They send nothing of their own: what 500 of them say of IPv6 is sent on to all others, and
/// keeps the switch busy for half a minute.
fn make_pairs(count: usize) {
    const QUIET: &str = "/proc/sys/net/ipv6/conf/default/disable_ipv6";
    let mut batch = String::new();
    for port in 0..count {
        let _ = writeln!(batch, "link add there{port} up group {GROUP} type veth peer name beyond{port}");
        let _ = writeln!(batch, "link set beyond{port} up");
    }
    sh(&format!("echo 1 > {QUIET}; ip -batch - << end\n{batch}end\necho 0 > {QUIET}")).ok();
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.switch.vsctl(&format!("del-br {NAME}"));
        sh(&format!("ip link delete group {GROUP}"));
    }
}
