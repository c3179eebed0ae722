//! Addresses that the caller asks for.
//!
//! They come from `runtimeConfig.ips`, `args.cni.ips`, and `IP` in `CNI_ARGS`. A range set gives the one that the first
//! of these sources names for it. A later source's address for the same set is ignored (CAP-4). Every other address has
//! to be given, or the call fails.

use std::net::IpAddr;

use cni::{Call, Code, Error};

use crate::pool::Pool;

const SOURCES: [&str; 3] = ["runtimeConfig.ips", "args.cni.ips", "IP in CNI_ARGS"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Request {
    address: IpAddr,
    /// An index into [`SOURCES`]: the lower goes first.
    source: usize,
}

/// The address asked for of each set of the pool, in their order.
///
/// # Errors
/// Code 4 or 7: an address that is malformed, in no set, a gateway, or the second for a set; or an unknown key in
/// `CNI_ARGS`.
pub(crate) fn requested(call: &Call, pool: &Pool) -> Result<Vec<Option<IpAddr>>, Error> {
    assign(&read(call)?, pool)
}

fn read(call: &Call) -> Result<Vec<Request>, Error> {
    let args = &call.environment.args;
    args.only(&["IP"])?;
    let runtime = call.config.capability::<Vec<String>>("ips")?.unwrap_or_default();
    let cni = call.config.arg::<Vec<String>>("ips")?.unwrap_or_default();
    let variable: Vec<String> = args.get("IP").map(str::to_owned).into_iter().collect();
    let mut requests = Vec::new();
    for (source, texts) in [runtime, cni, variable].iter().enumerate() {
        for text in texts.iter().filter(|text| !text.is_empty()) {
            let address = parse(text).map_err(|cause| refuse(source, &cause))?;
            requests.push(Request { address, source });
        }
    }
    Ok(requests)
}

/// `ip[/prefix]` (CAP-1, CAP-5). The subnet of the range decides on the prefix length.
fn parse(text: &str) -> Result<IpAddr, String> {
    if text.contains('/') {
        cni::parse_address(text).map(|address| address.ip().to_canonical())
    } else {
        cni::parse_host(text)
    }
}

fn assign(requests: &[Request], pool: &Pool) -> Result<Vec<Option<IpAddr>>, Error> {
    let mut chosen: Vec<Option<Request>> = vec![None; pool.sets().len()];
    for request in requests {
        let Request { address, source } = *request;
        let Some(place) = pool.set_of(address).and_then(|set| chosen.get_mut(set)) else {
            let sets: Vec<String> = pool.sets().iter().map(ToString::to_string).collect();
            let cause = format!("failed to allocate all requested IPs: {address} is in none of {}", sets.join(" and "));
            return Err(refuse(source, &cause));
        };
        if pool.is_gateway(address) {
            return Err(refuse(source, &format!("requested ip {address} is subnet's gateway")));
        }
        match place {
            None => *place = Some(*request),
            Some(other) if other.address == address || other.source < source => {}
            Some(other) => {
                let cause = format!(
                    "failed to allocate all requested IPs: {} and {address} belong to one range set, which gives one",
                    other.address
                );
                return Err(refuse(source, &cause));
            }
        }
    }
    Ok(chosen.into_iter().map(|request| request.map(|request| request.address)).collect())
}

fn refuse(source: usize, cause: &str) -> Error {
    let code = if source == 2 { Code::InvalidEnvironment } else { Code::InvalidConfig };
    Error::new(code, format!("{}: {cause}", SOURCES.get(source).copied().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use cni::Version;

    use super::*;
    use keys::RangeKeys;

    use crate::pool::Sources;

    fn pool() -> Pool {
        let set = |subnet: &str| vec![RangeKeys { subnet: Some(subnet.into()), ..RangeKeys::default() }];
        Pool::new(&[set("10.1.0.0/24"), set("fd00::/64")], &Sources::default(), Version::LATEST).unwrap()
    }

    fn chosen(requests: &[(&str, usize)]) -> Result<Vec<Option<String>>, Error> {
        let request = |(address, source): &(&str, usize)| Request { address: parse(address).unwrap(), source: *source };
        let requests: Vec<Request> = requests.iter().map(request).collect();
        let chosen = assign(&requests, &pool())?;
        Ok(chosen.into_iter().map(|address| address.map(|address| address.to_string())).collect())
    }

    #[test]
    fn each_set_gives_the_first_sources_address() {
        let (v4, v6) = (Some("10.1.0.5".to_owned()), Some("fd00::5".to_owned()));
        assert_eq!(chosen(&[]), Ok(vec![None, None]));
        assert_eq!(chosen(&[("fd00::5/64", 0), ("10.1.0.5", 2)]), Ok(vec![v4.clone(), v6.clone()]));
        assert_eq!(chosen(&[("10.1.0.5", 0), ("10.1.0.5", 0)]), Ok(vec![v4.clone(), None]));
        assert_eq!(chosen(&[("10.1.0.5", 1), ("10.1.0.9", 2), ("fd00::5", 2)]), Ok(vec![v4, v6]));
    }

    #[test]
    fn what_cannot_be_given_is_refused() {
        for (requests, code, expected) in [
            (
                &[("10.2.0.5", 0)][..],
                Code::InvalidConfig,
                "runtimeConfig.ips: failed to allocate all requested IPs: 10.2.0.5",
            ),
            (
                &[("10.1.0.5", 1), ("10.1.0.6", 1)],
                Code::InvalidConfig,
                "args.cni.ips: failed to allocate all requested IPs",
            ),
            (&[("10.1.0.1", 2)], Code::InvalidEnvironment, "CNI_ARGS: requested ip 10.1.0.1 is subnet's gateway"),
        ] {
            let error = chosen(requests).unwrap_err();
            assert_eq!(error.code, code);
            assert!(error.msg.contains(expected), "{}", error.msg);
        }
    }
}
