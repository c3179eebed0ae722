//! The verbs over a plugin's description, one file each.

mod add;
mod check;
mod del;
mod gc;
mod print;
mod status;
mod update;

use keys::Names;

use crate::added::Added;
use crate::plugin::Plugin;
use crate::printed::Printed;

/// A verb without a result.
pub type Verb = fn(&cni::Call) -> Result<(), cni::Error>;

/// What another verb would do.
pub type Print = fn(&cni::Call) -> Result<Printed, cni::Error>;

/// The verbs of a plugin.
#[derive(Debug, Clone, Copy)]
pub struct Verbs {
    /// The plugin's name, as in `type`.
    pub name: &'static str,
    /// The keys of its configuration at the top level, to tell unknown ones on stderr.
    pub keys: &'static [&'static Names],
    /// It makes or changes interfaces, and is nobody's IPAM plugin. One that does not never enters the container's namespace, and is
    /// given a configuration of which it reads nothing but `name`, `ipam`, `args` and what the runtime adds.
    pub attaches: bool,
    /// It has keys in `CNI_ARGS`, which must be well-formed then.
    pub reads_args: bool,
    /// ADD.
    pub add: fn(&cni::Call) -> Result<Added, cni::Error>,
    /// Undoes an ADD that succeeded and whose result nobody gets: that, and nothing of an earlier one.
    pub undo: fn(&cni::Call, &Added) -> Result<(), cni::Error>,
    /// DEL.
    pub del: Verb,
    /// CHECK.
    pub check: Verb,
    /// GC.
    pub gc: Verb,
    /// STATUS.
    pub status: Verb,
    /// UPDATE, an extension of ours: called like CHECK, it changes what exists into what the configuration now says, without
    /// taking anything down. To a plugin without it the command is unknown (code 4).
    pub update: Option<Verb>,
    /// PRINT, an extension of ours: prints what ADD, DEL or GC would do as commands, and does nothing. To a plugin without it
    /// the command is unknown (code 4).
    pub print: Option<Print>,
}

impl Verbs {
    /// Those that follow from a plugin's description.
    #[must_use]
    pub const fn of<P: Plugin>(name: &'static str, keys: &'static [&'static Names]) -> Self {
        Self {
            name,
            keys,
            attaches: true,
            reads_args: P::READS_ARGS,
            add: add::add::<P>,
            undo: del::undo::<P>,
            del: del::del::<P>,
            check: check::check::<P>,
            gc: gc::gc::<P>,
            status: status::status::<P>,
            update: if P::UPDATES { Some(update::update::<P>) } else { None },
            print: Some(print::print::<P>),
        }
    }
}
