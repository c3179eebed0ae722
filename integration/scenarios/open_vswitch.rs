//! NICs on bridges of Open vSwitch, as `ovs-port` makes them: with the datapath of `ovs-vswitchd` on any kernel, with the kernel's own
//! in the lab.

mod chains;
mod failures;
mod gone;
mod internal_ports;
mod pods;
mod restarts;
mod site;
mod taps;
mod throughput;
mod veths;
mod vlans;

use harness::{Datapath, row};
use lab::{Feature, with_features};

/// Each with its row. They are one test because a lab for each would take longer than they do.
#[test]
fn nics_are_the_same_with_the_kernels_datapath() {
    with_features(&[Feature::OvsDatapath], || {
        let row_of = |id: &'static str, scenario: fn(Datapath)| {
            let _row = row(id);
            scenario(Datapath::System);
        };
        row_of("M60", internal_ports::a_nic_in_its_vlan);
        row_of("M61", veths::both_ends_are_up);
        row_of("M64", throughput::as_fast_as_by_hand);
        restarts::what_survives(Datapath::System);
    });
}
