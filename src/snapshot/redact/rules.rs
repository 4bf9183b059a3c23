//! What a credential looks like: the tables that decide, and nothing else.
//!
//! Names are tested in a normal form: words in lower case between dashes (`clientSecret`, `CLIENT_SECRET` and
//! `client.secret` are all `-client-secret-`), so that one entry covers every spelling.

use std::sync::LazyLock;

use regex::{Regex, RegexSet};

use super::token::Class;

/// Parts of a normal name that make the value beside it a credential; the first that matches gives the class.
const NAMES: &[(&str, Class)] = &[
    ("private-key-", Class::PrivateKey),
    ("privatekey-", Class::PrivateKey),
    ("-ssh-key-", Class::PrivateKey),
    ("-tls-key-", Class::PrivateKey),
    ("-ssl-key-", Class::PrivateKey),
    ("-rsa-key-", Class::PrivateKey),
    ("-host-key-", Class::PrivateKey),
    ("-server-key-", Class::PrivateKey),
    ("-client-key-", Class::PrivateKey),
    ("-connection-string-", Class::ConnectionString),
    ("connectionstring-", Class::ConnectionString),
    ("-conn-str-", Class::ConnectionString),
    ("-database-url-", Class::ConnectionString),
    ("-dsn-", Class::ConnectionString),
    ("password-", Class::Password),
    ("passwords-", Class::Password),
    ("passwd-", Class::Password),
    ("passphrase-", Class::Password),
    ("passcode-", Class::Password),
    ("-pass-", Class::Password),
    ("-pwd-", Class::Password),
    ("-pw-", Class::Password),
    ("rootpw-", Class::Password),
    ("secret-", Class::Token),
    ("secrets-", Class::Token),
    ("token-", Class::Token),
    ("tokens-", Class::Token),
    ("credential-", Class::Token),
    ("credentials-", Class::Token),
    ("-creds-", Class::Token),
    ("apikey-", Class::Token),
    ("accesskey-", Class::Token),
    ("secretkey-", Class::Token),
    ("authkey-", Class::Token),
    ("userkey-", Class::Token),
    ("api-key-", Class::Token),
    ("access-key-", Class::Token),
    ("auth-key-", Class::Token),
    ("account-key-", Class::Token),
    ("signing-key-", Class::Token),
    ("encryption-key-", Class::Token),
    ("master-key-", Class::Token),
    ("shared-key-", Class::Token),
    ("session-key-", Class::Token),
    ("storage-key-", Class::Token),
    ("app-key-", Class::Token),
    ("license-key-", Class::Token),
    ("hmac-key-", Class::Token),
    ("aes-key-", Class::Token),
    ("service-key-", Class::Token),
    ("-jwt-", Class::Token),
    ("-bearer-", Class::Token),
    ("-authorization-", Class::Token),
    ("-cookie-", Class::Token),
    ("-otp-", Class::Token),
    ("-sas-", Class::Token),
    ("-pat-", Class::Token),
    ("-auth-", Class::Token),
    ("dockerconfigjson-", Class::Token),
    ("dockercfg-", Class::Token),
];

/// Last words that say that the value describes or names a credential instead of being one.
const DESCRIBES: &[&str] = &[
    "name",
    "names",
    "ref",
    "refs",
    "file",
    "files",
    "path",
    "paths",
    "dir",
    "directory",
    "type",
    "kind",
    "namespace",
    "policy",
    "provider",
    "url",
    "uri",
    "endpoint",
    "enabled",
    "class",
    "mode",
    "method",
    "format",
    "algorithm",
    "seconds",
    "minutes",
    "ttl",
    "expiry",
    "expiration",
    "duration",
    "size",
    "length",
    "count",
    "min",
    "max",
    "limit",
    "version",
    "issuer",
    "audience",
    "audiences",
    "selector",
    "mount",
    "template",
    "engine",
    "role",
    "rotation",
    "interval",
    "timeout",
    "period",
    "manager",
    "controller",
    "prefix",
    "suffix",
    "header",
    "claim",
    "field",
    "id",
    "realm",
    "required",
    "support",
    "strategy",
];

/// Half of a credential for all that its last word says.
const SECRET_ID: &str = "-secret-id-";
/// Endings and beginnings that name a key or a digest, not a credential.
const HARMLESS: &[&str] = &["-password-key-", "-username-key-"];
const HARMLESS_START: &[&str] = &["-checksum-", "-hash-", "-digest-", "-sha-"];

/// Words in the key of an annotation or label that explain a random-looking value.
const DIGEST_WORDS: &[&str] = &[
    "-hash-",
    "-checksum-",
    "-sha-",
    "-digest-",
    "-id-",
    "-uid-",
    "-commit-",
    "-revision-",
    "-mirror-",
    "-version-",
    "-containerid-",
    "-tag-",
];

/// Shapes that are credentials wherever they stand, most telling first.
const SHAPES: &[(Class, &str)] = &[
    (Class::PrivateKey, r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY"),
    (Class::PrivateKey, r"AGE-SECRET-KEY-1|PuTTY-User-Key-File"),
    (Class::UrlUserinfo, r"[A-Za-z][A-Za-z0-9+.-]*://[^\s/?#@]*@"),
    (Class::UrlUserinfo, r"[A-Za-z][A-Za-z0-9+.-]*://[^\s/@:]*:[^\s@]*[^\s@0-9][^\s@]*@"),
    (Class::UrlUserinfo, r"(?i)%3A%2F%2F[^\s%]*(?:%3A[^\s%]*)?%40"),
    (Class::ConnectionString, r"[^\s:@/]+:[^\s@]+@(?:tcp|unix)\("),
    (
        Class::ConnectionString,
        r"(?i)(?:password|passwd|pwd|accountkey|sharedaccesskey|shared_access_key|access_token|api_?key|client_?secret|token|secret|sig|signature)=[^\s=&;$<{(]{4,}",
    ),
    (Class::Token, r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}|eyJ[A-Za-z0-9_+/=-]{60,}"),
    (Class::Token, r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b|AIza[0-9A-Za-z_-]{35}|ya29\.[0-9A-Za-z_-]{20,}"),
    (Class::Token, r"gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}"),
    (Class::Token, r"xox[abeoprs]-[A-Za-z0-9-]{10,}|xapp-[A-Za-z0-9-]{10,}|hooks\.slack\.com/services/."),
    (Class::Token, r"\b[sr]k_(?:live|test)_[A-Za-z0-9]{16,}|\bsk-[A-Za-z0-9_-]{20,}"),
    (Class::Token, r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}|npm_[A-Za-z0-9]{30,}|pypi-[A-Za-z0-9_-]{30,}"),
    (Class::Token, r"\bhv[bs]\.[A-Za-z0-9_-]{20,}|dop_v1_[0-9a-f]{32,}|K10[0-9a-f]{16,}::"),
    (Class::Token, r"(?i)\b(?:bearer|basic)\s+[A-Za-z0-9._~+/-]{8,}"),
    (Class::Password, r"\$2[abxy]\$[0-9]{2}\$|\$apr1\$|\$[156y]\$[^$\s]{1,64}\$|\{SSHA\}"),
];

/// One of these bytes stands in every text that any of [`SHAPES`] matches: most texts are dismissed by this alone.
static CANDIDATE: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"://|%40|@tcp\(|@unix\(|-----BEGIN|eyJ|AKIA|ASIA|ABIA|ACCA|AIza|ya29\.|gh[pousr]_|github_pat_|glpat-|xox|xapp-|hooks\.slack|k_live_|k_test_|sk-|SG\.|npm_|pypi-|hv[bs]\.|dop_v1_|K10|AGE-SECRET|PuTTY|\$2[abxy]\$|\$apr1\$|\$[156y]\$|\{SSHA\}|LS0tLS1CRUdJTi|(?i:(?:password|passwd|pwd|key|token|secret|sig|signature)=|bearer|basic)",
    )
});

static SHAPE_SET: LazyLock<RegexSet> = LazyLock::new(|| {
    RegexSet::new(SHAPES.iter().map(|(_, pattern)| pattern)).unwrap_or_else(|error| unreachable!("{error}"))
});

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).unwrap_or_else(|error| unreachable!("{error}"))
}

/// `clientSecret`, `CLIENT_SECRET` -> `-client-secret-`.
fn normal(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 8);
    out.push('-');
    let mut previous = '-';
    for c in name.chars() {
        if !c.is_alphanumeric() {
            separate(&mut out);
        } else {
            if c.is_uppercase() && previous.is_lowercase() {
                separate(&mut out);
            }
            out.extend(c.to_lowercase());
        }
        previous = c;
    }
    separate(&mut out);
    out
}

fn separate(out: &mut String) {
    // A number at the end of a word counts it (`PASSWORD2`), it does not change what the word means.
    let word = out.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    if word > 0 && !out[..word].ends_with('-') {
        out.truncate(word);
    }
    if !out.ends_with('-') {
        out.push('-');
    }
}

/// Letters that every entry of [`NAMES`] has one of: dismisses most names without building their normal form.
static NAME_CANDIDATE: LazyLock<Regex> = LazyLock::new(|| {
    regex("(?i)pass|pw|secret|token|cred|key|auth|jwt|bearer|cookie|otp|sas|pat|dsn|conn|database|docker")
});

/// What a field, flag or variable name says of the value beside it.
pub(super) fn class_of_name(name: &str) -> Option<Class> {
    if name.len() > 256 || !NAME_CANDIDATE.is_match(name) {
        return None;
    }
    let normal = normal(name);
    if HARMLESS_START.iter().any(|start| normal.starts_with(start)) {
        return None;
    }
    let last = normal.trim_end_matches('-').rsplit('-').next().unwrap_or_default();
    let describes = DESCRIBES.contains(&last) || HARMLESS.iter().any(|end| normal.ends_with(end));
    if describes && !normal.ends_with(SECRET_ID) {
        return None;
    }
    NAMES.iter().find(|(part, _)| normal.contains(part)).map(|(_, class)| *class)
}

/// What a name says of the map below it or of the words after it: `authorization: {mode: Webhook}` configures.
pub(super) fn class_of_group(name: &str) -> Option<Class> {
    let normal = name.to_ascii_lowercase();
    if normal.trim_end_matches([':', '=', ' ']).ends_with("auth") || normal.contains("authorization") {
        return None;
    }
    class_of_name(name)
}

/// The key of an annotation or label explains a random-looking value: a hash, a commit, an id.
pub(super) fn names_a_digest(key: &str) -> bool {
    let normal = normal(key);
    DIGEST_WORDS.iter().any(|word| normal.contains(word))
}

/// The class of a text that holds a credential of a known shape.
pub(super) fn class_of_shape(text: &str) -> Option<Class> {
    // The shortest shapes without any of these bytes have 15; most fields of Kubernetes are shorter.
    let plain = |b: u8| !matches!(b, b':' | b'=' | b'@' | b'$' | b' ' | b'%' | b'{');
    if text.len() < 15 && text.bytes().all(plain) || !CANDIDATE.is_match(text) {
        return None;
    }
    if encoded_private_key(text) {
        return Some(Class::PrivateKey);
    }
    let class = SHAPES.get(SHAPE_SET.matches(text).iter().next()?).map(|(class, _)| *class)?;
    (class != Class::UrlUserinfo || !harmless_userinfo(text)).then_some(class)
}

/// `ssh://git@host/...` names the account that every git server has, and an image digest is no user information.
fn harmless_userinfo(text: &str) -> bool {
    let is_harmless = |(at, _): (usize, &str)| text[..at].ends_with("://git") || text[at..].starts_with("@sha256:");
    text.contains('@') && text.match_indices('@').all(is_harmless)
}

/// Base64 of a PEM private key, anywhere in the text.
fn encoded_private_key(text: &str) -> bool {
    const BEGIN: &str = "LS0tLS1CRUdJTi";
    text.match_indices(BEGIN).any(|(start, _)| {
        let run = text[start..].bytes().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/')).take(96);
        let run: Vec<u8> = run.collect();
        let whole = &run[..run.len() / 4 * 4];
        let decoded = base64::Engine::decode(&base64::engine::general_purpose::STANDARD_NO_PAD, whole);
        decoded.is_ok_and(|pem| pem.windows(11).any(|w| w == b"PRIVATE KEY"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_credentials() {
        for (name, class) in [
            ("password", Class::Password),
            ("DB_PASSWORD2", Class::Password),
            ("rootPasswordProd", Class::Password),
            ("MYSQL_PWD", Class::Password),
            ("clientSecret", Class::Token),
            ("token", Class::Token),
            ("GITHUB_TOKEN", Class::Token),
            ("awsSecretAccessKey", Class::Token),
            ("apiKey", Class::Token),
            ("api-key", Class::Token),
            ("secret_id", Class::Token),
            ("tls.private.key", Class::PrivateKey),
            ("SENTRY_DSN", Class::ConnectionString),
            (".dockerconfigjson", Class::Token),
        ] {
            assert_eq!(class_of_name(name), Some(class), "{name}");
        }
    }

    #[test]
    fn names_beside_credentials() {
        for name in [
            "secretName",
            "tokenExpirationSeconds",
            "PASSWORD_FILE",
            "passwordKey",
            "tokenURL",
            "passwordPolicy",
            "checksum/secret",
            "key",
            "topologyKey",
            "compass",
            "monkey",
            "author",
            "tls.crt",
            "accessKeyId",
            "configMapAndSecretChangeDetectionStrategy",
            "keys",
        ] {
            assert_eq!(class_of_name(name), None, "{name}");
        }
    }

    #[test]
    fn shapes_of_credentials() {
        for (text, class) in [
            ("-----BEGIN OPENSSH PRIVATE KEY-----", Class::PrivateKey),
            ("LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQo=", Class::PrivateKey),
            ("amqp://u:p@mq", Class::UrlUserinfo),
            ("next=https%3A%2F%2Fu%3Apw%40host", Class::UrlUserinfo),
            ("postgres://u:p/w@db/x", Class::UrlUserinfo),
            ("https://ghs0123@github.com/x", Class::UrlUserinfo),
            ("app:pw@tcp(db:3306)/shop", Class::ConnectionString),
            ("Server=db;User Id=sa;Password=hunter2;", Class::ConnectionString),
            ("/hook?token=abcd1234", Class::ConnectionString),
            ("Authorization: Bearer abcdefghij", Class::Token),
            ("AKIAIOSFODNN7EXAMPLE", Class::Token),
            ("admin:$2y$10$abcdefghijklmnopqrstuv", Class::Password),
        ] {
            assert_eq!(class_of_shape(text), Some(class), "{text}");
        }
    }

    #[test]
    fn shapes_of_other_things() {
        for text in [
            "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUI=",
            "-----BEGIN CERTIFICATE-----",
            "https://example.com/path",
            "ssh://git@github.com/shop/cart",
            "oci://registry:5000/shop/cart@sha256:9f86d081884c7d65",
            "registry.example.com/cart@sha256:9f86d081884c7d65",
            "object.spec.token == 'x'",
            "team@example.com",
        ] {
            assert_eq!(class_of_shape(text), None, "{text}");
        }
    }
}
