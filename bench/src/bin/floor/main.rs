//! The floor: what ADD and DEL of bridge + host-local cost when a process does nothing but the job.
//!
//! ```text
//! floor add BRIDGE HOST_NAME NETNS CONTAINER_NAME POOL SUBNET [RATE BURST LIMIT]   prints the address
//! floor del HOST_NAME POOL ADDRESS
//! ```
//!
//! SUBNET is a /16 as its first two numbers, such as `10.1`; its gateway is .0.1. RATE (bytes/s), BURST and LIMIT (bytes) ask
//! for a tbf queue on the host's end. The bridge and its address exist.
//!
//! ADD allocates an address as host-local must, under its lock; makes a veth pair whose one end is up and a port of the
//! bridge, and whose other end is in the container's namespace; and sets the address, up and the default route there.
//! Messages that can go together are sent together, and only the last asks for an acknowledgement: refusals come anyway.
//! DEL deletes the pair and the address's file.
//!
//! Left out is everything that makes a plugin of it: the protocol and JSON, versions, the delegate's process, validation,
//! names derived from the attachment and the alias that GC needs, chosen hardware addresses, a container end that is
//! configured before it is up, forwarding, looking for what is in the way, the result's interfaces, CHECK, and undoing what
//! was made before something failed.

mod add;
mod batch;
mod del;
mod pool;
mod socket;

use anyhow::{Result, bail};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *arguments.as_slice() {
        ["add", bridge, host_name, netns, container_name, pool, subnet, ref queue @ ..] => {
            let queue = match *queue {
                [] => None,
                [rate, burst, limit] => {
                    Some(add::Queue { rate: rate.parse()?, burst: burst.parse()?, limit: limit.parse()? })
                }
                _ => bail!("a queue needs RATE BURST LIMIT"),
            };
            add::add(&add::Add { bridge, host_name, netns, container_name, pool, subnet, queue })
        }
        ["del", host_name, pool, address] => del::del(host_name, pool, address),
        _ => bail!(
            "usage: floor add BRIDGE HOST_NAME NETNS CONTAINER_NAME POOL SUBNET [RATE BURST LIMIT] | \
             floor del HOST_NAME POOL ADDRESS"
        ),
    }
}
