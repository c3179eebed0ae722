//! Kinds of objects that the project does not have, in something that is no kernel's: files in a directory. They get every verb
//! by saying what they are, and no line of the crate `attachment` knows them.

use std::cell::RefCell;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use attachment::{
    Action, Channel, Commons, Creation, Description, Difference, Error, Finder, Found, Identity, Item, Kind, Object,
    Owner, Secret, Session, Shared, Stage, State, Valid, collect, commands, differences, of_attachment,
    refuse_existing, refuse_unusable, remove, update,
};
use harness::Host;

thread_local! {
    /// Where a finder looks, as a switch's database has a well-known socket.
    static PLACE: RefCell<PathBuf> = RefCell::default();
}

/// The channel: it collects what is to be written, and writes what is of one stage in one go.
#[derive(Default)]
struct Directory {
    path: PathBuf,
    unwritten: Vec<(usize, String, String)>,
}

impl Directory {
    fn open() -> Result<Self, Error> {
        let path = PLACE.with_borrow(Clone::clone);
        match path.is_dir() {
            true => Ok(Self { path, ..Self::default() }),
            false => Err(failed("open the directory", &path)),
        }
    }

    fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path.join(name)).ok()
    }

    fn delete(&self, name: &str) -> Result<(), Error> {
        match fs::remove_file(self.path.join(name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(&error.to_string(), &self.path)),
            _ => Ok(()),
        }
    }
}

fn failed(reason: &str, path: &Path) -> Error {
    Error::Channel { action: format!("use {}", path.display()), reason: reason.to_owned() }
}

impl Channel for Directory {
    fn holds_something(&self) -> bool {
        !self.unwritten.is_empty()
    }

    fn forget(&mut self) {
        self.unwritten.clear();
    }

    fn flush(&mut self, made: &mut Vec<usize>) -> Result<(), Error> {
        for (place, name, text) in std::mem::take(&mut self.unwritten) {
            if text.contains("refused") {
                return Err(failed("it takes no such text", &self.path));
            }
            fs::write(self.path.join(name), text).map_err(|error| failed(&error.to_string(), &self.path))?;
            made.push(place);
        }
        Ok(())
    }
}

fn directory(session: &mut Session) -> Result<&mut Directory, Error> {
    session.channel(Directory::open)
}

static TICKET: Kind = Kind::found("ticket");
static TICKETS: Finder = Finder::new(&TICKET, ticket_of, tickets_of);

/// An attachment's own: a file named after it that says whose it is.
#[derive(Clone)]
struct Ticket {
    identity: Identity,
    colour: &'static str,
    code: Secret,
}

impl Ticket {
    fn name(&self) -> String {
        format!("ticket-{}", self.identity.host_name())
    }

    fn text(&self) -> String {
        format!("{} {} {}", self.identity.network(), self.identity.container_id(), self.colour)
    }
}

fn ticket_of(_: &mut Session, identity: &Identity) -> Result<Vec<Item>, Error> {
    let ticket = Ticket { identity: identity.clone(), colour: "", code: Secret::new(Vec::new()) };
    Ok(vec![Item::Object(Box::new(ticket))])
}

fn tickets_of(session: &mut Session, network: &str) -> Result<Vec<Found>, Error> {
    let directory = directory(session)?;
    let mut found = Vec::new();
    for entry in fs::read_dir(&directory.path).into_iter().flatten().flatten() {
        let file = entry.file_name().to_string_lossy().into_owned();
        let text = directory.read(&file).unwrap_or_default();
        if let Some(host_name) = file.strip_prefix("ticket-").filter(|_| text.split(' ').next() == Some(network)) {
            let mut words = text.split(' ').skip(1);
            let owner = Owner::Identity(Identity::new(network, words.next().unwrap_or_default(), "eth0"));
            assert_eq!(identity(text.split(' ').nth(1).unwrap_or_default()).host_name(), host_name);
            found.push(Found::own(owner, Stage::Nic, move |session| self::directory(session)?.delete(&file)));
        }
    }
    Ok(found)
}

impl Object for Ticket {
    fn kind(&self) -> &'static Kind {
        &TICKET
    }

    fn stage(&self) -> Stage {
        Stage::Nic
    }

    fn is_elsewhere(&self) -> bool {
        true
    }

    fn refuse_existing(&self, session: &mut Session) -> Result<(), Error> {
        match directory(session)?.read(&self.name()) {
            Some(_) => Err(Error::Exists(self.name())),
            None => Ok(()),
        }
    }

    fn create(&self, session: &mut Session) -> Result<(), Error> {
        let (place, name, text) = (session.place(), self.name(), self.text());
        directory(session)?.unwritten.push((place, name, text));
        Ok(())
    }

    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        Ok(match directory(session)?.read(&self.name()) {
            None => vec![Difference::missing(self.name())],
            Some(text) if text != self.text() => vec![Difference::new(self.name(), self.text(), text)],
            Some(_) => Vec::new(),
        })
    }

    fn update(&self, session: &mut Session) -> Result<(), Error> {
        let before = directory(session)?.read(&self.name()).ok_or_else(|| Error::Missing(self.name()))?;
        let name = self.name();
        session.on_undo(move |session| {
            directory(session)?.unwritten.push((usize::MAX, name, before));
            session.flush()
        });
        self.create(session)
    }

    fn remove(&self, session: &mut Session) -> Result<(), Error> {
        directory(session)?.delete(&self.name())
    }

    fn commands(&self) -> Vec<String> {
        vec![format!("echo '{}' > {} # code {}", self.text(), self.name(), self.code)]
    }
}

static HALL: Kind = Kind::found("hall");
static HALLS: Finder = Finder::new(&HALL, hall_of, halls_of);

/// What they share: it is there while anybody has a ticket.
struct Hall {
    seats: u32,
}

struct TicketHolders;

impl Commons for TicketHolders {
    fn name(&self) -> String {
        "hall".to_owned()
    }

    fn is_used(&self, session: &mut Session) -> Result<bool, Error> {
        let path = &directory(session)?.path;
        let names = fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.file_name());
        Ok(names.map(|name| name.to_string_lossy().into_owned()).any(|name| name.starts_with("ticket-")))
    }
}

fn hall_of(_: &mut Session, _: &Identity) -> Result<Vec<Item>, Error> {
    Ok(vec![Item::Shared(Box::new(Hall { seats: 0 }))])
}

fn halls_of(_: &mut Session, _: &str) -> Result<Vec<Found>, Error> {
    Ok(vec![Found::shared(Hall { seats: 0 })])
}

impl Shared for Hall {
    fn kind(&self) -> &'static Kind {
        &HALL
    }

    fn name(&self) -> String {
        "hall".to_owned()
    }

    fn is_elsewhere(&self) -> bool {
        true
    }

    fn commons(&self) -> Box<dyn Commons> {
        Box::new(TicketHolders)
    }

    fn refuse_unusable(&self, session: &mut Session) -> Result<(), Error> {
        self.look(session).map(drop)
    }

    fn look(&self, session: &mut Session) -> Result<State, Error> {
        match directory(session)?.read("hall") {
            None => Ok(State::Lacking),
            Some(text) if text == self.seats.to_string() => Ok(State::Whole),
            Some(text) => Err(Error::Exists(format!("a hall with {text} seats"))),
        }
    }

    fn make(&self, session: &mut Session) -> Result<(), Error> {
        let (place, text) = (session.place(), self.seats.to_string());
        directory(session)?.unwritten.push((place, "hall".to_owned(), text));
        Ok(())
    }

    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        Ok(match directory(session)?.read("hall") {
            None => vec![Difference::missing("hall")],
            Some(text) if text != self.seats.to_string() => vec![Difference::new("hall", self.seats, text)],
            Some(_) => Vec::new(),
        })
    }

    fn release(&self, session: &mut Session) -> Result<(), Error> {
        directory(session)?.delete("hall")
    }

    fn commands(&self) -> Vec<String> {
        vec![format!("echo {} > hall", self.seats)]
    }
}

const FINDERS: [&Finder; 2] = [&HALLS, &TICKETS];

/// A host of the test's own, whose locks are not this machine's, with a directory for the thread that it runs in.
struct Place {
    directory: PathBuf,
    _host: Host,
}

impl Place {
    fn new() -> Self {
        let host = Host::enter();
        let directory = PathBuf::from("/run/kinds");
        fs::create_dir(&directory).expect("a directory");
        PLACE.set(directory.clone());
        Self { directory, _host: host }
    }

    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.directory).expect("a directory").flatten();
        let mut files: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        files.sort();
        files
    }
}

fn identity(container: &str) -> Identity {
    Identity::new("net", container, "eth0")
}

/// A hall and a ticket, written the wrong way round.
fn described(container: &str, colour: &'static str) -> Description {
    let mut description = Description::new();
    description.own(Ticket { identity: identity(container), colour, code: Secret::new(b"4711".to_vec()) });
    description.share(Hall { seats: 100 });
    description
}

fn add(container: &str, colour: &'static str) -> Result<(), Box<(Error, Vec<Error>)>> {
    let mut session = Session::new(None);
    let description = described(container, colour);
    description.check(&FINDERS).map_err(|error| Box::new((error, Vec::new())))?;
    refuse_existing(&mut session, &description).map_err(|error| Box::new((error, Vec::new())))?;
    let mut creation = Creation::new();
    let made = creation.make(&mut session, description);
    made.map_err(|error| Box::new((error, creation.undo(&mut session))))
}

fn del(container: &str) {
    let mut session = Session::new(None);
    let (left, errors) = of_attachment(&mut session, &FINDERS, &identity(container));
    assert!(errors.is_empty() && remove(&mut session, &left).is_empty());
}

fn differs(container: &str, colour: &'static str) -> Vec<String> {
    let found = differences(&mut Session::new(None), &described(container, colour)).expect("it can be asked");
    found.iter().map(ToString::to_string).collect()
}

#[test]
fn the_first_makes_what_is_shared_and_the_last_takes_it_along() {
    let place = Place::new();
    add("c1", "red").expect("an attachment");
    add("c2", "blue").expect("another");
    let names = |containers: &[&str]| {
        let mut names: Vec<String> =
            containers.iter().map(|container| format!("ticket-{}", identity(container).host_name())).collect();
        names.sort();
        std::iter::once("hall".to_owned()).chain(names).collect::<Vec<_>>()
    };
    assert_eq!(place.files(), names(&["c1", "c2"]));
    let (error, left) = *add("c1", "red").expect_err("it is there already");
    assert!(matches!(error, Error::Exists(_)) && left.is_empty(), "{error}: {left:?}");
    del("c1");
    del("c1");
    assert_eq!(place.files(), names(&["c2"]), "somebody still uses the hall");
    del("c2");
    assert_eq!(place.files(), [""; 0]);
}

#[test]
fn what_fails_is_undone_and_what_others_use_stays() {
    let place = Place::new();
    let (error, left) = *add("c1", "refused").expect_err("the channel refuses it");
    assert!(error.to_string().contains("takes no such text") && left.is_empty(), "{error}: {left:?}");
    assert_eq!(place.files(), [""; 0], "the hall was written before, and is gone again");
    add("c2", "blue").expect("an attachment");
    let before = place.files();
    add("c1", "refused").expect_err("the channel refuses it");
    assert_eq!(place.files(), before);
}

/// An object of another kind, which can never be made.
struct Impossible;

impl Object for Impossible {
    fn kind(&self) -> &'static Kind {
        &TICKET
    }

    fn stage(&self) -> Stage {
        Stage::Nic
    }

    fn create(&self, _: &mut Session) -> Result<(), Error> {
        Err(Error::Missing("everything".to_owned()))
    }

    fn differences(&self, _: &mut Session) -> Result<Vec<Difference>, Error> {
        Ok(Vec::new())
    }

    fn remove(&self, _: &mut Session) -> Result<(), Error> {
        Ok(())
    }

    fn commands(&self) -> Vec<String> {
        Vec::new()
    }
}

#[test]
fn what_was_collected_when_something_else_failed_is_never_sent() {
    let place = Place::new();
    add("c2", "blue").expect("an attachment");
    let before = place.files();
    let mut session = Session::new(None);
    let mut description = described("c1", "red");
    description.own(Impossible);
    let mut creation = Creation::new();
    assert!(matches!(creation.make(&mut session, description), Err(Error::Missing(_))));
    assert!(creation.undo(&mut session).is_empty());
    session.flush().expect("there is nothing to send");
    assert_eq!(place.files(), before);
}

/// Writes what is in the directory when its turn comes.
struct Look(Arc<Mutex<Vec<usize>>>, PathBuf, Stage);

impl Action for Look {
    fn stage(&self) -> Stage {
        self.2
    }

    fn perform(&self, _: &mut Session) -> Result<(), Error> {
        let count = fs::read_dir(&self.1).into_iter().flatten().count();
        self.0.lock().expect("a list").push(count);
        Ok(())
    }
}

#[test]
fn what_is_collected_is_sent_before_the_next_stage() {
    let place = Place::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let mut description = described("c1", "red");
    for stage in [Stage::Common, Stage::Guard, Stage::Nic, Stage::Port] {
        description.act(Look(Arc::clone(&seen), place.directory.clone(), stage));
    }
    Creation::new().make(&mut Session::new(None), description).expect("an attachment");
    assert_eq!(*seen.lock().expect("a list"), [0, 1, 1, 2], "the hall, and then the ticket");
}

#[test]
fn every_difference_is_told() {
    let _place = Place::new();
    assert_eq!(differs("c1", "red")[0], "hall: want present, have missing");
    add("c1", "red").expect("an attachment");
    assert_eq!(differs("c1", "red"), [""; 0]);
    assert!(differs("c1", "blue")[0].ends_with(": want net c1 blue, have net c1 red"));
}

#[test]
fn a_change_in_use_is_whole_or_none() {
    let _place = Place::new();
    add("c1", "red").expect("an attachment");
    update(&mut Session::new(None), &described("c1", "blue")).expect("a change");
    assert_eq!(differs("c1", "blue"), [""; 0]);
    let failed = update(&mut Session::new(None), &described("c1", "refused")).expect_err("the channel refuses it");
    assert!(failed.left.is_empty(), "{:?}", failed.left);
    assert_eq!(differs("c1", "blue"), [""; 0], "it is as before");
    let mut fewer = Description::new();
    fewer.share(Hall { seats: 50 });
    let failed = update(&mut Session::new(None), &fewer).expect_err("it cannot be changed in place");
    assert!(failed.error.to_string().contains("want 50, have 100"), "{}", failed.error);
}

#[test]
fn what_is_not_valid_is_collected() {
    let place = Place::new();
    for container in ["c1", "c2", "c3"] {
        add(container, "red").expect("an attachment");
    }
    let gc = |valid: &[&str]| {
        let valid: Valid = valid.iter().map(|container| identity(container)).collect();
        assert!(collect(&mut Session::new(None), &FINDERS, "net", &valid).is_empty());
        assert!(collect(&mut Session::new(None), &FINDERS, "other", &Valid::default()).is_empty());
    };
    gc(&["c1", "c2", "c3"]);
    assert_eq!(place.files().len(), 4);
    gc(&["c2"]);
    assert_eq!(place.files(), ["hall".to_owned(), format!("ticket-{}", identity("c2").host_name())]);
    gc(&[]);
    assert_eq!(place.files(), [""; 0]);
}

#[test]
fn status_tries_the_same_description() {
    let place = Place::new();
    let status = |colour| {
        let mut session = Session::new(None);
        refuse_unusable(&mut session, &described("status", colour))?;
        let mut creation = Creation::new();
        let tried = creation.rehearse(&mut session, described("status", colour));
        assert!(creation.undo_elsewhere(&mut session).is_empty());
        tried
    };
    status("red").expect("all that is needed is there");
    assert!(status("refused").is_err());
    assert_eq!(place.files(), [""; 0]);
    fs::write(place.directory.join("hall"), "7").expect("a file");
    assert!(status("red").expect_err("another hall is in the way").to_string().contains("7 seats"));
}

#[test]
fn it_is_printed_in_the_order_of_the_stages_and_without_its_secret() {
    assert_eq!(
        commands(&described("c1", "red")),
        [
            "echo 100 > hall".to_owned(),
            format!("echo 'net c1 red' > ticket-{} # code SECRET", identity("c1").host_name()),
        ]
    );
}

#[test]
fn what_nobody_would_find_cannot_be_made() {
    let error = described("c1", "red").check(&[&HALLS]).expect_err("the tickets would be left behind");
    assert!(error.to_string().starts_with("ticket is not among the kinds"), "{error}");
}
