//! The maps of taken addresses, so that a search goes past 50,000 of them as quickly as past one.
//!
//! A block is 65,536 addresses, those that differ in the last 16 bits only. Its map is the file `.taken.10.1.0.0`, with the
//! name of its first address: a bit for each, 1 where the address is taken. A block in which few are taken has none.
//!
//! A map is a hint like the links of [`crate::index`], and is only valid with their mark: when that is gone, so are the
//! maps. A 0 that should be 1 costs an attempt. A 1 that should be 0 hides an address; so a search that finds nothing
//! by the maps looks at the files before it says so.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::files::FILE_MODE;
use crate::range::{address, number};
use cni::regular;

/// How the names of maps begin.
pub(crate) const PREFIX: &str = ".taken.";

/// Blocks of which so many addresses are taken get a map. In two neighbours without, fewer than twice as many follow each
/// other.
pub(crate) const DENSE: usize = 32;

/// The address within its block.
const PLACE: u128 = 0xffff;
/// The length of a map in bytes.
const LENGTH: usize = 8192;

/// A block of addresses, by the first one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Block(IpAddr);

impl Block {
    /// The block of an address.
    pub(crate) fn of(member: IpAddr) -> Self {
        Self(address(number(member) & !PLACE, member.is_ipv4()))
    }

    /// Its last address, as a number.
    pub(crate) fn last(self) -> u128 {
        number(self.0) | PLACE
    }

    fn path(self, directory: &Path) -> PathBuf {
        directory.join(format!("{PREFIX}{}", self.0))
    }
}

/// Which addresses of a block are taken.
#[derive(Debug)]
pub(crate) struct Map(Vec<u8>);

impl Map {
    /// Reads the map of a block; `None` if there is none.
    pub(crate) fn read(directory: &Path, block: Block) -> Option<Self> {
        regular::read(&block.path(directory), LENGTH as u64).ok().filter(|bits| bits.len() == LENGTH).map(Self)
    }

    /// The first free address of those from `from` to `to`, which are of its block.
    pub(crate) fn first_free(&self, from: u128, to: u128) -> Option<u128> {
        let (start, end) = (place(from), place(to));
        let bytes = self.0.get(start / 8..=end / 8)?;
        let mut free = bytes.iter().enumerate().filter(|(_, byte)| **byte != u8::MAX).flat_map(|(index, byte)| {
            (0..8).filter(move |bit| byte & (1 << bit) == 0).map(move |bit| (start / 8 + index) * 8 + bit)
        });
        let found = free.find(|place| *place >= start).filter(|place| *place <= end)?;
        Some(from - (start as u128) + (found as u128))
    }
}

/// Writes the maps of the blocks in which more than a few addresses are taken.
///
/// # Errors
/// The kernel's; a map may be missing or incomplete then, which costs attempts.
pub(crate) fn write(directory: &Path, taken: impl Iterator<Item = IpAddr>) -> io::Result<()> {
    let mut blocks: BTreeMap<Block, Vec<IpAddr>> = BTreeMap::new();
    for address in taken {
        blocks.entry(Block::of(address)).or_default().push(address);
    }
    for (block, taken) in blocks.into_iter().filter(|(_, taken)| taken.len() >= DENSE) {
        let mut bits = vec![0; LENGTH];
        for address in taken {
            let place = place(number(address));
            if let Some(byte) = bits.get_mut(place / 8) {
                *byte |= 1 << (place % 8);
            }
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(FILE_MODE);
        let (file, _) = regular::open(&block.path(directory), &mut options)?;
        file.write_all_at(&bits, 0)?;
    }
    Ok(())
}

/// Notes in the map of its block, if that has one, whether an address is taken.
///
/// # Errors
/// The kernel's; the map is wrong then.
pub(crate) fn note(directory: &Path, address: IpAddr, is_taken: bool) -> io::Result<()> {
    let path = Block::of(address).path(directory);
    let map = match regular::open(&path, OpenOptions::new().read(true).write(true)) {
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(()),
        map => map?.0,
    };
    note_in(&map, place(number(address)), is_taken)
}

fn note_in(map: &File, place: usize, is_taken: bool) -> io::Result<()> {
    let offset = (place / 8) as u64;
    let mut byte = [0];
    map.read_exact_at(&mut byte, offset)?;
    let bit = 1 << (place % 8);
    let noted = byte.map(|byte| if is_taken { byte | bit } else { byte & !bit });
    map.write_all_at(&noted, offset)
}

/// The place of an address in its block; below 65,536.
fn place(number: u128) -> usize {
    (number & PLACE) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn map(taken: &[usize]) -> Map {
        let mut bits = vec![0; LENGTH];
        taken.iter().for_each(|place| bits[place / 8] |= 1 << (place % 8));
        Map(bits)
    }

    #[test]
    fn blocks_end_where_the_address_space_ends() {
        let last = |text: &str| Block::of(text.parse().unwrap()).last();
        assert_eq!(last("255.255.3.4"), u128::from(u32::MAX));
        assert_eq!(last("ffff:ffff:ffff:ffff:ffff:ffff:ffff:1"), u128::MAX);
        assert_eq!(Block::of("10.1.2.3".parse().unwrap()).path(Path::new("/d")).to_str(), Some("/d/.taken.10.1.0.0"));
        assert_eq!(Block::of("fd00::7".parse().unwrap()).path(Path::new("/d")).to_str(), Some("/d/.taken.fd00::"));
    }

    #[test]
    fn a_full_block_has_nothing_free() {
        let all: Vec<usize> = (0..=0xffff).collect();
        assert_eq!(map(&all).first_free(0, 0xffff), None);
        assert_eq!(map(&all[..0xffff]).first_free(0, 0xffff), Some(0xffff));
        assert_eq!(map(&all[1..]).first_free(0xfd00 << 16, (0xfd00 << 16) | 0xffff), Some(0xfd00 << 16));
    }

    proptest! {
        #[test]
        fn the_first_free_one(
            taken in prop::collection::btree_set(0usize..100, 0..100), from in 0usize..100, more in 0usize..100,
        ) {
            let to = from + more;
            let base = 10u128 << 24;
            let places: Vec<usize> = taken.iter().copied().collect();
            let expected = (from..=to).find(|place| !taken.contains(place)).map(|place| base + place as u128);
            prop_assert_eq!(map(&places).first_free(base + from as u128, base + to as u128), expected);
        }
    }
}
