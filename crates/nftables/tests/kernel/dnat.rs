//! Packets that a map sends elsewhere.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use harness::{Host, Namespace, sh};
use netlink::Socket;
use nftables::nat::{Nat, Translated};
use nftables::rule::Place;
use nftables::{
    BaseChain, Chain, Comparison, Data, Element, Expression, Family, Field, Hook, Key, Kind, Meta, Policy, Register,
    Rule, Set, Table, Type, element, fib, transaction,
};

const KEY: &[Type] = &[Type::InetProto, Type::InetService];
static DNAT4: Set = Set::new("dnat4", KEY).to(&[Type::Ipv4, Type::InetService]);
static DNAT6: Set = Set::new("dnat6", KEY).to(&[Type::Ipv6, Type::InetService]);

const TCP: u8 = 6;
const UDP: u8 = 17;
const LIMIT: Duration = Duration::from_secs(5);

/// A client and a server with the host between them, whose ports 80 and 53 are the server's 8080 and 5353.
struct Stage {
    client: Namespace,
    server: Namespace,
    _host: Host,
}

impl Stage {
    fn new() -> Self {
        let host = Host::enter();
        let (client, server) = (host.namespace("client"), host.namespace("server"));
        for (number, name) in [(1, "client"), (2, "server")] {
            sh(&format!(
                "ip link add {name} type veth peer name eth0 netns {name} && ip link set {name} up && \
                 ip address add 10.{number}.0.1/24 dev {name} && ip address add fd00:{number}::1/64 dev {name} nodad && \
                 ip -n {name} link set eth0 up && ip -n {name} address add 10.{number}.0.2/24 dev eth0 && \
                 ip -n {name} address add fd00:{number}::2/64 dev eth0 nodad && \
                 ip -n {name} route add default via 10.{number}.0.1 && \
                 ip -n {name} route add default via fd00:{number}::1"
            ))
            .ok();
        }
        sh("echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding").ok();
        publish();
        Self { client, server, _host: host }
    }

    /// What the server answers over TCP to a client that connects to `to`, with the server's own port: it tells whom it sees.
    fn over_tcp(&self, to: SocketAddr, listening: SocketAddr) -> String {
        let listener = self.server.within(|| TcpListener::bind(listening).unwrap());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let (mut stream, peer) = listener.accept().unwrap();
                write!(stream, "{} at {}", peer.ip(), stream.local_addr().unwrap()).unwrap();
            });
            self.client.within(|| {
                let mut stream = TcpStream::connect_timeout(&to, LIMIT).unwrap();
                stream.set_read_timeout(Some(LIMIT)).unwrap();
                let mut text = String::new();
                stream.read_to_string(&mut text).unwrap();
                assert_eq!(stream.peer_addr().unwrap(), to, "the client sees the host");
                text
            })
        })
    }
}

fn publish() {
    let table = Table::new(Family::Inet, "published");
    let base = BaseChain {
        chain: Chain { table: table.clone(), name: "in".to_owned() },
        kind: Kind::Nat,
        hook: Hook::Prerouting,
        priority: -100,
        policy: Policy::Accept,
    };
    let first = Register::FIRST;
    let rule = |map: &Set, family, address: &[Type]| {
        Rule::new(vec![
            fib::address_type(fib::Address::Destination, first),
            Expression::Compare(Comparison::Equal, fib::LOCAL.to_vec()),
            Expression::Meta(Meta::L4proto),
            Field::DESTINATION_PORT.load(first.behind(&[Type::InetProto])),
            map.map(first, first),
            Nat::new(Translated::Destination, family, first).with_port(first.behind(address)).into(),
        ])
        .create(&base.chain, Place::Last)
    };
    let element = |protocol, from, to: Key| {
        Element::new(Key::protocol(protocol).and_port(from)).with_data(Data::Value(to)).with_comment("of server")
    };
    let four = Key::ipv4([10, 2, 0, 2].into());
    let six = Key::ipv6("fd00:2::2".parse().unwrap());
    let requests = vec![
        table.create(),
        DNAT4.create(&table, 1),
        DNAT6.create(&table, 2),
        element::create(
            &table,
            &DNAT4,
            &[element(TCP, 80, four.clone().and_port(8080)), element(UDP, 53, four.and_port(5353))],
        ),
        element::create(&table, &DNAT6, &[element(TCP, 80, six.and_port(8080))]),
        base.create(),
        rule(&DNAT4, Family::Ip, &[Type::Ipv4]),
        rule(&DNAT6, Family::Ip6, &[Type::Ipv6]),
    ];
    transaction(&mut Socket::open_netfilter().unwrap(), None, requests).unwrap();
}

#[test]
fn a_connection_to_the_host_reaches_what_the_map_says() {
    let stage = Stage::new();
    let (four, six) = ("10.1.0.1:80".parse().unwrap(), "[fd00:1::1]:80".parse().unwrap());
    assert_eq!(stage.over_tcp(four, "10.2.0.2:8080".parse().unwrap()), "10.1.0.2 at 10.2.0.2:8080");
    assert_eq!(stage.over_tcp(six, "[fd00:2::2]:8080".parse().unwrap()), "fd00:1::2 at [fd00:2::2]:8080");
}

#[test]
fn what_goes_elsewhere_stays_as_it_is() {
    let stage = Stage::new();
    let own = "10.2.0.2:80".parse().unwrap();
    assert_eq!(stage.over_tcp(own, own), "10.1.0.2 at 10.2.0.2:80", "no address of the host");
    let refused = stage.client.within(|| TcpStream::connect_timeout(&"10.1.0.1:81".parse().unwrap(), LIMIT));
    assert_eq!(refused.unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused, "a port that is not in the map");
}

#[test]
fn the_protocol_is_a_part_of_the_key() {
    let stage = Stage::new();
    let server = stage.server.within(|| UdpSocket::bind("10.2.0.2:5353").unwrap());
    let client = stage.client.within(|| UdpSocket::bind("10.1.0.2:4000").unwrap());
    for socket in [&server, &client] {
        socket.set_read_timeout(Some(LIMIT)).unwrap();
    }
    client.send_to(b"question", "10.1.0.1:53").unwrap();
    let mut text = [0; 20];
    let (length, from) = server.recv_from(&mut text).unwrap();
    assert_eq!((&text[..length], from), (&b"question"[..], "10.1.0.2:4000".parse().unwrap()));
    server.send_to(b"answer", from).unwrap();
    let (length, from) = client.recv_from(&mut text).unwrap();
    assert_eq!((&text[..length], from), (&b"answer"[..], "10.1.0.1:53".parse().unwrap()));
    let refused = stage.client.within(|| TcpStream::connect_timeout(&"10.1.0.1:53".parse().unwrap(), LIMIT));
    assert_eq!(refused.unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
}
