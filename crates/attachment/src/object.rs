//! An object of the kernel as a description asks for it.

use std::fmt;

use crate::{Error, Kernel};

/// Whose network an object is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The namespace that the plugin runs in.
    Host,
    /// The container's.
    Container,
}

/// A link by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Where it is.
    pub side: Side,
    /// Its name there.
    pub name: String,
}

impl Device {
    /// A link of the host.
    pub fn host(name: impl Into<String>) -> Self {
        Self { side: Side::Host, name: name.into() }
    }

    /// A link of the container.
    pub fn container(name: impl Into<String>) -> Self {
        Self { side: Side::Container, name: name.into() }
    }

    /// The beginning of an equivalent command on the device's side: `ip` or `ip -n CONTAINER`.
    pub(crate) fn tool(&self, tool: &str) -> String {
        match self.side {
            Side::Host => tool.to_owned(),
            Side::Container => format!("{tool} -n CONTAINER"),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.side {
            Side::Host => f.write_str(&self.name),
            Side::Container => write!(f, "{} in the container", self.name),
        }
    }
}

/// What CHECK found different from the description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The object and its property.
    pub what: String,
    /// What was asked.
    pub want: String,
    /// What is there.
    pub have: String,
}

impl Difference {
    /// A property that differs.
    pub fn new(what: impl Into<String>, want: impl fmt::Display, have: impl fmt::Display) -> Self {
        Self { what: what.into(), want: want.to_string(), have: have.to_string() }
    }

    /// An object that is not there.
    pub fn missing(what: impl Into<String>) -> Self {
        Self { what: what.into(), want: "present".to_owned(), have: "missing".to_owned() }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: want {}, have {}", self.what, self.want, self.have)
    }
}

/// An object that an attachment needs. It knows how to be made, compared, removed and printed.
pub trait Object: fmt::Debug {
    /// Fails when something is there that it would collide with. Asked of all objects before anything is made and before a
    /// delegate runs, so that a refused call changes nothing.
    ///
    /// # Errors
    /// [`Error::Exists`].
    fn refuse_existing(&self, _kernel: &mut Kernel) -> Result<(), Error> {
        Ok(())
    }

    /// Makes it, or queues the steps that do, so that the steps of several objects go out together.
    ///
    /// # Errors
    /// What the kernel says, with the object's name. An object that exists and is not shared is an error.
    fn create(&self, kernel: &mut Kernel) -> Result<(), Error>;

    /// The kernel's refusal of one of its queued steps, with what is known of the reason.
    fn explain(&self, error: Error) -> Error {
        error
    }

    /// Compares it with the kernel.
    ///
    /// # Errors
    /// When the kernel cannot be asked; an object that is missing is a difference, not an error.
    fn differences(&self, kernel: &mut Kernel) -> Result<Vec<Difference>, Error>;

    /// Removes it; one that is not there is removed already.
    ///
    /// # Errors
    /// What the kernel says.
    fn remove(&self, kernel: &mut Kernel) -> Result<(), Error>;

    /// Removes it, or the part of it that was made, in the call that has just made it.
    ///
    /// # Errors
    /// What the kernel says.
    fn undo(&self, kernel: &mut Kernel) -> Result<(), Error> {
        self.remove(kernel)
    }

    /// The `ip`, `bridge` or `tc` commands that would make it, for people.
    fn commands(&self) -> Vec<String>;
}

/// The objects of a description.
pub type Objects = [Box<dyn Object>];

/// Asks all objects whether something is in their way.
///
/// # Errors
/// The first that is.
pub fn refuse_existing(kernel: &mut Kernel, objects: &Objects) -> Result<(), Error> {
    objects.iter().try_for_each(|object| object.refuse_existing(kernel))
}

/// Compares all objects with the kernel.
///
/// # Errors
/// The first that prevents the comparison.
pub fn differences(kernel: &mut Kernel, objects: &Objects) -> Result<Vec<Difference>, Error> {
    let mut all = Vec::new();
    for object in objects {
        // Two objects may need the same thing.
        let new = object.differences(kernel)?.into_iter().filter(|difference| !all.contains(difference));
        let new: Vec<Difference> = new.collect();
        all.extend(new);
    }
    Ok(all)
}

/// Removes all objects, the last first. What fails does not keep the rest from being removed.
pub fn remove(kernel: &mut Kernel, objects: &Objects) -> Vec<Error> {
    objects.iter().rev().filter_map(|object| object.remove(kernel).err()).collect()
}

/// The commands that would make all objects, in order.
#[must_use]
pub fn commands(objects: &Objects) -> Vec<String> {
    objects.iter().flat_map(|object| object.commands()).collect()
}
