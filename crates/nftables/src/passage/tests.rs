use super::{Fate, Way, fate};
use crate::conntrack::{Connection, state};
use crate::message::{put_number, put_text};
use crate::rule::Found;
use crate::{
    Chain, Comparison, Data, Element, Expression, Family, Field, Key, Meta, Policy, Register, Set, Table, Verdict,
};

const ACCEPT: Expression = Expression::Verdict(Verdict::Accept);
const DROP: Expression = Expression::Verdict(Verdict::Drop);

fn equal(value: &[u8]) -> Expression {
    Expression::Compare(Comparison::Equal, value.to_vec())
}

fn has_state(bits: u32) -> Vec<Expression> {
    Connection::State.has_any(bits).to_vec()
}

/// A rule of one chain: conditions, then how it ends.
fn rule(conditions: impl IntoIterator<Item = Expression>, end: Expression) -> Found {
    let chain = Chain { table: Table::new(Family::Inet, "fw"), name: "forward".to_owned() };
    Found::of(chain, &conditions.into_iter().chain([end]).collect::<Vec<_>>())
}

fn of_iptables(name: &str, revision: u32, info: &[u8]) -> Expression {
    Expression::encode("match", |data| {
        put_text(data, 1, name);
        put_number(data, 2, revision);
        netlink::attributes::append(data, 3, info);
    })
}

/// `--ctstate`, after all else of `struct xt_conntrack_mtinfo3`.
fn ctstate(bits: u32, is_inverted: bool) -> Expression {
    let mut info = vec![0; 168];
    info[146..148].copy_from_slice(&1_u16.to_ne_bytes());
    info[148..150].copy_from_slice(&u16::from(is_inverted).to_ne_bytes());
    info[150..152].copy_from_slice(&u16::try_from(bits).unwrap().to_ne_bytes());
    of_iptables("conntrack", 3, &info)
}

fn fate_of(rules: &[Found], family: Family) -> Fate {
    let sets = |name: &str| {
        let elements = |keys: &[Key]| Some(keys.iter().cloned().map(Element::new).collect());
        let state = |bit: u32| Key::mark(bit);
        match name {
            "all" => elements(&[Key::protocol(1), Key::protocol(6), Key::protocol(17)]),
            "icmp" => elements(&[Key::protocol(1), Key::protocol(58)]),
            "links" => elements(&[Key::link("eth0"), Key::link("br0")]),
            "ports" => elements(&[Key::port(22), Key::port(443)]),
            "most ports" => Some(vec![Element { last: Some(Key::port(u16::MAX)), ..Element::new(Key::port(1024)) }]),
            "open" => elements(&[state(2), state(4)]),
            "states" => {
                let verdicts = [(state::ESTABLISHED, Verdict::Accept), (state::NEW, Verdict::Drop)];
                let element = |(bit, verdict)| Element::new(state(bit)).with_data(Data::Verdict(verdict));
                Some(verdicts.map(element).into())
            }
            _ => None,
        }
    };
    let way = Way { from: "br0", to: "br0", family };
    fate(rules, &mut { sets }, "forward", Some(Policy::Accept), way)
}

fn in_set(content: Expression, name: &'static str) -> [Expression; 2] {
    [content, Expression::In(Box::leak(Box::new(Set::new(name, &[]))))]
}

fn refused() -> Fate {
    Fate::Refused("forward".to_owned())
}

#[test]
fn who_refuses_new_connections_refuses_what_is_sent() {
    let open = || rule(has_state(state::ESTABLISHED | state::RELATED), ACCEPT);
    let of_state = || Connection::State.load(Register::FIRST);
    for last in [
        rule(has_state(state::NEW), DROP),
        rule(has_state(state::NEW | state::INVALID), DROP),
        rule([of_state(), equal(&state::NEW.to_ne_bytes())], DROP),
        rule([ctstate(state::NEW, false)], DROP),
        rule([ctstate(state::ESTABLISHED | state::RELATED, true)], DROP),
        rule([of_iptables("state", 0, &state::NEW.to_ne_bytes())], DROP),
        rule([of_state()], Set::new("states", &[]).decide(Register::FIRST)),
        rule([], DROP),
    ] {
        for family in [Family::Ip, Family::Ip6] {
            assert_eq!(fate_of(&[open(), last.clone()], family), refused(), "{last:?}");
        }
    }
    let others = [rule(has_state(state::INVALID), DROP), rule([ctstate(state::INVALID, false)], DROP)];
    assert_eq!(fate_of(&others, Family::Ip), Fate::Pass);
}

#[test]
fn a_family_is_followed_by_itself() {
    let of_ipv4 = |end| rule([Expression::Meta(Meta::Nfproto), equal(&[2])], end);
    let of_type = rule([Expression::Meta(Meta::Protocol), equal(&[0x08, 0])], DROP);
    for refuses in [of_ipv4(DROP), of_type] {
        assert_eq!(fate_of(std::slice::from_ref(&refuses), Family::Ip), refused());
        assert_eq!(fate_of(&[refuses], Family::Ip6), Fate::Pass);
    }
    let accepts = [of_ipv4(ACCEPT), rule([], DROP)];
    assert_eq!((fate_of(&accepts, Family::Ip), fate_of(&accepts, Family::Ip6)), (Fate::Pass, refused()));
}

#[test]
fn what_may_be_accepted_before_is_not_refused() {
    let all = |bits| rule(has_state(bits), ACCEPT);
    let meta = Expression::Meta;
    let port = || Expression::Field(Field::DESTINATION_PORT);
    let limit = || Expression::encode("limit", |_| {});
    for accepts in [
        vec![all(state::NEW | state::ESTABLISHED | state::RELATED)],
        vec![all(state::ESTABLISHED | state::RELATED), all(state::NEW)],
        vec![rule(
            [
                Connection::State.load(Register::FIRST),
                Expression::Compare(Comparison::Unequal, state::INVALID.to_ne_bytes().into()),
            ],
            ACCEPT,
        )],
        vec![rule([ctstate(state::NEW | state::ESTABLISHED, false)], ACCEPT)],
        vec![rule([ctstate(state::INVALID, true)], ACCEPT)],
        vec![rule(in_set(meta(Meta::L4proto), "all"), ACCEPT)],
        vec![rule(in_set(meta(Meta::L4proto), "unknown"), ACCEPT)],
        vec![rule([meta(Meta::L4proto), equal(&[6])], ACCEPT)],
        vec![rule(in_set(meta(Meta::Iifname), "links"), ACCEPT)],
        vec![rule(in_set(port(), "most ports"), ACCEPT)],
        vec![rule([port(), Expression::Compare(Comparison::Unequal, vec![0, 22])], ACCEPT)],
        vec![rule([limit()], ACCEPT)],
        vec![rule([of_iptables("limit", 0, &[0; 40])], ACCEPT)],
        vec![rule([of_iptables("mark", 1, &[0; 12])], ACCEPT)],
        vec![rule([of_iptables("conntrack", 3, &[0; 20])], ACCEPT)],
    ] {
        let rules: Vec<Found> = accepts.into_iter().chain([rule([], DROP)]).collect();
        assert!(!matches!(fate_of(&rules, Family::Ip), Fate::Refused(_)), "{rules:?}");
    }
}

#[test]
fn what_accepts_some_packets_only_does_not_count() {
    let meta = Expression::Meta;
    let port = || Expression::Field(Field::DESTINATION_PORT);
    let tcp = |ports: [u16; 4]| {
        let info: Vec<u8> = ports.into_iter().flat_map(u16::to_ne_bytes).chain([0; 4]).collect();
        of_iptables("tcp", 0, &info)
    };
    for accepts in [
        rule(has_state(state::ESTABLISHED | state::RELATED), ACCEPT),
        rule(in_set(Connection::State.load(Register::FIRST), "open"), ACCEPT),
        rule(Connection::Status.has_any(crate::conntrack::status::DNAT), ACCEPT),
        rule(in_set(meta(Meta::L4proto), "icmp"), ACCEPT),
        rule([port(), equal(&[0, 22])], ACCEPT),
        rule(in_set(port(), "ports"), ACCEPT),
        rule([tcp([0, u16::MAX, 22, 22])], ACCEPT),
        rule([of_iptables("multiport", 1, &[0; 48])], ACCEPT),
        rule([of_iptables("icmp", 0, &[0; 4])], ACCEPT),
        rule([meta(Meta::Oifname), equal(&Key::link("eth0").0)], ACCEPT),
    ] {
        assert_eq!(fate_of(&[accepts.clone(), rule([], DROP)], Family::Ip), refused(), "{accepts:?}");
    }
    let any_port = [rule([tcp([0, u16::MAX, 0, u16::MAX])], ACCEPT), rule([], DROP)];
    assert_eq!(fate_of(&any_port, Family::Ip), Fate::Pass);
}

#[test]
fn only_a_rule_without_conditions_refuses_all() {
    assert!(rule([], DROP).refuses_all() && rule([Expression::Counter], DROP).refuses_all());
    assert!(rule([of_iptables("comment", 0, b"x\0")], DROP).refuses_all());
    let ipv4 = [Expression::Meta(Meta::Nfproto), equal(&[2])];
    assert!(!rule(ipv4, DROP).refuses_all() && !rule(has_state(state::NEW), DROP).refuses_all());
    assert!(!rule([ctstate(state::NEW, false)], DROP).refuses_all() && !rule([], ACCEPT).refuses_all());
}
