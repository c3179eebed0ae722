//! The keys of the configuration, and the sources that they come from.
//!
//! A key is taken from the first source that has it: `runtimeConfig.shaping`, `runtimeConfig.bandwidth`, `args.cni.shaping`,
//! `CNI_ARGS`, the configuration. Within a source, the short form together with what it is short for is refused; both take
//! precedence over the keys of the reference plugin `bandwidth`, and those over the preset.

use cni::{Call, Error};
use keys::{Form, FromJson, Names, Place, Refusal, Table, keys};
use serde_json::{Map, Value};
use shaping::{Delay, Line, Rate, RestrictionError};

use crate::bandwidth::{BandwidthKeys, SubnetKeys};
use crate::forms::{Bytes, Given, text};
use crate::line_keys::LineKeys;
use crate::presets;

/// The keys at the top level that set limits, the short forms first and those of the reference last.
pub const LIMITS: [&str; 9] = {
    let [own, reference] = [Asked::NAMES.known, BandwidthKeys::NAMES.known];
    let mut all = [""; 9];
    let (of_own, of_reference) = all.split_at_mut(own.len());
    fill(of_own, own);
    fill(of_reference, reference);
    all
};

/// The keys of the reference plugin `bandwidth`, which are those of the capability of that name.
pub const BANDWIDTH: [&str; 4] = {
    let mut all = [""; 4];
    fill(&mut all, BandwidthKeys::NAMES.known);
    all
};

/// All keys at the top level.
pub const KEYS: &[&Names] = &[Asked::NAMES, BandwidthKeys::NAMES, SubnetKeys::NAMES, InterfacesKeys::NAMES];

/// Their documentation, except for those that are refused.
pub const TABLES: [&Table; 3] = [&Asked::TABLE, &InterfacesKeys::TABLE, &BandwidthKeys::TABLE];

/// The names of keys, as many as there is room for.
const fn fill(mut room: &mut [&'static str], mut known: &[(&'static str, &'static Names)]) {
    while let ([place, rest_of_room @ ..], [(name, _), rest_of_known @ ..]) = (room, known) {
        *place = name;
        (room, known) = (rest_of_room, rest_of_known);
    }
}

/// Both directions of an interface, as the container sees them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shape {
    /// What it receives.
    pub download: Line,
    /// What it sends.
    pub upload: Line,
}

impl Shape {
    /// Nothing is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.download.is_empty() && self.upload.is_empty()
    }
}

keys! {
    /// What one source asks.
    #[object(others = told, example = r#"{"bw": "100Mbps", "lat": "10ms"}"#)]
    pub(crate) struct Asked {
        /// short for `download.rate`; a whole number of Mbps or Gbps, nothing else
        #[key("bw", accepts = "`100Mbps`, `1Gbps`", default = "no limit", example = r#""100Mbps""#, is_ours = true)]
        bw: Option<ShortRate>,

        /// short for `download.delay`; a whole number of ms or us, nothing else
        #[key("lat", accepts = "`10ms`, `500us`", default = "none", example = r#""10ms""#, is_ours = true)]
        lat: Option<ShortDelay>,

        /// both directions of a line, by one of the names below; keys given with it take precedence
        #[key("preset", accepts = "name", default = "none", example = r#""lte""#, is_ours = true)]
        preset: Option<String>,

        /// what the container receives
        #[key("download", accepts = "object", example = r#"{"rate": "100Mbit", "delay": "10ms"}"#, is_ours = true)]
        download: LineKeys,

        /// what the container sends
        #[key("upload", accepts = "object", example = r#"{"rate": "10Mbit"}"#, is_ours = true)]
        upload: LineKeys,
    }

    /// What only the configuration has.
    #[object(others = told, example = r#"{"interfaces": ["eth0", "eth1"]}"#)]
    pub(crate) struct InterfacesKeys {
        /// NICs of the container to shape, each by itself
        #[key("interfaces", accepts = "list of names", default = "that of the call", example = r#"["eth0", "eth1"]"#, is_ours = true)]
        interfaces: Vec<String>,
    }
}

/// `bw`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ShortRate(Rate);

/// `lat`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ShortDelay(Delay);

impl FromJson for ShortRate {
    const FORM: Form = Form::Text(r"^[0-9]+[mMgG][bB][pP][sS]$");

    fn from_json(value: &Value, place: &Place<'_>) -> Result<Self, Refusal> {
        text(value, place, |text| Rate::from_restriction(text).map_err(|error| with_form(&error, BW_FORM))).map(Self)
    }
}

impl FromJson for ShortDelay {
    const FORM: Form = Form::Text(r"^[0-9]+[mMuU][sS]$");

    fn from_json(value: &Value, place: &Place<'_>) -> Result<Self, Refusal> {
        text(value, place, |text| Delay::from_restriction(text).map_err(|error| with_form(&error, LAT_FORM))).map(Self)
    }
}

/// Both directions as keys, before the next source fills in what is not given.
#[derive(Debug, Clone, Default)]
struct Layer {
    download: LineKeys,
    upload: LineKeys,
}

impl Layer {
    fn or(self, next: Self) -> Self {
        Self { download: self.download.or(next.download), upload: self.upload.or(next.upload) }
    }
}

impl Asked {
    fn layer(self, source: &str) -> Result<Layer, Error> {
        for (short, given, key, is_given) in [
            ("bw", self.bw.is_some(), "download.rate", self.download.rate.is_some()),
            ("lat", self.lat.is_some(), "download.delay", self.download.delay.is_some()),
        ] {
            if given && is_given {
                let place = if source.is_empty() { String::new() } else { format!("{source}: ") };
                return Err(Error::invalid_config(format!(
                    "{place}{short} and {key} are the same limit: give one of them"
                )));
            }
        }
        let short = LineKeys {
            rate: self.bw.map(|ShortRate(rate)| Given(rate)),
            delay: self.lat.map(|ShortDelay(delay)| Given(delay)),
            ..LineKeys::default()
        };
        let preset = match self.preset.filter(|name| !name.is_empty()) {
            Some(name) if source.is_empty() => presets::find(&name)?,
            Some(name) => presets::find(&name).map_err(|error| error.within(source))?,
            None => presets::Preset::default(),
        };
        Ok(Layer { download: self.download.or(short).or(preset.download), upload: self.upload.or(preset.upload) })
    }
}

impl BandwidthKeys {
    /// The reference's ingress is what the pod receives.
    fn layer(self, source: &str) -> Result<Layer, Error> {
        let invalid = |reason: String| Error::invalid_config(format!("{source}{reason}"));
        let line = |limit: Option<(Rate, Option<u32>)>| LineKeys {
            rate: limit.map(|(rate, _)| Given(rate)),
            burst: limit.and_then(|(_, burst)| burst).map(Bytes),
            ..LineKeys::default()
        };
        Ok(Layer { download: line(self.ingress().map_err(invalid)?), upload: line(self.egress().map_err(invalid)?) })
    }
}

/// Reads what is asked of the interfaces of a call.
///
/// # Errors
/// Code 7 naming the source, what was found and what is accepted.
pub fn shape(call: &Call) -> Result<Shape, Error> {
    only_limits("runtimeConfig.shaping", call.config.capability("shaping")?)?;
    let runtime: Asked = call.config.capability("shaping")?.unwrap_or_default();
    let bandwidth: BandwidthKeys = call.config.capability("bandwidth")?.unwrap_or_default();
    only_limits("args.cni.shaping", call.config.arg("shaping")?)?;
    let args: Asked = call.config.arg("shaping")?.unwrap_or_default();
    let configured: Asked = call.config.keys()?;
    let reference: BandwidthKeys = call.config.keys()?;
    call.config.keys::<SubnetKeys>()?.refuse_subnets()?;

    let layer = runtime
        .layer("runtimeConfig.shaping")?
        .or(bandwidth.layer("runtimeConfig.bandwidth.")?)
        .or(args.layer("args.cni.shaping")?)
        .or(from_environment(call)?.layer("CNI_ARGS")?)
        .or(reference.layer("")?.under(configured)?);
    let shape = Shape { download: layer.download.line(), upload: layer.upload.line() };
    for (direction, line) in [("download", &shape.download), ("upload", &shape.upload)] {
        line.check().map_err(|error| Error::invalid_config(format!("{direction}.{}: {error}", error.key())))?;
    }
    Ok(shape)
}

/// An object that holds nothing but limits has no other keys: one that is misspelt would be a limit that is not kept.
fn only_limits(source: &str, object: Option<Map<String, Value>>) -> Result<(), Error> {
    let is_limit = |key: &str| Asked::NAMES.known.iter().any(|(name, _)| keys::is_spelled(name, key));
    let unknown = object.and_then(|object| object.into_iter().find(|(key, _)| !is_limit(key)));
    unknown.map_or(Ok(()), |(key, _)| {
        let mut names: Vec<&str> = Asked::NAMES.known.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        Err(Error::invalid_config(format!("{source}.{key}: {key:?} is not a limit. Limits are {}", names.join(", "))))
    })
}

impl Layer {
    /// The configuration's own keys before these, and its preset after them.
    fn under(self, mut configured: Asked) -> Result<Self, Error> {
        let preset = Asked { preset: configured.preset.take(), ..Asked::default() };
        Ok(configured.layer("")?.or(self).or(preset.layer("")?))
    }
}

/// The interfaces to shape: those that the key `interfaces` names, or that of the call.
///
/// # Errors
/// Code 7 for a name that is not valid, or is given twice.
pub fn interfaces(call: &Call) -> Result<Vec<String>, Error> {
    let InterfacesKeys { interfaces } = call.config.keys()?;
    if interfaces.is_empty() {
        return Ok(vec![call.environment.if_name.clone()]);
    }
    if let Some(name) = interfaces.iter().find(|name| name.is_empty() || name.len() > netlink::link::NAME_BYTES) {
        return Err(Error::invalid_config(format!(
            "interfaces: '{name}' cannot be the name of an interface; give names such as eth1"
        )));
    }
    let mut earlier = interfaces.iter().enumerate();
    match earlier.find_map(|(place, name)| interfaces.iter().skip(place + 1).find(|later| *later == name)) {
        Some(name) => Err(Error::invalid_config(format!("interfaces: '{name}' is given twice; give each name once"))),
        None => Ok(interfaces),
    }
}

/// `BW=100Mbps;LAT=10ms;PRESET=lte` in `CNI_ARGS`.
fn from_environment(call: &Call) -> Result<Asked, Error> {
    let text = |key| call.environment.args.get(key);
    let invalid = |key: &str, error: String| Error::invalid_config(format!("{key} in CNI_ARGS: {error}"));
    let bw =
        text("BW").map(|text| Rate::from_restriction(text).map_err(|error| invalid("BW", with_form(&error, BW_FORM))));
    let lat = text("LAT")
        .map(|text| Delay::from_restriction(text).map_err(|error| invalid("LAT", with_form(&error, LAT_FORM))));
    Ok(Asked {
        bw: bw.transpose()?.map(ShortRate),
        lat: lat.transpose()?.map(ShortDelay),
        preset: text("PRESET").map(str::to_owned),
        ..Asked::default()
    })
}

const BW_FORM: &str = "Give a whole number of Mbps or Gbps, such as 100Mbps; download.rate takes other units";
const LAT_FORM: &str = "Give a whole number of ms or us, such as 10ms; download.delay takes other units";

/// A short form is refused in the words of the list of networks, which do not say what to do about it.
fn with_form(error: &RestrictionError, form: &str) -> String {
    match error {
        RestrictionError::Malformed { .. } => format!("{error} {form}"),
        RestrictionError::Zero { .. } | RestrictionError::TooLarge { .. } => error.to_string(),
    }
}
