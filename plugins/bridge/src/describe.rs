//! The configuration as an attachment.

use attachment::{
    Bridge, BridgePort, Description, Elements, Finder, ForwardRule, GatewayVlan, Identity, Ifb, ReferenceNic, Session,
    Tap, Veth,
};
use cni::{Call, Command, Error, Success};
use nic::{Found, Path, bridge_interface, expected, find_loan, lent_before, merge};
use plugin::{Plugin, Prop};

use crate::config::{Wanted, bridge_of};
use crate::reference;

/// A NIC on a bridge: what is wanted, and what was found.
#[derive(Debug, Clone)]
pub(crate) struct Bridged {
    wanted: Wanted,
    found: Found,
}

impl Bridged {
    fn bridge(&self) -> Bridge {
        let wanted = &self.wanted;
        let of_path = self.found.path.mtu_bytes.filter(|_| self.found.path.is_for_the_bridge);
        Bridge {
            mtu: wanted.nic.mtu_bytes.or(of_path),
            promiscuous: wanted.promiscuous,
            vlan_filtering: wanted.segment.vlans().is_some(),
            is_gateway: wanted.gateway.is_some(),
            uplink: wanted.segment.uplink().cloned(),
            ..Bridge::shared(&wanted.bridge, wanted.nic.identity.network())
        }
    }

    fn port(&self) -> BridgePort {
        BridgePort {
            device: self.wanted.nic.port(&self.found),
            bridge: self.wanted.bridge.clone(),
            hairpin: self.wanted.hairpin,
            isolated: self.wanted.isolated,
        }
    }

    /// The VLAN of the gateway, if it is going to have addresses.
    fn gateway_vlan(&self) -> Option<u16> {
        self.wanted.gateway_vlan().filter(|_| self.wanted.has_ipam)
    }

    /// The MTU of the path, if the configuration leaves it to that.
    fn path(&self, session: &mut Session) -> Result<Path, attachment::Error> {
        let wanted = &self.wanted;
        match wanted.segment.uplink() {
            Some(uplink) => Ok(Path::of_uplink(uplink.mtu(session)?)),
            None => Path::by_bridge(&wanted.bridge, wanted.gateway.is_some(), session),
        }
    }
}

impl Plugin for Bridged {
    const FINDERS: &'static [&'static Finder] = &[
        Bridge::FINDER,
        ForwardRule::FINDER,
        GatewayVlan::FINDER,
        Tap::FINDER,
        Veth::FINDER,
        Elements::FINDER,
        Ifb::COLLECTOR,
        ReferenceNic::COLLECTOR,
    ];
    const HAS_IPAM: bool = true;
    const SHARES: bool = true;

    fn read(call: &Call, identity: Identity) -> Result<Self, Error> {
        Ok(Self { wanted: Wanted::read(call, identity)?, found: Found::default() })
    }

    /// CHECK takes the MTU from the result, and need not ask for the path.
    fn survey(&mut self, call: &Call, session: &mut Session) -> Result<(), Error> {
        let wanted = &self.wanted;
        self.found.lent = find_loan(call, &wanted.nic.identity, &wanted.bridge, session)?;
        wanted.guard.refuse_lent(&self.found)?;
        if let Some(uplink) = wanted.segment.uplink().filter(|_| wanted.gateway.is_some()) {
            uplink.refuse_gateway(session).map_err(|error| Self::error(&error))?;
        }
        if wanted.nic.mtu_bytes.is_none() && call.environment.command != Command::Check {
            self.found.path = self.path(session).map_err(|error| Self::error(&error))?;
        }
        Ok(())
    }

    fn describe(&self) -> Result<Description, Error> {
        let (wanted, found) = (&self.wanted, &self.found);
        let mut description = Description::new();
        description.share(self.bridge()).share(ForwardRule::new(&wanted.bridge)).own(self.port());
        if let Some(vlans) = wanted.segment.vlans() {
            description.own(vlans.of_port(wanted.nic.port(found), wanted.bridge.clone()));
        }
        if let Some(id) = self.gateway_vlan() {
            description.share(GatewayVlan::new(&wanted.bridge, wanted.nic.identity.network(), id));
        }
        wanted.guard.describe(&wanted.nic, found, &mut description);
        wanted.nic.describe(found, &wanted.bridge, &mut description);
        Ok(description)
    }

    fn complete(&self, call: &Call, addressing: &mut Success) -> Result<(), Error> {
        if addressing.dns == cni::Dns::default() {
            addressing.dns = call.config.dns()?;
        }
        self.wanted.guard.refuse_nothing(addressing)?;
        if let Some(gateway) = &self.wanted.gateway {
            gateway.complete(addressing);
        }
        Ok(())
    }

    fn addressing(&self, addressing: &Success) -> Description {
        let (wanted, found) = (&self.wanted, &self.found);
        let mut description = Description::new();
        wanted.guard.addressing(&wanted.nic, addressing, &mut description);
        nic::addressing(&wanted.nic, found, addressing, &mut description);
        if let Some(gateway) = &wanted.gateway {
            gateway.describe(&wanted.gateway_interface(), addressing, &mut description);
        }
        description
    }

    /// Bridge, host interface, container interface, gateway in a VLAN, in the reference's order (RES-20).
    fn result(&self, call: &Call, session: &mut Session, addressing: Success) -> Result<Success, Error> {
        let mut interfaces = vec![bridge_interface(session, &self.wanted.bridge)?];
        interfaces.extend(self.wanted.nic.interfaces(&self.found, call));
        if self.gateway_vlan().is_some() {
            interfaces.push(bridge_interface(session, &self.wanted.gateway_interface())?);
        }
        Ok(merge(call, interfaces, addressing))
    }

    fn expect(&mut self, call: &Call, previous: &Success) -> Result<Success, Error> {
        expected(call, previous, &mut self.found)
    }

    /// The bridge that the configuration names, with what is attached to it; a device that was lent to it, and what the reference
    /// plugin made.
    fn named(call: &Call, identity: &Identity, session: &mut Session) -> Result<Description, Error> {
        let mut description = Description::new();
        let Some(bridge) = bridge_of(call) else { return Ok(description) };
        description.share(Bridge::shared(&bridge, identity.network())).share(ForwardRule::new(&bridge));
        description.share(GatewayVlan::all_on(&bridge));
        if !reference::is_its_result(call, &bridge, identity) {
            lent_before(call, identity, &bridge, &mut description);
        }
        if let Some(left) = reference::left(call, &bridge, identity, session).map_err(|error| Self::error(&error))? {
            description.own(left);
        }
        Ok(description)
    }

    fn rehearse(&mut self, session: &mut Session) -> Result<Vec<Prop>, Error> {
        let Some(uplink) = self.wanted.segment.uplink() else { return Ok(Vec::new()) };
        let Some(device) = uplink.link(session).map_err(|error| Self::error(&error))? else { return Ok(Vec::new()) };
        let mut props = vec![Prop::Device { name: device.name.clone(), mtu_bytes: device.mtu }];
        if let Some(vlan) = uplink.vlan.filter(|vlan| !vlan.automatic)
            && let Some(link) = uplink.vlan_link(session, &device).map_err(|error| Self::error(&error))?
        {
            props.push(Prop::Vlan { name: link.name, below: device.name, id: vlan.id });
        }
        Ok(props)
    }

    fn error(error: &attachment::Error) -> Error {
        nic::error(error)
    }
}
