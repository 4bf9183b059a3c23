//! Which bundles of a store are of the period, and which of them can be relied on. Every one is verified as `verify`
//! does it before anything of it is read; one that fails is named and left out.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use tokio::task::JoinHandle;

use super::{
    build::{Around, Builder, Built, Span},
    cadence::Planned,
    facts::{Asked, Facts},
    log::{Entry, Log},
    model::{Excluded, Exclusion},
    rules::Rules,
};
use crate::{
    bundle::{
        VerifyingKey,
        envelope::{self, Envelope},
        statement::Statement,
        verify::{self, LogFiles, Options, Trust, Verdict, Verification},
    },
    clock::rfc3339,
    digest::Digest,
    snapshot::TableError,
    store::{Cause, Store, StoreError},
};

/// Envelopes fetched at once; each is a few kilobytes.
const ENVELOPES: usize = 16;
/// The largest file of a bundle says what another one says: it is hashed, and never in memory.
const UNREAD: [&str; 1] = ["data/findings.csv"];
/// Bundles in memory at once.
const BUNDLES: usize = 2;

/// Which bundles are asked for.
pub(super) struct Reading<'a> {
    pub(super) store: &'a Store,
    pub(super) key: &'a VerifyingKey,
    pub(super) span: Span,
    pub(super) now: DateTime<Utc>,
    pub(super) frameworks: &'a [String],
    pub(super) scope: Option<&'a str>,
    /// Names of people are to be left out.
    pub(super) pseudonyms: bool,
    pub(super) planned: Option<&'a Planned>,
    /// Rules that were parsed already, of any cluster.
    pub(super) rules: &'a Arc<Rules>,
    /// Told how many of how many bundles are read.
    pub(super) on_bundle: &'a (dyn Fn(usize, usize) + Sync),
}

/// A bundle's envelope before its files are fetched: what is claimed, and by whom.
struct Claim {
    id: Digest,
    /// Files of the log that name it: its commit, and whatever copies it.
    entries: Vec<Entry>,
    /// Where the log holds it; `None` for one that no entry names.
    entry: Option<Entry>,
    envelope: Option<Envelope>,
    /// What the statement says, signed or not.
    statement: Option<Statement>,
    /// The trusted key signed it.
    signed: bool,
}

impl Claim {
    /// When it says that its collection ended, signed or not.
    fn finished(&self) -> Option<DateTime<Utc>> {
        self.statement.as_ref().map(|statement| statement.predicate.run.finished)
    }

    /// The same from a statement that the trusted key signed, under the name that the store and the log know it by.
    fn proved_finished(&self) -> Option<DateTime<Utc>> {
        let own = self.envelope.as_ref().is_some_and(|envelope| envelope.id() == self.id);
        self.finished().filter(|_| own && self.signed)
    }

    fn excluded(&self, kind: Exclusion, reason: impl Into<String>) -> Excluded {
        Excluded {
            bundle: self.id.hex(),
            index: self.entry.as_ref().and_then(|entry| entry.index),
            claimed_finished: self.finished(),
            kind,
            reason: reason.into(),
        }
    }
}

/// What reading a bundle brought, or why it is not used.
type Read = Result<Box<Facts>, Box<Excluded>>;

impl Reading<'_> {
    /// Reads one cluster's part of the period.
    ///
    /// # Errors
    /// A store that does not answer or refuses.
    pub(super) async fn cluster(&self, folder: &str) -> Result<Built, StoreError> {
        let commits = self.store.commit_files(folder).await?;
        let mut claims = self.claims(folder, &commits).await?;
        let log_key = log_key(&claims, folder);
        let log = Log::judge(&commits, folder, log_key.as_ref());
        for claim in &mut claims {
            claim.entry = log.pick(std::mem::take(&mut claim.entries));
        }
        claims.sort_by_key(|claim| claim.entry.as_ref().map_or((u64::MAX, u64::MAX), Entry::order));
        let chosen = within(&claims, self.span);
        let mut excluded = misplaced(&claims, self.span);
        let (total, mut adding) = (chosen.len(), Adding::Idle(Box::default()));
        let read = chosen.into_iter().map(|claim| self.read(folder, claim, &log, log_key.as_ref()));
        let mut read = stream::iter(read).buffered(BUNDLES);
        let mut done = 0;
        while let Some((claim, read)) = read.try_next().await? {
            done += 1;
            (self.on_bundle)(done, total);
            match read {
                Ok(facts) => {
                    let (builder, refused) = adding.end().await;
                    excluded.extend(refused);
                    adding = Adding::begin(builder, claim, facts);
                }
                Err(reason) => excluded.push(*reason),
            }
        }
        let (builder, refused) = adding.end().await;
        excluded.extend(refused);
        let in_period = claims.iter().filter(|claim| claim.proved_finished().is_some_and(|at| self.span.holds(at)));
        let first = in_period.filter_map(|claim| claim.entry.as_ref()?.index).min();
        excluded.sort_by_key(|excluded| excluded.index.map_or((1, 0), |index| (0, index)));
        Ok(builder.finish(Around {
            folder: folder.to_owned(),
            span: self.span,
            log: log.seen(),
            log_notes: log.notes(first),
            excluded,
            planned: self.planned,
            frameworks: self.frameworks,
            scope: self.scope,
        }))
    }

    /// Every bundle that the log names or the store holds, by its envelope alone.
    async fn claims(&self, folder: &str, commits: &BTreeMap<u64, Vec<u8>>) -> Result<Vec<Claim>, StoreError> {
        let mut named: BTreeMap<Digest, Vec<Entry>> =
            self.store.bundle_ids(folder).await?.into_iter().map(|id| (id, Vec::new())).collect();
        for (slot, bytes) in commits {
            if let Some((id, entry)) = Entry::claimed(*slot, bytes) {
                named.entry(id).or_default().push(entry);
            }
        }
        let mut named: Vec<(Digest, Vec<Entry>)> = named.into_iter().collect();
        named.sort_by_key(|(id, entries)| (entries.first().map_or(u64::MAX, |entry| entry.slot), *id));
        let claims = stream::iter(named).map(|(id, entries)| self.claim(folder, id, entries)).buffered(ENVELOPES);
        let claims: Vec<Option<Claim>> = claims.try_collect().await?;
        Ok(claims.into_iter().flatten().collect())
    }

    async fn claim(&self, folder: &str, id: Digest, entries: Vec<Entry>) -> Result<Option<Claim>, StoreError> {
        let bytes = self.store.bundle_file(folder, &id, envelope::FILE).await?;
        // A run that was killed while it wrote: nothing is signed, nothing is in the log, nothing is claimed.
        if bytes.is_none() && entries.is_empty() {
            return Ok(None);
        }
        let envelope = bytes.and_then(|bytes| Envelope::parse(&bytes).ok());
        let signed = envelope.as_ref().is_some_and(|envelope| envelope.verified_by(self.key).is_some());
        let statement = envelope.as_ref().and_then(|envelope| Statement::parse(envelope.claimed()).ok());
        Ok(Some(Claim { id, entries, entry: None, envelope, statement, signed }))
    }

    /// Fetches, verifies and reads one bundle.
    async fn read<'c>(
        &self,
        folder: &str,
        claim: &'c Claim,
        log: &Log,
        log_key: Option<&VerifyingKey>,
    ) -> Result<(&'c Claim, Read), StoreError> {
        let refuse = |excluded: Excluded| Ok((claim, Err(Box::new(excluded))));
        if let Some(refused) = refused(folder, claim, log, log_key) {
            return refuse(refused);
        }
        let files = match self.store.bundle_without(folder, &claim.id, &UNREAD).await {
            Ok(files) => files,
            Err(error) if error.cause == Cause::NotFound => {
                return refuse(claim.excluded(Exclusion::Missing, "the log names it, and it is not in the store"));
            }
            Err(error) => return Err(error),
        };
        let commit = claim.entry.as_ref().map(|entry| (entry.slot, entry.bytes.clone()));
        let (id, trust) = (claim.id, Trust::Key(self.key.clone()));
        let options = Options { cluster: Some(folder.to_owned()), ..Options::at(self.now) };
        let (scope, frameworks) = (self.scope.map(str::to_owned), self.frameworks.to_vec());
        let (asked, rules) = (Asked { scope, frameworks, pseudonyms: self.pseudonyms }, Arc::clone(self.rules));
        // Hashing, canonical forms and tables: work for a thread of its own, beside the next bundle's.
        let judged = tokio::task::spawn_blocking(move || {
            let log = LogFiles::of(commit);
            let (verification, verified) = verify::bundle(&id.short(12), files, &log, &trust, &options);
            match verified {
                Some(verified) => {
                    let facts = Facts::of(verified, &rules, &asked);
                    facts.map(Box::new).map_err(Refusal::Unreadable)
                }
                None => Err(Refusal::Unverified(Box::new(verification))),
            }
        });
        match judged.await {
            Ok(Ok(facts)) => Ok((claim, Ok(facts))),
            Ok(Err(Refusal::Unreadable(reason))) => refuse(claim.excluded(Exclusion::Unreadable, reason)),
            Ok(Err(Refusal::Unverified(verification))) => refuse(unverified(claim, &verification)),
            Err(_) => refuse(claim.excluded(Exclusion::Unreadable, "reading it ended in a panic")),
        }
    }
}

/// Facts of one bundle on their way into the builder, on a thread of their own, while the next bundles are read.
enum Adding<'c> {
    Idle(Box<Builder>),
    Busy(&'c Claim, JoinHandle<(Box<Builder>, Result<(), TableError>)>),
}

impl<'c> Adding<'c> {
    fn begin(mut builder: Box<Builder>, claim: &'c Claim, facts: Box<Facts>) -> Self {
        let adding = tokio::task::spawn_blocking(move || {
            let added = builder.add(*facts);
            (builder, added)
        });
        Self::Busy(claim, adding)
    }

    /// The builder with what was added, or with why the bundle is not used.
    async fn end(self) -> (Box<Builder>, Option<Excluded>) {
        match self {
            Self::Idle(builder) => (builder, None),
            Self::Busy(claim, adding) => {
                let ended = adding.await;
                let (builder, added) = ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
                (builder, added.err().map(|error| claim.excluded(Exclusion::Unreadable, error.to_string())))
            }
        }
    }
}

/// The log's key, as the newest signed statement of this cluster names it.
fn log_key(claims: &[Claim], folder: &str) -> Option<VerifyingKey> {
    let signed = claims.iter().rev().filter(|claim| claim.signed).filter_map(|claim| claim.statement.as_ref());
    let own = signed.map(|statement| &statement.predicate).find(|predicate| predicate.cluster.folder == folder)?;
    VerifyingKey::parse(&own.log.public_key, "the statement's log key").ok()
}

/// What the envelope and the log show already.
fn refused(folder: &str, claim: &Claim, log: &Log, log_key: Option<&VerifyingKey>) -> Option<Excluded> {
    // Without an envelope the files, as far as there are any, say what is wrong.
    let envelope = claim.envelope.as_ref()?;
    if envelope.id() != claim.id {
        let reason = format!("{}: its folder is named for another envelope", envelope::FILE);
        return Some(claim.excluded(Exclusion::Tampered, reason));
    }
    let predicate = claim.statement.as_ref().filter(|_| claim.signed).map(|statement| &statement.predicate)?;
    if predicate.cluster.folder != folder {
        let reason = format!("evidence of cluster '{}' in the folder of '{folder}'", predicate.cluster.folder);
        return Some(claim.excluded(Exclusion::AnotherCluster, reason));
    }
    let named = VerifyingKey::parse(&predicate.log.public_key, "the statement's log key").ok();
    if named.as_ref() != log_key {
        return Some(claim.excluded(Exclusion::Untrusted, "names another log key than the newest run"));
    }
    match &claim.entry {
        None => {
            let reason = "not in the log: its run was never committed, or its entry was removed";
            Some(claim.excluded(Exclusion::NotInLog, reason))
        }
        Some(entry) => log.refuses(entry).map(|reason| claim.excluded(Exclusion::Tampered, reason)),
    }
}

enum Refusal {
    Unverified(Box<Verification>),
    Unreadable(String),
}

fn unverified(claim: &Claim, verification: &Verification) -> Excluded {
    let worst = verification.steps.iter().find(|step| !step.ok && step.result == verification.result);
    let reason =
        worst.map_or_else(|| "it does not verify".to_owned(), |step| format!("{}: {}", step.subject, step.detail));
    let kind = match verification.result {
        Verdict::Tampered => Exclusion::Tampered,
        Verdict::Untrusted => Exclusion::Untrusted,
        Verdict::Incomplete | Verdict::Stale | Verdict::Verified => Exclusion::NotInLog,
    };
    claim.excluded(kind, reason)
}

/// The bundles of the period, in the order of the log. What cannot prove when it was counts where it claims to be of
/// the period, and where its neighbours leave room for that: nobody moves a bundle out of the period by breaking it.
fn within(claims: &[Claim], span: Span) -> Vec<&Claim> {
    let claimed = |claim: &Claim| claim.finished().is_some_and(|at| span.holds(at));
    let by_neighbours = |at: usize| {
        let before = claims[..at].iter().rev().find_map(Claim::proved_finished);
        let after = claims[at + 1..].iter().find_map(Claim::proved_finished);
        before.is_none_or(|before| before < span.end) && after.is_none_or(|after| span.start <= after)
    };
    let is_of_it = |at: usize, claim: &Claim| match claim.proved_finished() {
        Some(finished) => span.holds(finished),
        None => claimed(claim) || by_neighbours(at),
    };
    claims.iter().enumerate().filter(|(at, claim)| is_of_it(*at, claim)).map(|(_, claim)| claim).collect()
}

/// Bundles that stand between those of the period in the log and say that they are of another time.
fn misplaced(claims: &[Claim], span: Span) -> Vec<Excluded> {
    let ended = |claim: &Claim| Some((claim.entry.as_ref()?.index?, claim.proved_finished()?));
    let logged: Vec<(&Claim, u64, DateTime<Utc>)> =
        claims.iter().filter_map(|claim| ended(claim).map(|(index, at)| (claim, index, at))).collect();
    let inside = || logged.iter().filter(|(_, _, at)| span.holds(*at)).map(|(_, index, _)| *index);
    let (Some(first), Some(last)) = (inside().min(), inside().max()) else { return Vec::new() };
    let between = logged.iter().filter(|(_, index, at)| (first..last).contains(index) && !span.holds(*at));
    let excluded = between.map(|(claim, _, at)| {
        let ended = rfc3339(*at);
        let reason = format!("stands between entries of this period in the log, and says that it ended {ended}");
        claim.excluded(Exclusion::AnotherTime, reason)
    });
    excluded.collect()
}
