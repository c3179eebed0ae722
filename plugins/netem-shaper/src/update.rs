//! UPDATE: the limits of an interface that carries packets become those of the configuration.

use attachment::{Creation, Kernel, LiveQueues, Lock, Object, Redirect, Up};
use cni::{Call, Error};
use plugin::codes::{from_attachment, with_more_details};
use plugin::interface::{open_namespace, previous};

use crate::describe::{self, HANDLES, Queues};
use crate::nic::{self, Nic};

/// Changes the queues of all interfaces of a call. When one fails, they all become what they were.
pub(crate) fn update(call: &Call) -> Result<(), Error> {
    let shape = shaping_keys::shape(call)?;
    let previous = previous(call)?;
    let _alone = Lock::of_attachment(&nic::identity(call)).map_err(|error| from_attachment(&error))?;
    let mut kernel = Kernel::new(Some(open_namespace(call)?));
    let mut changes = Vec::new();
    for nic in Nic::all(call, previous, &mut kernel)? {
        let queues = describe::of_devices(&shape, &nic)?;
        changes.push(Change::prepare(nic, queues, &mut kernel).map_err(|error| from_attachment(&error))?);
    }
    for place in 0..changes.len() {
        let Some(change) = changes.get_mut(place) else { break };
        if let Err(error) = change.make(&mut kernel) {
            let begun = changes.iter().take(place + 1).rev();
            let left: Vec<String> = begun.flat_map(|change| change.undo(&mut kernel)).collect();
            return Err(with_more_details(from_attachment(&error), &left));
        }
    }
    Ok(())
}

/// What becomes of one interface.
struct Change {
    nic: Nic,
    want: Queues,
    /// What the device sends through.
    sent: LiveQueues,
    /// What the ifb sends through, if what the device receives is sent there.
    received: Option<LiveQueues>,
}

impl Change {
    /// Looks at what there is, and changes nothing.
    fn prepare(nic: Nic, want: Queues, kernel: &mut Kernel) -> Result<Self, attachment::Error> {
        let sent = LiveQueues::look(&nic.device, &HANDLES, kernel)?;
        sent.refuse_other(&want.sent)?;
        let redirect = redirect(&nic);
        let whole: [&dyn Object; 3] = [&redirect, &nic.ifb(), &Up { device: redirect.to.clone() }];
        let mut is_whole = true;
        for object in whole {
            is_whole = is_whole && object.differences(kernel)?.is_empty();
        }
        let received = is_whole.then(|| LiveQueues::look(&redirect.to, &HANDLES, kernel)).transpose()?;
        received.iter().try_for_each(|received| received.refuse_other(&want.received))?;
        Ok(Self { nic, want, sent, received })
    }

    fn make(&mut self, kernel: &mut Kernel) -> Result<(), attachment::Error> {
        match (&mut self.received, self.want.received.is_empty()) {
            (Some(received), false) => received.set(kernel, &self.want.received)?,
            (None, true) => drop(self.stop_receiving(kernel)?),
            (None, false) => self.begin_receiving(kernel)?,
            (Some(received), true) => {
                received.drain(kernel)?;
                // The ingress queue goes, and the kernel empties the device's others.
                self.sent.drain(kernel)?;
                self.stop_receiving(kernel)?;
            }
        }
        self.sent.set(kernel, &self.want.sent)
    }

    /// The ifb is complete before anything is sent there. What a call that was killed has left of it is made anew.
    fn begin_receiving(&mut self, kernel: &mut Kernel) -> Result<(), attachment::Error> {
        let redirect = self.stop_receiving(kernel)?;
        redirect.refuse_existing(kernel)?;
        let mut creation = Creation::new();
        let made = creation.make(kernel, describe::on_ifb(&self.nic, &self.want.received)).and_then(|()| {
            // The ingress queue comes, and the kernel empties the device's others.
            self.sent.drain(kernel)?;
            creation.make(kernel, vec![Box::new(redirect)])
        });
        made.inspect_err(|_| drop(creation.undo(kernel)))
    }

    /// Takes away what leads to the ifb, and the ifb. Returns the redirection as it would be.
    fn stop_receiving(&self, kernel: &mut Kernel) -> Result<Redirect, attachment::Error> {
        let redirect = redirect(&self.nic);
        redirect.remove(kernel)?;
        self.nic.ifb().remove(kernel)?;
        kernel.find(&redirect.to)?; // it is not there any more: its index does not count
        Ok(redirect)
    }

    /// Takes the change back, as far as it came. Returns what could not be.
    fn undo(&self, kernel: &mut Kernel) -> Vec<String> {
        let received = match &self.received {
            None => self.stop_receiving(kernel).map(drop),
            Some(received) => self.receive_again(received, kernel),
        };
        let sent = self.sent.restore(kernel);
        let failed = |error: attachment::Error| format!("the limits from before are not back: {error}");
        [received, sent].into_iter().filter_map(|done| done.err().map(failed)).collect()
    }

    /// What the device receives goes through the queues from before. Where they are gone they are made anew, in which deviations
    /// of a delay are all alike: the kernel had not shown their table.
    fn receive_again(&self, received: &LiveQueues, kernel: &mut Kernel) -> Result<(), attachment::Error> {
        if redirect(&self.nic).differences(kernel)?.is_empty() {
            return received.restore(kernel);
        }
        let redirect = self.stop_receiving(kernel)?;
        let mut objects = describe::on_ifb(&self.nic, received.before());
        objects.push(Box::new(redirect));
        let mut creation = Creation::new();
        creation.make(kernel, objects).inspect_err(|_| drop(creation.undo(kernel)))
    }
}

fn redirect(nic: &Nic) -> Redirect {
    Redirect { from: nic.device.clone(), to: nic.ifb().device() }
}
