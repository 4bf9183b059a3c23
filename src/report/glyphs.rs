//! Text that every font can show and every column can hold.

use std::borrow::Cow;

use serde_json::Value;
use typst::text::Font;

/// A place where a line may break; the template lays it out as nothing, so that copied text stays whole.
const BREAK: char = '\u{200b}';
/// Words up to here never need to break.
const WHOLE: usize = 16;
/// Letters between breaks in a run that offers none of its own.
const STRIDE: usize = 10;

/// Prepares every string of `data` for layout.
pub fn prepare(data: &mut Value, fonts: &[Font]) {
    match data {
        Value::String(text) => *text = breakable(&printable(text, fonts)),
        Value::Array(items) => items.iter_mut().for_each(|item| prepare(item, fonts)),
        Value::Object(map) => map.values_mut().for_each(|value| prepare(value, fonts)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Characters without a glyph, and those that are invisible or turn the writing direction, as their code points: a
/// name must not look like another one.
fn printable(text: &str, fonts: &[Font]) -> String {
    if text.bytes().all(|b| matches!(b, b' '..=b'~')) {
        return text.to_owned();
    }
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match c {
            '\n' | '\t' | '\r' => out.push(' '),
            c if is_hidden(c) || !has_glyph(c, fonts) => out.push_str(&format!("U+{:04X}", c as u32)),
            c => out.push(c),
        }
        out
    })
}

/// Text for a page, whose fonts are the reader's own: what is invisible or turns the writing direction, by its code point.
pub fn visible(text: &str) -> Cow<'_, str> {
    let is_named = |c: char| is_hidden(c) && !matches!(c, '\n' | '\t' | '\r');
    if !text.contains(is_named) {
        return Cow::Borrowed(text);
    }
    let named = |c: char| if is_named(c) { format!("U+{:04X}", c as u32) } else { c.to_string() };
    Cow::Owned(text.chars().map(named).collect())
}

fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
        || matches!(c, '\u{e0000}'..='\u{e0fff}' | '\u{f0000}'..='\u{10ffff}')
}

fn has_glyph(c: char, fonts: &[Font]) -> bool {
    fonts.iter().any(|font| font.info().coverage.contains(c as u32))
}

/// Lets long names break after their separators, before humps, and at last anywhere.
fn breakable(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for (i, word) in text.split(' ').enumerate() {
        if i > 0 {
            out.push(' ');
        }
        if word.chars().nth(WHOLE).is_some() { break_word(word, &mut out) } else { out.push_str(word) }
    }
    out
}

fn break_word(word: &str, out: &mut String) {
    let mut since = 0;
    let mut before = ' ';
    for c in word.chars() {
        let separator = matches!(before, '/' | '.' | '-' | '_' | ':' | '@' | ',' | '=' | '~' | '#' | ']');
        let hump = since > 3 && before.is_lowercase() && c.is_uppercase();
        if out.ends_with(before) && since > 0 && (separator || hump || since >= STRIDE) {
            out.push(BREAK);
            since = 0;
        }
        out.push(c);
        since += 1;
        before = c;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_words_stay_whole() {
        assert_eq!(breakable("a privileged container"), "a privileged container");
    }

    #[test]
    fn long_names_break_after_separators_and_before_humps() {
        let shown = breakable("/spec/template/spec/automountServiceAccountToken").replace(BREAK, "|");
        assert_eq!(shown, "/|spec/|template/|spec/|automount|Service|Account|Token");
        let longest = breakable(&"x".repeat(253)).split(BREAK).map(str::len).max();
        assert_eq!(longest, Some(STRIDE));
    }

    #[test]
    fn what_turns_the_writing_direction_is_named() {
        assert_eq!(printable("a\u{202e}\u{7}", &[]), "U+0061U+202EU+0007");
        assert_eq!(visible("a\u{202e}b\nc"), "aU+202Eb\nc");
    }
}
