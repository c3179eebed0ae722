//! Addresses that whoever attaches a container asks for.

use std::net::IpAddr;

use anyhow::{anyhow, bail};
use netlink::Mac;
use serde_json::{Map, Value, json};
use shaping::Ip;
use shaping::networks::NetworkSpec;

use crate::cache::Entry;
use crate::cli::Attach;
use crate::network::{Network, Plugin};
use crate::state::State;
use crate::usage::Usage;
use crate::view::View;

/// The capability by which a plugin says that it takes addresses.
const IPS: &str = "ips";

/// The capability by which a plugin says that it takes a hardware address.
const MAC: &str = "mac";

/// What one interface is to have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wish {
    ips: Vec<Ip>,
    mac: Option<Mac>,
}

impl Wish {
    /// Those of the networks of a command line, in their order.
    ///
    /// # Errors
    /// A usage error: options for one interface beside several networks, or the same said twice.
    pub(crate) fn of_all(specs: &[NetworkSpec], args: &Attach) -> anyhow::Result<Vec<Self>> {
        let given = Self { ips: args.ip.clone(), mac: args.mac };
        if given != Self::default() && specs.len() != 1 {
            let count = specs.len();
            return Err(Usage::new(format!(
                "--ip and --mac are about one interface, and there are {count} networks: write NETWORK[ip=ADDRESS,mac=ADDRESS]"
            ))
            .into());
        }
        specs.iter().map(|spec| Self::of(spec, &given)).collect()
    }

    fn of(spec: &NetworkSpec, given: &Self) -> anyhow::Result<Self> {
        let in_brackets = spec.mac.as_deref().map(str::parse).transpose().map_err(|error: String| Usage::new(error))?;
        let ips: Vec<Ip> = given.ips.iter().copied().chain(spec.ip).collect();
        let is_twice = |is_v4: bool| ips.iter().filter(|ip| ip.address.is_ipv4() == is_v4).count() > 1;
        if is_twice(true) || is_twice(false) {
            return Err(
                Usage::new(format!("network '{}': one address of each family may be asked for", spec.name)).into()
            );
        }
        match (given.mac, in_brackets) {
            (Some(_), Some(_)) => {
                Err(Usage::new(format!("network '{}': two hardware addresses are asked for", spec.name)).into())
            }
            (given, in_brackets) => Ok(Self { ips, mac: given.or(in_brackets) }),
        }
    }

    /// Has the plugins of a network be told. One that does not ask for such an argument is made to: the first of the chain, which makes
    /// the interface, for a hardware address, and those with an IPAM plugin for addresses.
    ///
    /// # Errors
    /// The network gives no addresses.
    pub(crate) fn apply(&self, network: &mut Network, args: &mut Map<String, Value>) -> anyhow::Result<()> {
        if let Some(mac) = self.mac {
            if !network.plugins.iter().any(|plugin| plugin.has_capability(MAC)) {
                network.plugins.iter_mut().take(1).for_each(|plugin| plugin.ask_for_capability(MAC));
            }
            args.insert(MAC.to_owned(), json!(mac.to_string()));
        }
        if !self.ips.is_empty() {
            let has_ipam = |plugin: &Plugin| plugin.ipam().is_some_and(|kind| !kind.is_empty());
            if !network.plugins.iter().any(|plugin| plugin.has_capability(IPS)) {
                if !network.plugins.iter().any(has_ipam) {
                    bail!(
                        "network '{}' gives no addresses, because it has no ipam: leave {} out, and configure it in the container",
                        network.name,
                        self.listed()
                    );
                }
                let with_ipam = network.plugins.iter_mut().filter(|plugin| has_ipam(plugin));
                with_ipam.for_each(|plugin| plugin.ask_for_capability(IPS));
            }
            args.insert(IPS.to_owned(), json!(self.ips.iter().map(ToString::to_string).collect::<Vec<_>>()));
        }
        Ok(())
    }

    /// Whether the interface has what was asked for: not every plugin knows of it.
    ///
    /// # Errors
    /// What it has instead.
    pub(crate) fn refuse_unmet(&self, entry: &Entry) -> anyhow::Result<()> {
        let view = View::of(entry, State::Attached);
        let (if_name, network) = (&entry.attachment.if_name, &entry.network);
        if let Some(mac) = self.mac.filter(|mac| view.mac().parse() != Ok(*mac)) {
            let has = if view.mac().is_empty() { "none that is told" } else { view.mac() };
            bail!(
                "network '{network}': {if_name} should have the hardware address {mac}, and has {has}: its plugins do not take one"
            );
        }
        let has: Vec<IpAddr> = view.ip_addresses();
        match self.ips.iter().find(|ip| !has.contains(&ip.address)) {
            None => Ok(()),
            Some(ip) => {
                let has = has.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                let has = if has.is_empty() { "none".to_owned() } else { has };
                Err(anyhow!(
                    "network '{network}': {if_name} should have the address {ip}, and has {has}: its IPAM plugin does not take one"
                ))
            }
        }
    }

    fn listed(&self) -> String {
        self.ips.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
    }
}
