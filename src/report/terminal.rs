//! What a terminal and a log say: the run in ten lines, and the findings of `kubeproof check`.

mod check;
mod drift;
mod summary;

use anstyle::{AnsiColor, Style};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

pub use check::check_text;
pub use drift::drift_text;
pub use summary::{Stored, summary};

/// Columns that every line fits in.
const WIDTH: usize = 80;

/// How words look on a terminal; the words alone say the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// As it is.
    Plain,
    /// Names that a reader looks for.
    Strong,
    /// Secondary.
    Soft,
    /// Worse than before, critical, high.
    Bad,
    /// Worth a look.
    Warn,
    /// Better than before, in order.
    Good,
    /// Not seen.
    Unseen,
    /// What to type next.
    Next,
}

impl From<Tone> for Style {
    fn from(tone: Tone) -> Self {
        let colour = |c: AnsiColor| Self::new().fg_color(Some(c.into()));
        match tone {
            Tone::Plain => Self::new(),
            Tone::Strong => Self::new().bold(),
            Tone::Soft => Self::new().dimmed(),
            Tone::Bad => colour(AnsiColor::Red).bold(),
            Tone::Warn => colour(AnsiColor::Yellow),
            Tone::Good => colour(AnsiColor::Green),
            Tone::Unseen => colour(AnsiColor::Magenta),
            Tone::Next => colour(AnsiColor::Cyan),
        }
    }
}

/// Words of one tone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// How they look.
    pub tone: Tone,
    /// The words.
    pub text: String,
}

/// A line of at most 80 columns, without its end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Line(pub Vec<Span>);

impl Line {
    pub(crate) fn with(mut self, tone: Tone, text: impl AsRef<str>) -> Self {
        // What a cluster or a file holds must not steer the terminal.
        let text = text.as_ref().chars().map(|c| if steers(c) { '\u{fffd}' } else { c }).collect();
        self.0.push(Span { tone, text });
        self
    }

    fn width(&self) -> usize {
        self.0.iter().map(|span| span.text.width()).sum()
    }

    /// Adds spaces up to `column`, at least one.
    fn at(self, column: usize) -> Self {
        let spaces = column.saturating_sub(self.width()).max(usize::from(!self.0.is_empty()));
        self.with(Tone::Plain, " ".repeat(spaces))
    }

    /// Begins at `column`.
    fn at_start(self, column: usize) -> Self {
        self.with(Tone::Plain, " ".repeat(column))
    }

    /// Cuts what does not fit.
    fn fit(mut self) -> Self {
        if self.width() <= WIDTH {
            return self;
        }
        let mut left = WIDTH - 1;
        self.0.retain_mut(|span| {
            let (kept, width) = prefix(&span.text, left);
            left -= width;
            if kept.len() < span.text.len() {
                span.text = kept.to_owned();
                left = 0;
            }
            !span.text.is_empty()
        });
        self.with(Tone::Soft, "…")
    }

    /// The line with ANSI styles; the printer strips them where a terminal or `NO_COLOR` asks for it.
    pub fn styled(&self) -> String {
        self.0
            .iter()
            .map(|span| {
                let style = Style::from(span.tone);
                format!("{style}{}{style:#}", span.text)
            })
            .collect()
    }
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|span| f.write_str(&span.text))
    }
}

/// Controls, and what turns the writing direction; XML cannot hold the last two.
pub(crate) fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}')
}

/// The longest beginning of `text` that fits in `columns`, and its width.
fn prefix(text: &str, columns: usize) -> (&str, usize) {
    let mut width = 0;
    for (at, c) in text.char_indices() {
        let next = width + c.width().unwrap_or(0);
        if next > columns {
            return (&text[..at], width);
        }
        width = next;
    }
    (text, width)
}

/// Text in lines that leave room for an indent.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last().map_or(0, |line| line.width());
        if last > 0 && last + 1 + word.width() > columns {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}
