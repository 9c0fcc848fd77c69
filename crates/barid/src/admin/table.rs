//! Aligned columns.

use std::fmt;

/// What stands in a column, and its heading.
#[derive(Clone, Copy)]
pub(super) enum Column {
    /// Aligned to the left.
    Text(&'static str),
    /// Aligned to the right.
    Number(&'static str),
}

/// Rows below a heading, each column as wide as its widest cell.
pub(super) struct Table<const N: usize> {
    columns: [Column; N],
    rows: Vec<[String; N]>,
}

impl Column {
    fn heading(self) -> &'static str {
        match self {
            Self::Text(heading) | Self::Number(heading) => heading,
        }
    }
}

impl<const N: usize> Table<N> {
    pub(super) fn new(columns: &[Column; N]) -> Self {
        Self {
            columns: *columns,
            rows: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, row: [String; N]) {
        self.rows.push(row);
    }
}

impl<const N: usize> fmt::Display for Table<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headings = self.columns.map(|column| column.heading().to_owned());
        let mut widths = [0; N];
        for row in std::iter::once(&headings).chain(&self.rows) {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        for row in std::iter::once(&headings).chain(&self.rows) {
            let cells = self.columns.iter().zip(widths).zip(row);
            let cells: Vec<_> = cells
                .map(|((column, width), cell)| match column {
                    Column::Text(_) => format!("{cell:<width$}"),
                    Column::Number(_) => format!("{cell:>width$}"),
                })
                .collect();
            writeln!(f, "{}", cells.join("  ").trim_end())?;
        }
        Ok(())
    }
}
