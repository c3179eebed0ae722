//! The configuration as queues of the NICs that it names.

use attachment::{Description, Finder, Identity, Ifb, Session, Side, Tap, Veth};
use cni::{Call, Command, Error, Success};
use plugin::call::previous;
use plugin::{Plugin, Prop};
use shaping_keys::Shape;

use crate::nic::{Nic, Search};
use crate::queues;
use crate::result::with_ifbs;

/// The NICs of a call, and how they are to be shaped. The shaper makes no interface: its queues hang on those of an earlier plugin.
#[derive(Debug, Clone)]
pub(crate) struct Shaped {
    shape: Shape,
    nics: Vec<Nic>,
}

impl Plugin for Shaped {
    const FINDERS: &'static [&'static Finder] = &[Ifb::FINDER, Veth::COLLECTOR, Tap::COLLECTOR];
    const HAS_IPAM: bool = false;
    const SHARES: bool = false;
    const UPDATES: bool = true;

    fn read(call: &Call, _identity: Identity) -> Result<Self, Error> {
        Ok(Self { shape: shaping_keys::shape(call)?, nics: Vec::new() })
    }

    /// Where nothing is asked, no NIC has to be there; but there may be limits that UPDATE takes back.
    fn survey(&mut self, call: &Call, session: &mut Session) -> Result<(), Error> {
        let (previous, command) = (previous(call)?, call.environment.command);
        if self.shape.is_empty() && command != Command::Update {
            return Ok(());
        }
        if command == Command::Add {
            shaping_keys::remarks(&self.shape).into_iter().for_each(plugin::note);
        }
        self.nics = Nic::all(call, previous, session)?;
        Ok(())
    }

    fn describe(&self) -> Result<Description, Error> {
        let mut description = Description::new();
        for nic in &self.nics {
            queues::of_nic(&self.shape, nic)?.into_iter().for_each(|shaped| _ = description.own(shaped));
        }
        Ok(description)
    }

    fn result(&self, call: &Call, session: &mut Session, _addressing: Success) -> Result<Success, Error> {
        with_ifbs(previous(call)?, &self.shape, &self.nics, session)
    }

    /// Queues go with their device, which the plugin before this one in the chain removes next. They are removed here all the same,
    /// because that plugin may keep it.
    fn named(call: &Call, identity: &Identity, session: &mut Session) -> Result<Description, Error> {
        let none = Success::default();
        let previous = call.config.prev_result.as_ref().unwrap_or(&none);
        let names = shaping_keys::interfaces(call).unwrap_or_else(|_| vec![call.environment.if_name.clone()]);
        let mut description = Description::new();
        for name in &names {
            let (attachment, is_only) = (identity.clone(), names.len() == 1);
            let search = Search { call, attachment, name, previous, is_only };
            let found = search.run(session).map_err(|error| Self::error(&error))?;
            if let Some(ifb) = search.reference_ifb(session).map_err(|error| Self::error(&error))? {
                description.own(ifb);
            }
            match found {
                Some(nic) => queues::none_of(&nic).into_iter().for_each(|shaped| _ = description.own(shaped)),
                // The device may be gone, the namespace too. An ifb is found by its name, wherever it was made.
                None => {
                    for side in [Side::Host, Side::Container] {
                        description.own(Ifb { identity: identity.clone(), interface: name.clone(), side });
                    }
                }
            }
        }
        Ok(description)
    }

    /// The loopback device stands in for all NICs.
    fn rehearse(&mut self, _session: &mut Session) -> Result<Vec<Prop>, Error> {
        self.nics = vec![Nic::loopback()];
        Ok(Vec::new())
    }
}
