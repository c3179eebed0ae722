//! The configuration database of Open vSwitch over its socket: JSON-RPC as in RFC 7047, without a child process.
//!
//! A [`Client`] speaks to one server, at a [`Remote`]. A [`Transaction`] is a list of [`operation`]s, which the server does all or
//! none of; its [`Results`] are those of each operation. Every call has a deadline.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use ovsdb::{Client, Remote, Transaction, operation};
//!
//! # fn main() -> Result<(), ovsdb::Error> {
//! let remote: Remote = "unix:/var/run/openvswitch/db.sock".parse()?;
//! let mut client = Client::connect(&remote, Duration::from_secs(1))?;
//!
//! let mut transaction = Transaction::new();
//! let bridge = transaction.push(operation::select("Bridge", &[operation::equals("name", "br0")], &["_uuid", "ports"]));
//! let results = client.transact(transaction)?;
//! for row in results.rows(bridge) {
//!     println!("{:?} has {} ports", row.uuid(), row.uuids("ports").len());
//! }
//! # Ok(())
//! # }
//! ```

mod client;
mod connect;
mod error;
mod message;
pub mod operation;
mod remote;
mod results;
mod row;
mod secured;
mod socket;
mod stream;
mod tls;
mod transaction;
pub mod value;

pub use client::Client;
pub use error::Error;
pub use remote::Remote;
pub use results::Results;
pub use row::{Row, Uuid};
pub use tls::Tls;
pub use transaction::Transaction;
