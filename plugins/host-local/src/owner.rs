//! Who holds an address: the content of its file.

use cni::Call;

/// An attachment as the file of an address names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Owner {
    /// `CNI_CONTAINERID`.
    pub(crate) container_id: String,
    /// `CNI_IFNAME`; empty in files of the reference before 0.8, which name the container only.
    pub(crate) if_name: String,
}

/// What the file of an address says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Holder {
    /// An attachment holds the address.
    Owner(Owner),
    /// The file is empty or only zeros: its writer died between creating and writing it, and nobody was told of the
    /// address; or the whole machine did.
    Nobody,
    /// Why the file is not an IPAM plugin's.
    Unknown(String),
    /// Why the file cannot be read now.
    Unreadable(String),
}

impl Owner {
    /// The attachment of a call.
    pub(crate) fn of(call: &Call) -> Self {
        Self { container_id: call.environment.container_id.clone(), if_name: call.environment.if_name.clone() }
    }

    /// The same container in the form of old files, which do not name the interface.
    pub(crate) fn without_interface(&self) -> Self {
        Self { container_id: self.container_id.clone(), if_name: String::new() }
    }

    /// The content of the file of an address that this attachment holds.
    pub(crate) fn content(&self) -> String {
        format!("{}\r\n{}", self.container_id, self.if_name)
    }
}

impl Holder {
    /// Reads the content of the file of an address.
    pub(crate) fn parse(content: &[u8]) -> Self {
        let Ok(text) = std::str::from_utf8(content) else {
            return Self::Unknown("it is not text".into());
        };
        // Zeros are what a power failure leaves of a file whose length reached the disk before its content.
        let text = text.trim_matches('\0').trim();
        if text.is_empty() {
            return Self::Nobody;
        }
        let (container_id, if_name) = text.split_once("\r\n").unwrap_or((text, ""));
        if !container_id.chars().all(is_id_character) || if_name.chars().any(is_no_interface_character) {
            return Self::Unknown("it does not have the form CONTAINER, CR, LF, INTERFACE".into());
        }
        Self::Owner(Owner { container_id: container_id.into(), if_name: if_name.into() })
    }

    /// Who it is that has the address, for whoever wanted it.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Owner(Owner { container_id, if_name }) if if_name.is_empty() => {
                format!("container {container_id} has it")
            }
            Self::Owner(Owner { container_id, if_name }) => format!("container {container_id} has it, by {if_name}"),
            Self::Nobody => "its file is there, but empty; GC removes it".to_owned(),
            Self::Unknown(why) => {
                format!("its file is there, and tells no container: {why}; remove the file if it is of no use")
            }
            Self::Unreadable(why) => format!("its file is there, and cannot be read: {why}"),
        }
    }

    /// Whether `owner` is the holder.
    pub(crate) fn is(&self, owner: &Owner) -> bool {
        matches!(self, Self::Owner(holder) if holder == owner)
    }
}

/// ENV-2.
fn is_id_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')
}

/// ENV-11.
fn is_no_interface_character(c: char) -> bool {
    c.is_whitespace() || matches!(c, '/' | ':' | '\0')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(container_id: &str, if_name: &str) -> Owner {
        Owner { container_id: container_id.into(), if_name: if_name.into() }
    }

    #[test]
    fn content_reads_back() {
        let c1 = owner("c1", "eth0");
        assert_eq!(c1.content(), "c1\r\neth0");
        assert_eq!(Holder::parse(c1.content().as_bytes()), Holder::Owner(c1));
    }

    #[test]
    fn old_files_name_the_container_only() {
        assert_eq!(Holder::parse(b"c1\n"), Holder::Owner(owner("c1", "")));
        assert!(Holder::parse(b"c1").is(&owner("c1", "eth0").without_interface()));
    }

    #[test]
    fn debris_has_no_owner() {
        assert_eq!(Holder::parse(b""), Holder::Nobody);
        assert_eq!(Holder::parse(b"\r\n"), Holder::Nobody);
        assert_eq!(Holder::parse(b"\0\0\0\0"), Holder::Nobody);
        for content in [&b"\xff\xfe"[..], b"c1\neth0", b"{\"a\": 1}", b"c1\r\n../x", b"c1\0\0\r\neth0"] {
            assert!(matches!(Holder::parse(content), Holder::Unknown(_)), "{content:?}");
        }
    }
}
