//! The result of ADD, in one shape for all versions (RES-01 to RES-25).
//!
//! Keys that we do not know survive in `extra`, so that `prevResult` passes through whole (ADD-5). Before 1.1.0 that goes
//! for the keys of interfaces that came with 1.1.0, too: they are typed only where the format has them (VER-8). The attributes of
//! routes have worked in the reference plugins since before the specification named them, whatever the version, and do so here.

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use serde_json::{Map, Value};

use crate::Version;

mod read;
#[cfg(test)]
mod tests;
mod write;

/// Routes have `mtu`, `advmss`, `priority`, `table` and `scope` in results of this version and later ones, as in Go's library
/// (`types.Route`). The specification names them since 1.1.0 (RES-11).
const ROUTE_ATTRIBUTES_SINCE: Version = Version::V0_3_0;

/// The result of a successful ADD. An IPAM plugin leaves `interfaces` empty (DLG-7).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Success {
    /// The interfaces that the attachment has made, those on the host included (RES-20). From 0.3.0 on.
    pub interfaces: Vec<Interface>,
    /// Addresses.
    pub ips: Vec<IpConfig>,
    /// Routes.
    pub routes: Vec<Route>,
    /// Resolver settings.
    pub dns: Dns,
    /// Keys that we do not know.
    pub extra: Map<String, Value>,
}

/// An interface of a result.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its hardware address, empty where it has none.
    pub mac: String,
    /// Its MTU in bytes; printed from 1.1.0 on (RES-11).
    pub mtu: Option<u32>,
    /// The path of the namespace that it is in; empty for an interface of the host (RES-21).
    pub sandbox: String,
    /// `socketPath`, `pciID` and keys that we do not know.
    pub extra: Map<String, Value>,
}

/// An address of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IpConfig {
    /// The address with its prefix length, host bits kept.
    pub address: IpNetwork,
    /// The gateway of its network.
    pub gateway: Option<IpAddr>,
    /// An index into [`Success::interfaces`] (RES-22).
    pub interface: Option<usize>,
    /// Keys that we do not know.
    pub extra: Map<String, Value>,
}

/// A route of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Destination, as written: it may have host bits, which the kernel does not take.
    pub dst: IpNetwork,
    /// Next hop; without one, the gateway of the address of the same family is meant (DLG-9).
    pub gw: Option<IpAddr>,
    /// Path MTU in bytes; from 0.3.0 on, like all that follow.
    pub mtu: Option<u32>,
    /// Advertised maximal segment size in bytes.
    pub advmss: Option<u32>,
    /// Metric.
    pub priority: Option<u32>,
    /// Routing table.
    pub table: Option<u32>,
    /// Scope as the kernel numbers it (`rtnetlink.h`: 0 universe, 253 link, 254 host).
    pub scope: Option<u8>,
    /// Keys that we do not know.
    pub extra: Map<String, Value>,
}

impl Route {
    /// A route with the kernel's defaults.
    #[must_use]
    pub fn new(dst: IpNetwork, gw: Option<IpAddr>) -> Self {
        Self { dst, gw, mtu: None, advmss: None, priority: None, table: None, scope: None, extra: Map::new() }
    }
}

/// Resolver settings of a result.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dns {
    /// Addresses of name servers, by priority.
    pub nameservers: Vec<String>,
    /// The local domain.
    pub domain: String,
    /// Search list.
    pub search: Vec<String>,
    /// Options of the resolver.
    pub options: Vec<String>,
    /// Keys that we do not know.
    pub extra: Map<String, Value>,
}
