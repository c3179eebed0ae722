//! `plugboard attach`: all networks or none.

use std::process::ExitCode;

use ::attachment::Identity;
use anyhow::{anyhow, bail};
use netlink::{Socket, link};
use shaping::networks::{self, NetworkSpec};

use crate::attachment::Attachment;
use crate::cache::Entry;
use crate::census;
use crate::chain::Chain;
use crate::cli::Attach;
use crate::detach;
use crate::interrupt;
use crate::machine;
use crate::namespace::{self, TargetNamespace};
use crate::network::Network;
use crate::plan::{self, Nic, Place, Prepared};
use crate::ports;
use crate::primary;
use crate::problems;
use crate::remembered::{self, Remembered};
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
    runtime.cache.remove_drafts()?;
    let remembered = Remembered::sort(runtime.cache.entries_of(&target.container_id)?, &specs, args)?;
    let place = Place {
        target: &target,
        path: &namespace.path,
        id: namespace.id(),
        existing: namespace.interfaces()?,
        remembered: &remembered,
    };
    let nics = match plan(&specs, args, &place, &configured, runtime) {
        Ok(nics) => nics,
        Err(problems) => return report(&problems),
    };
    let _attaching = runtime.cache.lock_to_attach(runtime.lock_limit)?;
    for (entry, state) in remembered.dead.iter().rev() {
        let left = remembered::in_words(entry, *state);
        tracing::warn!("{left}: taken down");
        let problems = detach::take_down(entry, runtime);
        if !problems.is_empty() {
            let again = |problem| format!("{left}, and cannot be taken down: {problem}");
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

pub(crate) fn plan(
    specs: &[NetworkSpec],
    args: &Attach,
    place: &Place<'_>,
    configured: &[Network],
    runtime: &Runtime,
) -> Result<Vec<Nic>, Vec<anyhow::Error>> {
    let Place { target, path, remembered, .. } = place;
    let alone = |problem| vec![problem];
    let attached: Vec<&str> = remembered.living.iter().map(|entry| entry.network.as_str()).collect();
    primary::refuse_without(args.primary.as_deref(), specs, &attached, configured, &runtime.conf_dir).map_err(alone)?;
    let wishes = Wish::of_all(specs, args).map_err(alone)?;
    ports::refuse_twice(&args.publish).map_err(alone)?;
    refuse_elsewhere(place).map_err(alone)?;
    let if_names = plan::if_names(args, specs.len(), place).map_err(alone)?;
    refuse_attached(specs, &if_names, args, place).map_err(alone)?;
    let mut networks = plan::networks(specs, &wishes, configured, runtime)?;
    ports::apply(&args.publish, &mut networks).map_err(alone)?;
    let names = networks.iter().map(|prepared| prepared.network.name.as_str());
    refuse_left(names.zip(&if_names), place).map_err(alone)?;
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

/// Refuses a container that is attached in another namespace: one ID would stand for two containers.
fn refuse_elsewhere(place: &Place<'_>) -> anyhow::Result<()> {
    let id = &place.target.container_id;
    if let Some((entry, census::Usage { device, by, .. })) = place.remembered.lost.first() {
        let colon = if device.is_empty() { "" } else { ": " };
        bail!(
            "container {id} is attached already: {} is gone, but {} on network '{}' is in use ({device}{colon}{by}): give this one another \
             ID with --container-id, or detach that one first",
            entry.place(),
            entry.attachment.if_name,
            entry.network
        );
    }
    for entry in &place.remembered.living {
        let Some(recorded) = &entry.attachment.netns else { continue };
        let is_there = match (machine::is_one(recorded), place.target.machine()) {
            (true, Some(path)) => recorded == path,
            (false, None) => {
                let current = entry.current().netns.and_then(|path| namespace::identity_at(&path));
                place.id.is_none() || current.is_none() || current == place.id
            }
            _ => false,
        };
        if !is_there {
            bail!(
                "container {id} is attached already, with the namespace {}: give this one another ID with --container-id, or detach \
                 that one first",
                recorded.display()
            );
        }
    }
    Ok(())
}

/// Refuses an interface that is recorded, and a network that the container is on, unless a second interface there is named: who calls
/// again does not want another one.
fn refuse_attached(specs: &[NetworkSpec], if_names: &[String], args: &Attach, place: &Place<'_>) -> anyhow::Result<()> {
    let id = &place.target.container_id;
    for entry in &place.remembered.living {
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
fn refuse_left<'a>(nics: impl Iterator<Item = (&'a str, &'a String)>, place: &Place<'_>) -> anyhow::Result<()> {
    let container_id = &place.target.container_id;
    let mut socket = Socket::open()?;
    for (network, if_name) in nics {
        let identity = Identity::new(network, container_id, if_name);
        if place.remembered.dead.iter().any(|(entry, _)| entry.identity() == identity) {
            continue;
        }
        let device = identity.host_name();
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
        bail!("{}", not_for_machines(&entry.network, inside));
    }
    Ok(())
}

pub(crate) fn not_for_machines(network: &str, interface: &str) -> String {
    format!(
        "network '{network}' puts {interface} into the namespace of a container, and a virtual machine has none: its plugin needs \
         \"nic\": \"tap\", without \"tapNamespace\": \"container\", which makes a TAP device on the host"
    )
}

fn told(result: anyhow::Result<()>) -> Result<(), Vec<String>> {
    result.map_err(|error| vec![format!("{error:#}")])
}
