//! `vxlan-overlay` with a key: what the states of 10 peers cost ADD, beside ADD with the same peers in clear, and beside the kernel alone,
//! which makes the same states and policies without anything else.
//!
//! Each has a host of its own, a namespace with a NIC on a segment that they share.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bench::goal::Goal;
use bench::table::Table;
use harness::{Host, Lan, Namespace, Route, bin, bin_dir, sh};
use netlink::xfrm::{AUTHENTICATION_KEY_BYTES, CIPHER_KEY_BYTES, Direction, NewState, Policy, StateId};
use netlink::{Request, Socket};
use serde_json::{Value, json};

use crate::call::Call;
use crate::timing::{Figures, Times, Timing};

/// What it is called.
pub(crate) const TITLE: &str = "vxlan-overlay: a key, and 10 peers";

const KEY: &str = "/etc/cni/bench.key";
const GROUP: &str = "239.0.0.1";
const UNDERLAY: &str = "eth0";
const PORT: u16 = 14789;
const REQUEST_ID: u32 = 1;
const PEERS: u8 = 10;

/// What a key may cost ADD more.
const LIMIT: Duration = Duration::from_millis(2);

/// What does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Maker {
    /// The plugin, whose LAC hears its peers alone.
    Peers,
    /// The same with a key.
    Key,
    /// The kernel: states and policies by one write of netlink, from a process that runs already.
    Kernel,
    /// `ip -batch` with the same.
    Batch,
}

impl Maker {
    const ALL: [Self; 4] = [Self::Peers, Self::Key, Self::Kernel, Self::Batch];
}

impl fmt::Display for Maker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Peers => "ADD, with peers",
            Self::Key => "ADD, with peers and a key",
            Self::Kernel => "the kernel alone",
            Self::Batch => "ip -batch",
        })
    }
}

/// The figures of each; empty where the kernel has no ESP.
pub(crate) type Measured = BTreeMap<Maker, Figures>;

/// A host.
struct Site {
    maker: Maker,
    host: Namespace,
    container: Namespace,
    own: IpAddr,
    peers: Vec<IpAddr>,
}

impl Site {
    fn new(owner: &Host, lan: &Lan, maker: Maker, number: usize) -> Self {
        let [host, container] = ["sealed", "sealed-member"].map(|name| owner.namespace(&format!("{name}-{number}")));
        let own = lan.join(&host, UNDERLAY, Route::Default).ipv4.into();
        let peers = (0..PEERS).map(|peer| IpAddr::from([192, 168, 7, 201 + peer])).collect();
        Self { maker, host, container, own, peers }
    }

    fn make(&self) -> Result<Times> {
        match self.maker {
            Maker::Peers | Maker::Key => self.plugin("ADD"),
            Maker::Kernel => self.kernel(),
            Maker::Batch => self.timed(&self.batch()?),
        }
    }

    fn remove(&self) -> Result<()> {
        match self.maker {
            Maker::Peers | Maker::Key => self.plugin("DEL").map(drop),
            Maker::Kernel | Maker::Batch => {
                self.host.sh("ip xfrm state flush && ip xfrm policy flush").ok();
                Ok(())
            }
        }
    }

    fn timed(&self, call: &Call) -> Result<Times> {
        let (_, times) = self.host.within(|| call.run(&Timing))?;
        Ok(times)
    }

    fn plugin(&self, verb: &str) -> Result<Times> {
        let mut config = json!({ "cniVersion": "1.0.0", "name": "lac", "type": "vxlan-overlay", "group": GROUP,
            "peers": self.peers });
        if let (Maker::Key, Value::Object(config)) = (self.maker, &mut config) {
            config.insert("keyFile".to_owned(), KEY.into());
        }
        self.timed(&Call {
            program: bin("vxlan-overlay"),
            arguments: Vec::new(),
            environment: vec![
                ("CNI_COMMAND", verb.into()),
                ("CNI_CONTAINERID", self.container.name.clone().into()),
                ("CNI_NETNS", self.container.path.clone().into()),
                ("CNI_IFNAME", "eth1".into()),
                ("CNI_PATH", bin_dir().into()),
            ],
            stdin: config.to_string(),
        })
    }

    /// The source and the destination of each state, those that are heard first.
    fn ways(&self) -> Result<Vec<(IpAddr, IpAddr)>> {
        let group: IpAddr = GROUP.parse().context("the group")?;
        let heard = self.peers.iter().flat_map(|peer| [(*peer, self.own), (*peer, group)]);
        let sent = self.peers.iter().chain(std::iter::once(&group)).map(|to| (self.own, *to));
        Ok(heard.chain(sent).collect())
    }

    fn kernel(&self) -> Result<Times> {
        let mut requests: Vec<Request> = Vec::new();
        for (direction, source) in [(Direction::In, "0.0.0.0/0".to_owned()), (Direction::Out, self.own.to_string())] {
            let (source, destination) = (source.parse()?, "0.0.0.0/0".parse()?);
            let policy = Policy { direction, source, destination, port: PORT, request_id: REQUEST_ID };
            requests.push(policy.create());
        }
        for (spi, (source, destination)) in (1000..).zip(self.ways()?) {
            let (id, request_id) = (StateId { destination, spi }, REQUEST_ID);
            let (cipher_key, authentication_key) = (&[7; CIPHER_KEY_BYTES], &[9; AUTHENTICATION_KEY_BYTES]);
            requests.push(NewState { id, source, port: PORT, request_id, cipher_key, authentication_key }.create());
        }
        let (answers, wall) = self.host.within(|| -> Result<_> {
            let mut socket = Socket::open_xfrm()?;
            let start = Instant::now();
            let answers = socket.batch(requests)?;
            Ok((answers, start.elapsed()))
        })?;
        answers.into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(Times { wall, cpu: wall })
    }

    fn batch(&self) -> Result<Call> {
        let tmpl = format!("proto udp dport {PORT} tmpl proto esp mode transport reqid {REQUEST_ID}");
        let mut lines = vec![
            format!("xfrm policy add dir in src 0.0.0.0/0 dst 0.0.0.0/0 {tmpl}"),
            format!("xfrm policy add dir out src {}/32 dst 0.0.0.0/0 {tmpl}", self.own),
        ];
        let [cipher, authentication] = [7, 9].map(|byte| format!("0x{}", format!("{byte:02x}").repeat(32)));
        for (spi, (source, destination)) in (1000..).zip(self.ways()?) {
            lines.push(format!(
                "xfrm state add src {source} dst {destination} proto esp spi {spi} mode transport reqid {REQUEST_ID} \
                 extra-flag oseq-may-wrap auth-trunc hmac(sha256) {authentication} 128 enc cbc(aes) {cipher}"
            ));
        }
        Ok(Call {
            program: "/bin/ip".into(),
            arguments: ["-batch", "-"].map(OsString::from).to_vec(),
            environment: Vec::new(),
            stdin: lines.join("\n") + "\n",
        })
    }
}

/// Measures all by turns.
///
/// # Errors
/// A call fails, as on a kernel without ESP.
pub(crate) fn measure(rounds: usize, owner: &Host) -> Result<Measured> {
    eprintln!("bench: {TITLE}: {rounds} rounds");
    sh(&format!("mkdir -p /etc/cni && (umask 077; head -c 32 /dev/urandom | base64 > {KEY})")).ok();
    let lan = Lan::new(owner, "sealed-lan", 7);
    let mut sites: Vec<Site> =
        (0..).zip(Maker::ALL).map(|(number, maker)| Site::new(owner, &lan, maker, number)).collect();
    let mut seen: BTreeMap<Maker, Vec<Times>> = BTreeMap::new();
    for round in 0..=rounds {
        for site in &sites {
            let times = site.make()?;
            // The first round loads modules and fills caches.
            if round > 0 {
                seen.entry(site.maker).or_default().push(times);
            }
        }
        sites.iter().try_for_each(Site::remove)?;
        sites.rotate_left(1);
    }
    Ok(seen.into_iter().map(|(maker, times)| (maker, Figures::of(&times))).collect())
}

/// The table.
pub(crate) fn table(measured: &Measured) -> Table {
    let mut table = Table::new(&["what"], &["shortest ms", "median ms", "CPU ms", "calls"]);
    for (maker, figures) in measured {
        let mut times = [figures.least, figures.wall, figures.cpu].map(milliseconds);
        if let (Maker::Kernel, [.., cpu]) = (*maker, &mut times) {
            // It has no process of its own.
            cpu.clear();
        }
        table.row([maker.to_string()].into_iter().chain(times).chain([figures.calls.to_string()]));
    }
    if let Some([shortest, median, cpu]) = more(measured) {
        table.row(["the key's part of ADD".to_owned()].into_iter().chain([shortest, median, cpu].map(milliseconds)));
    }
    table
}

/// What ADD takes more with a key: the shortest time, the median, and CPU time.
fn more(measured: &Measured) -> Option<[Duration; 3]> {
    let [peers, key] = [Maker::Peers, Maker::Key].map(|maker| measured.get(&maker));
    let (peers, key) = (peers?, key?);
    let more = |of: fn(&Figures) -> Duration| of(key).saturating_sub(of(peers));
    Some([more(|figures| figures.least), more(|figures| figures.wall), more(|figures| figures.cpu)])
}

/// Compares the median with what is promised.
pub(crate) fn goals(measured: &Measured) -> Vec<Goal> {
    let (Some([shortest, median, _]), Some(kernel)) = (more(measured), measured.get(&Maker::Kernel)) else {
        return Vec::new();
    };
    vec![Goal {
        what: format!("ADD with a key and {PEERS} peers over ADD with these peers alone"),
        found: format!(
            "{} ms ({} by the shortest), at most {}; the kernel alone takes {} of it",
            milliseconds(median),
            milliseconds(shortest),
            milliseconds(LIMIT),
            milliseconds(kernel.wall)
        ),
        reached: median <= LIMIT,
    }]
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1000.0)
}
