//! Writing a result: one structure per form on the wire, in the order in which people read it.

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use serde::Serialize;
use serde_json::{Map, Value};

use super::ROUTE_ATTRIBUTES_SINCE;
use crate::{Dns, Error, Interface, IpConfig, Route, Success, Version, json};

/// From 0.3.0 on.
#[derive(Serialize)]
struct Listed<'a> {
    #[serde(rename = "cniVersion")]
    version: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    interfaces: Vec<PrintedInterface<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ips: Vec<PrintedAddress<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    routes: Vec<PrintedRoute<'a>>,
    dns: PrintedDns<'a>,
    #[serde(flatten)]
    extra: &'a Map<String, Value>,
}

/// Before 0.3.0.
#[derive(Serialize)]
struct ByFamily<'a> {
    #[serde(rename = "cniVersion")]
    version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip4: Option<Family<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip6: Option<Family<'a>>,
    dns: PrintedDns<'a>,
    #[serde(flatten)]
    extra: &'a Map<String, Value>,
}

#[derive(Serialize)]
struct Family<'a> {
    ip: IpNetwork,
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway: Option<IpAddr>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    routes: Vec<PrintedRoute<'a>>,
    #[serde(flatten)]
    extra: &'a Map<String, Value>,
}

#[derive(Serialize)]
struct PrintedInterface<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    mac: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    mtu: Option<u32>,
    /// Printed even when it is empty: some readers insist.
    sandbox: &'a str,
    #[serde(flatten)]
    extra: &'a Map<String, Value>,
}

#[derive(Serialize)]
struct PrintedAddress<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interface: Option<usize>,
    address: IpNetwork,
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway: Option<IpAddr>,
    #[serde(flatten)]
    extra: &'a Map<String, Value>,
}

#[derive(Serialize)]
struct PrintedRoute<'a> {
    dst: IpNetwork,
    #[serde(skip_serializing_if = "Option::is_none")]
    gw: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mtu: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    advmss: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    table: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<u8>,
    #[serde(flatten)]
    extra: &'a Map<String, Value>,
}

/// Printed even when it is empty, as the reference does (RES-25): some readers insist.
#[derive(Serialize)]
struct PrintedDns<'a> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    nameservers: &'a [String],
    #[serde(skip_serializing_if = "str::is_empty")]
    domain: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    search: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    options: &'a [String],
    #[serde(flatten)]
    extra: &'a Map<String, Value>,
}

impl Success {
    /// The result as a JSON value in the format of `version` (VER-4): `ip4`/`ip6` before 0.3.0, `ips[].version` before
    /// 1.0.0, `mtu` of interfaces from 1.1.0 on, and the attributes of routes from 0.3.0 on. The format before
    /// 0.3.0 has no place for interfaces, nor for routes of a family without an address; they are left out there.
    ///
    /// # Errors
    /// Code 7 when the format cannot carry it: a route whose next hop is of another family (RES-23); before 0.3.0, two
    /// addresses of one family, or none at all (RES-01).
    pub fn to_value(&self, version: Version) -> Result<Value, Error> {
        let value = if version < Version::V0_3_0 {
            serde_json::to_value(self.by_family(version)?)
        } else {
            serde_json::to_value(self.listed(version)?)
        };
        value.map_err(|error| json::unprintable(&error))
    }

    /// As [`Success::to_value`], as text: `cniVersion`, `interfaces`, `ips`, `routes`, `dns`, then what we do not know.
    ///
    /// # Errors
    /// As [`Success::to_value`].
    pub fn to_json(&self, version: Version) -> Result<String, Error> {
        if version < Version::V0_3_0 {
            json::text(&self.by_family(version)?)
        } else {
            json::text(&self.listed(version)?)
        }
    }

    fn listed(&self, version: Version) -> Result<Listed<'_>, Error> {
        Ok(Listed {
            version: version.as_str(),
            interfaces: self.interfaces.iter().map(|entry| interface(entry, version)).collect(),
            ips: self.ips.iter().map(|entry| address(entry, version)).collect(),
            routes: self.routes.iter().map(|entry| route(entry, version)).collect::<Result<_, _>>()?,
            dns: dns(&self.dns),
            extra: &self.extra,
        })
    }

    fn by_family(&self, version: Version) -> Result<ByFamily<'_>, Error> {
        if self.ips.is_empty() {
            return Err(Error::invalid_config(format!(
                "a result of cniVersion {version} must have an address, but this one has none; use 0.3.0 or newer"
            )));
        }
        Ok(ByFamily {
            version: version.as_str(),
            ip4: self.family(version, IpNetwork::is_ipv4)?,
            ip6: self.family(version, IpNetwork::is_ipv6)?,
            dns: dns(&self.dns),
            extra: &self.extra,
        })
    }

    fn family(&self, version: Version, belongs: fn(&IpNetwork) -> bool) -> Result<Option<Family<'_>>, Error> {
        let mut addresses = self.ips.iter().filter(|ip| belongs(&ip.address));
        let Some(ip) = addresses.next() else { return Ok(None) };
        if let Some(second) = addresses.next() {
            return Err(Error::invalid_config(format!(
                "a result of cniVersion {version} has one address per family, but this one has {} and {}; \
                 use 0.3.0 or newer",
                ip.address, second.address
            )));
        }
        let routes = self.routes.iter().filter(|route| belongs(&route.dst));
        Ok(Some(Family {
            ip: ip.address,
            gateway: ip.gateway,
            routes: routes.map(|entry| route(entry, version)).collect::<Result<_, _>>()?,
            extra: &ip.extra,
        }))
    }
}

fn interface(interface: &Interface, version: Version) -> PrintedInterface<'_> {
    PrintedInterface {
        name: &interface.name,
        mac: &interface.mac,
        mtu: interface.mtu.filter(|_| version >= Version::V1_1_0),
        sandbox: &interface.sandbox,
        extra: &interface.extra,
    }
}

fn address(ip: &IpConfig, version: Version) -> PrintedAddress<'_> {
    let family = if ip.address.is_ipv4() { "4" } else { "6" };
    PrintedAddress {
        version: (version < Version::V1_0_0).then_some(family),
        interface: ip.interface,
        address: ip.address,
        gateway: ip.gateway,
        extra: &ip.extra,
    }
}

fn route(route: &Route, version: Version) -> Result<PrintedRoute<'_>, Error> {
    if let Some(gw) = route.gw.filter(|gw| gw.is_ipv4() != route.dst.is_ipv4()) {
        return Err(Error::invalid_config(format!(
            "the route to {} goes via {gw}; dst and gw of a route must be of one IP version",
            route.dst
        )));
    }
    let has_attributes = version >= ROUTE_ATTRIBUTES_SINCE;
    Ok(PrintedRoute {
        dst: route.dst,
        gw: route.gw,
        mtu: route.mtu.filter(|_| has_attributes),
        advmss: route.advmss.filter(|_| has_attributes),
        priority: route.priority.filter(|_| has_attributes),
        table: route.table.filter(|_| has_attributes),
        scope: route.scope.filter(|_| has_attributes),
        extra: &route.extra,
    })
}

fn dns(dns: &Dns) -> PrintedDns<'_> {
    PrintedDns {
        nameservers: &dns.nameservers,
        domain: &dns.domain,
        search: &dns.search,
        options: &dns.options,
        extra: &dns.extra,
    }
}
