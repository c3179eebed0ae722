//! The verdicts of the grammar of networks, one by one.

use shaping::networks::{self, GrammarError};
use shaping::{Delay, Limits, Rate};

fn mbps(mbps: u64) -> Option<Rate> {
    Rate::from_bits_per_second(mbps * 1_000_000)
}

fn us(us: u64) -> Option<Delay> {
    Delay::from_nanoseconds(us * 1_000)
}

fn accepted(text: &str) -> Vec<(String, Limits)> {
    let specs = networks::parse(text, "walt-net").unwrap_or_else(|error| panic!("{text}: {error}"));
    specs.into_iter().map(|spec| (spec.name, spec.limits)).collect()
}

fn refused(text: &str) -> String {
    match networks::parse(text, "walt-net") {
        Ok(specs) => panic!("{text} was accepted: {specs:?}"),
        Err(error) => error.to_string(),
    }
}

fn network(name: &str, bw: Option<Rate>, lat: Option<Delay>) -> (String, Limits) {
    (name.to_owned(), Limits { bw, lat })
}

#[test]
fn limits_belong_to_their_network_and_order_is_kept() {
    assert_eq!(
        accepted("walt-net,home-net[bw=100Mbps,lat=10ms]"),
        [network("walt-net", None, None), network("home-net", mbps(100), us(10_000))]
    );
    assert_eq!(
        accepted("walt-net,home-net[LAT=10MS,BW=2GBPS]"),
        [network("walt-net", None, None), network("home-net", mbps(2_000), us(10_000))]
    );
    assert_eq!(
        accepted("walt-net[lat=8ms],a,b[bw=1Gbps],c"),
        [
            network("walt-net", None, us(8_000)),
            network("a", None, None),
            network("b", mbps(1_000), None),
            network("c", None, None)
        ]
    );
}

#[test]
fn digits_follow_the_first_letter_and_no_latency_is_none() {
    assert_eq!(accepted("walt-net,net2[lat=0ms]"), [network("walt-net", None, None), network("net2", None, None)]);
    assert_eq!(accepted("walt-net,exactly-fifteen").len(), 2);
}

#[test]
fn the_primary_network_is_mandatory_and_has_any_name() {
    let missing = "Mandatory network 'walt-net' is missing from specified networks.";
    assert_eq!(refused("home-net"), missing);
    assert_eq!(refused("home-net,home-net"), missing);
    assert_eq!(networks::parse("lab", "lab").map(|specs| specs.len()), Ok(1));
    assert_eq!(networks::parse("walt-net", "lab"), Err(GrammarError::PrimaryMissing("lab".to_owned())));
}

#[test]
fn a_network_occurs_once() {
    assert_eq!(refused("walt-net,walt-net"), "Specifying twice the same network name is not allowed.");
    assert_eq!(refused("walt-net,a,b,a"), "Specifying twice the same network name is not allowed.");
}

#[test]
fn what_has_no_such_form_is_quoted_whole() {
    for text in [
        "walt-net,Home",
        "walt-net,home_net",
        "walt-net,-a",
        "walt-net,1a",
        "walt-net,",
        ",walt-net",
        "",
        "walt-net, home-net",
        "walt-net,a[bw=1Mbps][lat=1ms]",
        "walt-net,a[bw=1Mbps",
        "walt-net,a]",
        "walt-net,a[bw=1Mbps]b",
        "walt-net\n",
        "walt-net,é",
        "walt-net;a",
    ] {
        assert_eq!(refused(text), format!("Could not parse networks value '{text}'."));
    }
}

#[test]
fn a_wrong_restriction_is_quoted_as_written() {
    for restriction in
        ["", "bw=1.5Gbps", "bw=100kbps", "lat=1s", "lat=-1ms", "loss=1%", "bw", "bw=", "=1ms", "bw=1ms", "[bw=1Mbps"]
    {
        assert_eq!(
            refused(&format!("walt-net,a[{restriction}]")),
            format!("'{restriction}' is not a valid network resource restriction.")
        );
    }
    assert_eq!(refused("walt-net,a[bw=1Mbps, lat=1ms]"), "' lat=1ms' is not a valid network resource restriction.");
    assert_eq!(refused("walt-net,a[bw=1Mbps,]"), "'' is not a valid network resource restriction.");
}

#[test]
fn what_would_fail_later_is_refused_with_its_reason() {
    for (text, message) in [
        (
            "walt-net,exactly-sixteen-",
            "Network name 'exactly-sixteen-' is 16 bytes long: at most 15 are accepted, as for an interface.",
        ),
        ("walt-net,lo", "Network name 'lo' is that of the loopback interface: choose another."),
        (
            "walt-net,a[bw=0Mbps]",
            "'bw=0Mbps' would let nothing through: give at least 1Mbps, or leave the bandwidth out for no limit.",
        ),
        ("walt-net,a[bw=1Mbps,BW=2Mbps]", "'bw' is given twice for network 'a': give it once."),
        ("walt-net,a[lat=0ms,lat=0ms]", "'lat' is given twice for network 'a': give it once."),
        (
            "walt-net,a[bw=99999999999999Gbps]",
            "'bw=99999999999999Gbps' is too large: at most 18446744073Gbps is accepted.",
        ),
    ] {
        assert_eq!(refused(text), message);
    }
}
