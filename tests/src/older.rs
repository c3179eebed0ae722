//! Tables of the packet filter as earlier releases left them.

use harness::sh;

/// Makes a table anew from a text of nft's, with what the sets that are in both had for elements. Its user lives on.
///
/// # Panics
/// If nft does not take the text.
pub fn as_older(table: &str, text: &str) {
    let sets = text.lines().filter_map(|line| line.trim().strip_prefix("set ")?.strip_suffix(" {"));
    let mut script = format!("delete table {table}\n{text}\n");
    for set in sets {
        let listed = sh(&format!("nft list set {table} {set}")).ok();
        let elements = listed.split_once("elements = {").and_then(|(_, rest)| rest.split_once('}'));
        if let Some((elements, _)) = elements {
            script += &format!("add element {table} {set} {{ {} }}\n", elements.replace(['\n', '\t'], " "));
        }
    }
    let file = "/run/older.nft";
    std::fs::write(file, script).expect("the host's /run can be written");
    sh(&format!("nft -f {file}")).ok();
}
