//! A NIC on a Linux bridge of the host.

use attachment::{
    Action, AwaitForwarding, Bridge, BridgePort, Description, Elements, Finder, ForwardRule, GatewayVlan, Identity,
    Lac, LacId, Session, Tap, Veth,
};
use cni::{Call, Command, Error, Success};
use keys::{NicKeys, OnBridgeKeys, TapKeys};
use netlink::Mac;
use netlink::link::NAME_BYTES;
use plugin::Prop;

use crate::segment::Segment;
use crate::{
    Found, Gateway, Guard, Nic, Path, addressing, bridge_interface, error, expected, find_loan, lent_before, merge,
};

/// A NIC on a bridge: what is wanted, and what was found.
#[derive(Debug, Clone)]
pub struct OnBridge {
    nic: Nic,
    /// The bridge's name.
    bridge: String,
    promiscuous: bool,
    hairpin: bool,
    isolated: bool,
    segment: Segment,
    gateway: Option<Gateway>,
    guard: Guard,
    /// Addresses come from somewhere.
    has_ipam: bool,
    found: Found,
}

impl OnBridge {
    /// What finds it without a description, in the order in which it is made.
    pub const FINDERS: [&'static Finder; 6] =
        [Bridge::FINDER, ForwardRule::FINDER, GatewayVlan::FINDER, Tap::FINDER, Veth::FINDER, Elements::FINDER];

    /// Reads and validates the keys of a NIC on the bridge `bridge`; without a name that follows from the uplink, or else is
    /// `default`.
    ///
    /// # Errors
    /// Code 7 naming the key.
    pub fn read(
        call: &Call,
        identity: Identity,
        device: keys::Device,
        bridge: Option<&str>,
        default: &str,
    ) -> Result<Self, Error> {
        let keys: OnBridgeKeys = call.config.keys()?;
        let of_nic: NicKeys = call.config.keys()?;
        let of_tap: TapKeys = call.config.keys()?;
        let bridge = named(bridge, keys.uplink.as_deref(), of_nic.vlan.0, default)?;
        let is_gateway = keys.is_gateway || keys.is_default_gateway;
        let segment = Segment::parse(&keys, &of_nic, is_gateway, &bridge)?;
        let refused = [
            (keys.hairpin_mode && keys.promisc_mode, "hairpinMode and promiscMode cannot be set at the same time"),
            (
                of_nic.ip_masq && matches!(&segment, Segment::Uplink(uplink) if uplink.vlan.is_none()),
                "ipMasq and uplink cannot be set together without vlan: the containers are in the uplink's own network, and \
                 there is nothing to translate; remove one of the two",
            ),
        ];
        let nic = Nic::parse(&of_nic, device, &of_tap, call, identity)?;
        nic.refuse_mtu()?;
        if let Some((_, reason)) = refused.iter().find(|(is_met, _)| *is_met) {
            return Err(Error::invalid_config(*reason));
        }
        let gateway =
            is_gateway.then_some(Gateway { is_default: keys.is_default_gateway, replaces: keys.force_address });
        let guard = Guard::parse(&of_nic, call, segment.ways_out(&bridge, is_gateway))?;
        let wanted = Self {
            nic,
            bridge,
            promiscuous: keys.promisc_mode,
            hairpin: keys.hairpin_mode,
            isolated: keys.port_isolation,
            segment,
            gateway,
            guard,
            has_ipam: call.config.ipam.is_some(),
            found: Found::default(),
        };
        wanted.check_gateway()?;
        Ok(wanted)
    }

    /// Reads and validates the keys of a NIC on the bridge of a Local Area Cloud, through which its network leads once it is known:
    /// see [`OnBridge::set_lac`].
    ///
    /// # Errors
    /// Code 7 naming the key.
    pub fn in_lac(
        call: &Call,
        identity: Identity,
        device: keys::Device,
        (of_nic, of_tap): (&NicKeys, &TapKeys),
        id: LacId,
    ) -> Result<Self, Error> {
        let bridge = id.bridge();
        let nic = Nic::parse(of_nic, device, of_tap, call, identity)?;
        nic.refuse_mtu()?;
        Ok(Self {
            guard: Guard::parse(of_nic, call, vec![bridge.clone()])?,
            nic,
            bridge,
            promiscuous: false,
            hairpin: false,
            isolated: false,
            segment: Segment::Bridge,
            gateway: None,
            has_ipam: call.config.ipam.is_some(),
            found: Found::default(),
        })
    }

    /// The cloud as it was found.
    pub fn set_lac(&mut self, lac: Lac) {
        self.nic.is_allocated |= lac.is_evpn(); // the answer of another host that has gone would be the bridge's own
        self.segment = Segment::Lac(lac);
    }

    /// The MTU that the configuration asks for, in bytes.
    #[must_use]
    pub fn asked_mtu_bytes(&self) -> Option<u32> {
        self.nic.mtu_bytes
    }

    /// The port, by its name on the host, and the hardware address behind it. That of a device which the previous plugin made is not
    /// known.
    #[must_use]
    pub fn port_and_mac(&self) -> Option<(String, Mac)> {
        self.found.lent.is_none().then(|| (self.nic.port(&self.found), self.nic.mac(&self.found)))
    }

    /// The NIC as a port of its bridge, which UPDATE requires where it changes what members share.
    #[must_use]
    pub fn membership(&self) -> impl attachment::Object + 'static {
        self.port()
    }

    /// The VLAN of the gateway, if it is going to have addresses: that of the NIC. With an uplink the VLAN is below the bridge,
    /// which knows no VLANs.
    fn gateway_vlan(&self) -> Option<u16> {
        self.gateway.as_ref().and_then(|_| self.segment.native_vlan()).filter(|_| self.has_ipam)
    }

    /// The host's interface with the gateway's addresses: the bridge, or its device in the NIC's VLAN.
    fn gateway_interface(&self) -> String {
        self.segment.gateway_interface(&self.bridge, self.gateway.is_some())
    }

    fn check_gateway(&self) -> Result<(), Error> {
        let name = self.gateway_interface();
        if name.len() <= NAME_BYTES {
            return Ok(());
        }
        Err(Error::invalid_config(format!(
            "bridge: the gateway of vlan {} would be the link {name}, whose name is longer than {NAME_BYTES} bytes; choose a \
             shorter name for the bridge",
            self.segment.native_vlan().unwrap_or_default(),
        )))
    }

    fn shared_bridge(&self) -> Bridge {
        if let Some(lac) = self.segment.lac() {
            return Bridge::of_lac(lac.id); // whatever MTU one of its members asks for
        }
        let of_path = self.found.path.mtu_bytes.filter(|_| self.found.path.is_for_the_bridge);
        Bridge {
            mtu: self.nic.mtu_bytes.or(of_path),
            promiscuous: self.promiscuous,
            vlan_filtering: self.segment.vlans().is_some(),
            is_gateway: self.gateway.is_some(),
            gateway: self.gateway.as_ref().filter(|_| self.has_ipam).map(|_| self.gateway_interface()),
            is_gateway_forced: self.gateway.as_ref().is_some_and(|gateway| gateway.replaces),
            uplink: self.segment.uplink().cloned(),
            ..Bridge::shared(&self.bridge, self.nic.identity.network())
        }
    }

    fn port(&self) -> BridgePort {
        BridgePort {
            device: self.nic.port(&self.found),
            bridge: self.bridge.clone(),
            hairpin: self.hairpin,
            isolated: self.isolated,
        }
    }

    /// The MTU of the path, if the configuration leaves it to that.
    fn path(&self, session: &mut Session) -> Result<Path, attachment::Error> {
        match &self.segment {
            Segment::Uplink(uplink) => Ok(Path::of_uplink(uplink.mtu(session)?)),
            Segment::Lac(lac) => Ok(Path::of_uplink(Some(lac.mtu))),
            Segment::Bridge | Segment::Vlans(_) => Path::by_bridge(&self.bridge, self.gateway.is_some(), session),
        }
    }

    /// Asks the host for the previous plugin's device and the MTU. CHECK takes the MTU from the result, and need not ask for the
    /// path.
    ///
    /// # Errors
    /// As [`plugin::Plugin::survey`].
    pub fn survey(&mut self, call: &Call, session: &mut Session) -> Result<(), Error> {
        self.found.lent = find_loan(call, &self.nic.identity, &self.bridge, session)?;
        self.guard.refuse_lent(&self.found)?;
        if let Some(uplink) = self.segment.uplink().filter(|_| self.gateway.is_some()) {
            uplink.refuse_gateway(session).map_err(|refused| error(&refused))?;
        }
        if self.nic.mtu_bytes.is_none() && call.environment.command != Command::Check {
            let path = self.path(session).map_err(|refused| error(&refused))?;
            self.found.path = self.nic.fit(path);
        }
        Ok(())
    }

    /// The bridge, and the NIC as its port.
    #[must_use]
    pub fn describe(&self) -> Description {
        let mut description = Description::new();
        let gateway = self.gateway.as_ref().map(|_| self.gateway_interface());
        let rule = ForwardRule::new(&self.bridge).with_gateway(gateway);
        description.share(self.shared_bridge()).share(rule).own(self.port());
        if let Some(lac) = self.segment.lac() {
            description.share(lac.clone());
        }
        if let Some(vlans) = self.segment.vlans() {
            description.own(vlans.of_port(self.nic.port(&self.found), self.bridge.clone()));
        }
        if let Some(id) = self.gateway_vlan() {
            description.share(GatewayVlan::new(&self.bridge, self.nic.identity.network(), id));
        }
        self.guard.describe(&self.nic, &self.found, &mut description);
        self.nic.describe(&self.found, &self.bridge, &mut description);
        description
    }

    /// The gateway's address and the default route, where they are asked for.
    ///
    /// # Errors
    /// Code 7 where a guard would let nothing pass.
    pub fn complete(&self, addressing: &mut Success) -> Result<(), Error> {
        self.guard.refuse_nothing(addressing)?;
        self.nic.refuse_ipv6(&self.found, addressing)?;
        if let Some(gateway) = &self.gateway {
            gateway.complete(addressing);
        }
        Ok(())
    }

    /// As [`plugin::Plugin::await_nic`].
    ///
    /// # Errors
    /// The port does not forward.
    pub fn await_nic(&self, session: &mut Session) -> Result<(), attachment::Error> {
        match self.nic.has_interface(&self.found) {
            true => AwaitForwarding { device: self.nic.identity.host_name() }.perform(session),
            false => Ok(()),
        }
    }

    /// What the addresses need.
    #[must_use]
    pub fn addressing(&self, addresses: &Success) -> Description {
        let mut description = Description::new();
        self.guard.addressing(&self.nic, addresses, &mut description);
        addressing(&self.nic, &self.found, addresses, &mut description);
        if let Some(gateway) = &self.gateway {
            gateway.describe(&self.gateway_interface(), addresses, &mut description);
        }
        description
    }

    /// The container has an interface that gets addresses.
    #[must_use]
    pub fn has_interface(&self) -> bool {
        self.nic.has_interface(&self.found)
    }

    /// Bridge, host interface, container interface, gateway in a VLAN, in the reference's order (RES-20).
    ///
    /// # Errors
    /// The kernel cannot be asked.
    pub fn result(&self, call: &Call, session: &mut Session, addressing: Success) -> Result<Success, Error> {
        let mut interfaces = vec![bridge_interface(session, &self.bridge)?];
        interfaces.extend(self.nic.interfaces(&self.found, call));
        if self.gateway_vlan().is_some() {
            interfaces.push(bridge_interface(session, &self.gateway_interface())?);
        }
        Ok(merge(call, interfaces, addressing))
    }

    /// For CHECK, as [`plugin::Plugin::expect`].
    ///
    /// # Errors
    /// Code 7 for a result that is not of this attachment.
    pub fn expect(&mut self, call: &Call, previous: &Success) -> Result<Success, Error> {
        expected(call, previous, &mut self.found)
    }

    /// For DEL: the bridge that the configuration names, with what is attached to it; and a device that was lent to it, unless
    /// the result is somebody else's.
    pub fn named(call: &Call, identity: &Identity, bridge: &str, may_be_lent: bool) -> Description {
        let mut description = Description::new();
        description.share(Bridge::shared(bridge, identity.network())).share(ForwardRule::new(bridge));
        description.share(GatewayVlan::all_on(bridge));
        if may_be_lent {
            lent_before(call, identity, bridge, &mut description);
        }
        description
    }

    /// The bridge's name, whatever else the configuration says: for DEL, for which it may have become invalid.
    #[must_use]
    pub fn bridge_of(call: &Call, default: &str) -> Option<String> {
        let key = |name| keys::find(&call.config.object, name);
        match key("bridge").and_then(|name| name.as_str()) {
            Some(name) => Some(name.to_owned()),
            None => default_bridge(
                key("uplink").and_then(|name| name.as_str()),
                key("vlan")
                    .and_then(|vlan| vlan.as_u64())
                    .and_then(|vlan| u16::try_from(vlan).ok())
                    .filter(|vlan| *vlan != 0),
                default,
            ),
        }
    }

    /// The uplink's devices as stand-ins, as [`plugin::Plugin::rehearse`].
    ///
    /// # Errors
    /// What is missing on this host.
    pub fn rehearse(&self, session: &mut Session) -> Result<Vec<Prop>, Error> {
        let Some(uplink) = self.segment.uplink() else { return Ok(Vec::new()) };
        let Some(device) = uplink.link(session).map_err(|refused| error(&refused))? else { return Ok(Vec::new()) };
        let mut props = vec![Prop::Device { name: device.name.clone(), mtu_bytes: device.mtu }];
        if let Some(vlan) = uplink.vlan.filter(|vlan| !vlan.automatic)
            && let Some(link) = uplink.vlan_link(session, &device).map_err(|refused| error(&refused))?
        {
            props.push(Prop::Vlan { name: link.name, below: device.name, id: vlan.id });
        }
        Ok(props)
    }
}

fn named(bridge: Option<&str>, uplink: Option<&str>, vlan: Option<u16>, default: &str) -> Result<String, Error> {
    let name = match bridge {
        Some(name) => name.to_owned(),
        None => default_bridge(uplink, vlan, default).ok_or_else(|| {
            let uplink = uplink.unwrap_or_default();
            Error::invalid_config(format!("bridge: the uplink {uplink} makes too long a name; name the bridge"))
        })?,
    };
    if name.is_empty() || name.len() > NAME_BYTES || name.contains(['/', ':', ' ']) {
        return Err(Error::invalid_config(format!(
            "bridge: '{name}' cannot be the name of a link: at most 15 bytes, without '/', ':' and blanks"
        )));
    }
    Ok(name)
}

/// The name of the bridge where the configuration gives none. It follows from the configuration alone, so that DEL finds the
/// bridge: with an uplink that of the device, or of the VLAN device as it is usually called. `None` where that is too long.
fn default_bridge(uplink: Option<&str>, vlan: Option<u16>, default: &str) -> Option<String> {
    let name = match (uplink, vlan) {
        (None, _) => default.to_owned(),
        (Some(uplink), None) => format!("br-{uplink}"),
        (Some(uplink), Some(vlan)) => format!("br-{uplink}.{vlan}"),
    };
    (name.len() <= NAME_BYTES).then_some(name)
}
