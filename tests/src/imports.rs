//! Which files of a crate import which: read from `use` declarations and from paths in the code that begin with `crate`, `super`
//! or the name of a module below.
//!
//! Names are followed through the declarations that hand them on (`pub use`, also of all names of a module) to the file that defines
//! them. Not seen are methods, macros by example, and names that a private `use x::*` brings. Modules called `tests` are passed over: they know everything.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The names of the modules from the root of a crate to one of its modules.
type Module = Vec<String>;

/// What one file declares and names.
#[derive(Debug, Default)]
struct File {
    /// Names that a `use` declaration brings, with their paths.
    brought: BTreeMap<String, Vec<String>>,
    /// Modules all of whose public names it hands on (`pub use x::*`).
    handed_on_whole: Vec<Vec<String>>,
    /// Those of them that others may use, too.
    handed_on: BTreeSet<String>,
    /// Paths and single names in the code, those of declarations that hand on excepted.
    named: BTreeSet<Vec<String>>,
}

/// A crate's files, each with those it imports.
#[derive(Debug)]
pub struct Imports(BTreeMap<PathBuf, BTreeSet<PathBuf>>);

impl Imports {
    /// Reads the sources of a crate: all files below the directory of its root, those of other crates excepted.
    ///
    /// # Errors
    /// A file or directory that cannot be read.
    pub fn read(directory: &Path) -> io::Result<Self> {
        let mut sources = BTreeMap::new();
        read_below(directory, &mut Vec::new(), &mut sources)?;
        Ok(Self::of(&sources))
    }

    fn of(sources: &BTreeMap<Module, String>) -> Self {
        let files: BTreeMap<&Module, File> =
            sources.iter().map(|(module, text)| (module, File::parse(&tokens(text)))).collect();
        let imports = files.iter().map(|(module, file)| {
            let mut found = BTreeSet::new();
            for path in &file.named {
                found.extend(resolve(&files, module, path, 0));
            }
            found.remove(*module);
            (path_of(module), found.iter().map(path_of).collect())
        });
        Self(imports.collect())
    }

    /// The circles: sets of files of which each imports, directly or by others, every other.
    #[must_use]
    pub fn circles(&self) -> Vec<BTreeSet<PathBuf>> {
        let reach: BTreeMap<&PathBuf, BTreeSet<&PathBuf>> =
            self.0.keys().map(|file| (file, self.reached(file))).collect();
        let circle = |file: &PathBuf| -> BTreeSet<PathBuf> {
            let back = |other: &&&PathBuf| reach.get(**other).is_some_and(|reached| reached.contains(file));
            reach.get(file).into_iter().flatten().filter(back).map(|other| (*other).clone()).collect()
        };
        let circles: BTreeSet<_> = self.0.keys().map(circle).filter(|circle| !circle.is_empty()).collect();
        circles.into_iter().collect()
    }

    /// The imports between the files of a circle, one a line: `a.rs -> b.rs`.
    #[must_use]
    pub fn within(&self, circle: &BTreeSet<PathBuf>) -> Vec<String> {
        let imports =
            circle.iter().flat_map(|file| self.0.get(file).into_iter().flatten().map(move |other| (file, other)));
        let inside = imports.filter(|(_, other)| circle.contains(*other));
        inside.map(|(file, other)| format!("{} -> {}", file.display(), other.display())).collect()
    }

    fn reached(&self, file: &PathBuf) -> BTreeSet<&PathBuf> {
        let mut reached = BTreeSet::new();
        let mut next: Vec<&PathBuf> = self.0.get(file).into_iter().flatten().collect();
        while let Some(file) = next.pop() {
            if reached.insert(file) {
                next.extend(self.0.get(file).into_iter().flatten());
            }
        }
        reached
    }
}

/// Whether a directory has the root of a crate.
#[must_use]
pub fn has_root(directory: &Path) -> bool {
    ["lib.rs", "main.rs"].iter().any(|root| directory.join(root).is_file())
}

/// The root of a crate is `lib.rs` or `main.rs`, and a module `a::b` is `a/b.rs`. The files of `bin` are crates by themselves.
fn read_below(directory: &Path, module: &mut Module, sources: &mut BTreeMap<Module, String>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if ["tests", "bin"].contains(&name.as_str()) || has_root(&path) {
            continue;
        }
        let is_root = module.is_empty() && ["lib", "main"].contains(&name.as_str());
        if !is_root {
            module.push(name);
        }
        if path.is_dir() {
            read_below(&path, module, sources)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.entry(module.clone()).or_default().push_str(&fs::read_to_string(&path)?);
        }
        if !is_root {
            module.pop();
        }
    }
    Ok(())
}

fn path_of(module: &Module) -> PathBuf {
    if module.is_empty() { "the root".into() } else { Path::new(&module.join("/")).with_extension("rs") }
}

/// The modules that define what a path names, as seen from a module: none for what is not of this crate.
fn resolve(files: &BTreeMap<&Module, File>, from: &Module, path: &[String], depth: usize) -> Option<Module> {
    // Declarations that hand on each other would have no end.
    if depth > 20 {
        return None;
    }
    let mut module = from.clone();
    let mut rest = path;
    match path.first()?.as_str() {
        "crate" => (module, rest) = (Vec::new(), path.get(1..)?),
        "self" => rest = path.get(1..)?,
        "super" => {
            while rest.first().is_some_and(|segment| segment == "super") {
                module.pop();
                rest = rest.get(1..)?;
            }
        }
        first => {
            let is_below = files.contains_key(&below(&module, first));
            let is_brought = files.get(&module).is_some_and(|file| file.brought.contains_key(first));
            if !is_below && !is_brought {
                return None;
            }
        }
    }
    while let Some((segment, after)) = rest.split_first() {
        let child = below(&module, segment);
        if files.contains_key(&child) {
            (module, rest) = (child, after);
            continue;
        }
        let file = files.get(&module)?;
        let mut whole = file.handed_on_whole.iter().filter_map(|path| resolve(files, &module, path, depth + 1));
        let by_whole = whole.find(|other| files.get(other).is_some_and(|file| file.handed_on.contains(segment)));
        return match (file.brought.get(segment), by_whole) {
            (Some(origin), _) => resolve(files, &module, &[origin, after].concat(), depth + 1),
            (None, Some(other)) => resolve(files, &other, &[&["self".to_owned()], rest].concat(), depth + 1),
            (None, None) => Some(module),
        };
    }
    Some(module)
}

fn below(module: &Module, name: &str) -> Module {
    module.iter().cloned().chain([name.to_owned()]).collect()
}

impl File {
    fn parse(tokens: &[String]) -> Self {
        let mut file = Self::default();
        let (mut at, mut is_public) = (0, false);
        while let Some(token) = tokens.get(at) {
            match token.as_str() {
                "use" => {
                    let mut leaves = Vec::new();
                    at = tree(tokens, at + 1, &[], &mut leaves);
                    for (path, name) in leaves {
                        if name == "*" && is_public {
                            file.handed_on_whole.push(path);
                            continue;
                        }
                        if is_public {
                            file.handed_on.insert(name.clone());
                        } else {
                            file.named.insert(path.clone());
                        }
                        file.brought.insert(name, path);
                    }
                    is_public = false;
                }
                "mod" => at += 2, // its declaration is no use of it
                "pub" => {
                    is_public = true;
                    at += 1;
                    let restriction = tokens.get(at + 1).filter(|_| tokens.get(at).is_some_and(|token| token == "("));
                    if restriction.is_some_and(|word| ["crate", "super", "self", "in"].contains(&word.as_str())) {
                        // Who may use what follows; that is no use of them.
                        at += tokens.iter().skip(at).take_while(|token| *token != ")").count() + 1;
                    }
                }
                word if is_word(word) => {
                    let mut path = vec![word.to_owned()];
                    while tokens.get(at + 1).is_some_and(|token| token == "::")
                        && let Some(next) = tokens.get(at + 2).filter(|token| is_word(token))
                    {
                        path.push(next.clone());
                        at += 2;
                    }
                    is_public = false;
                    if path.len() > 1 || file.may_be_brought(word) {
                        file.named.insert(path);
                    }
                    at += 1;
                }
                _ => {
                    is_public = false;
                    at += 1;
                }
            }
        }
        file
    }

    /// A single name counts where a declaration has handed it on: the file uses it, too.
    fn may_be_brought(&self, word: &str) -> bool {
        self.handed_on.contains(word)
    }
}

/// Reads the tree of a `use` declaration from `at` on, adds its leaves, and returns the place after it.
fn tree(tokens: &[String], mut at: usize, prefix: &[String], leaves: &mut Vec<(Vec<String>, String)>) -> usize {
    let mut path = prefix.to_vec();
    while let Some(token) = tokens.get(at) {
        match token.as_str() {
            "::" => at += 1,
            "{" => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token != "}") {
                    at = tree(tokens, at, &path, leaves);
                    if tokens.get(at).is_some_and(|token| token == ",") {
                        at += 1;
                    }
                }
                return at + 1;
            }
            "as" => {
                if let Some(name) = tokens.get(at + 1) {
                    leaves.push((path, name.clone()));
                }
                return at + 2;
            }
            "self" if path.len() > prefix.len() || !prefix.is_empty() => at += 1,
            word if is_word(word) => {
                path.push(word.to_owned());
                at += 1;
            }
            "*" => {
                leaves.push((path, "*".to_owned()));
                return at + 1;
            }
            _ => break,
        }
    }
    if let Some(name) = path.last().cloned() {
        leaves.push((path, name));
    }
    at
}

fn is_word(token: &str) -> bool {
    token.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// The words and signs of a source, without comments, literals, and the modules `tests`.
fn tokens(text: &str) -> Vec<String> {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("r\"") || rest.starts_with("r#") && raw_end(rest).is_some() {
            raw_end(rest).unwrap_or(rest.len())
        } else if first == '"' {
            quoted_end(rest)
        } else if first == '\'' {
            character_end(rest)
        } else if rest.starts_with("::") {
            tokens.push("::".to_owned());
            2
        } else if first.is_alphanumeric() || first == '_' {
            let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            tokens.push(rest.split_at(length).0.to_owned());
            length
        } else {
            if !first.is_whitespace() {
                tokens.push(first.to_string());
            }
            first.len_utf8()
        };
        rest = rest.split_at(length).1;
    }
    tokens
}

/// The length of a raw text such as `r#"..."#`.
fn raw_end(text: &str) -> Option<usize> {
    let hashes = text.split_at(1).1.chars().take_while(|c| *c == '#').count();
    let end = format!("\"{}", "#".repeat(hashes));
    let body = text.get(hashes + 2..).filter(|_| text.get(hashes + 1..).is_some_and(|rest| rest.starts_with('"')))?;
    body.find(&end).map(|at| hashes + 2 + at + end.len())
}

/// The length of a text in quotation marks.
fn quoted_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of a character such as `'"'` or `'\''`; of a lifetime, its sign only.
fn character_end(text: &str) -> usize {
    let mut rest = text.char_indices().skip(1);
    match (rest.next(), rest.next()) {
        (Some((_, '\\')), Some(_)) => rest.find(|(_, c)| *c == '\'').map_or(1, |(at, _)| at + 1),
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The circles of files given as (module, text), as `a.rs -> b.rs`.
    fn circles(files: &[(&str, &str)]) -> Vec<String> {
        let sources = files.iter().map(|(module, text)| {
            let module = module.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect();
            (module, (*text).to_owned())
        });
        let imports = Imports::of(&sources.collect());
        imports.circles().iter().flat_map(|circle| imports.within(circle)).collect()
    }

    #[test]
    fn two_that_use_each_other_are_a_circle() {
        let root = ("", "mod a; mod b;");
        assert_eq!(
            circles(&[root, ("a", "use crate::b::B;"), ("b", "fn b(_: crate::a::A) {}")]),
            ["a.rs -> b.rs", "b.rs -> a.rs"]
        );
        assert_eq!(circles(&[root, ("a", "use crate::b::B;"), ("b", "use std::io;")]), [""; 0]);
        assert_eq!(circles(&[root, ("a", "use crate::b::B;"), ("b", "pub(in crate::a) struct B;")]), [""; 0]);
        assert_eq!(circles(&[root, ("a", "use super::{b::{self, C as D}, x};"), ("b", "use super::a;")]).len(), 2);
        assert_eq!(
            circles(&[
                root,
                ("a", "use crate::b::B;"),
                ("b", "// use crate::a::A;\nfn b() -> &str { \"crate::a::A\" }")
            ]),
            [""; 0]
        );
        assert_eq!(
            circles(&[root, ("a", "use crate::b::B;"), ("b", "#[cfg(test)]\nmod tests { use crate::a::A; }")]),
            [""; 0]
        );
    }

    #[test]
    fn a_name_is_followed_to_where_it_is_defined() {
        let root = ("", "mod a; mod b; pub use a::A; pub(crate) use b::{B, C};");
        assert_eq!(circles(&[root, ("a", "use crate::{B, json};"), ("b", "use crate::A;")]).len(), 2);
        assert_eq!(circles(&[root, ("a", "struct A; use crate::A;"), ("b", "use crate::A;")]), [""; 0]);
        let whole = ("", "mod c; mod a; pub use c::*;");
        let inner = ("c", "mod d; pub use d::D;");
        assert_eq!(circles(&[whole, ("a", "use crate::D;"), inner, ("c::d", "use crate::a;")]).len(), 2);
        assert_eq!(circles(&[whole, ("a", "use crate::E;"), inner, ("c::d", "use crate::a;")]), [""; 0]);
        let inner = ("c", "mod d; pub(crate) use d::D;");
        assert_eq!(
            circles(&[("", "mod a; mod c;"), ("a", "use crate::c::D;"), inner, ("c::d", "use crate::a::A;")]),
            ["a.rs -> c/d.rs", "c/d.rs -> a.rs"]
        );
    }

    #[test]
    fn a_parent_may_use_its_child_and_hand_its_names_on() {
        let child = ("a::b", "use super::A;");
        assert_eq!(circles(&[("", ""), ("a", "mod b; pub use b::B; struct A;"), child]), [""; 0]);
        for parent in
            ["mod b; use b::B; struct A;", "mod b; pub use b::B; struct A; fn f() -> B {}", "mod b; fn f() { b::f() }"]
        {
            assert_eq!(circles(&[("", ""), ("a", parent), child]), ["a/b.rs -> a.rs", "a.rs -> a/b.rs"], "{parent}");
        }
        assert_eq!(
            circles(&[("", ""), ("a", "mod b; mod c; use b::B;"), ("a::b", "use super::c::C;"), ("a::c", "")]),
            [""; 0]
        );
    }

    #[test]
    fn more_than_two_are_a_circle_too() {
        let files =
            [("", ""), ("a", "use crate::b;"), ("b", "use crate::c;"), ("c", "use crate::a;"), ("d", "use crate::a;")];
        assert_eq!(circles(&files), ["a.rs -> b.rs", "b.rs -> c.rs", "c.rs -> a.rs"]);
    }

    #[test]
    fn literals_do_not_mislead() {
        let text = r##"let q = '"'; let l: &'a str = r#"crate::a "x" "#; let e = '\''; crate::b::f()"##;
        assert!(!tokens(text).contains(&"a\"".to_owned()));
        assert!(tokens(text).ends_with(&["crate", "::", "b", "::", "f", "(", ")"].map(str::to_owned)));
    }
}
