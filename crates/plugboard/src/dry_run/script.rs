//! The script that is printed.

use std::io::{self, Write};
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::chain::Printed;

/// The keys that tell a plugin what earlier calls have printed.
const MADE: &str = "plugboard/made";
const GONE: &str = "plugboard/gone";

/// Lines of comments and commands, and what they make and remove so far.
#[derive(Debug, Default)]
pub(super) struct Script {
    lines: Vec<String>,
    made: Vec<String>,
    gone: Vec<String>,
    routes: Vec<Route>,
    /// Where the part begins that is being written.
    part: usize,
}

impl Script {
    pub(super) fn comment(&mut self, text: impl AsRef<str>) {
        self.lines.extend(text.as_ref().lines().map(|line| format!("# {line}")));
    }

    /// Whether a command is about this path.
    pub(super) fn mentions(&self, path: &Path) -> bool {
        let path = path.display().to_string();
        self.lines.iter().any(|line| line.contains(&path))
    }

    /// A comment that begins a part.
    pub(super) fn heading(&mut self, text: impl AsRef<str>) {
        if !self.lines.is_empty() {
            self.lines.push(String::new());
        }
        self.part = self.lines.len();
        self.comment(text);
    }

    /// Tells a plugin what has been printed before.
    pub(super) fn brief(&self, request: &mut Map<String, Value>) {
        request.insert(MADE.to_owned(), json!(self.made));
        request.insert(GONE.to_owned(), json!(self.gone));
    }

    /// What a plugin would do; `None` if it cannot say. `word` replaces what is not known yet by words.
    ///
    /// # Errors
    /// An interface has a name that cannot stand in a script; nothing is added then.
    pub(super) fn add(
        &mut self,
        printed: Option<Printed>,
        netns: Option<&Path>,
        word: impl Fn(&str) -> String,
    ) -> Result<(), String> {
        let Some(Printed { commands, result, made, gone }) = printed else {
            self.comment("this plugin cannot print what it would do");
            return Ok(());
        };
        let interfaces = result.iter().filter_map(|result| result.get("interfaces")?.as_array()).flatten();
        let named = interfaces.filter_map(|interface| interface.get("name")?.as_str());
        refuse_unwritable(named.chain(gone.iter().map(String::as_str)))?;
        if commands.is_empty() {
            self.comment("nothing");
        }
        let commands = match netns {
            Some(path) => attachment::inside(commands, path),
            None => commands,
        };
        for command in commands {
            let line = word(&command);
            let said: &[String] = if line.starts_with("# then ") {
                self.lines.get(self.part..).unwrap_or_default()
            } else if is_said_once(&line) {
                &self.lines
            } else {
                &[]
            };
            if said.contains(&line) {
                continue;
            }
            self.add_line(line);
        }
        self.made.extend(made.into_iter().filter(|name| !self.made.contains(name)).collect::<Vec<_>>());
        self.gone.extend(gone.into_iter().filter(|name| !self.gone.contains(name)).collect::<Vec<_>>());
        Ok(())
    }

    /// What adds a route says what becomes of it beside those that the script makes before.
    fn add_line(&mut self, line: String) {
        let Some(route) = Route::of(&line) else {
            self.lines.push(line);
            return;
        };
        match route.beside(&self.routes) {
            Beside::Made => self.lines.push(line),
            Beside::Appended => self.lines.push(line.replacen(" route add ", " route append ", 1)),
            Beside::Skipped => self.comment(format!("skipped, there will be such a route by then: {line}")),
            Beside::Refused => self.comment(format!("this is refused, there will be such a route by then: {line}")),
        }
        self.routes.push(route);
    }

    pub(super) fn print(&self) -> io::Result<()> {
        let mut text = self.lines.join("\n");
        text.push('\n');
        io::stdout().write_all(text.as_bytes())
    }
}

/// Whether the line is printed only once: repeating it would tell the reader nothing and change nothing.
fn is_said_once(line: &str) -> bool {
    ["# ", "sysctl -w ", "nft list table "].iter().any(|beginning| line.starts_with(beginning))
}

/// Refuses names that stand in commands as they are, and have characters that a shell interprets.
fn refuse_unwritable<'a>(mut names: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "._-+:@".contains(letter);
    match names.find(|name| !name.chars().all(is_plain)) {
        Some(name) => Err(format!(
            "the interface {name:?} has characters in its name that a shell interprets; no script is printed"
        )),
        None => Ok(()),
    }
}

/// A route that a command adds.
#[derive(Debug)]
struct Route {
    /// Its namespace, destination, metric and table: one of IPv4 has these for itself.
    key: String,
    device: String,
    /// Everything behind `route add`.
    words: String,
    /// It has a gateway of which the routes say that it is on the link.
    has_gateway: bool,
    is_default: bool,
    is_ipv6: bool,
}

/// What becomes of a route beside those that are made before it.
enum Beside {
    Made,
    /// A further next hop.
    Appended,
    Skipped,
    Refused,
}

impl Route {
    fn of(line: &str) -> Option<Self> {
        let (place, route) = line.split_once(" route add ")?;
        let mut words = route.split(' ');
        let destination = words.next()?;
        let (mut key, mut device, mut has_gateway) = (vec![place, destination], "", false);
        while let (Some(option), Some(value)) = (words.next(), words.next()) {
            match option {
                "metric" | "table" => key.extend([option, value]),
                "dev" => device = value,
                "via" => has_gateway = true,
                _ => {}
            }
        }
        Some(Self {
            is_default: destination.ends_with("/0") && !key.contains(&"table"),
            is_ipv6: destination.contains(':'),
            has_gateway: has_gateway && !route.ends_with(" onlink"),
            key: key.join(" "),
            device: device.to_owned(),
            words: route.to_owned(),
        })
    }

    fn beside(&self, earlier: &[Self]) -> Beside {
        let alike = || earlier.iter().filter(|route| route.key == self.key);
        let is_of_another = alike().all(|route| route.device != self.device);
        match () {
            () if alike().next().is_none() => Beside::Made,
            () if alike().any(|route| route.words == self.words) => Beside::Skipped,
            () if is_of_another && (self.is_default || !self.has_gateway) => Beside::Skipped,
            () if self.is_ipv6 => Beside::Appended,
            () => Beside::Refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_that_an_earlier_interface_has_is_not_added_again() {
        let mut script = Script::default();
        let add = |commands: &[&str]| Printed {
            commands: commands.iter().map(|&command| command.to_owned()).collect(),
            result: None,
            made: Vec::new(),
            gone: Vec::new(),
        };
        let one = "ip -n c1 route add 0.0.0.0/0 via 10.8.0.1 dev eth0 proto static";
        let other = "ip -n c1 route add 0.0.0.0/0 via 10.9.0.1 dev eth1 proto static";
        let third = "ip -n c1 route add 0.0.0.0/0 via 10.9.0.1 dev eth1 proto static metric 5";
        script.add(Some(add(&[one])), None, str::to_owned).unwrap();
        script.add(Some(add(&[other, third])), None, str::to_owned).unwrap();
        assert_eq!(script.lines[0], one);
        assert!(script.lines[1].starts_with("# skipped") && script.lines[1].ends_with(other));
        assert_eq!(script.lines[2], third);
    }

    #[test]
    fn a_route_beside_an_earlier_one_is_what_add_makes_of_it() {
        let printed = |lines: &[&str]| {
            let mut script = Script::default();
            lines.iter().for_each(|line| script.add_line((*line).to_owned()));
            script.lines.last().cloned().unwrap_or_default()
        };
        let on = |destination: &str, gateway: &str, device: &str| {
            format!("ip -n c1 route add {destination} via {gateway} dev {device} proto static")
        };
        for (one, other, becomes) in [
            (on("::/0", "fd00::1", "eth0"), on("::/0", "fd00::2", "eth0"), "ip -n c1 route append ::/0 via fd00::2"),
            (on("::/0", "fd00::1", "eth0"), on("::/0", "fd01::1", "eth1"), "# skipped"),
            (on("::/0", "fd00::1", "eth0"), on("::/0", "fd00::1", "eth0"), "# skipped"),
            (on("10.9.0.0/16", "10.1.0.1", "eth0"), on("10.9.0.0/16", "10.1.0.2", "eth0"), "# this is refused"),
            (on("10.9.0.0/16", "10.1.0.1", "eth0"), on("10.9.0.0/16", "10.2.0.1", "eth1"), "# this is refused"),
            (on("0.0.0.0/0", "10.1.0.1", "eth0"), on("0.0.0.0/0", "10.1.0.2", "eth0"), "# this is refused"),
        ] {
            let last = printed(&[&one, &other]);
            assert!(last.starts_with(becomes), "{last}");
        }
        let routed = |device| format!("ip -n c1 route add 10.2.0.0/24 via 10.2.0.1 dev {device} proto static onlink");
        assert!(printed(&[&routed("eth0"), &routed("eth1")]).starts_with("# skipped"));
    }
}
