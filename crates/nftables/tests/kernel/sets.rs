//! What the kernel takes, and how the `nft` tool shows it.

use harness::{Host, sh};
use netlink::{Mac, Socket};
use nftables::rule::{self, Place};
use nftables::{
    BaseChain, Chain, Comparison, Element, Expression, Family, Hook, Key, Kind, Meta, Policy, Rule, Set, Table, Type,
    Verdict, chain, element, get_generation, read_generation, read_uses, transaction,
};

static LINKS: Set = Set::new("links", &[Type::Ifname]);
static V4: Set = Set::new("v4", &[Type::Ifname, Type::Ipv4]);
static V6: Set = Set::new("v6", &[Type::Ifname, Type::Ipv6]);
static MACS: Set = Set::new("macs", &[Type::Ifname, Type::Ether]);

const SHOWN: &str = "table inet tried {
	set links {
		type ifname
		elements = { \"br0\" comment \"first\" }
	}

	set v4 {
		type ifname . ipv4_addr
		elements = { \"br0\" . 10.1.0.2 comment \"second\" }
	}

	set v6 {
		type ifname . ipv6_addr
		elements = { \"br0\" . fd00:1::2 }
	}

	set macs {
		type ifname . ether_addr
		elements = { \"br0\" . 02:00:00:00:00:09 comment \"third\" }
	}

	chain out {
		type filter hook forward priority filter - 7; policy drop;
		iifname \"br0\" accept comment \"of the test\"
		iifname @links counter packets 0 bytes 0 drop
	}
}";

fn table() -> Table {
    Table::new(Family::Inet, "tried")
}

fn base() -> BaseChain {
    let chain = Chain { table: table(), name: "out".to_owned() };
    BaseChain { chain, kind: Kind::Filter, hook: Hook::Forward, priority: -7, policy: Policy::Drop }
}

fn elements() -> [(&'static Set, Element); 4] {
    let named = |key, comment: &str| Element::new(key).with_comment(comment);
    [
        (&LINKS, named(Key::link("br0"), "first")),
        (&V4, named(Key::link("br0").and_ipv4([10, 1, 0, 2].into()), "second")),
        (&V6, named(Key::link("br0").and_ipv6("fd00:1::2".parse().unwrap()), "")),
        (&MACS, named(Key::link("br0").and_mac(Mac([2, 0, 0, 0, 0, 9])), "third")),
    ]
}

/// Makes one of everything.
fn make(socket: &mut Socket) {
    let mut requests = vec![table().create()];
    requests.extend((1..).zip([&LINKS, &V4, &V6, &MACS]).map(|(id, set)| set.create(&table(), id)));
    requests.extend(elements().iter().map(|(set, one)| element::create(&table(), set, std::slice::from_ref(one))));
    let base = base();
    requests.push(base.create());
    let dropped = vec![
        Expression::Meta(Meta::Iifname),
        Expression::In(&LINKS),
        Expression::Counter,
        Expression::Verdict(Verdict::Drop),
    ];
    requests.push(Rule::new(dropped).create(&base.chain, Place::Last));
    let accepted = vec![
        Expression::Meta(Meta::Iifname),
        Expression::Compare(Comparison::Equal, b"br0\0".to_vec()),
        Expression::Verdict(Verdict::Accept),
    ];
    let first = Rule { expressions: accepted, comment: "of the test".to_owned() };
    requests.push(first.create(&base.chain, Place::First));
    transaction(socket, None, requests).unwrap();
}

#[test]
fn the_tool_shows_everything_as_it_is_meant() {
    let _host = Host::enter();
    let mut socket = Socket::open_netfilter().unwrap();
    make(&mut socket);
    assert_eq!(sh("nft list ruleset").ok(), SHOWN);
    // What it shows, it takes: every part means the same to it.
    sh("nft list ruleset > /run/shown && nft flush ruleset && nft -f /run/shown").ok();
    assert_eq!(sh("nft list ruleset").ok(), SHOWN);
}

#[test]
fn what_is_there_is_listed_whoever_made_it() {
    let _host = Host::enter();
    std::fs::write("/run/shown", SHOWN).unwrap();
    sh("nft -f /run/shown").ok();
    let mut socket = Socket::open_netfilter().unwrap();
    for (set, element) in elements() {
        assert_eq!(element::list(&mut socket, &table(), set).unwrap(), [element], "{}", set.name);
    }
    let chains = chain::list(&mut socket, None).unwrap();
    assert_eq!(chains.len(), 1);
    assert_eq!(chains[0].chain, base().chain);
    assert!(chains[0].is_at(Hook::Forward) && chains[0].policy == Some(Policy::Drop));
    let rules = rule::list(&mut socket, &table(), Some("out")).unwrap();
    let comments: Vec<&str> = rules.iter().map(|rule| rule.comment.as_str()).collect();
    assert_eq!(comments, ["of the test", ""]);
    transaction(&mut socket, None, vec![rules[0].delete()]).unwrap();
    assert!(!sh("nft list ruleset").ok().contains("of the test"));
    assert_eq!(rule::list(&mut socket, &Table::new(Family::Ip, "none"), None).unwrap(), []);
    assert_eq!(element::list(&mut socket, &Table::new(Family::Ip, "none"), &V4).unwrap(), []);
}

#[test]
fn hundreds_of_elements_come_in_several_messages() {
    let _host = Host::enter();
    let mut socket = Socket::open_netfilter().unwrap();
    let many: Vec<Element> = (0..2000u32)
        .map(|number| Element::new(Key::link("br0").and_ipv4(number.into())).with_comment(format!("number {number}")))
        .collect();
    let mut requests = vec![table().create(), V4.create(&table(), 1)];
    requests.extend(many.chunks(200).map(|some| element::create(&table(), &V4, some)));
    transaction(&mut socket, None, requests).unwrap();
    let mut found = element::list(&mut socket, &table(), &V4).unwrap();
    found.sort_by(|a, b| a.key.cmp(&b.key));
    assert_eq!(found, many);
    transaction(&mut socket, None, vec![element::delete(&table(), &V4, &many[..500])]).unwrap();
    assert_eq!(element::list(&mut socket, &table(), &V4).unwrap().len(), 1500);
}

#[test]
fn an_old_generation_is_refused_and_changes_nothing() {
    let _host = Host::enter();
    let mut socket = Socket::open_netfilter().unwrap();
    let now = |socket: &mut Socket| read_generation(&socket.request(get_generation())).unwrap();
    let seen = now(&mut socket);
    make(&mut socket);
    assert_ne!(now(&mut socket), seen);
    let refusal = transaction(&mut socket, Some(seen), vec![table().delete()]).unwrap_err();
    assert_eq!((refusal.place, refusal.error.errno()), (None, Some(libc::ERESTART)));
    assert_eq!(sh("nft list ruleset").ok(), SHOWN);
    let seen = now(&mut socket);
    transaction(&mut socket, Some(seen), vec![table().delete()]).unwrap();
    assert_eq!(sh("nft list ruleset").ok(), "");
}

#[test]
fn a_refused_request_undoes_those_before_it() {
    let _host = Host::enter();
    let mut socket = Socket::open_netfilter().unwrap();
    let (set, one) = &elements()[0];
    let elements = || element::create(&table(), set, std::slice::from_ref(one));
    let refusal = transaction(&mut socket, None, vec![elements()]).unwrap_err();
    assert_eq!((refusal.place, refusal.error.errno()), (Some(0), Some(libc::ENOENT)), "there is no table");
    let twice = vec![table().create(), set.create(&table(), 1), elements(), elements()];
    let refusal = transaction(&mut socket, None, twice).unwrap_err();
    assert_eq!((refusal.place, refusal.error.errno()), (Some(3), Some(libc::EEXIST)), "its key is there already");
    assert_eq!(sh("nft list ruleset").ok(), "");
    assert!(socket.request(table().get()).is_err());
}

#[test]
fn rules_are_known_by_what_they_do() {
    let _host = Host::enter();
    let mut socket = Socket::open_netfilter().unwrap();
    make(&mut socket);
    let dropped = vec![
        Expression::Meta(Meta::Iifname),
        Expression::In(&LINKS),
        Expression::Counter,
        Expression::Verdict(Verdict::Drop),
    ];
    let read = |socket: &mut Socket| {
        let rules = rule::list(socket, &table(), Some("out")).unwrap();
        rules.iter().map(|rule| rule.does(&dropped)).collect::<Vec<bool>>()
    };
    assert_eq!(read(&mut socket), [false, true]);
    sh("nft list ruleset > /run/shown && nft flush ruleset && nft -f /run/shown").ok();
    assert_eq!(read(&mut socket), [false, true], "as nft encodes it");
}

#[test]
fn rules_go_where_they_are_put() {
    let _host = Host::enter();
    let mut socket = Socket::open_netfilter().unwrap();
    make(&mut socket);
    let chain = base().chain;
    let named = |comment: &str| Rule { expressions: vec![Expression::Counter], comment: comment.to_owned() };
    let found = rule::list(&mut socket, &table(), Some("out")).unwrap();
    let (first, last) = (found[0].handle, found[1].handle);
    let requests = vec![
        named("b").create(&chain, Place::Before(last)),
        named("c").create(&chain, Place::Before(last)),
        named("a").create(&chain, Place::Behind(first)),
        named("d").create(&chain, Place::Behind(last)),
    ];
    transaction(&mut socket, None, requests).unwrap();
    let found = rule::list(&mut socket, &table(), Some("out")).unwrap();
    let comments: Vec<&str> = found.iter().map(|rule| rule.comment.as_str()).collect();
    assert_eq!(comments, ["of the test", "a", "b", "c", "", "d"]);
    let object = socket.request(chain.get()).unwrap().unwrap();
    assert_eq!(chain::Found::read(&object).unwrap().uses, 6);
    let object = socket.request(table().get()).unwrap().unwrap();
    assert_eq!(read_uses(&object), Some(5), "four sets and a chain");
}
