//! A netlink socket: batches, sequence numbers, the kernel's own words.
//!
//! Nothing is ever waited for: the kernel handles what is sent, and queues its answers, within the system call that sends, and the
//! next piece of a table within the one that receives the last (`netlink_unicast_kernel`, `netlink_recvmsg` in
//! `net/netlink/af_netlink.c`). An answer that is not there is one that the kernel has dropped.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use netlink_packet_core::{NLM_F_DUMP_INTR, NetlinkHeader};
use nix::errno::Errno;
use nix::sys::socket::{self, MsgFlags, NetlinkAddr};

use crate::attributes::{read_text, read_u16, read_u32, value_of};
use crate::request::HEADER_BYTES;
use crate::{Answer, Error, KernelError, Object, Request};

/// A dump that the kernel marks as interrupted is read again this often before we give up.
const DUMP_ATTEMPTS: usize = 8;

/// Room for one answer: a link without its virtual functions takes 1 to 2 KiB. The pieces of a dump adapt to the room that
/// there is (`netlink_dump` in `net/netlink/af_netlink.c`), but for one object that needs more by itself.
const ANSWER_BYTES: usize = 8 * 1024;

/// Room for any object in a dump: the kernel's own limit for a piece.
const DUMP_BYTES: usize = 32 * 1024;

/// What an answer takes of the socket's receive buffer at most, in bytes: an acknowledgement or a refusal with its text, an
/// allocation of 1 KiB and its administration; and an object, of up to two pages.
const VERDICT_ROOM: usize = 1280;
const OBJECT_ROOM: usize = 2 * 4096 + 512;

/// What a receive buffer has room for in any case, in bytes: a quarter of the kernel's default (`net.core.rmem_default`).
const SURE_ROOM: usize = 52 * 1024;

/// The most datagrams that are thrown away after an error.
const ABANDONED: usize = 1 << 20;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_CAPPED: u16 = 0x100;
const NLM_F_ACK_TLVS: u16 = 0x200;
const NLMSGERR_ATTR_MSG: u16 = 1;

/// A socket in one network namespace. It stays in the namespace in which it was opened.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    sequence: u32,
    received: Vec<u8>,
    /// The kernel knows strict checking: it is 4.20 or later.
    is_strict: bool,
    /// How many bytes of answers the receive buffer takes, as far as is known.
    room: usize,
}

impl Socket {
    /// Opens a socket in the calling thread's namespace.
    ///
    /// # Errors
    /// [`Error::System`] when the kernel has no rtnetlink or the process has no file descriptor left.
    pub fn open() -> Result<Self, Error> {
        Self::of(libc::NETLINK_ROUTE, &[libc::NETLINK_EXT_ACK, libc::NETLINK_CAP_ACK, libc::NETLINK_GET_STRICT_CHK])
    }

    /// Opens a socket for netfilter in the calling thread's namespace.
    ///
    /// # Errors
    /// [`Error::System`] with `EPROTONOSUPPORT` when the kernel has no netfilter over netlink.
    pub fn open_netfilter() -> Result<Self, Error> {
        Self::of(libc::NETLINK_NETFILTER, &[libc::NETLINK_EXT_ACK, libc::NETLINK_CAP_ACK])
    }

    pub(crate) fn of(protocol: libc::c_int, options: &[libc::c_int]) -> Result<Self, Error> {
        let fd = open(protocol).map_err(Error::system("socket(AF_NETLINK)"))?;
        let mut is_strict = false;
        for &option in options {
            match set_netlink_option(&fd, option) {
                Err(error) if error.errno() != Some(libc::ENOPROTOOPT) => return Err(error),
                Err(_) => {} // strict checking came with 4.20; whoever lists filters what comes
                Ok(()) => is_strict |= option == libc::NETLINK_GET_STRICT_CHK,
            }
        }
        Ok(Self { is_strict, fd, sequence: 0, received: Vec::new(), room: SURE_ROOM })
    }

    /// The kernel checks questions strictly, as 4.20 and later do.
    pub(crate) fn is_strict(&self) -> bool {
        self.is_strict
    }

    /// Sends one request and waits for its answer.
    ///
    /// # Errors
    /// [`Error::Kernel`] with the kernel's words when it refuses.
    pub fn request(&mut self, request: Request) -> Answer {
        self.batch(vec![request])?.pop().unwrap_or(Ok(None))
    }

    /// Sends all requests in one go. The kernel handles them in order; a later one is handled even if an earlier one failed.
    /// It handles all of them before it returns to us, so a signal cannot fall between two of them.
    ///
    /// Only the last one is acknowledged: the kernel reports what it refuses in any case, and in order. The receive buffer gets
    /// room for all answers first; where the caller may not enlarge it, the requests go in several pieces.
    ///
    /// # Errors
    /// The outer error is about the socket; an inner one is the kernel's answer to that request. After
    /// [`Error::Unanswered`], any of the requests may have been done.
    pub fn batch(&mut self, requests: Vec<Request>) -> Result<Vec<Answer>, Error> {
        if self.make_room(&requests)? {
            return self.batch_at_once(requests);
        }
        let mut answers = Vec::with_capacity(requests.len());
        let mut requests = requests.into_iter().peekable();
        while requests.peek().is_some() {
            let mut left = self.room;
            let mut piece = Vec::new();
            while let Some(request) = requests.next_if(|next| piece.is_empty() || room_for(next) <= left) {
                left = left.saturating_sub(room_for(&request));
                piece.push(request);
            }
            answers.extend(self.batch_at_once(piece)?);
        }
        Ok(answers)
    }

    /// Whether the receive buffer has room for all answers. The kernel doubles what is asked for, and more than
    /// `net.core.rmem_max` takes CAP_NET_ADMIN.
    pub(crate) fn make_room(&mut self, requests: &[Request]) -> Result<bool, Error> {
        let needed = requests.iter().map(room_for).fold(0, usize::saturating_add);
        if needed <= self.room {
            return Ok(true);
        }
        let failed = || Error::system("getsockopt(SO_RCVBUF)");
        self.room = socket::getsockopt(&self.fd, socket::sockopt::RcvBuf).map_err(failed())?;
        if needed > self.room {
            if socket::setsockopt(&self.fd, socket::sockopt::RcvBufForce, &needed).is_err() {
                let _ = socket::setsockopt(&self.fd, socket::sockopt::RcvBuf, &needed); // as far as it goes
            }
            self.room = socket::getsockopt(&self.fd, socket::sockopt::RcvBuf).map_err(failed())?;
        }
        Ok(needed <= self.room)
    }

    fn batch_at_once(&mut self, mut requests: Vec<Request>) -> Result<Vec<Answer>, Error> {
        let Some(last) = requests.last_mut() else { return Ok(Vec::new()) };
        last.answered();
        let ends_with_object = last.is_question();
        let count = requests.len();
        let mut bytes = Vec::with_capacity(256 * count);
        let first = self.sequence.wrapping_add(1);
        for request in requests {
            self.sequence = self.sequence.wrapping_add(1);
            request.append(self.sequence, &mut bytes);
        }
        self.send(&bytes)?;

        let mut answers: Vec<Answer> = (0..count).map(|_| Ok(None)).collect();
        let mut is_complete = false;
        while !is_complete {
            let received = self.receive(|message| {
                let place = usize::try_from(message.header.sequence_number.wrapping_sub(first)).ok();
                let Some((place, answer)) = place.and_then(|place| Some((place, answers.get_mut(place)?))) else {
                    return Ok(true); // an answer to an earlier, abandoned request
                };
                let is_last = place + 1 == count;
                if message.header.message_type == NLMSG_ERROR {
                    is_complete |= is_last;
                    if let Some(error) = message.error() {
                        *answer = Err(error.into());
                    }
                } else {
                    is_complete |= is_last && ends_with_object;
                    *answer = Ok(Some(message.object()));
                }
                Ok(true)
            });
            match (received, refused_as_a_whole(&answers)) {
                (Ok(()), _) => {}
                (Err(Error::Unanswered(_)), Some(refusal)) => {
                    return Ok(vec![refusal; count].into_iter().map(|refusal| Err(refusal.into())).collect());
                }
                (Err(error), _) => return Err(error),
            }
        }
        Ok(answers)
    }

    /// Asks for a whole table, named `table` in errors.
    ///
    /// # Errors
    /// [`Error::Interrupted`] when the table changed under every attempt to read it.
    pub fn dump(&mut self, table: &'static str, request: &Request) -> Result<Vec<Object>, Error> {
        for _ in 0..DUMP_ATTEMPTS {
            if let Some(objects) = self.dump_once(request.clone())? {
                return Ok(objects);
            }
        }
        Err(Error::Interrupted(table))
    }

    /// Makes room for objects of any size, such as links with many names, or sets with many elements.
    pub fn expect_large_objects(&mut self) {
        self.received.resize(DUMP_BYTES, 0);
    }

    fn dump_once(&mut self, request: Request) -> Result<Option<Vec<Object>>, Error> {
        self.sequence = self.sequence.wrapping_add(1);
        let sequence = self.sequence;
        let mut bytes = Vec::with_capacity(128);
        request.append(sequence, &mut bytes);
        self.send(&bytes)?;

        let mut objects = Vec::new();
        let mut interrupted = false;
        let mut done = false;
        while !done {
            self.receive(|message| {
                if message.header.sequence_number != sequence {
                    return Ok(true);
                }
                interrupted |= message.header.flags & NLM_F_DUMP_INTR != 0;
                match message.header.message_type {
                    NLMSG_DONE | NLMSG_ERROR => {
                        done = true;
                        if let Some(error) = message.error() {
                            return Err(error.into());
                        }
                        return Ok(false);
                    }
                    _ => objects.push(message.object()),
                }
                Ok(true)
            })?;
        }
        Ok((!interrupted).then_some(objects))
    }

    fn receive_into_buffer(&mut self) -> Result<usize, Errno> {
        let flags = MsgFlags::MSG_TRUNC | MsgFlags::MSG_DONTWAIT;
        loop {
            match socket::recv(self.fd.as_raw_fd(), &mut self.received, flags) {
                Err(Errno::EINTR) => {}
                other => return other,
            }
        }
    }

    /// Throws away what waits to be received.
    fn abandon(&mut self) {
        let is_empty = |received| received == Err(Errno::EAGAIN);
        let _ = (0..ABANDONED).find(|_| is_empty(self.receive_into_buffer()));
    }

    /// The number of the next message.
    pub(crate) fn next_sequence(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }

    /// All of it or nothing. More than the socket has room for, some 2000 routes, takes more room.
    pub(crate) fn send(&self, bytes: &[u8]) -> Result<(), Error> {
        let kernel = NetlinkAddr::new(0, 0);
        let mut has_grown = false;
        loop {
            match socket::sendto(self.fd.as_raw_fd(), bytes, &kernel, MsgFlags::empty()) {
                Err(Errno::EINTR) => {}
                Err(Errno::EMSGSIZE) if !has_grown => {
                    has_grown = true;
                    let room = bytes.len().saturating_mul(2);
                    socket::setsockopt(&self.fd, socket::sockopt::SndBufForce, &room)
                        .map_err(Error::system("setsockopt(SO_SNDBUFFORCE)"))?;
                }
                other => return other.map(drop).map_err(Error::system("send to netlink")),
            }
        }
    }

    /// Receives one datagram and hands its messages to `take` until that returns false.
    ///
    /// After [`Error::Unanswered`] nothing is left in the buffer: the kernel drops answers until it is empty.
    pub(crate) fn receive(&mut self, mut take: impl FnMut(Message<'_>) -> Result<bool, Error>) -> Result<(), Error> {
        if self.received.is_empty() {
            self.received.resize(ANSWER_BYTES, 0);
        }
        let length = match self.receive_into_buffer() {
            Ok(length) => length,
            Err(errno) => {
                self.abandon();
                let reason = match errno {
                    Errno::EAGAIN => "there is none".to_owned(),
                    Errno::ENOBUFS => format!("{} (answers were dropped)", errno.desc()),
                    _ => errno.desc().to_owned(),
                };
                return Err(Error::Unanswered(reason));
            }
        };
        let Some(mut rest) = self.received.get(..length) else {
            return Err(Error::Unanswered(format!("it has {length} bytes")));
        };
        while let Some((message, tail)) = Message::split(rest)? {
            if !take(message)? {
                break;
            }
            rest = tail;
        }
        Ok(())
    }
}

/// The kernel's refusal of a whole datagram, which it reports for the first request alone: netfilter asks for CAP_NET_ADMIN before
/// it reads any (`nfnetlink_rcv` in `net/netfilter/nfnetlink.c`).
fn refused_as_a_whole(answers: &[Answer]) -> Option<KernelError> {
    match answers.split_first() {
        Some((Err(Error::Kernel(first)), rest)) if first.errno == libc::EPERM => {
            rest.iter().all(|answer| matches!(answer, Ok(None))).then(|| first.clone())
        }
        _ => None,
    }
}

fn room_for(request: &Request) -> usize {
    if request.is_question() { OBJECT_ROOM } else { VERDICT_ROOM }
}

/// A message of the kernel.
pub(crate) struct Message<'a> {
    pub(crate) header: NetlinkHeader,
    payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// The first message of `bytes` and the bytes behind it; `None` at the end.
    fn split(bytes: &'a [u8]) -> Result<Option<(Self, &'a [u8])>, Error> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let truncated = || Error::Unanswered(format!("it is cut short at {} bytes", bytes.len()));
        let mut header = NetlinkHeader::default();
        header.length = read_u32(bytes, 0).ok_or_else(truncated)?;
        header.message_type = read_u16(bytes, 4).ok_or_else(truncated)?;
        header.flags = read_u16(bytes, 6).ok_or_else(truncated)?;
        header.sequence_number = read_u32(bytes, 8).ok_or_else(truncated)?;
        let length = usize::try_from(header.length).map_err(|_| truncated())?;
        let payload = bytes.get(HEADER_BYTES..length).ok_or_else(truncated)?;
        let tail = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Ok(Some((Self { header, payload }, tail)))
    }

    /// The message acknowledges or refuses a request.
    pub(crate) fn is_verdict(&self) -> bool {
        self.header.message_type == NLMSG_ERROR
    }

    /// The kernel's refusal; `None` for an acknowledgement.
    pub(crate) fn error(&self) -> Option<KernelError> {
        let code = read_u32(self.payload, 0).map(u32::cast_signed)?;
        (code != 0).then(|| KernelError { errno: code.saturating_neg(), text: self.extended_text() })
    }

    /// The text of the extended acknowledgement: an attribute behind `struct nlmsgerr`, or behind the error number of the
    /// end of a dump (`include/uapi/linux/netlink.h`).
    fn extended_text(&self) -> Option<String> {
        if self.header.flags & NLM_F_ACK_TLVS == 0 {
            return None;
        }
        let mut offset = 4;
        if self.header.message_type == NLMSG_ERROR {
            let request = usize::try_from(read_u32(self.payload, 4)?).ok()?;
            offset += if self.header.flags & NLM_F_CAPPED != 0 { HEADER_BYTES } else { request.next_multiple_of(4) };
        }
        value_of(self.payload.get(offset..)?, NLMSGERR_ATTR_MSG).map(read_text)
    }

    fn object(&self) -> Object {
        Object { message_type: self.header.message_type, payload: self.payload.to_vec() }
    }
}

/// A socket of a protocol of netlink. `nix` does not know all of these.
fn open(protocol: libc::c_int) -> Result<OwnedFd, Errno> {
    // SAFETY: the arguments are numbers, and no memory is involved.
    let fd = Errno::result(unsafe { libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, protocol) })?;
    // SAFETY: the descriptor is open, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn set_netlink_option(fd: &OwnedFd, option: libc::c_int) -> Result<(), Error> {
    let on: libc::c_int = 1;
    let length = libc::socklen_t::try_from(size_of_val(&on)).unwrap_or_default();
    // SAFETY: the option's value is a live c_int and its length is given.
    let result = unsafe { libc::setsockopt(fd.as_raw_fd(), libc::SOL_NETLINK, option, (&raw const on).cast(), length) };
    Errno::result(result).map(drop).map_err(Error::system("setsockopt(SOL_NETLINK)"))
}

#[cfg(test)]
mod tests {
    use netlink_packet_route::tc::TcMessage;

    use super::*;

    fn message(kind: u16, flags: u16, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(HEADER_BYTES + payload.len()).unwrap();
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend([7, 0, 0, 0, 9, 0, 0, 0]);
        bytes.extend(payload);
        bytes
    }

    /// What the kernel sends for `tc qdisc add dev lo root nonsense`.
    fn refusal() -> Vec<u8> {
        let mut payload = (-2i32).to_ne_bytes().to_vec();
        payload.extend([0; HEADER_BYTES]);
        let text = b"Specified qdisc kind is unknown\0";
        payload.extend(u16::try_from(text.len() + 4).unwrap().to_ne_bytes());
        payload.extend(NLMSGERR_ATTR_MSG.to_ne_bytes());
        payload.extend(text);
        message(NLMSG_ERROR, NLM_F_CAPPED | NLM_F_ACK_TLVS, &payload)
    }

    #[test]
    fn a_refusal_carries_the_kernels_words() {
        let bytes = refusal();
        let (message, tail) = Message::split(&bytes).unwrap().unwrap();
        assert!(tail.is_empty());
        let error = message.error().unwrap();
        assert_eq!(error.errno, libc::ENOENT);
        assert_eq!(error.to_string(), "No such file or directory: Specified qdisc kind is unknown");
    }

    #[test]
    fn no_cut_of_a_message_panics() {
        let bytes = refusal();
        for end in 0..bytes.len() {
            if let Ok(Some((message, _))) = Message::split(&bytes[..end]) {
                let _ = message.error();
            }
        }
        for position in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[position] ^= 0xff;
            if let Ok(Some((message, _))) = Message::split(&changed) {
                let object = message.object();
                let _ = (message.error(), object.decode::<TcMessage>(object.message_type));
            }
        }
    }

    const MANY: usize = 3000;

    /// On a thread for it alone, whose user is nobody: the numbers are the thread's.
    fn as_nobody<T: Send>(work: impl FnOnce() -> T + Send) -> T {
        const NOBODY: u32 = 65534;
        std::thread::scope(|scope| {
            let done = scope.spawn(|| {
                // SAFETY: the call takes numbers only.
                let result = unsafe { libc::syscall(libc::SYS_setresuid, NOBODY, NOBODY, NOBODY) };
                assert_eq!(result, 0, "the thread gives its privileges up");
                work()
            });
            done.join().unwrap()
        })
    }

    /// Each is refused, with a text.
    fn refused_requests() -> Vec<Request> {
        (0..MANY).map(|number| crate::link::set_up(&format!("none{number}"))).collect()
    }

    #[test]
    fn any_number_of_refusals_is_received() {
        let mut socket = Socket::open().unwrap();
        let answers = socket.batch(refused_requests()).unwrap();
        assert_eq!(answers.len(), MANY);
        assert!(answers.iter().all(|answer| answer.as_ref().is_err_and(Error::is_missing)));
        assert!(socket.request(crate::link::get("lo")).unwrap().is_some(), "the socket serves on");
    }

    #[test]
    fn any_number_of_answers_is_received_by_anybody() {
        as_nobody(|| {
            let mut socket = Socket::open().unwrap();
            let questions = (0..MANY).map(|_| crate::link::get("lo")).collect();
            let answers = socket.batch(questions).unwrap();
            assert_eq!(answers.len(), MANY);
            assert!(answers.iter().all(|answer| matches!(answer, Ok(Some(_)))));
            assert!(socket.room < MANY * OBJECT_ROOM, "in pieces");
            let refusals = socket.batch(refused_requests()).unwrap();
            assert!(
                refusals.iter().all(|answer| answer.as_ref().is_err_and(|error| error.errno() == Some(libc::EPERM)))
            );
        });
    }

    /// A test may not know what the kernel takes for an answer: here the buffer is too small.
    #[test]
    fn answers_that_were_dropped_are_an_error_and_the_socket_serves_on() {
        let mut socket = Socket::open().unwrap();
        socket.room = usize::MAX;
        let error = socket.batch(refused_requests()).unwrap_err();
        assert!(error.is_unanswered() && error.to_string().contains("No buffer space"), "{error}");
        assert!(socket.request(crate::link::get("lo")).unwrap().is_some());
        let answers = socket.batch(vec![crate::link::get("lo"), crate::link::get("no-such-link")]).unwrap();
        assert!(answers[0].is_ok() && answers[1].is_err());
    }

    #[test]
    fn netfilter_refuses_all_questions_of_those_who_may_ask_none() {
        const NFT_MSG_GETGEN: u16 = 0x0a10;
        as_nobody(|| {
            let mut socket = Socket::open_netfilter().unwrap();
            let question = || Request::question(NFT_MSG_GETGEN, vec![0; 4]);
            let answers = socket.batch(vec![question(), question(), question()]).unwrap();
            assert_eq!(answers.len(), 3);
            assert!(
                answers.iter().all(|answer| answer.as_ref().is_err_and(|error| error.errno() == Some(libc::EPERM)))
            );
            let refusal = socket.transaction(10, None, vec![question(), question()]).unwrap_err();
            assert_eq!((refusal.place, refusal.error.errno()), (None, Some(libc::EPERM)));
        });
    }

    #[test]
    fn the_kernel_answers_in_order_and_in_its_own_words() {
        let mut socket = Socket::open().unwrap();
        let answers = socket.batch(vec![crate::link::get("lo"), crate::link::get("no-such-link")]).unwrap();
        assert_eq!(answers.len(), 2);
        assert!(answers[0].as_ref().unwrap().is_some());
        assert_eq!(answers[1].as_ref().unwrap_err().errno(), Some(libc::ENODEV));
    }
}
