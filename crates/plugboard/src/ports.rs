//! Published ports: ports of the host that lead into a container. How they are asked for, how they reach plugins, and how a person reads
//! them.

mod apply;
mod describe;
mod publication;

pub(crate) use apply::{apply, refuse_twice};
pub(crate) use describe::{Port, in_words, published};
pub(crate) use publication::Publication;
