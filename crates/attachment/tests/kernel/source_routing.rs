//! Rules and routes by which answers leave through their own NIC, where a plugin's black box does not lead.

use attachment::{
    Address, Creation, Description, Device, Error, Identity, LinkUp, Origin, Others, Session, SourceRoute, SourceRule,
    SourceTable, Valid, Veth, collect, owned_devices, refuse_existing, remove, remove_device,
};
use harness::{Host, Snapshot, sh};
use netlink::Namespace;
use netlink::route::Route;

/// The NIC number `number` of a container, answering by table 100.
fn nic(number: u8) -> Description {
    let identity = Identity::new("home-net", "vn1", format!("eth{number}"));
    let device = Device::container(identity.if_name());
    let (address, gateway) = (format!("10.{number}.0.5/24"), format!("10.{number}.0.1"));
    let mut description = Description::new();
    description.own(Veth::of(identity.clone())).own(LinkUp { device: device.clone() });
    description.own(SourceTable { identity, table: 100, is_searched: false });
    let address: ipnetwork::IpNetwork = address.parse().unwrap();
    description.own(Address {
        device: device.clone(),
        address,
        others: Others::Alone,
        is_detected: false,
        has_route: true,
    });
    for route in [
        Route::new(ipnetwork::IpNetwork::new(address.network(), 24).unwrap(), None),
        Route::new("0.0.0.0/0".parse().unwrap(), gateway.parse().ok()),
    ] {
        description.own(SourceRoute::new(device.clone(), route, 100));
    }
    description.own(SourceRule { address: address.ip(), table: 100 });
    description
}

/// Two calls were told the same number, and neither sees anything of the other when it looks.
#[test]
fn a_table_that_is_taken_meanwhile_is_refused() {
    let host = Host::enter();
    let container = host.namespace("vn1");
    let session = || Session::new(Some(Namespace::open(&container.path).unwrap()));
    let (mut first, mut second) = (session(), session());
    refuse_existing(&mut first, &nic(1)).unwrap();
    refuse_existing(&mut second, &nic(2)).unwrap();
    Creation::new().make(&mut first, nic(1)).unwrap();
    let before = Snapshot::take::<&str>(&[&container], &[]);
    let mut creation = Creation::new();
    let error = creation.make(&mut second, nic(2)).unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
    assert!(error.to_string().contains("routing table 100"), "{error}");
    assert!(creation.undo(&mut second).is_empty());
    assert_eq!(before, Snapshot::take::<&str>(&[&container], &[]));
    let error = refuse_existing(&mut session(), &nic(3)).unwrap_err();
    assert!(error.to_string().contains("`32765: from 10.1.0.5 lookup 100`"), "{error}");
}

/// What has no end on the host tells its attachment by its own alias.
#[test]
fn rules_are_found_by_the_alias_of_a_link_in_the_container() {
    let host = Host::enter();
    let container = host.namespace("vn1");
    let stale = Identity::new("home-net", "vn1", "eth1");
    let other = Identity::new("walt-net", "vn1", "eth2");
    sh("ip link add lan0 type veth peer name far0 && ip link set lan0 up && ip link set far0 up").ok();
    for (identity, subnet, table) in [(&stale, "10.1.0", 100), (&other, "10.2.0", 200)] {
        let (name, alias) = (identity.if_name(), identity.alias());
        sh(&format!("ip link add link lan0 name {name} netns vn1 type macvlan mode bridge")).ok();
        let commands = [
            format!("ip link set {name} alias '{alias}' up && ip address add {subnet}.5/24 dev {name}"),
            format!("ip route add default via {subnet}.1 dev {name} table {table}"),
            format!("ip rule add from {subnet}.5 lookup {table} protocol 112"),
            format!("ip -6 rule add from fd00::5 lookup {} protocol 112", identity.table()),
            format!("ip rule add from {subnet}.6 lookup {table}"),
        ];
        container.sh(&commands.join(" && ")).ok();
    }
    let rules = || container.sh("ip rule; ip -6 rule").ok().matches("proto 112").count();
    let finders = [SourceTable::FINDER];
    let session = || Session::new(None);
    assert_eq!(rules(), 4);
    let valid: Valid = [stale.clone()].into_iter().collect();
    assert!(collect(&mut session(), &finders, "home-net", &valid).is_empty());
    assert_eq!(rules(), 4, "it is valid");
    assert!(collect(&mut session(), &finders, "home-net", &Valid::default()).is_empty());
    let left = container.sh("ip rule; ip -6 rule").ok();
    assert_eq!(rules(), 2, "{left}");
    assert!(left.contains("10.2.0.5") && left.contains("10.1.0.6") && left.contains("10.2.0.6"), "{left}");
    assert!(left.contains(&other.table().to_string()) && !left.contains(&stale.table().to_string()), "{left}");
}

/// A call that knows no namespace finds them by the alias that is left: also of a device that was taken over.
#[test]
fn rules_behind_a_device_of_the_host_are_found() {
    let host = Host::enter();
    let container = host.namespace("vn1");
    let identity = Identity::new("home-net", "vn1", "eth1");
    let other = Identity::new("home-net", "vn1", "eth2");
    let alias = |identity: &Identity, namespace: Option<u64>| {
        let origin = Origin { name: "enp3s0".to_owned(), namespace, mtu: 1500, is_up: true, ..Origin::default() };
        identity.moved_alias(&origin, "SEAL").unwrap()
    };
    let here = Namespace::own_inode();
    let make = || {
        for (name, alias, table) in [
            ("eth1", alias(&identity, here), 100),
            ("eth2", alias(&other, here), 200),
            // Of a host in a container of this one.
            ("eth3", alias(&identity, Some(1)), 300),
        ] {
            let commands = [
                format!("ip link add {name} type veth peer name to-{name} && ip link set {name} alias '{alias}' up"),
                format!("ip link set to-{name} up && ip route add 10.{table}.0.0/16 dev {name} table {table}"),
                format!("ip rule add from 10.1.0.5 lookup {table} protocol 112"),
            ];
            container.sh(&commands.join(" && ").replace("10.300", "10.30")).ok();
        }
    };
    let left = || {
        let rules = container.sh("ip rule").ok();
        [100, 200, 300].map(|table| rules.contains(&format!("lookup {table} ")))
    };
    make();
    let mut named = Description::new();
    named.own(SourceTable { is_searched: true, ..SourceTable::of(identity.clone()) });
    assert!(remove(&mut Session::new(None), &named).is_empty());
    assert_eq!(left(), [false, true, true]);
    let collected = |valid: &[&Identity]| {
        let valid: Valid = valid.iter().map(|identity| (*identity).clone()).collect();
        collect(&mut Session::new(None), &[SourceTable::FINDER], "home-net", &valid)
    };
    assert!(collected(&[&identity, &other]).is_empty());
    assert_eq!(left(), [false, true, true], "it is valid");
    assert!(collected(&[&identity]).is_empty());
    assert_eq!(left(), [false, false, true]);
}

/// As `plugboard` removes what a plugin that is not there any more has made.
#[test]
fn the_rules_of_a_device_without_a_plugin_go_with_it() {
    let host = Host::enter();
    let container = host.namespace("vn1");
    let before = Snapshot::take::<&str>(&[&container], &[]);
    let mut session = Session::new(Some(Namespace::open(&container.path).unwrap()));
    Creation::new().make(&mut session, nic(1)).unwrap();
    let mut session = Session::new(None);
    let devices = owned_devices(&mut session).unwrap();
    assert_eq!(devices.len(), 1);
    remove_device(&mut session, &devices[0]).unwrap();
    assert_eq!(before, Snapshot::take::<&str>(&[&container], &[]));
}
