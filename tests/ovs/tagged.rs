//! Frames with VLAN tags, as they are on the wire: what a kernel without VLAN devices can show of VLANs.

use std::fs;
use std::io::{BufRead, BufReader};

use harness::{Background, Namespace, wait_until};
use tests::Frames;

/// The Ethertypes of tags.
pub(crate) const CUSTOMER: u16 = 0x8100;
pub(crate) const PROVIDER: u16 = 0x88a8;

/// One that is for experiments (IEEE 802).
const EXPERIMENT: u16 = 0x88b5;

/// A frame to all, that is known by its number.
pub(crate) fn frame(number: u8, tags: &[(u16, u16)]) -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend([2, 0, 0, 0, 0xee, number]);
    for (ethertype, vlan) in tags {
        frame.extend(ethertype.to_be_bytes());
        frame.extend(vlan.to_be_bytes());
    }
    frame.extend(EXPERIMENT.to_be_bytes());
    frame.extend([0; 46]);
    frame
}

/// A frame that has arrived: its number, and its tags from the outside.
pub(crate) type Arrival = (u8, Vec<u16>);

/// What arrives at `to` of the frames that are sent from `from` in order. The last of them must arrive: those before it that have not
/// by then never will, because they take the same way.
pub(crate) fn arrivals(from: (&Namespace, &str), to: (&Namespace, &str), frames: &[Vec<u8>]) -> Vec<Arrival> {
    let watch = Watch::at(to.0, to.1);
    send(from, frames);
    watch.until(frames.last().and_then(|frame| frame.get(11)).copied().expect("there are frames"))
}

/// Sends frames by an interface.
pub(crate) fn send(from: (&Namespace, &str), frames: &[Vec<u8>]) {
    let socket = Frames::open(from.0, from.1).expect("the interface is there");
    for frame in frames {
        assert!(socket.send(frame), "the interface is up");
    }
}

/// Somebody who looks at what arrives.
pub(crate) struct Watch {
    process: Background,
    place: String,
}

impl Watch {
    /// Looks from now on.
    pub(crate) fn at(ns: &Namespace, interface: &str) -> Self {
        let place = format!("{interface} of {}", ns.name);
        let log = format!("/run/scene/watching-{interface}-{}", ns.name);
        let filter = "(ether[6:4] = 0x02000000 and ether[10] = 0xee)";
        let command =
            format!("exec timeout 30 tcpdump --immediate-mode -n -t -l -e -Q in -i {interface} '{filter}' 2>{log}");
        let process = ns.spawn(&command);
        wait_until("tcpdump listens", || fs::read_to_string(&log).is_ok_and(|text| text.contains("listening")));
        fs::remove_file(log).expect("it was written");
        Self { process, place }
    }

    /// What has arrived until the frame of this number, which must.
    pub(crate) fn until(mut self, last: u8) -> Vec<Arrival> {
        let mut arrived = Vec::new();
        let stdout = self.process.child().stdout.take().expect("its output is ours");
        for line in BufReader::new(stdout).lines() {
            let arrival = read(&line.expect("tcpdump prints text"));
            let is_last = arrival.as_ref().is_some_and(|(number, _)| *number == last);
            arrived.extend(arrival);
            if is_last {
                return arrived;
            }
        }
        panic!("frame {last} did not arrive at {}; those that did: {arrived:?}", self.place);
    }
}

/// `02:00:00:00:ee:01 > ff:ff:ff:ff:ff:ff, ethertype 802.1Q (0x8100), length 64: vlan 5, p 0, ethertype Unknown (0x88b5), …`.
fn read(line: &str) -> Option<Arrival> {
    let number = line.strip_prefix("02:00:00:00:ee:")?.get(..2)?;
    let tags = line.split("vlan ").skip(1);
    let tag = |text: &str| text.split(',').next().and_then(|number| number.parse().ok());
    Some((u8::from_str_radix(number, 16).ok()?, tags.filter_map(tag).collect()))
}
