//! Waivers, attestations and provider documents: what became of each, run by run.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    digest::Digest,
    period::{
        facts::{Facts, Files},
        model::{DeclarationPeriod, DeclaredFile, Exception, RunNumber, StateSpan},
    },
};

/// Kinds of declarations that people answer for; what is expected of every cluster is no exception to anything.
const KINDS: [&str; 3] = ["attestation", "provider", "waiver"];
const ATTESTED: &str = "data/attested/";

/// Declarations as far as runs were read, with the files that they point at.
#[derive(Default)]
pub(super) struct Declared {
    entries: BTreeMap<(String, String), DeclarationPeriod>,
    files: Files,
}

impl Declared {
    pub(super) fn add(&mut self, facts: &Facts, run: RunNumber) {
        for declaration in facts.declarations.iter().filter(|d| KINDS.contains(&d.kind.as_str())) {
            let key = (declaration.kind.clone(), declaration.id.clone());
            let entry = self.entries.entry(key).or_insert_with(|| DeclarationPeriod {
                kind: declaration.kind.clone(),
                id: declaration.id.clone(),
                until: None,
                states: Vec::new(),
                applies_to: Vec::new(),
                note: String::new(),
                files: Vec::new(),
            });
            entry.until = declaration.until.as_deref().and_then(|day| day.parse().ok());
            // What it applies to names findings; those outside of the scope asked for are not this auditor's.
            entry.applies_to = if facts.window.is_narrow() { Vec::new() } else { declaration.applies_to.clone() };
            entry.note.clone_from(&declaration.note);
            match entry.states.last_mut() {
                Some(span) if span.state == declaration.state && span.last + 1 == run => span.last = run,
                _ => entry.states.push(StateSpan { state: declaration.state.clone(), first: run, last: run }),
            }
            for name in facts.pointed.get(&declaration.id).into_iter().flatten() {
                let digest = facts.attested.get(name).copied().flatten();
                let path = digest.and_then(|digest| keep(&mut self.files, facts, digest));
                let file = DeclaredFile { name: name.clone(), digest, path };
                if !entry.files.contains(&file) {
                    entry.files.push(file);
                }
            }
        }
    }

    /// By the last day, those without one last; and the files by path. In a narrow view a waiver is shown when one of
    /// the `exceptions` shown stood under it: others are about what is outside.
    pub(super) fn finish(self, is_narrow: bool, exceptions: &[Exception]) -> (Vec<DeclarationPeriod>, Files) {
        let shown: BTreeSet<&str> =
            exceptions.iter().flat_map(|exception| &exception.waivers).map(|waiver| waiver.id.as_str()).collect();
        let is_shown = |entry: &DeclarationPeriod| !is_narrow || entry.kind != "waiver" || shown.contains(&*entry.id);
        let mut entries: Vec<DeclarationPeriod> = self.entries.into_values().filter(is_shown).collect();
        let pointed: BTreeSet<&String> =
            entries.iter().flat_map(|e| &e.files).filter_map(|f| f.path.as_ref()).collect();
        let files = self.files.into_iter().filter(|(path, _)| pointed.contains(path)).collect();
        entries.sort_by(|a, b| {
            (a.until.is_none(), a.until, &a.kind, &a.id).cmp(&(b.until.is_none(), b.until, &b.kind, &b.id))
        });
        (entries, files)
    }
}

/// Keeps a file once, under the name that the bundle gave it.
fn keep(files: &mut Files, facts: &Facts, digest: Digest) -> Option<String> {
    let prefix = format!("{ATTESTED}{}", digest.hex());
    let (path, bytes) = facts.attested_files.range(prefix.clone()..).next()?;
    if !path.starts_with(&prefix) {
        return None;
    }
    files.entry(path.clone()).or_insert_with(|| bytes.clone());
    Some(path.clone())
}
