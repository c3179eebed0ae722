//! Printing: the commands of `ip`, `bridge`, `tc` and `nft` that do by hand what the other verbs do.
//!
//! The container stands in them as `CONTAINER` until [`inside`] puts its namespace there. A line that begins with `#` is a
//! comment.

use std::path::Path;

use crate::verbs::collect::{Left, of_all};
use crate::verbs::release::by_commons;
use crate::{Commons, Description, Error, Finder, Found, Item, Session, Shared, Valid};

/// Where `ip` looks for namespaces by their names.
const NAMED: [&str; 2] = ["/run/netns", "/var/run/netns"];

/// The commands that would make all that a description says, in order.
#[must_use]
pub fn commands(description: &Description) -> Vec<String> {
    description.items().iter().flat_map(Item::commands).collect()
}

/// The commands that would make what a description says and does not exist yet, in order. Shared objects in `made` count as made,
/// because commands for them have been printed already; those printed here are added to it.
///
/// # Errors
/// What is in the way; the kernel cannot be asked.
pub fn missing_commands(
    session: &mut Session,
    description: &Description,
    made: &mut Vec<String>,
) -> Result<Vec<String>, Error> {
    let mut commands = Vec::new();
    for item in description.items() {
        commands.extend(match item {
            Item::Object(object) => object.missing_commands(session)?,
            Item::Action(action) => action.commands(),
            Item::Shared(shared) => of_shared(session, shared.as_ref(), made)?,
        });
    }
    Ok(commands)
}

fn of_shared(session: &mut Session, shared: &dyn Shared, made: &mut Vec<String>) -> Result<Vec<String>, Error> {
    let name = shared.name();
    if made.contains(&name) {
        return Ok(vec![format!("# {name}: see above")]);
    }
    let commands = shared.missing_commands(session)?;
    if commands.iter().any(|command| !is_comment(command)) {
        made.push(name);
    }
    Ok(commands)
}

/// The commands that would remove what exists of a description, the last first, and then the shared objects that nobody else
/// uses. Failed queries are returned as errors along with the rest.
pub fn removal_commands(session: &mut Session, description: &Description) -> (Vec<String>, Vec<Error>) {
    let mut printed = Printed::default();
    for item in description.items().iter().rev() {
        if let Item::Object(object) = item {
            printed.add(object.removal_commands(session));
        }
    }
    let shared: Vec<&dyn Shared> = description.shared().collect();
    printed.release(session, &shared);
    printed.into_parts()
}

/// The commands that would remove what `network` has that belongs to none of the `valid` attachments, and then the objects that
/// they shared and nobody uses. Failed queries are returned as errors along with the rest.
pub fn collection_commands(
    session: &mut Session,
    finders: &[&'static Finder],
    network: &str,
    valid: &Valid,
) -> (Vec<String>, Vec<Error>) {
    let mut printed = Printed::default();
    let Left { stale, shared, errors } = Left::find(session, finders, network, valid);
    errors.into_iter().for_each(|error| printed.add(Err(error)));
    for found in stale.iter().flat_map(|(_, found)| found) {
        if let Found::Own { print: Some(print), .. } = found {
            printed.add(print(session));
        }
    }
    printed.release(session, &of_all(&shared));
    printed.into_parts()
}

/// What has been found to print.
#[derive(Default)]
struct Printed {
    commands: Vec<String>,
    errors: Vec<Error>,
}

impl Printed {
    /// What only root may see is said in a comment, once. So is a removal: something may have been found in several ways.
    fn add(&mut self, found: Result<Vec<String>, Error>) {
        match found {
            Ok(commands) => {
                for command in commands {
                    if is_comment(&command) || !self.commands.contains(&command) {
                        self.commands.push(command);
                    }
                }
            }
            Err(error) if error.is_forbidden() => {
                let comment = error.as_unseen();
                if !self.commands.contains(&comment) {
                    self.commands.push(comment);
                }
            }
            Err(error) if self.errors.iter().any(|other| other.to_string() == error.to_string()) => {}
            Err(error) => self.errors.push(error),
        }
    }

    fn release(&mut self, session: &mut Session, all: &[&dyn Shared]) {
        for parts in by_commons(all) {
            let is_used = parts.first().map_or(Ok(true), |first| Commons::is_used(first.commons().as_ref(), session));
            match is_used {
                Ok(true) => {}
                Ok(false) => parts.iter().for_each(|part| self.add(part.removal_commands(session))),
                Err(error) => self.add(Err(error)),
            }
        }
    }

    fn into_parts(self) -> (Vec<String>, Vec<Error>) {
        (self.commands, self.errors)
    }
}

/// A line of a script that does nothing.
fn is_comment(line: &str) -> bool {
    line.starts_with('#')
}

/// The commands with the namespace of the container in them: by its name where `ip` knows one, else by its path.
#[must_use]
pub fn inside(mut commands: Vec<String>, namespace: &Path) -> Vec<String> {
    let is_named = namespace.parent().is_some_and(|parent| NAMED.iter().any(|named| Path::new(named) == parent));
    let name = namespace.file_name().filter(|_| is_named).unwrap_or(namespace.as_os_str());
    let name = quoted(&name.to_string_lossy());
    let forms: &[(&str, &str)] = match is_named {
        true => &[("-n CONTAINER", "-n "), ("netns CONTAINER", "netns "), ("netns exec CONTAINER", "netns exec ")],
        false => &[
            ("ip -n CONTAINER", "nsenter --net=@ ip"),
            ("tc -n CONTAINER", "nsenter --net=@ tc"),
            ("ip netns exec CONTAINER", "nsenter --net="),
            ("netns CONTAINER", "netns "),
        ],
    };
    for command in commands.iter_mut().filter(|command| !is_comment(command) && command.contains("CONTAINER")) {
        for (from, to) in forms {
            let to = match to.split_once('@') {
                Some((before, behind)) => format!("{before}{name}{behind}"),
                None => format!("{to}{name}"),
            };
            *command = command.replace(from, &to);
        }
    }
    commands
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+:@,".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_named_as_ip_knows_it() {
        let of = |path: &str| {
            let commands = [
                "ip -n CONTAINER link set eth0 up",
                "ip link add p type veth peer name eth0 netns CONTAINER",
                "ip netns exec CONTAINER sysctl -w x=1",
                "until [ -z \"$(ip -n CONTAINER -6 address show)\" ]; do sleep 0.1; done",
                "ip link set p alias 'plugboard: eth0 on CONTAINER of CONTAINER'",
                "# CONTAINER",
            ];
            inside(commands.map(str::to_owned).to_vec(), Path::new(path))
        };
        let named = of("/run/netns/c1");
        assert_eq!(
            named[..4],
            [
                "ip -n c1 link set eth0 up",
                "ip link add p type veth peer name eth0 netns c1",
                "ip netns exec c1 sysctl -w x=1",
                "until [ -z \"$(ip -n c1 -6 address show)\" ]; do sleep 0.1; done",
            ]
        );
        assert!(named[4].contains("on CONTAINER of CONTAINER") && named[5] == "# CONTAINER");
        assert_eq!(
            of("/proc/7/ns/net")[..4],
            [
                "nsenter --net=/proc/7/ns/net ip link set eth0 up",
                "ip link add p type veth peer name eth0 netns /proc/7/ns/net",
                "nsenter --net=/proc/7/ns/net sysctl -w x=1",
                "until [ -z \"$(nsenter --net=/proc/7/ns/net ip -6 address show)\" ]; do sleep 0.1; done",
            ]
        );
        assert_eq!(of("/srv/it's $x")[0], r"nsenter --net='/srv/it'\''s $x' ip link set eth0 up");
    }
}
