//! Many datagrams in one system call, both ways.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use crate::control::Control;
use crate::payload;

/// Datagrams for one call. A call costs about as much as a datagram, so that more would gain little.
pub(crate) const BATCH: usize = 64;

/// Room for a time (32 bytes) and a traffic class (24).
const CONTROL_WORDS: usize = 16;

/// Where datagrams are received into.
pub(crate) struct Inbox {
    room: usize,
    payloads: Vec<u8>,
    controls: Vec<[u64; CONTROL_WORDS]>,
    /// Points into `payloads`; `headers` point into it and into `controls`. None of them grows or shrinks.
    _vectors: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
}

impl Inbox {
    /// Room for datagrams of so many bytes. Of longer ones the rest is cut off.
    pub(crate) fn new(room: usize) -> Self {
        let room = room.max(1);
        let mut payloads = vec![0; room * BATCH];
        let mut controls = vec![[0; CONTROL_WORDS]; BATCH];
        let mut vectors = vectors(&mut payloads, room);
        let mut headers = headers(&mut vectors);
        for (header, control) in headers.iter_mut().zip(&mut controls) {
            header.msg_hdr.msg_control = control.as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = size_of_val(control) as _;
        }
        Self { room, payloads, controls, _vectors: vectors, headers }
    }

    /// Waits for a datagram for as long as the socket is set to, and takes along what else is there. `each` gets payload and
    /// control messages. Returns how many there were, 0 after a timeout.
    pub(crate) fn receive(&mut self, fd: &OwnedFd, mut each: impl FnMut(&[u8], Control)) -> io::Result<usize> {
        self.receive_with(fd, libc::MSG_WAITFORONE, |payload, _, control| each(payload, control))
    }

    /// The same, where `each` also gets the length that the datagram had before it was cut to the room.
    pub(crate) fn receive_beginnings(
        &mut self,
        fd: &OwnedFd,
        each: impl FnMut(&[u8], usize, Control),
    ) -> io::Result<usize> {
        self.receive_with(fd, libc::MSG_WAITFORONE | libc::MSG_TRUNC, each)
    }

    fn receive_with(
        &mut self,
        fd: &OwnedFd,
        flags: i32,
        mut each: impl FnMut(&[u8], usize, Control),
    ) -> io::Result<usize> {
        for header in &mut self.headers {
            header.msg_hdr.msg_controllen = size_of::<[u64; CONTROL_WORDS]>() as _;
        }
        // SAFETY: the headers point to buffers of the lengths that they state, which live in `self` and which nothing else
        // refers to during the call.
        let received = unsafe {
            let most = libc::c_uint::try_from(self.headers.len()).unwrap_or_default();
            libc::recvmmsg(fd.as_raw_fd(), self.headers.as_mut_ptr(), most, flags as _, std::ptr::null_mut())
        };
        let Ok(received) = usize::try_from(received) else {
            let error = io::Error::last_os_error();
            return match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(0),
                _ => Err(error),
            };
        };
        let buffers = self.payloads.chunks_exact(self.room).zip(&self.controls);
        for (header, (payload, control)) in self.headers.iter().zip(buffers).take(received) {
            let control: [u8; CONTROL_WORDS * 8] = bytes_of(control);
            #[allow(clippy::unnecessary_cast, reason = "its type is the C library's")]
            let control = control.get(..header.msg_hdr.msg_controllen as usize).unwrap_or(&control);
            let length = header.msg_len as usize;
            each(payload.get(..length).unwrap_or(payload), length, Control::read(control));
        }
        Ok(received)
    }
}

/// Where datagrams are sent from.
pub(crate) struct Outbox {
    room: usize,
    /// Datagrams that one message holds: more than one where the kernel divides it (`UDP_SEGMENT`).
    per_message: usize,
    payloads: Vec<u8>,
    /// Points into `payloads`; `headers` point into it. None of them grows or shrinks.
    _vectors: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
}

impl Outbox {
    /// Datagrams of so many bytes, so many in a message.
    pub(crate) fn new(room: usize, per_message: usize) -> Self {
        let (room, per_message) = (room.max(payload::LEAST_BYTES), per_message.clamp(1, BATCH));
        let mut payloads = payload::blank(room * (BATCH / per_message * per_message));
        let mut vectors = vectors(&mut payloads, room * per_message);
        let headers = headers(&mut vectors);
        Self { room, per_message, payloads, _vectors: vectors, headers }
    }

    /// Sends up to [`BATCH`] datagrams, numbered from `first` on, in whole messages; returns how many. One that is refused counts as sent and lost: the path's
    /// state, such as a neighbour that does not answer, is what is measured.
    pub(crate) fn send(&mut self, fd: &OwnedFd, first: u32, count: usize) -> io::Result<usize> {
        let messages = count.div_ceil(self.per_message).min(self.headers.len());
        let count = messages * self.per_message;
        for (payload, sequence) in self.payloads.chunks_exact_mut(self.room).zip(first..=u32::MAX).take(count) {
            payload::number(payload, sequence);
        }
        let mut sent = 0;
        while let Some(rest) = self.headers.get_mut(sent..messages).filter(|rest| !rest.is_empty()) {
            let most = libc::c_uint::try_from(rest.len()).unwrap_or_default();
            // SAFETY: the headers point to buffers of the lengths that they state, which live in `self`.
            let taken = unsafe { libc::sendmmsg(fd.as_raw_fd(), rest.as_mut_ptr(), most, 0) };
            sent += match usize::try_from(taken) {
                Ok(taken) => taken,
                Err(_) => {
                    let error = io::Error::last_os_error();
                    if !is_of_the_path(&error) {
                        return Err(error);
                    }
                    1
                }
            };
        }
        Ok(count)
    }
}

/// Whether an error tells of the path and not of the call.
fn is_of_the_path(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::ECONNREFUSED | libc::EHOSTUNREACH | libc::ENETUNREACH | libc::ENOBUFS | libc::EAGAIN | libc::EINTR)
    )
}

fn vectors(payloads: &mut [u8], room: usize) -> Vec<libc::iovec> {
    let vector = |payload: &mut [u8]| libc::iovec { iov_base: payload.as_mut_ptr().cast(), iov_len: payload.len() };
    payloads.chunks_exact_mut(room).map(vector).collect()
}

fn headers(vectors: &mut [libc::iovec]) -> Vec<libc::mmsghdr> {
    let header = |vector: &mut libc::iovec| {
        // SAFETY: zero is a valid value of every field: null pointers, lengths and flags.
        let mut header: libc::mmsghdr = unsafe { std::mem::zeroed() };
        header.msg_hdr.msg_iov = vector;
        header.msg_hdr.msg_iovlen = 1;
        header
    };
    vectors.iter_mut().map(header).collect()
}

fn bytes_of(words: &[u64; CONTROL_WORDS]) -> [u8; CONTROL_WORDS * 8] {
    let mut bytes = [0; CONTROL_WORDS * 8];
    bytes.chunks_exact_mut(8).zip(words).for_each(|(bytes, word)| bytes.copy_from_slice(&word.to_ne_bytes()));
    bytes
}
