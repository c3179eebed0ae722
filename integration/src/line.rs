//! Two nodes on a bridge, of which one has a shaped NIC: what passes between them, measured.

use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use harness::{Host, Namespace, Reply};
use meter::{Place, Probe, Probes, Tcp, Throughput, Udp};
use serde_json::{Value, json};

use crate::{call, number, with};

/// The interface of both nodes.
const INTERFACE: &str = "eth1";

/// `vn1`, whose NIC is to be shaped, and `vn2`.
pub struct Pair {
    host: Host,
    /// The node whose NIC is shaped, 10.9.0.1.
    pub vn1: Namespace,
    /// The other node, 10.9.0.2.
    pub vn2: Namespace,
    made: Value,
}

/// A direction of the shaped NIC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// What `vn1` receives.
    Download,
    /// What `vn1` sends.
    Upload,
}

impl Direction {
    /// Both, the one that needs less first.
    pub const BOTH: [Self; 2] = [Self::Download, Self::Upload];

    /// The key of the configuration.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Download => "download",
            Self::Upload => "upload",
        }
    }
}

impl Pair {
    /// A host with both nodes on the network `home-net`. Panics if `bridge` refuses them.
    pub fn new() -> Self {
        let host = Host::enter();
        let (vn1, vn2) = (host.namespace("vn1"), host.namespace("vn2"));
        let bridge = json!({"cniVersion": "1.1.0", "name": "home-net", "type": "bridge", "bridge": "home-br"});
        let made = call("ADD", &vn1, INTERFACE, &bridge).run().ok();
        call("ADD", &vn2, INTERFACE, &bridge).run().ok();
        number(&vn1, INTERFACE, "10.9.0.1/24");
        number(&vn2, INTERFACE, "10.9.0.2/24");
        Self { host, vn1, vn2, made }
    }

    /// Another node, not yet attached.
    pub fn node(&self, name: &str) -> Namespace {
        self.host.namespace(name)
    }

    /// The configuration of the shaper for `vn1`, with these keys.
    pub fn config(&self, keys: &Value) -> Value {
        let config =
            json!({"cniVersion": "1.1.0", "name": "home-net", "type": "netem-shaper", "prevResult": self.made});
        with(&config, keys)
    }

    /// A call of the shaper for `vn1`.
    pub fn call(&self, command: &str, keys: &Value) -> Reply {
        call(command, &self.vn1, INTERFACE, &self.config(keys)).run()
    }

    /// ADD with these keys, CHECK, what `measure` does, CHECK, DEL. Panics if one of the verbs fails. Where `measure` panics, DEL
    /// comes before that goes on.
    pub fn shaped<T>(&self, keys: &Value, measure: impl FnOnce() -> T) -> T {
        self.call("ADD", keys).ok();
        self.call("CHECK", keys).ok();
        let measured = catch_unwind(AssertUnwindSafe(measure));
        if measured.is_ok() {
            self.call("CHECK", keys).ok();
        }
        self.call("DEL", keys).ok();
        measured.unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// The two ends of a direction: who sends, and who receives.
    fn places(&self, direction: Direction) -> (Place, Place) {
        let place = |node: &Namespace, last: u8| {
            let opened = Place::open(&node.path, IpAddr::from([10, 9, 0, last]));
            opened.unwrap_or_else(|error| panic!("{}: {error}", node.name)).on(INTERFACE)
        };
        let (vn1, vn2) = (place(&self.vn1, 1), place(&self.vn2, 2));
        match direction {
            Direction::Download => (vn2, vn1),
            Direction::Upload => (vn1, vn2),
        }
    }

    /// Single datagrams.
    pub fn probe(&self, direction: Direction, request: Probe) -> Probes {
        let (from, to) = self.places(direction);
        meter::probe(&from, &to, request).unwrap_or_else(|error| panic!("{direction:?}: {error}"))
    }

    /// A stream of datagrams.
    pub fn udp(&self, direction: Direction, request: Udp) -> Throughput {
        let (from, to) = self.places(direction);
        meter::udp(&from, &to, request).unwrap_or_else(|error| panic!("{direction:?}: {error}"))
    }

    /// Streams of bytes.
    pub fn tcp(&self, direction: Direction, request: Tcp) -> Throughput {
        let (from, to) = self.places(direction);
        meter::tcp(&from, &to, request).unwrap_or_else(|error| panic!("{direction:?}: {error}"))
    }
}

impl Default for Pair {
    fn default() -> Self {
        Self::new()
    }
}
