//! Credentials in running text: scripts, documents, and configuration files that are kept.

use super::{
    looks::{is_path, is_trivial, looks_random},
    rules::{class_of_group, class_of_name, class_of_shape},
    token::{Class, PREFIX, class_of},
};

/// The class of the first credential in a text of many words (a shell script, a document in an annotation).
pub(super) fn class_of_text(text: &str) -> Option<Class> {
    match class_of_shape(text) {
        // The words say more exactly what the connection string gives away.
        Some(Class::ConnectionString) => class_of_words(text).or(Some(Class::ConnectionString)),
        Some(class) => Some(class),
        None => class_of_words(text),
    }
}

fn class_of_words(text: &str) -> Option<Class> {
    // What the word before says of the word that follows it.
    let mut named = None;
    let mut candidate = None;
    for word in words(text) {
        if matches!(word, ":" | "=" | ":=") {
            named = candidate.take();
            continue;
        }
        if let Some(class) = named.take()
            && !word.starts_with('-')
            && !is_trivial(word)
            && !is_path(word)
        {
            return Some(class);
        }
        let (name, value) = split_pair(word);
        let class = class_of_group(name);
        match (class, value) {
            (Some(class), Some(value)) if !value.is_empty() && !is_trivial(value) && !is_path(value) => {
                return Some(class);
            }
            (Some(class), Some("")) => named = Some(class),
            (Some(class), None) if name.starts_with('-') => named = Some(class),
            _ => candidate = class,
        }
        if value.is_some_and(|v| is_login(name, v)) {
            return Some(Class::ConnectionString);
        }
        if looks_opaque(value.unwrap_or(name)) || looks_random(name) || looks_random(word) {
            return Some(Class::Token);
        }
    }
    None
}

/// Words of a script or document: quotes, brackets and separators stand between them, `NAME=value` stays whole.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || "'\"`;|&()<>,{}[]\\".contains(c)).filter(|w| !w.is_empty())
}

/// `NAME=value` and `name:value` in their parts; `https://...` and `C:\...` are no pairs.
pub(super) fn split_pair(word: &str) -> (&str, Option<&str>) {
    match word.find(['=', ':']) {
        Some(at) if at > 0 && !word[at + 1..].starts_with('/') => (&word[..at], Some(&word[at + 1..])),
        Some(at) if at > 0 && word[at..].starts_with('=') => (&word[..at], Some(&word[at + 1..])),
        _ => (word, None),
    }
}

/// `user:password@host` without a scheme; `mailto:` and image digests look alike.
fn is_login(name: &str, value: &str) -> bool {
    name != "mailto" && value.split_once('@').is_some_and(|(_, host)| !host.is_empty() && !host.starts_with("sha256:"))
}

/// A single word that looks like a credential: drawn at random, or calling itself one and carrying digits.
pub(super) fn looks_opaque(word: &str) -> bool {
    if looks_random(word) {
        return true;
    }
    let calls_itself = word.len() >= 8 && !word.starts_with(['-', '/', '.', '$']) && !word.contains(['/', '=']);
    calls_itself && word.bytes().any(|b| b.is_ascii_digit()) && class_of_name(word).is_some()
}

/// Replaces what looks like a credential in a configuration file that is kept, line by line.
pub(super) fn scrub(text: &str, mut token: impl FnMut(Class, &str) -> String) -> String {
    if let Some(class @ Class::PrivateKey) = class_of_shape(text) {
        return token(class, text);
    }
    let mut scrubber = Scrubber::default();
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (body, end) = line.split_at(line.trim_end_matches(['\n', '\r']).len());
        match scrubber.line(body) {
            Some((class, at)) => {
                out.push_str(&body[..at]);
                out.push_str(&token(class, &body[at..]));
            }
            None => out.push_str(body),
        }
        out.push_str(end);
    }
    out
}

/// What the lines before say of the next one.
#[derive(Default)]
struct Scrubber {
    /// Between `BEGIN CERTIFICATE` and `END CERTIFICATE`, where random-looking text is public.
    in_certificate: bool,
    /// Lines indented deeper than this belong to a credential's name.
    below: Option<(usize, Class)>,
}

impl Scrubber {
    /// The class of the line's credential and the byte at which its value starts.
    fn line(&mut self, line: &str) -> Option<(Class, usize)> {
        let indent = line.len() - line.trim_start().len();
        if line.trim().is_empty() {
            return None;
        }
        if let Some((depth, class)) = self.below {
            if indent > depth || (indent == depth && line.trim_start().starts_with("- ")) {
                return Some((class, indent));
            }
            self.below = None;
        }
        if line.contains("-----BEGIN CERTIFICATE") {
            self.in_certificate = !line.contains("-----END CERTIFICATE");
            return None;
        }
        if self.in_certificate {
            self.in_certificate = !line.contains("-----END CERTIFICATE");
            return None;
        }
        let separator = line.find([':', '=']);
        let value_at =
            separator.map_or(indent, |at| at + 1 + (line[at + 1..].len() - line[at + 1..].trim_start().len()));
        // A token from an earlier redaction is found again, and its owner decides whether to trust it.
        if let Some((class, at)) = line.find(PREFIX).and_then(|at| class_of(&line[at..]).map(|class| (class, at))) {
            return Some((class, at));
        }
        // A credential before the separator takes the whole line with it.
        if let Some(class) = class_of_text(&line[..value_at]) {
            return Some((class, indent));
        }
        let value = &line[value_at..];
        let named = separator.and_then(|at| class_of_group(line[..at].trim()));
        if let Some(class) = named {
            if value.is_empty() || value.starts_with(['|', '>']) {
                self.below = Some((indent, class));
                return None;
            }
            if !is_trivial(value) && !is_path(value) {
                return Some((class, value_at));
            }
        }
        // A certificate in base64 is one long random-looking word, and public.
        let public = value.trim_matches('"').starts_with("LS0tLS1CRUdJTi");
        if public && class_of_shape(line).is_none() {
            return None;
        }
        class_of_text(line).map(|class| (class, value_at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_with_credentials_are_recognised() {
        for (script, class) in [
            ("mysqldump --password hunter2secret db", Class::Password),
            ("export DB_PASSWORD=hunter2 && run", Class::Password),
            ("curl -H 'Authorization: Bearer abcdef0123456' https://x", Class::Token),
            ("echo '{\"token\": \"abcd-efgh\"}' > f", Class::Token),
            ("psql postgres://app:pw@db/shop", Class::UrlUserinfo),
            ("mysql-to app:pw@db:3306", Class::ConnectionString),
            ("login Xa9Kd82LmQp01ZzTq", Class::Token),
        ] {
            assert_eq!(class_of_text(script), Some(class), "{script}");
        }
    }

    #[test]
    fn scripts_without_credentials_stay() {
        for script in [
            "until nc -z db 5432; do sleep 1; done",
            "authorization: {mode: Webhook, webhook: {cacheAuthorizedTTL: 0s}}",
            "write to mailto:team@example.com about repo:1@sha256:ab12",
            "exec /app/server --config /etc/app/config.yaml",
            "test -n \"$PASSWORD\" && login --password $PASSWORD",
            "cat /var/run/secrets/kubernetes.io/serviceaccount/token",
            "kube-apiserver --tls-cipher-suites=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_AES_256_GCM_SHA384",
        ] {
            assert_eq!(class_of_text(script), None, "{script}");
        }
    }

    #[test]
    fn scrubbing_keeps_the_file_and_drops_the_credential() {
        let text = "clusterName: prod\nbootstrap:\n  token: abcdef.0123456789abcdef\n  password: |\n    hunter2\n    more\nca: |\n  -----BEGIN CERTIFICATE-----\n  MIIBxTCCAWugAwIBAgIRAJ9x8Kd02LmQp01ZzTqABCD\n  -----END CERTIFICATE-----\nendpoint: https://u:pw@h:6443\n";
        let scrubbed = scrub(text, |class, _| format!("<{}>", class.as_str()));
        assert_eq!(
            scrubbed,
            "clusterName: prod\nbootstrap:\n  token: <token>\n  password: |\n    <password>\n    <password>\nca: |\n  -----BEGIN CERTIFICATE-----\n  MIIBxTCCAWugAwIBAgIRAJ9x8Kd02LmQp01ZzTqABCD\n  -----END CERTIFICATE-----\nendpoint: <url-userinfo>\n"
        );
    }
}
