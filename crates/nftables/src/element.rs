//! Elements of sets and maps.

use std::time::Duration;

use netlink::attributes::{append, append_nested, iterate, value_of};
use netlink::{Error, Object, Request, Socket};

use crate::count::Count;
use crate::data::{Data, put_value, read_value};
use crate::message::{Body, NLM_F_CREATE, NLM_F_EXCL, Verb, open, put_number, read_long, read_number};
use crate::userdata::{comment, read_comment};
use crate::{Key, Set, Table, milliseconds, set};

const NFTA_SET_ELEM_LIST_ELEMENTS: u16 = 3;
const NFTA_LIST_ELEM: u16 = 1;
const NFTA_SET_ELEM_KEY: u16 = 1;
const NFTA_SET_ELEM_DATA: u16 = 2;
const NFTA_SET_ELEM_FLAGS: u16 = 3;
const NFTA_SET_ELEM_TIMEOUT: u16 = 4;
const NFTA_SET_ELEM_EXPIRATION: u16 = 5;
const NFTA_SET_ELEM_USERDATA: u16 = 6;
const NFTA_SET_ELEM_EXPR: u16 = 7;
const NFTA_SET_ELEM_KEY_END: u16 = 10;
const NFTA_SET_ELEM_EXPRESSIONS: u16 = 11;

const NFT_SET_ELEM_INTERVAL_END: u32 = 1;

/// An element of a set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Element {
    /// Its key; the first of an interval.
    pub key: Key,
    /// The last key of an interval, which belongs to it; `None` where that is the first as well.
    pub last: Option<Key>,
    /// What a map has for the key.
    pub data: Option<Data>,
    /// Its comment; empty for none.
    pub comment: String,
    /// How long it stays, in whole milliseconds; `None` as the set says.
    pub timeout: Option<Duration>,
    /// How much of that is left; `None` for all of it.
    pub expires: Option<Duration>,
    /// What it has counted. A set that counts begins with nothing for `None`.
    pub count: Option<Count>,
}

impl Element {
    /// A key without anything else.
    #[must_use]
    pub fn new(key: Key) -> Self {
        Self { key, ..Self::default() }
    }

    /// The same of a map that has this for its key.
    #[must_use]
    pub fn with_data(self, data: Data) -> Self {
        Self { data: Some(data), ..self }
    }

    /// The same with a comment.
    #[must_use]
    pub fn with_comment(self, comment: impl Into<String>) -> Self {
        Self { comment: comment.into(), ..self }
    }

    /// The same for a time.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self }
    }

    /// Appends it with all that it has.
    pub(crate) fn put(&self, list: &mut Vec<u8>, set: &Set) {
        append_nested(list, NFTA_LIST_ELEM, |element| {
            if let Some(timeout) = self.timeout {
                append(element, NFTA_SET_ELEM_TIMEOUT, &milliseconds(timeout).to_be_bytes());
            }
            if let Some(expires) = self.expires {
                append(element, NFTA_SET_ELEM_EXPIRATION, &milliseconds(expires).to_be_bytes());
            }
            self.put_keys(element, set);
            if let Some(data) = &self.data {
                append_nested(element, NFTA_SET_ELEM_DATA, |bytes| data.put(bytes));
            }
            if !self.comment.is_empty() {
                append(element, NFTA_SET_ELEM_USERDATA, &comment(&self.comment));
            }
            if let Some(count) = self.count {
                count.put(element, NFTA_SET_ELEM_EXPR);
            }
        });
        self.put_end(list, set);
    }

    /// Appends what tells it from others.
    fn put_name(&self, list: &mut Vec<u8>, set: &Set) {
        append_nested(list, NFTA_LIST_ELEM, |element| self.put_keys(element, set));
        self.put_end(list, set);
    }

    fn put_keys(&self, element: &mut Vec<u8>, set: &Set) {
        put_key(element, NFTA_SET_ELEM_KEY, &self.key);
        if set.is_ranges_of_parts() {
            put_key(element, NFTA_SET_ELEM_KEY_END, self.last());
        }
    }

    /// In a set of single intervals, the first key behind this one is an element too.
    fn put_end(&self, list: &mut Vec<u8>, set: &Set) {
        let end = if set.is_pairs() { self.last().next() } else { None };
        if let Some(end) = end {
            append_nested(list, NFTA_LIST_ELEM, |element| {
                put_number(element, NFTA_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END);
                put_key(element, NFTA_SET_ELEM_KEY, &end);
            });
        }
    }

    fn last(&self) -> &Key {
        self.last.as_ref().unwrap_or(&self.key)
    }

    fn read(attributes: &[u8]) -> Option<Self> {
        let key = |kind| value_of(attributes, kind).and_then(read_value);
        let time = |kind| value_of(attributes, kind).and_then(read_long).map(Duration::from_millis);
        let first = key(NFTA_SET_ELEM_KEY)?;
        let count = value_of(attributes, NFTA_SET_ELEM_EXPR).and_then(Count::read);
        Some(Self {
            last: key(NFTA_SET_ELEM_KEY_END).filter(|last| *last != first),
            key: first,
            data: value_of(attributes, NFTA_SET_ELEM_DATA).and_then(Data::read),
            comment: value_of(attributes, NFTA_SET_ELEM_USERDATA).and_then(read_comment).unwrap_or_default(),
            timeout: time(NFTA_SET_ELEM_TIMEOUT),
            expires: time(NFTA_SET_ELEM_EXPIRATION),
            count: count.or_else(|| value_of(attributes, NFTA_SET_ELEM_EXPRESSIONS).and_then(Count::read_among)),
        })
    }
}

fn put_key(element: &mut Vec<u8>, kind: u16, key: &Key) {
    append_nested(element, kind, |data| put_value(data, key.bytes()));
}

/// `nft create element TABLE SET { … }`; one whose key is there already is refused with `EEXIST`, whatever its comment.
#[must_use]
pub fn create(table: &Table, set: &Set, elements: &[Element]) -> Request {
    let body = set.body(table).nested(NFTA_SET_ELEM_LIST_ELEMENTS, |list| {
        elements.iter().for_each(|element| element.put(list, set));
    });
    body.change(Verb::NewElement, NLM_F_CREATE | NLM_F_EXCL)
}

/// `nft delete element TABLE SET { … }`; one that is not there is refused with `ENOENT`. Only their keys count.
#[must_use]
pub fn delete<'a>(table: &Table, set: &Set, elements: impl IntoIterator<Item = &'a Element>) -> Request {
    let body = set.body(table).nested(NFTA_SET_ELEM_LIST_ELEMENTS, |list| {
        elements.into_iter().for_each(|element| element.put_name(list, set));
    });
    body.change(Verb::DelElement, 0)
}

/// Asks for the element with this key, or whose interval has it, with what it has counted: `nft get element TABLE SET { … }`.
/// The answer is an object, of which [`read`] makes one element, or `ENOENT`, also if there is no such set.
#[must_use]
pub fn get(table: &Table, set: &Set, element: &Element) -> Request {
    let body = set.body(table).nested(NFTA_SET_ELEM_LIST_ELEMENTS, |list| element.put_name(list, set));
    body.question(Verb::GetElement)
}

/// The elements of a set: `nft list set TABLE SET`. None where there is no such set. [`list_intervals`] is for sets of intervals
/// whose keys have one part, which come here as their bounds.
///
/// # Errors
/// Those of [`Socket::dump`].
pub fn list(socket: &mut Socket, table: &Table, set: &Set) -> Result<Vec<Element>, Error> {
    Ok(read(&dump(socket, set.body(table))?))
}

/// The same for a set that was found.
///
/// # Errors
/// Those of [`Socket::dump`].
pub fn list_found(socket: &mut Socket, set: &set::Found) -> Result<Vec<Element>, Error> {
    Ok(read(&dump(socket, set.body())?))
}

/// The elements of a set of intervals whose keys have one part, in the order of their keys.
///
/// # Errors
/// Those of [`Socket::dump`].
pub fn list_intervals(socket: &mut Socket, table: &Table, set: &Set) -> Result<Vec<Element>, Error> {
    Ok(read_intervals(&dump(socket, set.body(table))?))
}

/// The elements of a set that others have made, by its name, with intervals joined; `None` where it has one that has no key
/// (`*`), or does not exist.
///
/// # Errors
/// Those of [`Socket::dump`].
pub fn list_foreign(socket: &mut Socket, table: &Table, name: &str) -> Result<Option<Vec<Element>>, Error> {
    let objects = dump(socket, set::body(table, name))?;
    if objects.is_empty() || !entries(&objects).all(|entry| value_of(entry, NFTA_SET_ELEM_KEY).is_some()) {
        return Ok(None);
    }
    Ok(Some(if entries(&objects).any(is_end) { read_intervals(&objects) } else { read(&objects) }))
}

/// It is the first key behind an interval.
fn is_end(entry: &[u8]) -> bool {
    let flags = value_of(entry, NFTA_SET_ELEM_FLAGS).and_then(read_number).unwrap_or(0);
    flags & NFT_SET_ELEM_INTERVAL_END != 0
}

fn dump(socket: &mut Socket, body: Body) -> Result<Vec<Object>, Error> {
    socket.expect_large_objects();
    match socket.dump("set elements", &body.list(Verb::GetElement)) {
        Err(error) if error.errno() == Some(libc::ENOENT) => Ok(Vec::new()),
        other => other,
    }
}

/// The elements in messages of the kernel.
#[must_use]
pub fn read(objects: &[Object]) -> Vec<Element> {
    entries(objects).filter_map(Element::read).collect()
}

fn entries(objects: &[Object]) -> impl Iterator<Item = &[u8]> {
    let lists = objects.iter().filter_map(|object| {
        let (_, attributes) = open(object, Verb::NewElement)?;
        value_of(attributes, NFTA_SET_ELEM_LIST_ELEMENTS)
    });
    lists.flat_map(iterate).map(|(_, entry)| entry)
}

/// The elements in messages of the kernel about a set of intervals whose keys have one part: joined from the entries that begin
/// them and end them, in whatever order these come.
#[must_use]
pub fn read_intervals(objects: &[Object]) -> Vec<Element> {
    let mut bounds: Vec<(bool, Element)> =
        entries(objects).filter_map(|entry| Some((!is_end(entry), Element::read(entry)?))).collect();
    bounds.sort_by(|(is_first, one), (is_other_first, other)| (&one.key, is_first).cmp(&(&other.key, is_other_first)));
    let mut elements: Vec<Element> = Vec::new();
    let mut is_open = false;
    for (is_first, bound) in bounds {
        if let Some(open) = elements.last_mut().filter(|_| is_open) {
            open.last = bound.key.previous().filter(|last| *last != open.key);
        }
        is_open = is_first;
        if is_first {
            elements.push(bound);
        }
    }
    if let Some(open) = elements.last_mut().filter(|_| is_open) {
        open.last = Some(open.key.greatest()).filter(|last| *last != open.key);
    }
    elements
}
