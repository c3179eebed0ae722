//! What can go wrong with an attachment.

use crate::hint::hint;
use crate::{Difference, Remedy};

/// An error of a verb. Each names the object, and the namespace where it is not the host's own.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refused a step.
    #[error("cannot {action}: {source}{}", hint(source.errno()))]
    Refused {
        /// The step, as in "make veth pb3k… for eth0 in /run/netns/c1".
        action: String,
        /// The kernel's words.
        source: netlink::Error,
    },
    /// Something of that name is there already.
    #[error("{0} already exists")]
    Exists(String),
    /// Something that must be there has disappeared.
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
        remedy: Remedy,
    },
    /// The kernel lacks a feature.
    #[error("the kernel has no {feature}: {remedy}")]
    Unsupported {
        /// The feature, with the object that needs it.
        feature: String,
        /// How to get it.
        remedy: Remedy,
    },
    /// The namespace cannot be used.
    #[error("{0}")]
    Namespace(netlink::Error),
    /// A name or a number that no object of the kernel can have.
    #[error("{0}")]
    Invalid(String),
    /// Something of the host cannot serve, or is not defined there.
    #[error("{problem}; {remedy}")]
    Unusable {
        /// What cannot, and why.
        problem: String,
        /// What to do.
        remedy: Remedy,
    },
    /// What is there cannot be changed in place.
    #[error("this cannot be changed in use ({0}); detach the container and attach it again")]
    Fixed(Difference),
    /// A file of `/proc` or a lock could not be used.
    #[error("cannot {action}: {source}{}", hint(source.raw_os_error()))]
    System {
        /// The step.
        action: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A setting of the kernel's, without which there is not what was asked for, cannot be set.
    #[error("cannot {action}: {source}; {remedy}")]
    Setting {
        /// The step.
        action: String,
        /// The system's reason.
        source: std::io::Error,
        /// What to do.
        remedy: Remedy,
    },
    /// Something is not to be had now, but may be later: others are at work on the same attachment and were waited for long enough,
    /// or all of something is in use.
    #[error("{0}")]
    Busy(String),
    /// An error of a channel of another crate.
    #[error("cannot {action}: {reason}")]
    Channel {
        /// The step.
        action: String,
        /// The channel's own words.
        reason: String,
    },
    /// A plugin describes a kind of object that it does not look for at the end. Nothing was made.
    #[error("{0} is not among the kinds of objects that this plugin removes (a bug in the plugin)")]
    Unlisted(&'static str),
    /// A part of a description was added after its stage was made. This is a bug in the plugin.
    #[error("a part of the attachment comes too late to be made in order (a bug in the plugin)")]
    Late,
}

impl Error {
    /// `EOPNOTSUPP` is all that the kernel says when it has no VLAN devices, which `what` needs.
    pub(crate) fn no_vlan_devices(what: &str) -> Self {
        Self::Unsupported {
            feature: format!("802.1Q VLAN devices (8021q), which {what} needs"),
            remedy: Remedy::act("load the module with `modprobe 8021q`, or use a kernel with CONFIG_VLAN_8021Q"),
        }
    }

    /// What a kernel without bridge VLAN filtering lacks.
    pub(crate) fn no_vlan_filtering(bridge: &str) -> Self {
        Self::Unsupported {
            feature: format!("bridge VLAN filtering, which bridge {bridge} needs"),
            remedy: Remedy::act("use a kernel with CONFIG_BRIDGE_VLAN_FILTERING"),
        }
    }

    /// Others changed the rules of the packet filter at every attempt of ours.
    pub(crate) fn restless_firewall() -> Self {
        Self::Conflict {
            object: "the packet filter".to_owned(),
            want: "an atomic change of it".to_owned(),
            have: "kept being changed by other programs".to_owned(),
            remedy: Remedy::act("try again"),
        }
    }

    /// The caller lacks the permission; root has it.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        let errno = match self {
            Self::Refused { source, .. } | Self::Namespace(source) => source.errno(),
            Self::System { source, .. } | Self::Setting { source, .. } => source.raw_os_error(),
            _ => None,
        };
        matches!(errno, Some(libc::EPERM | libc::EACCES))
    }

    /// Nobody knows whether the step has been done: the kernel's answer was lost.
    #[must_use]
    pub(crate) fn is_unanswered(&self) -> bool {
        matches!(self, Self::Refused { source, .. } if source.is_unanswered())
    }

    /// A comment in a script, for an error that only says that the caller may not look.
    pub(crate) fn as_unseen(&self) -> String {
        format!("# {self}: only root can see what exists; it is treated as missing")
    }

    /// Wraps the kernel's refusal of `action`.
    pub fn refused(action: impl Into<String>) -> impl FnOnce(netlink::Error) -> Self {
        let action = action.into();
        move |source| Self::Refused { action, source }
    }

    /// The error with its remedy in the caller's `words`, since the caller knows the keys of the configuration; without any, it
    /// is as it prints itself.
    #[must_use]
    pub fn worded(&self, words: impl Fn(&Remedy) -> Option<String>) -> String {
        let own = match self {
            Self::Conflict { remedy, .. }
            | Self::Unsupported { remedy, .. }
            | Self::Unusable { remedy, .. }
            | Self::Setting { remedy, .. } => words(remedy).map(|text| (remedy.to_string(), text)),
            _ => None,
        };
        let text = self.to_string();
        match own {
            Some((neutral, better)) => match text.strip_suffix(&neutral) {
                Some(start) => format!("{start}{better}"),
                None => text,
            },
            None => text,
        }
    }
}
