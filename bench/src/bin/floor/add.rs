//! ADD.

use std::fs::File;
use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::{Context, Result};
use nix::sched::{CloneFlags, setns};

use crate::batch::Batch;
use crate::messages::{ALONE, PREFIX, Route, address, cloud, moved, pair, route, rule, tbf, up};
use crate::nic::{Kind, Nic};
use crate::pool;
use crate::socket::Socket;
use crate::switch::{Port, Switch};

/// Makes the attachment and prints its address, if it has one.
pub(crate) fn add(nic: &Nic<'_>, subnet: &str) -> Result<()> {
    let subnet: Ipv4Addr = format!("{subnet}.0.0").parse().context("SUBNET")?;
    let gateway = Ipv4Addr::from_bits(subnet.to_bits() | 1);
    let owner = format!("{}\r\n{}", nic.name, nic.container_name);
    let taken = nic.pool.map(|pool| pool::take(Path::new(pool), subnet, &owner)).transpose()?;
    let netns = File::open(nic.netns).with_context(|| nic.netns.to_owned())?;

    let host = Socket::open()?;
    match nic.kind {
        Kind::On(bridge) => {
            let bridge = host.index(bridge)?;
            host.send(Batch::of(|batch| pair(batch, nic, &netns, Some(bridge)))).context("make the pair")?;
        }
        Kind::InLac(bridge) => {
            let lac = nic.lac.as_ref().map(|lac| anyhow::Ok((lac, host.index(lac.underlay)?))).transpose()?;
            let index = match lac {
                Some((lac, _)) => lac.indexes().0,
                None => host.index(bridge)?,
            };
            let batch = Batch::of(|batch| {
                if let Some((lac, underlay)) = lac {
                    cloud(batch, bridge, lac, underlay);
                }
                pair(batch, nic, &netns, Some(index));
            });
            host.send(batch).context("make the pair, and the LAC for the first one")?;
        }
        Kind::OvsVeth(_) => {
            host.send(Batch::of(|batch| pair(batch, nic, &netns, None))).context("make the pair")?;
        }
        Kind::OvsInternal(bridge) => {
            let name = nic.container_name;
            Switch::connect()?.add(Port { bridge, name, made_for: taken })?;
            let index = host.index(name)?;
            host.send(Batch::of(|batch| moved(batch, index, &netns, name))).context("move the device")?;
        }
        Kind::Routed => {
            host.send(Batch::of(|batch| pair(batch, nic, &netns, None))).context("make the pair")?;
            let index = host.index(nic.name)?;
            let taken = taken.context("a routed NIC needs an address")?;
            let on_host = Batch::of(|batch| {
                address(batch, index, (gateway, ALONE), true);
                route(batch, index, &Route { destination: (taken, ALONE), gateway: None, table: None });
            });
            host.send(on_host).context("set the gateway's address and the route on the host")?;
        }
        Kind::Device => {
            let index = host.index(nic.name)?;
            host.send(Batch::of(|batch| moved(batch, index, &netns, nic.container_name))).context("move the device")?;
        }
    }
    if let Some(queue) = nic.queue {
        let index = host.index(nic.name)?;
        host.send(Batch::of(|batch| tbf(batch, queue, index))).context("make the queue")?;
    }

    setns(netns, CloneFlags::CLONE_NEWNET).context("enter the namespace")?;
    let container = Socket::open()?;
    let index = container.index(nic.container_name)?;
    let batch = match taken {
        Some(taken) => addressing(nic, index, taken, gateway, subnet),
        None => Batch::of(|batch| up(batch, index)),
    };
    container.send(batch).context("set address and routes")?;
    if let Kind::OvsVeth(bridge) = nic.kind {
        Switch::connect()?.add(Port { bridge, name: nic.name, made_for: None })?;
    }
    println!("{}", taken.map(|taken| taken.to_string()).unwrap_or_default());
    Ok(())
}

fn addressing(nic: &Nic<'_>, index: i32, taken: Ipv4Addr, gateway: Ipv4Addr, subnet: Ipv4Addr) -> Batch {
    let is_routed = nic.kind == Kind::Routed;
    let (near, far) = (((gateway, ALONE), None), ((Ipv4Addr::UNSPECIFIED, 0), Some(gateway)));
    let connected = ((subnet, PREFIX), is_routed.then_some(gateway));
    let far = nic.has_gateway().then_some(far);
    let routes = [is_routed.then_some(near), Some(connected), far];
    Batch::of(|batch| {
        address(batch, index, (taken, PREFIX), !is_routed);
        // The message that moves a device makes it up.
        if !matches!(nic.kind, Kind::Device | Kind::OvsInternal(_)) {
            up(batch, index);
        }
        for (destination, gateway) in routes.into_iter().flatten() {
            // An address brings the route to its subnet.
            if is_routed || gateway.is_some() {
                route(batch, index, &Route { destination, gateway, table: None });
            }
        }
        if let Some(table) = nic.table {
            for (destination, gateway) in routes.into_iter().flatten() {
                route(batch, index, &Route { destination, gateway, table: Some(table) });
            }
            rule(batch, libc::RTM_NEWRULE, taken, table);
        }
    })
}
