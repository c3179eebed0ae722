//! Virtual machines on TAP devices: that they boot, answer, and tell why when they do not.

use harness::{Host, sh};
use lab::{Nic, Vm};

/// Makes a TAP device of the host with an address.
fn tap() -> Host {
    let host = Host::enter();
    sh("ip tuntap add t0 mode tap vnet_hdr && ip link set t0 up && ip address add 10.0.0.1/24 dev t0").ok();
    host
}

fn nic() -> Nic {
    Nic::new("t0", "02:00:00:00:00:07", "10.0.0.2/24")
}

#[test]
fn a_guest_boots_and_answers() {
    let _host = tap();
    let started = std::time::Instant::now();
    let vm = Vm::boot(&[nic()]);
    println!("booted in {:?}", started.elapsed());
    assert_eq!(vm.sh("cat /sys/class/net/eth0/address").ok(), "02:00:00:00:00:07");
    let failed = vm.sh("echo out; echo err >&2; exit 3");
    assert_eq!((failed.status, failed.stdout.as_str(), failed.stderr.as_str()), (3, "out\n", "err\n"));
    assert_eq!(vm.ping("10.0.0.1", 4).received, 4);
    assert_eq!(harness::ping("10.0.0.2", 4).received, 4);
    assert_eq!(vm.ping("10.0.0.9", 1).received, 0, "nobody has this one");
}

#[test]
#[should_panic = "could not configure /dev/net/tun"]
fn a_machine_that_cannot_start_says_why() {
    let _host = tap();
    let _other = Vm::boot(&[nic()]);
    Vm::boot(&[nic()]);
}
