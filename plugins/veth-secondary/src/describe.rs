//! The configuration as an attachment.

use attachment::{Child, Description, Finder, HostDevice, Identity, Ifb, Item, RoutedRule, Session, SourceTable};
use cni::{Call, Error, Success};
use keys::SecondaryKeys;
use nic::{OnBridge, SourceRouting};
use plugin::{Plugin, Prop};

use crate::child::{self, ChildNic};
use crate::config::{Kind, default_bridge};
use crate::connection::Connection;
use crate::host_device::{self, HostDeviceNic};
use crate::routed::Routed;

/// A further NIC, and the way that its answers take.
#[derive(Debug, Clone)]
pub(crate) struct Secondary {
    connected: Connected,
    source_routing: Option<SourceRouting>,
    metric: Option<u32>,
}

/// A NIC with what it is connected to.
#[derive(Debug, Clone)]
enum Connected {
    OnBridge(Box<OnBridge>),
    Routed(Box<Routed>),
    Child(Box<ChildNic>),
    HostDevice(Box<HostDeviceNic>),
}

impl Connected {
    /// # Errors
    /// Code 7 naming the key.
    fn read(keys: &SecondaryKeys, call: &Call, identity: Identity) -> Result<Self, Error> {
        let on_bridge = |device, identity| {
            let default = default_bridge(&call.config.name);
            let read = OnBridge::read(call, identity, device, keys.bridge.as_deref(), &default);
            Ok(Self::OnBridge(Box::new(read?)))
        };
        match Kind::read(keys, call)? {
            Kind::Veth => on_bridge(keys::Device::Veth, identity),
            Kind::Tap => on_bridge(keys::Device::Tap, identity),
            Kind::Routed => Ok(Self::Routed(Box::new(Routed::read(call, identity)?))),
            kind @ (Kind::Macvlan | Kind::Ipvlan | Kind::Vlan) => {
                Ok(Self::Child(Box::new(ChildNic::read(keys, kind, call, identity)?)))
            }
            Kind::HostDevice => Ok(Self::HostDevice(Box::new(HostDeviceNic::read(keys, call, identity)?))),
        }
    }

    fn connection(&self) -> &dyn Connection {
        match self {
            Self::OnBridge(on_bridge) => on_bridge.as_ref(),
            Self::Routed(routed) => routed.as_ref(),
            Self::Child(child) => child.as_ref(),
            Self::HostDevice(device) => device.as_ref(),
        }
    }

    fn connection_mut(&mut self) -> &mut dyn Connection {
        match self {
            Self::OnBridge(on_bridge) => on_bridge.as_mut(),
            Self::Routed(routed) => routed.as_mut(),
            Self::Child(child) => child.as_mut(),
            Self::HostDevice(device) => device.as_mut(),
        }
    }
}

impl Plugin for Secondary {
    const FINDERS: &'static [&'static Finder] = {
        let [bridge, rule, gateway, tap, veth, elements] = OnBridge::FINDERS;
        &[
            bridge,
            rule,
            RoutedRule::FINDER,
            gateway,
            tap,
            veth,
            Child::FINDER,
            HostDevice::FINDER,
            elements,
            SourceTable::FINDER,
            Ifb::COLLECTOR,
        ]
    };
    const HAS_IPAM: bool = true;
    const SHARES: bool = true;

    fn read(call: &Call, identity: Identity) -> Result<Self, Error> {
        let keys: SecondaryKeys = call.config.keys()?;
        Ok(Self {
            source_routing: SourceRouting::parse(
                keys.source_routing,
                keys.table.filter(|table| *table != 0),
                call,
                &identity,
            )?,
            connected: Connected::read(&keys, call, identity)?,
            metric: keys.metric,
        })
    }

    fn survey(&mut self, call: &Call, session: &mut Session) -> Result<(), Error> {
        self.connected.connection_mut().survey(call, session)
    }

    fn describe(&self) -> Result<Description, Error> {
        let connection = self.connected.connection();
        let mut description = connection.describe();
        if let Some(source_routing) = &self.source_routing {
            source_routing.describe(connection.has_interface(), &mut description)?;
        }
        Ok(description)
    }

    fn await_nic(&self, session: &mut Session) -> Result<(), attachment::Error> {
        self.connected.connection().await_nic(session)
    }

    fn complete(&self, call: &Call, addressing: &mut Success) -> Result<(), Error> {
        nic::set_resolver(call, addressing)?;
        self.connected.connection().complete(addressing)?;
        nic::set_metric(self.metric, addressing);
        Ok(())
    }

    fn addressing(&self, addressing: &Success) -> Description {
        let connection = self.connected.connection();
        let mut description = connection.addressing(addressing);
        if let Some(source_routing) = &self.source_routing {
            source_routing.addressing(addressing, connection.on_link(), &mut description);
        }
        description
    }

    fn result(&self, call: &Call, session: &mut Session, addressing: Success) -> Result<Success, Error> {
        self.connected.connection().result(call, session, addressing)
    }

    fn expect(&mut self, call: &Call, previous: &Success) -> Result<Success, Error> {
        self.connected.connection_mut().expect(call, previous)
    }

    /// The bridge that the configuration names, with what is attached to it, and a device that was lent to it; a child of a link or a
    /// device of the host, under whatever name; a table that the configuration names.
    fn named(call: &Call, identity: &Identity, _session: &mut Session) -> Result<Description, Error> {
        let bridge = OnBridge::bridge_of(call, &default_bridge(&call.config.name));
        let mut named = bridge.map_or_else(Description::new, |bridge| OnBridge::named(call, identity, &bridge, true));
        if child::is_asked_for(call) {
            named.extend([Item::Object(Box::new(Child::anywhere(identity.clone())))]);
        }
        if host_device::is_asked_for(call) {
            named.extend([Item::Object(Box::new(HostDevice::anywhere(identity.clone())))]);
        }
        SourceRouting::named(call, identity, &mut named);
        Ok(named)
    }

    fn rehearse(&mut self, session: &mut Session) -> Result<Vec<Prop>, Error> {
        self.connected.connection_mut().rehearse(session)
    }

    fn error(error: &attachment::Error) -> Error {
        nic::error(error)
    }
}
