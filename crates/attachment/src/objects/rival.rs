//! The route that another one finds in its place.

use netlink::route::Route;

use crate::{Device, Error, Remedy, Session, Side};

/// A route as `ip` shows it.
pub(super) fn in_words(route: &Route, link: &str) -> String {
    let via = route.gateway.map(|gateway| format!(" via {gateway}")).unwrap_or_default();
    let metric = route.priority.filter(|metric| *metric > 0).map(|metric| format!(" metric {metric}"));
    let table = route.table.filter(|_| route.table() != Route::MAIN).map(|table| format!(" table {table}"));
    // The kernel keeps a scope for IPv4 alone.
    let scope = route.scope.filter(|scope| route.destination.is_ipv4() && *scope != route.default_scope());
    let further = [("mtu", route.mtu), ("advmss", route.advmss), ("scope", scope.map(u32::from))];
    let further = further.into_iter().filter_map(|(option, value)| Some(format!(" {option} {}", value?)));
    let options: String = metric.into_iter().chain(table).chain(further).collect();
    format!("{}{via} dev {link}{options}", route.destination)
}

/// The error of a route through `device` that finds `have` in its place: both have one destination and one metric.
pub(super) fn conflict(
    session: &mut Session,
    device: &Device,
    want: &Route,
    have: &(Option<u32>, Route),
) -> Result<Error, Error> {
    let (through, route) = have;
    let have = match through {
        None => format!("has the route {} already, which leads nowhere", route.destination),
        Some(index) => {
            let link =
                session.known_index(device.side, *index)?.map_or_else(|| format!("link {index}"), |link| link.name);
            format!("has the route {} already", in_words(route, &link))
        }
    };
    Ok(Error::Conflict {
        object: if device.side == Side::Host { "the host" } else { "the container" }.to_owned(),
        want: format!("{} of the same metric", in_words(want, &device.name)),
        have,
        remedy: Remedy::OtherRoute,
    })
}
