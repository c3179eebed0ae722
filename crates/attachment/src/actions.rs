//! The actions, one file each.

mod advertisement;
mod announce;
mod ask_for_holder;
mod await_detection;
mod await_forwarding;
mod await_listening;
mod patience;

pub use announce::Announce;
pub use ask_for_holder::AskForHolder;
pub use await_detection::AwaitDetection;
pub use await_forwarding::AwaitForwarding;
pub use await_listening::AwaitListening;
