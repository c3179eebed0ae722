//! Completion in bash. The words are taken from the line: bash itself cuts them at `:` and `=`, which are part of `pid:42` and
//! `--conf-dir=/etc`.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;

use clap::Command;
use clap_complete::engine;
use clap_complete::env::EnvCompleter;

use super::words;

/// What bash is replacing: the end of the word that is being typed.
const WORD: &str = "_PLUGBOARD_WORD";

/// bash, from version 4 on.
#[derive(Debug)]
pub(super) struct Bash;

impl EnvCompleter for Bash {
    fn name(&self) -> &'static str {
        "bash"
    }

    fn is(&self, name: &str) -> bool {
        name == "bash"
    }

    fn write_registration(
        &self,
        variable: &str,
        name: &str,
        command: &str,
        _completer: &str,
        to: &mut dyn Write,
    ) -> io::Result<()> {
        writeln!(
            to,
            "# bash completion for {command}: it is asked itself at each completion.
_{name}() {{
    local executable=${{1/#\\~/$HOME}}
    mapfile -t COMPREPLY < <({variable}=bash {line}=\"${{COMP_LINE:0:COMP_POINT}}\" {WORD}=\"$2\" \\
        \"$executable\" -- \"${{COMP_WORDS[@]}}\" 2> /dev/null)
    if [[ ${{#COMPREPLY[@]}} -eq 1 && ${{COMPREPLY[0]}} == *[=:/,.] ]]; then
        compopt -o nospace
    fi
}}
complete -o bashdefault -o nosort -F _{name} {command}",
            line = words::LINE,
        )
    }

    fn write_complete(
        &self,
        command: &mut Command,
        _args: Vec<OsString>,
        current_dir: Option<&Path>,
        to: &mut dyn Write,
    ) -> io::Result<()> {
        let words = words::typed();
        let current = words.last().cloned().unwrap_or_default().to_string_lossy().into_owned();
        let replaced = std::env::var(WORD).unwrap_or_default();
        let kept = current.strip_suffix(&replaced).unwrap_or_default();
        let last = words.len().saturating_sub(1);
        for candidate in engine::complete(command, words, last, current_dir)? {
            let value = candidate.get_value().to_string_lossy();
            writeln!(to, "{}", value.strip_prefix(kept).unwrap_or(&value))?;
        }
        Ok(())
    }
}
