//! A log line by line, of any size in bounded memory.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

use flate2::bufread::MultiGzDecoder;
use serde::de::IgnoredAny;

use super::event::{self, Broken, Event};

/// The longest line that is read: an event with both bodies of the largest objects.
const MAX_LINE: u64 = 16 << 20;
/// A document over several lines, as clouds' programs print it, is held in memory.
const MAX_DOCUMENT: u64 = 128 << 20;

/// What one file held beside events.
#[derive(Debug, Default)]
pub(super) struct FileRead {
    /// Lines that are no event, or not all of them.
    pub(super) broken: u64,
    /// The first of them, and what is wrong with it.
    pub(super) first: Option<(u32, String)>,
    /// Why the file could not be read to its end.
    pub(super) ended: Option<String>,
}

impl FileRead {
    fn add(&mut self, line: u32, broken: Broken) {
        if broken.count > 0 {
            self.broken += broken.count;
            self.first.get_or_insert((line, broken.first));
        }
    }
}

/// Hands every event of a file, compressed or not, to `take`.
///
/// # Errors
/// The file cannot be opened.
pub(super) fn read(file: &Path, take: &mut dyn FnMut(Event)) -> io::Result<FileRead> {
    let mut opened = BufReader::with_capacity(1 << 20, File::open(file)?);
    let is_gzip = opened.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    let mut reader: Box<dyn BufRead> = if is_gzip {
        Box::new(BufReader::with_capacity(1 << 20, MultiGzDecoder::new(opened)))
    } else {
        Box::new(opened)
    };
    let mut read = FileRead::default();
    if let Err(error) = lines(&mut reader, take, &mut read) {
        read.ended = Some(error.to_string());
    }
    Ok(read)
}

fn lines(reader: &mut dyn BufRead, take: &mut dyn FnMut(Event), read: &mut FileRead) -> io::Result<()> {
    let mut line = Vec::new();
    let whole = next(reader, &mut line)?;
    if whole.is_none() || !event::is_cut(&line) {
        one(&line, whole, 1, take, read);
        return rest(reader, 1, take, read);
    }
    // Either a document over several lines, or a log whose first line is torn.
    let first = line.len();
    reader.take(MAX_DOCUMENT).read_to_end(&mut line)?;
    if serde_json::from_slice::<IgnoredAny>(&line).is_ok() {
        read.add(1, event::read(&line, take));
        return Ok(());
    }
    one(&line[..first], Some(true), 1, take, read);
    rest(&mut line[first..].chain(reader), 1, take, read)
}

/// The lines after line `number`.
fn rest(reader: &mut dyn BufRead, mut number: u32, take: &mut dyn FnMut(Event), read: &mut FileRead) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        let whole = next(reader, &mut line)?;
        if line.is_empty() {
            return Ok(());
        }
        number = number.saturating_add(1);
        one(&line, whole, number, take, read);
    }
}

/// One line; `whole` says whether it has its end, and is `None` where it is too long.
fn one(line: &[u8], whole: Option<bool>, number: u32, take: &mut dyn FnMut(Event), read: &mut FileRead) {
    let Some(whole) = whole else {
        return read.add(number, Broken::one(format!("is longer than {} MiB", MAX_LINE >> 20)));
    };
    // The API server may still be writing the last line.
    let is_unfinished = !whole && number > 1 && event::is_cut(line);
    if !line.trim_ascii().is_empty() && !is_unfinished {
        read.add(number, event::read(line, take));
    }
}

/// The next line: whether it has its end, or `None` where it is too long, of which the rest is passed over.
fn next(reader: &mut dyn BufRead, line: &mut Vec<u8>) -> io::Result<Option<bool>> {
    reader.take(MAX_LINE).read_until(b'\n', line)?;
    if line.ends_with(b"\n") || (line.len() as u64) < MAX_LINE {
        return Ok(Some(line.ends_with(b"\n")));
    }
    loop {
        let buffer = reader.fill_buf()?;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let (used, done) = (end.map_or(buffer.len(), |at| at + 1), end.is_some() || buffer.is_empty());
        reader.consume(used);
        if done {
            return Ok(None);
        }
    }
}
