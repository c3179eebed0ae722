//! The form of a file of the cache (`libcni/api.go`, `cachedInfo`).

use std::path::PathBuf;

use anyhow::{Context, anyhow, bail};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::entry::Entry;
use super::result::sandbox;
use crate::attachment::Attachment;

/// The longest record that is read, in bytes: a configuration, as base64, and a result.
pub(super) const LONGEST_BYTES: u64 = 2 * cni::LONGEST as u64;

/// What the files call their format.
const KIND: &str = "cniCacheV1";

/// The file. `plugboard` is ours; libcni ignores it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    kind: String,
    container_id: String,
    config: String,
    if_name: String,
    network_name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    netns: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cni_args: Option<Vec<(String, String)>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    capability_args: Option<Map<String, Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    result: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    plugboard: Option<Own>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Own {
    /// What tells the namespace from others.
    namespace: String,
}

pub(super) fn to_bytes(entry: &Entry) -> serde_json::Result<Vec<u8>> {
    let Entry { network, attachment, config, result, namespace_id } = entry;
    serde_json::to_vec(&Document {
        kind: KIND.to_owned(),
        container_id: attachment.container_id.clone(),
        config: BASE64_STANDARD.encode(config),
        if_name: attachment.if_name.clone(),
        network_name: network.clone(),
        netns: attachment.netns.as_ref().map(|path| path.display().to_string()).unwrap_or_default(),
        cni_args: Some(attachment.args.clone()).filter(|args| !args.is_empty()),
        capability_args: Some(attachment.capability_args.clone()).filter(|args| !args.is_empty()),
        result: result.clone(),
        plugboard: namespace_id.clone().map(|namespace| Own { namespace }),
    })
}

pub(super) fn read(text: &[u8]) -> anyhow::Result<Entry> {
    cni::refuse_excess(text).map_err(|excess| anyhow!("it {excess}"))?;
    let document: Document = serde_json::from_slice(text)?;
    if document.kind != KIND {
        bail!("its kind is '{}', not '{KIND}'", document.kind);
    }
    // libcni before 1.2 records no path; the result has it as a rule.
    let of_result = || Some(sandbox(document.result.as_ref()?, &document.if_name)?.to_owned());
    let attachment = Attachment {
        netns: Some(document.netns).filter(|path| !path.is_empty()).or_else(of_result).map(PathBuf::from),
        container_id: document.container_id,
        if_name: document.if_name,
        args: document.cni_args.unwrap_or_default(),
        capability_args: document.capability_args.unwrap_or_default(),
    };
    Ok(Entry {
        network: document.network_name,
        attachment,
        config: BASE64_STANDARD.decode(document.config).context("'config' is not base64")?,
        result: document.result,
        namespace_id: document.plugboard.map(|own| own.namespace),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::entry;
    use super::*;

    #[test]
    fn the_file_is_libcnis() {
        let document: Value = serde_json::from_slice(&to_bytes(&entry("eth0")).unwrap()).unwrap();
        assert_eq!(
            document,
            json!({"kind": "cniCacheV1", "containerId": "c1", "config": "eyJuYW1lIjoibGFuIn0=", "ifName": "eth0",
                "networkName": "lan", "netns": "/run/netns/c1", "cniArgs": [["K", "V"]],
                "capabilityArgs": {"shaping": {"bw": "1Mbps"}}, "result": {"cniVersion": "1.0.0"},
                "plugboard": {"namespace": "4:5"}})
        );
    }

    #[test]
    fn a_file_of_libcni_is_read_with_what_it_leaves_out() {
        let text = br#"{"kind":"cniCacheV1","containerId":"c","config":"e30=","ifName":"eth0","networkName":"n",
            "cniArgs":null,"result":{}}"#;
        let entry = read(text).unwrap();
        assert_eq!((entry.attachment.netns, entry.namespace_id, entry.config), (None, None, b"{}".to_vec()));
        let text = br#"{"kind":"cniCacheV1","containerId":"c","config":"e30=","ifName":"eth0","networkName":"n",
            "result":{"interfaces":[{"name":"eth0"},{"name":"eth0","sandbox":"/run/netns/c"}]}}"#;
        assert_eq!(read(text).unwrap().attachment.netns, Some("/run/netns/c".into()));
        assert!(read(br#"{"kind":"other","containerId":"c","config":"","ifName":"","networkName":""}"#).is_err());
        assert!(read(br#"{"cniVersion":"0.3.1"}"#).is_err());
    }
}
