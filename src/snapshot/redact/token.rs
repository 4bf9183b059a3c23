//! What stands in a value's place: `redacted:v1:<key id>:<class>:<mac>`.
//!
//! MAC = HMAC-SHA-256(K, parts), where the parts are, in order: `v1`, cluster uid, API group, kind, namespace (empty
//! for cluster-scoped objects), name, path, value. Each part is preceded by its length in bytes as an unsigned 64-bit
//! big-endian integer, so that no two lists of parts give the same bytes. The path is a JSON Pointer in which list
//! items that carry a `name` stand by it (`/spec/containers/[name=app]/env/[name=DSN]/value`), so that a value keeps
//! its MAC when items are reordered. Without a key, key id and mac are `-`.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::key::RedactionKey;

/// What every token starts with.
pub const PREFIX: &str = "redacted:v1:";

/// What a redacted value looked like. It reveals nothing else of the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A password, or its hash.
    Password,
    /// An API token, a session, a cloud access key, or an opaque random string.
    Token,
    /// A private key.
    PrivateKey,
    /// A URL that carries user information.
    UrlUserinfo,
    /// A connection string with credentials.
    ConnectionString,
    /// A value of a Secret.
    Secret,
    /// A copy of an applied configuration, which would repeat every other value.
    AppliedConfiguration,
    /// A configuration value that looks harmless and is hidden all the same.
    ConfigValue,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 8] = [
        Self::Password,
        Self::Token,
        Self::PrivateKey,
        Self::UrlUserinfo,
        Self::ConnectionString,
        Self::Secret,
        Self::AppliedConfiguration,
        Self::ConfigValue,
    ];

    /// The name in tokens.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Token => "token",
            Self::PrivateKey => "private-key",
            Self::UrlUserinfo => "url-userinfo",
            Self::ConnectionString => "connection-string",
            Self::Secret => "secret",
            Self::AppliedConfiguration => "applied-configuration",
            Self::ConfigValue => "config-value",
        }
    }

    /// The value looked like a credential.
    pub fn is_credential(self) -> bool {
        !matches!(self, Self::ConfigValue | Self::AppliedConfiguration)
    }
}

/// The class of a well-formed token, which must be the whole text.
pub fn class_of(text: &str) -> Option<Class> {
    let mut parts = text.strip_prefix(PREFIX)?.split(':');
    let (key, class, mac) = (parts.next()?, parts.next()?, parts.next()?);
    let hex = |s: &str, len: usize| s.len() == len && s.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let well_formed = (key == "-" && mac == "-") || (hex(key, 8) && hex(mac, 64));
    if parts.next().is_some() || !well_formed {
        return None;
    }
    Class::ALL.into_iter().find(|c| c.as_str() == class)
}

/// Makes tokens for one cluster.
#[derive(Clone)]
pub(in crate::snapshot) struct Tokeniser {
    keyed: Option<Keyed>,
}

#[derive(Clone)]
struct Keyed {
    id: String,
    mac: Hmac<Sha256>,
}

impl Tokeniser {
    pub(in crate::snapshot) fn new(key: Option<&RedactionKey>, cluster_uid: &str) -> Self {
        let keyed = key.and_then(|key| {
            let mut mac = Hmac::<Sha256>::new_from_slice(key.bytes()).ok()?;
            part(&mut mac, "v1");
            part(&mut mac, cluster_uid);
            Some(Keyed { id: key.id(), mac })
        });
        Self { keyed }
    }

    /// A tokeniser for the object with these names.
    pub(super) fn object(&self, names: [&str; 4]) -> Self {
        let mut object = self.clone();
        if let Some(keyed) = &mut object.keyed {
            for name in names {
                part(&mut keyed.mac, name);
            }
        }
        object
    }

    /// The token of `value` at `path`.
    pub(super) fn token(&self, class: Class, path: &str, value: &str) -> String {
        let class = class.as_str();
        let Some(keyed) = &self.keyed else { return format!("{PREFIX}-:{class}:-") };
        let mut mac = keyed.mac.clone();
        part(&mut mac, path);
        part(&mut mac, value);
        format!("{PREFIX}{}:{class}:{}", keyed.id, hex::encode(mac.finalize().into_bytes()))
    }
}

fn part(mac: &mut Hmac<Sha256>, text: &str) {
    mac.update(&(text.len() as u64).to_be_bytes());
    mac.update(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokeniser(key: u8) -> Tokeniser {
        Tokeniser::new(Some(&RedactionKey::generate([key; 32])), "uid").object(["apps", "Deployment", "shop", "cart"])
    }

    #[test]
    fn the_mac_is_hmac_sha256_over_length_prefixed_parts() {
        let mut message = Vec::new();
        for text in ["v1", "uid", "apps", "Deployment", "shop", "cart", "/spec/x", "hunter2"] {
            message.extend((text.len() as u64).to_be_bytes());
            message.extend(text.as_bytes());
        }
        let mut mac = Hmac::<Sha256>::new_from_slice(&[7; 32]).unwrap();
        mac.update(&message);
        let expected = hex::encode(mac.finalize().into_bytes());
        assert_eq!(
            tokeniser(7).token(Class::Password, "/spec/x", "hunter2"),
            format!("redacted:v1:{}:password:{expected}", RedactionKey::generate([7; 32]).id())
        );
    }

    #[test]
    fn tokens_differ_by_key_path_and_value_and_are_stable() {
        let token = tokeniser(7).token(Class::Token, "/a", "x");
        assert_eq!(token, tokeniser(7).token(Class::Token, "/a", "x"));
        for other in [
            tokeniser(8).token(Class::Token, "/a", "x"),
            tokeniser(7).token(Class::Token, "/b", "x"),
            tokeniser(7).token(Class::Token, "/a", "y"),
            tokeniser(7).token(Class::Token, "/ax", ""),
        ] {
            assert_ne!(token, other);
        }
    }

    #[test]
    fn only_well_formed_tokens_have_a_class() {
        assert_eq!(class_of(&tokeniser(1).token(Class::Secret, "/a", "x")), Some(Class::Secret));
        assert_eq!(class_of("redacted:v1:-:url-userinfo:-"), Some(Class::UrlUserinfo));
        for fake in [
            "redacted:v1:-:hunter2:-",
            "redacted:v1:-:password:hunter2",
            "redacted:v1:0123abcd:password:-",
            "redacted:v1:-:password:-:more",
            "redacted:v2:-:password:-",
            "see redacted:v1:-:password:-",
        ] {
            assert_eq!(class_of(fake), None, "{fake}");
        }
    }
}
