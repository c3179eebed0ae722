//! What can go wrong with an attachment.

/// An error of a verb. Each names the object, and the namespace where it is not the host's own.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refused a step.
    #[error("cannot {action}: {source}")]
    Refused {
        /// The step, as in "make veth pb3k… for eth0 in /run/netns/c1".
        action: String,
        /// The kernel's words.
        source: netlink::Error,
    },
    /// Something of that name is there already.
    #[error("{0} already exists")]
    Exists(String),
    /// Something that must be there is not: it has gone meanwhile.
    #[error("{0} is gone")]
    Missing(String),
    /// Something that an operator made contradicts the configuration. It is left as it is.
    #[error("{object} {have}, but the configuration asks for {want}; {remedy}")]
    Conflict {
        /// The object.
        object: String,
        /// What is asked.
        want: String,
        /// What is found.
        have: String,
        /// What to do.
        remedy: String,
    },
    /// The kernel lacks a feature.
    #[error("the kernel has no {feature}: {remedy}")]
    Unsupported {
        /// The feature, with the object that needs it.
        feature: String,
        /// How to get it.
        remedy: String,
    },
    /// The namespace cannot be used.
    #[error("{0}")]
    Namespace(netlink::Error),
    /// A name or a number that no object of the kernel can have.
    #[error("{0}")]
    Invalid(String),
    /// A file of `/proc` or a lock could not be used.
    #[error("cannot {action}: {source}")]
    System {
        /// The step.
        action: String,
        /// The system's reason.
        source: std::io::Error,
    },
}

impl Error {
    /// `EOPNOTSUPP` is all that the kernel says when it has no VLAN devices, which `what` needs.
    pub(crate) fn no_vlan_devices(what: &str) -> Self {
        Self::Unsupported {
            feature: format!("802.1Q VLAN devices (8021q), which {what} needs"),
            remedy: "load the module with `modprobe 8021q`, or use a kernel with CONFIG_VLAN_8021Q".to_owned(),
        }
    }

    /// Others changed the rules of the packet filter at every attempt of ours.
    pub(crate) fn restless_firewall() -> Self {
        Self::Conflict {
            object: "the packet filter".to_owned(),
            want: "a change of it in one piece".to_owned(),
            have: "was being changed by others all the time".to_owned(),
            remedy: "try again".to_owned(),
        }
    }

    /// Wraps the kernel's refusal of `action`.
    pub fn refused(action: impl Into<String>) -> impl FnOnce(netlink::Error) -> Self {
        let action = action.into();
        move |source| Self::Refused { action, source }
    }
}
