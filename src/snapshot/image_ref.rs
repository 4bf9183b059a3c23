//! Image references by the grammar that Docker, containerd and Kubernetes share.
//!
//! `oci-spec` reads the same grammar, but turns an absent tag into `latest`, which a check on tags must tell apart, and
//! brings ten crates of macros for it.

use std::{fmt, str::FromStr, sync::LazyLock};

use regex::Regex;

/// The registry of names that have none.
const DEFAULT_REGISTRY: &str = "docker.io";
/// What a reference without tag and digest means.
const DEFAULT_TAG: &str = "latest";

/// A reference in its full form: `nginx` is `docker.io/library/nginx`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImageReference {
    /// Host and port of the registry (`docker.io` for Docker Hub under any of its names).
    pub registry: String,
    /// Path in the registry (`library/nginx`).
    pub repository: String,
    /// Tag, where it is written.
    pub tag: Option<String>,
    /// Digest (`sha256:...`), where it is written.
    pub digest: Option<String>,
}

/// A text that no runtime takes for an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not an image reference")]
pub struct InvalidReference;

static DOMAIN: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?$",
    )
});
static PATH: LazyLock<Regex> =
    LazyLock::new(|| regex(r"^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$"));
static TAG: LazyLock<Regex> = LazyLock::new(|| regex(r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$"));
static DIGEST: LazyLock<Regex> = LazyLock::new(|| regex(r"^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[0-9a-fA-F]{32,}$"));

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).unwrap_or_else(|error| unreachable!("{error}"))
}

impl FromStr for ImageReference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        let (name, digest) = text.split_once('@').map_or((text, None), |(name, digest)| (name, Some(digest)));
        let path = name.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match name[path..].find(':') {
            Some(colon) => (&name[..path + colon], Some(&name[path + colon + 1..])),
            None => (name, None),
        };
        // A first part is a host only where it looks like one: `shop/cart` is on Docker Hub.
        let host = |part: &str| part.contains(['.', ':']) || part == "localhost" || part.contains(char::is_uppercase);
        let (registry, repository) = match name.split_once('/') {
            Some((first, rest)) if host(first) => (first, rest),
            _ => (DEFAULT_REGISTRY, name),
        };
        let registry = if registry == "index.docker.io" { DEFAULT_REGISTRY } else { registry };
        let well_formed = DOMAIN.is_match(registry)
            && PATH.is_match(repository)
            && repository.len() <= 255
            && tag.is_none_or(|tag| TAG.is_match(tag))
            && digest.is_none_or(|digest| DIGEST.is_match(digest));
        if !well_formed {
            return Err(InvalidReference);
        }
        let official = registry == DEFAULT_REGISTRY && !repository.contains('/');
        Ok(Self {
            registry: registry.into(),
            repository: if official { format!("library/{repository}") } else { repository.into() },
            tag: tag.map(Into::into),
            digest: digest.map(Into::into),
        })
    }
}

impl ImageReference {
    /// The tag that is meant: `latest` where neither tag nor digest is written, none where only a digest is.
    pub fn effective_tag(&self) -> Option<&str> {
        self.tag.as_deref().or_else(|| self.digest.is_none().then_some(DEFAULT_TAG))
    }

    /// `docker.io/library/nginx`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// The two name one tag of one repository. A tag moves: this does not make them one image.
    pub fn has_tag_of(&self, other: &Self) -> bool {
        self.effective_tag().is_some()
            && self.effective_tag() == other.effective_tag()
            && self.registry == other.registry
            && self.repository == other.repository
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = self.effective_tag() {
            write!(f, ":{tag}")?;
        }
        self.digest.iter().try_for_each(|digest| write!(f, "@{digest}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_full() {
        let digest = "sha256:51d0a4e1b2c3f4059687a8b9cadbecfd0e1f2031425364758697a8b9cadbecfd";
        for (text, full) in [
            ("nginx", "docker.io/library/nginx:latest"),
            ("nginx:1.29", "docker.io/library/nginx:1.29"),
            ("shop/cart", "docker.io/shop/cart:latest"),
            ("docker.io/nginx", "docker.io/library/nginx:latest"),
            ("index.docker.io/library/nginx:1.29", "docker.io/library/nginx:1.29"),
            ("localhost/cart", "localhost/cart:latest"),
            ("localhost:5000/cart", "localhost:5000/cart:latest"),
            ("registry.example.com:5000/shop/cart:2.15.0", "registry.example.com:5000/shop/cart:2.15.0"),
            ("[2001:db8::1]:5000/cart:1", "[2001:db8::1]:5000/cart:1"),
            ("a.b/c__d/e-f_g.h:T_1", "a.b/c__d/e-f_g.h:T_1"),
        ] {
            assert_eq!(text.parse::<ImageReference>().map(|r| r.to_string()), Ok(full.to_string()), "{text}");
        }
        let pinned: ImageReference = format!("registry.example.com/ledger@{digest}").parse().unwrap();
        assert_eq!((pinned.tag.as_deref(), pinned.digest.as_deref()), (None, Some(digest)));
        assert_eq!(pinned.effective_tag(), None);
        let both: ImageReference = format!("nginx:1.29@{digest}").parse().unwrap();
        assert_eq!((both.tag.as_deref(), both.digest.as_deref()), (Some("1.29"), Some(digest)));
    }

    #[test]
    fn what_is_no_image() {
        for text in [
            "",
            ":1",
            "@sha256:00",
            "Nginx",
            "a//b",
            "/a",
            "a/",
            "nginx:",
            "nginx:1:2",
            "nginx:-1",
            "nginx@",
            "nginx@sha256:12",
            "nginx@md5",
            "https://registry.example.com/cart",
            "a b",
            "a.b:port/c",
            "é",
            "a___b",
        ] {
            assert_eq!(text.parse::<ImageReference>(), Err(InvalidReference), "{text}");
        }
    }

    #[test]
    fn one_tag_is_compared_in_full() {
        let parse = |text: &str| text.parse::<ImageReference>().unwrap();
        assert!(parse("nginx").has_tag_of(&parse("docker.io/library/nginx:latest")));
        assert!(!parse("nginx:1").has_tag_of(&parse("nginx:2")));
        assert!(!parse("mirror.example.com/nginx:1").has_tag_of(&parse("nginx:1")));
        let digest = "@sha256:51d0a4e1b2c3f4059687a8b9cadbecfd0e1f2031425364758697a8b9cadbecfd";
        assert!(
            !parse(&format!("nginx{digest}")).has_tag_of(&parse(&format!("nginx{digest}"))),
            "no tag, nothing equal"
        );
    }
}
