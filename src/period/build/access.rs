//! Subjects with powers that lead further: since when, until when, through which binding.

use std::collections::{BTreeMap, BTreeSet};

use super::seen::Objects;
use crate::{
    period::{
        facts::{Facts, PowerKey, SubjectKey},
        model::{Bounds, Cited, Power, PrivilegedSubject, RunNumber},
    },
    rbac::Risk,
};

/// Kinds whose lists say who may do what.
const RBAC: [&str; 4] = ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"];

/// Powers as far as runs were read.
#[derive(Default)]
pub(super) struct Access {
    held: BTreeMap<PowerKey, Power>,
    lost: Vec<(PowerKey, Power)>,
    /// The last run that saw all of the permissions.
    seen: Option<RunNumber>,
}

impl Access {
    pub(super) fn add(&mut self, facts: &Facts, run: RunNumber) {
        // Half a list of bindings would take powers away from people who still hold them.
        if facts.blind.kinds(&RBAC).is_some() {
            return;
        }
        for key in &facts.powers {
            match self.held.get_mut(key) {
                Some(power) => power.last = run,
                None => {
                    let power = power(key, run, self.seen, &facts.objects);
                    self.held.insert(key.clone(), power);
                }
            }
        }
        let gone: BTreeSet<PowerKey> = self.held.keys().filter(|key| !facts.powers.contains(*key)).cloned().collect();
        for key in gone {
            if let Some(mut power) = self.held.remove(&key) {
                power.lost = Some(Bounds { after: Some(power.last), by: run });
                power.evidence_after = cite(&key.binding, run, &facts.objects);
                self.lost.push((key, power));
            }
        }
        self.seen = Some(run);
    }

    /// Subjects, the worst power first.
    pub(super) fn finish(self) -> Vec<PrivilegedSubject> {
        let mut subjects: BTreeMap<SubjectKey, Vec<Power>> = BTreeMap::new();
        for (key, power) in self.held.into_iter().chain(self.lost) {
            subjects.entry(key.subject).or_default().push(power);
        }
        let mut all: Vec<PrivilegedSubject> = subjects
            .into_iter()
            .map(|((kind, namespace, name), mut powers)| {
                powers.sort();
                PrivilegedSubject { kind, namespace, name, powers }
            })
            .collect();
        let worst = |subject: &PrivilegedSubject| subject.powers.first().map_or(u8::MAX, |power| power.rank);
        all.sort_by(|a, b| (worst(a), &a.kind, &a.namespace, &a.name).cmp(&(worst(b), &b.kind, &b.namespace, &b.name)));
        all
    }
}

fn power(key: &PowerKey, run: RunNumber, seen: Option<RunNumber>, objects: &Objects) -> Power {
    Power {
        rank: rank(key.risk),
        power: key.risk.words().to_owned(),
        place: key.place.clone(),
        through: key.through.clone(),
        first: run,
        last: run,
        gained: seen.map(|after| Bounds { after: Some(after), by: run }),
        lost: None,
        given_by: Vec::new(),
        created: None,
        evidence: cite(&key.binding, run, objects),
        taken_by: Vec::new(),
        evidence_after: Vec::new(),
    }
}

fn cite(binding: &str, run: RunNumber, objects: &Objects) -> Vec<Cited> {
    let cited = objects.digest(binding).map(|digest| Cited { resource: binding.to_owned(), digest, run });
    cited.into_iter().collect()
}

fn rank(risk: Risk) -> u8 {
    match risk {
        Risk::Everything => 0,
        Risk::Escalate => 1,
        Risk::MintTokens => 2,
        Risk::SignCertificates => 3,
        Risk::ReadSecrets => 4,
        Risk::ReachKubelets => 5,
        Risk::EnterPods => 6,
        Risk::RunPods => 7,
        Risk::ChangeAdmission => 8,
        Risk::MakeVolumes => 9,
    }
}
