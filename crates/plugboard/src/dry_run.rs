//! `--dry-run`: what a command would do, as a shell script that somebody can read and run. Nothing is changed, no lock is taken, and
//! any user may ask: what a plugin would do it says itself (PRINT, an extension of ours), and one that cannot is named in a comment.

mod addresses;
mod attach;
mod collect;
mod script;
mod take_down;

pub(crate) use attach::run as attach;
pub(crate) use collect::run as gc;
pub(crate) use take_down::run as detach;
