//! `--dry-run`: what a command would do, as a shell script to read and run. It changes nothing and takes no lock, and any user
//! may ask: each plugin says what it would do (PRINT, an extension of ours), and one that cannot is named in a comment.

mod addresses;
mod attach;
mod collect;
mod script;
mod take_down;

pub(crate) use attach::run as attach;
pub(crate) use collect::run as gc;
pub(crate) use take_down::run as detach;
