//! The order in which an attachment is made.

/// When an item of a description is made: all of one stage before anything of the next. Removal runs in reverse.
///
/// Within a stage things are made in the order in which they were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// What must be in force before something shared sends or receives its first frame, and until it has gone.
    Protection,
    /// What attachments share: a bridge with its uplink, a VXLAN device, a rule that lets members reach each other.
    Common,
    /// What must be in force before the first frame passes.
    Guard,
    /// The devices of the attachment itself.
    Nic,
    /// Their place in a switch, and their queues. A port has its VLANs before it has a carrier, so that no frame passes in a VLAN
    /// that was not asked for.
    Port,
    /// Settings and link-local addresses of a link that is still down: set up without an address, it would spend a second in
    /// duplicate detection on one of its own.
    Setting,
    /// What lets frames pass: links are set up, and what they receive is sent on.
    Carrier,
    /// What the addresses have in the packet filter.
    Translation,
    /// The port lets frames pass, and the link is ready for addresses.
    Ready,
    /// Addresses of the container.
    Address,
    /// The addresses are the container's alone.
    Detected,
    /// The addresses are announced to the neighbours.
    Announcement,
    /// Routes of the container.
    Route,
    /// Addresses of the host for its containers, and forwarding.
    Gateway,
}
