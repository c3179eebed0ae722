//! What was listed to be compared.

use std::collections::BTreeSet;
use std::rc::Rc;

use ipnetwork::IpNetwork;
use netlink::route::Route;
use netlink::rule::Rule;

use crate::Side;

/// Routes, each with the index of the link that it goes through, if it leads anywhere.
pub(crate) type Routes = Rc<[(Option<u32>, Route)]>;

/// Addresses, each with the index of the link that has it.
pub(crate) type Addresses = Rc<BTreeSet<(u32, IpNetwork)>>;

/// Tables of the kernel, once they have been listed.
#[derive(Debug, Default)]
pub(super) struct Listed {
    /// The routes of a side.
    pub(super) routes: Option<(Side, Routes)>,
    /// The addresses of a side.
    pub(super) addresses: Option<(Side, Addresses)>,
    /// The container's rules of policy routing.
    pub(super) rules: Option<Rc<[Rule]>>,
}
