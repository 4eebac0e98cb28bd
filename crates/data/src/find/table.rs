//! A CSV table of images: `path,label[,split]`, or with several labels a line.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use csv::ByteRecord;

use super::labels::{Columns, LABEL_COLUMN, Told, column, settle};
use super::walk::Seen;
use super::{Found, FoundImage, Layout, Split};
use crate::DataError;

/// Names of the column with the file, the usual one first.
const PATH_COLUMN: [&str; 9] = [
    "path",
    "file",
    "file_name",
    "filename",
    "image",
    "image_path",
    "file_path",
    "filepath",
    "image_name",
];

/// Names of the column with the split, the usual one first.
const SPLIT_COLUMN: [&str; 4] = ["split", "subset", "set", "partition"];

/// Largest table that is read, in bytes.
const MAX_TABLE_BYTES: u64 = 256 << 20;

/// Longest header that is read, in bytes.
const MAX_HEADER_BYTES: u64 = 64 << 10;

/// Missing files that are spelled out.
const SPELLED_OUT: usize = 5;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Whether a file is a table by its name.
pub(super) fn is_table(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv"))
}

/// Whether the header has columns for path and labels.
pub(super) fn has_columns(path: &Path) -> Result<bool, DataError> {
    let (header, _) = open(path)?;
    let cells = cells_of(&header, delimiter(&header));
    let Some(path) = column(&cells, &PATH_COLUMN) else { return Ok(false) };
    let split = column(&cells, &SPLIT_COLUMN);
    let used: Vec<usize> = std::iter::once(path).chain(split).collect();
    Ok(Columns::of(&cells, &used).is_some())
}

/// Reads a table: every line an image with its labels, and its split if there is such a column.
pub(super) fn find(table: &Path) -> Result<Found, DataError> {
    let (mut text, rest) = open(table)?;
    let delimiter = delimiter(&text);
    let mut rows = Rows::new(table, cells_of(&text, delimiter))?;
    // The file may have grown since its size was looked at.
    let read = rest.take(MAX_TABLE_BYTES).read_to_end(&mut text);
    read.map_err(|error| DataError::io(table, error))?;
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_slice());
    let mut lines = Lines { text: &text, at: 0, line: 1 };
    let mut record = ByteRecord::new();
    loop {
        let more = reader.read_byte_record(&mut record);
        if !more.map_err(|source| DataError::TableSyntax { table: table.into(), source })? {
            return rows.finish();
        }
        let start = record.position().map_or(0, |position| position.byte() as usize);
        rows.take(&record, lines.advance(start))?;
    }
}

/// Counts lines up to a place: the reader's own count stops at blank lines before a record.
struct Lines<'t> {
    text: &'t [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line of the first text at or after byte `start`, which is not before the last one.
    fn advance(&mut self, start: usize) -> u64 {
        while let Some(byte) = self.text.get(self.at) {
            if self.at >= start && !byte.is_ascii_whitespace() {
                break;
            }
            self.line += u64::from(*byte == b'\n');
            self.at += 1;
        }
        self.line
    }
}

/// The first line without byte order mark, and a reader that stands behind it.
fn open(table: &Path) -> Result<(Vec<u8>, BufReader<File>), DataError> {
    let failed = |error| DataError::io(table, error);
    let file = File::open(table).map_err(failed)?;
    let bytes = file.metadata().map_err(failed)?.len();
    if bytes > MAX_TABLE_BYTES {
        return Err(DataError::TableSize { table: table.into(), bytes, most: MAX_TABLE_BYTES });
    }
    let mut rest = BufReader::new(file);
    let mut header = Vec::new();
    rest.by_ref().take(MAX_HEADER_BYTES).read_until(b'\n', &mut header).map_err(failed)?;
    if header.starts_with(BYTE_ORDER_MARK) {
        header.drain(..BYTE_ORDER_MARK.len());
    }
    Ok((header, rest))
}

/// Comma, or what spreadsheets of other countries write: the most frequent in the header.
fn delimiter(header: &[u8]) -> u8 {
    let count = |d: u8| header.split(|b| *b == d).count();
    // The last of equals wins, so the comma comes last.
    [b'\t', b';', b','].into_iter().max_by_key(|d| count(*d)).unwrap_or(b',')
}

fn cells_of(header: &[u8], delimiter: u8) -> Vec<String> {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .trim(csv::Trim::All)
        .from_reader(header);
    let mut record = ByteRecord::new();
    match reader.read_byte_record(&mut record) {
        Ok(_) => record.iter().map(|cell| String::from_utf8_lossy(cell).into_owned()).collect(),
        Err(_) => Vec::new(),
    }
}

/// The lines so far.
struct Rows<'t> {
    table: &'t Path,
    root: PathBuf,
    header: Vec<String>,
    path_column: usize,
    labels: Columns,
    split_column: Option<usize>,
    images: Vec<FoundImage>,
    /// Of each of them the line and what it says of its labels.
    told: Vec<(u64, Told)>,
    /// By name: line, index into `images`.
    known: BTreeMap<String, (u64, usize)>,
    missing: Vec<(u64, String)>,
    missing_count: usize,
    split_names: BTreeSet<String>,
    seen: Seen,
}

impl<'t> Rows<'t> {
    fn new(table: &'t Path, header: Vec<String>) -> Result<Self, DataError> {
        let wanted = |names: &'static [&'static str]| {
            column(&header, names).ok_or_else(|| DataError::TableColumn {
                table: table.into(),
                wanted: names[0],
                accepted: &names[1..],
                found: header.clone(),
            })
        };
        let path_column = wanted(&PATH_COLUMN)?;
        let split_column = column(&header, &SPLIT_COLUMN);
        let used: Vec<usize> = std::iter::once(path_column).chain(split_column).collect();
        let labels = match Columns::of(&header, &used) {
            Some(columns) => columns,
            None => Columns::Cell(wanted(&LABEL_COLUMN)?, false),
        };
        Ok(Self {
            path_column,
            labels,
            split_column,
            table,
            root: table.parent().unwrap_or(Path::new("")).to_path_buf(),
            header,
            images: Vec::new(),
            told: Vec::new(),
            known: BTreeMap::new(),
            missing: Vec::new(),
            missing_count: 0,
            split_names: BTreeSet::new(),
            seen: Seen::default(),
        })
    }

    fn cell<'r>(&self, record: &'r ByteRecord, line: u64, at: usize) -> Result<&'r str, DataError> {
        let cell = std::str::from_utf8(record.get(at).unwrap_or_default())
            .map_err(|_| DataError::TableText { table: self.table.into(), line })?;
        if cell.is_empty() {
            let column = self.header[at].clone();
            return Err(DataError::TableCell { table: self.table.into(), line, column });
        }
        Ok(cell)
    }

    fn take(&mut self, record: &ByteRecord, line: u64) -> Result<(), DataError> {
        let written = self.cell(record, line, self.path_column)?;
        let told = self.labels.told(record, self.table, line)?;
        let mut split = Split::Train;
        if let Some(at) = self.split_column {
            let word = self.cell(record, line, at)?;
            split = Split::parse(word).ok_or_else(|| DataError::TableSplit {
                table: self.table.into(),
                line,
                given: word.to_owned(),
            })?;
            self.split_names.insert(word.to_owned());
        }
        let Some((name, path)) = self.locate(written)? else {
            self.missing_count += 1;
            if self.missing.len() < SPELLED_OUT {
                self.missing.push((line, written.to_owned()));
            }
            return Ok(());
        };
        if let Some((first, at)) = self.known.get(&name) {
            if self.told[*at].1 != told || self.images[*at].split != split {
                let (table, first) = (self.table.to_path_buf(), *first);
                return Err(DataError::TableConflict { table, name, first, line });
            }
            self.seen.repeated_rows.get_or_insert((0, line)).0 += 1;
            return Ok(());
        }
        self.known.insert(name.clone(), (line, self.images.len()));
        self.images.push(FoundImage { path, name, labels: Vec::new(), split });
        self.told.push((line, told));
        Ok(())
    }

    /// The file that is written there; tables made on Windows have `\` between folders.
    fn locate(&self, written: &str) -> Result<Option<(String, PathBuf)>, DataError> {
        for name in [written.to_owned(), written.replace('\\', "/")] {
            let name = name.strip_prefix("./").unwrap_or(&name).to_owned();
            let path = self.root.join(&name);
            match fs::metadata(&path) {
                Ok(kind) if kind.is_file() => return Ok(Some((name, path))),
                Err(e) if e.kind() == ErrorKind::PermissionDenied => {
                    return Err(DataError::Permission { path });
                }
                Ok(_) | Err(_) => {}
            }
        }
        Ok(None)
    }

    fn finish(mut self) -> Result<Found, DataError> {
        let table = self.table.to_path_buf();
        if self.missing_count > 0 {
            let (count, first) = (self.missing_count, self.missing);
            return Err(DataError::TableImages { table, count, first });
        }
        let settled = settle(&self.labels, &self.header, self.table, &self.told)?;
        for (image, labels) in self.images.iter_mut().zip(settled.labels) {
            image.labels = labels;
        }
        Ok(Found {
            root: self.root,
            notes: settled.notes,
            layout: Layout::Table { path: table },
            images: self.images,
            split_names: self.split_names.into_iter().collect(),
            seen: self.seen,
        })
    }
}
