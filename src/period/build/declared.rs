//! Waivers, attestations and provider documents: what became of each, run by run.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use crate::{
    digest::Digest,
    evaluate::Declaration,
    period::{
        facts::{Facts, Files},
        model::{DeclarationPeriod, DeclaredFile, Exception, FrameworkPeriod, RunNumber, StateSpan},
        written::{DeclarationKey, KINDS, Written},
    },
};

const WAIVER: &str = "waiver";
const ATTESTED: &str = "data/attested/";

/// Declarations as far as runs were read, with the files that they point at.
#[derive(Default)]
pub(super) struct Declared {
    entries: BTreeMap<DeclarationKey, DeclarationPeriod>,
    files: Files,
}

impl Declared {
    pub(super) fn add(&mut self, facts: &Facts, run: RunNumber) {
        for declaration in facts.declarations.iter().filter(|d| KINDS.contains(&d.kind.as_str())) {
            let key = (declaration.kind.clone(), declaration.id.clone());
            let written = facts.written.get(&key).cloned().unwrap_or_default();
            let known = self.entries.remove(&key);
            let mut entry = entry(declaration, written.clone(), known);
            span(&mut entry.states, &declaration.state, entry.until, run);
            for name in &written.files {
                let digest = facts.attested.get(name).copied().flatten();
                let path = digest.and_then(|digest| keep(&mut self.files, facts, digest));
                let file = DeclaredFile { name: name.clone(), digest, path };
                if !entry.files.contains(&file) {
                    entry.files.push(file);
                }
            }
            self.entries.insert(key, entry);
        }
    }

    /// By the last day, those without one last; and the files by path. A narrow package holds only what concerns its
    /// exceptions and its frameworks.
    pub(super) fn finish(
        self,
        narrow: bool,
        exceptions: &[Exception],
        frameworks: &[FrameworkPeriod],
    ) -> (Vec<DeclarationPeriod>, Files) {
        let mut entries: Vec<DeclarationPeriod> = self.entries.into_values().collect();
        if narrow {
            let concerned = Concerned::of(exceptions, frameworks);
            entries.retain_mut(|entry| concerned.keeps(entry));
        }
        entries.sort_by(|a, b| {
            (a.until.is_none(), a.until, &a.kind, &a.id).cmp(&(b.until.is_none(), b.until, &b.kind, &b.id))
        });
        let named: BTreeSet<&String> =
            entries.iter().flat_map(|entry| &entry.files).filter_map(|file| file.path.as_ref()).collect();
        let mut files = self.files;
        files.retain(|path, _| named.contains(path));
        (entries, files)
    }
}

/// What the newest run says of a declaration, with what earlier ones said of it.
fn entry(declaration: &Declaration, written: Written, known: Option<DeclarationPeriod>) -> DeclarationPeriod {
    let (states, files) = known.map(|known| (known.states, known.files)).unwrap_or_default();
    DeclarationPeriod {
        kind: declaration.kind.clone(),
        id: declaration.id.clone(),
        form: written.form,
        by: written.by,
        since: written.since,
        until: declaration.until.as_deref().and_then(|day| day.parse().ok()),
        about: written.about,
        text: written.text,
        ticket: written.ticket,
        states,
        applies_to: declaration.applies_to.clone(),
        note: declaration.note.clone(),
        files,
    }
}

fn span(states: &mut Vec<StateSpan>, state: &str, until: Option<NaiveDate>, run: RunNumber) {
    match states.last_mut() {
        Some(span) if span.state == state && span.until == until && span.last + 1 == run => span.last = run,
        _ => states.push(StateSpan { state: state.to_owned(), until, first: run, last: run }),
    }
}

/// What a narrow package is about.
struct Concerned<'a> {
    findings: BTreeSet<String>,
    waivers: BTreeSet<&'a str>,
    frameworks: BTreeSet<&'a str>,
}

impl<'a> Concerned<'a> {
    fn of(exceptions: &'a [Exception], frameworks: &'a [FrameworkPeriod]) -> Self {
        Self {
            findings: exceptions.iter().map(|exception| exception.finding.to_string()).collect(),
            waivers: exceptions.iter().flat_map(|x| &x.waivers).map(|waiver| waiver.id.as_str()).collect(),
            frameworks: frameworks.iter().map(|framework| framework.id.as_str()).collect(),
        }
    }

    /// Whether a declaration is the reader's business; what else it applies to is not.
    fn keeps(&self, entry: &mut DeclarationPeriod) -> bool {
        let is_ours = |requirement: &String| {
            self.frameworks.contains(requirement.split_once('/').map_or(requirement.as_str(), |(id, _)| id))
        };
        if entry.kind == WAIVER {
            entry.applies_to.retain(|finding| self.findings.contains(finding));
            return self.waivers.contains(entry.id.as_str());
        }
        entry.applies_to.retain(is_ours);
        entry.about.retain(is_ours);
        !entry.about.is_empty() || !entry.applies_to.is_empty()
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
