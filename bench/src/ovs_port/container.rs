//! A container, and the calls that give it a NIC and take it away.

use std::ffi::OsString;
use std::path::Path;

use anyhow::{Context, Result};
use harness::{Host, Namespace, sh};
use serde_json::{Value, json};

use super::bridge::NAME as BRIDGE;
use super::job::Nic;
use super::maker::{IP, Maker, VSCTL};
use crate::attachment::Verb;
use crate::call::Call;
use crate::contender::{Contender, Programs};
use crate::timing::{Times, Timing};

/// Where the floor keeps the addresses that are taken.
const POOL: &str = "/var/lib/cni/floor/ovs-port";

/// A container whose NIC one maker makes.
#[derive(Debug)]
pub(super) struct Container<'a> {
    pub(super) maker: Maker,
    nic: Nic,
    programs: &'a Programs,
    namespace: Namespace,
    /// What ADD printed last.
    result: String,
}

impl<'a> Container<'a> {
    pub(super) fn new(host: &Host, maker: Maker, nic: Nic, programs: &'a Programs) -> Self {
        if maker == Maker::Floor {
            sh(&format!("mkdir -p {POOL}")).ok();
        }
        let namespace = host.namespace(&format!("{nic}-{}", maker.word()));
        Self { maker, nic, programs, namespace, result: String::new() }
    }

    /// Makes the calls of a verb, one after the other.
    ///
    /// # Errors
    /// One fails.
    pub(super) fn call(&mut self, verb: Verb) -> Result<Times> {
        let calls = match self.maker {
            Maker::Ours => vec![self.plugin(verb)?],
            Maker::Commands => self.commands(verb),
            Maker::Floor => vec![self.floor(verb)],
        };
        let mut all = Vec::new();
        for call in calls {
            let (printed, times) = call.run(&Timing)?;
            all.push(times);
            if verb == Verb::Add {
                printed.trim().clone_into(&mut self.result);
            }
        }
        Ok(all.into_iter().sum())
    }

    fn plugin(&self, verb: Verb) -> Result<Call> {
        let mut config = json!({
            "cniVersion": "1.0.0",
            "name": "ovs-port",
            "type": "ovs-port",
            "bridge": BRIDGE,
            "nic": self.nic.to_string(),
            "ipam": {"type": "host-local", "ranges": [[{"subnet": format!("{}.0.0/16", self.maker.subnet())}]]},
        });
        if let (Verb::Del, Value::Object(config)) = (verb, &mut config) {
            let result = serde_json::from_str(&self.result).context("the result of ADD")?;
            config.insert("prevResult".to_owned(), result);
        }
        let plugins = self.programs.plugins(Contender::Ours);
        Ok(Call {
            program: plugins.join("ovs-port"),
            arguments: Vec::new(),
            environment: vec![
                ("CNI_COMMAND", verb.to_string().into()),
                ("CNI_CONTAINERID", self.namespace.name.clone().into()),
                ("CNI_NETNS", self.namespace.path.clone().into()),
                ("CNI_IFNAME", self.interface().into()),
                ("CNI_PATH", plugins.into()),
            ],
            stdin: config.to_string(),
        })
    }

    fn floor(&self, verb: Verb) -> Call {
        let (interface, subnet) = (self.interface(), self.maker.subnet());
        let (word, last) = if verb == Verb::Add { ("add", subnet) } else { ("del", self.result.as_str()) };
        let kind = format!("ovs-{}={BRIDGE}", self.nic);
        let netns: OsString = self.namespace.path.clone().into();
        let mut arguments: Vec<OsString> = [word, &kind, &self.port()].map(Into::into).into();
        arguments.push(netns);
        arguments.extend([&interface, POOL, last].map(OsString::from));
        call(self.programs.floor(), arguments)
    }

    /// What somebody would type. `ip -n` does without a process of `ip netns exec`.
    fn commands(&self, verb: Verb) -> Vec<Call> {
        let (port, interface, container) = (self.port(), self.interface(), &self.namespace.name);
        let address = format!("-n {container} address add {}.0.2/16 dev {interface}", self.maker.subnet());
        let up = format!("-n {container} link set {interface} up");
        let commands = match (verb, self.nic) {
            (Verb::Add, Nic::Veth) => vec![
                (IP, format!("link add {port} type veth peer name {interface}")),
                (IP, format!("link set {interface} netns {container}")),
                (IP, format!("link set {port} up")),
                (VSCTL, format!("add-port {BRIDGE} {port}")),
                (IP, address),
                (IP, up),
            ],
            (Verb::Add, Nic::Internal) => vec![
                (VSCTL, format!("add-port {BRIDGE} {interface} -- set interface {interface} type=internal")),
                (IP, format!("link set {interface} netns {container}")),
                (IP, address),
                (IP, up),
            ],
            (_, Nic::Veth) => {
                vec![(VSCTL, format!("del-port {BRIDGE} {port}")), (IP, format!("link delete {port}"))]
            }
            (_, Nic::Internal) => vec![(VSCTL, format!("del-port {BRIDGE} {interface}"))],
        };
        let split = |line: &str| line.split_whitespace().map(OsString::from).collect();
        commands.into_iter().map(|(program, line)| call(Path::new(program), split(&line))).collect()
    }

    /// The container interface, each maker's own: internal ports go by its name in the switch.
    fn interface(&self) -> String {
        format!("eth-{}", self.maker.word())
    }

    /// The host's end of a pair; the plugin names its own itself.
    fn port(&self) -> String {
        format!("port-{}", self.maker.word())
    }
}

/// A call of a program that needs no environment and reads nothing.
fn call(program: &Path, arguments: Vec<OsString>) -> Call {
    Call { program: program.to_owned(), arguments, environment: Vec::new(), stdin: String::new() }
}
