//! Texts cut to what they take in a line.

use unicode_width::UnicodeWidthChar as _;

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
}
