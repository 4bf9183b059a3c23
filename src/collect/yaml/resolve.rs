//! What a plain scalar means: the YAML 1.1 rules of kubectl (`0644` is 420, `y` is true), not those of YAML 1.2.

use std::borrow::Cow;

use serde_json::{Number, Value};

/// A resolved scalar, before JSON's narrower set of types.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scalar<'a> {
    Null,
    Bool(bool),
    Int(i64),
    UInt(u64),
    Float(f64),
    Text(Cow<'a, str>),
}

/// Resolves an unquoted, untagged scalar.
pub(super) fn plain(text: Cow<'_, str>) -> Scalar<'_> {
    match text.as_bytes().first() {
        None => Scalar::Null,
        Some(b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~') => {
            word(&text).unwrap_or(Scalar::Text(text))
        }
        Some(b'0'..=b'9' | b'+' | b'-' | b'.') => number(&text).unwrap_or(Scalar::Text(text)),
        Some(_) => Scalar::Text(text),
    }
}

fn word(text: &str) -> Option<Scalar<'static>> {
    Some(match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Scalar::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Scalar::Bool(false),
        "~" | "null" | "Null" | "NULL" => Scalar::Null,
        _ => return None,
    })
}

fn number(text: &str) -> Option<Scalar<'static>> {
    match text {
        ".nan" | ".NaN" | ".NAN" => return Some(Scalar::Float(f64::NAN)),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Some(Scalar::Float(f64::INFINITY)),
        "-.inf" | "-.Inf" | "-.INF" => return Some(Scalar::Float(f64::NEG_INFINITY)),
        _ => {}
    }
    if text.starts_with('.') && !is_grouped(text) {
        return None;
    }
    let digits: Cow<'_, str> = if text.contains('_') { text.replace('_', "").into() } else { text.into() };
    integer(&digits).or_else(|| float(&digits)).or_else(|| signed_binary(&digits))
}

/// Each underscore stands between two digits; numbers that begin with their point must keep to that.
fn is_grouped(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_digit = |index: Option<usize>| index.and_then(|i| bytes.get(i)).is_some_and(u8::is_ascii_digit);
    bytes.iter().enumerate().all(|(i, b)| *b != b'_' || is_digit(i.checked_sub(1)) && is_digit(i.checked_add(1)))
}

fn integer(text: &str) -> Option<Scalar<'static>> {
    let (sign, rest) = match text.as_bytes().first()? {
        b'-' => (Some(true), &text[1..]),
        b'+' => (Some(false), &text[1..]),
        _ => (None, text),
    };
    let (radix, digits) = match rest.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &rest[2..]),
        [b'0', b'o' | b'O', ..] => (8, &rest[2..]),
        [b'0', b'b' | b'B', ..] => (2, &rest[2..]),
        [b'0', _, ..] => (8, &rest[1..]),
        _ => (10, rest),
    };
    if !digits.as_bytes().first()?.is_ascii_alphanumeric() {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    match (sign, i64::try_from(magnitude)) {
        (Some(true), _) => 0_i64.checked_sub_unsigned(magnitude).map(Scalar::Int),
        (_, Ok(value)) => Some(Scalar::Int(value)),
        (None, Err(_)) => Some(Scalar::UInt(magnitude)),
        (Some(false), Err(_)) => None,
    }
}

fn float(text: &str) -> Option<Scalar<'static>> {
    let decimal = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    let value: f64 = decimal.then(|| text.parse().ok())??;
    value.is_finite().then_some(Scalar::Float(value))
}

/// `0b-1`: kubectl's reader tries base two once more and lets the digits carry their own sign.
fn signed_binary(text: &str) -> Option<Scalar<'static>> {
    let value = i64::from_str_radix(text.strip_prefix("0b")?, 2).ok()?;
    Some(Scalar::Int(value))
}

/// Resolves a scalar with an explicit tag (`!!int`), given by the part after `tag:yaml.org,2002:`.
pub(super) fn tagged<'a>(tag: &str, text: Cow<'a, str>) -> Result<Scalar<'a>, String> {
    let resolved = match tag {
        "bool" | "int" | "float" | "null" => plain(Cow::Borrowed(&text)),
        _ => return Ok(Scalar::Text(text)),
    };
    match (tag, resolved) {
        ("bool", Scalar::Bool(value)) => Ok(Scalar::Bool(value)),
        ("null", Scalar::Null) => Ok(Scalar::Null),
        ("int", Scalar::Int(value)) => Ok(Scalar::Int(value)),
        ("int", Scalar::UInt(value)) => Ok(Scalar::UInt(value)),
        ("float", Scalar::Float(value)) => Ok(Scalar::Float(value)),
        ("float", Scalar::Int(value)) => Ok(Scalar::Float(value as f64)),
        _ => Err(format!("cannot read '{}' as !!{tag}", text.chars().take(40).collect::<String>())),
    }
}

impl Scalar<'_> {
    /// The JSON that kubectl would send for it.
    pub(super) fn into_value(self) -> Result<Value, String> {
        Ok(match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(value),
            Self::Int(value) => value.into(),
            Self::UInt(value) => number_value(value as f64)?,
            Self::Float(value) => number_value(value)?,
            Self::Text(text) => Value::String(text.into_owned()),
        })
    }

    /// The map key that kubectl would make of it.
    pub(super) fn into_key(self) -> Result<String, String> {
        match self {
            Self::Text(text) => Ok(text.into_owned()),
            Self::Bool(value) => Ok(value.to_string()),
            Self::Int(value) => Ok(value.to_string()),
            Self::Float(value) => Ok(float_key(value)),
            Self::Null => Err("null cannot be a key".into()),
            Self::UInt(value) => Err(format!("{value} cannot be a key: beyond 64-bit integers")),
        }
    }
}

/// Integral floats become integers, as they do on kubectl's way through JSON.
fn number_value(value: f64) -> Result<Value, String> {
    if let Ok(integer) = format!("{value}").parse::<i64>() {
        return Ok(integer.into());
    }
    Number::from_f64(value).map(Value::Number).ok_or_else(|| format!("{value} has no form in JSON"))
}

/// Go's shortest form of a 32-bit float, which kubectl's reader uses for keys.
fn float_key(value: f64) -> String {
    let short = value as f32;
    if !short.is_finite() {
        return if short.is_nan() {
            ".nan"
        } else if short > 0.0 {
            ".inf"
        } else {
            "-.inf"
        }
        .into();
    }
    let scientific = format!("{short:e}");
    match scientific.split_once('e').and_then(|(digits, exponent)| Some((digits, exponent.parse::<i32>().ok()?))) {
        Some((digits, exponent)) if !(-4..6).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.abs())
        }
        _ => format!("{short}"),
    }
}
