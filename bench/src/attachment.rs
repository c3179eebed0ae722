//! One container on one network, and the calls that a runtime makes for it.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::call::{Call, Observer};
use crate::contender::Contender;
use crate::network::{Kind, Network, Plugin};

/// The containers' interface.
pub(crate) const INTERFACE: &str = "eth0";

/// What is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verb {
    Add,
    Check,
    Del,
}

impl Verb {
    /// In the order of an attachment's life.
    pub(crate) const ALL: [Self; 3] = [Self::Add, Self::Check, Self::Del];
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Add => "ADD",
            Self::Check => "CHECK",
            Self::Del => "DEL",
        })
    }
}

/// A container on a network.
#[derive(Debug)]
pub(crate) struct Attachment<'a> {
    network: &'a Network,
    container: String,
    netns: PathBuf,
    /// What ADD printed last: the chain's result, or the floor's address.
    result: String,
}

impl<'a> Attachment<'a> {
    /// The container `container`, whose namespace is at `netns`. Nothing is called yet.
    pub(crate) fn new(network: &'a Network, container: &str, netns: &Path) -> Self {
        Self { network, container: container.to_owned(), netns: netns.to_owned(), result: String::new() }
    }

    /// Makes the calls of a verb, and returns what was observed of each: nothing where there is no
    /// CHECK ([`Network::has_check`]).
    ///
    /// # Errors
    /// A call fails.
    pub(crate) fn call<O: Observer>(&mut self, verb: Verb, observer: &O) -> Result<Vec<O::Seen>> {
        match verb {
            Verb::Add => self.add(observer),
            Verb::Check => self.check(observer),
            Verb::Del => self.del(observer),
        }
    }

    /// ADD, by each plugin with the result of the one before it.
    pub(crate) fn add<O: Observer>(&mut self, observer: &O) -> Result<Vec<O::Seen>> {
        if self.network.contender == Contender::Floor {
            let (stdout, seen) = self.floor_add().run(observer)?;
            stdout.trim().clone_into(&mut self.result);
            return Ok(vec![seen]);
        }
        let mut all = Vec::new();
        for plugin in self.network.chain() {
            let (stdout, seen) = self.plugin_call(Verb::Add, &plugin)?.run(observer)?;
            self.result = stdout;
            all.push(seen);
        }
        Ok(all)
    }

    fn check<O: Observer>(&self, observer: &O) -> Result<Vec<O::Seen>> {
        if !self.network.has_check() {
            return Ok(Vec::new());
        }
        self.run_all(Verb::Check, &self.network.chain(), observer)
    }

    fn del<O: Observer>(&self, observer: &O) -> Result<Vec<O::Seen>> {
        if self.network.contender == Contender::Floor {
            return Ok(vec![self.floor_del().run(observer)?.1]);
        }
        let mut chain = self.network.chain();
        chain.reverse();
        self.run_all(Verb::Del, &chain, observer)
    }

    fn run_all<O: Observer>(&self, verb: Verb, chain: &[Plugin], observer: &O) -> Result<Vec<O::Seen>> {
        chain.iter().map(|plugin| Ok(self.plugin_call(verb, plugin)?.run(observer)?.1)).collect()
    }

    fn plugin_call(&self, verb: Verb, plugin: &Plugin) -> Result<Call> {
        let mut config = plugin.config.clone();
        if !self.result.is_empty() {
            let result: Value = serde_json::from_str(&self.result).context("the result of ADD")?;
            if let Value::Object(config) = &mut config {
                config.insert("prevResult".to_owned(), result);
            }
        }
        Ok(Call {
            program: plugin.program.clone(),
            arguments: Vec::new(),
            environment: vec![
                ("CNI_COMMAND", verb.to_string().into()),
                ("CNI_CONTAINERID", self.container.clone().into()),
                ("CNI_NETNS", self.netns.clone().into()),
                ("CNI_IFNAME", INTERFACE.into()),
                ("CNI_PATH", self.network.cni_path().into()),
                ("PATH", self.network.tools().into()),
            ],
            stdin: config.to_string(),
        })
    }

    fn floor_add(&self) -> Call {
        let options = [self.network.floor_queue(), self.network.floor_table()];
        self.floor_call("add", self.network.subnet(), options)
    }

    fn floor_del(&self) -> Call {
        self.floor_call("del", self.result.clone(), [None, self.network.floor_table()])
    }

    fn floor_call(&self, verb: &str, address: String, options: [Option<String>; 2]) -> Call {
        let mut arguments: Vec<OsString> = vec![
            verb.into(),
            self.network.floor_kind().into(),
            self.floor_name().into(),
            self.netns.clone().into(),
            INTERFACE.into(),
            self.network.floor_pool().into(),
            address.into(),
        ];
        arguments.extend(options.into_iter().flatten().map(Into::into));
        Call { program: self.network.floor(), arguments, environment: Vec::new(), stdin: String::new() }
    }

    /// The host's end of the floor's pair, or the device; the plugins name theirs themselves.
    fn floor_name(&self) -> String {
        if self.network.job.kind() == Some(Kind::Device) {
            return self.network.device();
        }
        format!("{}-{}", self.network.subnet().replace('.', ""), self.container)
    }
}
