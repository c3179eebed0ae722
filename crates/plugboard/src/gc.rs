//! `plugboard gc`: removes what no longer belongs to any container.
//!
//! That something is not recorded does not prove that nobody uses it: records may be damaged, or kept by another runtime in
//! another place. So the kernel is asked which interfaces are in use, and what is in use stays.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use attachment::{Identity, OwnedDevice};
use cni::AttachmentId;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::cache::{Entry, Reading, Survey, Unreadable};
use crate::census::{self, Census, Usage};
use crate::chain::{Chain, Valid};
use crate::cli::Gc;
use crate::detach;
use crate::document::{self, About};
use crate::holders::Holders;
use crate::interrupt;
use crate::negotiation::{self, Newest};
use crate::network::{Network, Plugin};
use crate::problems::{self, Problem};
use crate::remains::refuse_own_namespace;
use crate::reservations;
use crate::runtime::Runtime;
use crate::table;

pub(crate) fn run(args: &Gc, runtime: &Runtime) -> anyhow::Result<ExitCode> {
    let _lock = runtime.cache.lock_to_collect(runtime.lock_limit)?;
    let Plan { stale, kept, mut networks, emptied, problems, before, stays, .. } =
        plan(args, runtime, &runtime.cache.survey_all()?)?;
    let mut problems: Vec<Problem> = problems.into_iter().map(Problem::from).collect();
    let mut removed: Vec<Identity> = Vec::new();
    for entry in &stale {
        if interrupt::received().is_some() {
            break;
        }
        let mut found = detach::undo(entry, runtime);
        if args.force && !found.is_empty() && interrupt::received().is_none() {
            found = detach::give_up(entry, &found, runtime);
        }
        if found.is_empty() {
            removed.push(entry.identity());
        } else if Census::take()?.link_of_others(entry).is_some() {
            // What is there keeps its addresses.
            let of_network = networks.iter_mut().filter(|(network, _)| network.name == entry.network);
            of_network.for_each(|(_, valid)| valid.push(id_of(&entry.identity())));
        }
        problems.extend(found);
    }
    let mut incomplete = BTreeSet::new();
    for (network, valid) in networks {
        if interrupt::received().is_some() {
            incomplete.insert(network.name.clone());
            continue;
        }
        let with_address = reservations::owners(&network);
        let found = go_round(&network, &valid, runtime, &mut Collecting);
        let still_with_address = reservations::owners(&network);
        removed.extend(with_address.difference(&still_with_address).cloned());
        if !found.is_empty() {
            incomplete.insert(network.name.clone());
        }
        problems.extend(found);
    }
    // What the plugins have removed, they do not tell.
    let after = Census::take()?;
    removed.retain(|owner| !stays.contains(owner));
    let is_told = |device: &OwnedDevice| stays.iter().chain(&removed).any(|owner| device.is_of(owner));
    let untold = before.devices.iter().filter(|device| !after.has(device) && !is_told(device));
    let mut lines: Vec<Line> = untold.map(Line::of_device).collect();
    lines.extend(removed.iter().map(Line::removed));
    for file in emptied.iter().filter(|file| file.networks.iter().all(|network| !incomplete.contains(network))) {
        problems.extend(runtime.cache.remove_file(&file.path).err().map(|error| Problem::new(format!("{error:#}"))));
    }
    lines.extend(kept.iter().map(Line::kept));
    problems.extend(interrupt::refuse().err().map(|error| Problem::new(format!("{error}: run gc again for the rest"))));
    let printed = print(lines, args.json, &problems);
    problems::report_printed(problems, printed)
}

/// What is to be done.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// The records of attachments that nobody uses.
    pub(crate) stale: Vec<Entry>,
    /// What is in use and has no record, or one whose namespace is gone.
    pub(crate) kept: Vec<Kept>,
    /// The networks to be collected, each with the attachments that stay.
    pub(crate) networks: Vec<(Network, Valid)>,
    /// Damaged files that nothing is left for when their networks have been collected.
    pub(crate) emptied: Vec<DamagedFile>,
    /// Why something is not done.
    pub(crate) problems: Vec<String>,
    before: Census,
    /// The attachments that are not touched.
    stays: BTreeSet<Identity>,
    /// Of all that is in use it is known by whom.
    is_sure: bool,
}

/// A damaged file.
#[derive(Debug)]
pub(crate) struct DamagedFile {
    pub(crate) path: PathBuf,
    networks: BTreeSet<String>,
}

/// An attachment that stays because somebody uses it.
#[derive(Debug)]
pub(crate) struct Kept {
    owner: Identity,
    usage: Usage,
    has_record: bool,
}

impl Kept {
    /// Why, and what to do.
    pub(crate) fn reason(&self) -> String {
        let Usage { device, by, .. } = &self.usage;
        let colon = if device.is_empty() { "" } else { ": " };
        let record = match self.has_record {
            true => "the namespace of its record is gone",
            false => "it has no record",
        };
        format!("{record}, but {device}{colon}{by}; --force removes it")
    }

    pub(crate) fn title(&self) -> String {
        let owner = &self.owner;
        format!("{} on {} of {}", owner.if_name(), owner.network(), owner.container_id())
    }
}

pub(crate) fn plan(args: &Gc, runtime: &Runtime, survey: &Survey) -> anyhow::Result<Plan> {
    refuse_own_namespace(survey.entries.iter().chain(&survey.elsewhere))?;
    let configured = runtime.conf_dir.networks()?;
    let chosen = match &args.selection.network {
        Some(name) => vec![runtime.conf_dir.find(&configured, name)?],
        None => configured.clone(),
    };
    let wants = Wants { args, runtime, configured: &configured, chosen: &chosen };
    census::settled(|| {
        let plan = wants.plan(survey)?;
        let is_sure = plan.is_sure;
        Ok((plan, is_sure))
    })
}

/// What is wanted, and what is known beforehand.
struct Wants<'a> {
    args: &'a Gc,
    runtime: &'a Runtime,
    configured: &'a [Network],
    chosen: &'a [Network],
}

impl Wants<'_> {
    fn is_chosen(&self, network: &str) -> bool {
        self.args.selection.network.as_ref().is_none_or(|chosen| chosen == network)
    }

    fn plan(&self, survey: &Survey) -> anyhow::Result<Plan> {
        let mut plan = Plan { before: Census::take()?, is_sure: true, ..Plan::default() };
        let holders = Holders::look();
        let mut held_back = BTreeSet::new();
        let Sorted { entries, given_up } = self.sort(survey, &mut plan, &mut held_back);
        // Another record of the same attachment may know a way to its namespace.
        let (stale, living): (Vec<_>, Vec<_>) = entries.into_iter().partition(|(entry, _)| entry.is_stale());
        let mut stays: BTreeSet<Identity> = living.iter().map(|(entry, _)| entry.identity()).collect();
        for (entry, is_own) in stale {
            let is_ours = is_own && self.is_chosen(&entry.network);
            if stays.contains(&entry.identity()) {
                continue;
            }
            match plan.before.usage_of(&entry, &holders).filter(|_| !self.args.force) {
                Some(usage) => {
                    plan.is_sure &= usage.is_sure;
                    stays.insert(entry.identity());
                    if is_ours {
                        plan.kept.push(Kept { owner: entry.identity(), usage, has_record: true });
                    }
                }
                None if is_ours => plan.stale.push(entry),
                None => {}
            }
        }
        plan.stale.extend(given_up.into_iter().filter(|entry| !stays.contains(&entry.identity())));
        if !self.args.force {
            self.keep_without_record(&mut plan, &holders, &mut stays, &mut held_back);
        }
        let networks = self.chosen.iter().filter(|network| !held_back.contains(&network.name));
        plan.networks = networks.map(|network| (network.clone(), valid(&network.name, &stays))).collect();
        plan.stays = stays;
        Ok(plan)
    }

    /// Reads what can be read of the files, and says what follows from the others.
    fn sort(&self, survey: &Survey, plan: &mut Plan, held_back: &mut BTreeSet<String>) -> Sorted {
        let own = survey.entries.iter().cloned().map(|entry| (entry, true));
        let elsewhere = survey.elsewhere.iter().cloned().map(|entry| (entry, false));
        let mut sorted = Sorted { entries: own.chain(elsewhere).collect(), given_up: Vec::new() };
        let mut known: BTreeSet<String> = self.configured.iter().map(|network| network.name.clone()).collect();
        known.extend(plan.before.devices.iter().map(|device| device.owner.network().to_owned()));
        known.extend(sorted.entries.iter().map(|(entry, _)| entry.network.clone()));
        for file in &survey.unreadable {
            let readings = file.readings(known.iter().map(String::as_str));
            let entry = only_entry(file, &readings, self.configured);
            let is_own = self.runtime.cache.has(&file.path);
            if file.is_directory && readings.is_empty() {
                continue;
            }
            let told: BTreeSet<String> = readings.iter().map(|reading| reading.network.clone()).collect();
            let networks = if told.is_empty() { known.clone() } else { told.clone() };
            match entry {
                Some(entry) if file.is_of_old_libcni() => sorted.entries.push((entry, is_own)),
                _ if !networks.iter().any(|name| self.is_chosen(name)) => {}
                _ if !self.args.force => {
                    plan.problems.push(objection(file, &told));
                    held_back.extend(networks);
                }
                Some(entry) if is_own => sorted.given_up.push(entry),
                None if is_own => plan.emptied.push(DamagedFile { path: file.path.clone(), networks }),
                _ => {}
            }
        }
        sorted
    }

    /// Keeps what is in use on the host and has no record.
    fn keep_without_record(
        &self,
        plan: &mut Plan,
        holders: &Holders,
        stays: &mut BTreeSet<Identity>,
        held_back: &mut BTreeSet<String>,
    ) {
        let names: BTreeSet<String> = stays.iter().map(Identity::host_name).collect();
        for device in &plan.before.devices {
            let network = device.owner.network();
            let is_known = names.contains(&device.name) || stays.iter().any(|owner| device.is_of(owner));
            if is_known || !self.is_chosen(network) {
                continue;
            }
            let Some(usage) = census::usage(device, holders) else { continue };
            plan.is_sure &= usage.is_sure;
            if device.is_cut {
                plan.problems.push(cut(&device.owner, "its alias", &usage));
                held_back.insert(network.to_owned());
            } else {
                stays.insert(device.owner.clone());
                plan.kept.push(Kept { owner: device.owner.clone(), usage, has_record: false });
            }
        }
        for (one, usage) in plan.before.in_use_without_device() {
            let (owner, network) = (&one.owner, one.owner.network());
            if !self.is_chosen(network) || names.contains(&one.host_name) || stays.contains(owner) {
                continue;
            }
            if one.is_cut {
                plan.problems.push(cut(owner, "a rule of the packet filter", &usage));
                held_back.insert(network.to_owned());
            } else {
                stays.insert(owner.clone());
                plan.kept.push(Kept { owner: owner.clone(), usage, has_record: false });
            }
        }
    }
}

fn cut(owner: &Identity, what: &str, usage: &Usage) -> String {
    format!(
        "network '{}': nothing is collected: {} is in use ({}), and {what} does not tell the whole ID of its container, {}…; detach \
         that container, or use --force",
        owner.network(),
        usage.device,
        usage.by,
        owner.container_id()
    )
}

/// What was found in files.
struct Sorted {
    /// The records that can be read, and whether they are in the directory that is written to.
    entries: Vec<(Entry, bool)>,
    /// What stands in for damaged ones that are to go.
    given_up: Vec<Entry>,
}

fn valid(network: &str, stays: &BTreeSet<Identity>) -> Valid {
    stays.iter().filter(|identity| identity.network() == network).map(id_of).collect()
}

fn id_of(identity: &Identity) -> AttachmentId {
    AttachmentId { container_id: identity.container_id().to_owned(), if_name: identity.if_name().to_owned() }
}

/// The entry that a file stands for if its name can be read in one way only, and the network is configured.
fn only_entry(file: &Unreadable, readings: &[Reading], configured: &[Network]) -> Option<Entry> {
    let [reading] = readings else { return None };
    let network = configured.iter().find(|network| network.name == reading.network)?;
    Some(file.entry(reading, network.to_bytes()))
}

fn objection(file: &Unreadable, networks: &BTreeSet<String>) -> String {
    let path = file.path.display();
    let networks = match networks.iter().cloned().collect::<Vec<_>>() {
        none if none.is_empty() => "any network: its name tells none".to_owned(),
        some => format!("network {}", some.join(" or ")),
    };
    format!(
        "cannot read {path}: {}; it may be the record of a container, so nothing is collected of {networks}. Detach that container, \
         remove the file if it is no record, or use --force",
        file.why
    )
}

/// What is done with the plugins of a network, one after the other.
pub(crate) trait Round {
    /// Passes the network over, as its configuration has it.
    fn skip(&mut self, note: &str);

    /// Takes a note about what is left out.
    fn note(&mut self, note: &str);

    /// Passes a plugin its request.
    ///
    /// # Errors
    /// What went wrong.
    fn ask(&mut self, chain: Chain<'_>, plugin: &Plugin, request: Map<String, Value>) -> Result<(), Problem>;
}

/// Tells a network's plugins which attachments are left. Returns what went wrong.
pub(crate) fn go_round(network: &Network, valid: &Valid, runtime: &Runtime, round: &mut impl Round) -> Vec<Problem> {
    if network.disable_gc {
        round.skip(&format!("network '{}': nothing is collected (disableGC)", network.name));
        return Vec::new();
    }
    let mut problems = Vec::new();
    for plugin in &network.plugins {
        if interrupt::received().is_some() {
            problems.push(
                Problem::new(format!("network '{}': not all of its plugins were asked", network.name))
                    .on(&network.name),
            );
            break;
        }
        match negotiation::newest(network, plugin, "GC", &runtime.plugins) {
            Ok(Newest::Lacks(note)) => round.note(&note),
            Ok(Newest::Speaks(alone, note)) => {
                note.iter().for_each(|note| round.note(note));
                let chain = Chain { network: &alone, plugins: &runtime.plugins };
                let asked =
                    alone.plugins.iter().map(|plugin| round.ask(chain, plugin, chain.with_valid(plugin, valid)));
                problems.extend(asked.filter_map(Result::err));
            }
            Err(error) => problems.push(Problem::new(format!("{error:#}")).on(&network.name)),
        }
    }
    problems
}

/// The plugins do it.
struct Collecting;

impl Round for Collecting {
    fn skip(&mut self, note: &str) {
        tracing::info!("{note}");
    }

    fn note(&mut self, note: &str) {
        tracing::warn!("{note}");
    }

    fn ask(&mut self, chain: Chain<'_>, plugin: &Plugin, request: Map<String, Value>) -> Result<(), Problem> {
        chain.gc(plugin, request).map_err(Problem::from)
    }
}

/// What is printed of an attachment.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    /// `removed` or `kept`.
    action: &'static str,
    container_id: String,
    if_name: String,
    network: String,
    /// Why it is kept.
    reason: String,
}

impl Line {
    fn of(owner: &Identity, action: &'static str, reason: String) -> Self {
        Self {
            action,
            container_id: owner.container_id().to_owned(),
            if_name: owner.if_name().to_owned(),
            network: owner.network().to_owned(),
            reason,
        }
    }

    fn removed(owner: &Identity) -> Self {
        Self::of(owner, "removed", String::new())
    }

    /// Of a device, which may not tell the whole ID of its container.
    fn of_device(device: &OwnedDevice) -> Self {
        let mut line = Self::removed(&device.owner);
        if device.is_cut {
            line.container_id.push('…');
        }
        line
    }

    fn kept(kept: &Kept) -> Self {
        Self::of(&kept.owner, "kept", kept.reason())
    }
}

fn print(mut lines: Vec<Line>, is_json: bool, problems: &[Problem]) -> std::io::Result<()> {
    let mut seen = BTreeSet::new();
    lines.retain(|line| seen.insert((line.network.clone(), line.container_id.clone(), line.if_name.clone())));
    if is_json {
        return document::print(About::Attachments, &lines, problems);
    }
    table::print_lines(lines.into_iter().map(|line| {
        let Line { action, container_id, if_name, network, reason } = line;
        [action.to_owned(), if_name, network, container_id, reason]
    }))
}
