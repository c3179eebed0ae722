//! Reading a result, as tolerant as Go's library: `null` is missing, an empty gateway is none.

use keys::Place;
use serde_json::Value;

use super::ROUTE_ATTRIBUTES_SINCE;
use crate::members::Members;
use crate::{Dns, Error, Interface, IpConfig, Route, Success, Version, excerpt};

impl Success {
    /// Reads a result in the format of `version`; newer keys are kept, not refused (VER-8). A `cniVersion` of another
    /// format inside the value is an error; without one, the value counts as one of `version`, as for Go's library.
    ///
    /// # Errors
    /// Code 7 for use on `prevResult`; the message names the entry (`ips[1].address`) and quotes what was found. The caller
    /// that reads a delegate's output replaces the code by 6.
    pub fn from_value(value: &Value, version: Version) -> Result<Self, Error> {
        Self::read(value, version, &Place::Whole)
    }

    /// The same for a value that is somewhere in a configuration, for the messages.
    ///
    /// # Errors
    /// As [`Success::from_value`].
    pub fn read(value: &Value, version: Version, place: &Place<'_>) -> Result<Self, Error> {
        let mut members = Members::of(value, place)?;
        expect_format(&members.text("cniVersion")?, version, &members)?;
        if version < Version::V0_3_0 {
            return by_family(members, version);
        }
        Ok(Self {
            interfaces: members.objects("interfaces", |entry| interface(entry, version))?,
            ips: members.objects("ips", |entry| address(entry, version))?,
            routes: members.objects("routes", |entry| route(entry, version))?,
            dns: dns(&mut members)?,
            extra: members.rest(),
        })
    }
}

fn expect_format(own: &str, version: Version, members: &Members) -> Result<(), Error> {
    if own.is_empty() || own.parse::<Version>().is_ok_and(|own| own.shares_format_with(version)) {
        return Ok(());
    }
    Err(Error::invalid_config(format!(
        "{} is {}, whose format differs from that of the configuration's {version}",
        members.path_of("cniVersion"),
        excerpt::quoted(own)
    )))
}

/// Before 0.3.0 there is one address of each family, which has the routes (RES-01).
fn by_family(mut members: Members, version: Version) -> Result<Success, Error> {
    let mut success = Success::default();
    for key in ["ip4", "ip6"] {
        let Some(mut family) = members.object(key)? else { continue };
        success.routes.extend(family.objects("routes", |entry| route(entry, version))?);
        success.ips.push(IpConfig {
            address: family.address("ip")?,
            gateway: family.host("gateway")?,
            interface: None,
            extra: family.rest(),
        });
    }
    success.dns = dns(&mut members)?;
    success.extra = members.rest();
    Ok(success)
}

fn interface(mut members: Members, version: Version) -> Result<Interface, Error> {
    Ok(Interface {
        name: members.text("name")?,
        mac: members.text("mac")?,
        mtu: if version >= Version::V1_1_0 { members.positive("mtu")? } else { None },
        sandbox: members.text("sandbox")?,
        extra: members.rest(),
    })
}

fn address(mut members: Members, version: Version) -> Result<IpConfig, Error> {
    if version < Version::V1_0_0 {
        // Computed again from the address when it is written.
        members.take("version");
    }
    Ok(IpConfig {
        address: members.address("address")?,
        gateway: members.host("gateway")?,
        interface: members.index("interface")?,
        extra: members.rest(),
    })
}

fn route(mut members: Members, version: Version) -> Result<Route, Error> {
    let mut route = Route {
        dst: members.address("dst")?,
        gw: members.host("gw")?,
        mtu: None,
        advmss: None,
        priority: None,
        table: None,
        scope: None,
        extra: serde_json::Map::new(),
    };
    if version >= ROUTE_ATTRIBUTES_SINCE {
        route.mtu = members.positive("mtu")?;
        route.advmss = members.positive("advmss")?;
        route.priority = members.positive("priority")?;
        route.table = members.number("table")?;
        route.scope = members.number("scope")?;
    }
    route.extra = members.rest();
    Ok(route)
}

fn dns(members: &mut Members) -> Result<Dns, Error> {
    let Some(mut dns) = members.object("dns")? else { return Ok(Dns::default()) };
    Ok(Dns {
        nameservers: dns.texts("nameservers")?,
        domain: dns.text("domain")?,
        search: dns.texts("search")?,
        options: dns.texts("options")?,
        extra: dns.rest(),
    })
}
