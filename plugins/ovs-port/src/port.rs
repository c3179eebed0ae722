//! A NIC on a bridge of Open vSwitch.

use attachment::{
    Checksums, Datapath, Description, Device, Identity, LinkUp, Mirroring, OvsAddresses, OvsBridge, OvsCniNic,
    OvsGuard, OvsMirror, OvsMirrored, OvsPatch, OvsPort, PortDevice, Redirect, Remedy, Session, Stage, SwitchLimits,
    SwitchVlans, TapLine,
};
use cni::{Call, Code, Error, Interface, Success};
use keys::{MirrorKeys, OvsPortKeys, SwitchDevice, TapKeys};
use nic::{Found, Nic, OnLink, SourceRouting, expected, merge, on_link};

use crate::call::Completed;
use crate::config;

/// The logical port that an interface is (`ovn-architecture(7)`).
const IFACE_ID: &str = "iface-id";

/// A NIC on a bridge of Open vSwitch: what is wanted, and what was found.
#[derive(Debug, Clone)]
pub(crate) struct Port {
    nic: Nic,
    bridge: OvsBridge,
    patch: Option<OvsPatch>,
    device: SwitchDevice,
    vlans: SwitchVlans,
    ofport_request: Option<u16>,
    external_ids: Vec<(&'static str, String)>,
    limits: SwitchLimits,
    mirrors: Vec<(OvsMirror, Mirroring)>,
    source_routing: Option<SourceRouting>,
    metric: Option<u32>,
    /// `macspoofchk`.
    checks_mac: bool,
    /// `ipspoofchk`.
    checks_addresses: bool,
    /// That of the bridge that is there, or else of the one that will be made.
    datapath: Option<Datapath>,
    found: Found,
    /// Only what is made of the kernel's own is described.
    is_rehearsed: bool,
}

impl Port {
    /// # Errors
    /// Code 7 naming the key.
    pub(crate) fn read(call: &Call, identity: &Identity) -> Result<Self, Error> {
        let completed = Completed::of(call)?;
        let bridge = completed.bridge().ok_or_else(|| {
            Error::invalid_config(
                "bridge is missing: name the bridge of Open vSwitch, or a logical port of OVN in ovnPort",
            )
        })?;
        if bridge.contains('/') {
            return Err(Error::invalid_config(format!(
                "bridge: Open vSwitch has no bridges with '/' in their names, as {bridge:?}"
            )));
        }
        let Completed { call, ovn_port } = completed;
        let keys: OvsPortKeys = call.config.keys()?;
        let of_tap: TapKeys = call.config.keys()?;
        if keys.ipspoofchk && call.config.ipam.is_none() {
            return Err(Error::invalid_config(
                "ipspoofchk lets only the addresses of ipam pass, and there is no ipam; add ipam, or set macspoofchk instead",
            ));
        }
        if ovn_port.is_some() && (keys.macspoofchk || keys.ipspoofchk) {
            return Err(Error::invalid_config(
                "macspoofchk and ipspoofchk add flows to the bridge, and all flows of OVN's bridge are its own; remove them, and set \
                 the port security of the logical port instead (ovn-nbctl lsp-set-port-security)",
            ));
        }
        let device = config::device(&keys, &call)?;
        let of_nic = if device == SwitchDevice::Tap { keys::Device::Tap } else { keys::Device::Veth };
        let network = call.config.name.clone();
        let nic = Nic::parse(&config::nic_keys(&keys), of_nic, &of_tap, &call, identity.clone())?;
        nic.refuse_mtu()?;
        let patch = keys.patch_to.clone().filter(|to| !to.is_empty());
        if patch.as_ref() == Some(&bridge) {
            return Err(Error::invalid_config(format!("patchTo: {bridge} is the bridge itself")));
        }
        let datapath = config::datapath(&keys);
        Ok(Self {
            external_ids: external_ids(&nic, &call, ovn_port),
            vlans: config::vlans(&keys)?,
            ofport_request: config::ofport_request(&keys)?,
            limits: config::limits(&keys, device)?,
            mirrors: config::mirrors(&keys.mirrors, None, &bridge, &network)?,
            source_routing: SourceRouting::parse(
                keys.source_routing,
                keys.table.filter(|table| *table != 0),
                &call,
                identity,
            )?,
            metric: keys.metric,
            checks_mac: keys.macspoofchk,
            checks_addresses: keys.ipspoofchk,
            patch: patch.map(|to| OvsPatch { bridge: bridge.clone(), to, network: network.clone() }),
            bridge: OvsBridge { name: bridge, network, datapath },
            datapath,
            nic,
            device,
            found: Found::default(),
            is_rehearsed: false,
        })
    }

    fn is_internal(&self) -> bool {
        self.device == SwitchDevice::Internal
    }

    fn port(&self) -> OvsPort {
        let device = match self.is_internal() {
            false if self.is_joined() => PortDevice::Link(TapLine::port(&self.nic.identity)),
            false => PortDevice::Link(self.nic.identity.host_name()),
            true => PortDevice::Internal {
                mac: self.nic.mac(&self.found),
                mtu_request: self.nic.mtu_bytes,
                mtu: self.nic.mtu_bytes(&self.found),
            },
        };
        OvsPort {
            identity: self.nic.identity.clone(),
            bridge: self.bridge.name.clone(),
            device,
            vlans: self.vlans.clone(),
            ofport_request: self.ofport_request,
            external_ids: self.external_ids.clone(),
            limits: self.limits,
            is_guarded: self.is_guarded(),
        }
    }

    fn is_guarded(&self) -> bool {
        self.checks_mac || self.checks_addresses
    }

    /// The flows that guard the port: until the addresses are known, for none.
    fn guard(&self, addressing: &Success, stage: Stage) -> OvsGuard {
        OvsGuard {
            identity: self.nic.identity.clone(),
            bridge: self.bridge.name.clone(),
            port: self.port().name(),
            mac: self.nic.mac(&self.found),
            addresses: addressing.ips.iter().map(|ip| ip.address.ip()).collect(),
            checks_mac: self.checks_mac,
            checks_addresses: self.checks_addresses,
            stage,
        }
    }

    /// # Errors
    /// Code 102 for a guard on a bridge whose flows are another program's; the database cannot be asked.
    pub(crate) fn survey(&mut self, session: &mut Session) -> Result<(), Error> {
        self.port().look_up(session).map_err(|error| nic::error(&error))?;
        let found = self.bridge.datapath_of(session).map_err(|error| nic::error(&error))?;
        self.datapath = found.or(self.bridge.datapath);
        self.refuse_flows_of_others(session).map_err(|error| nic::error(&error))
    }

    /// A guard's flows let what they do not drop out by `NORMAL`, past the flows of others.
    fn refuse_flows_of_others(&self, session: &mut Session) -> Result<(), attachment::Error> {
        if !self.is_guarded() {
            return Ok(());
        }
        match self.bridge.flows_of_others(session)? {
            None => Ok(()),
            Some(have) => Err(attachment::Error::Conflict {
                object: format!("bridge {} of Open vSwitch", self.bridge.name),
                want: "flows on it that guard the port".to_owned(),
                have: have.to_owned(),
                remedy: Remedy::act("remove macspoofchk and ipspoofchk, and have that program guard the port"),
            }),
        }
    }

    /// # Errors
    /// Code 7 for source routing without a container interface.
    pub(crate) fn describe(&self) -> Result<Description, Error> {
        let mut description = Description::new();
        if !self.is_rehearsed {
            description.share(self.bridge.clone());
            if let Some(patch) = &self.patch {
                description.share(patch.clone());
            }
            description.own(self.port());
            if self.is_guarded() {
                description.own(self.guard(&Success::default(), Stage::Setting));
            }
            for (mirror, part) in &self.mirrors {
                let (identity, port, mirror) = (self.nic.identity.clone(), Some(self.port().name()), mirror.clone());
                description.share(mirror.clone()).own(OvsMirrored { identity, port, mirror, part: *part });
            }
        }
        if !self.is_internal() {
            self.nic.describe(&self.found, "", &mut description);
            self.describe_line(&mut description);
            self.describe_checksums(&mut description);
        } else if !self.is_rehearsed {
            self.nic.set_up(Some(self.nic.mac(&self.found)), &mut description);
        }
        if let Some(source_routing) = &self.source_routing {
            source_routing.describe(self.has_interface(), &mut description)?;
        }
        Ok(description)
    }

    /// A TAP device on the host is joined to the port, instead of being it: see [`TapLine`].
    fn is_joined(&self) -> bool {
        self.device == SwitchDevice::Tap && !self.nic.is_tap_in_container()
    }

    fn describe_line(&self, description: &mut Description) {
        if !self.is_joined() {
            return;
        }
        let identity = &self.nic.identity;
        let (tap, joint) = (Device::host(identity.host_name()), TapLine::joint(identity));
        description.own(TapLine { identity: identity.clone(), mtu: self.nic.mtu_bytes(&self.found) });
        description.own(Redirect { from: joint.clone(), to: tap.clone() });
        description.own(Redirect { from: tap, to: joint.clone() }).own(LinkUp { device: joint });
    }

    /// A switch in user space passes on frames as they come. Whatever sends them by a veth has its checksums filled in there.
    fn describe_checksums(&self, description: &mut Description) {
        if self.datapath != Some(Datapath::Netdev) {
            return;
        }
        let identity = &self.nic.identity;
        let device = match self.device {
            SwitchDevice::Internal => return,
            SwitchDevice::Veth => self.nic.container_interface(),
            SwitchDevice::Tap if self.is_joined() => TapLine::joint(identity),
            SwitchDevice::Tap => Device::container(identity.joint_name()),
        };
        description.own(Checksums { device });
    }

    fn has_interface(&self) -> bool {
        self.nic.has_interface(&self.found)
    }

    /// # Errors
    /// Code 7 where the answer does not fit the configuration.
    pub(crate) fn complete(&self, call: &Call, addressing: &mut Success) -> Result<(), Error> {
        self.nic.refuse_ipv6(&self.found, addressing)?;
        if self.checks_addresses && addressing.ips.is_empty() {
            return Err(Error::invalid_config("ipspoofchk lets only the addresses of ipam pass, and it gave none"));
        }
        nic::set_resolver(call, addressing)?;
        nic::set_metric(self.metric, addressing);
        Ok(())
    }

    pub(crate) fn addressing(&self, addressing: &Success) -> Description {
        let mut description = Description::new();
        if self.is_internal() && self.is_rehearsed {
            return description;
        }
        if !self.is_rehearsed && !addressing.ips.is_empty() && self.external_ids.iter().any(|(id, _)| *id == IFACE_ID) {
            description.own(OvsAddresses {
                identity: self.nic.identity.clone(),
                interface: self.port().name(),
                addresses: addressing.ips.iter().map(|ip| ip.address.to_string()).collect(),
            });
        }
        if self.checks_addresses && !self.is_rehearsed {
            description.own(self.guard(addressing, Stage::Ready));
        }
        on_link(&self.nic, &self.found, addressing, &mut description);
        if let Some(source_routing) = &self.source_routing {
            source_routing.addressing(addressing, OnLink::Subnets, &mut description);
        }
        description
    }

    /// The bridge, the host interface if there is one, and the container interface.
    ///
    /// # Errors
    /// The kernel cannot be asked.
    pub(crate) fn result(&self, call: &Call, session: &mut Session, addressing: Success) -> Result<Success, Error> {
        let local = session.known(&Device::host(&self.bridge.name)).map_err(|error| nic::error(&error))?;
        let bridge = Interface {
            name: self.bridge.name.clone(),
            mac: local.and_then(|link| link.mac).map(|mac| mac.to_string()).unwrap_or_default(),
            ..Interface::default()
        };
        let mut interfaces = vec![bridge];
        if self.is_internal() {
            let mtu = match self.nic.mtu_bytes(&self.found) {
                None if session.is_looking() => None,
                None => session
                    .known(&self.nic.container_interface())
                    .map_err(|error| nic::error(&error))?
                    .map(|link| link.mtu),
                given => given,
            };
            interfaces.push(self.nic.own_interface(call, Some(self.nic.mac), mtu));
        } else {
            interfaces.extend(self.nic.interfaces(&self.found, call));
        }
        Ok(merge(call, interfaces, addressing))
    }

    /// # Errors
    /// Code 7 for a result that is not of this attachment.
    pub(crate) fn expect(&mut self, call: &Call, previous: &Success) -> Result<Success, Error> {
        expected(call, previous, &mut self.found)
    }

    /// For DEL: what attachments share, and what ovs-cni has made.
    pub(crate) fn named(call: &Call, identity: &Identity) -> Description {
        let mut description = Description::new();
        description.own(ovs_cni_nic(call, identity));
        let (completed, _) = Completed::leniently(call);
        let Some(bridge) = completed.bridge() else { return description };
        let network = &call.config.name;
        let object = &completed.call.config.object;
        description.share(OvsBridge::named(&bridge, network));
        let is_set = |key: &str| keys::find(object, key).and_then(|value| value.as_bool()) == Some(true);
        if is_set("macspoofchk") || is_set("ipspoofchk") {
            description.own(OvsGuard::left(identity, &bridge));
        }
        description.share(OvsPatch::all_of(&bridge, network));
        let entries = keys::member::<Vec<MirrorKeys>>(object, "mirrors", &keys::Place::Whole, false);
        let mirrors = config::mirrors(&entries.ok().flatten().unwrap_or_default(), None, &bridge, network);
        for (mirror, _) in mirrors.unwrap_or_default() {
            description.share(mirror);
        }
        description
    }

    /// # Errors
    /// Code 50 where the switch does not answer, does not work, or has no such bridge.
    pub(crate) fn rehearse(&mut self, session: &mut Session) -> Result<(), Error> {
        self.is_rehearsed = true;
        let bridge = is_there(&self.bridge, session)?;
        self.datapath = bridge.or(self.bridge.datapath);
        let unavailable = |error: attachment::Error| Error::new(Code::NotAvailable, nic::error(&error).msg);
        self.refuse_flows_of_others(session).map_err(unavailable)?;
        if let Some(patch) = &self.patch {
            is_there(&OvsBridge::named(&patch.to, &patch.network), session)?;
        }
        Ok(())
    }
}

/// Asks whether the switch works and has the bridge, or may make it.
///
/// # Errors
/// Code 50.
pub(crate) fn is_there(bridge: &OvsBridge, session: &mut Session) -> Result<Option<Datapath>, Error> {
    use attachment::Shared;
    let unavailable = |error: attachment::Error| Error::new(Code::NotAvailable, nic::error(&error).msg);
    let switch = session.switch().map_err(unavailable)?;
    if !switch.is_served().map_err(unavailable)? {
        let remote = switch.remote();
        return Err(Error::new(
            Code::NotAvailable,
            format!("ovs-vswitchd is not running on the database at {remote}; start it"),
        ));
    }
    bridge.look(session).map_err(unavailable)?;
    bridge.refuse_without_datapath(session).map_err(unavailable)?;
    bridge.datapath_of(session).map_err(unavailable)
}

/// What others look for at the interface: OVN, and the tools of ovn-kubernetes.
fn external_ids(nic: &Nic, call: &Call, ovn_port: Option<String>) -> Vec<(&'static str, String)> {
    let Some(port) = ovn_port else { return Vec::new() };
    let mut ids = vec![
        ("attached_mac", nic.mac.to_string()),
        (IFACE_ID, port),
        ("sandbox", nic.identity.container_id().to_owned()),
    ];
    let uid = call.environment.args.get("K8S_POD_UID").filter(|uid| !uid.is_empty());
    ids.extend(uid.map(|uid| ("iface-id-ver", uid.to_owned())));
    ids
}

/// What ovs-cni may have made of the attachment, before our executable took the place of its.
fn ovs_cni_nic(call: &Call, identity: &Identity) -> OvsCniNic {
    let netns = call.environment.netns.as_deref().map(|path| path.display().to_string());
    let result = call.config.prev_result.as_ref();
    let of_host = result.into_iter().flat_map(|result| &result.interfaces).filter(|one| one.sandbox.is_empty());
    OvsCniNic { identity: identity.clone(), netns, listed: of_host.map(|one| one.name.clone()).collect() }
}
