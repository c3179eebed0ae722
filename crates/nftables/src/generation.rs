//! The generation number of the rule set, which every change raises.

use netlink::attributes::value_of;
use netlink::{Answer, Request};

use crate::message::{Body, Verb, open, read_number};

const NFTA_GEN_ID: u16 = 1;

/// Asks for the number; [`read_generation`] reads the answer.
#[must_use]
pub fn get_generation() -> Request {
    Body::new(None).question(Verb::GetGeneration)
}

/// The number in an answer to [`get_generation`].
#[must_use]
pub fn read_generation(answer: &Answer) -> Option<u32> {
    let object = answer.as_ref().ok()?.as_ref()?;
    read_number(value_of(open(object, Verb::NewGeneration)?.1, NFTA_GEN_ID)?)
}
