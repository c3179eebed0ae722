//! The verdicts of the grammar of networks, one by one.

use shaping::networks;
use shaping::{Delay, Limits, Rate};

fn mbps(mbps: u64) -> Option<Rate> {
    Rate::from_bits_per_second(mbps * 1_000_000)
}

fn us(us: u64) -> Option<Delay> {
    Delay::from_nanoseconds(us * 1_000)
}

fn accepted(text: &str) -> Vec<(String, Limits)> {
    let specs = networks::parse(text, |_| false).unwrap_or_else(|error| panic!("{text}: {error}"));
    specs.into_iter().map(|spec| (spec.name, spec.limits)).collect()
}

fn refused(text: &str) -> String {
    match networks::parse(text, |_| false) {
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
fn a_name_of_another_form_is_that_of_a_network() {
    let names = ["my_net", "Lab", "a.b", "1net", "project_default", "a-name-that-no-interface-can-have"];
    for name in names {
        let parsed = networks::parse(&format!("{name},b"), |one| one == name).unwrap();
        assert_eq!(parsed.iter().map(|spec| spec.name.as_str()).collect::<Vec<_>>(), [name, "b"]);
        assert!(networks::parse(&format!("{name},b"), |one| one == "b").is_err(), "{name}");
    }
    // Whatever there is, the loopback interface is not.
    assert!(networks::parse("lo", |_| true).is_err());
    assert!(networks::parse("", |name| name == "b").is_err());
}

#[test]
fn an_address_a_hardware_address_and_a_preset_may_be_asked_for_once() {
    let [spec] = networks::parse("a[IP=10.9.0.5/24,mac=02:00:00:00:00:0A,preset=lte,bw=1Mbps]", |_| false)
        .unwrap()
        .try_into()
        .unwrap();
    assert_eq!(spec.ip.map(|ip| ip.to_string()).as_deref(), Some("10.9.0.5/24"));
    assert_eq!((spec.mac.as_deref(), spec.preset.as_deref()), (Some("02:00:00:00:00:0a"), Some("lte")));
    assert_eq!(spec.limits, Limits { bw: mbps(1), lat: None });
    assert_eq!(spec.to_string(), "a[bw=1Mbps,preset=lte,ip=10.9.0.5/24,mac=02:00:00:00:00:0a]");
    assert_eq!(accepted("a[ip=fd00::5]").len(), 1);
    for restriction in [
        "ip=",
        "ip=10.9.0",
        "ip=10.9.0.5/33",
        "ip=10.9.0.5/+2",
        "ip=10.9.0.5/",
        "mac=02:00",
        "mac=1",
        "preset=",
        "preset=a b",
    ] {
        assert_eq!(
            refused(&format!("a[{restriction}]")),
            format!("'{restriction}' is not a valid network resource restriction.")
        );
    }
    for (text, key) in [
        ("a[ip=10.9.0.5,ip=fd00::5]", "ip"),
        ("a[mac=02:00:00:00:00:01,MAC=02:00:00:00:00:01]", "mac"),
        ("a[preset=lte,preset=lte]", "preset"),
    ] {
        assert_eq!(refused(text), format!("'{key}' is given twice for network 'a': give it once."));
    }
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
