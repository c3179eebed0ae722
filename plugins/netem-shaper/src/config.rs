//! The keys of the configuration.

use cni::{Call, Error};
use serde::Deserialize;
use shaping::{Delay, Limits, Rate};

/// All keys at the top level.
pub(crate) const KEYS: &[&str] = &["bw", "lat"];

/// What is asked, as text: in the configuration, in `runtimeConfig.shaping` and in `args.cni.shaping`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Asked {
    /// Bandwidth of what the container receives, as in `100Mbps` or `1Gbps`.
    bw: Option<String>,
    /// Latency added to the round trip, as in `10ms` or `500us`.
    lat: Option<String>,
}

/// Reads the limits of a call: for each of the two, from the nearest source that has it.
///
/// # Errors
/// Code 7 naming the source, what was found and what is accepted.
pub(crate) fn limits(call: &Call) -> Result<Limits, Error> {
    let runtime: Asked = call.config.capability("shaping")?.unwrap_or_default();
    let args: Asked = call.config.arg("shaping")?.unwrap_or_default();
    let environment = |key| call.environment.args.get(key).map(str::to_owned);
    let keys: Asked = call.config.keys()?;

    let bw = nearest([
        ("runtimeConfig.shaping.bw", runtime.bw),
        ("args.cni.shaping.bw", args.bw),
        ("BW in CNI_ARGS", environment("BW")),
        ("bw", keys.bw),
    ]);
    let lat = nearest([
        ("runtimeConfig.shaping.lat", runtime.lat),
        ("args.cni.shaping.lat", args.lat),
        ("LAT in CNI_ARGS", environment("LAT")),
        ("lat", keys.lat),
    ]);
    Ok(Limits {
        bw: bw.map(|asked| parse(asked, Rate::from_restriction)).transpose()?,
        lat: lat.map(|asked| parse(asked, Delay::from_restriction)).transpose()?.filter(|lat| !lat.is_zero()),
    })
}

fn nearest(sources: [(&'static str, Option<String>); 4]) -> Option<(&'static str, String)> {
    sources.into_iter().find_map(|(source, text)| Some((source, text?)))
}

fn parse<T, E: std::fmt::Display>(
    (source, text): (&str, String),
    read: impl Fn(&str) -> Result<T, E>,
) -> Result<T, Error> {
    read(&text).map_err(|reason| Error::invalid_config(format!("{source}: {reason}")))
}
