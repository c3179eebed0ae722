//! The benchmarks come to their ends, with all that they name.

use harness::{bin_dir, sh};

#[test]
#[ignore = "soaks: every job once takes a minute"]
fn one_round_measures_everything() {
    // Its status is not 0 where a job could not be measured.
    let report =
        sh(&format!("PLUGBOARD_BIN_DIR={} {} --rounds 1", bin_dir().display(), env!("CARGO_BIN_EXE_bench"))).ok();
    println!("{report}");
    for table in [
        "bridge + host-local\n",
        "bridge + host-local, then 100 Mbit/s by tbf\n",
        "bridge + host-local with ipMasq",
        "bridge + host-local, IPv4 and IPv6\n",
        "TAP + host-local",
        "Further NIC, on a bridge (",
        "Further NIC, on a bridge, with source routing",
        "Further NIC, routed (",
        "Further NIC, routed, with source routing",
        "Further NIC, a device of the host (",
        "Further NIC, a device of the host, with source routing",
        "100 ADDs of bridge + host-local, 8 at a time\n",
        "host-local alone",
        "ADD of the shaper alone",
        "ovs-port + host-local, beside ovs-vsctl and ip",
        "vxlan-overlay: members of a LAC",
        "vxlan-overlay: one more LAC on a host",
    ] {
        assert!(report.contains(&format!("\n{table}")), "no table of {table}");
    }
}

#[test]
#[ignore = "soaks: it is a benchmark, if a short one"]
fn one_turn_sends_through_each_kind_that_the_kernel_has() {
    let program = env!("CARGO_BIN_EXE_bench-throughput");
    let report = sh(&format!("PLUGBOARD_BIN_DIR={} {program} --turns 1 --bytes 20M", bin_dir().display())).ok();
    println!("{report}");
    for kind in ["veth", "routed", "macvlan", "ipvlan", "vlan", "host-device", "ovs-veth", "ovs-internal"] {
        let is_measured = report.contains(&format!("\n{kind} "));
        let is_lacking = report.contains(&format!("\n- not measured: {kind}: this kernel has none\n"));
        assert!(is_measured != is_lacking, "nothing of {kind}");
    }
    for mode in ["multicast", "remotes", "vxvde"] {
        assert!(report.contains(&format!("\n{mode} ")), "nothing of LACs by {mode}");
    }
}
