//! Transactions of netfilter: requests between two marks, which the kernel carries out all or not at all.
//!
//! `nfnetlink_rcv_batch` in `net/netfilter/nfnetlink.c`. The marks carry no `NLM_F_ACK`: what the kernel refuses as a whole,
//! before it has read the requests or when it commits them, it reports with the number of the first mark.

use crate::attributes::append;
use crate::{Error, Request, Socket};

const NFNL_MSG_BATCH_BEGIN: u16 = 16;
const NFNL_MSG_BATCH_END: u16 = 17;
const NFNL_BATCH_GENID: u16 = 1;

/// A transaction that was not done.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Refusal {
    /// The first request that the kernel refused; `None` when it refused the whole.
    pub place: Option<usize>,
    /// Its words.
    pub error: Error,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self { place: None, error }
    }
}

impl Socket {
    /// Has all requests done in order, or none of them. With a `generation`, none if anything has changed since the kernel
    /// told that one (`ERESTART`).
    ///
    /// # Errors
    /// The first refusal. With [`Error::Unanswered`], it may have been done.
    pub fn transaction(
        &mut self,
        subsystem: u8,
        generation: Option<u32>,
        mut requests: Vec<Request>,
    ) -> Result<(), Refusal> {
        let Some(last) = requests.last_mut() else { return Ok(()) };
        last.answered();
        let count = requests.len();
        self.make_room(&requests)?;
        let mut bytes = Vec::with_capacity(256 * (count + 2));
        let begin = self.next_sequence();
        Request::raw(NFNL_MSG_BATCH_BEGIN, 0, mark(subsystem, generation)).append(begin, &mut bytes);
        for request in requests {
            request.append(self.next_sequence(), &mut bytes);
        }
        Request::raw(NFNL_MSG_BATCH_END, 0, mark(subsystem, None)).append(self.next_sequence(), &mut bytes);
        self.send(&bytes)?;

        let mut refusal: Option<Refusal> = None;
        let mut is_complete = false;
        while !is_complete {
            self.receive(|message| {
                let number = message.header.sequence_number.wrapping_sub(begin);
                let number = usize::try_from(number).ok().filter(|number| *number <= count && message.is_verdict());
                let Some(number) = number else { return Ok(true) }; // an answer to an earlier request
                is_complete |= number == 0 || number == count;
                if let Some(error) = message.error() {
                    refusal.get_or_insert(Refusal { place: number.checked_sub(1), error: error.into() });
                }
                Ok(true)
            })?;
        }
        refusal.map_or(Ok(()), Err)
    }
}

/// `struct nfgenmsg`, with the subsystem in the place of a resource.
fn mark(subsystem: u8, generation: Option<u32>) -> Vec<u8> {
    let mut payload = vec![0, 0];
    payload.extend(u16::from(subsystem).to_be_bytes());
    if let Some(generation) = generation {
        append(&mut payload, NFNL_BATCH_GENID, &generation.to_be_bytes());
    }
    payload
}

#[cfg(test)]
mod tests {
    use super::*;

    const NFTABLES: u8 = 10;
    const NFT_MSG_DELTABLE: u16 = 0x0a02;

    fn delete(name: &[u8]) -> Request {
        let mut payload = vec![1, 0, 0, 0];
        append(&mut payload, 1, name);
        Request::raw(NFT_MSG_DELTABLE, 0, payload)
    }

    #[test]
    fn marks_are_those_of_nfnetlink() {
        assert_eq!(mark(10, None), [0, 0, 0, 10]);
        assert_eq!(mark(10, Some(3)), [0, 0, 0, 10, 8, 0, 1, 0, 0, 0, 0, 3]);
    }

    #[test]
    fn the_first_refusal_comes_with_its_place() {
        let mut socket = Socket::open_netfilter().unwrap();
        let requests = vec![delete(b"no-such-table\0"), delete(b"nor-this\0")];
        let refusal = socket.transaction(NFTABLES, None, requests).unwrap_err();
        assert_eq!((refusal.place, refusal.error.errno()), (Some(0), Some(libc::ENOENT)));
    }

    #[test]
    fn a_refusal_of_the_whole_does_not_hang() {
        let mut socket = Socket::open_netfilter().unwrap();
        let requests = || vec![delete(b"no-such-table\0"), delete(b"nor-this\0")];
        let no_such_subsystem = socket.transaction(8, None, requests()).unwrap_err();
        assert_eq!((no_such_subsystem.place, no_such_subsystem.error.errno()), (None, Some(libc::EOPNOTSUPP)));
        let stale = socket.transaction(NFTABLES, Some(u32::MAX), requests()).unwrap_err();
        assert_eq!((stale.place, stale.error.errno()), (None, Some(libc::ERESTART)));
        let refusal = socket.transaction(NFTABLES, None, requests()).unwrap_err();
        assert_eq!(refusal.place, Some(0), "the socket serves on");
    }
}
