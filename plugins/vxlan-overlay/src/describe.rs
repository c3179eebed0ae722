//! The configuration as an attachment: a NIC on the bridge of a LAC.

use attachment::{
    Bridge, Description, Elements, Esp, Finder, ForwardRule, Identity, Ifb, Item, Lac, LacId, Peers, Reach, Session,
    SourceTable, Tap, ToldAddress, ToldAddresses, ToldMac, Veth, Vtep,
};
use cni::{Call, Code, Error, Success};
use keys::LacKeys;
use netlink::{Mac, vxlan};
use nic::{OnBridge, OnLink, SourceRouting};
use plugin::{Plugin, Prop};

use crate::config::{Wanted, nic_keys, tap_keys};
use crate::sealing::Sealing;
use crate::underlay::{self, Underlay};
use crate::way::Way;
use crate::{evpn, peers};

/// A member of a LAC.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    wanted: Wanted,
    nic: OnBridge,
    /// As it was found.
    lac: Option<Lac>,
    /// Its encryption, if it has any.
    esp: Option<Esp>,
    source_routing: Option<SourceRouting>,
    metric: Option<u32>,
}

impl Member {
    /// Who is heard, whatever members of other networks there are.
    fn peers(&self) -> Peers {
        Peers::new(self.id(), self.wanted.peers.as_ref(), self.wanted.sealing.is_some())
    }

    fn id(&self) -> LacId {
        LacId { port: self.wanted.port, vni: self.wanted.vni }
    }

    /// The LAC from this host, over the underlay that it has here.
    fn find_lac(&mut self, session: &mut Session) -> Result<(u32, String), Error> {
        let error = |error| Self::error(&error);
        let (link, reach, local) = match self.wanted.way {
            Way::Evpn { local } => {
                let Vtep { local, path } =
                    Vtep::find(self.id(), self.wanted.underlay.as_deref(), local, session).map_err(error)?;
                (path, Reach::Evpn { is_ipv6: local.is_ipv6() }, Some(local))
            }
            Way::Group { .. } | Way::Remotes(_) => {
                let Underlay { link, reach } = Underlay::find(&self.wanted, session).map_err(error)?;
                let sealing = self.wanted.sealing.as_ref();
                let local = sealing.map(|sealing| underlay::local(sealing, self.id(), &link, &reach, session));
                (link, reach, local.transpose().map_err(error)?)
            }
        };
        let is_evpn = matches!(reach, Reach::Evpn { .. });
        peers::refuse_unheard(self.wanted.peers.as_ref(), &reach)?;
        let mtu = match self.wanted.sealing {
            None => vxlan::mtu_over(link.mtu, reach.is_ipv6()),
            Some(_) => vxlan::sealed_mtu_over(link.mtu, reach.is_ipv6()),
        };
        let lac = Lac {
            id: self.id(),
            device: self.id().device(),
            mtu,
            ttl: self.wanted.ttl.unwrap_or_default(),
            underlay: if is_evpn { String::new() } else { link.name.clone() },
            local,
            reach,
        };
        if let Some(asked) = self.nic.asked_mtu_bytes().filter(|asked| *asked > lac.mtu) {
            return Err(Error::invalid_config(format!(
                "mtu: {asked} bytes do not fit into packets of the underlay {}, whose MTU is {} bytes: at most {} do; lower mtu, leave \
                 it out, or raise the MTU of the underlay on all hosts",
                link.name, link.mtu, lac.mtu
            )));
        }
        let sealing = self.wanted.sealing.as_ref();
        self.esp = sealing.and_then(|sealing| Some(sealing.esp(&lac, lac.local?)));
        self.nic.set_lac(lac.clone());
        self.lac = Some(lac);
        Ok((link.mtu, link.name))
    }

    /// The bridge of a LAC whose hosts are told by a daemon what this one has, with the port and the hardware address behind it.
    fn told(&self) -> Option<(String, String, Mac)> {
        let bridge = self.lac.as_ref().filter(|lac| lac.is_evpn())?.id.bridge();
        let (port, mac) = self.nic.port_and_mac()?;
        Some((bridge, port, mac))
    }
}

impl Plugin for Member {
    const FINDERS: &'static [&'static Finder] = &[
        Bridge::FINDER,
        ForwardRule::FINDER,
        Lac::FINDER,
        Peers::FINDER,
        Esp::FINDER,
        Tap::FINDER,
        Veth::FINDER,
        Elements::FINDER,
        SourceTable::FINDER,
        ToldAddress::FINDER,
        Ifb::COLLECTOR,
    ];
    const HAS_IPAM: bool = true;
    const SHARES: bool = true;
    const UPDATES: bool = true;

    fn read(call: &Call, identity: Identity) -> Result<Self, Error> {
        let keys: LacKeys = call.config.keys()?;
        let wanted = Wanted::read(&keys, call)?;
        let table = keys.table.filter(|table| *table != 0);
        let source_routing = SourceRouting::parse(keys.source_routing, table, call, &identity)?;
        let id = LacId { port: wanted.port, vni: wanted.vni };
        let nic = OnBridge::in_lac(call, identity, keys.nic, (&nic_keys(&keys), &tap_keys(&keys)?), id)?;
        Ok(Self { wanted, nic, lac: None, esp: None, source_routing, metric: keys.metric })
    }

    fn survey(&mut self, call: &Call, session: &mut Session) -> Result<(), Error> {
        self.find_lac(session)?;
        self.nic.survey(call, session)
    }

    fn describe(&self) -> Result<Description, Error> {
        let mut description = self.nic.describe();
        description.share(self.peers());
        if let Some(esp) = &self.esp {
            description.share(esp.clone());
        }
        if let Some((bridge, port, mac)) = self.told() {
            description.own(ToldMac { bridge, port, mac });
        }
        if let Some(source_routing) = &self.source_routing {
            source_routing.describe(self.nic.has_interface(), &mut description)?;
        }
        Ok(description)
    }

    /// The lists of hosts and the keys, for all members. The NIC must be one of them, and stays as it was made.
    fn changeable(&self) -> Result<Description, Error> {
        let mut description = Description::new();
        description.own(self.nic.membership());
        description.share(self.peers());
        if let Some(lac) = &self.lac {
            description.share(lac.clone());
        }
        if let Some(esp) = &self.esp {
            description.share(esp.clone());
        }
        Ok(description)
    }

    fn complete(&self, call: &Call, addressing: &mut Success) -> Result<(), Error> {
        nic::set_resolver(call, addressing)?;
        self.nic.complete(addressing)?;
        nic::set_metric(self.metric, addressing);
        Ok(())
    }

    fn addressing(&self, addressing: &Success) -> Description {
        let mut description = self.nic.addressing(addressing);
        if let Some((bridge, _, mac)) = self.told() {
            for ip in &addressing.ips {
                description.own(ToldAddress { bridge: bridge.clone(), address: ip.address.ip(), mac });
            }
        }
        if let Some(source_routing) = &self.source_routing {
            source_routing.addressing(addressing, OnLink::Subnets, &mut description);
        }
        description
    }

    fn result(&self, call: &Call, session: &mut Session, addressing: Success) -> Result<Success, Error> {
        self.nic.result(call, session, addressing)
    }

    fn expect(&mut self, call: &Call, previous: &Success) -> Result<Success, Error> {
        self.nic.expect(call, previous)
    }

    fn named(call: &Call, identity: &Identity, session: &mut Session) -> Result<Description, Error> {
        let Some((port, vni)) = Wanted::leniently(call) else { return Ok(Description::new()) };
        let id = LacId { port, vni };
        let mut named = OnBridge::named(call, identity, &id.bridge(), true);
        named.share(Lac::named(id));
        named.share(Peers::named(id));
        if Sealing::is_asked_for(call) {
            named.share(Esp::named(port));
        }
        if evpn::is_asked(call) {
            let left = ToldAddresses::left_on(id.bridge(), identity, session).map_err(|error| Self::error(&error))?;
            named.extend(left.map(|left| Item::Object(Box::new(left))));
        }
        SourceRouting::named(call, identity, &mut named);
        Ok(named)
    }

    fn rehearse(&mut self, session: &mut Session) -> Result<Vec<Prop>, Error> {
        let found = self.find_lac(session);
        let (mtu_bytes, name) = found.map_err(|error| Error::new(Code::NotAvailable, error.msg))?;
        Ok(match self.wanted.way {
            Way::Evpn { .. } => Vec::new(), // its device is on no other
            Way::Group { .. } | Way::Remotes(_) => vec![Prop::Device { name, mtu_bytes }],
        })
    }

    fn error(error: &attachment::Error) -> Error {
        nic::error(error)
    }
}
