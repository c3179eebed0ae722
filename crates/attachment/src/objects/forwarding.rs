//! Forwarding between the links of the host.

use std::fs;
use std::path::{Path, PathBuf};

use super::sysctl::{Need, Sysctl};
use crate::{Difference, Error, Kind, Object, Session, Side, Stage, Tag};

static KIND: Kind = Kind::of_a_link("forwarding");

/// The host forwards packets of a family. It goes on doing so when the attachment goes: others may rely on it.
#[derive(Debug)]
pub struct Forwarding {
    /// IPv6, and otherwise IPv4.
    pub is_ipv6: bool,
}

impl Forwarding {
    fn setting(&self) -> Sysctl {
        let path = if self.is_ipv6 { "net/ipv6/conf/all/forwarding" } else { "net/ipv4/ip_forward" };
        Sysctl { side: Side::Host, path: path.to_owned(), value: "1", need: Need::Needed, stage: Stage::Gateway }
    }

    /// What the kernel changes along with the setting: forwarding of each link, and whether IPv4 accepts redirects
    /// (`inet_forward_change` in `net/ipv4/devinet.c`, `addrconf_forward_change` in `net/ipv6/addrconf.c`).
    fn companions(&self) -> Vec<PathBuf> {
        let family = Path::new("/proc/sys/net").join(if self.is_ipv6 { "ipv6" } else { "ipv4" }).join("conf");
        let links = fs::read_dir(&family).into_iter().flatten().flatten();
        let forwarding = links.filter(|link| link.file_name() != "all").map(|link| link.path().join("forwarding"));
        forwarding.chain((!self.is_ipv6).then(|| family.join("all/accept_redirects"))).collect()
    }
}

/// There is an attachment on the host.
fn is_host_used(session: &mut Session) -> Result<bool, Error> {
    let links =
        netlink::link::list(session.socket(Side::Host)?).map_err(Error::refused("list the links of the host"))?;
    Ok(links.iter().any(Tag::is_attachment))
}

fn read(file: &Path) -> Option<String> {
    fs::read_to_string(file).ok()
}

impl Object for Forwarding {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn stage(&self) -> Stage {
        Stage::Gateway
    }

    fn create(&self, session: &mut Session) -> Result<(), Error> {
        let setting = self.setting();
        let file = PathBuf::from("/proc/sys").join(&setting.path);
        let before = match session.within(Side::Host, || read(&file))? {
            Some(have) if have.trim_end() == setting.value => return Ok(()),
            Some(have) => have,
            None => return setting.create(session), // which says why
        };
        let had: Vec<_> = self.companions().into_iter().filter_map(|file| Some((read(&file)?, file))).collect();
        session.on_undo_unless(is_host_used, move |_| {
            if read(&file).is_some_and(|have| have.trim_end() == "1") {
                let failed = |source| Error::System { action: format!("write {} back", file.display()), source };
                fs::write(&file, before).map_err(failed)?;
            }
            for (value, file) in had {
                if read(&file).is_some_and(|have| have != value) {
                    let _ = fs::write(&file, value); // a link that is going has its own
                }
            }
            Ok(())
        });
        setting.create(session)
    }

    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        self.setting().differences(session)
    }

    /// It may serve others by now.
    fn remove(&self, _session: &mut Session) -> Result<(), Error> {
        Ok(())
    }

    fn commands(&self) -> Vec<String> {
        self.setting().commands()
    }

    fn missing_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        self.setting().missing_commands(session)
    }
}
