//! The documents: their links lead somewhere, and the README is a first screen.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The longest README.
const README_LINES: usize = 200;

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the repository")
}

/// All documents of the repository.
pub(crate) fn documents() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut directories = vec![root()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && !name.starts_with('.') && name != "target" {
                directories.push(path);
            } else if name.ends_with(".md") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The lines of a document that are no code.
fn prose(text: &str) -> Vec<&str> {
    let mut in_code = false;
    text.lines()
        .filter(|line| {
            let is_fence = line.trim_start().starts_with("```");
            in_code ^= is_fence;
            !in_code && !is_fence
        })
        .collect()
}

/// What a document links to: the target of `[text](target)`.
fn links(text: &str) -> Vec<String> {
    let text = prose(text).join("\n");
    text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target.to_owned()).collect()
}

/// The anchors of a document's headings, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text).into_iter().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let words = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        words.chars().filter(|letter| letter.is_alphanumeric() || "-_".contains(*letter)).collect::<String>()
    };
    headings.map(anchor).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let documents = documents();
    assert!(documents.len() > 20, "{documents:?}");
    let mut broken = Vec::new();
    let mut checked = 0;
    for document in &documents {
        let text = fs::read_to_string(document).expect("a document");
        for link in links(&text) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            checked += 1;
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if path.is_empty() { document.clone() } else { document.with_file_name("").join(path) };
            let is_there = target.exists()
                && (anchor.is_empty() || fs::read_to_string(&target).is_ok_and(|text| anchors(&text).contains(anchor)));
            if !is_there {
                broken.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(checked > 100, "{checked} links were looked at");
    assert!(broken.is_empty(), "{broken:#?}");
}

/// From the README by links, in two jumps.
#[test]
fn every_page_is_two_jumps_from_the_readme() {
    let mut near = BTreeSet::from([root().join("README.md")]);
    for _ in 0..2 {
        let linked: Vec<PathBuf> = near
            .iter()
            .filter(|page| page.extension().is_some_and(|extension| extension == "md"))
            .flat_map(|page| {
                let links = links(&fs::read_to_string(page).expect("a page"));
                let targets = links.into_iter().filter_map(|link| link.split('#').next().map(str::to_owned));
                targets.map(|path| page.with_file_name("").join(path)).collect::<Vec<_>>()
            })
            .filter_map(|path| path.canonicalize().ok())
            .collect();
        near.extend(linked);
    }
    let pages = documents().into_iter().filter(|page| page.starts_with(root().join("docs")));
    let far: Vec<PathBuf> = pages.filter(|page| !near.contains(page)).collect();
    assert!(far.is_empty(), "{far:#?}");
}

#[test]
fn the_readme_is_a_first_screen() {
    let lines = fs::read_to_string(root().join("README.md")).expect("the README").lines().count();
    assert!(lines <= README_LINES, "{lines} lines; what is not for a first quarter of an hour has its page in docs");
}
