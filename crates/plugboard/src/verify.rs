//! `plugboard verify`: does an interface keep the limits that were asked for?
//!
//! Packets go between the interface and a container that is attached to the same network for that time, without limits.
//! A second one shows what the network does by itself. Both ends are sockets of this process, bound to the interfaces.

use std::cell::OnceCell;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use ::attachment::Identity;
use anyhow::{anyhow, bail};
use cni::Version;
use serde::Serialize;
use shaping_keys::Shape;

use crate::cache::Entry;
use crate::chain::Chain;
use crate::cli::Verify;
use crate::known_plugins;
use crate::network::{Network, Plugin};
use crate::runtime::{Entered, Runtime};
use crate::state::State;
use crate::table;
use crate::target::{Known, Target};
use crate::view::View;

use ends::{End, Pair};
use guests::Guests;
use machine::Machine;
use progress::Progress;
use queues::Queues;
use row::{Direction, Row, Verdict};
use way::{Tools, Way};

mod asked;
mod clock;
mod cpu;
mod ends;
mod guests;
mod machine;
mod progress;
mod queues;
mod round_trip;
mod row;
mod way;

/// Nothing answers where so much is lost: not even a neighbour is found.
const HOPELESS: f64 = 0.9;

/// The steps of a measurement: the round trip, and for each direction delays and loss, datagrams, and TCP.
const STEPS: usize = 7;

/// What is left out behind a TAP device.
const OF_A_MACHINE: &str = "what a machine sends cannot be measured from outside: its upload, and the rate of TCP, need a \
                            program in it, such as iperf3";

/// What is printed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    container_id: String,
    if_name: String,
    network: String,
    /// The addresses between which it was measured.
    address: String,
    measured_from: String,
    /// How long each figure was measured.
    seconds: u16,
    figures: Vec<Row>,
    /// What could not be measured, and why.
    notes: Vec<String>,
}

/// The attachment that is measured.
struct Subject<'a> {
    entry: &'a Entry,
    network: Network,
    path: &'a Path,
    shape: Shape,
    differences: Vec<String>,
}

impl Subject<'_> {
    fn delay(&self) -> Duration {
        let (down, up) = (self.shape.download.longest_delay(), self.shape.upload.longest_delay());
        Duration::from_nanos(down.nanoseconds().saturating_add(up.nanoseconds()))
    }
}

pub(crate) fn run(args: &Verify, runtime: &Runtime) -> anyhow::Result<ExitCode> {
    let target = Target::attached(&args.subject, &Known::of(&runtime.cache.survey()?.entries))?;
    let (namespace, _locks) = match target.machine() {
        Some(path) => {
            let Entered { namespace, locks } = runtime.enter_machine(&target.container_id, path)?;
            (namespace, Some(locks))
        }
        None => (target.open()?, None),
    };
    let entry = &runtime.cache.entry_of(&target.container_id, &args.interface)?;
    let network = Network::from_cache(&entry.config)?;
    let subject = Subject {
        entry,
        differences: differences(entry, &network, runtime)?,
        network,
        path: &namespace.path,
        shape: asked::of(&runtime.cache.entries_of(&target.container_id)?, &args.interface)?,
    };
    let report = guests::with_guests(runtime, |guests| measure(&subject, args, guests))?;
    if args.json {
        table::print_json(&report)?;
    } else {
        print(&report)?;
    }
    let missed: Vec<_> = report.figures.iter().filter(|row| row.verdict == Verdict::Missed).collect();
    for row in &missed {
        let [direction, what, asked, got, ..] = row.cells();
        tracing::warn!("{direction}: {what}: asked {asked}, got {got}: {}", row.reasons.join("; "));
    }
    Ok(if args.strict && !missed.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What CHECK of the plugins that keep limits says.
fn differences(entry: &Entry, network: &Network, runtime: &Runtime) -> anyhow::Result<Vec<String>> {
    let Some(result) = &entry.result else {
        bail!("{} was never set up completely: detach it", entry.attachment.if_name);
    };
    if network.version() < Version::V0_4_0 {
        return Ok(Vec::new());
    }
    let mut shapers = network.clone();
    shapers.plugins.retain(known_plugins::keeps_limits);
    let chain = Chain { network: &shapers, plugins: &runtime.plugins };
    Ok(chain.check(&entry.attachment, result).iter().map(ToString::to_string).collect())
}

/// What is behind the interface.
enum Far {
    /// A namespace, in which this process opens sockets.
    Namespace(Box<End>),
    /// A machine behind a TAP device, of which only what can be seen from outside is measured.
    Machine(Machine),
}

impl Far {
    fn of(subject: &Subject<'_>) -> anyhow::Result<Self> {
        let if_name = &subject.entry.attachment.if_name;
        // With the datapath in user space an internal port is a TAP device, too, which the switch has open.
        let is_switched = subject.network.plugins.iter().any(Plugin::makes_internal_port);
        if !is_switched && machine::is_there(ends::find_link(subject.path, if_name)?.as_ref()) {
            return machine_of(subject).map(Self::Machine);
        }
        End::open(subject.path, if_name).map(|end| Self::Namespace(Box::new(end)))
    }
}

fn measure(subject: &Subject<'_>, args: &Verify, guests: &Guests<'_>) -> anyhow::Result<Report> {
    let attachment = &subject.entry.attachment;
    let far = Far::of(subject)?;
    let progress = Progress::on_stderr();
    progress.prepare(&format!("attaching two containers to network '{}'", subject.network.name));
    let mut first = open_guest(subject, guests)?;
    let second = open_guest(subject, guests)?;
    if let Some(address) = args.probe_address {
        first.add(address)?;
    }
    let pair = match &far {
        Far::Namespace(end) => path_to(&first, end, args, &subject.shape)?,
        Far::Machine(machine) => machine.pair(&first, args.address, &subject.shape)?,
    };
    let unlimited =
        first.pairs(&second)?.into_iter().find(|pair| round_trip::answers(pair, &Shape::default()).unwrap_or(false));
    let tools = Tools {
        seconds: args.seconds,
        flows: args.flows,
        mtu: match &far {
            Far::Namespace(end) => end.link.mtu,
            Far::Machine(_) => first.link.mtu,
        },
        queues: &queues_of(subject),
        container: subject.path,
        differences: &subject.differences,
        delay: subject.delay(),
        unlimited: unlimited.as_ref(),
        clock: OnceCell::new(),
        progress: &progress,
    };
    let (figures, notes) = match &far {
        Far::Namespace(end) => (figures(&subject.shape, &pair, (&first, end), &tools)?, Vec::new()),
        Far::Machine(machine) => (machine.rows(&pair, &subject.shape, &tools)?, vec![OF_A_MACHINE.to_owned()]),
    };
    Ok(Report {
        container_id: attachment.container_id.clone(),
        if_name: attachment.if_name.clone(),
        network: subject.network.name.clone(),
        address: pair.to.address().to_string(),
        measured_from: pair.from.address().to_string(),
        seconds: args.seconds,
        figures,
        notes,
    })
}

/// The TAP device is in the container under the interface's name, or on the host under its own.
fn machine_of(subject: &Subject<'_>) -> anyhow::Result<Machine> {
    let attachment = &subject.entry.attachment;
    let view = View::of(subject.entry, State::Attached);
    let inside = ends::find_link(subject.path, &attachment.if_name)?.map(|link| link.name);
    let (path, device) = match inside {
        Some(device) => (subject.path.to_owned(), device),
        None => (machine::own_namespace(), view.host_interface().to_owned()),
    };
    let is_tap = ends::find_link(&path, &device)?.is_some_and(|link| link.kind == "tun");
    if !is_tap {
        bail!(
            "there is no interface {} in {}, and no TAP device of it on the host",
            attachment.if_name,
            subject.path.display()
        );
    }
    Ok(Machine { path, device, mac: view.mac().parse().ok(), addresses: view.ip_addresses() })
}

fn open_guest(subject: &Subject<'_>, guests: &Guests<'_>) -> anyhow::Result<End> {
    let attachment = &subject.entry.attachment;
    let namespace = guests.attach(&subject.network, attachment)?;
    End::open(&namespace.path, &attachment.if_name)
}

/// The first pair of addresses over which an echo comes back.
fn path_to(first: &End, end: &End, args: &Verify, shape: &Shape) -> anyhow::Result<Pair> {
    let pairs = match args.address {
        Some(address) => {
            let own = first.towards(address).ok_or_else(|| {
                anyhow!(
                    "the measuring container has no address from which it reaches {address} (it has {}): give it one with \
                     --probe-address",
                    first.describe()
                )
            })?;
            vec![Pair { from: first.place(own)?, to: end.place(address)? }]
        }
        None => first.pairs(end)?,
    };
    if pairs.is_empty() {
        bail!(
            "there is no pair of addresses of one subnet to measure between: {} in {} has {}, and a container on the same \
             network gets {}; switch IPv6 on for it (sysctl net.ipv6.conf.{}.disable_ipv6=0), or give the measuring container \
             a free address of its subnet with --probe-address",
            end.link.name,
            end.path.display(),
            end.describe(),
            first.describe(),
            end.link.name
        );
    }
    let mut tried = Vec::new();
    for pair in &pairs {
        if is_hopeless(shape) || round_trip::answers(pair, shape)? {
            return Ok(pair.clone());
        }
        tried.push(format!("{} from {}", pair.to.address(), pair.from.address()));
    }
    bail!("no echo came back from {}: a firewall may drop it, or the interface has no carrier", tried.join(", "))
}

fn queues_of(subject: &Subject<'_>) -> Queues {
    let attachment = &subject.entry.attachment;
    let identity = Identity::new(&subject.network.name, &attachment.container_id, &attachment.if_name);
    let mut host = vec![identity.host_name()];
    let named = View::of(subject.entry, State::Attached).host_interface().to_owned();
    if !named.is_empty() && !host.contains(&named) {
        host.push(named);
    }
    let (inside, ifb) = (attachment.if_name.clone(), identity.ifb_name(&attachment.if_name));
    Queues { host, inside, ifb, joint: identity.joint_name() }
}

/// The light figures first: what comes after leaves full queues behind.
fn figures(shape: &Shape, pair: &Pair, (first, end): (&End, &End), tools: &Tools<'_>) -> anyhow::Result<Vec<Row>> {
    tools.progress.expect(STEPS);
    tools.progress.step(Direction::RoundTrip, "delay");
    let base = tools.unlimited.map(|pair| way::base(pair, tools.duration())).transpose()?.unwrap_or_default();
    let back = Pair { from: pair.to.clone(), to: pair.from.clone() };
    let way = |direction, line, pair: &Pair, sender: &End, receiver: &End| Way {
        direction,
        line,
        pair: pair.clone(),
        sender: (sender.path.clone(), sender.link.name.clone()),
        receiver: receiver.path.clone(),
    };
    let ways = [
        way(Direction::Download, &shape.download, pair, first, end),
        way(Direction::Upload, &shape.upload, &back, end, first),
    ];
    let mut rows = round_trip::measure(shape, pair, tools)?;
    let longest = rows.iter().map(|row| if row.got.is_nan() { row.asked.unwrap_or_default() } else { row.got });
    let round_trip = Duration::from_nanos(whole(longest.fold(0.0, f64::max)));
    for way in &ways {
        rows.extend(way.small_rows(base, tools)?);
    }
    for way in &ways {
        rows.extend(way.rate_rows(round_trip, tools));
        if !is_hopeless(shape) {
            round_trip::settle(pair, shape)?;
        }
    }
    rows.sort_by_key(|row| row.direction as u8);
    if is_hopeless(shape) {
        rows = rows.into_iter().map(as_far_as_anything_arrives).collect();
    }
    Ok(rows)
}

fn is_hopeless(shape: &Shape) -> bool {
    [&shape.download, &shape.upload].iter().any(|line| line.expected().lost > HOPELESS)
}

/// If nearly everything is to be lost, that nothing arrives does not invalidate the other figures.
fn as_far_as_anything_arrives(row: Row) -> Row {
    if row.is_missed() && row.is_of_nothing() {
        let row = Row { reasons: Vec::new(), ..row };
        return row.not_judged("so much is lost in one direction that no neighbour is found, nor anything answered");
    }
    row
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "times are far below 2^63 ns and above 0")]
fn whole(nanoseconds: f64) -> u64 {
    nanoseconds as u64
}

fn print(report: &Report) -> std::io::Result<()> {
    let Report { container_id, if_name, network, address, measured_from, seconds, figures, notes } = report;
    table::print_text(&format!(
        "{if_name} of {container_id} on {network}: {address} measured from {measured_from}, {seconds} s each"
    ))?;
    let heading = ["DIRECTION", "WHAT", "ASKED", "GOT", "DEVIATION", "VERDICT"].map(str::to_owned);
    table::print_lines(std::iter::once(heading).chain(figures.iter().map(Row::cells)))?;
    notes.iter().try_for_each(|note| table::print_text(note))
}
