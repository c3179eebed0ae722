//! Tables, aligned for a terminal or as Markdown. Columns of figures are aligned to the right.

use std::fmt::Write;

/// A table. All rows have as many cells as the header.
#[derive(Debug)]
pub struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
    /// Columns of text, the first ones; figures follow.
    texts: usize,
}

impl Table {
    /// A table with these columns.
    #[must_use]
    pub fn new(texts: &[&str], figures: &[&str]) -> Self {
        let header = texts.iter().chain(figures).map(|&cell| cell.to_owned()).collect();
        Self { header, rows: Vec::new(), texts: texts.len() }
    }

    /// Adds a row. Cells that are missing are empty.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let mut cells: Vec<String> = cells.into_iter().collect();
        cells.resize(self.header.len(), String::new());
        self.rows.push(cells);
    }

    /// For a terminal.
    #[must_use]
    pub fn text(&self) -> String {
        self.lines("  ", "", "").into_iter().map(|line| format!("{}\n", line.trim_end())).collect()
    }

    /// For `docs/benchmarks.md`.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut lines = self.lines(" | ", "| ", " |");
        let rule = self.widths().into_iter().enumerate().map(|(column, width)| {
            if column < self.texts { "-".repeat(width) } else { format!("{}:", "-".repeat(width.saturating_sub(1))) }
        });
        lines.insert(1, format!("| {} |", rule.collect::<Vec<_>>().join(" | ")));
        lines.into_iter().map(|line| format!("{line}\n")).collect()
    }

    fn lines(&self, between: &str, before: &str, behind: &str) -> Vec<String> {
        let widths = self.widths();
        let line = |cells: &Vec<String>| {
            let padded = cells.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
                let mut padded = String::new();
                let _ = if column < self.texts {
                    write!(padded, "{cell:<width$}")
                } else {
                    write!(padded, "{cell:>width$}")
                };
                padded
            });
            format!("{before}{}{behind}", padded.collect::<Vec<_>>().join(between))
        };
        std::iter::once(&self.header).chain(&self.rows).map(line).collect()
    }

    fn widths(&self) -> Vec<usize> {
        let all = || std::iter::once(&self.header).chain(&self.rows);
        let width = |column: usize| all().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
        (0..self.header.len()).map(|column| width(column).unwrap_or_default().max(2)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&["call"], &["ms", "MiB"]);
        table.row(["ADD", "1.23", "4"].map(str::to_owned));
        table.row(["CHECK", "12.30"].map(str::to_owned));
        table
    }

    #[test]
    fn figures_are_aligned_to_the_right() {
        assert_eq!(table().text(), "call      ms  MiB\nADD     1.23    4\nCHECK  12.30\n");
    }

    #[test]
    fn markdown_has_a_rule_below_the_header() {
        let expected = "\
| call  |    ms | MiB |
| ----- | ----: | --: |
| ADD   |  1.23 |   4 |
| CHECK | 12.30 |     |
";
        assert_eq!(table().markdown(), expected);
    }
}
