//! DEL.

use std::path::Path;

use anyhow::{Context, Result};
use libc::{IFLA_IFNAME, RTM_DELLINK};

use crate::batch::Batch;
use crate::pool;
use crate::socket::Socket;

/// `ip link delete HOST_NAME`, and gives the address back.
pub(crate) fn del(host_name: &str, directory: &str, address: &str) -> Result<()> {
    let mut batch = Batch::default();
    batch.message(RTM_DELLINK, 0, &[0; 16], |batch| batch.name(IFLA_IFNAME, host_name));
    Socket::open()?.send(batch).context("delete the pair")?;
    pool::release(Path::new(directory), address)
}
