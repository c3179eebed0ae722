//! Making the objects of a description, and unmaking them when one fails.

use crate::{Error, Kernel, Object};

/// An attachment in the making.
#[derive(Debug)]
pub struct Creation {
    objects: Vec<Box<dyn Object>>,
}

impl Creation {
    /// Nothing made yet.
    #[must_use]
    pub fn new() -> Self {
        Self { objects: Vec::new() }
    }

    /// Makes the objects in order. Call it again for those that are known only later.
    ///
    /// # Errors
    /// The first that fails. What was made stays until [`Creation::undo`].
    pub fn make(&mut self, kernel: &mut Kernel, objects: Vec<Box<dyn Object>>) -> Result<(), Error> {
        let first = self.objects.len();
        self.objects.extend(objects);
        let made = self.objects.iter().enumerate().skip(first).try_for_each(|(place, object)| {
            kernel.work_on(place);
            object.create(kernel)
        });
        let made = made.and_then(|()| kernel.flush());
        kernel.forget_queue();
        kernel.unlock();
        made.map_err(|error| match kernel.take_refused().and_then(|place| self.objects.get(place)) {
            Some(object) => object.explain(error),
            None => error,
        })
    }

    /// Removes what this creation made, the last first; what it found and adopted stays.
    pub fn undo(self, kernel: &mut Kernel) -> Vec<Error> {
        let made = kernel.take_made();
        made.into_iter().filter_map(|place| self.objects.get(place)?.undo(kernel).err()).collect()
    }
}

impl Default for Creation {
    fn default() -> Self {
        Self::new()
    }
}
