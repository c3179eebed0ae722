//! Packets that somebody records, changes and sends again.

use std::net::Ipv4Addr;

use harness::Namespace;
use tests::{Frames, Packet};

use super::super::site::{GROUP, Member, Site, all_reach_each_other};
use super::site::{Heard, Way, counted, dropped, members, new_key, say};
use super::wire::MARK;
use super::{KEY, sealed};

const ESP: u8 = 50;

/// Where an IPv4 header's checksum, source and destination are in a frame.
const CHECKSUM: usize = 14 + 10;
const SOURCE: usize = 14 + 12;
const DESTINATION: usize = 14 + 16;
const HEADER: std::ops::Range<usize> = 14..34;

/// A frame with a packet of IPv4, that somebody has recorded.
#[derive(Debug, Clone)]
struct Recorded(Vec<u8>);

impl Recorded {
    fn sent_from(&self, address: Ipv4Addr) -> Self {
        self.put(SOURCE, &address.octets())
    }

    /// On its way to another host, with its hardware address.
    fn to_host(&self, address: Ipv4Addr, mac: [u8; 6]) -> Self {
        self.put(0, &mac).put(DESTINATION, &address.octets())
    }

    /// With one bit of its payload changed, counted in bytes from the payload's end.
    fn flipped(&self, from_end: usize) -> Self {
        let place = self.0.len() - from_end;
        self.put(place, &[self.0[place] ^ 0x10])
    }

    fn put(&self, place: usize, bytes: &[u8]) -> Self {
        let mut frame = self.0.clone();
        frame[place..place + bytes.len()].copy_from_slice(bytes);
        frame[CHECKSUM..CHECKSUM + 2].fill(0);
        // RFC 1071.
        let sum: u32 = frame[HEADER].chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
        let folded = (sum & 0xffff) + (sum >> 16);
        let checksum = !u16::try_from((folded & 0xffff) + (folded >> 16)).expect("it is folded");
        frame[CHECKSUM..CHECKSUM + 2].copy_from_slice(&checksum.to_be_bytes());
        Self(frame)
    }
}

/// Fails unless what somebody has recorded of members on the first three hosts is heard before `change`, and not after it.
pub(super) fn ends(site: &Site<4>, members: &[Member], change: impl FnOnce()) {
    let [one, two, _] = members else { panic!("three members") };
    let heard = Heard::at(two, &MARK);
    let stranger = &site.hosts[3];
    let air = Frames::open(stranger, "eth0").expect("the NIC is there");
    let own = mac(stranger);
    let group: Ipv4Addr = GROUP.parse().expect("an address");
    let mut recordings = recorded(site, one, &two.address, site.uplink(1).ipv4);
    recordings.extend(recorded(site, one, "10.0.0.255", group));
    assert_eq!(heard.times(), 2, "as it was said");
    let send = || {
        recordings.iter().for_each(|frame| assert!(air.send(&frame.put(6, &own).0)));
        heard.times()
    };
    assert_eq!(send(), 2, "sent again");
    change();
    let missing = counted(&site.hosts[1], "XfrmInNoStates");
    assert_eq!(send(), 0, "sent again after the key was replaced");
    assert!(counted(&site.hosts[1], "XfrmInNoStates") >= missing + 2);
}

/// Records what carries the mark from the first member to an address: packets of ESP from that host to another or to the group.
fn recorded(site: &Site<4>, one: &Member, to: &str, destination: Ipv4Addr) -> Vec<Recorded> {
    let wire = Frames::open(&site.hosts[0], "eth0").expect("the NIC is there");
    say(one, to, &MARK);
    std::thread::sleep(std::time::Duration::from_millis(20));
    let from = site.uplink(0).ipv4;
    let frames: Vec<Recorded> = std::iter::from_fn(|| wire.next())
        .filter(|frame| {
            Packet::parse(frame)
                .is_some_and(|packet| packet.protocol == ESP && packet.from == from && packet.to == destination)
        })
        .map(Recorded)
        .collect();
    assert!(!frames.is_empty(), "something went from {from} to {destination}");
    frames
}

fn mac(host: &Namespace) -> [u8; 6] {
    let link = host.ip("link show dev eth0");
    let text = link[0]["address"].as_str().expect("an address");
    let bytes: Vec<u8> = text.split(':').filter_map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
    bytes.try_into().expect("six bytes")
}

#[test]
fn what_is_recorded_and_sent_again_is_heard_at_most_as_if_nobody_had_meddled() {
    sealed(|| {
        let site = Site::<4>::new();
        new_key(KEY);
        let way = Way::Group;
        let [a, b, c, stranger] = &site.hosts;
        let members = members(&site, &way.sealed(&site, 3, KEY));
        all_reach_each_other(&members.iter().collect::<Vec<_>>());
        let [one, two, three] = members.as_slice() else { panic!("three members") };
        let heard = [two, three].map(|member| Heard::at(member, &MARK));
        let times = || heard.each_ref().map(Heard::times);
        let air = Frames::open(stranger, "eth0").expect("the NIC is there");
        let send = |frames: &[Recorded], change: &dyn Fn(&Recorded) -> Recorded| {
            // The switch would send what is for the first host to the stranger, if that took its hardware address.
            frames.iter().for_each(|frame| assert!(air.send(&change(frame).put(6, &mac(stranger)).0)));
            times()
        };
        let [address_b, address_c, own] = [1, 2, 3].map(|place| site.uplink(place).ipv4);
        let group: Ipv4Addr = GROUP.parse().expect("an address");
        let to_two = recorded(&site, one, &two.address, address_b);
        let to_all = recorded(&site, one, "10.0.0.255", group);
        assert_eq!(times(), [2, 1], "as it was said");

        // The replay window is 0, because the numbers begin anew with each join (RFC 4303, 3.4.3 and 5).
        assert_eq!(send(&to_two, &Recorded::clone), [1, 0], "the same, from the same address");
        assert_eq!(send(&to_all, &Recorded::clone), [1, 1], "the same, from the same address");

        let before = dropped(b);
        assert_eq!(send(&to_two, &|frame| frame.sent_from(own)), [0, 0], "from the stranger's own address");
        assert_eq!(send(&to_all, &|frame| frame.sent_from(own)), [0, 0], "from the stranger's own address");
        println!("{} dropped", dropped(b) - before);
        assert_eq!(send(&to_two, &|frame| frame.sent_from(address_c)), [0, 0], "from another peer's address");

        let missing = counted(c, "XfrmInNoStates");
        assert_eq!(send(&to_two, &|frame| frame.to_host(address_c, mac(c))), [0, 0], "to another member");
        assert!(counted(c, "XfrmInNoStates") > missing);
        assert_eq!(send(&to_all, &|frame| frame.to_host(address_b, mac(b))), [0, 0], "to one, of what was to all");

        for from_end in [1, 16, 17, 40, to_two[0].0.len() - HEADER.end - 9] {
            let wrong = counted(b, "XfrmInStateProtoError");
            assert_eq!(send(&to_two, &|frame| frame.flipped(from_end)), [0, 0], "one bit, {from_end} from the end");
            assert!(counted(b, "XfrmInStateProtoError") > wrong, "{from_end} from the end");
        }
        // Whoever clears the firewall has the states yet, which know whose they are.
        for host in [a, b, c] {
            host.sh("nft flush ruleset").ok();
        }
        assert_eq!(send(&to_two, &|frame| frame.sent_from(own)), [0, 0], "from the stranger's own address");
        assert_eq!(send(&to_all, &|frame| frame.sent_from(own)), [0, 0], "from the stranger's own address");
        // An address with the same sum of 16-bit words: the checksum of UDP is as good as before.
        let [one_byte, two_byte, three_byte, four_byte] = site.uplink(0).ipv4.octets();
        let same_sum = Ipv4Addr::new(three_byte, four_byte, one_byte, two_byte);
        let mismatched = counted(b, "XfrmInStateMismatch");
        assert_eq!(send(&to_two, &|frame| frame.sent_from(same_sum)), [0, 0], "from an address with the same sum");
        assert_eq!(send(&to_all, &|frame| frame.sent_from(same_sum)), [0, 0], "from an address with the same sum");
        assert!(counted(b, "XfrmInStateMismatch") >= mismatched + 2);
        assert_eq!(send(&to_two, &Recorded::clone), [1, 0], "the control");
        all_reach_each_other(&members.iter().collect::<Vec<_>>());
        members.iter().for_each(Member::delete);
    });
}
