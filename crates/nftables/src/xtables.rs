//! Matches of iptables (`net/netfilter/nft_compat.c`), for rules in chains of iptables: of anything else it cannot list, let alone
//! save, the table.

use netlink::attributes::append;

use crate::Expression;
use crate::message::{NFTA_MATCH_INFO, NFTA_MATCH_NAME, put_number, put_text};

const NFTA_MATCH_REV: u16 = 2;

/// `struct xt_conntrack_mtinfo3` (`include/uapi/linux/netfilter/xt_conntrack.h`), and where its parts are, in bytes: behind eight
/// addresses, times and ports, as in `…2`.
const CONNTRACK_BYTES: usize = 164;
pub(crate) const MATCH_FLAGS: usize = 146;
pub(crate) const STATE_MASK: usize = 150;
/// `XT_CONNTRACK_STATE` and `XT_CONNTRACK_STATE_DNAT`.
pub(crate) const BY_STATE: u16 = 1;
const STATE_DNAT: u16 = 1 << 7;

/// `-m conntrack --ctstate DNAT`: the packet's connection was led elsewhere, whichever its direction.
#[must_use]
pub fn led_elsewhere() -> Expression {
    let mut parameters = vec![0; CONNTRACK_BYTES];
    for (at, value) in [(MATCH_FLAGS, BY_STATE), (STATE_MASK, STATE_DNAT)] {
        parameters.splice(at..at + 2, value.to_ne_bytes());
    }
    Expression::encode("match", |data| {
        put_text(data, NFTA_MATCH_NAME, "conntrack");
        put_number(data, NFTA_MATCH_REV, 3);
        append(data, NFTA_MATCH_INFO, &parameters);
    })
}
