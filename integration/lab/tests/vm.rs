//! Virtual machines on TAP devices: that they boot, answer, and tell why when they do not.

use harness::{Host, sh};
use lab::{Nic, Vm, with_guests_on_virtual_clock};

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

/// A kernel in the lab's kernel, with the clock of the lab.
#[test]
#[ignore = "soaks: two kernels in another take a minute"]
fn a_guest_boots_in_the_lab_and_its_clock_is_exact() {
    with_guests_on_virtual_clock(|| {
        let host = tap();
        let namespace = host.namespace("inside");
        namespace.sh("ip tuntap add t1 mode tap vnet_hdr && ip link set t1 up").ok();
        namespace.sh("ip address add 10.0.1.1/24 dev t1").ok();
        let vm = Vm::boot(&[nic()]);
        let second = Vm::boot_in(&namespace, &[Nic::new("t1", "02:00:00:00:00:08", "10.0.1.2/24")]);
        assert_ne!(vm.sh("uname -r").ok(), sh("uname -r").ok(), "a kernel of its own");
        assert_eq!(vm.sh("cat /sys/class/net/eth0/address").ok(), "02:00:00:00:00:07");
        assert_eq!(second.sh("cat /sys/class/net/eth0/address").ok(), "02:00:00:00:00:08");
        let failed = vm.sh("echo out; echo err >&2; exit 3");
        assert_eq!((failed.status, failed.stdout.as_str(), failed.stderr.as_str()), (3, "out\n", "err\n"));
        let long = "0123456789".repeat(2_000);
        assert_eq!(
            vm.sh("for i in $(seq 2000); do printf 0123456789; done").ok(),
            long,
            "longer than a line of a terminal"
        );

        assert_eq!(vm.ping("10.0.0.9", 1).received, 0, "nobody has this one");
        for ping in [vm.ping("10.0.0.1", 4), second.ping("10.0.1.1", 4)] {
            assert!(ping.all_answered() && ping.rtt_avg_ms < 1.0, "{ping:?}");
        }
        sh("tc qdisc add dev t0 root netem delay 10ms").ok();
        for ping in [vm.ping("10.0.0.1", 30), harness::ping("10.0.0.2", 30)] {
            println!("{ping:?}");
            assert!(ping.all_answered() && ping.rtt_min_ms >= 10.0 && ping.rtt_max_ms < 10.3, "{ping:?}");
        }
        let rate = second.iperf3_from(&namespace, "10.0.1.1", "-t 1 -b 100M").received_bit_s;
        assert!((99e6..101e6).contains(&rate), "{rate} bit/s of 100 Mbit/s arrive");
        drop(vm);
        assert_eq!(sh("pgrep -P 1 -x linux").status, 1, "none of its processes goes on without it");
        assert_eq!(harness::ping("10.0.0.2", 1).received, 0, "it has ended");
        assert_eq!(second.ping("10.0.1.1", 1).received, 1, "the other one has not");
    });
}
