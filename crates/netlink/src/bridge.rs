//! Linux bridges.

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{BridgeBooleanOptionFlags, BridgeBooleanOptions, InfoBridge, InfoData, InfoKind};

use crate::link;
use crate::{Mac, Request};

/// The most ports that a bridge can have (`BR_MAX_PORTS` in `net/bridge/br_private.h`, of which `find_portno` leaves out the first).
pub const MOST_PORTS: usize = 1023;

/// A bridge to make.
#[derive(Debug)]
pub struct NewBridge<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its address. An address that is given stays; otherwise the bridge takes the smallest of its ports and changes it as
    /// ports come and go, and its neighbours lose it.
    pub mac: Mac,
    /// Its MTU in bytes; when not given, the bridge follows the smallest of its ports.
    pub mtu: Option<u32>,
    /// Ports receive only frames of their VLANs.
    pub vlan_filtering: bool,
    /// It is set up as it is made.
    pub is_up: bool,
}

/// The MTU in bytes that the kernel gives a bridge (`ETH_DATA_LEN`).
const KERNELS_MTU: u32 = 1500;

impl NewBridge<'_> {
    /// `ip link add NAME address MAC [up] type bridge no_linklocal_learn 1 [vlan_filtering 1]`, to be followed by
    /// [`NewBridge::fix_mtu`]. Frames to a bridge's own group addresses (IEEE 802.1D, 7.12.6), not all of which packet filters
    /// see, teach it nothing.
    #[must_use]
    pub fn create(&self) -> Request {
        let mut settings = vec![InfoBridge::MultiBoolOpt(BridgeBooleanOptions {
            value: BridgeBooleanOptionFlags::NoLinkLocalLearn,
            mask: BridgeBooleanOptionFlags::NoLinkLocalLearn,
        })];
        if self.vlan_filtering {
            settings.push(InfoBridge::VlanFiltering(true));
        }
        let mut bridge = link::of_kind(InfoKind::Bridge).name(self.name).address(self.mac.0.to_vec());
        if self.is_up {
            bridge = bridge.up();
        }
        if self.mtu == Some(KERNELS_MTU) {
            bridge = bridge.mtu(KERNELS_MTU - 1); // so that setting it is a change
        }
        let bridge = bridge.set_info_data(InfoData::Bridge(settings));
        Request::create(RouteNetlinkMessage::NewLink(bridge.build()))
    }

    /// `ip link set NAME mtu BYTES`, if it is to have a certain one.
    ///
    /// Only a change of the MTU keeps the bridge from following its ports (`br_change_mtu` in `net/bridge/br_device.c`): an
    /// MTU in the creation does not.
    #[must_use]
    pub fn fix_mtu(&self) -> Option<Request> {
        self.mtu.map(|bytes| link::set_mtu(self.name, bytes))
    }
}
