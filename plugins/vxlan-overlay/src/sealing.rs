//! Encryption: the keys, and the hosts with which there are states.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use attachment::{Esp, Lac, Reach, Secret};
use cni::{Call, Error};
use ipnetwork::IpNetwork;
use keys::{LacKeys, Value};

use crate::key_file;
use crate::way::Way;

/// The most hosts of a network among the peers: each has states of its own.
const LIMIT_OF_NETWORK: u128 = 256;

/// The most hosts in all.
const LIMIT_HOSTS: usize = 1000;

/// How long replaced keys are heard, in seconds: what `plugboard lac rekey` asks for.
const REKEY: &str = "plugboard/rekey";

/// How a LAC is encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sealing {
    keys: Vec<Secret>,
    /// All hosts, this one perhaps among them.
    hosts: BTreeSet<IpAddr>,
    rekeying: Option<Duration>,
}

impl Sealing {
    /// `None` without a key file.
    ///
    /// # Errors
    /// Code 7: the key file, peers that are missing or too many, a mode that it cannot be with.
    pub(crate) fn read(
        keys: &LacKeys,
        call: &Call,
        way: &Way,
        peers: Option<&BTreeSet<IpNetwork>>,
    ) -> Result<Option<Self>, Error> {
        let Some(path) = keys.key_file.as_deref().filter(|path| !path.is_empty()) else { return Ok(None) };
        if matches!(way, Way::Group { vde: true, .. }) {
            return Err(refused(
                "keyFile: VDE's clients cannot encrypt; remove the key, or take another mode".to_owned(),
            ));
        }
        let Some(peers) = peers else {
            return Err(refused(
                "keyFile needs the addresses of the hosts that have the key, in peers or peersFile: each has keys of its own".to_owned(),
            ));
        };
        let rekeying = call.config.object.get(REKEY).and_then(Value::as_u64).map(Duration::from_secs);
        Ok(Some(Self { hosts: hosts(peers)?, keys: key_file::read(path)?, rekeying }))
    }

    /// A key file is named, whatever else the configuration says: for DEL.
    pub(crate) fn is_asked_for(call: &Call) -> bool {
        keys::find(&call.config.object, "keyFile").is_some_and(keys::is_set)
    }

    /// Which of the addresses that this host has on the underlay the LAC is to send from: one that it has already, or one that the peers
    /// name, or else the first.
    pub(crate) fn choose_local(&self, own: &[IpAddr], in_use: Option<IpAddr>) -> Option<IpAddr> {
        let is_own = |address: &IpAddr| own.contains(address);
        let listed = || own.iter().find(|address| self.hosts.contains(address)).copied();
        in_use.filter(is_own).or_else(listed).or_else(|| own.first().copied())
    }

    /// The encryption of a LAC that sends from this address.
    pub(crate) fn esp(&self, lac: &Lac, local: IpAddr) -> Esp {
        let group = match lac.reach {
            Reach::Group(group) | Reach::Flooded(group) => Some(group),
            _ => None,
        };
        let mut peers = self.hosts.clone();
        peers.remove(&local);
        Esp { port: lac.id.port, local, peers, group, keys: self.keys.clone(), rekeying: self.rekeying }
    }
}

/// # Errors
/// Code 7 naming the network with too many.
fn hosts(peers: &BTreeSet<IpNetwork>) -> Result<BTreeSet<IpAddr>, Error> {
    let mut hosts = BTreeSet::new();
    for network in peers {
        let count = match network {
            IpNetwork::V4(v4) => u128::from(v4.size()),
            IpNetwork::V6(v6) => v6.size(),
        };
        // No prefix of IPv6 at all has one host more than a number can say.
        if count > LIMIT_OF_NETWORK || network.prefix() == 0 {
            return Err(refused(format!(
                "peers: {network} has more than {LIMIT_OF_NETWORK} hosts; with keyFile each has keys of its own, so list the hosts, or \
                 smaller networks"
            )));
        }
        hosts.extend(network.iter().filter(|address| is_host(*address, *network)));
    }
    if hosts.len() > LIMIT_HOSTS {
        return Err(refused(format!(
            "peers: {} hosts are more than {LIMIT_HOSTS}, and with keyFile each has keys of its own",
            hosts.len()
        )));
    }
    Ok(hosts)
}

/// The first and the last address of a network of IPv4 are no host's.
fn is_host(address: IpAddr, network: IpNetwork) -> bool {
    match network {
        IpNetwork::V4(v4) if v4.prefix() < 31 => {
            address != IpAddr::from(v4.network()) && address != IpAddr::from(v4.broadcast())
        }
        _ => true,
    }
}

fn refused(reason: String) -> Error {
    Error::invalid_config(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(texts: &[&str]) -> Result<BTreeSet<IpAddr>, String> {
        let networks = texts.iter().map(|text| text.parse().unwrap()).collect();
        hosts(&networks).map_err(|error| error.msg)
    }

    #[test]
    fn networks_are_their_hosts() {
        assert_eq!(of(&["192.0.2.1", "192.0.2.0/30"]).unwrap().len(), 2);
        assert_eq!(of(&["192.0.2.0/31"]).unwrap().len(), 2);
        assert_eq!(of(&["192.0.2.0/24"]).unwrap().len(), 254);
        assert_eq!(of(&["2001:db8::/120"]).unwrap().len(), 256);
        for network in ["192.0.2.0/23", "0.0.0.0/0", "2001:db8::/119", "::/0"] {
            assert!(of(&[network]).unwrap_err().contains("has more than 256 hosts"), "{network}");
        }
        let many: Vec<String> = (0..4).map(|net| format!("192.0.{net}.0/24")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(of(&many).unwrap_err().contains("1016 hosts are more than 1000"));
    }

    #[test]
    fn the_address_that_is_listed_is_sent_from() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let sealing = Sealing { keys: Vec::new(), hosts: of(&["192.0.2.2", "192.0.2.9"]).unwrap(), rekeying: None };
        let own = [address("192.0.2.1"), address("192.0.2.2")];
        assert_eq!(sealing.choose_local(&own, None), Some(address("192.0.2.2")));
        assert_eq!(sealing.choose_local(&own, Some(address("192.0.2.1"))), Some(address("192.0.2.1")));
        assert_eq!(sealing.choose_local(&own, Some(address("192.0.2.9"))), Some(address("192.0.2.2")));
        assert_eq!(sealing.choose_local(&own[..1], None), Some(address("192.0.2.1")));
        assert_eq!(sealing.choose_local(&[], None), None);
    }
}
