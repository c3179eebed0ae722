//! Limits of attachments: how they reach plugins, how a person reads them, and how they change while they are in use. The crate
//! `shaping` defines what they mean, and `shaping_keys` the keys that configurations have for them.

mod alias;
mod apply;
pub(crate) mod command;
mod describe;
mod words;

pub(crate) use apply::{apply, ensure_shaper};
pub(crate) use describe::describe;
