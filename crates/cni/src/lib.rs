//! The CNI protocol as a plugin sees it: environment, versions, configuration, results, errors, delegation. How an executable
//! is found, called and understood ([`find_plugin`], [`Exchange`], [`Answer`]) is the same for delegates and for runtimes.
//!
//! The crate does no networking and knows no plugin. Ids such as `ENV-2` name rows of the table in
//! `tests/checklist.md`, which restates the CNI specification 0.1.0 to 1.1.0.

mod address;
mod answer;
mod args;
mod call;
mod config;
mod delegate;
mod environment;
mod error;
mod error_object;
mod exchange;
mod json;
mod members;
mod name;
mod plugin_path;
pub mod regular;
mod result;
mod version;
mod version_reply;

pub use address::{parse_address, parse_host, parse_network};
pub use answer::Answer;
pub use args::Args;
pub use call::Call;
pub use config::{AttachmentId, Config};
pub use delegate::{Delegate, End, Failed, Running};
pub use environment::{Command, Environment};
pub use error::{Code, Error};
pub use exchange::{Exchange, GiveUp, Group, Unanswered};
pub use json::{LONGEST, refuse_excess};
pub use name::{objection_to_interface, objection_to_kind, objection_to_name};
pub use plugin_path::{NoPlugin, find_plugin};
pub use result::{Dns, Interface, IpConfig, Route, Success};
pub use version::Version;
pub use version_reply::version_reply;

use keys::excerpt;
