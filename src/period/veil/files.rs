//! Files of the runs in a package that must not show everything: each is kept as it was signed, or left out.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::Veil;
use crate::{
    bundle::bag,
    config::{ScopeFile, parse_yaml},
    digest::Digest,
    period::{
        facts::Files,
        model::{ClusterPeriod, DeclarationPeriod},
        written::{DeclarationKey, KINDS, declared, file_of},
    },
};

/// `apiVersion` of every file that people write for us.
const API_VERSION: &str = "kubeproof.dev/v1";

impl Veil<'_> {
    /// Files cannot be searched for every form of a name: with pseudonyms none is kept; of a scope those are that say
    /// nothing of the outside as far as they are plain text.
    pub(super) fn cover_files(&self, cluster: &mut ClusterPeriod, attested: &mut Files) {
        attested.retain(|_, bytes| {
            let text = || String::from_utf8_lossy(bytes);
            self.people.is_none() && self.outside.as_ref().is_none_or(|finder| !finder.is_in(&text()))
        });
        for file in cluster.declarations.iter_mut().flat_map(|declaration| &mut declaration.files) {
            file.path.take_if(|path| !attested.contains_key(path));
        }
    }

    /// Leaves out what is carried where it names what must not be shown; with pseudonyms also what people declared.
    pub(in crate::period) fn keep(&self, files: &mut Files, cluster: &mut ClusterPeriod) {
        if self.outside.is_none() && self.people.is_none() {
            return;
        }
        let declarations = &cluster.declarations;
        files.retain(|path, bytes| {
            let parts: Vec<&str> = path.splitn(4, '/').collect();
            match parts.as_slice() {
                ["results", ..] => serde_json::from_slice(bytes).is_ok_and(|value| !self.hides_any(&value)),
                ["rules", _, "scope.yaml"] if self.people.is_none() => self.declares_it_alone(bytes),
                ["rules", _, name] if self.outside.is_some() && tells_more(name, bytes, declarations) => false,
                ["rules", ..] if self.library.contains(&Digest::of(&**bytes)) => true,
                ["rules", _, "checks" | "frameworks", _] if self.window.is_narrow() && !concerns(bytes, cluster) => {
                    false
                }
                ["rules", _, "checks" | "frameworks", _] => !self.hides(&String::from_utf8_lossy(bytes)),
                _ => self.people.is_none() && !self.tells_of_outside(&String::from_utf8_lossy(bytes)),
            }
        });
        cluster.results.retain(|span| files.contains_key(&span.place()));
    }

    /// Whether a file of scopes declares the one that the package is limited to, and tells of the outside only what that
    /// leaves out.
    fn declares_it_alone(&self, bytes: &[u8]) -> bool {
        let Ok(file) = parse_yaml::<ScopeFile>("scope.yaml", bytes) else { return false };
        let mut text = String::from_utf8_lossy(bytes).into_owned();
        for out in file.value.scopes.iter().flat_map(|scope| &scope.excluded) {
            text = text.replace(&out.what, "").replace(&out.reason, "");
        }
        let is_own = file.value.scopes.iter().all(|scope| self.window.scope() == Some(scope.id.as_str()));
        is_own && !self.tells_of_outside(&text)
    }

    /// Whether what people declared names something from outside, be its name a secret or not. The version of our own
    /// files is none, though the job mostly lives in a namespace of that name.
    fn tells_of_outside(&self, text: &str) -> bool {
        let text = text.replace(API_VERSION, "");
        self.hides(&text) || self.homes.as_ref().is_some_and(|finder| finder.is_in(&text))
    }

    /// The same of every text in JSON, as the package's own texts are searched.
    fn hides_any(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => self.hides(text),
            Value::Array(items) => items.iter().any(|item| self.hides_any(item)),
            Value::Object(members) => members.values().any(|member| self.hides_any(member)),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }
}

/// Whether a check or a framework has to do with what the package shows. Files of the library are kept before this.
fn concerns(bytes: &[u8], cluster: &ClusterPeriod) -> bool {
    let Ok(own) = parse_yaml::<Named>("rules", bytes) else { return false };
    let id = &own.value.id;
    cluster.requirements.iter().any(|row| row.framework == *id || row.decides.contains(id))
        || cluster.exceptions.iter().any(|x| x.check == *id)
}

/// The part of a check or a framework that names it.
#[derive(Deserialize)]
struct Named {
    id: String,
}

/// Whether a file of declarations, or of what they point at, holds any that the package does not show.
fn tells_more(name: &str, bytes: &[u8], shown: &[DeclarationPeriod]) -> bool {
    if name == "attested.json" {
        let is_shown = |name: &String| shown.iter().flat_map(|said| &said.files).any(|file| file.name == *name);
        let index = serde_json::from_slice::<BTreeMap<String, Value>>(bytes);
        return !index.is_ok_and(|index| index.keys().all(is_shown));
    }
    let Some(kind) = KINDS.into_iter().find(|kind| file_of(kind) == Some(&format!("{}{name}", bag::RULES))) else {
        return false;
    };
    let is_shown = |(kind, id): &DeclarationKey| shown.iter().any(|said| said.kind == *kind && said.id == *id);
    !declared(kind, bytes).is_some_and(|all| all.keys().all(is_shown))
}
