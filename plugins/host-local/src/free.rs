//! Looking for a free address.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::fs;
use std::net::IpAddr;
use std::path::Path;

use crate::files::last_reserved;
use crate::map::{self, Block, DENSE, Map};
use crate::pool::Pool;
use crate::range::{Range, address};
use crate::set::{RangeSet, Span};

/// So many addresses are tried, a system call each, before a map is looked for. The address after the last one is free as
/// a rule.
const BEFORE_MAPS: usize = 4;
/// So many are tried where there is no map; after that the directory is listed, once. In a full pool of 65,534 listing takes
/// 68 ms where trying every address takes 138 (tmpfs, static musl build, 2 cores).
const TRIES: usize = 2 * DENSE;

/// How a search may use the maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Maps {
    /// Nothing: they may be outdated.
    Ignored,
    /// Read them.
    Read,
    /// Read them, and write those that were missed: the caller has the lock, and marks the index afterwards.
    Kept,
}

/// The addresses of a set that may be free, in the order of allocation. Gateways are left out.
#[derive(Debug)]
pub(crate) struct Candidates<'a> {
    pool: &'a Pool,
    all: Vec<Span<'a>>,
    left: VecDeque<Span<'a>>,
    taken: Taken<'a>,
}

impl<'a> Candidates<'a> {
    /// A search in the set of this number.
    pub(crate) fn new(pool: &'a Pool, set: &'a RangeSet, index: usize, directory: &'a Path, maps: Maps) -> Self {
        let all: Vec<Span<'_>> = set.spans(last_reserved(directory, index)).collect();
        let left = all.iter().copied().collect();
        Self { pool, all, left, taken: Taken { directory, maps, tries: 0, read: BTreeMap::new(), listing: None } }
    }

    fn next_in_order(&mut self) -> Option<(IpAddr, &'a Range)> {
        while let Some(span) = self.left.pop_front() {
            let Some(number) = self.taken.first_free(&span) else { continue };
            if let Some(rest) = span.behind(number) {
                self.left.push_front(rest);
            }
            let address = address(number, span.range.is_ipv4());
            if !self.pool.is_gateway(address) {
                return Some((address, span.range));
            }
        }
        None
    }
}

impl<'a> Iterator for Candidates<'a> {
    type Item = (IpAddr, &'a Range);

    fn next(&mut self) -> Option<Self::Item> {
        self.next_in_order().or_else(|| {
            // A map that is wrong must not hide the last free address.
            if self.taken.listing.is_some() || self.taken.read.values().all(Option::is_none) {
                return None;
            }
            self.taken.list();
            self.left = self.all.iter().copied().collect();
            self.next_in_order()
        })
    }
}

/// What is known about the taken addresses.
#[derive(Debug)]
struct Taken<'a> {
    directory: &'a Path,
    maps: Maps,
    tries: usize,
    read: BTreeMap<Block, Option<Map>>,
    listing: Option<HashSet<IpAddr>>,
}

impl Taken<'_> {
    /// The first address of the span that may be free.
    fn first_free(&mut self, span: &Span<'_>) -> Option<u128> {
        let is_v4 = span.range.is_ipv4();
        let mut from = span.from;
        while from <= span.to {
            if let Some(listing) = &self.listing {
                return (from..=span.to).find(|number| !listing.contains(&address(*number, is_v4)));
            }
            let block = Block::of(address(from, is_v4));
            if let Some(map) = self.map(block) {
                let end = block.last().min(span.to);
                match map.first_free(from, end) {
                    None => from = end.checked_add(1)?,
                    found => return found,
                }
            } else if self.tries < TRIES {
                self.tries += 1;
                return Some(from);
            } else {
                self.list();
            }
        }
        None
    }

    fn map(&mut self, block: Block) -> Option<&Map> {
        if self.maps == Maps::Ignored || self.tries < BEFORE_MAPS {
            return None;
        }
        let directory = self.directory;
        self.read.entry(block).or_insert_with(|| Map::read(directory, block)).as_ref()
    }

    /// A directory that cannot be listed rules no address out.
    fn list(&mut self) {
        let entries = fs::read_dir(self.directory).into_iter().flatten().flatten();
        let listing: HashSet<IpAddr> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
        if self.maps == Maps::Kept {
            // Without maps the next search lists again.
            let _ = map::write(self.directory, listing.iter().copied());
        }
        self.listing = Some(listing);
    }
}
