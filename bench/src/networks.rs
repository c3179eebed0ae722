//! All networks of a run, each in its steady state.

use std::sync::Arc;

use anyhow::Result;
use harness::{Host, sh};

use crate::attachment::{Attachment, Verb};
use crate::contender::{Contender, Programs};
use crate::network::{Job, Kind, NEWER_TOOLS, Network};
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

    /// A fresh network in its steady state: the bridge is there, with an address and one member that stays. A device of the host is
    /// there too, and has been in a container once; its peer is the network beyond. Every DEL gives it back for the next round, so
    /// that the host has no more links than those that it needs.
    ///
    /// # Errors
    /// That member's ADD fails.
    pub(crate) fn start(&mut self, contender: Contender, job: Job) -> Result<Network> {
        self.count += 1;
        let network = Network::new(contender, job, self.count, &self.programs);
        let (bridge, device, subnet) = (network.bridge(), network.device(), network.subnet());
        if contender == Contender::Floor {
            let pool = network.floor_pool();
            sh(&format!("mkdir -p {} && echo 1 > /proc/sys/net/ipv4/ip_forward", pool.display())).ok();
            if matches!(job.kind(), None | Some(Kind::Bridged)) {
                sh(&format!(
                    "ip link add {bridge} type bridge && ip address add {subnet}.0.1/16 dev {bridge} && ip link set {bridge} up"
                ))
                .ok();
            }
        }
        if job.kind() == Some(Kind::Device) {
            let beyond = self.host.namespace(&format!("beyond{}", self.count));
            sh(&format!("ip link add {device} up type veth peer name {device} netns {}", beyond.name)).ok();
            beyond.sh(&format!("ip address add {subnet}.0.1/16 dev {device} && ip link set {device} up")).ok();
        }
        let space = self.host.namespace(&format!("stays{}", self.count));
        let mut stays = Attachment::new(&network, "stays", &space.path);
        stays.add(&Timing)?;
        if job.kind() == Some(Kind::Device) {
            stays.call(Verb::Del, &Timing)?;
        }
        Ok(network)
    }
}
