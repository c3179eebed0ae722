//! `plugboard attach`: all networks or none.

use std::process::ExitCode;

use ::attachment::Identity;
use anyhow::{anyhow, bail};
use netlink::{Socket, link};
use shaping::networks::{self, NetworkSpec};

use crate::attachment::Attachment;
use crate::cache::Entry;
use crate::census::Census;
use crate::chain::Chain;
use crate::cli::Attach;
use crate::detach;
use crate::interrupt;
use crate::namespace::TargetNamespace;
use crate::network::Network;
use crate::plan::{self, Nic, Place, Prepared};
use crate::primary;
use crate::problems;
use crate::runtime::{Entered, Runtime};
use crate::state::State;
use crate::target::Target;
use crate::usage::Usage;
use crate::view::{self, View};
use crate::wish::Wish;

pub(crate) fn run(args: &Attach, runtime: &Runtime) -> anyhow::Result<ExitCode> {
    let configured = runtime.conf_dir.networks()?;
    let specs = read(args, &configured)?;
    let target = Target::to_attach(&args.subject, &runtime.cache.survey()?.entries)?;
    let Entered { namespace, locks: _locks } = runtime.enter(&target)?;
    let existing = namespace.interfaces()?;
    runtime.cache.remove_drafts()?;
    let Remembered { living, dead } = Remembered::sort(runtime.cache.entries_of(&target.container_id)?, &specs, args);
    let place = Place { target: &target, path: &namespace.path, existing: &existing, remembered: &living };
    let nics = match plan(&specs, args, &place, &configured, runtime) {
        Ok(nics) => nics,
        Err(problems) => return report(&problems),
    };
    let _attaching = runtime.cache.lock_to_attach(runtime.lock_limit)?;
    for (entry, state) in dead.iter().rev() {
        tracing::warn!("{}: taken down", remains(entry, *state));
        let problems = detach::take_down(entry, runtime);
        if !problems.is_empty() {
            let again = |problem| format!("{}, and cannot be taken down: {problem}", remains(entry, *state));
            let how = "correct this, or give it up with `plugboard detach --force`";
            return Ok(problems::report(problems.into_iter().map(again).map(|problem| format!("{problem}; {how}"))));
        }
    }
    match set_up_all(&nics, &namespace, runtime) {
        Ok(entries) => {
            let views: Vec<_> = entries.iter().map(|entry| View::of(entry, State::Attached)).collect();
            let printed = if args.json { view::print_json(&views) } else { view::print_attached(&views) };
            let Err(error) = printed else { return Ok(ExitCode::SUCCESS) };
            // Who reads only the status would take it for not attached.
            interrupt::count_again()?;
            let problem = format!("cannot print what is attached: {error}; what was made is undone");
            let undoing = entries.iter().rev().flat_map(|entry| detach::take_down(entry, runtime));
            Ok(problems::report([problem].into_iter().chain(undoing)))
        }
        Err(problems) => Ok(problems::report(problems)),
    }
}

/// Reports the problems of a plan. One about the command line alone has the status of that.
pub(crate) fn report(problems: &[anyhow::Error]) -> anyhow::Result<ExitCode> {
    let exit = problems::report(problems.iter().map(|problem| format!("{problem:#}")));
    Ok(if problems.iter().any(anyhow::Error::is::<Usage>) { ExitCode::from(Usage::STATUS) } else { exit })
}

/// Reads the networks of the command line.
///
/// # Errors
/// A usage error.
pub(crate) fn read(args: &Attach, configured: &[Network]) -> anyhow::Result<Vec<NetworkSpec>> {
    let is_configured = |name: &str| configured.iter().any(|network| network.name == name);
    Ok(networks::parse(&args.networks, is_configured).map_err(Usage::new)?)
}

/// What is recorded of a container that is to be attached.
#[derive(Debug, Default)]
pub(crate) struct Remembered {
    /// What stays.
    pub(crate) living: Vec<Entry>,
    /// What has lost its namespace or its interface, or was never made completely, and is taken down before.
    pub(crate) dead: Vec<(Entry, State)>,
}

impl Remembered {
    /// Looks what has become of each. An interface that is missing from its namespace may have another name there. Where the record does
    /// not tell whether it was this namespace at all, it counts as dead if it would be in the way.
    pub(crate) fn sort(entries: Vec<Entry>, specs: &[NetworkSpec], args: &Attach) -> Self {
        let is_in_the_way = |entry: &Entry| {
            let is_wanted = specs.iter().any(|spec| spec.name == entry.network);
            entry.namespace_id.is_none()
                && (is_wanted || args.ifname.as_ref() == Some(&entry.attachment.if_name))
                && !Census::take().is_ok_and(|census| census.link_of_others(entry).is_some())
        };
        let mut sorted = Self::default();
        for entry in entries {
            match State::of(&entry) {
                State::Missing if !is_in_the_way(&entry) => sorted.living.push(entry),
                state if state.is_dead() => sorted.dead.push((entry, state)),
                _ => sorted.living.push(entry),
            }
        }
        sorted
    }
}

/// What is left of an attachment that is dead.
pub(crate) fn remains(entry: &Entry, state: State) -> String {
    let why = match state {
        State::Incomplete => "was never set up completely",
        State::Missing => "is recorded, but not there any more",
        _ => "was in a namespace that is gone",
    };
    format!("{} on network '{}' {why}", entry.attachment.if_name, entry.network)
}

pub(crate) fn plan(
    specs: &[NetworkSpec],
    args: &Attach,
    place: &Place<'_>,
    configured: &[Network],
    runtime: &Runtime,
) -> Result<Vec<Nic>, Vec<anyhow::Error>> {
    let Place { target, path, existing, remembered } = place;
    let alone = |problem| vec![problem];
    let attached: Vec<&str> = remembered.iter().map(|entry| entry.network.as_str()).collect();
    primary::refuse_without(args.primary.as_deref(), specs, &attached, configured, &runtime.conf_dir).map_err(alone)?;
    let wishes = Wish::of_all(specs, args).map_err(alone)?;
    let if_names = plan::if_names(args, specs.len(), place).map_err(alone)?;
    refuse_attached(specs, &if_names, args, place).map_err(alone)?;
    let networks = plan::networks(specs, &wishes, configured, runtime)?;
    let names = networks.iter().map(|prepared| prepared.network.name.as_str());
    refuse_left(names.zip(&if_names), &target.container_id).map_err(alone)?;
    debug_assert!(existing.iter().all(|name| !if_names.contains(name)));
    let nics = networks.into_iter().zip(if_names).zip(wishes).map(|((prepared, if_name), wish)| {
        let Prepared { network, capability_args } = prepared;
        let attachment = Attachment {
            container_id: target.container_id.clone(),
            if_name,
            netns: Some(path.to_path_buf()),
            args: Vec::new(),
            capability_args,
        };
        Nic { network, attachment, wish }
    });
    Ok(nics.collect())
}

/// Refuses an interface that is recorded, and a network that the container is on, unless a second interface there is named: who calls
/// again does not want another one.
fn refuse_attached(specs: &[NetworkSpec], if_names: &[String], args: &Attach, place: &Place<'_>) -> anyhow::Result<()> {
    let id = &place.target.container_id;
    for entry in place.remembered {
        let (network, if_name) = (&entry.network, &entry.attachment.if_name);
        if if_names.contains(if_name) {
            bail!("container {id} is remembered as attached to network '{network}' by {if_name}: detach it first");
        }
        let is_named = args.ifname.is_some() || args.ifname_prefix.is_some();
        if !is_named && specs.iter().any(|spec| spec.name == *network) {
            bail!(
                "container {id} is on network '{network}' already, by {if_name}: detach it first with `plugboard detach {id} {network}`, \
                 or name a second interface with --ifname"
            );
        }
    }
    Ok(())
}

/// Refuses an attachment that the kernel has although it is not recorded: it may be in use, and the undoing of this one would remove it.
fn refuse_left<'a>(nics: impl Iterator<Item = (&'a str, &'a String)>, container_id: &str) -> anyhow::Result<()> {
    let mut socket = Socket::open()?;
    for (network, if_name) in nics {
        let device = Identity::new(network, container_id, if_name).host_name();
        if link::find(&mut socket, &device)?.is_some() {
            bail!(
                "container {container_id} has no record of {if_name} on network '{network}', but its device {device} is there: \
                 detach it first"
            );
        }
    }
    Ok(())
}

/// Sets up every interface in order. If one fails, those before it are taken down again.
fn set_up_all(nics: &[Nic], namespace: &TargetNamespace, runtime: &Runtime) -> Result<Vec<Entry>, Vec<String>> {
    let mut done: Vec<Entry> = Vec::new();
    let mut made = Ok(());
    for nic in nics {
        made = told(interrupt::refuse()).and_then(|()| set_up(nic, namespace, runtime)).map(|entry| done.push(entry));
        if made.is_err() {
            break;
        }
    }
    match made.and_then(|()| told(interrupt::accept())) {
        Ok(()) => Ok(done),
        Err(mut problems) => {
            problems.extend(done.iter().rev().flat_map(|entry| detach::take_down(entry, runtime)));
            if interrupt::received().is_some() && problems.len() == 1 {
                problems = problems.into_iter().map(|problem| format!("{problem}; what was made is undone")).collect();
            }
            Err(problems)
        }
    }
}

/// Sets up one interface. It is remembered before the first plugin is called, so that a detach finds it even if we are
/// killed in the middle. If a plugin fails, the whole chain is taken down again; what cannot be taken down stays remembered.
pub(crate) fn set_up(nic: &Nic, namespace: &TargetNamespace, runtime: &Runtime) -> Result<Entry, Vec<String>> {
    let mut entry = Entry {
        network: nic.network.name.clone(),
        attachment: nic.attachment.clone(),
        config: nic.network.to_bytes(),
        result: None,
        namespace_id: namespace.id(),
    };
    told(runtime.cache.store(&entry))?;
    let chain = Chain { network: &nic.network, plugins: &runtime.plugins };
    let made = chain.add(&nic.attachment, &mut entry.result).map_err(|failure| anyhow!("{failure}"));
    let kept = made
        .and_then(|()| nic.wish.refuse_unmet(&entry))
        .and_then(|()| refuse_inside(&entry, namespace))
        .and_then(|()| runtime.cache.store(&entry));
    match kept {
        Ok(()) => Ok(entry),
        Err(error) => Err([format!("{error:#}")].into_iter().chain(detach::take_down(&entry, runtime)).collect()),
    }
}

/// A machine finds nothing in the namespace that stands in for its own.
fn refuse_inside(entry: &Entry, namespace: &TargetNamespace) -> anyhow::Result<()> {
    if namespace.is_stand_in()
        && let Some(inside) = namespace.interfaces()?.iter().find(|name| *name != "lo")
    {
        bail!(
            "network '{}' puts {inside} into the namespace of a container, and a virtual machine has none: give its plugin \
             \"nic\": \"tap\", which makes a TAP device on the host",
            entry.network
        );
    }
    Ok(())
}

fn told(result: anyhow::Result<()>) -> Result<(), Vec<String>> {
    result.map_err(|error| vec![format!("{error:#}")])
}
