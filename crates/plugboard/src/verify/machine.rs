//! A virtual machine behind a TAP device: nothing of ours runs in it, but it answers echoes, and its device counts what it took.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddrV6};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use meter::Udp;
use meter::statistics::{self, Interval};
use netlink::{Mac, neighbour};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn6, sendto, setsockopt, socket, sockopt,
};

use super::cpu::{Moment, Usage};
use super::ends::{End, Pair, ip_and_udp};
use super::round_trip;
use super::row::{Direction, Row, Unit, measured};
use super::way::{OVERLOAD, Tools, UNLIMITED, asked_of, burst_time, payload};
use shaping_keys::Shape;

/// How long machines may take to answer an echo to all of them.
const ANSWERS: Duration = Duration::from_secs(5);

/// How often they are asked meanwhile: a machine that has just started has no address for the first seconds.
const AGAIN: Duration = Duration::from_millis(500);

/// All nodes on a link (RFC 4291, 2.7.1).
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// An echo request of ICMPv6 without a checksum, which the kernel fills in (RFC 3542, 3.1).
const ECHO: [u8; 8] = [128, 0, 0, 0, b'p', b'b', 0, 1];

/// The TAP device, and whose machine is behind it.
pub(super) struct Machine {
    /// The namespace that the device is in.
    pub(super) path: PathBuf,
    pub(super) device: String,
    /// The hardware address of the machine's NIC.
    pub(super) mac: Option<Mac>,
    /// The addresses that it was told to give itself.
    pub(super) addresses: Vec<IpAddr>,
}

impl Machine {
    /// From where to where it answers `first`: the address named, or one that it was told, or a link-local one that is found.
    pub(super) fn pair(&self, first: &End, named: Option<IpAddr>, shape: &Shape) -> anyhow::Result<Pair> {
        if let Some(address) = named {
            return answering(first, address, shape)?.ok_or_else(|| anyhow!("no echo came back from {address}"));
        }
        for address in self.addresses.iter().copied().chain(self.found(first)?) {
            if let Some(pair) = answering(first, address, shape)? {
                return Ok(pair);
            }
        }
        let mac = self.mac.map_or_else(|| "unknown address".to_owned(), |mac| format!("hardware address {mac}"));
        bail!(
            "the machine behind {} ({mac}) answers no echo: let it run with its network set up, or name an address of it with \
             --address",
            self.device
        )
    }

    /// Its link-local address: who answers an echo to all asks for the asker, and is known from then on.
    fn found(&self, first: &End) -> anyhow::Result<Vec<IpAddr>> {
        let Some(mac) = self.mac else { return Ok(Vec::new()) };
        let namespace = netlink::Namespace::open(&first.path)?;
        let mut socket = namespace.socket()?;
        let begin = Instant::now();
        loop {
            namespace.within(|| greet_all(first.link.index))?.context("cannot send an echo to all nodes")?;
            thread::sleep(AGAIN);
            let neighbours = neighbour::list(&mut socket, first.link.index)?;
            let found: Vec<_> =
                neighbours.into_iter().filter(|(_, of)| *of == mac).map(|(address, _)| address).collect();
            if !found.is_empty() || begin.elapsed() > ANSWERS {
                return Ok(found);
            }
        }
    }

    /// Bytes that the machine has taken from its device.
    fn taken(&self) -> anyhow::Result<u64> {
        let namespace = netlink::Namespace::open(&self.path)?;
        let listing = namespace.within(|| std::fs::read_to_string("/proc/thread-self/net/dev"))?;
        sent_bytes(&listing.context("cannot read the counters of devices")?, &self.device)
            .ok_or_else(|| anyhow!("there is no device {} in {}", self.device, self.path.display()))
    }

    /// Round trip and loss, and the rate of what the machine takes.
    pub(super) fn rows(&self, pair: &Pair, shape: &Shape, tools: &Tools<'_>) -> anyhow::Result<Vec<Row>> {
        tools.progress.expect(2);
        tools.progress.step(Direction::RoundTrip, "delay and loss");
        let mut rows = measured(|| of_echoes(pair, shape, tools))?;
        tools.progress.step(Direction::Download, "rate of datagrams");
        rows.push(self.rate_row(pair, shape, tools)?);
        Ok(rows)
    }

    fn rate_row(&self, pair: &Pair, shape: &Shape, tools: &Tools<'_>) -> anyhow::Result<Row> {
        let line = &shape.download;
        let rate = line.rate.map(super::way::bit_s);
        let offered = rate.map_or(UNLIMITED, |rate| rate * OVERLOAD);
        let skip = burst_time(line, offered, tools.mtu).clamp(Duration::from_millis(200), Duration::from_secs(30));
        let duration = skip.saturating_add(tools.duration()).saturating_add(Duration::from_millis(200));
        let (payload_bytes, layer2_bit_s) = payload(offered, ip_and_udp(pair.to.address()), tools.mtu);
        let request = Udp { payload_bytes, layer2_bit_s, duration, ..Udp::default() };
        let before = Moment::now();
        let (taken, sent) = thread::scope(|scope| {
            let sending = scope.spawn(|| meter::offer(&pair.from, pair.to.address(), request));
            let taken = self.taken_in(skip, tools.duration());
            (taken, sending.join())
        });
        let usage = before.usage(&Moment::now());
        let sent = sent.map_err(|_| anyhow!("the sender ended early"))??;
        let (asked, chance) = asked_of(line, offered, sent.layer2_bytes, tools.duration());
        let row = Row::rate(Direction::Download, "rate, UDP", asked, taken?, chance);
        Ok(row.explained(|_| {
            let mut reasons = tools.known();
            if sent.layer2_bit_s() < offered * 0.99 {
                reasons.push(format!("the sender reached only {}", Unit::Rate.show(sent.layer2_bit_s())));
            }
            reasons.extend(usage.and_then(Usage::reason));
            reasons
        }))
    }

    /// Bits per second that the machine takes, counted from `skip` on.
    #[expect(clippy::cast_precision_loss, reason = "52 bits of bytes are petabytes")]
    fn taken_in(&self, skip: Duration, time: Duration) -> anyhow::Result<f64> {
        thread::sleep(skip);
        let (begin, before) = (Instant::now(), self.taken()?);
        thread::sleep(time);
        let (after, time) = (self.taken()?, begin.elapsed());
        Ok(after.wrapping_sub(before) as f64 * 8.0 / time.as_secs_f64())
    }
}

/// Round trip and loss.
fn of_echoes(pair: &Pair, shape: &Shape, tools: &Tools<'_>) -> Result<Vec<Row>, meter::Error> {
    let count = round_trip::count(shape, tools.duration());
    let echoes = round_trip::echoes(pair, shape, count)?;
    let lines = [&shape.download, &shape.upload];
    let loss = 1.0 - lines.iter().map(|line| 1.0 - line.expected().lost).product::<f64>();
    let factor = lines.iter().map(|line| line.variance_factors(count).lost).fold(1.0, f64::max);
    let interval = statistics::wilson_of_dependent(echoes.lost().into(), count.into(), factor);
    let share = f64::from(echoes.lost()) / f64::from(count);
    let asked = Interval { low: loss, high: loss };
    Ok(vec![
        with_its_own_time(round_trip::row(shape, &echoes, tools)?),
        Row::share(Direction::RoundTrip, "loss", asked, share, interval).explained(|_| tools.known()),
    ])
}

/// A machine takes its time to answer, which nobody asked for: only less than asked can be wrong.
fn with_its_own_time(row: Row) -> Row {
    if row.asked.is_some_and(|asked| row.got > asked) {
        let row = Row { reasons: Vec::new(), ..row };
        return row.not_judged("this includes the time that the machine takes to answer");
    }
    row
}

/// The pair of addresses over which somebody answers, and who does.
fn answering(first: &End, address: IpAddr, shape: &Shape) -> anyhow::Result<Option<Pair>> {
    let Some(own) = first.towards(address) else { return Ok(None) };
    let pair = Pair { from: first.place(own)?, to: first.place(address)? };
    Ok(round_trip::answers(&pair, shape)?.then_some(pair))
}

/// The ninth number after the colon (proc_pid_net(5)).
fn sent_bytes(listing: &str, device: &str) -> Option<u64> {
    let line = listing.lines().find_map(|line| line.trim_start().strip_prefix(device)?.strip_prefix(':'))?;
    line.split_whitespace().nth(8)?.parse().ok()
}

fn greet_all(index: u32) -> io::Result<()> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let fd = socket(AddressFamily::Inet6, SockType::Raw, flags, SockProtocol::IcmpV6)?;
    setsockopt(&fd, sockopt::Ipv6MulticastHops, &1)?;
    let to = SockaddrIn6::from(SocketAddrV6::new(ALL_NODES, 0, 0, index));
    sendto(fd.as_raw_fd(), &ECHO, &to, MsgFlags::empty())?;
    Ok(())
}

/// Whether what has the interface's name is not an interface of a container: nothing, or a TAP device.
pub(super) fn is_there(link: Option<&netlink::link::Link>) -> bool {
    link.is_none_or(|link| link.kind == "tun")
}

/// The namespace that a path below `/proc` names: the host's own.
pub(super) fn own_namespace() -> PathBuf {
    Path::new("/proc/self/ns/net").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_devices_own_line_is_read() {
        let listing = "Inter-| Receive\n face |bytes\n  eth1: 1 2 3 4 5 6 7 8 99 10\n eth10: 1 2 3 4 5 6 7 8 77 10\n";
        assert_eq!(sent_bytes(listing, "eth1"), Some(99));
        assert_eq!(sent_bytes(listing, "eth10"), Some(77));
        assert_eq!(sent_bytes(listing, "eth"), None);
        assert_eq!(sent_bytes("eth1: 1", "eth1"), None);
    }
}
