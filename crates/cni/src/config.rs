//! The network configuration on stdin (CFG-1 to CFG-9).

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{Command, Error, Success, Version};

/// An attachment as GC lists it (GC-2).
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
pub struct AttachmentId {
    /// `containerID`.
    #[serde(rename = "containerID")]
    pub container_id: String,
    /// `ifname`.
    #[serde(rename = "ifname")]
    pub if_name: String,
}

/// A key of the configuration that the plugin does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownKey {
    /// The key as written.
    pub key: String,
    /// The known key nearest to it, if one is near.
    pub nearest: Option<String>,
}

/// The network configuration of a call.
#[derive(Debug, Clone)]
pub struct Config {
    /// `cniVersion`; 0.1.0 when missing (CFG-9).
    pub version: Version,
    /// `name` of the network; empty only for VERSION.
    pub name: String,
    /// `type` of the plugin.
    pub kind: String,
    /// `ipam.type`; `None` without an `ipam` object, with an empty one, or with an empty type.
    pub ipam: Option<String>,
    /// `prevResult`, read in the format of `version` (ADD-4).
    pub prev_result: Option<Success>,
    /// `cni.dev/valid-attachments`, else `cni.dev/attachments` (GC-2); `None` when both are missing.
    pub valid_attachments: Option<Vec<AttachmentId>>,
    /// The whole object, as read.
    pub object: Map<String, Value>,
    /// The text of stdin, byte by byte, for the delegate (DLG-2).
    pub text: Vec<u8>,
}

impl Config {
    /// Reads the text of stdin for `command`.
    ///
    /// # Errors
    /// Code 6: no JSON, or no object (CFG-2). Code 1: a `cniVersion` that we do not speak (VER-5), or one that does not
    /// know the command (VER-7). Code 7: `name`, `type` or `ipam.type` is missing or has characters that are not
    /// allowed (CFG-3, CFG-6); `prevResult` or the list of attachments is malformed.
    pub fn read(_text: Vec<u8>, _command: Command) -> Result<Self, Error> {
        todo!()
    }

    /// The version to use for an error about this text when [`Config::read`] failed: the text's own if we speak it, else
    /// the latest.
    pub fn version_of(_text: &[u8]) -> Version {
        todo!()
    }

    /// The plugin's own keys, into the plugin's own type.
    ///
    /// # Errors
    /// Code 7 with the path of the key (`ipam.ranges[0]`: as far as serde tells), what was found and what is accepted.
    pub fn keys<T: DeserializeOwned>(&self) -> Result<T, Error> {
        todo!()
    }

    /// An object of `runtimeConfig`, for example `bandwidth` (CFG-8, CAP-1), into the plugin's own type.
    ///
    /// # Errors
    /// Code 7 naming the capability (CAP-2).
    pub fn capability<T: DeserializeOwned>(&self, _name: &str) -> Result<Option<T>, Error> {
        todo!()
    }

    /// A value of `args.cni` (CAP-3), into the plugin's own type. A value of another shape is an error (CAP-2).
    ///
    /// # Errors
    /// Code 7 naming `args.cni.<name>`.
    pub fn arg<T: DeserializeOwned>(&self, _name: &str) -> Result<Option<T>, Error> {
        todo!()
    }

    /// The keys at the top level that are neither `known` nor common to all plugins (`cniVersion`, `cniVersions`, `name`,
    /// `type`, `ipam`, `dns`, `args`, `capabilities`, `runtimeConfig`, `prevResult`, `disableCheck`, `disableGC`,
    /// `loadOnlyInlinedPlugins`, `plugins`, `ipMasq`, and any with the prefix `cni.dev/`), each with the nearest known one.
    pub fn unknown_keys(&self, _known: &[&str]) -> Vec<UnknownKey> {
        todo!()
    }
}
