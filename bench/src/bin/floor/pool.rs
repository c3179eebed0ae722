//! Addresses: a file for each that is taken, made under a lock, as host-local keeps them.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::{Context, Result, bail};
use nix::fcntl::{Flock, FlockArg};

/// Addresses tried before the pool counts as full: the hosts of a /16.
const HOSTS: u32 = 0xfffe;

/// Takes the address behind the one that was given last, or the next that is free. `subnet` is a /16.
pub(crate) fn take(directory: &Path, subnet: Ipv4Addr, owner: &str) -> Result<Ipv4Addr> {
    let lock = OpenOptions::new().append(true).create(true).open(directory.join("lock")).context("open the lock")?;
    let _lock = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, errno)| errno).context("lock the pool")?;
    let last_path = directory.join("last_reserved_ip.0");
    let last: Option<Ipv4Addr> = fs::read_to_string(&last_path).ok().and_then(|text| text.parse().ok());
    let mut host = last.map_or(1, |last| last.to_bits() & 0xffff);
    for _ in 0..HOSTS {
        // The gateway has .0.1, and the last address is the broadcast's.
        host = if host + 1 >= 0xffff { 2 } else { host + 1 };
        let address = Ipv4Addr::from_bits(subnet.to_bits() | host);
        match File::create_new(directory.join(address.to_string())) {
            Ok(mut file) => {
                file.write_all(owner.as_bytes()).context("write the owner")?;
                fs::write(&last_path, address.to_string()).context("note the last address")?;
                return Ok(address);
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).context("make the file of an address"),
        }
    }
    bail!("no address is left in {}", directory.display())
}

/// Gives an address back.
pub(crate) fn release(directory: &Path, address: &str) -> Result<()> {
    fs::remove_file(directory.join(address)).context("remove the file of the address")
}
