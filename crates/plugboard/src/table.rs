//! Lines in columns.

use std::io::{self, Write};

use comfy_table::{Row, Table, presets};

/// Prints lines of text, all at once: whoever reads the first one and goes has not missed the others.
pub(crate) fn print_text(text: &str) -> io::Result<()> {
    io::stdout().write_all(format!("{text}\n").as_bytes())
}

/// Prints a value as JSON.
pub(crate) fn print_json(value: &impl serde::Serialize) -> io::Result<()> {
    let text = serde_json::to_string_pretty(value)?;
    print_text(&text)
}

/// Prints one line per row, columns aligned, without borders.
pub(crate) fn print_lines(rows: impl IntoIterator<Item: Into<Row>>) -> io::Result<()> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    if table.is_empty() {
        return Ok(());
    }
    print_text(&table.trim_fmt())
}
