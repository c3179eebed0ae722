//! Deducing from a refusal what the kernel lacks.

use netlink::Refusal;

use crate::firewall::tables::Ours;
use crate::{Error, Remedy};

/// The first Linux with the interface that a packet came in by at the hook of source NAT.
const SRCNAT_SINCE: (u32, u32) = (5, 7);

/// A socket for netfilter cannot be opened, or a question is not understood.
pub(crate) fn of_netfilter(error: netlink::Error) -> Error {
    match error.errno() {
        // EINVAL: nfnetlink knows no such subsystem.
        Some(libc::EPROTONOSUPPORT | libc::EAFNOSUPPORT | libc::EOPNOTSUPP | libc::EINVAL) => no_nf_tables(),
        _ => Error::Refused { action: "talk to the packet filter".to_owned(), source: error },
    }
}

/// A transaction that adds elements was refused. With `table`, it was a part of a table that was refused.
pub(crate) fn of_addition(refusal: Refusal, action: &str, table: Option<Ours>) -> Error {
    match (refusal.error.errno(), refusal.place, table) {
        (Some(libc::EOPNOTSUPP), None, _) => no_nf_tables(),
        // The table itself is there: it is a type of chain, or an expression, that is not.
        (Some(libc::ENOENT | libc::EOPNOTSUPP | libc::EAFNOSUPPORT | libc::EPROTONOSUPPORT), Some(_), Some(ours)) => {
            lacks(ours)
        }
        _ => Error::Refused { action: action.to_owned(), source: refusal.error },
    }
}

/// Refuses source NAT on a kernel where our rules would never apply.
pub(crate) fn check_srcnat(release: &str) -> Result<(), Error> {
    let mut numbers = release.split(['.', '-']).map_while(|number| number.parse::<u32>().ok());
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) if (major, minor) < SRCNAT_SINCE => Err(Error::Unsupported {
            feature: "input interface in postrouting".to_owned(),
            remedy: Remedy::Masquerade(format!("it is {release}; Linux 5.7 or later has it")),
        }),
        _ => Ok(()),
    }
}

fn no_nf_tables() -> Error {
    Error::Unsupported {
        feature: "nf_tables".to_owned(),
        remedy: Remedy::Firewall(
            "load the module nf_tables (modprobe nf_tables), or use a kernel with CONFIG_NF_TABLES".to_owned(),
        ),
    }
}

fn lacks(ours: Ours) -> Error {
    match ours {
        Ours::Nat | Ours::Routed => Error::Unsupported {
            feature: "source NAT in nf_tables".to_owned(),
            remedy: Remedy::Masquerade(
                "load the modules nft_chain_nat and nft_masq, or use a kernel with CONFIG_NF_TABLES_INET, CONFIG_NFT_NAT and \
                 CONFIG_NFT_MASQ"
                    .to_owned(),
            ),
        },
        Ours::Ports => Error::Unsupported {
            feature: "destination NAT in nf_tables".to_owned(),
            remedy: Remedy::Firewall(
                "load the modules nft_chain_nat, nft_nat, nft_masq, nft_ct and nft_fib_inet, or use a kernel with CONFIG_NF_TABLES_INET, \
                 CONFIG_NFT_NAT, CONFIG_NFT_MASQ, CONFIG_NFT_CT and CONFIG_NFT_FIB_INET"
                    .to_owned(),
            ),
        },
        Ours::Lacs => Error::Unsupported {
            feature: "sets of addresses with ports in nf_tables, by which hosts that are no peers are kept out".to_owned(),
            remedy: Remedy::act(
                "load the module nft_fib_inet, or use Linux 5.7 or later with CONFIG_NF_TABLES_INET, CONFIG_NFT_FIB_INET and CONFIG_XFRM",
            ),
        },
        Ours::Filter => Error::Unsupported {
            feature: "nf_tables for bridges".to_owned(),
            remedy: Remedy::Guard("use a kernel with CONFIG_NF_TABLES_BRIDGE".to_owned()),
        },
    }
}

#[cfg(test)]
mod tests {
    use netlink::KernelError;

    use super::*;

    fn said(errno: i32, place: Option<usize>, table: Option<Ours>) -> String {
        let error = netlink::Error::Kernel(KernelError { errno, text: None });
        of_addition(Refusal { place, error }, "add an element", table).to_string()
    }

    #[test]
    fn what_is_missing_is_told_apart() {
        assert!(said(libc::EOPNOTSUPP, None, None).contains("CONFIG_NF_TABLES"));
        assert!(said(libc::ENOENT, Some(4), Some(Ours::Filter)).contains("CONFIG_NF_TABLES_BRIDGE"));
        assert!(said(libc::ENOENT, Some(4), Some(Ours::Nat)).contains("nft_masq"));
        assert_eq!(said(libc::EPERM, None, None), "cannot add an element: Operation not permitted");
        assert_eq!(said(libc::ENOENT, Some(0), None), "cannot add an element: No such file or directory");
        let socket = |errno| of_netfilter(netlink::Error::Kernel(KernelError { errno, text: None })).to_string();
        assert!(socket(libc::EPROTONOSUPPORT).contains("modprobe nf_tables"));
        assert!(socket(libc::EMFILE).contains("Too many open files"));
    }

    #[test]
    fn old_kernels_are_told() {
        for (release, is_enough) in [
            ("6.18.44-fc-v657", true),
            ("5.7.0", true),
            ("5.6.19-300.fc32", false),
            ("4.18.0-553.el8", false),
            ("10.0", true),
            ("unknown", true),
        ] {
            assert_eq!(check_srcnat(release).is_ok(), is_enough, "{release}");
        }
    }
}
