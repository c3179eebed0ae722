//! Making a VXLAN device, and changing one in use.

use std::collections::BTreeSet;
use std::net::IpAddr;

use netlink::fdb;
use netlink::link::{self, Link};
use netlink::vxlan::{self, NewVxlan};

use super::{Lac, OTHER_LAC, Reach, memberships};
use crate::{Device, Error, Object, Remedy, Session, Side, Step, Tag};

impl Lac {
    /// Makes the device, in one send: a kill cannot leave one without its tag.
    pub(super) fn create(&self, session: &mut Session) -> Result<(), Error> {
        let Some(bridge) = self.bridge(session)? else {
            return Err(Error::Missing(format!("bridge {}", self.id.bridge())));
        };
        let (name, label, settings) = (self.device.clone(), self.label(), self.settings(session)?);
        let device = NewVxlan { name: &name, settings: &settings, mtu: self.mtu };
        let step = Step::make(Side::Host, format!("make {label}"), device.create());
        let lac = self.clone();
        session.queue(step.explained(move |error| lac.explain(error)));
        let tag = link::set_alias_without_link_local(&name, &Tag::shared(&self.id.shared_by()), Some(self.mtu));
        session.queue(Step::change(Side::Host, format!("tag {label}"), tag));
        if self.is_evpn() {
            self.join_told(bridge, session);
            self.keep_bridge_from_forwarding(session)?;
        }
        let up = if self.is_evpn() { link::set_up(&name) } else { link::set_up_in(&name, bridge) };
        let lac = self.clone();
        let step = Step::change(Side::Host, format!("set {label} up"), up);
        session.queue(step.explained(move |error| lac.explain(error)));
        session.forget_link(&Device::host(self.id.bridge())); // its MTU follows that of the new port
        self.refuse_untold(session)?;
        if let Some(checksums) = self.checksums() {
            checksums.create(session)?;
        }
        if let Reach::Hosts { hosts, .. } = &self.reach
            && !hosts.is_empty()
        {
            let index = session.index(&self.device())?;
            hosts.iter().for_each(|host| self.add_remote(index, *host, None, session));
        }
        Ok(())
    }

    pub(super) fn add_remote(&self, index: u32, host: IpAddr, by: Option<u32>, session: &mut Session) {
        let label = self.label();
        let step = Step::change(
            Side::Host,
            format!("add {host} to the remotes of {label}"),
            fdb::append_remote(index, host, by),
        );
        session.queue(step.explained(move |error| match &error {
            Error::Refused { source, .. } if source.errno() == Some(libc::EAFNOSUPPORT) => Error::Conflict {
                object: label.clone(),
                want: format!("the remote {host}"),
                have: format!("is for remotes of {}", if host.is_ipv6() { "IPv4" } else { "IPv6" }),
                remedy: Remedy::act(OTHER_LAC),
            },
            _ => error,
        }));
    }

    pub(super) fn remove_remote(&self, index: u32, host: IpAddr, by: Option<u32>, session: &mut Session) {
        let action = format!("remove {host} from the remotes of {}", self.label());
        let step = Step::change(Side::Host, action, fdb::delete_remote(index, host, by));
        session.queue(step.tolerating(&[libc::ENOENT]));
    }

    /// What the kernel's refusal of the device means.
    pub(super) fn explain(&self, error: Error) -> Error {
        let (port, vni) = (self.id.port, self.id.vni);
        let in_the_way = |object: String, have: &str, remedy: &str| Error::Conflict {
            object,
            want: format!("it for {}", self.label()),
            have: have.to_owned(),
            remedy: Remedy::act(remedy),
        };
        let errno = match &error {
            Error::Exists(_) => Some(libc::EEXIST),
            Error::Refused { source, .. } => source.errno(),
            _ => None,
        };
        match errno {
            Some(libc::EEXIST) => in_the_way(
                format!("VNI {vni} on UDP port {port}"),
                "belongs to another VXLAN device of this host",
                "find that with `ip -d link show type vxlan`, perhaps in the namespace that it was moved to, and remove it, or choose \
                 another port or VNI",
            ),
            Some(libc::EADDRINUSE) => in_the_way(
                format!("UDP port {port}"),
                "is in use by a program, such as a client of VDE, or by a VXLAN device with other checks of checksums",
                "stop that, run it in a network namespace of its own, or choose another port",
            ),
            Some(libc::EOPNOTSUPP) => Error::Unsupported {
                feature: format!("VXLAN devices (vxlan), which {} needs", self.label()),
                remedy: Remedy::act("load the module with `modprobe vxlan`, or use a kernel with CONFIG_VXLAN"),
            },
            Some(libc::ENOBUFS) if !self.reach.is_ipv6() => memberships::exhausted(port, self.reach.remote()),
            _ => error,
        }
    }

    /// Changes what is there into what is wanted, with undo. Remotes are added before others are removed, and those that stay are not
    /// touched.
    pub(super) fn complete(&self, link: &Link, session: &mut Session) -> Result<(), Error> {
        let Some(bridge) = self.bridge(session)? else {
            return Err(Error::Missing(format!("bridge {}", self.id.bridge())));
        };
        let (name, label) = (self.device.clone(), self.label());
        let before = link.vxlan.as_ref().and_then(|settings| settings.local);
        if let (Some(local), Some(before)) = (self.local.filter(|local| before != Some(*local)), before) {
            let action = format!("have {label} send from {local}");
            self.take_back_with(session, move |index| vec![vxlan::set_local(index, before)]);
            session.queue(Step::change(Side::Host, action, vxlan::set_local(link.index, local)));
        }
        if link.mtu != self.mtu {
            let (device, mtu) = (name.clone(), link.mtu);
            self.take_back_with(session, move |_| vec![link::set_mtu(&device, mtu)]);
            session.queue(Step::change(Side::Host, format!("set the mtu of {label}"), link::set_mtu(&name, self.mtu)));
        }
        if self.is_evpn() && link.master != Some(bridge) {
            self.join_told(bridge, session);
            self.keep_bridge_from_forwarding(session)?;
        } else if !self.told_differences(link).is_empty() {
            self.tell(session);
        }
        let is_elsewhere = link.master != Some(bridge) && !self.is_evpn();
        if !link.is_up || is_elsewhere {
            let up = if is_elsewhere { link::set_up_in(&name, bridge) } else { link::set_up(&name) };
            let lac = self.clone();
            let step = Step::change(Side::Host, format!("set {label} up"), up);
            session.queue(step.explained(move |error| lac.explain(error)));
        }
        if let Some(checksums) = self.checksums() {
            checksums.create(session)?;
        }
        let (want, have) = (self.remotes(session)?, self.remotes_of(link, session)?);
        let new: Vec<_> = want.difference(&have).copied().collect();
        let old: Vec<_> = have.difference(&want).copied().collect();
        if !new.is_empty() || !old.is_empty() {
            let (added, removed) = (new.clone(), old.clone());
            self.take_back_with(session, move |index| {
                let added_again = removed.iter().map(|(host, by)| fdb::append_remote(index, *host, *by));
                added_again.chain(added.iter().map(|(host, by)| fdb::delete_remote(index, *host, *by))).collect()
            });
        }
        new.iter().for_each(|(host, by)| self.add_remote(link.index, *host, *by, session));
        old.iter().for_each(|(host, by)| self.remove_remote(link.index, *host, *by, session));
        match &self.reach {
            Reach::Hosts { hosts, .. } => self.forget_others(link, hosts, session),
            Reach::Group(_) | Reach::Flooded(_) | Reach::Evpn { .. } => Ok(()),
        }
    }

    /// Frames for hardware addresses that were learned to be at other hosts must not go there any more either. One of these that still
    /// sends is learned again.
    pub(super) fn forget_others(
        &self,
        link: &Link,
        hosts: &BTreeSet<IpAddr>,
        session: &mut Session,
    ) -> Result<(), Error> {
        let entries = fdb::list(session.socket(Side::Host)?, link.index)
            .map_err(Error::refused(format!("list what {} has learned", self.label())))?;
        for entry in entries.iter().filter(|entry| !entry.is_permanent && !hosts.contains(&entry.host)) {
            let Some(mac) = entry.mac else { continue };
            let action = format!("have {} forget that {} has {mac}", self.label(), entry.host);
            let step = Step::change(Side::Host, action, fdb::forget(link.index, mac, entry.host));
            session.queue(step.tolerating(&[libc::ENOENT]));
        }
        Ok(())
    }

    /// How to take back a change of a device that was there before, where that still is.
    pub(super) fn take_back_with(
        &self,
        session: &mut Session,
        requests: impl FnOnce(u32) -> Vec<netlink::Request> + 'static,
    ) {
        let (device, action) = (self.device(), format!("make {} as it was", self.label()));
        session.on_undo(move |session| {
            if let Some(link) = session.find(&device)? {
                for request in requests(link.index) {
                    session.queue(Step::change(Side::Host, &action, request).tolerating(&[libc::ENOENT]));
                }
            }
            Ok(())
        });
    }
}
