//! What is asked for; see the usage.

use anyhow::{Context, Result, bail};

/// A NIC.
pub(crate) struct Nic<'a> {
    pub(crate) kind: Kind<'a>,
    /// The host's end, or the device on the host.
    pub(crate) name: &'a str,
    pub(crate) netns: &'a str,
    pub(crate) container_name: &'a str,
    pub(crate) pool: &'a str,
    pub(crate) queue: Option<Queue>,
    /// The table of source routing.
    pub(crate) table: Option<u32>,
}

/// What the NIC is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind<'a> {
    /// A veth pair, one end of which is a port of this bridge.
    On(&'a str),
    /// A veth pair without a bridge.
    Routed,
    /// A device of the host.
    Device,
    /// A veth pair, one end of which is a port of this bridge of Open vSwitch.
    OvsVeth(&'a str),
    /// A port of this bridge of Open vSwitch whose device the switch makes. It has the container's name.
    OvsInternal(&'a str),
}

/// A tbf queue: bytes per second, and bytes.
#[derive(Clone, Copy)]
pub(crate) struct Queue {
    pub(crate) rate: u32,
    pub(crate) burst: u32,
    pub(crate) limit: u32,
}

impl<'a> Nic<'a> {
    /// Reads the arguments.
    pub(crate) fn read(places: [&'a str; 5], options: &[&str]) -> Result<Self> {
        let [kind, name, netns, container_name, pool] = places;
        let kind = match kind.split_once('=') {
            Some(("on", bridge)) => Kind::On(bridge),
            Some(("ovs-veth", bridge)) => Kind::OvsVeth(bridge),
            Some(("ovs-internal", bridge)) => Kind::OvsInternal(bridge),
            None if kind == "routed" => Kind::Routed,
            None if kind == "device" => Kind::Device,
            _ => bail!("KIND: {kind}"),
        };
        let mut nic = Self { kind, name, netns, container_name, pool, queue: None, table: None };
        for option in options {
            match option.split_once('=') {
                Some(("table", number)) => nic.table = Some(number.parse().context("table")?),
                Some(("queue", numbers)) => nic.queue = Some(Queue::read(numbers)?),
                _ => bail!("unknown option {option}"),
            }
        }
        Ok(nic)
    }

    /// It is a port of a bridge of Open vSwitch.
    pub(crate) fn is_of_switch(&self) -> bool {
        matches!(self.kind, Kind::OvsVeth(_) | Kind::OvsInternal(_))
    }
}

impl Queue {
    fn read(numbers: &str) -> Result<Self> {
        let numbers: Vec<u32> = numbers.split(',').map(str::parse).collect::<Result<_, _>>().context("queue")?;
        match *numbers.as_slice() {
            [rate, burst, limit] => Ok(Self { rate, burst, limit }),
            _ => bail!("a queue needs RATE,BURST,LIMIT"),
        }
    }
}
