//! The configuration database of Open vSwitch over its socket: JSON-RPC as in RFC 7047, without a child process.
//!
//! A [`Client`] speaks to one server, at a [`Remote`]. A [`Transaction`] is a list of [`operation`]s, which the server does all or
//! none of; its [`Results`] are those of each operation. Every call has a deadline.

mod client;
mod error;
mod message;
pub mod operation;
mod remote;
mod results;
mod row;
mod stream;
mod transaction;
pub mod value;

pub use client::Client;
pub use error::Error;
pub use remote::Remote;
pub use results::Results;
pub use row::{Row, Uuid};
pub use transaction::Transaction;
