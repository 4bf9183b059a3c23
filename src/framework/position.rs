//! Where a character of a YAML scalar stands in its file: a folded expression over several lines still gets its errors
//! at the right line and column.

/// Line and column (both 1-based) of the character at `offset` of `value`, a scalar that starts at `start`.
///
/// Folding, quoting and indentation change white space and escapes only, so the two texts are walked side by side over
/// everything else.
pub fn position(file: &str, start: (u64, u64), value: &str, offset: usize) -> (u32, u32) {
    let (line, column) = (usize::try_from(start.0).unwrap_or(1).max(1), usize::try_from(start.1).unwrap_or(1).max(1));
    let lines: Vec<Vec<char>> = file.lines().map(|line| line.chars().collect()).collect();
    let mut at = Cursor { lines: &lines, line: line - 1, column: column - 1 };
    let quote = at.open_scalar();
    for wanted in value.chars().take(offset).filter(|c| !c.is_whitespace()) {
        at.skip_space();
        at.take(wanted, quote);
    }
    if value.chars().nth(offset).is_some_and(|c| !c.is_whitespace()) {
        at.skip_space();
    }
    let number = |index: usize| u32::try_from(index + 1).unwrap_or(u32::MAX);
    (number(at.line), number(at.column))
}

struct Cursor<'a> {
    lines: &'a [Vec<char>],
    line: usize,
    column: usize,
}

impl Cursor<'_> {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.lines.get(self.line)?.get(self.column + ahead).copied()
    }

    /// Steps over an opening quote or a block header, and gives the quote.
    fn open_scalar(&mut self) -> Option<char> {
        match self.peek(0) {
            Some(quote @ ('"' | '\'')) => {
                self.column += 1;
                Some(quote)
            }
            Some('|' | '>') => {
                self.line += 1;
                self.column = 0;
                None
            }
            _ => None,
        }
    }

    fn skip_space(&mut self) {
        while self.line < self.lines.len() {
            match self.peek(0) {
                Some(c) if c.is_whitespace() => self.column += 1,
                Some(_) => return,
                None if self.line + 1 == self.lines.len() => return,
                None => {
                    self.line += 1;
                    self.column = 0;
                }
            }
        }
    }

    fn take(&mut self, wanted: char, quote: Option<char>) {
        let escaped = match quote {
            Some('\'') => wanted == '\'' && self.peek(0) == Some('\'') && self.peek(1) == Some('\''),
            Some(_) => self.peek(0) == Some('\\'),
            None => false,
        };
        self.column += if escaped { 2 } else { 1 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_saphyr::Spanned;

    fn place(yaml: &str, needle: &str) -> (u32, u32) {
        let parsed: std::collections::BTreeMap<String, Spanned<String>> = serde_saphyr::from_str(yaml).unwrap();
        let pass = &parsed["pass"];
        let offset =
            pass.value.chars().count() - pass.value.split_once(needle).unwrap().1.chars().count() - needle.len();
        position(yaml, (pass.referenced.line(), pass.referenced.column()), &pass.value, offset)
    }

    #[test]
    fn every_style_of_scalar_maps_back() {
        assert_eq!(place("pass: a && bad\n", "bad"), (1, 12));
        assert_eq!(place("pass: \"a && bad\"\n", "bad"), (1, 13));
        assert_eq!(place("pass: \"'x\\\\d' == bad\"\n", "bad"), (1, 18));
        assert_eq!(place("pass: 'a == ''x'' && bad'\n", "bad"), (1, 22));
        assert_eq!(place("a: 1\npass: >-\n  a\n  && b.c\n  && bad\nx: y\n", "bad"), (5, 6));
        assert_eq!(place("pass: |\n  a\n\n    && bad\n", "bad"), (4, 8));
        assert_eq!(place("pass: a\n  && bad\n", "bad"), (2, 6));
    }
}
