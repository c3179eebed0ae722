//! The versions of the protocol.

use std::fmt;
use std::str::FromStr;

use crate::{Code, Error, excerpt};

/// A version of the CNI protocol that we speak (VER-10). Ordered by age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Version {
    V0_1_0,
    V0_2_0,
    V0_3_0,
    V0_3_1,
    V0_4_0,
    V1_0_0,
    V1_1_0,
}

impl Version {
    /// All versions, the oldest first.
    pub const ALL: [Self; 7] =
        [Self::V0_1_0, Self::V0_2_0, Self::V0_3_0, Self::V0_3_1, Self::V0_4_0, Self::V1_0_0, Self::V1_1_0];

    /// The newest version.
    pub const LATEST: Self = Self::V1_1_0;

    /// The version as configurations write it, for example `1.1.0`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V0_1_0 => "0.1.0",
            Self::V0_2_0 => "0.2.0",
            Self::V0_3_0 => "0.3.0",
            Self::V0_3_1 => "0.3.1",
            Self::V0_4_0 => "0.4.0",
            Self::V1_0_0 => "1.0.0",
            Self::V1_1_0 => "1.1.0",
        }
    }

    /// All versions as people read them: `0.1.0, 0.2.0, ...`.
    #[must_use]
    pub fn list() -> String {
        Self::ALL.map(Self::as_str).join(", ")
    }

    /// Whether results of both versions have the same form: `ip4` and `ip6`, or `ips` with a version, or `ips` without.
    pub(crate) fn shares_format_with(self, other: Self) -> bool {
        let format = |version: Self| (version >= Self::V0_3_0, version >= Self::V1_0_0);
        format(self) == format(other)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Version {
    type Err = Error;

    /// Code 1 with the list of what is supported, for anything else (VER-5).
    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|version| version.as_str() == text).ok_or_else(|| {
            Error::new(
                Code::IncompatibleVersion,
                format!("cniVersion {} is not supported; supported are {}", excerpt::quoted(text), Self::list()),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_reads_as_it_is_written() {
        for version in Version::ALL {
            assert_eq!(version.to_string().parse(), Ok(version));
        }
    }

    #[test]
    fn another_version_is_refused_with_code_1_and_the_list() {
        for text in ["9.9.9", "1.1", "v1.1.0", "", "1.1.0 "] {
            let error = text.parse::<Version>().unwrap_err();
            assert_eq!(error.code, Code::IncompatibleVersion);
            assert!(error.msg.contains("0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0"), "{}", error.msg);
        }
    }
}
