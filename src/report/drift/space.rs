//! How much fits on the first page: estimates of what the layout will take, on the safe side.

use unicode_width::UnicodeWidthChar as _;

use super::cover::{Card, Cover};
use crate::report::view::{Look, Run, Text};

/// Room of the page below its head, in tenths of a line of a direction's text, without the seal.
const PAGE: usize = 550;
/// What a pair of directions takes beside its lines, and what lies around the declarations.
const PAIR: usize = 49;
const AROUND: usize = 41;
/// Columns of the title, the sentence, a remark, the declarations, and half of the seal.
const TITLE: usize = 24;
const SENTENCE: usize = 66;
const ACROSS: usize = 100;
const SEAL: usize = 52;

/// Tenths of a line that the four directions may take together.
pub(super) fn left(cover: &Cover) -> usize {
    let title = (rows(&cover.name, TITLE) - 1) * 27;
    let sentence = of(&cover.sentence, SENTENCE) * 15 / 10;
    let remarks: usize = cover.remarks.iter().map(|remark| of(remark, ACROSS)).sum();
    let declared = cover.declared.as_ref().map_or(0, |card| AROUND + height(card));
    let sides = cover.seal.sides.iter().map(|side| of(&side.about, SEAL)).max().unwrap_or_default();
    let seal = sides + rows(&cover.seal.rules, ACROSS + 10) * 10;
    PAGE.saturating_sub(title + sentence + remarks + declared + seal + 2 * PAIR)
}

fn height(card: &Card) -> usize {
    card.lines.iter().map(|line| of(line, ACROSS)).sum()
}

/// Tenths of a line that a text takes in a column, with what lies between it and the next one.
pub(super) fn of(text: &Text, columns: usize) -> usize {
    let lines = text.0.split(|run| run.look == Look::Break);
    lines.map(|runs| lines_of(runs.iter().map(width_of).sum(), columns)).sum::<usize>() * 10 + 3
}

fn rows(text: &str, columns: usize) -> usize {
    lines_of(wide(text), columns)
}

fn lines_of(width: usize, columns: usize) -> usize {
    1 + width.saturating_sub(1) / (columns * 10)
}

/// What is not plain is heavier.
fn width_of(run: &Run) -> usize {
    if matches!(run.look, Look::Plain | Look::Soft) { wide(&run.text) } else { wide(&run.text) * 12 / 10 }
}

/// Tenths of a column.
fn wide(text: &str) -> usize {
    text.chars().map(width).sum()
}

/// Tenths of a column that a letter takes; what has no glyph stands as its code point.
fn width(c: char) -> usize {
    match c {
        'm' | 'w' | 'M' | 'W' | '@' | '%' => 17,
        'A'..='Z' => 13,
        ' '..='~' => 10,
        c if c.is_alphabetic() => 15 * c.width().unwrap_or(1).max(1),
        '\u{a0}'..='\u{ff}' | '\u{2010}'..='\u{2027}' | '→' | '−' => 10,
        _ => 70,
    }
}

/// As much of a text as fits, and a sign that there is more.
pub(super) fn fit(text: &str, columns: usize) -> String {
    if wide(text) <= columns * 10 {
        return text.to_owned();
    }
    let mut used = width('…');
    let shown: String = text
        .chars()
        .take_while(|c| {
            used += width(*c);
            used <= columns * 10
        })
        .collect();
    format!("{shown}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_by_what_it_takes_and_not_by_its_letters() {
        assert_eq!(fit("shop/cart", 9), "shop/cart");
        assert_eq!(fit("shop/cart-of-everybody", 9), "shop/car…");
        assert_eq!(fit("服务服务", 9), "服务…");
        assert_eq!(fit("mmmmmmmmm", 9), "mmmm…");
        assert_eq!(fit("🛒🛒", 9), "🛒…");
    }

    #[test]
    fn a_break_begins_a_line() {
        assert_eq!(of(&Text::from("one").note("two"), 10), 23);
        assert_eq!(of(&"x".repeat(21).into(), 10), 33);
        assert_eq!(of(&"x".repeat(20).into(), 10), 23);
    }
}
