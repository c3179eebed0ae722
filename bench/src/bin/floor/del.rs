//! DEL.

use std::fs::File;
use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::{Context, Result};
use nix::sched::{CloneFlags, setns};

use crate::batch::Batch;
use crate::messages::{gone, moved, rule};
use crate::nic::{Kind, Nic};
use crate::pool;
use crate::socket::Socket;
use crate::switch::{Port, Switch};

/// Removes the attachment and gives its address back.
pub(crate) fn del(nic: &Nic<'_>, address: &str) -> Result<()> {
    let source = nic.pool.map(|_| address.parse::<Ipv4Addr>().context("ADDRESS")).transpose()?;
    let no_rule = |batch: &mut Batch| {
        if let (Some(table), Some(source)) = (nic.table, source) {
            rule(batch, libc::RTM_DELRULE, source, table);
        }
    };
    match (nic.kind, nic.table) {
        (Kind::Device, _) => {
            let host = File::open("/proc/thread-self/ns/net").context("the host's namespace")?;
            enter(nic)?;
            let container = Socket::open()?;
            let index = container.index(nic.container_name)?;
            let back = Batch::of(|batch| {
                no_rule(batch);
                moved(batch, index, &host, nic.name);
            });
            container.send(back).context("move the device back")?;
        }
        (Kind::OvsVeth(bridge), _) => {
            Switch::connect()?.remove(Port { bridge, name: nic.name, made_for: None })?;
            Socket::open()?.send(Batch::of(|batch| gone(batch, nic.name))).context("delete the pair")?;
        }
        (Kind::OvsInternal(bridge), _) => {
            Switch::connect()?.remove(Port { bridge, name: nic.container_name, made_for: source })?;
            // The switch may have been quicker.
            enter(nic)?;
            Socket::open()?.send(Batch::of(|batch| gone(batch, nic.container_name))).ok();
        }
        (Kind::InLac(bridge), _) => {
            let all = Batch::of(|batch| {
                gone(batch, nic.name);
                if let Some(lac) = &nic.lac {
                    gone(batch, lac.device);
                    gone(batch, bridge);
                }
            });
            Socket::open()?.send(all).context("delete the pair, and the LAC with the last one")?;
        }
        (_, Some(_)) => {
            enter(nic)?;
            let both = Batch::of(|batch| {
                no_rule(batch);
                gone(batch, nic.container_name);
            });
            Socket::open()?.send(both).context("delete rule and pair")?;
        }
        (_, None) => Socket::open()?.send(Batch::of(|batch| gone(batch, nic.name))).context("delete the pair")?,
    }
    nic.pool.map_or(Ok(()), |pool| pool::release(Path::new(pool), address))
}

fn enter(nic: &Nic<'_>) -> Result<()> {
    let netns = File::open(nic.netns).with_context(|| nic.netns.to_owned())?;
    setns(netns, CloneFlags::CLONE_NEWNET).context("enter the namespace")
}
