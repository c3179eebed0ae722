//! Rules of policy routing: which table serves which packets (`net/core/fib_rules.c`).

use std::fmt;
use std::net::IpAddr;

use ipnetwork::IpNetwork;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};

use crate::attributes::{append, iterate, read_u32};
use crate::{Error, Object, Request, Socket};

const RTM_NEWRULE: u16 = 32;
const RTM_DELRULE: u16 = 33;
const RTM_GETRULE: u16 = 34;

// `struct fib_rule_hdr` and its attributes (`include/uapi/linux/fib_rules.h`).
const HEADER_BYTES: usize = 12;
const FAMILY: usize = 0;
const SOURCE_BITS: usize = 2;
const TABLE: usize = 4;
const ACTION: usize = 7;
const FRA_SRC: u16 = 2;
const FRA_PRIORITY: u16 = 6;
const FRA_TABLE: u16 = 15;
/// Since Linux 4.17.
const FRA_PROTOCOL: u16 = 21;
/// Look the packet up in a table (`FR_ACT_TO_TBL`).
const TO_TABLE: u8 = 1;

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

/// A table's number that does not fit into the header's byte is in the attribute alone (`RT_TABLE_UNSPEC`).
const IN_ATTRIBUTE: u8 = 0;

/// Who made a rule, in the numbers of `RTPROT_*`: ours. It is free in `include/uapi/linux/rtnetlink.h` (0 to 18, 42, 84, 99, 186 to
/// 192), and not among those that routing daemons chose for themselves (FRR: 185 to 199). By it we know our rules from those that
/// others have made for the same table.
pub const PROTOCOL: u8 = 112;

/// A rule that sends what comes from a prefix to a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Sources; of all of a family with the prefix length 0.
    pub source: IpNetwork,
    /// The table that is looked up, by its number; 0 if the rule does something else.
    pub table: u32,
    /// Rules are asked in this order, the smallest first.
    pub priority: u32,
    /// Who made it; see [`PROTOCOL`]. None from a kernel before 4.17.
    pub protocol: Option<u8>,
}

impl Rule {
    /// A rule of ours: `from SOURCE lookup TABLE`.
    #[must_use]
    pub fn new(source: IpNetwork, table: u32, priority: u32) -> Self {
        Self { source, table, priority, protocol: Some(PROTOCOL) }
    }

    /// We have made it.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.protocol == Some(PROTOCOL)
    }

    /// `ip rule add from SOURCE lookup TABLE priority PRIORITY protocol PROTOCOL`. One that is there is refused (`EEXIST`).
    #[must_use]
    pub fn add(&self) -> Request {
        Request::raw(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, self.payload())
    }

    /// `ip rule del from SOURCE lookup TABLE priority PRIORITY protocol PROTOCOL`. The kernel removes the first rule that has all
    /// of this, and says `ENOENT` where there is none.
    #[must_use]
    pub fn delete(&self) -> Request {
        Request::raw(RTM_DELRULE, 0, self.payload())
    }

    fn payload(&self) -> Vec<u8> {
        let mut payload = vec![0; HEADER_BYTES];
        let (family, source) = match self.source.network() {
            IpAddr::V4(address) => (AF_INET, address.octets().to_vec()),
            IpAddr::V6(address) => (AF_INET6, address.octets().to_vec()),
        };
        let header = [
            (FAMILY, family),
            (SOURCE_BITS, self.source.prefix()),
            (TABLE, u8::try_from(self.table).unwrap_or(IN_ATTRIBUTE)),
            (ACTION, TO_TABLE),
        ];
        for (place, value) in header {
            payload.get_mut(place).into_iter().for_each(|byte| *byte = value);
        }
        if self.source.prefix() > 0 {
            append(&mut payload, FRA_SRC, &source);
        }
        append(&mut payload, FRA_PRIORITY, &self.priority.to_ne_bytes());
        append(&mut payload, FRA_TABLE, &self.table.to_ne_bytes());
        if let Some(protocol) = self.protocol {
            append(&mut payload, FRA_PROTOCOL, &[protocol]);
        }
        payload
    }

    /// Reads what the kernel lists; `None` for rules of other families, such as those of multicast routing.
    fn read(object: &Object) -> Option<Self> {
        let payload = Some(&object.payload).filter(|_| object.message_type == RTM_NEWRULE)?;
        let byte = |place: usize| payload.get(place).copied();
        let family = byte(FAMILY)?;
        let mut source = match family {
            AF_INET => IpAddr::from([0; 4]),
            AF_INET6 => IpAddr::from([0; 16]),
            _ => return None,
        };
        let mut table = u32::from(byte(TABLE)?);
        let (mut priority, mut protocol) = (0, None);
        for (kind, value) in iterate(payload.get(HEADER_BYTES..)?) {
            match kind {
                FRA_SRC if family == AF_INET => source = IpAddr::from(<[u8; 4]>::try_from(value).ok()?),
                FRA_SRC => source = IpAddr::from(<[u8; 16]>::try_from(value).ok()?),
                FRA_PRIORITY => priority = read_u32(value, 0)?,
                FRA_TABLE => table = read_u32(value, 0)?,
                FRA_PROTOCOL => protocol = value.first().copied(),
                _ => {}
            }
        }
        if byte(ACTION)? != TO_TABLE {
            table = 0;
        }
        Some(Self { source: IpNetwork::new(source, byte(SOURCE_BITS)?).ok()?, table, priority, protocol })
    }
}

/// As `ip rule` shows it, without conditions other than the source.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, table, priority, .. } = self;
        let of_host = if source.is_ipv4() { 32 } else { 128 };
        match source.prefix() {
            0 => write!(f, "{priority}: from all lookup {table}"),
            bits if bits == of_host => write!(f, "{priority}: from {} lookup {table}", source.ip()),
            _ => write!(f, "{priority}: from {source} lookup {table}"),
        }
    }
}

/// All rules of IPv4 and IPv6, each family's in the order in which they are asked: `ip rule` and `ip -6 rule`. None from a kernel
/// without policy routing.
///
/// # Errors
/// Those of [`Socket::dump`].
pub fn list(socket: &mut Socket) -> Result<Vec<Rule>, Error> {
    match socket.dump("rules", &Request::list(RTM_GETRULE, vec![0; HEADER_BYTES])) {
        Ok(objects) => Ok(objects.iter().filter_map(Rule::read).collect()),
        Err(error) if is_without_rules(&error) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// What a kernel without `CONFIG_IP_MULTIPLE_TABLES`, or `CONFIG_IPV6_MULTIPLE_TABLES`, says about rules.
#[must_use]
pub fn is_without_rules(error: &Error) -> bool {
    matches!(error.errno(), Some(libc::EOPNOTSUPP | libc::EAFNOSUPPORT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(source: &str, table: u32) -> Rule {
        Rule::new(source.parse().unwrap(), table, 32765)
    }

    /// What `ip rule add from 10.9.0.2 lookup 70000 priority 32765 protocol 112` sends, but for its order of attributes.
    #[test]
    fn says_what_ip_says() {
        let mut bytes = vec![2, 0, 32, 0, 0, 0, 0, 1, 0, 0, 0, 0];
        bytes.extend([8, 0, 2, 0, 10, 9, 0, 2]);
        bytes.extend([8, 0, 6, 0, 0xfd, 0x7f, 0, 0]);
        bytes.extend([8, 0, 15, 0, 0x70, 0x11, 1, 0]);
        bytes.extend([5, 0, 21, 0, 112, 0, 0, 0]);
        assert_eq!(rule("10.9.0.2/32", 70_000).payload(), bytes);
        assert_eq!(rule("10.9.0.2/32", 100).payload()[TABLE], 100);
    }

    /// From a kernel 6.18: `ip -6 rule add from fd00::/64 lookup 100000 priority 7`, and `0: from all lookup local`.
    #[test]
    fn reads_what_a_kernel_lists() {
        let mut bytes = vec![10, 0, 64, 0, 252, 0, 0, 1, 0, 0, 0, 0];
        bytes.extend([8, 0, 15, 0, 0xa0, 0x86, 1, 0]);
        bytes.extend([8, 0, 14, 0, 255, 255, 255, 255]);
        bytes.extend([5, 0, 21, 0, 0, 0, 0, 0]);
        bytes.extend([8, 0, 6, 0, 7, 0, 0, 0]);
        bytes.extend([20, 0, 2, 0, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let read = |payload| Rule::read(&Object { message_type: RTM_NEWRULE, payload });
        let want = Rule { protocol: Some(0), priority: 7, ..rule("fd00::/64", 100_000) };
        assert_eq!(read(bytes.clone()), Some(want.clone()));
        assert!(!want.is_ours() && want.to_string() == "7: from fd00::/64 lookup 100000");

        let mut local = vec![2, 0, 0, 0, 255, 0, 0, 1, 0, 0, 0, 0];
        local.extend([8, 0, 15, 0, 255, 0, 0, 0, 8, 0, 14, 0, 255, 255, 255, 255, 5, 0, 21, 0, 2, 0, 0, 0]);
        assert_eq!(read(local).unwrap().to_string(), "0: from all lookup 255");

        bytes[ACTION] = 6; // blackhole
        assert_eq!(read(bytes.clone()).unwrap().table, 0);
        bytes[FAMILY] = 128; // multicast routing
        assert_eq!(read(bytes), None);
        assert_eq!(read(vec![2, 0, 32]), None);
    }

    #[test]
    fn every_rule_is_read_back() {
        for want in [rule("10.9.0.2/32", 70_000), rule("fd00::2/128", 4_000_000_000), rule("0.0.0.0/0", 100)] {
            let read = Rule::read(&Object { message_type: RTM_NEWRULE, payload: want.payload() });
            assert_eq!(read, Some(want.clone()));
            assert!(want.is_ours());
        }
    }
}
