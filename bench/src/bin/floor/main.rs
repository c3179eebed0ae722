//! The floor: what ADD and DEL of a NIC and host-local cost when a process does nothing but the job.
//!
//! ```text
//! floor add KIND NAME NETNS CONTAINER_NAME POOL SUBNET [queue=RATE,BURST,LIMIT] [table=NUMBER] [mtu=BYTES] [make=LAC]   prints the address
//! floor del KIND NAME NETNS CONTAINER_NAME POOL ADDRESS [table=NUMBER] [make=LAC]
//! ```
//!
//! KIND is `on=BRIDGE` or `routed`, for a veth pair whose end on the host is NAME, or `device`, for the host's device NAME, which
//! moves into the container and comes back; `ovs-veth=BRIDGE` for a veth pair whose end NAME is a port of a bridge of Open vSwitch,
//! or `ovs-internal=BRIDGE` for a port whose device is the switch's own and goes into the container under its name there; or
//! `lac=BRIDGE` for a veth pair whose end NAME is a port of the bridge of a LAC. SUBNET is a /16 as its first two numbers, such as
//! `10.1`; its gateway is .0.1. The POOL `-` is none: the NIC has no address. `queue` asks for a tbf queue on the host's end, in bytes/s
//! and bytes. `table` asks for source routing by that table, `mtu` for that of a pair. A bridge and its address exist, and the host
//! forwards. LAC is DEVICE,VNI,UNDERLAY and a group, or the other hosts, separated by commas: the NIC is the LAC's first member, and
//! its last.
//!
//! ADD allocates an address as host-local must, under its lock; makes the veth pair, one end up and a port of the bridge, the
//! other in the container's namespace, or moves the device there; and sets the address, up and the default route. Without a
//! bridge the address makes no route: the container has one to its gateway, and one to its subnet by way of that; the host's end
//! has the gateway's address, and the host a route to the container's. With source routing the same routes are in a table too,
//! which a rule names for what has the address as its source. Messages that can go together are sent together, and only the last
//! asks for an acknowledgement: refusals come anyway. DEL deletes the pair, or moves the device back with its name and up, and
//! deletes the rule and the address's file.
//!
//! At a bridge of Open vSwitch there is no gateway and no default route. The port is made by one write, of a transaction and of a
//! second one that waits until the switch has opened it: when a pair is complete, or before the switch's own device is moved. DEL
//! looks for the port, and removes it before the pair, or before the switch's own device, if that is still there; the switch is
//! not waited for.
//!
//! On a LAC there is no gateway and no default route. With its first member, bridge and VXLAN device are made in the same write as the
//! pair, with indexes that are chosen beforehand; with its last one they are deleted in the same write.
//! None of their devices has an address of IPv6, as the plugin's have none on the host.
//!
//! Left out is everything that makes a plugin of it: the protocol and JSON, versions, the delegate's process, validation,
//! names derived from the attachment and the aliases that GC needs, chosen hardware addresses of a pair, checksums that are filled
//! in for a switch in user space, a container end that is configured before it is up, forwarding, looking for what is in the way,
//! the result's interfaces, CHECK, and undoing what was made before something failed.

mod add;
mod batch;
mod del;
mod messages;
mod nic;
mod pool;
mod socket;
mod switch;

use anyhow::{Result, bail};

use nic::Nic;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *arguments.as_slice() {
        ["add", kind, name, netns, container_name, pool, subnet, ref options @ ..] => {
            add::add(&Nic::read([kind, name, netns, container_name, pool], options)?, subnet)
        }
        ["del", kind, name, netns, container_name, pool, address, ref options @ ..] => {
            del::del(&Nic::read([kind, name, netns, container_name, pool], options)?, address)
        }
        _ => bail!(
            "usage: floor add KIND NAME NETNS CONTAINER_NAME POOL SUBNET [queue=RATE,BURST,LIMIT] [table=NUMBER] [mtu=BYTES] [make=LAC] | \
             floor del KIND NAME NETNS CONTAINER_NAME POOL ADDRESS [table=NUMBER] [make=LAC]; KIND is on=BRIDGE, routed, \
             device, ovs-veth=BRIDGE, ovs-internal=BRIDGE or lac=BRIDGE; LAC is DEVICE,VNI,UNDERLAY,GROUP or HOST,..."
        ),
    }
}
