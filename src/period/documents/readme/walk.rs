//! From a status to the byte that its run signed, with commands for one of this package.

use crate::{
    bundle::PREDICATE_TYPE,
    evaluate::Status,
    period::model::{ClusterPeriod, Period, RequirementPeriod, RunNumber},
};

/// The section, with the commands for a requirement that held where there is one.
pub(super) fn from_a_status(period: &Period) -> String {
    let title = "## Walk from a status to a signed byte\n\n";
    let Some(example) = Example::of(period) else {
        let why = match &period.filter.scope {
            Some(_) => "what is there of them counts more than its scope, or names what is outside of it",
            None => "the bundles of its runs hold none, or what they name is left out",
        };
        return format!(
            "{title}The statuses of the requirements are this package's word: it holds no results of its runs, because \
             {why}. A run's bundle holds what the run said, `data/evaluation.json`: `kubeproof get` fetches it.\n\n"
        );
    };
    format!(
        "{title}`data/period.json` lists the status of each requirement on every run (`statuses`). What the runs said \
         themselves, whether it held or not, lies in `data/evidence/CLUSTER/results/NNNN/FRAMEWORK.json`: each \
         requirement with its status, its reason and the number of places where its deciding checks failed and passed, and \
         the checks behind it; of a framework that is judged in a scope without these, since they are about the whole \
         cluster. NNNN is the number of the first run on which the file stood; `results` names the first and the last run \
         of each. The manifests of all of them name its digest as `data/results/FRAMEWORK.json`, their envelopes sign \
         the manifests, their entries in the log commit the envelopes. `kubeproof verify` holds every status against \
         these files, and says how many are proved by them and how many are this package's word.\n\n\
         These commands show what one run said of one requirement, in the package's folder, once the package is proved \
         as above. For another one change the four lines that name it: `runs` in `data/period.json` names the number and \
         the time of each run.\n\n```\n{}```\n\n",
        example.commands()
    )
}

/// A status that a run of the package said.
struct Example<'a> {
    cluster: &'a ClusterPeriod,
    row: &'a RequirementPeriod,
    run: RunNumber,
}

impl<'a> Example<'a> {
    /// The newest one that held; where none did, the newest of any kind.
    fn of(period: &'a Period) -> Option<Self> {
        let rows =
            || period.clusters.iter().flat_map(|cluster| cluster.requirements.iter().map(move |row| (cluster, row)));
        let newest = |(cluster, row): (&'a ClusterPeriod, &'a RequirementPeriod), wanted: &dyn Fn(Status) -> bool| {
            let is_it = |run: &&RunNumber| {
                row.status_on(**run).is_some_and(wanted) && cluster.results_of(&row.framework, **run).is_some()
            };
            let run = cluster.runs.iter().rev().map(|run| &run.number).find(is_it)?;
            Some(Self { cluster, row, run: *run })
        };
        let first = |wanted: &dyn Fn(Status) -> bool| rows().find_map(|row| newest(row, wanted));
        let held = [Status::Pass, Status::Partial].into_iter().find_map(|held| first(&|status| status == held));
        held.or_else(|| first(&|_| true))
    }

    /// One subshell, as the commands that prove the package.
    fn commands(&self) -> String {
        let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
        format!(
            "( set -euo pipefail; W=$(mktemp -d); trap 'rm -r \"$W\"' EXIT\n\
             CLUSTER={}\n\
             FRAMEWORK={}\n\
             REQUIREMENT={}\n\
             RUN={}\n\
             P=data/period.json; C=data/evidence/$CLUSTER; F=$FRAMEWORK.json; N=$(printf %04d $RUN)\n\
             M=$C/runs/$N/manifest-sha256.txt; E=$C/runs/$N/bundle.dsse.json\n\
             Q='.clusters[]|select(.folder==$c).results[]|select(.framework==$f)'\n\
             Q=\"$Q|select(.first<=\\$n and \\$n<=.last).first\"\n\
             A=$(jq --arg c $CLUSTER --arg f $FRAMEWORK --argjson n $RUN \"$Q\" $P)\n\
             R=$C/results/$(printf %04d $A)/$F\n\
             Q='.requirements[]|select(.id==$id)'\n\
             jq -e -c --arg id \"$REQUIREMENT\" \"$Q|{{id,status,reason,failures,waived,passed}}\" $R\n\
             Q=\"($Q|.decides+.supports) as \\$of|.checks[]|select(.id|IN(\\$of[]))\"\n\
             jq -c --arg id \"$REQUIREMENT\" \"$Q\" $R\n\
             D=$(sha256sum < $R | cut -c1-64)\n\
             grep -Fxq \"$D data/results/$F\" <(tr -s ' ' < $M)\n\
             jq -r .payload $E | base64 -d > $W/p; T=$(jq -r .payloadType $E)\n\
             test \"$(jq -r .predicateType $W/p)\" = {PREDICATE_TYPE}\n\
             S='[.subject[]|select(.name==\"manifest-sha256.txt\").digest.sha256]|join(\",\")'\n\
             test \"$(jq -r \"$S\" $W/p)\" = \"$(sha256sum < $M | cut -c1-64)\"\n\
             {{ printf 'DSSEv1 %d %s %d ' ${{#T}} \"$T\" $(wc -c < $W/p); cat $W/p; }} > $W/pae\n\
             jq -r '.signatures[0].sig' $E | base64 -d > $W/sig\n\
             jq -r .payload attest/bundle.dsse.json | base64 -d | jq -r .predicate.runKey > $W/key\n\
             openssl pkeyutl -verify -pubin -inkey $W/key -rawin -in $W/pae -sigfile $W/sig\n\
             echo \"SIGNED by run $N, $(jq -r .predicate.run.finished $W/p): $R\" )\n",
            quoted(&self.cluster.folder),
            quoted(&self.row.framework),
            quoted(&self.row.id),
            self.run,
        )
    }
}
