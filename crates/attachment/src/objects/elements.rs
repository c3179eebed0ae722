//! What an attachment has in the host's packet filter.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink::Mac;
use nftables::{Key, Set};

use crate::firewall::elements::{Entry, add, differences, remove};
use crate::firewall::tables::{ADDRESSES4, ADDRESSES6, GUARDED, IPGUARDED, MACS, MASQUERADE4, MASQUERADE6, Ours};
use crate::{Difference, Error, Identity, Kernel, Object};

/// Elements of the sets of `table inet plugboard` and `table bridge plugboard`, which are made with their first element and go
/// with their last.
#[derive(Debug)]
pub struct Elements {
    identity: Identity,
    entries: Vec<Entry>,
}

impl Elements {
    /// None: what DEL removes, whatever there is.
    #[must_use]
    pub fn of(identity: Identity) -> Self {
        Self { identity, entries: Vec::new() }
    }

    /// What comes from these addresses through the gateway interface `gateway`, and leaves through another one, carries the
    /// address of that one.
    #[must_use]
    pub fn masquerading(mut self, gateway: &str, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        for address in addresses {
            match address {
                IpAddr::V4(v4) => self.push_v4(Ours::Nat, &MASQUERADE4, gateway, v4),
                IpAddr::V6(v6) => self.push_v6(Ours::Nat, &MASQUERADE6, gateway, v6),
            }
        }
        self
    }

    /// Only frames from this hardware address pass, and ARP that claims it.
    #[must_use]
    pub fn guarding_mac(mut self, mac: Mac) -> Self {
        let port = self.identity.host_name();
        self.push(Ours::Filter, &GUARDED, Key::link(&port), format!("{port:?}"));
        self.push(Ours::Filter, &MACS, Key::link(&port).and_mac(mac), format!("{port:?} . {mac}"));
        self
    }

    /// Only IP packets pass, from no address but those that everybody may use before they have one, and from the link-local
    /// address of the hardware address. [`Elements::allowing`] adds the attachment's own.
    #[must_use]
    pub fn guarding_addresses(mut self, mac: Mac) -> Self {
        let port = self.identity.host_name();
        self.push(Ours::Filter, &IPGUARDED, Key::link(&port), format!("{port:?}"));
        let unspecified = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
        self.allowing(unspecified.into_iter().chain([mac.link_local().into()]))
    }

    /// IP packets from these addresses pass.
    #[must_use]
    pub fn allowing(mut self, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        let port = self.identity.host_name();
        for address in addresses {
            match address {
                IpAddr::V4(v4) => self.push_v4(Ours::Filter, &ADDRESSES4, &port, v4),
                IpAddr::V6(v6) => self.push_v6(Ours::Filter, &ADDRESSES6, &port, v6),
            }
        }
        self
    }

    fn push_v4(&mut self, ours: Ours, set: &'static Set, link: &str, address: Ipv4Addr) {
        self.push(ours, set, Key::link(link).and_ipv4(address), format!("{link:?} . {address}"));
    }

    fn push_v6(&mut self, ours: Ours, set: &'static Set, link: &str, address: Ipv6Addr) {
        self.push(ours, set, Key::link(link).and_ipv6(address), format!("{link:?} . {address}"));
    }

    fn push(&mut self, ours: Ours, set: &'static Set, key: Key, text: String) {
        let entry = Entry { ours, set, key, text };
        if !self.entries.contains(&entry) {
            self.entries.push(entry);
        }
    }
}

impl Object for Elements {
    /// At once, before anything that is queued: a guard is in force before its port is there.
    fn create(&self, kernel: &mut Kernel) -> Result<(), Error> {
        if self.entries.is_empty() {
            return Ok(());
        }
        add(kernel, &self.identity.comment(), &self.entries)?;
        kernel.mark_made();
        Ok(())
    }

    fn differences(&self, kernel: &mut Kernel) -> Result<Vec<Difference>, Error> {
        if self.entries.is_empty() {
            return Ok(Vec::new());
        }
        differences(kernel, &self.identity.comment(), &self.entries)
    }

    /// All of the attachment's elements, whichever these are.
    fn remove(&self, kernel: &mut Kernel) -> Result<(), Error> {
        let name = self.identity.host_name();
        remove(kernel, |owner| owner.host_name == name)
    }

    fn commands(&self) -> Vec<String> {
        let mut commands = Vec::new();
        for ours in Ours::ALL {
            let table = ours.table();
            let of_table: Vec<&Entry> = self.entries.iter().filter(|entry| entry.ours == ours).collect();
            if !of_table.is_empty() {
                commands.push(format!("nft list table {table} > /dev/null 2>&1 || nft '{}'", ours.text()));
            }
            commands.extend(of_table.iter().map(|entry| {
                let (set, key, comment) = (entry.set.name, &entry.text, self.identity.comment());
                format!("nft 'create element {table} {set} {{ {key} comment {comment:?} }}'")
            }));
        }
        commands
    }
}
