//! What the path between two places on one machine carries: rate, delay, jitter, loss.
//!
//! A [`Place`] is an address in a network namespace. [`tcp()`] and [`udp()`] measure a rate, [`probe()`] what happens to single
//! datagrams on their way in one direction, [`round_trips`] what an echo takes there and back. All of it happens between
//! sockets of this process, which are opened in the places' namespaces: no other program is needed, and both ends read
//! the same clock. Arrivals are stamped by the kernel, so that a busy processor does not lengthen a delay.
//! [`frames`] counts a stream where it arrives at an interface, which is what a queue let pass whatever TCP makes of it.
//!
//! Every function ends by itself. A path that carries nothing gives an error where a connection is needed, and otherwise a
//! result in which nothing arrived.
//!
//! Rates count as they do for a queue of the kernel: the frame with its 14 bytes of Ethernet header, without preamble and
//! checksum (`qdisc_pkt_len_init` in `net/core/dev.c`).

mod arrivals;
mod batch;
mod clock;
mod control;
mod curve;
mod echo;
mod error;
mod frames;
mod offer;
mod payload;
mod place;
mod probe;
mod probes;
mod round_trips;
mod slices;
mod socket;
pub mod statistics;
mod tcp;
mod tcp_info;
mod throughput;
mod udp;

pub use curve::Curve;
pub use error::Error;
pub use frames::{Frames, frames};
pub use offer::{Offered, offer};
pub use place::Place;
pub use probe::{Probe, probe};
pub use probes::{Arrival, Probes};
pub use round_trips::{RoundTrips, round_trips, round_trips_within};
pub use tcp::{Tcp, tcp};
pub use throughput::{Datagrams, TcpWaits, Throughput};
pub use udp::{Udp, udp};
