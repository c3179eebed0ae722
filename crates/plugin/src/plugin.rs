//! What a plugin implements; the verbs do the rest.

use attachment::{Description, Finder, Identity, Session};
use cni::{Call, Error, Success};

use crate::codes;
use crate::rehearsal::Prop;

/// A plugin as the description of an attachment. It reads the configuration, surveys the host, and says what must exist.
pub trait Plugin: Clone + Send + 'static {
    /// Finders of the objects that it makes, in the order in which they are made. What these do not find cannot be made.
    const FINDERS: &'static [&'static Finder];

    /// Addresses come from the plugin that `ipam` names.
    const HAS_IPAM: bool;

    /// It makes or uses things that attachments share.
    const SHARES: bool;

    /// It changes attachments in use: UPDATE, an extension of ours. Otherwise that command is unknown (code 4).
    const UPDATES: bool = false;

    /// It has keys in `CNI_ARGS`. What is malformed there is refused (code 4) by a plugin that has, and noted by one that has not.
    const READS_ARGS: bool = true;

    /// Reads and validates the configuration.
    ///
    /// # Errors
    /// Code 7 naming the key.
    fn read(call: &Call, identity: Identity) -> Result<Self, Error>;

    /// Tells a session where its channels lead, as far as the configuration names that. It opens nothing.
    ///
    /// # Errors
    /// Code 7 naming the key. DEL and GC remove what they can all the same.
    fn connect(_call: &Call, _session: &mut Session) -> Result<(), Error> {
        Ok(())
    }

    /// Asks the host what the description depends on: an MTU that the configuration leaves to the path, devices that others
    /// made. It changes nothing. If the plugin [`SHARES`](Plugin::SHARES), ADD holds the lock for that meanwhile.
    ///
    /// # Errors
    /// Code 7 or 102 for what cannot serve; the kernel cannot be asked.
    fn survey(&mut self, _call: &Call, _session: &mut Session) -> Result<(), Error> {
        Ok(())
    }

    /// What must exist, whatever the addresses.
    ///
    /// # Errors
    /// Code 7 where what was found does not allow it.
    fn describe(&self) -> Result<Description, Error>;

    /// What UPDATE changes of it: all, as a rule.
    ///
    /// # Errors
    /// As [`Plugin::describe`].
    fn changeable(&self) -> Result<Description, Error> {
        self.describe()
    }

    /// Waits until what the NIC sends reaches others, which an IPAM plugin needs that speaks through it. What
    /// [`Plugin::describe`] says has been made.
    ///
    /// # Errors
    /// It will not.
    fn await_nic(&self, _session: &mut Session) -> Result<(), attachment::Error> {
        Ok(())
    }

    /// Completes what IPAM returned: gateways, default routes, resolver.
    ///
    /// # Errors
    /// Code 7 where the answer does not fit the configuration.
    fn complete(&self, _call: &Call, _addressing: &mut Success) -> Result<(), Error> {
        Ok(())
    }

    /// What must exist because of the addresses.
    fn addressing(&self, _addressing: &Success) -> Description {
        Description::new()
    }

    /// The result of ADD.
    ///
    /// # Errors
    /// The kernel cannot be asked.
    fn result(&self, call: &Call, session: &mut Session, addressing: Success) -> Result<Success, Error>;

    /// For CHECK: takes from the final result what it says of this plugin's interface, whoever made it so (CHK-3), and returns
    /// the addresses and routes that are this plugin's.
    ///
    /// # Errors
    /// Code 7 for a result that is not of this attachment.
    fn expect(&mut self, _call: &Call, _previous: &Success) -> Result<Success, Error> {
        Ok(Success::default())
    }

    /// For DEL: what the configuration or the result names and the attachment's identity alone does not tell. A configuration
    /// that ADD refuses, or that has become invalid since, does not prevent any removal.
    ///
    /// # Errors
    /// The kernel cannot be asked; the rest is removed all the same.
    fn named(_call: &Call, _identity: &Identity, _session: &mut Session) -> Result<Description, Error> {
        Ok(Description::new())
    }

    /// For STATUS: the stand-ins for what the description depends on, on a host made for the trial. From then on the description
    /// is one for that host.
    ///
    /// # Errors
    /// What is missing on this host.
    fn rehearse(&mut self, _session: &mut Session) -> Result<Vec<Prop>, Error> {
        Ok(Vec::new())
    }

    /// An error of an attachment, worded by the plugin.
    #[must_use]
    fn error(error: &attachment::Error) -> Error {
        codes::from_attachment(error)
    }
}
