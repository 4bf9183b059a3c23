//! What a value looks like by itself: random, trivial, a path, a reference.

/// A value that cannot be a credential: empty, a switch, a small number or duration, or nothing but a reference.
pub(super) fn is_trivial(value: &str) -> bool {
    const SWITCHES: [&str; 12] =
        ["", "true", "false", "yes", "no", "on", "off", "none", "null", "enabled", "disabled", "~"];
    let value = value.trim();
    let unit = value.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = value.len() - unit.len();
    SWITCHES.iter().any(|s| s.eq_ignore_ascii_case(value))
        || (1..=4).contains(&digits) && ["", "s", "m", "h", "d", "k", "M", "G", "Ki", "Mi", "Gi"].contains(&unit)
        || is_reference(value)
}

/// Nothing but `$(NAME)`, `${NAME}` or `$NAME`: the value comes from elsewhere.
pub(super) fn is_reference(value: &str) -> bool {
    let Some(rest) = value.strip_prefix('$') else { return false };
    let inner = rest
        .strip_prefix('(')
        .and_then(|r| r.strip_suffix(')'))
        .or_else(|| rest.strip_prefix('{').and_then(|r| r.strip_suffix('}')))
        .unwrap_or(rest);
    let name_start = inner.starts_with(|c: char| c.is_ascii_uppercase() || c == '_');
    name_start
        && inner.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
        && !looks_random(inner)
}

/// A path of plain words, such as the file that a flag points at.
pub(super) fn is_path(value: &str) -> bool {
    (value.starts_with('/') || value.starts_with("./") || value.starts_with("~/"))
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'_' | b'-' | b'~'))
        && !value.split('/').any(looks_random)
        && value.matches('/').count() * 24 >= value.len()
        && (value.contains('.') || value.matches('/').count() >= 2)
}

/// One word that looks drawn at random: an opaque token rather than something that a person named.
pub(super) fn looks_random(word: &str) -> bool {
    let bytes = word.trim_end_matches('=').as_bytes();
    let bytes = &bytes[..bytes.len().min(4096)];
    let in_alphabet = |b: &u8| b.is_ascii_graphic() && !matches!(b, b',' | b':' | b'{' | b'}' | b'(' | b')' | b'"');
    if bytes.len() < 16 || !bytes.iter().all(in_alphabet) || is_uuid(bytes) {
        return false;
    }
    let count = |test: fn(&u8) -> bool| bytes.iter().filter(|b| test(b)).count();
    let (lower, upper, digits) =
        (count(u8::is_ascii_lowercase), count(u8::is_ascii_uppercase), count(u8::is_ascii_digit));
    if bytes.iter().all(u8::is_ascii_hexdigit) && bytes.len() >= 32 && digits > 0 && lower + upper > 0 {
        return true;
    }
    let changes = bytes.windows(2).filter(|w| changes_class(w[0], w[1])).count();
    let share = changes * 100 / bytes.len();
    match (lower > 0, upper > 0, digits > 0) {
        (true, true, true) => share >= 30,
        (true, true, false) => share >= 42,
        (_, _, true) => digits >= 4 && bytes.len() >= 20 && share >= 25,
        _ => false,
    }
}

/// A digest in hex, bare or after the name of what made it (`sha256:`, `containerd://`).
pub(super) fn is_digest(value: &str) -> bool {
    let hex = value.rsplit([':', '/']).next().unwrap_or_default();
    (7..=128).contains(&hex.len()) && hex.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Neighbouring letters and digits of different classes: random words change class often, named things seldom.
fn changes_class(a: u8, b: u8) -> bool {
    let class = |c: u8| match c {
        b'a'..=b'z' => 1,
        b'A'..=b'Z' => 2,
        b'0'..=b'9' => 3,
        _ => 0,
    };
    class(a) != 0 && class(b) != 0 && class(a) != class(b)
}

fn is_uuid(bytes: &[u8]) -> bool {
    bytes.len() == 36
        && bytes.iter().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => *b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_words_and_named_things() {
        for word in
            ["wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "Xa9Kd82LmQp01ZzTq", "d41d8cd98f00b204e9800998ecf8427e"]
        {
            assert!(looks_random(word), "{word}");
        }
        for word in [
            "RotateKubeletServerCertificate",
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            "ip-10-0-12-7.eu-central-1.compute.internal",
            "1b4e28ba-2fa1-11d2-883f-0016d3cca427",
            "system:serviceaccount:kube-system:default",
            "kube-scheduler-control-plane-1",
            "2026-11-23T06:00:04.123456Z",
        ] {
            assert!(!looks_random(word), "{word}");
        }
    }

    #[test]
    fn trivial_values_and_references() {
        assert!(["", "true", "8", "1h", "30s", "$(DB_PASSWORD)", "${TOKEN}", "None"].iter().all(|v| is_trivial(v)));
        assert!(["123456", "hunter2", "$ecret", "$(whoami) x", "2 words"].iter().all(|v| !is_trivial(v)));
    }
}
