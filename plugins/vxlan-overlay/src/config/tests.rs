use cni::{Code, Command, Config, Environment};
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn call(members: &Value) -> Call {
    let mut object = json!({"cniVersion": "1.1.0", "name": "lac", "type": "vxlan-overlay"});
    object.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    let config = Config::read(object.to_string().into_bytes(), Command::Status).unwrap();
    let environment = Environment::read(true, |name| (name == "CNI_COMMAND").then(|| "STATUS".into())).unwrap();
    Call { environment, config }
}

fn read(members: &Value) -> Result<Wanted, Error> {
    let call = call(members);
    Wanted::read(&call.config.keys()?, &call)
}

fn objection(members: &Value) -> String {
    let error = read(members).unwrap_err();
    assert_eq!(error.code, Code::InvalidConfig);
    error.msg
}

fn by_group(group: &str, vde: bool) -> Wanted {
    let group = group.parse().unwrap();
    Wanted {
        port: 14789,
        vni: 1,
        underlay: None,
        ttl: Some(1),
        way: Way::Group { group, vde },
        peers: None,
        sealing: None,
    }
}

fn by_remotes(remotes: &[&str]) -> Wanted {
    let remotes = remotes.iter().map(|remote| remote.parse().unwrap()).collect();
    Wanted { port: 14789, vni: 1, underlay: None, ttl: None, way: Way::Remotes(remotes), peers: None, sealing: None }
}

#[test]
fn a_group_alone_is_enough() {
    assert_eq!(read(&json!({"group": "234.0.0.1"})), Ok(by_group("234.0.0.1", false)));
    assert_eq!(read(&json!({"group": "ff05:56de::1"})), Ok(by_group("ff05:56de::1", false)));
    assert_eq!(
        read(&json!({"group": "234.0.0.1", "port": 4789, "vni": 42, "ttl": 4, "if": "eth1"})),
        Ok(Wanted {
            port: 4789,
            vni: 42,
            ttl: Some(4),
            underlay: Some("eth1".to_owned()),
            ..by_group("234.0.0.1", false)
        })
    );
}

#[test]
fn what_is_not_set_is_not_there() {
    let unset = json!({"group": "234.0.0.1", "url": "", "mode": "", "compat": "", "remotes": [], "remotesFile": "", "if": "",
        "dev": "", "port": null, "vni": null, "ttl": null, "bridge": "", "vlan": 0, "isGateway": false, "vlanTrunk": []});
    assert_eq!(read(&unset), Ok(by_group("234.0.0.1", false)));
}

#[test]
fn modes() {
    for (members, wanted) in [
        (json!({"group": "234.0.0.1", "mode": "multicast"}), by_group("234.0.0.1", false)),
        (json!({"group": "234.0.0.1", "mode": "vxvde"}), by_group("234.0.0.1", true)),
        (json!({"group": "234.0.0.1", "compat": "vxvde"}), by_group("234.0.0.1", true)),
        (json!({"group": "234.0.0.1", "compat": "vxvde", "mode": "vxvde"}), by_group("234.0.0.1", true)),
        (json!({"url": "vxvde://234.0.0.1"}), by_group("234.0.0.1", true)),
        (json!({"url": "vxvde://234.0.0.1", "mode": "multicast"}), by_group("234.0.0.1", false)),
        (json!({"url": "vxvde://234.0.0.1", "compat": "vxvde"}), by_group("234.0.0.1", true)),
        (json!({"url": "vxlan://239.0.0.1"}), Wanted { port: 4789, ..by_group("239.0.0.1", false) }),
        (
            json!({"url": "vxlan://239.0.0.1", "mode": "multicast"}),
            Wanted { port: 4789, ..by_group("239.0.0.1", false) },
        ),
        (json!({"remotes": ["192.0.2.2"]}), by_remotes(&["192.0.2.2"])),
        (json!({"remotes": ["192.0.2.2", "192.0.2.3"], "mode": "remotes"}), by_remotes(&["192.0.2.2", "192.0.2.3"])),
        (json!({"remotes": ["2001:db8::2"], "ttl": 9}), Wanted { ttl: Some(9), ..by_remotes(&["2001:db8::2"]) }),
    ] {
        assert_eq!(read(&members), Ok(wanted), "{members}");
    }
}

#[test]
fn a_file_of_remotes() {
    let path = std::env::temp_dir().join(format!("vxlan-overlay-{}-config", std::process::id()));
    std::fs::write(&path, "192.0.2.2 # b\n").unwrap();
    let read = read(&json!({"remotesFile": path, "mode": "remotes", "vni": 7}));
    std::fs::remove_file(&path).unwrap();
    assert_eq!(read, Ok(Wanted { vni: 7, ..by_remotes(&["192.0.2.2"]) }));
}

#[test]
fn what_the_url_leaves_open_the_keys_may_say() {
    let wanted = Wanted { ttl: Some(4), underlay: Some("eth1".to_owned()), ..by_group("234.0.0.1", true) };
    for members in [
        json!({"url": "vxvde://234.0.0.1/ttl=4/if=eth1"}),
        json!({"url": "vxvde://234.0.0.1", "ttl": 4, "if": "eth1"}),
        json!({"url": "vxvde://234.0.0.1/ttl=4/if=eth1", "ttl": 4, "dev": "eth1", "port": 14789, "vni": 1}),
    ] {
        assert_eq!(read(&members), Ok(wanted.clone()), "{members}");
    }
}

#[test]
fn contradictions() {
    for (members, msg) in [
        (
            json!({}),
            "group is missing: name a multicast group such as \"239.0.0.1\" that all hosts of the LAC join, or, where the network \
             between them carries none, list their addresses in remotes",
        ),
        (json!({"mode": "multicast"}), "mode \"multicast\" needs a multicast group, in group or url"),
        (json!({"mode": "vxvde"}), "mode \"vxvde\" needs a multicast group, in group or url"),
        (json!({"compat": "vxvde"}), "compat \"vxvde\" needs a multicast group, in group or url"),
        (
            json!({"mode": "remotes"}),
            "mode \"remotes\" needs the addresses of the other hosts, in remotes or remotesFile",
        ),
        (
            json!({"mode": "remotes", "remotes": []}),
            "mode \"remotes\" needs the addresses of the other hosts, in remotes or remotesFile",
        ),
        (
            json!({"group": "234.0.0.1", "url": "vxvde://234.0.0.1"}),
            "group and url both name the LAC; remove one of the two",
        ),
        (
            json!({"group": "234.0.0.1", "remotes": ["192.0.2.2"]}),
            "group lets the hosts find each other, and remotes lists them: remove one of the two",
        ),
        (
            json!({"group": "234.0.0.1", "remotesFile": "/x"}),
            "group lets the hosts find each other, and remotesFile lists them: remove one of the two",
        ),
        (
            json!({"url": "vxvde://", "remotes": ["192.0.2.2"]}),
            "url lets the hosts find each other, and remotes lists them: remove one of the two",
        ),
        (
            json!({"remotes": ["192.0.2.2"], "remotesFile": "/x"}),
            "remotes and remotesFile both list the other hosts; remove one of the two",
        ),
        (
            json!({"group": "234.0.0.1", "mode": "remotes"}),
            "mode \"remotes\" is for the addresses of hosts, in remotes or remotesFile, and group names a multicast group: remove \
             mode, or group",
        ),
        (
            json!({"remotes": ["192.0.2.2"], "mode": "multicast"}),
            "mode \"multicast\" is for multicast groups, and remotes lists the hosts: remove one of the two",
        ),
        (
            json!({"remotes": ["192.0.2.2"], "mode": "vxvde"}),
            "mode \"vxvde\" is for multicast groups, and remotes lists the hosts: VDE's clients find each other by a group alone; \
             name one in group or url, or remove it",
        ),
        (
            json!({"remotesFile": "/x", "compat": "vxvde"}),
            "compat \"vxvde\" is for multicast groups, and remotesFile lists the hosts: VDE's clients find each other by a group \
             alone; name one in group or url, or remove it",
        ),
        (
            json!({"group": "234.0.0.1", "mode": "multicast", "compat": "vxvde"}),
            "compat \"vxvde\" means mode \"vxvde\", and mode is \"multicast\"; remove one of the two",
        ),
        (
            json!({"url": "vxlan://", "mode": "vxvde"}),
            "mode \"vxvde\" is for VDE's clients of vxvde://, and url begins with vxlan://; remove it, or change url",
        ),
        (
            json!({"url": "vxvde://234.0.0.1", "port": 4789}),
            "port is 4789, and url means 14789; remove port, or change one of the two",
        ),
        (
            json!({"url": "vxvde://234.0.0.1/grp=5", "vni": 1}),
            "vni is 1, and url means 5; remove vni, or change one of the two",
        ),
        (
            json!({"url": "vxvde://234.0.0.1/ttl=2", "ttl": 3}),
            "ttl is 3, and url means 2; remove ttl, or change one of the two",
        ),
        (
            json!({"group": "234.0.0.1", "if": "eth0", "dev": "eth1"}),
            "if names \"eth0\", and dev names \"eth1\", but both mean the underlay; remove one of the two",
        ),
        (
            json!({"url": "vxvde:///if=eth0", "dev": "eth1"}),
            "dev names \"eth1\", and url names \"eth0\", but both mean the underlay; remove one of the two",
        ),
        (
            json!({"url": "vxvde://234.0.0.1/hsahsize=1"}),
            "url is \"vxvde://234.0.0.1/hsahsize=1\": unknown option \"hsahsize\"; known options are port, vni, grp, ttl, v6, v4, if",
        ),
        (
            json!({"group": "239.0.0.1", "vlan": 10}),
            "vlan means nothing for a LAC, which is one Ethernet: what must be apart gets another group, port or vni; remove the key",
        ),
        (
            json!({"group": "239.0.0.1", "Bridge": "br0"}),
            "bridge means nothing for a LAC, whose bridge is its own, one for all its members on a host; remove the key",
        ),
    ] {
        assert_eq!(objection(&members), msg, "{members}");
    }
}

/// The kernel takes source ports from the first of a range to the one before its end.
#[test]
fn the_last_port_is_not_for_vde() {
    assert_eq!(read(&json!({"group": "234.0.0.1", "port": 65535})).unwrap().port, 65535);
    for members in
        [json!({"group": "234.0.0.1", "port": 65535, "mode": "vxvde"}), json!({"url": "vxvde://234.0.0.1/port=65535"})]
    {
        let objection = objection(&members);
        assert!(
            objection.starts_with("port: 65535 cannot be used with VDE's clients")
                && objection.ends_with("choose another port"),
            "{objection}"
        );
    }
    assert_eq!(read(&json!({"group": "234.0.0.1", "port": 65534, "mode": "vxvde"})).unwrap().port, 65534);
}

#[test]
fn a_group_that_is_none() {
    let objection = objection(&json!({"group": "10.0.0.1"}));
    assert!(objection.starts_with("group is \"10.0.0.1\": it is the address of one host"), "{objection}");
}

#[test]
fn an_underlay_has_the_name_of_a_link() {
    for name in ["eth1", "br-lan.7", "a23456789012345", "ü"] {
        assert_eq!(read(&json!({"group": "239.0.0.1", "dev": name})).unwrap().underlay.as_deref(), Some(name));
    }
    for name in ["a234567890123456", "a/b", "a b", "a:1", ".", "..", "a\t", "a\u{0}"] {
        let objection = objection(&json!({"group": "239.0.0.1", "if": name}));
        assert!(objection.starts_with("if: ") && objection.contains("cannot be the name of a link"), "{objection}");
    }
    assert!(objection(&json!({"url": "vxvde:///if=a:1"})).starts_with("url: \"a:1\" cannot be the name"));
}

#[test]
fn a_tap_device_has_its_own_word_for_group() {
    let keys = |members| call(&members).config.keys::<LacKeys>().unwrap();
    let tap = tap_keys(&keys(json!({"nic": "tap", "owner": 1, "ownerGroup": 2, "multiQueue": true}))).unwrap();
    assert_eq!((tap.owner, tap.group, tap.multi_queue), (Some(1), Some(2), Some(true)));
    assert_eq!(
        tap_keys(&keys(json!({"ownerGroup": 2}))).unwrap_err().msg,
        "ownerGroup is for TAP devices: set nic to \"tap\", or remove the key"
    );
    let nic = nic_keys(&keys(json!({"mtu": 1400, "mac": "02:00:00:00:00:01", "macspoofchk": true, "enabledad": true})));
    assert_eq!((nic.mtu, nic.mac.as_deref(), nic.macspoofchk), (1400, Some("02:00:00:00:00:01"), true));
    assert!(nic.enabledad && !nic.ipspoofchk && !nic.disable_container_interface && !nic.ip_masq);
}

#[test]
fn bgp_is_told_a_vni_that_is_given() {
    let told = |port, vni, local: Option<&str>| Wanted {
        port,
        vni,
        underlay: None,
        ttl: None,
        way: Way::Evpn { local: local.map(|local| local.parse().unwrap()) },
        peers: None,
        sealing: None,
    };
    assert_eq!(read(&json!({"mode": "evpn", "vni": 7})).unwrap(), told(4789, 7, None));
    assert_eq!(
        read(&json!({"mode": "evpn", "vni": 7, "port": 5, "local": "2001:db8::1", "group": "", "remotes": []}))
            .unwrap(),
        told(5, 7, Some("2001:db8::1"))
    );
    let underlay = Wanted { underlay: Some("lo".to_owned()), ttl: Some(9), ..told(4789, 7, None) };
    assert_eq!(read(&json!({"mode": "evpn", "vni": 7, "dev": "lo", "ttl": 9})).unwrap(), underlay);
    for (members, said) in [
        (json!({"mode": "evpn"}), "vni is missing"),
        (json!({"mode": "evpn", "vni": 0}), "vni is 0"),
        (json!({"mode": "evpn", "vni": 7, "group": "239.0.0.1"}), "remove mode, or group"),
        (json!({"mode": "evpn", "vni": 7, "remotes": ["192.0.2.2"]}), "remove mode, or remotes"),
        (json!({"mode": "evpn", "vni": 7, "local": "eth0"}), "local is \"eth0\""),
        (json!({"group": "239.0.0.1", "local": "192.0.2.1"}), "local is for mode \"evpn\""),
    ] {
        let objection = objection(&members);
        assert!(objection.contains(said), "{members}: {objection}");
    }
}

#[test]
fn port_and_vni_of_what_has_become_invalid() {
    for (members, lac) in [
        (json!({}), Some((14789, 1))),
        (json!({"group": 7, "port": 4789, "vni": 42}), Some((4789, 42))),
        (json!({"group": "10.0.0.1", "mode": "x", "remotesFile": "/nonexistent", "VNI": 9}), Some((14789, 9))),
        (json!({"url": "vxvde://x/port=5/vni=6/foo"}), Some((5, 6))),
        (json!({"url": "vxlan://", "port": 5}), Some((4789, 1))),
        (json!({"url": "", "port": 5}), Some((5, 1))),
        (json!({"mode": "evpn", "vni": 7, "group": "10.0.0.1"}), Some((4789, 7))),
        (json!({"mode": "evpn", "vni": 7, "port": 5, "local": 1}), Some((5, 7))),
        (json!({"mode": "evpn"}), None),
        (json!({"port": 0}), None),
        (json!({"vni": "x"}), None),
        (json!({"url": "vde://"}), None),
    ] {
        assert_eq!(Wanted::leniently(&call(&members)), lac, "{members}");
    }
}

#[test]
fn what_is_valid_is_told_leniently_too() {
    for members in [
        json!({"group": "234.0.0.1", "port": 5}),
        json!({"url": "vxvde:///grp=7"}),
        json!({"url": "vxlan:///vni=7"}),
        json!({"remotes": ["192.0.2.2"], "vni": 3}),
        json!({"mode": "evpn", "vni": 3}),
        json!({"mode": "evpn", "vni": 3, "port": 14789, "local": "2001:db8::1"}),
    ] {
        let wanted = read(&members).unwrap();
        assert_eq!(Wanted::leniently(&call(&members)), Some((wanted.port, wanted.vni)), "{members}");
    }
}

fn anything() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
        prop::sample::select(vec![
            "239.0.0.1",
            "vxvde://234.0.0.1/if=eth1",
            "vxvde",
            "remotes",
            "evpn",
            "192.0.2.2",
            "eth0",
            "ff05::5"
        ])
        .prop_map(Value::from),
        prop::collection::vec("[0-9.:a-f]{0,12}".prop_map(Value::from), 0..3).prop_map(Value::from),
    ]
}

proptest! {
    #[test]
    fn no_configuration_panics(
        members in prop::collection::btree_map(
            prop::sample::select(vec!["group", "port", "vni", "ttl", "if", "dev", "url", "mode", "compat", "remotes", "local", "vlan"]),
            anything(),
            0..6,
        ),
    ) {
        let members = Value::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect());
        if let Ok(wanted) = read(&members) {
            prop_assert_eq!(Wanted::leniently(&call(&members)), Some((wanted.port, wanted.vni)));
        }
    }
}

#[test]
fn every_key_that_is_refused_is_known() {
    let refused: Vec<&str> = OF_OTHERS.iter().flat_map(|(keys, _)| keys.iter().copied()).collect();
    let known: Vec<&str> = REFUSED.known.iter().map(|(key, _)| *key).collect();
    assert_eq!(refused, known);
}

#[test]
fn who_is_heard() {
    let networks = |texts: &[&str]| Some(texts.iter().map(|text| text.parse().unwrap()).collect());
    let group = json!({"group": "234.0.0.1"});
    let with = |keys: Value| {
        let mut members = group.clone();
        members.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
        members
    };
    for (keys, peers) in [
        (json!({}), None),
        (json!({"peers": null, "peersFile": ""}), None),
        (json!({"peers": ["192.0.2.2", "198.51.100.0/28"]}), networks(&["192.0.2.2", "198.51.100.0/28"])),
        (json!({"Peers": ["192.0.2.2"], "mode": "vxvde"}), networks(&["192.0.2.2"])),
    ] {
        assert_eq!(read(&with(keys)).unwrap().peers, peers);
    }
    for (keys, said) in [
        (json!({"peers": []}), "peers is empty, and nobody would be heard"),
        (json!({"peers": ["192.0.2.2"], "peersFile": "/x"}), "peers and peersFile both list the hosts that are heard"),
        (json!({"peers": ["192.0.2.2", "host3"]}), "peers[1] is \"host3\": it must be the address of a host"),
        (json!({"peers": "192.0.2.2"}), "peers is \"192.0.2.2\": it must be a list"),
        (json!({"peers": ["2001:db8::2"]}), "peers: 2001:db8::2 is of IPv6, and the LAC is over IPv4"),
        (json!({"peersFile": "/nonexistent/peers"}), "peersFile: /nonexistent/peers: No such file"),
    ] {
        let objection = objection(&with(keys));
        assert!(objection.contains(said), "{objection}");
    }
    let remotes = json!({"remotes": ["2001:db8::2"], "peers": ["192.0.2.2"]});
    assert!(objection(&remotes).contains("the LAC is over IPv6"));
}
