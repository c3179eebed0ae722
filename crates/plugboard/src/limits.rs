//! Limits of attachments: how they reach plugins, how a person reads them, and how they change while they are in use. What they
//! mean is said by the crate `shaping`, and which keys configurations have for them by `shaping_keys`.

mod alias;
mod apply;
pub(crate) mod command;
mod describe;
mod words;

pub(crate) use apply::apply;
pub(crate) use describe::describe;
