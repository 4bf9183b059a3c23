//! What every column of every table says, in one line each: the first sheet that a reader needs.

use chrono::{DateTime, NaiveDate};

use super::{
    BUILDERS, Column, Table, Values,
    cells::{table, text},
};
use crate::period::model::{Filter, Period};

/// Columns that mean the same in every table that has them.
const EVERYWHERE: &[(&str, &str)] = &[
    ("cluster", "The cluster's folder in the store: its name and the first digits of its uid."),
    ("framework", "Id of the framework (pci-dss)."),
    ("requirement", "Id of the requirement within its framework."),
    (
        "run",
        "Number of the run: its place in the log among the runs of the package, from 0. The sheet Runs has its times.",
    ),
    ("severity", "critical, high, medium, low or info."),
    ("namespace", "Namespace of the object; empty for what has none."),
    ("kind", "Kind of the object (Deployment, ServiceAccount)."),
    ("name", "Name of the object."),
    ("owner", "Team that answers for it, as owners.yaml says; empty where nobody is named."),
    ("log_index", "Place of the run's entry in the cluster's log."),
    ("bundle", "The bundle's name in the store: SHA-256 of what its signature is over."),
    ("pass", "Places where a check looked and found nothing to say."),
    ("not_evaluated", "Places where a check could not decide."),
    ("manual", "Places that a person must judge."),
    ("not_applicable", "Checks that had nothing to look at."),
    ("managements_response", "Empty: for the response of those who answer for it."),
    ("evidence", "Objects that show it: name, run and digest. data/evidence holds the text with that digest."),
    ("audit_trails", "The audit trails that name its writers, cited like evidence; none where only field managers do."),
];

/// Columns by table and name.
const OF_ONE: &[(&str, &[(&str, &str)])] = &[
    (
        "remarks",
        &[
            ("kind", "What kind of remark it is."),
            ("text", "What to know before the numbers, in one sentence."),
            ("runs", "Numbers of the runs that it is about; empty where it is about all of them or none."),
        ],
    ),
    (
        "requirements",
        &[
            ("title", "What the requirement asks, in our own sentence."),
            ("section", "The framework's heading above it."),
            ("level", "The framework's level of it (1, required)."),
            (
                "coverage",
                "How much of it a cluster can answer: automated (checks alone), partial (a person adds the rest) or manual (a person).",
            ),
            ("periodicity", "How often it is to be shown, as the framework's file says."),
            ("note", "What a person must show beside the checks, or in their place."),
            ("company_control", "The company's own id of the control, as of the newest run."),
            (
                "operation",
                "In how many runs it held, and the longest time without a run that decided it; empty where people alone answer.",
            ),
            ("runs", "Runs that evaluated it or tried to."),
            ("without_exception", "Of those, runs in which deciding checks looked at something and none failed."),
            ("with_exception", "Of those, runs in which a deciding check failed, waived or not."),
            ("not_evaluated", "Of those, runs in which it could not be decided."),
            ("nothing_to_look_at", "Of those, runs in which its deciding checks had nothing to look at."),
            ("inherited", "Of those, runs in which only a provider's document spoke."),
            (
                "attested_alone",
                "Of those, runs in which people attested it and its checks saw nothing that passed or failed.",
            ),
            ("longest_unobserved_seconds", "The longest time in the period without a run that decided it, in seconds."),
            ("longest_unobserved_days", "The same in days, to the nearest."),
            ("last_status", "What the last run of the period said of it."),
            ("last_reason", "Why the last run said so."),
            ("exceptions", "How many exceptions count against it."),
            ("exception_ids", "Ids of those exceptions, worst first; the sheet Exceptions has them."),
            ("decided_by", "Ids of the checks that decide it."),
        ],
    ),
    (
        "statuses",
        &[
            ("observed", "When the run ended its collection."),
            ("status", "What the run said of the requirement; empty where it did not evaluate it."),
            ("reason", "Why it said so."),
            (
                "results",
                "The file of the package that holds the run's own words, whose digest its manifest names; empty where there is none.",
            ),
        ],
    ),
    (
        "exceptions",
        &[
            ("id", "Id of the exception, unique within its cluster (X-0001); every document uses it."),
            ("severity", "Severity on the last run that saw it: critical, high, medium, low or info."),
            ("title", "What the check expects."),
            ("container", "Container within the object, where the check looks at containers."),
            ("message", "What was found, in one sentence, as of the last run that saw it."),
            ("state", "How it stood at the end of the period: open, repaired, ended by rules, or not seen since."),
            ("first_seen", "The first run of the period that saw it."),
            ("last_seen", "The last run of the period that saw it."),
            ("seen_in", "In how many runs it was seen."),
            ("not_seen_in", "How many runs between its beginning and its end could not tell."),
            ("began_after", "The last run that saw it not there; empty where no run of the period did."),
            ("began_by", "The first run that saw it: it began between the two."),
            (
                "began_because",
                "Why it began, as far as the runs show it: before-period, object-changed, object-came-or-went, \
                 related-object, rules-changed, object-and-rules, not-seen-before or time-passed.",
            ),
            ("ended_after", "The last run that saw it; empty where no run saw it gone."),
            ("ended_by", "The first run that saw it gone: it ended between the two."),
            ("ended_because", "Why it ended, in the same words, or why no run can see whether it did."),
            ("repaired", "Whether a change of the cluster ended it. A change of rules is no repair."),
            ("at_least_seconds", "How long it stood at least, in seconds: from the first run that saw it to the last."),
            ("at_least_days", "The same in days, to the nearest."),
            (
                "at_most_seconds",
                "How long it stood at most, in seconds: from the run before the first to the run after the last.",
            ),
            ("at_most_days", "The same in days, to the nearest."),
            (
                "waivers",
                "Waivers that accepted it, with their days and the runs on which they did. A waiver does not end it.",
            ),
            (
                "written_by",
                "Writes to the object between the runs before and after its beginning: by client program, or by user where an audit log was read.",
            ),
            (
                "repaired_by",
                "The same between the runs before and after its end, where a change of the cluster ended it.",
            ),
            ("decides", "Requirements that its check decides, as framework/id: it counts as an exception to them."),
            ("supports", "Requirements that its check supports: they are decided by others, and should know of it."),
            ("check", "Id of the check."),
            ("place", "Where in the object, list items by name."),
            ("observed", "The value that was found, where there is one."),
            ("expected", "What was expected in its place."),
            ("finding", "Identity of the finding over all runs, before and after this period."),
            (
                "evidence_after",
                "The object, and what else of its evidence had changed, as the first run without the failure saw it; \
                 empty where it is gone or the failure goes on.",
            ),
        ],
    ),
    (
        "repair-times",
        &[
            ("repaired", "Exceptions that a change of the cluster ended."),
            (
                "unbounded",
                "Of those, how many the first run of the period saw already: how long they stood before is not known.",
            ),
            ("begun_before_at_least_seconds", "The longest that one of those stood within the period, in seconds."),
            ("begun_before_at_least_days", "The same in days, to the nearest."),
            (
                "begun_within_at_least_seconds",
                "Of those that began in the period, how long the longest stood at least, in seconds.",
            ),
            ("begun_within_at_least_days", "The same in days, to the nearest."),
            ("begun_within_at_most_seconds", "How long the same one stood at most, in seconds."),
            ("begun_within_at_most_days", "The same in days, to the nearest."),
            ("open", "Exceptions that the last run of the period still saw."),
            ("open_waived", "Of those, exceptions under a waiver on that run."),
            ("not_seen_since", "Exceptions whose object could not be looked at any more."),
            (
                "ended_by_rules",
                "Exceptions that ended because rules or declarations changed, or time passed: no repair.",
            ),
            ("oldest_open_since", "The first run that saw the oldest of the open ones."),
        ],
    ),
    (
        "runs",
        &[
            ("scheduled", "When the schedule wanted the run, where it says so."),
            ("started", "Its first request, by the machine's own clock."),
            ("finished", "The end of its collection, by the machine's own clock."),
            ("result", "complete, partial (some lists were not answered) or failed (the cluster could not be read)."),
            ("reason", "Why it is partial or failed."),
            ("complete", "Whether every list that it asked for was answered."),
            ("not_seen", "Lists that were not answered, with what the server said."),
            ("not_asked", "How many lists it left out by configuration."),
            ("fail", "Places where a check failed."),
            ("source_kind", "Where its objects come from: cluster, recorded, manifests or bundle."),
            ("source", "Name of that source."),
            ("caller", "Who asked the API server."),
            ("kubernetes", "Version of the API server."),
            ("tool_version", "Version of kubeproof."),
            ("frameworks", "Frameworks that it evaluated, with their versions."),
            ("manifest", "SHA-256 of the bundle's manifest, which its statement signs."),
            ("evidence_root", "SHA-256 of the manifest without the run's documents: the run's own PDF prints it."),
            ("rules", "Digest of everything that decided: checks, frameworks and declarations."),
            ("redaction_key", "Id of the key behind redacted values: values under two keys cannot be compared."),
        ],
    ),
    (
        "cadence",
        &[
            (
                "what",
                "schedule, missed run, unscheduled run, partial run, longest gap, longer than allowed (a gap without a run \
                 that a framework does not allow), or undecided for longer (there were runs, and none decided these \
                 requirements).",
            ),
            ("from", "When it was due, was, or began."),
            ("to", "When it ended; empty for what has no length."),
            ("seconds", "How long it was, in seconds."),
            ("days", "The same in days, to the nearest."),
            ("allowed_seconds", "How long it may be, in seconds, by the rows in the last column."),
            ("allowed_days", "The same in days, to the nearest."),
            ("detail", "What is known of it; of a missed run its cause, or that none is recorded."),
            ("requirements", "Requirements that ask for runs this often, as framework/id."),
        ],
    ),
    (
        "control-totals",
        &[
            ("finished", "The end of the run's collection."),
            ("source", "Objects that the lists of the source returned."),
            ("own", "Objects of the snapshot that no list returned."),
            ("snapshot", "Objects in the bundle's snapshot: the sum of the two before."),
            ("fail", "Failures, as the evaluation counts them."),
            ("failures", "Failures, as rows of the bundle's table of findings."),
            ("exceptions", "Of those, failures that are exceptions of this package."),
            ("expected", "Of those, failures that are expected of the system (expected.yaml) and no exceptions."),
            ("left_out", "Of those, failures outside of the scope or the frameworks of this package."),
            ("findings", "All rows of the bundle's table of findings."),
            ("agree", "Whether all of these counts agree."),
            ("differences", "Which of them do not, and why."),
        ],
    ),
    (
        "resource-totals",
        &[
            ("resource", "Name of the resource, with its API group (deployments.apps)."),
            ("source", "Objects that its list returned on the newest run."),
            ("snapshot", "Objects of it in the snapshot."),
            ("answered", "Whether the list was answered."),
            ("not_seen", "Why it was not."),
        ],
    ),
    (
        "population",
        &[
            ("class", "namespace, node, workload, image or subject."),
            ("name", "Its name; of an image, as workloads write it."),
            ("first_run", "Number of the first run that saw it."),
            ("first_seen", "When that run ended its collection."),
            ("last_run", "Number of the last run that saw it."),
            ("last_seen", "When that run ended its collection."),
            ("runs", "In how many runs it was seen."),
            ("still_there", "Whether the last run of the period saw it."),
        ],
    ),
    (
        "privileged-access",
        &[
            ("kind", "User, Group or ServiceAccount."),
            ("namespace", "Namespace of a service account."),
            ("subject", "Who holds the power."),
            ("rank", "How far the power leads: 0 is the worst."),
            ("power", "What it makes possible (read Secrets)."),
            ("place", "Namespace in which it holds; empty for the whole cluster."),
            ("through", "The binding and the role that give it."),
            ("first_seen", "The first run of the period that saw it held."),
            ("last_seen", "The last run that did."),
            (
                "gained_after",
                "The last run that saw it not held; empty where the first run of the period saw it already.",
            ),
            ("gained_by", "The first run that saw it held: it was gained between the two."),
            (
                "given_by",
                "Writes to the binding before that run: by client program, or by user where an audit log was read.",
            ),
            ("binding_created", "When the binding was made, as it says itself."),
            ("lost_after", "The last run that saw it held; empty where no run saw it gone."),
            ("lost_by", "The first run that saw it gone: it was lost between the two."),
            ("taken_by", "Writes to the binding between the two, as in given_by."),
            (
                "evidence_after",
                "The binding as the first run without the power saw it; empty where it is gone or the power is held.",
            ),
        ],
    ),
    (
        "scopes",
        &[
            ("scope", "Id of the scope in scope.yaml; of several declarations that are one scope, joined by +."),
            ("first", "The first of successive runs that saw the same in it."),
            ("last", "The last of them. Between two rows of a scope it changed, or a run had no such declaration."),
            ("namespaces", "Namespaces in it as these runs saw them."),
            ("connected", "Namespaces that are not in it and declared as connected to it: they count for it as well."),
            ("nodes", "Nodes in it."),
            ("components", "Pods of the control plane, which serves every scope."),
            ("left_out", "What the declaration leaves out by name, with its reason."),
            ("declared_by", "Who declared it."),
            ("declared_on", "When."),
        ],
    ),
    (
        "scope-changes",
        &[
            (
                "what",
                "What changed: a cluster, a version, a framework, checks, a declared file, a caller, a namespace or a node.",
            ),
            ("name", "Its name."),
            ("after", "The last run that saw it otherwise."),
            ("by", "The first run that saw the change: it happened between the two."),
            ("before", "Its value before; empty where it was not there."),
            ("now", "Its value after; empty where it is gone."),
        ],
    ),
    (
        "declarations",
        &[
            ("kind", "waiver, attestation or provider (a provider's document)."),
            ("id", "Its id in the file that declares it."),
            ("since", "A waiver's first day, or the day of an attestation or a document."),
            ("until", "Its last day, by the newest run that knew it; empty for what has none."),
            ("expired_after", "Its last day, where that passed before the end of the period."),
            ("last_state", "What the last run that names it says of it (in force, ends soon, expired, unmatched)."),
            (
                "last_named",
                "When that run ended its collection: before the last run of the period, it was withdrawn or replaced.",
            ),
            ("states", "What every run says of it."),
            ("note", "What it says, with who approved or signed it, as written: nobody verified the identity."),
            ("applies_to", "Findings or requirements that it applied to on its last run."),
            ("exceptions", "Ids of the exceptions that stood under a waiver."),
            ("files", "Files that it points at, with their digests and where they lie in the package."),
        ],
    ),
    (
        "excluded",
        &[
            ("log_index", "Place of its entry in the cluster's log; empty where it has none."),
            ("claimed_finished", "The end of its collection, as its unproved statement says."),
            ("kind", "What kind of defect it has."),
            ("reason", "What is wrong, with the file."),
        ],
    ),
];

/// What a column of a table says.
fn about(table: &str, column: &str) -> Option<&'static str> {
    let own = OF_ONE.iter().filter(|(name, _)| *name == table).flat_map(|(_, columns)| columns.iter());
    own.chain(EVERYWHERE).find(|(name, _)| *name == column).map(|(_, about)| *about)
}

/// Name of the table.
pub(in crate::period::documents) const COLUMNS: &str = "columns";

/// A column of one of the other tables.
struct Entry {
    sheet: &'static str,
    table: &'static str,
    title: &'static str,
    column: &'static str,
    form: &'static str,
}

/// One row a column of every other table.
pub(super) fn columns(_: &Period) -> Table<'_> {
    table::<Entry>(
        (COLUMNS, "Columns", "What every column of the other sheets says: one row a column."),
        entries().into_iter(),
        vec![
            text("sheet", "Sheet", 20, |e| Some(e.sheet.to_owned())),
            text("title", "Column", 34, |e| Some(e.title.to_owned())),
            text("about", "What it says", 100, |e| about(e.table, e.column).map(str::to_owned)),
            text("form", "Form", 16, |e| Some(e.form.to_owned())),
            text("table", "Table, as CSV and Parquet", 20, |e| Some(e.table.to_owned())),
            text("column", "Column there", 34, |e| Some(e.column.to_owned())),
        ],
    )
}

/// The other tables have the same columns whatever they hold: those of an empty period are the cheapest.
fn entries() -> Vec<Entry> {
    let empty = Period {
        schema: String::new(),
        from: NaiveDate::default(),
        to: NaiveDate::default(),
        made: DateTime::UNIX_EPOCH,
        tool_version: String::new(),
        confidentiality: None,
        key: String::new(),
        stores: Vec::new(),
        filter: Filter::default(),
        frameworks: Vec::new(),
        clusters: Vec::new(),
        comparison: None,
    };
    let of = |table: Table<'_>| -> Vec<Entry> {
        let entry = |column: &Column<'_>| Entry {
            sheet: table.title,
            table: table.name,
            title: column.title,
            column: column.name,
            form: form(&(column.values)(0..0)),
        };
        table.columns.iter().map(entry).collect()
    };
    BUILDERS.into_iter().flat_map(|build| of(build(&empty))).collect()
}

fn form(values: &Values) -> &'static str {
    match values {
        Values::Text(_) => "text",
        Values::Number(_) => "whole number",
        Values::Date(_) => "day",
        Values::Time(_) => "moment in UTC",
        Values::Switch(_) => "true or false",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_is_explained_and_nothing_else_is() {
        let entries = entries();
        assert!(entries.len() > 150, "{} columns", entries.len());
        for entry in &entries {
            let about = about(entry.table, entry.column);
            assert!(about.is_some_and(|text| text.ends_with('.')), "{} of {}", entry.column, entry.table);
        }
        for (table, columns) in OF_ONE {
            for (column, _) in *columns {
                assert!(
                    entries.iter().any(|entry| entry.table == *table && entry.column == *column),
                    "{table} has no column {column}"
                );
            }
        }
        for (column, _) in EVERYWHERE {
            assert!(entries.iter().any(|entry| entry.column == *column), "no table has a column {column}");
        }
    }
}
