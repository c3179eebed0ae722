//! Maps, intervals, times, counters and translations, as the `nft` tool shows them, and as they are read back.

use std::time::Duration;

use harness::{Host, sh};
use netlink::{Mac, Request, Socket};
use nftables::conntrack::{self, Connection, state, status};
use nftables::nat::{self, Nat, Translated};
use nftables::rule::Place;
use nftables::{
    Base, BaseChain, Chain, Comparison, Count, Data, Element, Expression, Family, Field, Hook, Key, Kind, Meta, Policy,
    Register, Rule, Set, Span, Table, Type, Verdict, element, fib, set, set_mark, transaction,
};

const KEY: &[Type] = &[Type::InetProto, Type::InetService];
static DNAT4: Set = Set::new("dnat4", KEY).to(&[Type::Ipv4, Type::InetService]);
static DNAT6: Set = Set::new("dnat6", KEY).to(&[Type::Ipv6, Type::InetService]);
static VERDICTS: Set = Set::new("verdicts", &[Type::Ipv4]).to_verdicts();
static CLASSES: Set = Set::new("classes", &[Type::Ipv4]).to_verdicts().with_intervals();
static MARKS: Set = Set::new("marks", &[Type::Ipv4]).to(&[Type::Mark]);
static PREFIXES: Set = Set::new("prefixes", &[Type::Ipv4]).with_intervals();
static PREFIXES6: Set = Set::new("prefixes6", &[Type::Ipv6]).with_intervals();
static PORTS: Set = Set::new("ports", &[Type::InetService]).with_intervals();
static BOTH: Set = Set::new("both", &[Type::Ipv4, Type::InetService]).with_intervals();
static MAC: Set = Set::new("mac", &[Type::Ether]);
static PROTOCOLS: Set = Set::new("protocols", &[Type::InetProto]);
static MARKED: Set = Set::new("marked", &[Type::Mark]);
static BANS: Set = Set::new("bans", &[Type::Ipv4]).with_timeout(Duration::ZERO);
static BANNED: Set = Set::new("banned", &[Type::Ipv4]).with_timeout(Duration::from_secs(300));
static COUNTED: Set = Set::new("counted", &[Type::Ipv4]).with_counters();
static ALL: [&Set; 15] = [
    &DNAT4, &DNAT6, &VERDICTS, &CLASSES, &MARKS, &PREFIXES, &PREFIXES6, &PORTS, &BOTH, &MAC, &PROTOCOLS, &MARKED,
    &BANS, &BANNED, &COUNTED,
];

const SETS: &str = "table inet tried {
	map dnat4 {
		type inet_proto . inet_service : ipv4_addr . inet_service
		elements = { tcp . 80 comment \"of vn1\" : 10.0.0.9 . 8080 }
	}

	map dnat6 {
		type inet_proto . inet_service : ipv6_addr . inet_service
		elements = { udp . 53 : fd00:1::9 . 5353 }
	}

	map verdicts {
		type ipv4_addr : verdict
		elements = { 10.0.0.2 : jump other }
	}

	map classes {
		type ipv4_addr : verdict
		flags interval
		elements = { 10.0.0.0/8 : drop }
	}

	map marks {
		type ipv4_addr : mark
		elements = { 10.0.0.1 : 0x00000007 }
	}

	set prefixes {
		type ipv4_addr
		flags interval
		elements = { 0.0.0.0/8 comment \"first\", 10.1.0.0/16,
			     10.2.0.0/16, 192.0.2.1,
			     240.0.0.0/4 }
	}

	set prefixes6 {
		type ipv6_addr
		flags interval
		elements = { fd00:1::/64 }
	}

	set ports {
		type inet_service
		flags interval
		elements = { 0-22, 80-90, 65535 }
	}

	set both {
		type ipv4_addr . inet_service
		flags interval
		elements = { 10.1.0.0/16 . 80-90 }
	}

	set mac {
		type ether_addr
		elements = { 02:00:00:00:00:09 }
	}

	set protocols {
		type inet_proto
		elements = { tcp }
	}

	set marked {
		type mark
		elements = { 0x00000011 }
	}

	set bans {
		type ipv4_addr
		flags timeout
		elements = { 10.0.0.1 }
	}

	set banned {
		type ipv4_addr
		timeout 5m
	}

	set counted {
		type ipv4_addr
		counter
		elements = { 10.0.0.1 counter packets 3 bytes 4 comment \"c\" }
	}

	chain other {
	}
}";

const RULES: &str = "table inet tried {
	chain in {
		type nat hook prerouting priority dstnat; policy accept;
		fib daddr type local dnat ip to meta l4proto . th dport map @dnat4
		fib daddr type local dnat ip6 to meta l4proto . th dport map @dnat6
		meta l4proto tcp dnat ip to 10.0.0.9:80
		meta nfproto ipv4 dnat ip to 10.0.0.9 random,persistent
		meta l4proto tcp redirect to :8080
		ip saddr vmap @verdicts
		ip saddr . th sport @both accept
		meta mark set ip saddr map @marks
		meta mark set 0x00000007
		meta mark 0x00000007 accept
		ct state established,related accept
		ct status dnat accept
		ct mark set 0x00000007
		ct direction reply accept
		jump other
		goto other
	}
}";

fn table() -> Table {
    Table::new(Family::Inet, "tried")
}

fn ipv4(address: [u8; 4]) -> Key {
    Key::ipv4(address.into())
}

fn prefix(address: [u8; 4], length: u8) -> Element {
    Span::prefix4(address.into(), length).into()
}

/// One of each kind, as they are read back.
fn elements() -> Vec<(&'static Set, Vec<Element>)> {
    let to_six = Key::ipv6("fd00:1::9".parse().unwrap()).and_port(5353);
    let counted = Element { count: Some(Count { packets: 3, bytes: 4 }), ..Element::new(ipv4([10, 0, 0, 1])) };
    let jump = Data::Verdict(Verdict::Jump("other".to_owned()));
    let published = Data::Value(ipv4([10, 0, 0, 9]).and_port(8080));
    let published = Element::new(Key::protocol(6).and_port(80)).with_data(published).with_comment("of vn1");
    vec![
        (&DNAT4, vec![published]),
        (&DNAT6, vec![Element::new(Key::protocol(17).and_port(53)).with_data(Data::Value(to_six))]),
        (&VERDICTS, vec![Element::new(ipv4([10, 0, 0, 2])).with_data(jump)]),
        (&CLASSES, vec![prefix([10, 0, 0, 0], 8).with_data(Data::Verdict(Verdict::Drop))]),
        (&MARKS, vec![Element::new(ipv4([10, 0, 0, 1])).with_data(Data::Value(Key::mark(7)))]),
        (
            &PREFIXES,
            vec![
                prefix([0; 4], 8).with_comment("first"),
                prefix([10, 1, 0, 0], 16),
                prefix([10, 2, 0, 0], 16),
                Element::new(ipv4([192, 0, 2, 1])),
                prefix([240, 0, 0, 0], 4),
            ],
        ),
        (&PREFIXES6, vec![Span::prefix6("fd00:1::".parse().unwrap(), 64).into()]),
        (&PORTS, vec![Span::ports(0..=22).into(), Span::ports(80..=90).into(), Element::new(Key::port(65535))]),
        (&BOTH, vec![Span::prefix4([10, 1, 0, 0].into(), 16).and(&Span::ports(80..=90)).into()]),
        (&MAC, vec![Element::new(Key::mac(Mac([2, 0, 0, 0, 0, 9])))]),
        (&PROTOCOLS, vec![Element::new(Key::protocol(6))]),
        (&MARKED, vec![Element::new(Key::mark(0x11))]),
        (&BANS, vec![Element::new(ipv4([10, 0, 0, 1]))]),
        (&BANNED, vec![]),
        (&COUNTED, vec![counted.with_comment("c")]),
    ]
}

fn listed(socket: &mut Socket, table: &Table, set: &Set) -> Result<Vec<Element>, netlink::Error> {
    if set.has_intervals && set.key.len() == 1 {
        element::list_intervals(socket, table, set)
    } else {
        element::list(socket, table, set)
    }
}

/// All sets with their elements.
fn make() -> Vec<Request> {
    let mut requests = vec![table().create()];
    requests.push(Chain { table: table(), name: "other".to_owned() }.create());
    requests.extend((1..).zip(ALL).map(|(id, set)| set.create(&table(), id)));
    let elements = elements();
    let some = elements.iter().filter(|(_, elements)| !elements.is_empty());
    requests.extend(some.map(|(set, elements)| element::create(&table(), set, elements)));
    requests
}

fn base(name: &str, kind: Kind, hook: Hook) -> BaseChain {
    let chain = Chain { table: table(), name: name.to_owned() };
    BaseChain { chain, kind, hook, priority: -100, policy: Policy::Accept }
}

fn equal(value: &[u8]) -> Expression {
    Expression::Compare(Comparison::Equal, value.to_vec())
}

/// What is published on the host's own addresses.
fn published(map: &Set, family: Family, address: &[Type]) -> Vec<Expression> {
    let first = Register::FIRST;
    let nat = Nat::new(Translated::Destination, family, first).with_port(first.behind(address));
    vec![
        fib::address_type(fib::Address::Destination, first),
        equal(&fib::LOCAL),
        Expression::Meta(Meta::L4proto),
        Field::DESTINATION_PORT.load(first.behind(&[Type::InetProto])),
        map.map(first, first),
        nat.into(),
    ]
}

fn rules() -> Vec<Vec<Expression>> {
    let first = Register::FIRST;
    let second = first.behind(&[Type::Ipv4]);
    let tcp = || [Expression::Meta(Meta::L4proto), equal(&[6])];
    let ip = || [Expression::Meta(Meta::Nfproto), equal(&[2])];
    let source = || Expression::Field(Field { base: Base::Network, offset: 12, length: 4 });
    let accept = || Expression::Verdict(Verdict::Accept);
    let to_nine = || ipv4([10, 0, 0, 9]).load(first);
    let dnat = Nat::new(Translated::Destination, Family::Ip, first);
    let random = Nat { flags: nat::RANDOM | nat::PERSISTENT, ..dnat };
    let and = |condition: &[Expression], rest: Vec<Expression>| [condition, &rest].concat();
    vec![
        published(&DNAT4, Family::Ip, &[Type::Ipv4]),
        published(&DNAT6, Family::Ip6, &[Type::Ipv6]),
        and(&tcp(), vec![to_nine(), Key::port(80).load(second), dnat.with_port(second).into()]),
        and(&ip(), vec![to_nine(), random.into()]),
        and(&tcp(), vec![Key::port(8080).load(first), nat::redirect(Some(first), 0)]),
        and(&ip(), vec![source(), VERDICTS.decide(first)]),
        and(&ip(), vec![source(), Field::SOURCE_PORT.load(second), Expression::In(&BOTH), accept()]),
        and(&ip(), vec![source(), MARKS.map(first, first), set_mark(first)]),
        vec![Key::mark(7).load(first), set_mark(first)],
        vec![Meta::Mark.load(first), equal(Key::mark(7).bytes()), accept()],
        and(&Connection::State.has_any(state::ESTABLISHED | state::RELATED), vec![accept()]),
        and(&Connection::Status.has_any(status::DNAT), vec![accept()]),
        vec![Key::mark(7).load(first), conntrack::set_mark(first)],
        vec![Connection::Direction.load(first), equal(&[1]), accept()],
        vec![Expression::Verdict(Verdict::Jump("other".to_owned()))],
        vec![Expression::Verdict(Verdict::Goto("other".to_owned()))],
    ]
}

#[test]
fn the_tool_shows_sets_and_elements_as_they_are_meant() {
    let _host = Host::enter();
    let mut socket = Socket::open_netfilter().unwrap();
    transaction(&mut socket, None, make()).unwrap();
    assert_eq!(sh("nft list ruleset").ok(), SETS);
    // What it shows, it takes: every part means the same to it.
    sh("nft list ruleset > /run/shown && nft flush ruleset && nft -f /run/shown").ok();
    assert_eq!(sh("nft list ruleset").ok(), SETS);
}

#[test]
fn the_tool_shows_rules_as_they_are_meant() {
    let _host = Host::enter();
    let mut socket = Socket::open_netfilter().unwrap();
    let base = base("in", Kind::Nat, Hook::Prerouting);
    let mut requests = make();
    requests.push(base.create());
    requests.extend(rules().into_iter().map(|rule| Rule::new(rule).create(&base.chain, Place::Last)));
    transaction(&mut socket, None, requests).unwrap();
    assert_eq!(sh("nft list chain inet tried in").ok(), RULES);
}

#[test]
fn elements_are_read_back_whoever_made_them() {
    let _host = Host::enter();
    let mut socket = Socket::open_netfilter().unwrap();
    transaction(&mut socket, None, make()).unwrap();
    let read = |socket: &mut Socket| {
        for (set, expected) in elements() {
            assert_eq!(listed(socket, &table(), set).unwrap(), expected, "{}", set.name);
        }
    };
    read(&mut socket);
    sh("nft list ruleset > /run/shown && nft flush ruleset && nft -f /run/shown").ok();
    read(&mut socket);
    let sets = set::list(&mut socket, &table()).unwrap();
    let mut names: Vec<&str> = sets.iter().map(|found| found.name.as_str()).collect();
    names.sort_unstable();
    let mut expected = ALL.map(|set| set.name);
    expected.sort_unstable();
    assert_eq!(names, expected);
    assert!(sets.iter().all(|found| !found.is_anonymous && found.table == table()));
    // All of them can be named for removal as they were read.
    let requests = elements().into_iter().filter(|(_, elements)| !elements.is_empty());
    let requests = requests.map(|(set, elements)| element::delete(&table(), set, &elements)).collect();
    transaction(&mut socket, None, requests).unwrap();
    for set in ALL {
        assert_eq!(listed(&mut socket, &table(), set).unwrap(), [], "{}", set.name);
    }
}

#[test]
fn anonymous_sets_are_told_apart() {
    let _host = Host::enter();
    sh("nft 'table inet tried { chain c { ip saddr { 10.0.0.1, 10.0.0.2 } drop; }; }'").ok();
    let mut socket = Socket::open_netfilter().unwrap();
    let sets = set::list(&mut socket, &table()).unwrap();
    assert!(sets.len() == 1 && sets[0].is_anonymous, "{sets:?}");
    assert_eq!(set::list(&mut socket, &Table::new(Family::Ip, "none")).unwrap(), []);
}

#[test]
fn hundreds_of_intervals_come_in_several_messages() {
    let _host = Host::enter();
    let mut socket = Socket::open_netfilter().unwrap();
    // Every second of them lies next to the one before.
    let many: Vec<Element> = (0..1500u16)
        .map(|number| {
            let [high, low] = (number + number / 2).to_be_bytes();
            prefix([10, high, low, 0], 24).with_comment(format!("number {number}"))
        })
        .collect();
    let mut requests = vec![table().create(), PREFIXES.create(&table(), 1)];
    requests.extend(many.chunks(200).map(|some| element::create(&table(), &PREFIXES, some)));
    transaction(&mut socket, None, requests).unwrap();
    assert_eq!(listed(&mut socket, &table(), &PREFIXES).unwrap(), many);
    transaction(&mut socket, None, vec![element::delete(&table(), &PREFIXES, &many[100..600])]).unwrap();
    let left = [&many[..100], &many[600..]].concat();
    assert_eq!(listed(&mut socket, &table(), &PREFIXES).unwrap(), left);
}

#[test]
fn what_overlaps_is_refused() {
    let _host = Host::enter();
    let mut socket = Socket::open_netfilter().unwrap();
    transaction(&mut socket, None, make()).unwrap();
    for (set, element) in [
        (&PREFIXES, prefix([10, 1, 2, 0], 24)),
        (&PREFIXES, prefix([10, 1, 0, 0], 16)),
        (&PREFIXES, Element::new(ipv4([255; 4]))),
        (&PORTS, Span::ports(85..=95).into()),
        (&BOTH, Span::prefix4([10, 1, 1, 0].into(), 24).and(&Span::ports(90..=99)).into()),
    ] {
        let request = element::create(&table(), set, std::slice::from_ref(&element));
        let refusal = transaction(&mut socket, None, vec![request]).unwrap_err();
        assert_eq!(refusal.error.errno(), Some(libc::EEXIST), "{} {element:?}", set.name);
    }
}

#[test]
fn elements_expire() {
    let _host = Host::enter();
    let mut socket = Socket::open_netfilter().unwrap();
    transaction(&mut socket, None, make()).unwrap();
    let (minute, moment) = (Duration::from_secs(60), Duration::from_millis(300));
    let own = |last: u8| Element::new(ipv4([10, 0, 0, last]));
    let half = Element { expires: Some(minute / 2), ..own(3).with_timeout(minute) };
    let bans = [own(2).with_timeout(moment), half, own(4).with_timeout(minute)];
    let requests = vec![element::create(&table(), &BANS, &bans), element::create(&table(), &BANNED, &[own(1), own(2)])];
    transaction(&mut socket, None, requests).unwrap();
    let in_order = |socket: &mut Socket, set| {
        let mut found = listed(socket, &table(), set).unwrap();
        found.sort_by(|a, b| a.key.cmp(&b.key));
        found
    };
    let left = |element: &Element| element.expires.unwrap();
    let found = in_order(&mut socket, &BANS);
    assert_eq!(found.len(), 4, "{found:?}");
    assert_eq!((found[0].timeout, found[0].expires), (None, None), "the set's own: never");
    assert_eq!(found[1].timeout, Some(moment));
    assert!(left(&found[1]) <= moment, "{found:?}");
    assert_eq!(found[2].timeout, Some(minute));
    assert!((minute / 4..=minute / 2).contains(&left(&found[2])), "{found:?}");
    assert!((minute / 2..=minute).contains(&left(&found[3])), "{found:?}");
    let found = in_order(&mut socket, &BANNED);
    assert!(left(&found[0]) > Duration::from_secs(200) && left(&found[1]) <= Duration::from_secs(300), "{found:?}");
    let shown = sh("nft list set inet tried bans").ok();
    assert!(shown.contains("10.0.0.4 timeout 1m expires"), "{shown}");
    std::thread::sleep(moment);
    let keys: Vec<Key> = in_order(&mut socket, &BANS).into_iter().map(|element| element.key).collect();
    assert_eq!(keys, [ipv4([10, 0, 0, 1]), ipv4([10, 0, 0, 3]), ipv4([10, 0, 0, 4])]);
}

#[test]
fn elements_count() {
    let host = Host::enter();
    let far = host.namespace("far");
    sh("ip link add near type veth peer name eth0 netns far && ip link set near up && ip address add 10.0.0.9/24 dev near").ok();
    far.sh("ip link set eth0 up && ip address add 10.0.0.1/24 dev eth0 && ip address add 10.0.0.2/24 dev eth0").ok();
    let mut socket = Socket::open_netfilter().unwrap();
    let base = base("counting", Kind::Filter, Hook::Input);
    let source = Expression::Field(Field { base: Base::Network, offset: 12, length: 4 });
    let protocol = [Expression::Meta(Meta::L4proto), equal(&[1])];
    let rule = Rule::new([&protocol[..], &[source, Expression::In(&COUNTED)]].concat());
    let mut requests = make();
    requests.push(element::create(&table(), &COUNTED, &[Element::new(ipv4([10, 0, 0, 2]))]));
    requests.extend([base.create(), rule.create(&base.chain, Place::Last)]);
    transaction(&mut socket, None, requests).unwrap();
    let count = |socket: &mut Socket, last: u8| {
        let found = listed(socket, &table(), &COUNTED).unwrap();
        found.iter().find(|element| element.key == ipv4([10, 0, 0, last])).unwrap().count
    };
    assert_eq!(count(&mut socket, 2), Some(Count::default()));
    assert!(far.ping_with("10.0.0.9", "-c3 -i.05 -W2 -s 100 -I 10.0.0.2").all_answered());
    // 20 bytes of IP, 8 of ICMP.
    assert_eq!(count(&mut socket, 2), Some(Count { packets: 3, bytes: 3 * 128 }));
    assert_eq!(count(&mut socket, 1), Some(Count { packets: 3, bytes: 4 }), "what it began with");
}
