//! YAML and JSON documents exactly as kubectl reads them, with the line of every node.
//!
//! One resolver on the events of a YAML parser: no Rust loader follows the YAML 1.1 rules of `sigs.k8s.io/yaml`.
//! Stricter in one point: a key given twice is an error, because nobody can say which value the cluster gets.

mod build;
mod resolve;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, StrInput};
use serde_json::Value;

use build::Builder;

/// Levels of nesting that a document may have; below the recursion limit of every reader behind us.
const MAX_DEPTH: usize = 100;

/// One document of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// What it says.
    pub value: Value,
    /// 1-based line of its first node.
    pub line: u32,
    /// [`pointer_hash`] of each node's JSON Pointer and its 1-based line, sorted.
    pub lines: Vec<(u64, u32)>,
}

/// A document that could not be read; the documents after it may still follow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct YamlError {
    /// 1-based line.
    pub line: u32,
    /// What is wrong.
    pub message: String,
}

/// Reads every document of `text`. A broken one is an error; reading goes on at the next `---`.
pub fn documents(text: &str) -> impl Iterator<Item = Result<Document, YamlError>> {
    let mut options = granit_parser::options! {
        block_scalar_eof_without_line_feed: true,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    options.set_emit_comments(false);
    Documents { text, parser: Parser::new_from_str_with_options(text, options), done: false }
}

struct Documents<'t> {
    text: &'t str,
    parser: Parser<'t, StrInput<'t>>,
    done: bool,
}

impl Iterator for Documents<'_> {
    type Item = Result<Document, YamlError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let item = self.document()?;
        if item.is_err() {
            // The parser looks for the next `---`; without one there is nothing left to read.
            self.done = !self.parser.proceed_next_document().unwrap_or(false);
        }
        Some(item)
    }
}

impl Documents<'_> {
    /// The next document, `None` at the end of the stream.
    fn document(&mut self) -> Option<Result<Document, YamlError>> {
        let mut builder = Builder::default();
        loop {
            let (event, span) = match self.parser.next_event()? {
                Ok(next) => next,
                Err(error) => return Some(Err(scan_error(&error))),
            };
            match event {
                Event::StreamEnd => return None,
                Event::DocumentEnd => return Some(builder.finish()),
                event => {
                    let line = line_number(span.start.line());
                    if self.begins_with_tab(&event, span.start.line()) {
                        let message = "a tab where the text's indentation is told; indent it with spaces".into();
                        return Some(Err(YamlError { line, message }));
                    }
                    if let Err(message) = builder.event(event, line) {
                        return Some(Err(YamlError { line, message }));
                    }
                }
            }
        }
    }
}

impl Documents<'_> {
    /// A block of text that begins with a tab, whose indentation kubectl does not guess; `|2` tells it.
    fn begins_with_tab(&self, event: &Event<'_>, line: usize) -> bool {
        let Event::Scalar(text, ScalarStyle::Literal | ScalarStyle::Folded, ..) = event else { return false };
        if !text.trim_start_matches('\n').starts_with('\t') {
            return false;
        }
        // The event begins with the text; its head is the last line before that says anything.
        let before = self.text.lines().take(line.saturating_sub(1));
        let head = before.filter(|line| !line.trim().is_empty()).last().unwrap_or_default();
        let indicators = head.rfind(['|', '>']).map_or("", |at| &head[at..]);
        !indicators.bytes().any(|b| b.is_ascii_digit())
    }
}

fn scan_error(error: &ScanError) -> YamlError {
    let message = match error.kind() {
        ErrorKind::RecursionLimitExceeded => too_deep(),
        _ => error.info(),
    };
    YamlError { line: line_number(error.marker().line()), message }
}

fn too_deep() -> String {
    format!("nested deeper than {MAX_DEPTH} levels")
}

fn line_number(line: usize) -> u32 {
    u32::try_from(line).unwrap_or(u32::MAX).max(1)
}

/// The line of `pointer`, else of the nearest parent that has one.
pub fn line_of(lines: &[(u64, u32)], pointer: &str) -> Option<u32> {
    let mut pointer = pointer;
    loop {
        let hash = pointer_hash(pointer);
        if let Ok(index) = lines.binary_search_by_key(&hash, |(hash, _)| *hash) {
            return lines.get(index).map(|(_, line)| *line);
        }
        pointer = &pointer[..pointer.rfind('/')?];
    }
}

/// The lines of the subtree `value` at `pointer`, with pointers that begin at the subtree.
pub fn lines_below(lines: &[(u64, u32)], pointer: &str, value: &Value) -> Vec<(u64, u32)> {
    let mut below = Vec::new();
    let mut open = vec![(pointer_hash(pointer), FNV_OFFSET, value)];
    while let Some((from, to, value)) = open.pop() {
        if let Ok(index) = lines.binary_search_by_key(&from, |(hash, _)| *hash) {
            below.extend(lines.get(index).map(|(_, line)| (to, *line)));
        }
        let mut child = |key: &str, value| open.push((child_hash(from, key), child_hash(to, key), value));
        match value {
            Value::Array(items) => items.iter().enumerate().for_each(|(index, item)| child(&index.to_string(), item)),
            Value::Object(map) => map.iter().for_each(|(key, value)| child(key, value)),
            _ => {}
        }
    }
    below.sort_unstable();
    below
}

/// FNV-1a 64 of a JSON Pointer.
pub fn pointer_hash(pointer: &str) -> u64 {
    pointer.bytes().fold(FNV_OFFSET, fnv)
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

fn fnv(hash: u64, byte: u8) -> u64 {
    (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
}

/// The hash of `parent`'s child at `key`, escaped as a pointer's token.
fn child_hash(parent: u64, key: &str) -> u64 {
    key.bytes().fold(fnv(parent, b'/'), |hash, byte| match byte {
        b'~' => fnv(fnv(hash, b'~'), b'0'),
        b'/' => fnv(fnv(hash, b'~'), b'1'),
        byte => fnv(hash, byte),
    })
}

#[cfg(test)]
mod tests;
