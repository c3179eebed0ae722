//! The target of a command: a container that is recorded, a network namespace, or a virtual machine.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};

use crate::cache::Entry;
use crate::cli::Subject;
use crate::empty_namespace;
use crate::machine;
use crate::namespace::{self, TargetNamespace};

/// Where namespaces have names (`ip netns`).
const NAMED: [&str; 2] = ["/run/netns", "/var/run/netns"];

/// The fewest digits of an ID that a runtime has drawn.
const DRAWN: usize = 12;

/// The fewest digits of its beginning that nobody gives to mean something else, such as a container named `c1`.
const BEGINNING: usize = 6;

/// A container, known by its ID whether or not its namespace still exists.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// `CNI_CONTAINERID`.
    pub(crate) container_id: String,
    place: Place,
}

/// Where its namespace is.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// At one of these paths, in order.
    Paths(Vec<PathBuf>),
    /// A machine has none; there is one while plugins are called.
    Machine(PathBuf),
}

/// What is known of containers.
#[derive(Debug, Default)]
pub(crate) struct Known<'a> {
    pub(crate) entries: &'a [Entry],
    /// The IDs of containers that have devices on the host, or damaged records.
    pub(crate) others: BTreeSet<String>,
    /// The command makes or removes something.
    pub(crate) is_careful: bool,
}

/// What a target is by its form alone.
#[derive(Debug)]
enum Form {
    Name(String),
    Path(PathBuf),
    Process(u32),
    Machine(String),
}

impl Target {
    /// The container that interfaces are made for: one that is recorded, or whatever namespace the target names.
    ///
    /// # Errors
    /// The target has no form that is known, or its container ID is not valid.
    pub(crate) fn to_attach(subject: &Subject, entries: &[Entry]) -> anyhow::Result<Self> {
        let form = Form::read(&subject.target)?;
        if let Some(id) = given_id(subject)? {
            let place = form.place(&id);
            return Ok(Self::new(id, place));
        }
        let known = Known { entries, is_careful: true, ..Known::default() };
        let id = match &form {
            Form::Name(name) if !known.has(name) && !form.exists()? => known.begun(name)?.unwrap_or_else(|| form.id()),
            _ => form.id(),
        };
        refuse_invalid(&id)?;
        let place = form.looked_up(entries, &id);
        Ok(Self::new(id, place))
    }

    /// The container that a command about attachments is about: one that is recorded under this ID, or whose namespace this is, or
    /// whose ID begins so.
    ///
    /// # Errors
    /// There is none, or several are.
    pub(crate) fn attached(subject: &Subject, known: &Known<'_>) -> anyhow::Result<Self> {
        let form = Form::read(&subject.target)?;
        if let Some(id) = given_id(subject)? {
            let place = form.place(&id);
            return Ok(Self::new(id, place));
        }
        let id = form.id();
        match &form {
            Form::Name(_) if known.has(&id) => {}
            Form::Machine(name) => known.refuse_container(&id, name)?,
            _ if form.exists()? => {
                refuse_invalid(&id)?;
                let place = form.place(&id);
                let owner = match known.owner_in(place.paths(), &subject.target)? {
                    Some(owner) => owner,
                    None => known.here_before(id, place.paths())?,
                };
                return Ok(Self::new(owner, place));
            }
            Form::Name(name) => {
                let id = known.begun(name)?.ok_or_else(|| known.stranger(name))?;
                let place = form.looked_up(known.entries, &id);
                return Ok(Self::new(id, place));
            }
            Form::Path(_) | Form::Process(_) => {
                if !known.was_at(&id, &form.paths()) {
                    bail!("{}, and no record of container {id} there", missing(&form.paths()));
                }
            }
        }
        let place = form.looked_up(known.entries, &id);
        Ok(Self::new(id, place))
    }

    fn new(container_id: String, place: Place) -> Self {
        Self { container_id, place }
    }

    /// The namespace, which must exist, for callers that may lack the permission to enter it: its path, and `None` then.
    pub(crate) fn look(&self) -> anyhow::Result<(PathBuf, Option<TargetNamespace>)> {
        let paths = match &self.place {
            Place::Paths(paths) => paths,
            // Nothing is changed, not even by the link that stands in for a namespace.
            Place::Machine(_) => {
                let path = empty_namespace::make()?;
                let namespace = TargetNamespace::open(&path)?;
                return Ok((path, Some(namespace)));
            }
        };
        for path in paths {
            match path.try_exists() {
                Ok(true) => return Ok((path.clone(), TargetNamespace::open_if_allowed(path)?)),
                Ok(false) => {}
                Err(error) if error.kind() == ErrorKind::PermissionDenied => return Ok((path.clone(), None)),
                Err(error) => return Err(error).with_context(|| format!("cannot look at {}", path.display())),
            }
        }
        Err(missing(paths))
    }

    /// The namespace, which must exist. A machine has none: see [`Target::machine`].
    pub(crate) fn open(&self) -> anyhow::Result<TargetNamespace> {
        self.open_if_there()?.ok_or_else(|| missing(self.place.paths()))
    }

    /// The namespace, if it exists. A machine has none.
    ///
    /// # Errors
    /// It cannot be looked at, or entered.
    pub(crate) fn open_if_there(&self) -> anyhow::Result<Option<TargetNamespace>> {
        match first(self.place.paths())? {
            Some(path) => TargetNamespace::open(path).map(Some),
            None => Ok(None),
        }
    }

    /// Where a namespace stands in for that of a machine, if it is one.
    pub(crate) fn machine(&self) -> Option<&Path> {
        match &self.place {
            Place::Machine(path) => Some(path),
            Place::Paths(_) => None,
        }
    }
}

impl Place {
    fn paths(&self) -> &[PathBuf] {
        match self {
            Self::Paths(paths) => paths,
            Self::Machine(_) => &[],
        }
    }
}

impl Form {
    fn read(text: &str) -> anyhow::Result<Self> {
        if let Some(pid) = text.strip_prefix("pid:") {
            return match read_pid(pid) {
                Some(pid) => Ok(Self::Process(pid)),
                None => bail!("'{text}' does not name a process: pid:N is expected, N a number from 1 on"),
            };
        }
        if let Some(name) = text.strip_prefix("vm:") {
            return match cni::objection_to_name(name) {
                None => Ok(Self::Machine(name.to_owned())),
                Some(objection) => bail!("no virtual machine can be named '{name}': {objection}"),
            };
        }
        if text.contains('/') {
            let path = std::path::absolute(text).with_context(|| format!("'{text}' is not a path"))?;
            return Ok(Self::Path(path));
        }
        let expected =
            "a container ID, a path or a name under /run/netns of a network namespace, pid:N or vm:NAME is expected";
        if let Some((kind, name)) = text.split_once(':') {
            let name = if cni::objection_to_name(name).is_none() { name } else { "NAME" };
            match kind {
                "docker" | "podman" => bail!(
                    "'{text}' is not a target: {expected}; for a container of {kind}, it is \
                     \"pid:$({kind} inspect --format '{{{{.State.Pid}}}}' {name})\""
                ),
                _ => bail!("'{text}' is not a target: {expected}"),
            }
        }
        if text.is_empty() || text == "." || text == ".." {
            bail!("'{text}' does not name a network namespace: {expected}");
        }
        Ok(Self::Name(text.to_owned()))
    }

    /// The container ID that it stands for.
    fn id(&self) -> String {
        match self {
            Self::Name(name) => name.clone(),
            Self::Path(path) => id_of_path(path),
            Self::Process(pid) => format!("pid-{pid}"),
            Self::Machine(name) => machine::id(name),
        }
    }

    /// The paths that it stands for.
    fn paths(&self) -> Vec<PathBuf> {
        match self {
            Self::Name(name) => NAMED.map(|dir| Path::new(dir).join(name)).to_vec(),
            Self::Path(path) => vec![path.clone()],
            Self::Process(pid) => vec![format!("/proc/{pid}/ns/net").into()],
            Self::Machine(_) => Vec::new(),
        }
    }

    /// Where the namespace is, by the form alone.
    fn place(&self, id: &str) -> Place {
        match self {
            Self::Machine(_) => Place::Machine(machine::path(id)),
            _ => Place::Paths(self.paths()),
        }
    }

    /// Where the namespace is: of a name, first where the records of its container have it, if it is still there; at last where it lives
    /// on by somebody else.
    fn looked_up(&self, entries: &[Entry], id: &str) -> Place {
        let Self::Name(_) = self else { return self.place(id) };
        let of_container: Vec<&Entry> =
            entries.iter().filter(|entry| entry.attachment.container_id == id && !entry.is_here()).collect();
        let recorded: Vec<&PathBuf> = of_container.iter().filter_map(|entry| entry.attachment.netns.as_ref()).collect();
        if let Some(path) = recorded.iter().find(|path| machine::is_one(path)) {
            return Place::Machine((*path).clone());
        }
        let (gone, there): (Vec<&Entry>, Vec<&Entry>) = of_container.into_iter().partition(|entry| entry.is_stale());
        let there = there.into_iter().filter_map(|entry| entry.attachment.netns.clone());
        let elsewhere = gone.into_iter().filter_map(|entry| entry.current().netns);
        let mut paths: Vec<PathBuf> = Vec::new();
        for path in there.chain(self.paths()).chain(elsewhere) {
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        Place::Paths(paths)
    }

    /// Whether there is something at one of its paths. A machine's is made when it is needed.
    fn exists(&self) -> anyhow::Result<bool> {
        for path in self.paths() {
            match path.try_exists() {
                Ok(false) => {}
                Err(error) if error.kind() == ErrorKind::PermissionDenied => return Ok(true),
                found => {
                    found.with_context(|| format!("cannot look at {}", path.display()))?;
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

impl<'a> Known<'a> {
    /// What records tell.
    pub(crate) fn of(entries: &'a [Entry]) -> Self {
        Self { entries, ..Self::default() }
    }

    fn ids(&self) -> BTreeSet<&str> {
        let recorded = self.entries.iter().map(|entry| entry.attachment.container_id.as_str());
        recorded.chain(self.others.iter().map(String::as_str)).collect()
    }

    fn has(&self, id: &str) -> bool {
        self.ids().contains(id)
    }

    /// The container whose records are of the namespace at one of these paths.
    fn owner_in(&self, paths: &[PathBuf], target: &str) -> anyhow::Result<Option<String>> {
        let Some(id) = paths.iter().find_map(|path| namespace::identity_at(path)) else { return Ok(None) };
        let is_in = |entry: &&Entry| match &entry.namespace_id {
            Some(recorded) => *recorded == id,
            None => entry.current().netns.is_some_and(|path| namespace::is_at(&path, &id)),
        };
        let owners: BTreeSet<&str> =
            self.entries.iter().filter(is_in).map(|entry| entry.attachment.container_id.as_str()).collect();
        only(&owners.into_iter().collect::<Vec<_>>(), || format!("the namespace {target} is that of"))
    }

    fn of_container<'b>(&'b self, id: &'b str) -> impl Iterator<Item = &'b Entry> {
        self.entries.iter().filter(move |entry| entry.attachment.container_id == id)
    }

    /// The container that is named as a namespace is to which none of the records belongs: its own namespace may have been there before.
    ///
    /// # Errors
    /// It lives in another one.
    fn here_before(&self, id: String, paths: &[PathBuf]) -> anyhow::Result<String> {
        let here = paths.iter().find_map(|path| namespace::identity_at(path));
        let elsewhere = self.of_container(&id).find_map(|entry| {
            let path = entry.current().netns?;
            (here.is_some() && namespace::identity_at(&path) != here).then_some(path)
        });
        match elsewhere {
            Some(path) => bail!(
                "container {id} is attached in another namespace, {}: name it by its ID alone, or this one with --container-id",
                path.display()
            ),
            None => Ok(id),
        }
    }

    /// Whether the container was in the namespace that was at one of these paths, as far as its records tell.
    fn was_at(&self, id: &str, paths: &[PathBuf]) -> bool {
        let was_there = |entry: &Entry| entry.attachment.netns.as_ref().is_none_or(|path| paths.contains(path));
        self.has(id) && self.of_container(id).all(was_there)
    }

    /// Refuses a machine of which nothing is known, and one whose ID a container has.
    fn refuse_container(&self, id: &str, name: &str) -> anyhow::Result<()> {
        if !self.has(id) {
            bail!("there is no virtual machine {name}: nothing of container {id} is attached");
        }
        match self
            .of_container(id)
            .find_map(|entry| entry.attachment.netns.as_ref().filter(|path| !machine::is_one(path)))
        {
            Some(path) => bail!("{id} is no virtual machine, but a container in the namespace {}", path.display()),
            None => Ok(()),
        }
    }

    /// The container whose ID begins so. What is to be changed is not guessed: only what a runtime has drawn has a beginning that
    /// nobody gives to mean something else.
    fn begun(&self, beginning: &str) -> anyhow::Result<Option<String>> {
        let is_one =
            |id: &&str| id.starts_with(beginning) && (!self.is_careful || beginning.len() >= BEGINNING && is_drawn(id));
        only(&self.ids().into_iter().filter(is_one).collect::<Vec<_>>(), || {
            format!("'{beginning}' is the beginning of")
        })
    }

    fn stranger(&self, name: &str) -> anyhow::Error {
        let ids = self.ids();
        let nearest = keys::nearest(name, &ids.iter().copied().collect::<Vec<_>>());
        let begun = || ids.iter().find(|id| id.starts_with(name)).map(|id| (*id).to_owned());
        let hint = match nearest.or_else(begun) {
            Some(nearest) => format!("; the nearest is '{nearest}'"),
            None if ids.is_empty() => "; nothing is attached".to_owned(),
            None => "; `plugboard ls` lists the containers".to_owned(),
        };
        anyhow!("'{name}' is neither a container that is attached nor a network namespace{hint}")
    }
}

/// Whether a runtime has drawn it: hexadecimal digits, with or without the dashes of a UUID.
fn is_drawn(id: &str) -> bool {
    let digits = id.bytes().filter(|byte| *byte != b'-');
    id.len() >= DRAWN && digits.clone().all(|byte| byte.is_ascii_hexdigit()) && digits.count() >= DRAWN
}

/// The only one of these, if there is one.
///
/// # Errors
/// There are several.
fn only(found: &[&str], what: impl Fn() -> String) -> anyhow::Result<Option<String>> {
    match found {
        [] => Ok(None),
        [id] => Ok(Some((*id).to_owned())),
        several => bail!("{} several containers, {}: give one of these IDs", what(), several.join(", ")),
    }
}

/// The ID that the command line gives.
fn given_id(subject: &Subject) -> anyhow::Result<Option<String>> {
    subject.container_id.as_ref().map(|id| refuse_invalid(id).map(|()| id.clone())).transpose()
}

fn refuse_invalid(id: &str) -> anyhow::Result<()> {
    match cni::objection_to_name(id) {
        Some(objection) => bail!("container ID '{id}' is not valid: {objection}; give one with --container-id"),
        None => Ok(()),
    }
}

/// The first of these at which there is something.
fn first(paths: &[PathBuf]) -> anyhow::Result<Option<&Path>> {
    for path in paths {
        if path.try_exists().with_context(|| format!("cannot look at {}", path.display()))? {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

fn missing(paths: &[PathBuf]) -> anyhow::Error {
    let places = paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
    anyhow!("there is no network namespace at {}", places.join(" or "))
}

fn read_pid(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().filter(|pid| *pid > 0)
}

/// `/proc/N/ns/net` belongs to process N, and `/proc/N/task/M/ns/net` to its thread M; any other path to what its last part names.
fn id_of_path(path: &Path) -> String {
    let in_proc = path.strip_prefix("/proc").ok().and_then(|rest| rest.to_str()?.strip_suffix("/ns/net"));
    let pid = in_proc.and_then(|name| read_pid(name.split_once("/task/").map_or(name, |(_, thread)| thread)));
    match pid {
        Some(pid) => format!("pid-{pid}"),
        None => path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attachment::Attachment;

    fn subject(text: &str, container_id: Option<&str>) -> Subject {
        Subject { target: text.to_owned(), container_id: container_id.map(str::to_owned) }
    }

    fn target(text: &str, container_id: Option<&str>) -> anyhow::Result<Target> {
        Target::to_attach(&subject(text, container_id), &[])
    }

    fn id(text: &str) -> String {
        target(text, None).unwrap().container_id
    }

    fn entries(ids: &[&str]) -> Vec<Entry> {
        let entry = |id: &&str| Entry {
            network: "lan".to_owned(),
            attachment: Attachment { container_id: (*id).to_owned(), ..Attachment::default() },
            config: Vec::new(),
            result: None,
            namespace_id: None,
        };
        ids.iter().map(entry).collect()
    }

    #[test]
    fn the_container_id_comes_from_the_target() {
        assert_eq!(id("c1"), "c1");
        assert_eq!(id("/run/netns/c1"), "c1");
        assert_eq!(id("/run/docker/netns/0b1c"), "0b1c");
        assert_eq!(id("pid:42"), "pid-42");
        assert_eq!(id("/proc/42/ns/net"), "pid-42");
        assert_eq!(id("/proc/42/task/43/ns/net"), "pid-43");
        assert_eq!(id("vm:web"), "vm-web");
        assert_eq!(target("pid:42", Some("web")).unwrap().container_id, "web");
    }

    #[test]
    fn a_name_is_looked_for_under_run_netns_first() {
        let place = target("c1", None).unwrap().place;
        assert_eq!(place.paths(), [Path::new("/run/netns/c1"), Path::new("/var/run/netns/c1")]);
    }

    #[test]
    fn what_names_nothing_is_refused() {
        for text in [
            "",
            ".",
            "..",
            "pid:",
            "pid:0",
            "pid:x",
            "pid:-1",
            "pid:+1",
            "pid:99999999999",
            "/",
            "-c1",
            "a b",
            "a;b",
            "vm:",
            "vm:a b",
            "docker:web",
            "x:y",
        ] {
            assert!(target(text, None).is_err(), "{text}");
        }
        assert!(target("c1", Some("-x")).is_err());
        let error = target("docker:web", None).unwrap_err().to_string();
        assert!(error.contains("pid:$(docker inspect --format '{{.State.Pid}}' web)"), "{error}");
    }

    #[test]
    fn the_beginning_of_an_id_is_enough_if_no_other_begins_so() {
        let entries = entries(&["0a1b2c3d4e5f60", "0a1f00000000", "0a1f00000001", "web-1", "web"]);
        let found = |text: &str, is_careful: bool| {
            let known = Known { entries: &entries, others: BTreeSet::new(), is_careful };
            Target::attached(&subject(text, None), &known).map(|target| target.container_id)
        };
        for is_careful in [false, true] {
            assert_eq!(found("web", is_careful).unwrap(), "web", "a whole ID is no beginning");
            assert_eq!(found("0a1b2c", is_careful).unwrap(), "0a1b2c3d4e5f60");
            let error = found("wxb", is_careful).unwrap_err().to_string();
            assert!(error.contains("neither a container") && error.contains("nearest is 'web'"), "{error}");
        }
        let error = found("0a1f000", true).unwrap_err().to_string();
        assert!(error.contains("several containers, 0a1f00000000, 0a1f00000001"), "{error}");
        assert_eq!(found("web-", false).unwrap(), "web-1");
        assert_eq!(found("0a1b", false).unwrap(), "0a1b2c3d4e5f60");
        assert!(found("0a1b", true).is_err(), "it may be a name");
        let error = found("web-", true).unwrap_err().to_string();
        assert!(error.contains("neither a container"), "nothing is changed by a guess: {error}");
    }
}
