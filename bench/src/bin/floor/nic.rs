//! What is asked for; see the usage.

use std::net::Ipv4Addr;

use anyhow::{Context, Result, bail};

/// A NIC.
pub(crate) struct Nic<'a> {
    pub(crate) kind: Kind<'a>,
    /// The host's end, or the device on the host.
    pub(crate) name: &'a str,
    pub(crate) netns: &'a str,
    pub(crate) container_name: &'a str,
    /// The directory of the addresses that are taken; `None` for a NIC without an address.
    pub(crate) pool: Option<&'a str>,
    pub(crate) queue: Option<Queue>,
    /// The table of source routing.
    pub(crate) table: Option<u32>,
    /// The MTU of a pair, in bytes; the kernel's own where none is named.
    pub(crate) mtu: Option<u32>,
    /// The LAC to be made with its first member, and to be removed with it.
    pub(crate) lac: Option<Lac<'a>>,
}

/// What the NIC is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind<'a> {
    /// A veth pair, one end of which is a port of this bridge.
    On(&'a str),
    /// A veth pair, one end of which is a port of this bridge of a LAC.
    InLac(&'a str),
    /// A veth pair without a bridge.
    Routed,
    /// A device of the host.
    Device,
    /// A veth pair, one end of which is a port of this bridge of Open vSwitch.
    OvsVeth(&'a str),
    /// A port of this bridge of Open vSwitch whose device the switch makes. It has the container's name.
    OvsInternal(&'a str),
}

/// The VXLAN device of a LAC.
pub(crate) struct Lac<'a> {
    pub(crate) device: &'a str,
    pub(crate) vni: u32,
    pub(crate) underlay: &'a str,
    /// A group, or the other hosts.
    pub(crate) remotes: Vec<Ipv4Addr>,
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
    pub(crate) fn read(places: [&'a str; 5], options: &[&'a str]) -> Result<Self> {
        let [kind, name, netns, container_name, pool] = places;
        let kind = match kind.split_once('=') {
            Some(("on", bridge)) => Kind::On(bridge),
            Some(("lac", bridge)) => Kind::InLac(bridge),
            Some(("ovs-veth", bridge)) => Kind::OvsVeth(bridge),
            Some(("ovs-internal", bridge)) => Kind::OvsInternal(bridge),
            None if kind == "routed" => Kind::Routed,
            None if kind == "device" => Kind::Device,
            _ => bail!("KIND: {kind}"),
        };
        let pool = Some(pool).filter(|pool| *pool != "-");
        let mut nic = Self { kind, name, netns, container_name, pool, queue: None, table: None, mtu: None, lac: None };
        for option in options {
            match option.split_once('=') {
                Some(("table", number)) => nic.table = Some(number.parse().context("table")?),
                Some(("mtu", number)) => nic.mtu = Some(number.parse().context("mtu")?),
                Some(("make", words)) => nic.lac = Some(Lac::read(words)?),
                Some(("queue", numbers)) => nic.queue = Some(Queue::read(numbers)?),
                _ => bail!("unknown option {option}"),
            }
        }
        Ok(nic)
    }

    /// The first address of its subnet is a gateway. A bridge of Open vSwitch has none, nor has a LAC.
    pub(crate) fn has_gateway(&self) -> bool {
        matches!(self.kind, Kind::On(_) | Kind::Routed | Kind::Device)
    }
}

impl<'a> Lac<'a> {
    fn read(words: &'a str) -> Result<Self> {
        let words: Vec<&str> = words.split(',').collect();
        let [device, vni, underlay, ref remotes @ ..] = *words.as_slice() else {
            bail!("a LAC needs DEVICE,VNI,UNDERLAY and a group or hosts")
        };
        let remotes = remotes.iter().map(|remote| remote.parse()).collect::<Result<_, _>>().context("remotes")?;
        Ok(Self { device, vni: vni.parse().context("VNI")?, underlay, remotes })
    }

    /// The indexes that the bridge and the device are made with, far beyond those that the kernel gives: each of the messages that
    /// make a LAC can name what another one of them makes.
    pub(crate) fn indexes(&self) -> (i32, i32) {
        let bridge = 0x0100_0000 + self.vni.cast_signed() * 2;
        (bridge, bridge + 1)
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
