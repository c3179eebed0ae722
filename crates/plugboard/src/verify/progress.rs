//! What is being measured, for who waits: a line on stderr that replaces itself, where that is a terminal.

use std::cell::Cell;
use std::io::{self, IsTerminal, Write as _};

use super::row::Direction;

/// Writes text where it is seen.
type Write = Box<dyn Fn(&str)>;

/// The steps of a measurement, one after the other.
pub(super) struct Progress {
    to: Option<Write>,
    steps: Cell<usize>,
    done: Cell<usize>,
    /// How many columns the line has now.
    width: Cell<usize>,
}

impl Progress {
    /// On stderr if that is a terminal, else nowhere.
    pub(super) fn on_stderr() -> Self {
        let write = |text: &str| _ = io::stderr().write_all(text.as_bytes());
        Self::to(io::stderr().is_terminal().then(|| Box::new(write) as Write))
    }

    fn to(to: Option<Write>) -> Self {
        Self { to, steps: Cell::new(0), done: Cell::new(0), width: Cell::new(0) }
    }

    /// Says how many steps there will be.
    pub(super) fn expect(&self, steps: usize) {
        self.steps.set(steps);
    }

    /// Something is done before the first step.
    pub(super) fn prepare(&self, what: &str) {
        self.show(&format!("verify: {what}"));
    }

    /// A step begins. One that is taken again counts once.
    pub(super) fn step(&self, direction: Direction, what: &str) {
        let done = self.done.get() + 1;
        self.done.set(done);
        let steps = self.steps.get().max(done);
        let direction = match direction {
            Direction::RoundTrip => "there and back",
            one => one.name(),
        };
        self.show(&format!("verify: measuring {done} of {steps}: {direction}: {what}"));
    }

    /// Takes the line away.
    pub(super) fn end(&self) {
        if self.width.get() > 0 {
            self.show("");
            self.write("\r");
        }
    }

    fn show(&self, text: &str) {
        let before = self.width.replace(text.chars().count());
        self.write(&format!("\r{text:before$}"));
    }

    fn write(&self, text: &str) {
        if let Some(to) = &self.to {
            to(text);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    #[test]
    fn a_line_replaces_the_one_before_it_and_goes() {
        let written = Rc::new(Cell::new(String::new()));
        let to = Rc::clone(&written);
        let progress = Progress::to(Some(Box::new(move |text: &str| to.set(to.take() + text))));
        progress.prepare("attaching two containers");
        progress.expect(2);
        progress.step(Direction::RoundTrip, "delay");
        progress.step(Direction::Download, "rate");
        drop(progress);
        let mut shown = String::new();
        for part in written.take().split('\r').filter(|part| !part.is_empty()) {
            shown = part.to_owned() + shown.get(part.len()..).unwrap_or_default();
            assert!(
                [
                    "verify: attaching two containers",
                    "verify: measuring 1 of 2: there and back: delay",
                    "verify: measuring 2 of 2: download: rate",
                    ""
                ]
                .contains(&shown.trim_end()),
                "{shown}"
            );
        }
        assert_eq!(shown.trim_end(), "");
    }
}
