//! The labels of a table's lines: one class, a list of labels, or a column for each label.

use std::path::Path;

use csv::ByteRecord;

use super::Note;
use crate::DataError;

/// Names of the column with the class, the usual one first.
pub(super) const LABEL_COLUMN: [&str; 6] =
    ["label", "class", "category", "target", "class_name", "label_name"];

/// Names of a column with a list of labels.
pub(super) const LABELS_COLUMN: [&str; 6] =
    ["labels", "tags", "classes", "categories", "targets", "finding labels"];

/// What separates labels in a column of one name, and in one of lists, the first that is there.
const ALWAYS: &[char] = &['|'];
const IN_LISTS: [char; 3] = ['|', ';', ','];

/// Columns of yes and no that must be there to be labels.
const LEAST_COLUMNS: usize = 2;

/// Index of the first of `names` that is there, in any case.
pub(super) fn column(cells: &[String], names: &[&str]) -> Option<usize> {
    names.iter().find_map(|name| cells.iter().position(|cell| cell.eq_ignore_ascii_case(name)))
}

/// Which columns tell the labels.
#[derive(Debug)]
pub(super) enum Columns {
    /// One column: where, and whether its name says that it is a list.
    Cell(usize, bool),
    /// One for each label, of those that may be: their places.
    Hot(Vec<usize>),
}

/// What a line says of its labels.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    Cell(String),
    Hot(Vec<Mark>),
}

/// A cell of a column of yes and no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Yes,
    No,
    /// Below zero: whoever labelled it was not sure.
    Unsure,
    Other,
}

impl Mark {
    fn of(cell: &str) -> Self {
        match cell.to_ascii_lowercase().as_str() {
            "1" | "1.0" | "true" | "yes" => Self::Yes,
            "0" | "0.0" | "false" | "no" | "" => Self::No,
            "-1" | "-1.0" => Self::Unsure,
            _ => Self::Other,
        }
    }
}

impl Columns {
    /// Those of a header whose columns in `used` say something else.
    pub(super) fn of(header: &[String], used: &[usize]) -> Option<Self> {
        let find = |names: &[&str]| column(header, names);
        if let Some(at) = find(&LABEL_COLUMN) {
            return Some(Self::Cell(at, false));
        }
        if let Some(at) = find(&LABELS_COLUMN) {
            return Some(Self::Cell(at, true));
        }
        let others: Vec<usize> = (0..header.len()).filter(|at| !used.contains(at)).collect();
        (others.len() >= LEAST_COLUMNS).then_some(Self::Hot(others))
    }

    /// What a line says.
    pub(super) fn told(
        &self,
        record: &ByteRecord,
        table: &Path,
        line: u64,
    ) -> Result<Told, DataError> {
        let cell = |at: usize| {
            std::str::from_utf8(record.get(at).unwrap_or_default())
                .map_err(|_| DataError::TableText { table: table.into(), line })
        };
        Ok(match self {
            Self::Cell(at, _) => Told::Cell(cell(*at)?.to_owned()),
            Self::Hot(places) => {
                let marks = places.iter().map(|at| Ok(Mark::of(cell(*at)?)));
                Told::Hot(marks.collect::<Result<_, DataError>>()?)
            }
        })
    }
}

/// Labels of each line, and what a person should know about them.
pub(super) struct Settled {
    /// Sorted, none twice.
    pub(super) labels: Vec<Vec<String>>,
    pub(super) notes: Vec<Note>,
}

/// The labels of all lines, `(line, what it says)`, together: what separates them shows in all only.
pub(super) fn settle(
    columns: &Columns,
    header: &[String],
    table: &Path,
    lines: &[(u64, Told)],
) -> Result<Settled, DataError> {
    match columns {
        Columns::Cell(at, list) => {
            let cells: Vec<(u64, &str)> = lines.iter().map(|(line, t)| (*line, t.cell())).collect();
            cells_of(&cells, *list, table, &header[*at])
        }
        Columns::Hot(places) => {
            let names: Vec<&str> = places.iter().map(|at| header[*at].as_str()).collect();
            let marks: Vec<(u64, &[Mark])> =
                lines.iter().map(|(l, told)| (*l, told.marks())).collect();
            hot(&names, &marks, table, header)
        }
    }
}

impl Told {
    fn cell(&self) -> &str {
        match self {
            Self::Cell(cell) => cell,
            Self::Hot(_) => "",
        }
    }

    fn marks(&self) -> &[Mark] {
        match self {
            Self::Cell(_) => &[],
            Self::Hot(marks) => marks,
        }
    }
}

fn cells_of(
    cells: &[(u64, &str)],
    list: bool,
    table: &Path,
    column: &str,
) -> Result<Settled, DataError> {
    let any = |separator: char| cells.iter().any(|(_, cell)| cell.contains(separator));
    let candidates = if list { &IN_LISTS } else { ALWAYS };
    let found = candidates.iter().copied().find(|c| any(*c));
    let blanks =
        list && found.is_none() && cells.iter().any(|(_, c)| c.contains(char::is_whitespace));
    if found.is_none() && !list {
        // One class a line: none is a mistake.
        if let Some((line, _)) = cells.iter().find(|(_, cell)| cell.is_empty()) {
            let (table, column) = (table.to_path_buf(), column.to_owned());
            return Err(DataError::TableCell { table, line: *line, column });
        }
    }
    let split = |cell: &str| -> Vec<String> {
        let parts: Vec<&str> = match found {
            Some(separator) => cell.split(separator).collect(),
            None if blanks => cell.split_whitespace().collect(),
            None => vec![cell],
        };
        let parts = parts.into_iter().map(str::trim).filter(|part| !part.is_empty());
        let mut labels: Vec<String> = parts.map(str::to_owned).collect();
        labels.sort_unstable();
        labels.dedup();
        labels
    };
    let labels = cells.iter().map(|(_, cell)| split(cell)).collect();
    let by = found.map(|c| format!("`{c}`")).or_else(|| blanks.then(|| "blanks".to_owned()));
    let notes = by.map(|by| Note::LabelLists { column: column.to_owned(), by });
    Ok(Settled { labels, notes: notes.into_iter().collect() })
}

fn hot(
    names: &[&str],
    lines: &[(u64, &[Mark])],
    table: &Path,
    header: &[String],
) -> Result<Settled, DataError> {
    let column = |at: usize| lines.iter().map(move |(line, marks)| (*line, marks[at]));
    let (mut used, mut others) = (Vec::new(), Vec::new());
    for at in 0..names.len() {
        let yes = column(at).any(|(_, mark)| mark == Mark::Yes);
        if !yes || column(at).any(|(_, mark)| mark == Mark::Other) {
            others.push(names[at].to_owned());
            continue;
        }
        if let Some((line, _)) = column(at).find(|(_, mark)| *mark == Mark::Unsure) {
            let (table, column) = (table.to_path_buf(), names[at].to_owned());
            return Err(DataError::TableUnsure { table, line, column });
        }
        used.push(at);
    }
    if used.len() < LEAST_COLUMNS {
        return Err(DataError::TableColumn {
            table: table.into(),
            wanted: LABEL_COLUMN[0],
            accepted: &LABEL_COLUMN[1..],
            found: header.to_vec(),
        });
    }
    used.sort_by_key(|at| names[*at]);
    let labels_of = |marks: &[Mark]| -> Vec<String> {
        used.iter().filter(|at| marks[**at] == Mark::Yes).map(|at| names[*at].to_owned()).collect()
    };
    let labels = lines.iter().map(|(_, marks)| labels_of(marks)).collect();
    let columns = used.iter().map(|at| names[*at].to_owned()).collect();
    Ok(Settled { labels, notes: vec![Note::LabelColumns { columns, others }] })
}
