//! A guest that is a namespace: its stack behind a TAP device, as that of a virtual machine, on any kernel.

use std::fs::File;
use std::io::{Read, Write};

use harness::Namespace;

use crate::Guest;

/// The longest frame with its header: a super-packet.
const FRAME_BYTES: usize = 70_000;

/// Carries frames between a TAP device under test and one in the guest's namespace, called `eth0` there, until one of them
/// goes. What each reads is what the monitor of a virtual machine would read and write.
///
/// # Panics
/// If the devices cannot be opened.
pub fn relay(device: Guest, guest: &Namespace, mac: &str) {
    let make = format!("ip tuntap add eth0 mode tap vnet_hdr && ip link set eth0 address {mac}");
    guest.sh(&make).ok();
    let inside = Guest::open_in(guest, "eth0").expect("the guest's own device can be opened");
    guest.sh("ip link set eth0 up").ok();
    let (device, inside) = (device.into_blocking(), inside.into_blocking());
    for (from, to) in [(&device, &inside), (&inside, &device)] {
        let clone = |file: &File| file.try_clone().expect("a descriptor");
        let (from, to) = (clone(from), clone(to));
        std::thread::spawn(move || carry(from, to));
    }
}

/// Ends with an error of either: one has gone. A device that is down refuses a frame, and may come up.
fn carry(mut from: File, mut to: File) {
    let mut frame = vec![0; FRAME_BYTES];
    while let Ok(length) = from.read(&mut frame) {
        let is_gone = |error: &std::io::Error| error.raw_os_error() == Some(libc::EBADFD);
        if frame.get(..length).is_none_or(|frame| to.write_all(frame).is_err_and(|error| is_gone(&error))) {
            break;
        }
    }
}
