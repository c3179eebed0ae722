//! A device of the host that moves into the container.

use attachment::{Description, HostDevice, Identity, Session, SurveyedDevice};
use cni::{Call, Code, Command, Error, Success};
use keys::{NicKeys, OnBridgeKeys, SecondaryKeys, TapKeys};
use nic::{Found, Nic, Path, expected, merge};
use plugin::Prop;

use crate::connection::Connection;
use crate::search::Wanted;

/// The MTU in bytes of a stand-in for a device of which nothing is known (`ETH_DATA_LEN`).
const STAND_IN_MTU_BYTES: u32 = 1500;

/// A NIC that is a device of the host: what is wanted, and what was found.
#[derive(Debug, Clone)]
pub(crate) struct HostDeviceNic {
    nic: Nic,
    wanted: Wanted,
    /// It may have addresses.
    force: bool,
    /// The container's default route goes through the NIC.
    is_default: bool,
    device: Option<SurveyedDevice>,
    /// A stand-in is there already.
    is_rehearsed: bool,
    found: Found,
}

/// Whether the configuration asks for such a NIC, whatever else it says: for DEL, for which it may have become invalid.
pub(crate) fn is_asked_for(call: &Call) -> bool {
    keys::find(&call.config.object, "nic").and_then(|nic| nic.as_str()) == Some("host-device")
}

impl HostDeviceNic {
    /// # Errors
    /// Code 7 naming the key.
    pub(crate) fn read(keys: &SecondaryKeys, call: &Call, identity: Identity) -> Result<Self, Error> {
        let (of_nic, of_tap): (NicKeys, TapKeys) = (call.config.keys()?, call.config.keys()?);
        let on_bridge: OnBridgeKeys = call.config.keys()?;
        Ok(Self {
            nic: Nic::parse(&of_nic, keys::Device::Veth, &of_tap, call, identity)?,
            wanted: Wanted::read(keys, call)?,
            force: keys.force,
            is_default: on_bridge.is_default_gateway,
            device: None,
            is_rehearsed: false,
            found: Found::default(),
        })
    }

    /// Finds the device, and whether it may move.
    fn find(&mut self, session: &mut Session) -> Result<(), Error> {
        let name = self.wanted.find(session)?;
        let device = SurveyedDevice::of(session, &name, &self.nic.identity, self.force);
        let device = device.map_err(|error| nic::error(&error))?;
        nic::refuse_mtu(self.nic.mtu_bytes, &format!("device {name}"), device.mtu_range)?;
        if let Some(mac) = device.origin.mac.filter(|_| !self.nic.is_mac_asked) {
            self.nic.mac = mac;
        }
        self.found.path = Path::of_uplink(Some(device.origin.mtu));
        self.device = Some(device);
        Ok(())
    }

    /// For CHECK the address and the MTU are those of the result.
    fn object(&self) -> HostDevice {
        let (mac, mtu) = match self.found.result {
            Some(result) => (result.mac, result.mtu_bytes),
            None => (Some(self.nic.mac).filter(|_| self.nic.is_mac_asked), self.nic.mtu_bytes),
        };
        HostDevice { device: self.device.clone(), mac, mtu, ..HostDevice::of(self.nic.identity.clone()) }
    }

    /// A device of another sort than Ethernet has no address that a link-local one could follow from.
    fn has_mac(&self) -> bool {
        self.nic.is_mac_asked || self.device.as_ref().is_none_or(|device| device.origin.mac.is_some())
    }
}

impl Connection for HostDeviceNic {
    /// A repeated ADD is told that the interface exists, not that the device is gone.
    fn survey(&mut self, call: &Call, session: &mut Session) -> Result<(), Error> {
        if call.environment.command == Command::Check {
            return Ok(());
        }
        self.find(session).map_err(|error| match attachment::Object::refuse_existing(&self.object(), session) {
            Err(exists @ attachment::Error::Exists(_)) if session.has_container() => nic::error(&exists),
            _ => error,
        })
    }

    fn describe(&self) -> Description {
        let mut description = Description::new();
        if !self.is_rehearsed {
            description.own(self.object());
        }
        let mac = Some(self.nic.mac(&self.found)).filter(|_| self.has_mac());
        self.nic.set_up(mac, &mut description);
        description
    }

    fn complete(&self, addressing: &mut Success) -> Result<(), Error> {
        self.nic.refuse_ipv6(&self.found, addressing)?;
        if self.is_default { nic::by_gateways_of_ipam(addressing) } else { Ok(()) }
    }

    fn addressing(&self, addressing: &Success) -> Description {
        let mut description = Description::new();
        nic::on_link(&self.nic, &self.found, addressing, &mut description);
        description
    }

    /// The container interface alone, as with the reference.
    fn result(&self, call: &Call, _session: &mut Session, addressing: Success) -> Result<Success, Error> {
        let mac = Some(self.nic.mac).filter(|_| self.has_mac());
        let interface = self.nic.own_interface(call, mac, self.nic.mtu_bytes(&self.found));
        Ok(merge(call, vec![interface], addressing))
    }

    fn expect(&mut self, call: &Call, previous: &Success) -> Result<Success, Error> {
        expected(call, previous, &mut self.found)
    }

    /// The device itself is only looked at: a stand-in in the container takes its place. Without a key that names one, the runtime
    /// names one for each container.
    fn rehearse(&mut self, session: &mut Session) -> Result<Vec<Prop>, Error> {
        if self.wanted.is_named() {
            self.find(session).map_err(|error| Error::new(Code::NotAvailable, error.msg))?;
        }
        self.is_rehearsed = true;
        let mtu_bytes = self.nic.mtu_bytes(&self.found).unwrap_or(STAND_IN_MTU_BYTES);
        Ok(vec![Prop::DeviceInContainer { name: self.nic.identity.if_name().to_owned(), mtu_bytes }])
    }
}
