//! The configuration as an attachment.

use attachment::{Description, Finder, HostDevice, Identity, Ifb, Item, RoutedRule, Session};
use cni::{Call, Error, Success};
use keys::SecondaryKeys;
use nic::OnBridge;
use plugin::{Plugin, Prop};

use crate::config::{Kind, default_bridge};
use crate::connection::Connection;
use crate::host_device::{self, HostDeviceNic};
use crate::routed::Routed;

/// A further NIC.
#[derive(Debug, Clone)]
pub(crate) enum Secondary {
    OnBridge(Box<OnBridge>),
    Routed(Box<Routed>),
    HostDevice(Box<HostDeviceNic>),
}

impl Secondary {
    fn connection(&self) -> &dyn Connection {
        match self {
            Self::OnBridge(on_bridge) => on_bridge.as_ref(),
            Self::Routed(routed) => routed.as_ref(),
            Self::HostDevice(device) => device.as_ref(),
        }
    }

    fn connection_mut(&mut self) -> &mut dyn Connection {
        match self {
            Self::OnBridge(on_bridge) => on_bridge.as_mut(),
            Self::Routed(routed) => routed.as_mut(),
            Self::HostDevice(device) => device.as_mut(),
        }
    }
}

impl Plugin for Secondary {
    const FINDERS: &'static [&'static Finder] = {
        let [bridge, rule, gateway, tap, veth, elements] = OnBridge::FINDERS;
        &[bridge, rule, RoutedRule::FINDER, gateway, tap, veth, HostDevice::FINDER, elements, Ifb::COLLECTOR]
    };
    const HAS_IPAM: bool = true;
    const SHARES: bool = true;

    fn read(call: &Call, identity: Identity) -> Result<Self, Error> {
        let keys: SecondaryKeys = call.config.keys()?;
        let on_bridge = |device, identity| {
            let default = default_bridge(&call.config.name);
            let read = OnBridge::read(call, identity, device, keys.bridge.as_deref(), &default);
            Ok(Self::OnBridge(Box::new(read?)))
        };
        match Kind::read(&keys, call)? {
            Kind::Veth => on_bridge(keys::Device::Veth, identity),
            Kind::Tap => on_bridge(keys::Device::Tap, identity),
            Kind::Routed => Ok(Self::Routed(Box::new(Routed::read(call, identity)?))),
            Kind::HostDevice => Ok(Self::HostDevice(Box::new(HostDeviceNic::read(&keys, call, identity)?))),
            Kind::Macvlan | Kind::Ipvlan | Kind::Vlan => Err(Error::invalid_config("nic")),
        }
    }

    fn survey(&mut self, call: &Call, session: &mut Session) -> Result<(), Error> {
        self.connection_mut().survey(call, session)
    }

    fn describe(&self) -> Result<Description, Error> {
        Ok(self.connection().describe())
    }

    fn complete(&self, call: &Call, addressing: &mut Success) -> Result<(), Error> {
        if addressing.dns == cni::Dns::default() {
            addressing.dns = call.config.dns()?;
        }
        self.connection().complete(addressing)
    }

    fn addressing(&self, addressing: &Success) -> Description {
        self.connection().addressing(addressing)
    }

    fn result(&self, call: &Call, session: &mut Session, addressing: Success) -> Result<Success, Error> {
        self.connection().result(call, session, addressing)
    }

    fn expect(&mut self, call: &Call, previous: &Success) -> Result<Success, Error> {
        self.connection_mut().expect(call, previous)
    }

    /// The bridge that the configuration names, with what is attached to it, and a device that was lent to it; and a device of the
    /// host, under whatever name.
    fn named(call: &Call, identity: &Identity, _session: &mut Session) -> Result<Description, Error> {
        let bridge = OnBridge::bridge_of(call, &default_bridge(&call.config.name));
        let mut named = bridge.map_or_else(Description::new, |bridge| OnBridge::named(call, identity, &bridge, true));
        if host_device::is_asked_for(call) {
            named.extend([Item::Object(Box::new(HostDevice::anywhere(identity.clone())))]);
        }
        Ok(named)
    }

    fn rehearse(&mut self, session: &mut Session) -> Result<Vec<Prop>, Error> {
        self.connection_mut().rehearse(session)
    }

    fn error(error: &attachment::Error) -> Error {
        nic::error(error)
    }
}
