//! Conditions on connections.

use ipnetwork::IpNetwork;
use nftables::{Base, Comparison, Expression, Field, Key, Meta};

/// What a connection must be like to be led into the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// What is looked at.
    pub what: Looked,
    /// It must not be so.
    pub is_not: bool,
}

/// What a condition looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Looked {
    /// Where the packet comes from.
    Source(IpNetwork),
    /// Where it goes, before it is led elsewhere.
    Destination(IpNetwork),
    /// The link that it comes in by; of a name that ends in `*`, what comes before.
    Link(String),
    /// Bits of its mark, and their values.
    Mark {
        /// The values.
        value: u32,
        /// The bits.
        mask: u32,
    },
}

impl Condition {
    /// Goes on for packets that meet it.
    pub(super) fn steps(&self) -> Vec<Expression> {
        let comparison = if self.is_not { Comparison::Unequal } else { Comparison::Equal };
        // Of a prefix of whole bytes only these are loaded, as `nft` does it.
        let address = |network: &IpNetwork, offset4: u32, offset6: u32| {
            let (mut value, mask, offset) = match network {
                IpNetwork::V4(v4) => (v4.network().octets().to_vec(), v4.mask().octets().to_vec(), offset4),
                IpNetwork::V6(v6) => (v6.network().octets().to_vec(), v6.mask().octets().to_vec(), offset6),
            };
            let whole = usize::from(network.prefix() / 8);
            let is_whole = network.prefix() > 0 && network.prefix().is_multiple_of(8);
            value.truncate(if is_whole { whole } else { value.len() });
            let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
            let mut steps = vec![Expression::Field(Field { base: Base::Network, offset, length })];
            if !is_whole {
                steps.push(Expression::Mask(mask));
            }
            steps.push(Expression::Compare(comparison, value));
            steps
        };
        match &self.what {
            Looked::Source(network) => address(network, 12, 8),
            Looked::Destination(network) => address(network, 16, 24),
            Looked::Link(name) => {
                let name = match name.strip_suffix('*') {
                    Some(beginning) => beginning.as_bytes().to_vec(),
                    None => Key::link(name).bytes().to_vec(),
                };
                vec![Expression::Meta(Meta::Iifname), Expression::Compare(comparison, name)]
            }
            Looked::Mark { value, mask } => vec![
                Expression::Meta(Meta::Mark),
                Expression::Mask(mask.to_ne_bytes().to_vec()),
                Expression::Compare(comparison, (value & mask).to_ne_bytes().to_vec()),
            ],
        }
    }

    /// As `nft` writes it.
    pub(super) fn text(&self) -> String {
        let (is, ip) =
            (if self.is_not { "!= " } else { "" }, |network: &IpNetwork| if network.is_ipv4() { "ip" } else { "ip6" });
        match &self.what {
            Looked::Source(network) => format!("{} saddr {is}{network}", ip(network)),
            Looked::Destination(network) => format!("{} daddr {is}{network}", ip(network)),
            Looked::Link(name) => format!("iifname {is}{name:?}"),
            Looked::Mark { value, mask } => {
                format!("meta mark & {mask:#x} {} {:#x}", if self.is_not { "!=" } else { "==" }, value & mask)
            }
        }
    }
}
