//! A maker's host.

use harness::{Host, Lan, Namespace, Route, sh};

use super::maker::Maker;
use crate::contender::Programs;

/// The underlay.
pub(super) const UNDERLAY: &str = "eth0";
/// The other hosts, which are not there.
pub(super) const REMOTES: [&str; 3] = ["192.168.7.201", "192.168.7.202", "192.168.7.203"];

/// A host on which one maker makes NICs.
#[derive(Debug)]
pub(super) struct Site<'a> {
    pub(super) maker: Maker,
    pub(super) programs: &'a Programs,
    pub(super) namespace: Namespace,
    /// Where the floor keeps the addresses that are taken.
    pub(super) pool: String,
}

impl<'a> Site<'a> {
    /// A host on a segment; `what` tells it from those of other measurements.
    pub(super) fn new(what: &str, maker: Maker, (host, lan): (&Host, &Lan), programs: &'a Programs) -> Self {
        let name = format!("{what}-{maker}");
        let namespace = host.namespace(&name);
        lan.join(&namespace, UNDERLAY, Route::Default);
        let pool = format!("/var/lib/cni/floor/{name}");
        sh(&format!("mkdir -p {pool}")).ok();
        Self { maker, programs, namespace, pool }
    }
}
