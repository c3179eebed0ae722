//! A container's NIC on a LAC, or on a bridge, and the calls that give it to the container and take it away.

use std::ffi::OsString;
use std::fmt;

use anyhow::{Context, Result};
use harness::Namespace;
use serde_json::{Value, json};

use super::maker::Maker;
use super::site::{REMOTES, Site, UNDERLAY};
use crate::attachment::Verb;
use crate::call::Call;
use crate::contender::Contender;
use crate::timing::{Times, Timing};

/// What the underlay leaves of its 1500 bytes.
const MTU: u16 = 1450;
const GROUP: &str = "239.0.0.1";

/// How the hosts of a LAC find each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    /// By a multicast group.
    Group,
    /// By a list of three others.
    Remotes,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Group => "group",
            Self::Remotes => "3 remotes",
        })
    }
}

/// A container's NIC.
#[derive(Debug)]
pub(super) struct Member<'a> {
    pub(super) site: &'a Site<'a>,
    pub(super) container: &'a Namespace,
    pub(super) interface: String,
    pub(super) way: Way,
    pub(super) vni: u32,
    /// It has an address of host-local.
    pub(super) has_address: bool,
    /// The LAC comes and goes with it. The plugin sees that itself.
    pub(super) is_alone: bool,
    /// What ADD printed last.
    pub(super) result: String,
}

impl Member<'_> {
    /// Makes the call of a verb on the maker's host.
    ///
    /// # Errors
    /// It fails.
    pub(super) fn call(&mut self, verb: Verb) -> Result<Times> {
        let call = if self.site.maker == Maker::Floor { self.floor(verb) } else { self.plugin(verb)? };
        let (printed, times) = self.site.namespace.within(|| call.run(&Timing))?;
        if verb == Verb::Add {
            printed.trim().clone_into(&mut self.result);
        }
        Ok(times)
    }

    fn plugin(&self, verb: Verb) -> Result<Call> {
        let (name, kind) = match self.site.maker {
            Maker::Bridge => ("bridge".to_owned(), "bridge"),
            Maker::Ours | Maker::Closed | Maker::Floor => (format!("lac{}", self.vni), "vxlan-overlay"),
        };
        let mut config = json!({ "cniVersion": "1.0.0", "name": name, "type": kind });
        if let Value::Object(config) = &mut config {
            match (self.site.maker, self.way) {
                (Maker::Bridge, _) => drop(config.insert("bridge".to_owned(), "br0".into())),
                (_, Way::Group) => drop(config.insert("group".to_owned(), GROUP.into())),
                (_, Way::Remotes) => drop(config.insert("remotes".to_owned(), json!(REMOTES))),
            }
            if self.site.maker != Maker::Bridge {
                config.insert("vni".to_owned(), self.vni.into());
            }
            if self.site.maker == Maker::Closed {
                config.insert("peers".to_owned(), json!(REMOTES));
            }
            if self.has_address {
                let range = json!({ "subnet": "10.9.0.0/16" });
                config.insert("ipam".to_owned(), json!({ "type": "host-local", "ranges": [[range]] }));
            }
            if verb != Verb::Add {
                let result = serde_json::from_str(&self.result).context("the result of ADD")?;
                config.insert("prevResult".to_owned(), result);
            }
        }
        let plugins = self.site.programs.plugins(Contender::Ours);
        Ok(Call {
            program: plugins.join(kind),
            arguments: Vec::new(),
            environment: vec![
                ("CNI_COMMAND", verb.to_string().into()),
                ("CNI_CONTAINERID", self.container.name.clone().into()),
                ("CNI_NETNS", self.container.path.clone().into()),
                ("CNI_IFNAME", self.interface.clone().into()),
                ("CNI_PATH", plugins.into()),
            ],
            stdin: config.to_string(),
        })
    }

    fn floor(&self, verb: Verb) -> Call {
        let (word, last) = if verb == Verb::Add { ("add", "10.9") } else { ("del", self.result.as_str()) };
        let pool = if self.has_address { &self.site.pool } else { "-" };
        let port = format!("port{}-{}", self.vni, if self.is_alone { 1 } else { 2 });
        let mut arguments: Vec<OsString> = vec![word.into(), format!("lac=lac{}", self.vni).into(), port.into()];
        arguments.push(self.container.path.clone().into());
        arguments.extend([&self.interface, pool, last].map(OsString::from));
        arguments.push(format!("mtu={MTU}").into());
        if self.is_alone {
            let remotes = match self.way {
                Way::Group => GROUP.to_owned(),
                Way::Remotes => REMOTES.join(","),
            };
            arguments.push(format!("make=vx{0},{0},{UNDERLAY},{remotes}", self.vni).into());
        }
        Call {
            program: self.site.programs.floor().to_owned(),
            arguments,
            environment: Vec::new(),
            stdin: String::new(),
        }
    }
}
