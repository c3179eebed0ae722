//! Named lines: those of `presets.json` of this crate, and those of the host's own file.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use cni::{Code, Error, regular};
use keys::{FromJson, Place, keys};
use serde_json::{Map, Value};

use crate::line_keys::LineKeys;

/// The presets that come with the plugin.
const OWN: &str = include_str!("../presets.json");

/// A file of the same form: its presets take precedence over ours.
const OF_THE_HOST: &str = "/etc/plugboard/presets.json";

/// The most that is read of it, in bytes.
const LONGEST_BYTES: u64 = 1 << 20;

keys! {
    /// Both directions of a line.
    #[object(others = refused, example = r#"{"download": {"rate": "50Mbit"}, "upload": {}}"#)]
    pub(crate) struct Preset {
        /// where its figures are from, for people
        #[key("source", example = r#""measured at home""#, is_ours = true)]
        pub(crate) source: String,

        /// what the container receives
        #[key("download", accepts = "object", example = r#"{"rate": "50Mbit"}"#, is_ours = true)]
        pub(crate) download: LineKeys,

        /// what it sends
        #[key("upload", accepts = "object", example = r#"{"rate": "10Mbit"}"#, is_ours = true)]
        pub(crate) upload: LineKeys,
    }
}

/// Finds a preset.
///
/// # Errors
/// Code 7 with the known names; the host's file is malformed or cannot be read.
pub(crate) fn find(name: &str) -> Result<Preset, Error> {
    let mut all = read(OWN).map_err(|cause| Error::new(Code::Internal, format!("the plugin's presets: {cause}")))?;
    match regular::read(Path::new(OF_THE_HOST), LONGEST_BYTES) {
        Ok(text) => {
            let text = String::from_utf8_lossy(&text);
            let own = read(&text).map_err(|cause| Error::invalid_config(format!("{OF_THE_HOST}: {cause}")))?;
            all.extend(own);
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(Error::new(Code::Io, format!("cannot read {OF_THE_HOST}: {error}"))),
    }
    all.remove(name).ok_or_else(|| {
        let names: Vec<&str> = all.keys().map(String::as_str).collect();
        Error::invalid_config(format!("preset {name:?} is not known; there are {}", names.join(", ")))
    })
}

fn read(text: &str) -> Result<BTreeMap<String, Preset>, String> {
    let presets: Map<String, Value> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let read = |(name, preset): (String, Value)| {
        let preset = Preset::from_json(&preset, &Place::Named(&name)).map_err(|refusal| refusal.0)?;
        Ok((name, preset))
    };
    presets.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_of_ours_is_a_line_that_can_be_had() {
        let all = read(OWN).unwrap();
        for name in ["dsl", "cable", "fibre", "lte", "3g", "edge", "satellite", "wifi"] {
            assert!(all.contains_key(name), "{name}");
        }
        for (name, preset) in all {
            assert!(!preset.source.is_empty(), "{name} says where its figures are from");
            for line in [preset.download.line(), preset.upload.line()] {
                assert_eq!(line.check(), Ok(()), "{name}");
                assert!(!line.is_empty(), "{name}");
            }
        }
    }

    #[test]
    fn an_unknown_one_is_refused_with_the_known() {
        let error = find("modem").unwrap_err();
        assert!(error.msg.contains("\"modem\" is not known; there are 3g, cable, dsl"), "{}", error.msg);
    }
}
