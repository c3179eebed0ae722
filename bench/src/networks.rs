//! All networks of a run, each in its steady state.

use std::sync::Arc;

use anyhow::Result;
use harness::{Host, sh};

use crate::attachment::Attachment;
use crate::contender::{Contender, Programs};
use crate::network::{Job, NEWER_TOOLS, Network};
use crate::timing::Timing;

/// All networks of a run.
#[derive(Debug)]
pub(crate) struct Networks<'a> {
    host: &'a Host,
    programs: Arc<Programs>,
    count: u8,
}

impl<'a> Networks<'a> {
    pub(crate) fn new(host: &'a Host, programs: Programs) -> Self {
        sh(&format!("mkdir {NEWER_TOOLS} && ln -s $(command -v nft) $(command -v ip) {NEWER_TOOLS}")).ok();
        Self { host, programs: Arc::new(programs), count: 0 }
    }

    /// The executables.
    pub(crate) fn programs(&self) -> &Programs {
        &self.programs
    }

    /// A fresh network in its steady state: the bridge is there, with an address and one member that stays.
    ///
    /// # Errors
    /// That member's ADD fails.
    pub(crate) fn start(&mut self, contender: Contender, job: Job) -> Result<Network> {
        self.count += 1;
        let network = Network::new(contender, job, self.count, &self.programs);
        if contender == Contender::Floor {
            let (bridge, subnet, pool) = (network.bridge(), network.subnet(), network.floor_pool());
            sh(&format!(
                "ip link add {bridge} type bridge && ip address add {subnet}.0.1/16 dev {bridge} && \
                 ip link set {bridge} up && mkdir -p {} && echo 1 > /proc/sys/net/ipv4/ip_forward",
                pool.display()
            ))
            .ok();
        }
        let space = self.host.namespace(&format!("stays{}", self.count));
        Attachment::new(&network, "stays", &space.path).add(&Timing)?;
        Ok(network)
    }
}
