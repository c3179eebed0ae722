//! The configuration as an attachment: a NIC on the bridge of a LAC.

use attachment::{
    Bridge, Description, Elements, Finder, ForwardRule, Identity, Ifb, Lac, LacId, Session, SourceTable, Tap, Veth,
};
use cni::{Call, Code, Error, Success};
use keys::LacKeys;
use netlink::vxlan;
use nic::{OnBridge, OnLink, SourceRouting};
use plugin::{Plugin, Prop};

use crate::config::{Wanted, nic_keys, tap_keys};
use crate::underlay::Underlay;

/// A member of a LAC.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    wanted: Wanted,
    nic: OnBridge,
    /// As it was found.
    lac: Option<Lac>,
    source_routing: Option<SourceRouting>,
    metric: Option<u32>,
}

impl Member {
    fn id(&self) -> LacId {
        LacId { port: self.wanted.port, vni: self.wanted.vni }
    }

    /// The LAC from this host, over the underlay that it has here.
    fn find_lac(&mut self, session: &mut Session) -> Result<(u32, String), Error> {
        let found = Underlay::find(&self.wanted, session).map_err(|error| Self::error(&error))?;
        let Underlay { link, reach } = found;
        let lac = Lac {
            id: self.id(),
            device: self.id().device(),
            mtu: vxlan::mtu_over(link.mtu, reach.is_ipv6()),
            ttl: self.wanted.ttl.unwrap_or_default(),
            underlay: link.name.clone(),
            reach,
        };
        if let Some(asked) = self.nic.asked_mtu_bytes().filter(|asked| *asked > lac.mtu) {
            return Err(Error::invalid_config(format!(
                "mtu: {asked} bytes do not fit into packets of the underlay {}, whose MTU is {} bytes: at most {} do; lower mtu, leave \
                 it out, or raise the MTU of the underlay on all hosts",
                link.name, link.mtu, lac.mtu
            )));
        }
        self.nic.set_lac(lac.clone());
        self.lac = Some(lac);
        Ok((link.mtu, link.name))
    }
}

impl Plugin for Member {
    const FINDERS: &'static [&'static Finder] = &[
        Bridge::FINDER,
        ForwardRule::FINDER,
        Lac::FINDER,
        Tap::FINDER,
        Veth::FINDER,
        Elements::FINDER,
        SourceTable::FINDER,
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
        Ok(Self { wanted, nic, lac: None, source_routing, metric: keys.metric })
    }

    fn survey(&mut self, call: &Call, session: &mut Session) -> Result<(), Error> {
        self.find_lac(session)?;
        self.nic.survey(call, session)
    }

    fn describe(&self) -> Result<Description, Error> {
        let mut description = self.nic.describe();
        if let Some(source_routing) = &self.source_routing {
            source_routing.describe(self.nic.has_interface(), &mut description)?;
        }
        Ok(description)
    }

    /// The list of remotes, for all members. The NIC must be one of them, and stays as it was made.
    fn changeable(&self) -> Result<Description, Error> {
        let mut description = Description::new();
        description.own(self.nic.membership());
        if let Some(lac) = &self.lac {
            description.share(lac.clone());
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

    fn named(call: &Call, identity: &Identity, _session: &mut Session) -> Result<Description, Error> {
        let Some((port, vni)) = Wanted::leniently(call) else { return Ok(Description::new()) };
        let id = LacId { port, vni };
        let mut named = OnBridge::named(call, identity, &id.bridge(), true);
        named.share(Lac::named(id));
        SourceRouting::named(call, identity, &mut named);
        Ok(named)
    }

    fn rehearse(&mut self, session: &mut Session) -> Result<Vec<Prop>, Error> {
        let found = self.find_lac(session);
        let (mtu_bytes, name) = found.map_err(|error| Error::new(Code::NotAvailable, error.msg))?;
        Ok(vec![Prop::Device { name, mtu_bytes }])
    }

    fn error(error: &attachment::Error) -> Error {
        nic::error(error)
    }
}
