//! Whether bytes are canonical already: one pass over them, nothing built and nothing written again.

use std::{collections::BTreeMap, ops::Range};

use serde_json::{Number, Value, de::from_slice};

use super::{CanonicalError, parse, value_to_vec};

/// What is said of a document that is JSON, and not in this form.
const NOT_CANONICAL: &str = "not in the form of RFC 8785 with integers up to 2^53-1";
/// As deep as `serde_json` reads.
const DEEPEST: usize = 127;
/// Bytes that are looked at together.
const PIECE: usize = 4096;
/// Digits of an integer that is below 2^53 whatever they are.
const SAFE_DIGITS: usize = 15;

/// Whether `bytes` are one JSON document in canonical form.
///
/// # Errors
/// Invalid JSON, with line and column; a duplicate key or one out of order; anything that [`super::to_vec`] writes
/// otherwise.
pub fn check(bytes: &[u8]) -> Result<(), CanonicalError> {
    members(bytes).map(|_| ())
}

/// The same, and where the members of the document stand, by name: each can be read without the others. Of what is no
/// object there are none.
///
/// # Errors
/// As [`check`].
pub fn members(bytes: &[u8]) -> Result<BTreeMap<String, Range<usize>>, CanonicalError> {
    // No control character stands in a canonical document as it is: that is seen faster of the whole than of each text.
    let plain = std::str::from_utf8(bytes).is_ok() && bytes.chunks(PIECE).all(has_no_control);
    let mut scanner = Scanner { bytes, at: 0, outermost: Vec::new() };
    if plain && scanner.value(DEEPEST).is_some() && scanner.at == bytes.len() {
        let name = |key: &[u8]| from_slice::<String>(key).map_err(CanonicalError);
        return scanner.outermost.into_iter().map(|(key, value)| Ok((name(key)?, value))).collect();
    }
    // The strict reader knows what is wrong with what is no JSON at all.
    parse(bytes)?;
    Err(CanonicalError(serde::de::Error::custom(NOT_CANONICAL)))
}

/// Without an early end, so that many bytes are compared at once.
fn has_no_control(piece: &[u8]) -> bool {
    piece.iter().fold(true, |plain, byte| plain & (*byte >= b' '))
}

/// A text as it stands in a document.
#[derive(Clone, Copy)]
struct Text<'a> {
    /// With its quotes.
    bytes: &'a [u8],
    /// Something in it is written as an escape.
    escaped: bool,
}

/// A place in a document. Every step gives `None` where the document is not canonical.
struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Members of the document itself.
    outermost: Vec<(&'a [u8], Range<usize>)>,
}

impl<'a> Scanner<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn expect(&mut self, token: &[u8]) -> Option<()> {
        self.bytes[self.at..].starts_with(token).then(|| self.at += token.len())
    }

    fn expect_byte(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn value(&mut self, depth: usize) -> Option<()> {
        match self.peek()? {
            b'{' => self.object(depth.checked_sub(1)?),
            b'[' => self.array(depth.checked_sub(1)?),
            b'"' => self.text().map(|_| ()),
            b't' => self.expect(b"true"),
            b'f' => self.expect(b"false"),
            b'n' => self.expect(b"null"),
            _ => self.number(),
        }
    }

    fn array(&mut self, depth: usize) -> Option<()> {
        self.at += 1;
        if self.peek()? == b']' {
            return self.expect_byte(b']');
        }
        loop {
            self.value(depth)?;
            match self.peek()? {
                b',' => self.at += 1,
                _ => return self.expect_byte(b']'),
            }
        }
    }

    fn object(&mut self, depth: usize) -> Option<()> {
        self.at += 1;
        if self.peek()? == b'}' {
            return self.expect_byte(b'}');
        }
        let mut before: Option<Text<'_>> = None;
        loop {
            let key = self.text()?;
            if !before.is_none_or(|before| follows(before, key)) {
                return None;
            }
            before = Some(key);
            self.expect_byte(b':')?;
            let start = self.at;
            self.value(depth)?;
            if depth + 1 == DEEPEST {
                self.outermost.push((key.bytes, start..self.at));
            }
            match self.peek()? {
                b',' => self.at += 1,
                _ => return self.expect_byte(b'}'),
            }
        }
    }

    fn text(&mut self) -> Option<Text<'a>> {
        let start = self.at;
        self.expect_byte(b'"')?;
        let mut escaped = false;
        loop {
            self.at += self.bytes[self.at..].iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
            if self.peek()? == b'"' {
                self.at += 1;
                return Some(Text { bytes: &self.bytes[start..self.at], escaped });
            }
            escaped = true;
            self.escape()?;
        }
    }

    /// Only what cannot stand as it is has an escape, and one alone.
    fn escape(&mut self) -> Option<()> {
        let short = match self.bytes.get(self.at + 1)? {
            b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't' => 2,
            b'u' => 6,
            _ => return None,
        };
        if short == 6 {
            let code = self.bytes.get(self.at + 2..self.at + 6)?;
            let control = matches!(code, [b'0', b'0', b'0' | b'1', b'0'..=b'9' | b'a'..=b'f']);
            if !control || matches!(code, b"0008" | b"0009" | b"000a" | b"000c" | b"000d") {
                return None;
            }
        }
        self.at += short;
        Some(())
    }

    fn number(&mut self) -> Option<()> {
        let start = self.at;
        while self.peek().is_some_and(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')) {
            self.at += 1;
        }
        let token = &self.bytes[start..self.at];
        let digits = token.strip_prefix(b"-").unwrap_or(token);
        let plain = (1..=SAFE_DIGITS).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
        if plain && (digits[0] != b'0' || token == b"0") {
            return Some(());
        }
        let number: Number = from_slice(token).ok()?;
        (value_to_vec(&Value::Number(number)).ok()? == token).then_some(())
    }
}

/// Whether one key stands behind another, in the order of UTF-16 code units.
fn follows(before: Text<'_>, key: Text<'_>) -> bool {
    let plain = |key: Text<'_>| !key.escaped && key.bytes.is_ascii();
    if plain(before) && plain(key) {
        return before.bytes[..before.bytes.len() - 1] < key.bytes[..key.bytes.len() - 1];
    }
    let text = |key: Text<'_>| from_slice::<String>(key.bytes).ok();
    text(before).zip(text(key)).is_some_and(|(before, key)| before.encode_utf16().lt(key.encode_utf16()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the form means: read strictly and written again, the bytes are the same.
    fn is_canonical(bytes: &[u8]) -> bool {
        parse(bytes).is_ok_and(|value| value_to_vec(&value).unwrap() == bytes)
    }

    #[test]
    fn the_canonical_form_is_told_from_every_other() {
        let good = [
            "null",
            "[]",
            "{}",
            r#"{"a":[1,-2.5,"x\n",true,null,{}],"b":{"":[[]]}}"#,
            "\"\u{e9}\u{7f}\"",
            "\"\\u0000\\u001f\\b\\f\\\\\\\"\"",
            "0",
            "-1",
            "9007199254740991",
            "1e+21",
            "5e-324",
            r#"{"":0,"a":1,"aa":2,"b":3}"#,
            "{\"\u{10000}\":1,\"\u{ff61}\":2}",
        ];
        for good in good {
            assert!(is_canonical(good.as_bytes()), "{good}");
            check(good.as_bytes()).unwrap_or_else(|error| panic!("{good}: {error}"));
        }
        let bad = [
            "",
            "[",
            "[1,]",
            " null",
            "null ",
            "nul",
            "[1, 2]",
            r#"{"b":1,"a":2}"#,
            r#"{"a":1,"a":1}"#,
            "1.0",
            "1e2",
            "-0",
            "01",
            "-",
            "1.",
            "9007199254740992",
            "9007199254740993",
            "1e400",
            r#""\u00e9""#,
            r#""\/""#,
            r#""\u000a""#,
            r#""\u001F""#,
            r#""\u00""#,
            "\"\n\"",
            "{}{}",
            r#"{"a" :1}"#,
            r#"{"a"1}"#,
            "{\"\u{ff61}\":2,\"\u{10000}\":1}",
        ];
        for bad in bad {
            assert!(!is_canonical(bad.as_bytes()), "{bad}");
            assert!(check(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(check(b"\"\xff\"").is_err());
        assert!(check(br#"{"a":1,"a":1}"#).unwrap_err().to_string().contains("duplicate key 'a'"));
        assert!(check(br#"{"b":1,"a":1}"#).unwrap_err().to_string().contains("not in the form of RFC 8785"));
        assert!(check(b"[1,").unwrap_err().to_string().contains("line 1 column 3"));
    }

    #[test]
    fn members_are_told_apart() {
        let bytes = br#"{"a":[{"b":1}],"c\n":{"d":null},"e":"x,}"}"#;
        let members = members(bytes).unwrap();
        let members: Vec<(String, &[u8])> = members.into_iter().map(|(name, at)| (name, &bytes[at])).collect();
        let expected: [(&str, &[u8]); 3] = [("a", br#"[{"b":1}]"#), ("c\n", br#"{"d":null}"#), ("e", br#""x,}""#)];
        assert_eq!(members, expected.map(|(name, value)| (name.to_owned(), value)));
        assert!(super::members(b"[{\"a\":1}]").unwrap().is_empty());
    }

    #[test]
    fn nothing_is_too_deep_for_one_and_not_for_the_other() {
        for depth in [1, 126, 127, 128, 129, 100_000] {
            let nested = "[".repeat(depth) + &"]".repeat(depth);
            assert_eq!(check(nested.as_bytes()).is_ok(), parse(nested.as_bytes()).is_ok(), "{depth}");
        }
    }

    proptest::proptest! {
        #[test]
        fn one_pass_sees_what_writing_again_sees(keys in proptest::collection::vec(".{0,4}", 0..6), n in proptest::num::i64::ANY, f in proptest::num::f64::NORMAL, text in ".{0,12}", at in 0_usize..200, byte in proptest::num::u8::ANY) {
            let map: serde_json::Map<String, Value> =
                keys.into_iter().map(|k| (k, serde_json::json!([n, f, text, [], {}, false]))).collect();
            let mut bytes = value_to_vec(&Value::Object(map)).unwrap();
            // Whole numbers from 2^53 on read as integers, and are not written as such: not every document is canonical.
            let seen = String::from_utf8_lossy(&bytes).into_owned();
            proptest::prop_assert_eq!(check(&bytes).is_ok(), is_canonical(&bytes), "{}", seen);
            let at = at % bytes.len();
            bytes[at] = byte;
            proptest::prop_assert_eq!(check(&bytes).is_ok(), is_canonical(&bytes), "{}", String::from_utf8_lossy(&bytes));
            bytes.remove(at);
            proptest::prop_assert_eq!(check(&bytes).is_ok(), is_canonical(&bytes), "{}", String::from_utf8_lossy(&bytes));
        }
    }
}
