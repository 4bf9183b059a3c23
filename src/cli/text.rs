//! Words for people: plurals, days, and paragraphs that fit a terminal.

use chrono::NaiveDate;

/// `1 check`, `2 checks`.
pub(super) fn plural(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// A day on the command line.
pub(super) fn day(text: &str) -> Result<NaiveDate, String> {
    text.parse().map_err(|_| "write a day as year, month and day: 2026-08-12".to_owned())
}

/// Lines of at most `width` characters, broken at spaces; a word that is longer stands alone.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().map_or(0, |line| line.chars().count());
        if last > 0 && last + 1 + word.chars().count() > width {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            line.push_str(if line.is_empty() { "" } else { " " });
            line.push_str(word);
        }
    }
    lines
}

/// Width of a page: wider lines are hard to read, whatever the terminal.
const PAGE: usize = 80;

/// Where the text of a page begins; its labels stand before it.
const INDENT: usize = 12;

/// A page of labelled paragraphs, at most 80 columns wide.
#[derive(Debug, Default)]
pub(super) struct Page(String);

impl Page {
    /// A heading line, and a blank one after it.
    pub(super) fn heading(&mut self, text: &str) {
        let bold = anstyle::Style::new().bold();
        for line in wrap(text, PAGE) {
            self.0.push_str(&format!("{bold}{line}{bold:#}\n"));
        }
        self.0.push('\n');
    }

    /// A paragraph behind its label.
    pub(super) fn say(&mut self, label: &str, text: &str) {
        self.lines(label, wrap(text, PAGE - INDENT));
    }

    /// Items behind a label, each on a line of its own.
    pub(super) fn items<I: AsRef<str>>(&mut self, label: &str, items: impl IntoIterator<Item = I>) {
        let lines: Vec<String> = items
            .into_iter()
            .flat_map(|item| {
                let lines = wrap(item.as_ref(), PAGE - INDENT - 2);
                lines.into_iter().enumerate().map(|(at, line)| if at == 0 { line } else { format!("  {line}") })
            })
            .collect();
        self.lines(label, lines);
    }

    /// An entry of a list, and what belongs to it below.
    pub(super) fn entry(&mut self, title: &str, detail: &str) {
        for (at, line) in wrap(title, PAGE - 2).iter().enumerate() {
            self.0.push_str(&format!("{}{line}\n", if at == 0 { "" } else { "  " }));
        }
        let dim = anstyle::Style::new().dimmed();
        for line in wrap(detail, PAGE - 4) {
            self.0.push_str(&format!("    {dim}{line}{dim:#}\n"));
        }
    }

    fn lines(&mut self, label: &str, lines: Vec<String>) {
        let cyan = anstyle::AnsiColor::Cyan.on_default();
        for (at, line) in lines.iter().filter(|line| !line.is_empty()).enumerate() {
            let label = if at == 0 { label } else { "" };
            let gap = " ".repeat(INDENT.saturating_sub(label.chars().count()).max(1));
            self.0.push_str(&format!("{cyan}{label}{cyan:#}{gap}{line}\n"));
        }
    }

    /// A blank line.
    pub(super) fn gap(&mut self) {
        self.0.push('\n');
    }

    /// The page as written, with its styles.
    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_spaces_and_pages_fit() {
        assert_eq!(wrap("aa bb cc", 5), ["aa bb", "cc"]);
        assert_eq!(wrap("a-very-long-word b", 4), ["a-very-long-word", "b"]);
        let mut page = Page::default();
        page.heading(&"word ".repeat(40));
        page.say("Label", &"word ".repeat(40));
        page.items("Items", ["word ".repeat(40)]);
        page.entry(&"word ".repeat(40), &"word ".repeat(40));
        let plain = anstream::adapter::strip_str(page.text()).to_string();
        assert!(plain.lines().all(|line| line.chars().count() <= PAGE), "{plain}");
        assert!(plain.contains("\nLabel       word"), "{plain}");
    }
}
