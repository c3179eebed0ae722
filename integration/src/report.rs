//! What `plugboard verify` reports.

use harness::assert_by_chance;
use serde_json::{Value, json};

use crate::World;

/// Puts a network with a bridge and these keys of the shaper beside the examples.
pub fn network(name: &str, bridge: &Value, shaper: &Value) {
    let mut plugins = [bridge.clone(), shaper.clone()];
    plugins[0]["type"] = "bridge".into();
    plugins[0]["bridge"] = format!("{name}-br").into();
    plugins[1]["type"] = "netem-shaper".into();
    let list = json!({"cniVersion": "1.1.0", "name": name, "plugins": plugins});
    std::fs::write(format!("/etc/cni/net.d/60-{name}.conflist"), list.to_string()).expect("a file");
}

/// `plugboard verify --json ARGS`. Panics unless it comes to its end.
pub fn verified(world: &World, args: &str) -> Value {
    let output = world.plugboard(&format!("verify --json {args}"));
    let text = output.ok();
    println!("{text}\n{}", output.stderr);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The figure of that direction and name. Panics when there is none.
pub fn figure<'a>(report: &'a Value, direction: &str, what: &str) -> &'a Value {
    let mut figures = report["figures"].as_array().into_iter().flatten();
    figures
        .find(|figure| figure["direction"] == direction && figure["what"] == what)
        .unwrap_or_else(|| panic!("no {what} of {direction} in {report:#}"))
}

/// What was measured, in the unit of the figure. Panics when there is nothing.
pub fn got(report: &Value, direction: &str, what: &str) -> f64 {
    figure(report, direction, what)["got"].as_f64().unwrap_or_else(|| panic!("{what} of {direction}: {report:#}"))
}

/// Why a figure is what it is.
pub fn reasons(figure: &Value) -> String {
    let reasons = figure["reasons"].as_array().into_iter().flatten();
    reasons.filter_map(Value::as_str).collect::<Vec<_>>().join("; ")
}

/// Fails with the first figure that is missed, which chance may have done.
#[track_caller]
pub fn assert_none_missed(report: &Value) {
    for figure in report["figures"].as_array().into_iter().flatten() {
        assert_by_chance!(figure["verdict"] != "missed", "{figure:#}");
    }
}

/// A figure is kept, or missed by no more than chance.
#[track_caller]
pub fn assert_kept(report: &Value, direction: &str, what: &str) {
    let figure = figure(report, direction, what);
    assert_by_chance!(figure["verdict"] == "kept", "{figure:#}");
}
