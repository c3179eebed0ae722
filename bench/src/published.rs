//! Published ports: ADD of `portmap` behind `bridge` with ipMasq, that of the whole chain of a container runtime, and what a new
//! connection costs beside many ports.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bench::goal::Goal;
use bench::table::Table;
use harness::{Host, Namespace, sh};
use serde_json::{Value, json};

use crate::call::Call;
use crate::contender::{Contender, Programs};
use crate::network::NEWER_TOOLS;
use crate::statistics::median;
use crate::timing::{Figures, Times, Timing};

/// What it is called.
pub(crate) const TITLE: &str = "Published ports, beside another container's (reference: iptables, newer: nftables)";
/// What it is called.
pub(crate) const CONNECTIONS_TITLE: &str = "A new connection from another namespace to a published port";

/// What ADD of portmap may take.
const PORTMAP_MS: f64 = 0.8;
const REFERENCE_RATIO: f64 = 15.0;
/// What a connection may take beside many ports, and beside one.
const CONNECTION_RATIO: f64 = 1.05;

/// Connections of one measurement, and how many measurements there are for each number of ports: fewer in all than a client has ports.
const CONNECTIONS: usize = 500;
const TURNS: usize = 10;
const MANY: u16 = 1000;

/// What is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// `portmap` alone.
    Portmap,
    /// bridge with ipMasq, portmap, the limit of 100 Mbit/s, and the reference's tuning, which all of them use.
    Chain,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Portmap => "portmap",
            Self::Chain => "bridge, portmap, limit, tuning",
        })
    }
}

/// All that was measured.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    adds: BTreeMap<(Step, Contender), Figures>,
    /// Of a connection, by the number of published ports.
    connections: BTreeMap<(Contender, u16), Duration>,
}

impl Measured {
    pub(crate) fn is_empty(&self) -> bool {
        self.adds.is_empty()
    }
}

/// Runs all by turns.
///
/// # Errors
/// A call fails.
pub(crate) fn measure(rounds: usize, programs: &Programs, host: &Host) -> Result<Measured> {
    eprintln!("bench: {TITLE}");
    let mut contenders = vec![Contender::Ours, Contender::Reference];
    if programs.has_newer() {
        contenders.push(Contender::Newer);
    }
    let networks = contenders.into_iter().zip(1..);
    let mut networks: Vec<Publishing<'_>> = networks
        .map(|(contender, number)| Publishing::make(contender, number, programs, host))
        .collect::<Result<_>>()?;
    let mut seen: BTreeMap<(Step, Contender), Vec<Times>> = BTreeMap::new();
    for round in 0..=rounds {
        for network in &networks {
            let [portmap, chain] = network.add_and_remove()?;
            // The first round fills the caches.
            if round > 0 {
                seen.entry((Step::Portmap, network.contender)).or_default().push(portmap);
                seen.entry((Step::Chain, network.contender)).or_default().push(chain);
            }
        }
        // None always runs in the wake of the same one.
        networks.reverse();
    }
    let adds = seen.into_iter().map(|(key, times)| (key, Figures::of(&times))).collect();
    let mut connections = BTreeMap::new();
    for network in &networks {
        connections.extend(network.connections(host)?);
    }
    for network in networks {
        network.remove()?;
    }
    Ok(Measured { adds, connections })
}

/// A network of one contender, on which a container has published a port.
struct Publishing<'a> {
    contender: Contender,
    number: u8,
    programs: &'a Programs,
    holder: Namespace,
    container: Namespace,
    /// The NIC of the holder.
    held: Value,
}

impl<'a> Publishing<'a> {
    fn make(contender: Contender, number: u8, programs: &'a Programs, host: &Host) -> Result<Self> {
        let [holder, container] = ["holder", "container"].map(|name| host.namespace(&format!("{name}{number}")));
        let mut network = Self { contender, number, programs, holder, container, held: Value::Null };
        let (made, _) = network.call(&network.holder, "ADD", "bridge", &network.bridge())?;
        network.held = serde_json::from_str(&made).context("the result of bridge")?;
        let holder = network.portmap(&network.held, &[network.port(0)]);
        network.call(&network.holder, "ADD", "portmap", &holder)?;
        Ok(network)
    }

    fn remove(self) -> Result<()> {
        self.call(&self.holder, "DEL", "portmap", &self.portmap(&self.held, &[self.port(0)]))?;
        self.call(&self.holder, "DEL", "bridge", &self.bridge())?;
        Ok(())
    }

    /// Ports of the host that no other contender publishes.
    fn port(&self, place: u16) -> u16 {
        10_000 + u16::from(self.number) * 2 * MANY + place
    }

    fn bridge(&self) -> Value {
        let mut config = self.config("bridge");
        let subnet = format!("10.2{}.0.0/16", self.number);
        let keys = json!({"bridge": self.name(), "isGateway": true, "ipMasq": true, "ipam": {"type": "host-local",
            "ranges": [[{"subnet": subnet}]], "routes": [{"dst": "0.0.0.0/0"}]}});
        extend(&mut config, keys);
        if self.contender == Contender::Newer {
            extend(&mut config, json!({"ipMasqBackend": "nftables"}));
        }
        config
    }

    fn portmap(&self, previous: &Value, ports: &[u16]) -> Value {
        let mut config = self.config("portmap");
        let mapping = |port: &u16| json!({"hostPort": port, "containerPort": 80, "protocol": "tcp"});
        let mappings: Vec<Value> = ports.iter().map(mapping).collect();
        extend(&mut config, json!({"prevResult": previous, "runtimeConfig": {"portMappings": mappings}}));
        if self.contender == Contender::Newer {
            extend(&mut config, json!({"backend": "nftables"}));
        }
        config
    }

    fn config(&self, kind: &str) -> Value {
        json!({"cniVersion": "1.0.0", "name": self.name(), "type": kind})
    }

    fn name(&self) -> String {
        format!("published{}", self.number)
    }

    fn call(&self, ns: &Namespace, command: &str, plugin: &str, config: &Value) -> Result<(String, Times)> {
        let directory = match plugin {
            "tuning" => self.programs.plugins(Contender::Reference),
            _ => self.programs.plugins(self.contender),
        };
        let tools = if self.contender == Contender::Newer { NEWER_TOOLS } else { "/usr/sbin:/usr/bin:/sbin:/bin" };
        let call = Call {
            program: directory.join(plugin),
            arguments: Vec::new(),
            environment: vec![
                ("CNI_COMMAND", command.into()),
                ("CNI_CONTAINERID", ns.name.as_str().into()),
                ("CNI_NETNS", ns.path.as_path().into()),
                ("CNI_IFNAME", "eth0".into()),
                ("CNI_PATH", directory.into()),
                ("PATH", tools.into()),
            ],
            stdin: config.to_string(),
        };
        call.run(&Timing)
    }

    /// The chain's ADD, then its DEL: what `portmap` took of it, and what all of it did.
    fn add_and_remove(&self) -> Result<[Times; 2]> {
        let container = &self.container;
        let (made, nic) = self.call(container, "ADD", "bridge", &self.bridge())?;
        let made: Value = serde_json::from_str(&made).context("the result of bridge")?;
        let with_result = |mut config: Value, keys: Value| {
            extend(&mut config, keys);
            extend(&mut config, json!({ "prevResult": made }));
            config
        };
        let portmap = self.portmap(&made, &[self.port(1)]);
        let limit = match self.contender {
            Contender::Ours => with_result(self.config("netem-shaper"), json!({"bw": "100Mbps"})),
            _ => with_result(self.config("bandwidth"), json!({"ingressRate": 100_000_000, "ingressBurst": 524_288})),
        };
        let tuning = with_result(self.config("tuning"), json!({"sysctl": {"net.core.somaxconn": "500"}}));
        let chain = [
            ("portmap", portmap),
            (if self.contender == Contender::Ours { "netem-shaper" } else { "bandwidth" }, limit),
            ("tuning", tuning),
        ];
        let mut times = Vec::new();
        for (plugin, config) in &chain {
            times.push(self.call(container, "ADD", plugin, config)?.1);
        }
        for (plugin, config) in chain.iter().rev() {
            self.call(container, "DEL", plugin, config)?;
        }
        self.call(container, "DEL", "bridge", &with_result(self.bridge(), json!({})))?;
        let portmap = times.first().copied().unwrap_or_default();
        Ok([portmap, times.into_iter().chain([nic]).sum()])
    }

    /// What a connection takes to the holder's port, alone and beside many, by turns.
    fn connections(&self, host: &Host) -> Result<BTreeMap<(Contender, u16), Duration>> {
        let client = host.namespace(&format!("client{}", self.number));
        let (outside, inside) = (format!("outside{}", self.number), format!("192.0.{}", self.number));
        sh(&format!(
            "ip link add {outside} type veth peer name eth0 netns {} && ip address add {inside}.1/24 dev {outside} && \
             ip link set {outside} up && ip -n {} address add {inside}.2/24 dev eth0 && ip -n {} link set eth0 up",
            client.name, client.name, client.name
        ))
        .ok();
        let address: SocketAddr = format!("{inside}.1:{}", self.port(0)).parse()?;
        let listener = within(&self.holder.path, || Ok(TcpListener::bind("0.0.0.0:80")?))?;
        std::thread::spawn(move || listener.incoming().for_each(drop));
        let (made, _) = self.call(&self.container, "ADD", "bridge", &self.bridge())?;
        let made: Value = serde_json::from_str(&made).context("the result of bridge")?;
        let ports: Vec<u16> = (1..MANY).map(|place| self.port(place)).collect();
        let many = self.portmap(&made, &ports);
        let connect = || {
            let path = client.path.clone();
            within(&path, move || {
                // A question that the server's queue has no room for is repeated after a second: medians do not see that.
                let mut times = Vec::with_capacity(CONNECTIONS);
                for _ in 0..CONNECTIONS {
                    let start = Instant::now();
                    TcpStream::connect_timeout(&address, Duration::from_secs(5)).context("connect")?;
                    times.push(start.elapsed());
                }
                Ok(median(&times))
            })
        };
        connect()?;
        let (mut alone, mut beside) = (Vec::new(), Vec::new());
        // The reference runs a process for each rule: many ports take it minutes.
        let turns = if self.contender == Contender::Ours { TURNS } else { 1 };
        for _ in 0..turns {
            connect()?; // the kernel is done with what was removed
            for _ in 0..TURNS / turns {
                alone.push(connect()?);
            }
            self.call(&self.container, "ADD", "portmap", &many)?;
            connect()?;
            for _ in 0..TURNS / turns {
                beside.push(connect()?);
            }
            self.call(&self.container, "DEL", "portmap", &many)?;
        }
        self.call(&self.container, "DEL", "bridge", &self.bridge())?;
        sh(&format!("ip link delete {outside}")).ok();
        Ok([((self.contender, 1), median(&alone)), ((self.contender, MANY), median(&beside))].into())
    }
}

fn extend(object: &mut Value, keys: Value) {
    if let (Value::Object(object), Value::Object(keys)) = (object, keys) {
        object.extend(keys);
    }
}

/// Runs `work` in a thread in a network namespace.
fn within<T: Send + 'static>(path: &Path, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let file = std::fs::File::open(path)?;
    let done = std::thread::spawn(move || {
        nix::sched::setns(&file, nix::sched::CloneFlags::CLONE_NEWNET)?;
        work()
    });
    let done = done.join();
    ensure!(done.is_ok(), "the thread in {} has panicked", path.display());
    done.unwrap_or_else(|_| Err(anyhow::anyhow!("it has panicked")))
}

/// The tables, each with its title.
pub(crate) fn tables(measured: &Measured) -> Vec<(&'static str, Table)> {
    if measured.is_empty() {
        return Vec::new();
    }
    let milliseconds = |time: Duration| format!("{:.2}", time.as_secs_f64() * 1000.0);
    let mut adds = Table::new(&["ADD", "by"], &["median ms", "shortest ms", "CPU ms"]);
    for step in [Step::Portmap, Step::Chain] {
        let figures = |contender| measured.adds.get(&(step, contender));
        for contender in Contender::ALL {
            if let Some(found) = figures(contender) {
                let times = [found.wall, found.least, found.cpu].map(milliseconds);
                adds.row([step.to_string(), contender.to_string()].into_iter().chain(times));
            }
        }
        for reference in [Contender::Reference, Contender::Newer] {
            if let (Some(over), Some(under)) = (figures(reference), figures(Contender::Ours)) {
                let ratios = [(over.wall, under.wall), (over.least, under.least), (over.cpu, under.cpu)];
                let ratios = ratios.map(|(over, under)| format!("{:.2}", ratio(over, under)));
                adds.row([step.to_string(), format!("{reference} / ours")].into_iter().chain(ratios));
            }
        }
    }
    let mut connections = Table::new(&["by"], &["ports", "median us"]);
    for ((contender, ports), time) in &measured.connections {
        connections.row([contender.to_string(), ports.to_string(), format!("{:.1}", time.as_secs_f64() * 1e6)]);
    }
    vec![(TITLE, adds), (CONNECTIONS_TITLE, connections)]
}

fn ratio(over: Duration, under: Duration) -> f64 {
    over.as_secs_f64() / under.as_secs_f64()
}

/// What is promised.
pub(crate) fn goals(measured: &Measured) -> Vec<Goal> {
    let wall = |step, contender| measured.adds.get(&(step, contender)).map(|figures| figures.wall);
    let mut goals = Vec::new();
    let Some(ours) = wall(Step::Portmap, Contender::Ours) else { return goals };
    let found = ours.as_secs_f64() * 1000.0;
    goals.push(Goal {
        what: "what portmap adds to ADD of bridge with ipMasq".to_owned(),
        found: format!("{found:.2} ms, at most {PORTMAP_MS} ms"),
        reached: found <= PORTMAP_MS,
    });
    for (reference, backend) in [(Contender::Reference, "iptables"), (Contender::Newer, "nftables")] {
        if let Some(theirs) = wall(Step::Portmap, reference) {
            let found = ratio(theirs, ours);
            goals.push(Goal {
                what: format!("ADD of portmap beside the reference's with {backend}"),
                found: format!("{found:.1} times as fast, at least {REFERENCE_RATIO}"),
                reached: found >= REFERENCE_RATIO,
            });
        }
    }
    let connection = |ports| measured.connections.get(&(Contender::Ours, ports)).copied();
    if let (Some(alone), Some(beside)) = (connection(1), connection(MANY)) {
        let found = ratio(beside, alone);
        goals.push(Goal {
            what: format!("a new connection beside {MANY} published ports"),
            found: format!("{found:.2} times that beside one, at most {CONNECTION_RATIO}"),
            reached: found <= CONNECTION_RATIO,
        });
    }
    goals
}
