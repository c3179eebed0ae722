//! What containers with published ports share that are behind the same link of the host: the way of 127.0.0.1 to them, and rules that
//! let the host's firewall pass what is led to them.

use std::fs;
use std::io::ErrorKind;

use nftables::Key;

use crate::firewall::elements::{self, Entry, add, remove};
use crate::firewall::forward::{self, Members};
use crate::firewall::placed::Placed;
use crate::firewall::tables::Ours;
use crate::firewall::tables::ports::{LOCALNETS, PUBLISHED4, PUBLISHED6};
use crate::{
    Commons, Device, Difference, Error, Finder, Found, Identity, Item, Kind, Note, Remedy, Session, Shared, Side,
    State, Tag,
};

static LOOPBACK_KIND: Kind = Kind::found("the way of 127.0.0.1 to published ports");
static LOOPBACK_FINDER: Finder = Finder::new(&LOOPBACK_KIND, loopbacks_beside, loopbacks_of_network);
static RULE_KIND: Kind = Kind::found("rule for published ports");
static RULE_FINDER: Finder = Finder::new(&RULE_KIND, rules_beside, rules_of_network);

/// The attachments with published ports that are behind a link.
#[derive(Debug, Clone)]
struct PublishedBehind {
    link: String,
}

impl Commons for PublishedBehind {
    fn name(&self) -> String {
        format!("published ports behind {}", self.link)
    }

    fn is_used(&self, session: &mut Session) -> Result<bool, Error> {
        let link = Key::link(&self.link);
        let all = elements::of_sets(session, Ours::Ports, &[&PUBLISHED4, &PUBLISHED6])?;
        let is_behind = |placed: &Placed| {
            placed.element.key.bytes().starts_with(link.bytes())
                && !placed.is_of(|owner| elements::count_as_gone(session, Ours::OF_PORTS, owner.host_name))
        };
        Ok(all.iter().any(is_behind))
    }
}

/// The host reaches published ports by 127.0.0.1, too: answers that come in by the link for an address of 127.0.0.0/8 are taken
/// (`route_localnet`), and no others, by a rule of our table, whoever has made the setting. The element by which the rule knows the link
/// tells what the setting was: it is so again with the last such port behind the link.
#[derive(Debug)]
pub struct LoopbackWay {
    behind: PublishedBehind,
    /// It is what was asked for, and not only a part.
    is_needed: bool,
}

impl LoopbackWay {
    /// What finds it without a description.
    pub const FINDER: &'static Finder = &LOOPBACK_FINDER;

    /// That through a link. If it `is_needed` and cannot be had, there is an error; otherwise a note.
    pub fn through(link: impl Into<String>, is_needed: bool) -> Self {
        Self { behind: PublishedBehind { link: link.into() }, is_needed }
    }

    fn link(&self) -> &str {
        &self.behind.link
    }

    fn setting(&self) -> String {
        format!("net.ipv4.conf.{}.route_localnet", self.link())
    }

    fn file(&self) -> String {
        format!("/proc/sys/net/ipv4/conf/{}/route_localnet", self.link())
    }

    /// A link that is gone has none.
    fn is_on(&self, session: &mut Session) -> Result<bool, Error> {
        let file = self.file();
        let read = session.within(Side::Host, || fs::read_to_string(file))?;
        Ok(read.is_ok_and(|value| value.trim_end() == "1"))
    }

    fn set(&self, session: &mut Session, value: &str) -> Result<(), std::io::Error> {
        let file = self.file();
        let written = session.within(Side::Host, || fs::write(file, value));
        written.unwrap_or_else(|error| Err(std::io::Error::other(error.to_string())))
    }

    /// What is said of the element; no attachment's comment reads so.
    fn comment(&self, was_on: bool) -> String {
        format!("plugboard: {} was {}", self.setting(), u8::from(was_on))
    }

    /// What the setting was before. On a link that was made here nobody else has made it: a table that somebody has flushed may have
    /// told so.
    fn was_on(&self, session: &mut Session) -> Result<bool, Error> {
        Ok(self.is_on(session)? && !session.find(&Device::host(self.link()))?.as_ref().is_some_and(Tag::is_ours))
    }

    fn entry(&self) -> Entry {
        let (key, text) = (Key::link(self.link()), format!("{:?}", self.link()));
        Entry { ours: Ours::Ports, set: &LOCALNETS, key, data: None, text }
    }

    /// The comment of its element.
    fn recorded(&self, session: &mut Session) -> Result<Option<String>, Error> {
        let link = Key::link(self.link());
        let mut elements = elements::of_sets(session, Ours::Ports, &[&LOCALNETS])?;
        elements.retain(|placed| placed.element.key == link);
        Ok(elements.pop().map(|placed| placed.element.comment))
    }

    fn forget(&self, session: &mut Session) -> Result<(), Error> {
        let link = Key::link(self.link());
        let is_it = |placed: &Placed| *placed.set == LOCALNETS && placed.element.key == link;
        remove(session, Ours::OF_PORTS, is_it).map(drop)
    }

    fn failed(&self, source: std::io::Error) -> Error {
        Error::Setting {
            action: format!("set {} to 1", self.setting()),
            source,
            remedy: Remedy::act(
                "call the plugin where /proc/sys can be written, or publish at another address than 127.0.0.1",
            ),
        }
    }
}

/// The links that have an element.
fn recorded(session: &mut Session) -> Result<Vec<String>, Error> {
    let elements = elements::of_sets(session, Ours::Ports, &[&LOCALNETS])?;
    Ok(elements.iter().map(|placed| placed.element.key.text(LOCALNETS.key).trim_matches('"').to_owned()).collect())
}

fn loopbacks_beside(session: &mut Session, _: &Identity) -> Result<Vec<Item>, Error> {
    let way = |link| Item::Shared(Box::new(LoopbackWay::through(link, false)) as Box<dyn Shared>);
    Ok(recorded(session)?.into_iter().map(way).collect())
}

fn loopbacks_of_network(session: &mut Session, _: &str) -> Result<Vec<Found>, Error> {
    Ok(recorded(session)?.into_iter().map(|link| Found::shared(LoopbackWay::through(link, false))).collect())
}

impl Shared for LoopbackWay {
    fn kind(&self) -> &'static Kind {
        &LOOPBACK_KIND
    }

    fn name(&self) -> String {
        format!("way of 127.0.0.1 through {}", self.link())
    }

    fn commons(&self) -> Box<dyn Commons> {
        Box::new(self.behind.clone())
    }

    fn look(&self, session: &mut Session) -> Result<State, Error> {
        let is_whole = self.is_on(session)? && self.recorded(session)?.is_some();
        Ok(if is_whole { State::Whole } else { State::Lacking })
    }

    /// Recorded before it is done: so whatever a kill leaves is found, and the rule against others is in force before the way is open.
    fn make(&self, session: &mut Session) -> Result<(), Error> {
        if self.recorded(session)?.is_none() {
            let comment = self.comment(self.was_on(session)?);
            add(session, &comment, &[self.entry()], &[])?;
        }
        if self.is_on(session)? {
            return Ok(());
        }
        let Err(error) = self.set(session, "1") else { return Ok(()) };
        self.forget(session)?;
        if self.is_needed {
            return Err(self.failed(error));
        }
        session.note(Note::NoLoopback { link: self.link().to_owned(), reason: error.to_string() });
        Ok(())
    }

    /// What could not be made, and is not needed, is not missed.
    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        let (is_on, is_recorded) = (self.is_on(session)?, self.recorded(session)?.is_some());
        Ok(match (is_on, is_recorded) {
            (true, true) => Vec::new(),
            (false, false) if !self.is_needed => Vec::new(),
            (false, _) => vec![Difference::new(self.setting(), "1", "0")],
            (true, false) => {
                let what = format!("{:?} in set {} of table {}", self.link(), LOCALNETS.name, Ours::Ports.table());
                vec![Difference::missing(what)]
            }
        })
    }

    fn release(&self, session: &mut Session) -> Result<(), Error> {
        let Some(comment) = self.recorded(session)? else { return Ok(()) };
        if comment == self.comment(false) && self.is_on(session)? {
            match self.set(session, "0") {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(Error::System { action: format!("set {} to 0", self.setting()), source: error });
                }
                _ => {}
            }
        }
        self.forget(session)
    }

    fn commands(&self) -> Vec<String> {
        let table = Ours::Ports.table();
        vec![
            format!("nft list table {table} > /dev/null 2>&1 || nft '{}'", Ours::Ports.text()),
            self.entry().command(&self.comment(false)),
            format!("sysctl -w {}=1", self.setting()),
        ]
    }

    fn removal_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        let Some(comment) = self.recorded(session)? else { return Ok(Vec::new()) };
        let (table, link) = (Ours::Ports.table(), self.link());
        let mut commands = Vec::new();
        // A link that goes takes its settings with it.
        if comment == self.comment(false) && !session.gone().iter().any(|gone| gone == link) {
            commands.push(format!("sysctl -w {}=0", self.setting()));
        }
        commands.extend([
            format!("nft 'delete element {table} {} {{ {link:?} }}'", LOCALNETS.name),
            format!("nft list table {table} | grep -q 'elements = ' || nft delete table {table}"),
        ]);
        Ok(commands)
    }
}

/// The way of a packet that a rule is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    To,
    From,
}

/// A rule that lets the host's firewall pass what is led to published ports behind a link, or what comes back. It exists only if it is
/// needed.
#[derive(Debug)]
pub struct PublishedRule {
    behind: PublishedBehind,
    way: Way,
}

impl PublishedRule {
    /// What finds them without a description.
    pub const FINDER: &'static Finder = &RULE_FINDER;

    /// Both rules for a link.
    #[must_use]
    pub fn both(link: &str) -> [Self; 2] {
        [Way::To, Way::From].map(|way| Self { behind: PublishedBehind { link: link.to_owned() }, way })
    }

    fn members(&self) -> Members<'_> {
        match self.way {
            Way::To => Members::Published(&self.behind.link),
            Way::From => Members::Publishers(&self.behind.link),
        }
    }
}

fn rules_beside(session: &mut Session, _: &Identity) -> Result<Vec<Item>, Error> {
    let rules = forward::publishing(session)?.into_iter().flat_map(|link| PublishedRule::both(&link));
    Ok(rules.map(|rule| Item::Shared(Box::new(rule))).collect())
}

fn rules_of_network(session: &mut Session, _: &str) -> Result<Vec<Found>, Error> {
    let rules = forward::publishing(session)?.into_iter().flat_map(|link| PublishedRule::both(&link));
    Ok(rules.map(Found::shared).collect())
}

impl Shared for PublishedRule {
    fn kind(&self) -> &'static Kind {
        &RULE_KIND
    }

    fn name(&self) -> String {
        let what = if self.way == Way::To { "what is led to" } else { "answers of" };
        format!("rule for {what} published ports behind {}", self.behind.link)
    }

    fn commons(&self) -> Box<dyn Commons> {
        Box::new(self.behind.clone())
    }

    /// Making it needs no exclusive lock, because the packet filter serialises changes itself.
    fn look(&self, _session: &mut Session) -> Result<State, Error> {
        Ok(State::Whole)
    }

    fn adopt(&self, session: &mut Session) -> Result<(), Error> {
        if forward::is_lacking(session, self.members())? {
            forward::ensure(session, self.members())?;
        }
        Ok(())
    }

    fn make(&self, session: &mut Session) -> Result<(), Error> {
        self.adopt(session)
    }

    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        forward::differences(session, self.members())
    }

    fn release(&self, session: &mut Session) -> Result<(), Error> {
        forward::remove(session, self.members())
    }

    fn commands(&self) -> Vec<String> {
        self.members().commands()
    }

    fn missing_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        forward::missing_commands(session, self.members())
    }

    fn removal_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        forward::removal_commands(session, self.members())
    }
}
