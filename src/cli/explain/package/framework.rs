//! One framework over the period: how many of its rows came to what, and those with exceptions.

use std::collections::BTreeMap;

use super::Question;
use crate::{
    cli::text::{Page, plural},
    period::model::{ClusterPeriod, Course, FrameworkPeriod, RequirementPeriod},
};

/// Rows with exceptions that are named.
const MOST_ROWS: usize = 40;

pub(super) fn describe(question: &Question<'_>, framework: &FrameworkPeriod, page: &mut Page) {
    page.heading(&format!("{}: {}", framework.id, framework.title));
    page.say("Versions", &framework.versions.join(", "));
    page.say("Scope", framework.scope.as_deref().unwrap_or_default());
    for cluster in &question.clusters {
        of_cluster(cluster, framework, page);
    }
    let mut rows = question.clusters.iter().flat_map(|cluster| &cluster.requirements);
    if let Some(row) = rows.find(|row| row.framework == framework.id) {
        page.gap();
        page.say("Next", &format!("kubeproof explain {} {}", row.full_id(), question.again));
    }
}

fn of_cluster(cluster: &ClusterPeriod, framework: &FrameworkPeriod, page: &mut Page) {
    let rows: Vec<&RequirementPeriod> =
        cluster.requirements.iter().filter(|row| row.framework == framework.id).collect();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for row in &rows {
        *counts.entry(words(Course::of(row))).or_default() += 1;
    }
    page.gap();
    page.say("Cluster", &format!("{}, {}", cluster.folder, plural(cluster.runs.len(), "run")));
    page.items("Rows", counts.into_iter().map(|(what, count)| format!("{count} {what}")));
    let with: Vec<&&RequirementPeriod> = rows.iter().filter(|row| Course::of(row) == Course::Exceptions).collect();
    let left = with.len().saturating_sub(MOST_ROWS);
    let line = |row: &&RequirementPeriod| {
        let said = row.effectiveness.as_ref().map_or("", |effect| effect.sentence.as_str());
        format!("{}: {said}", row.full_id())
    };
    let named = with.iter().take(MOST_ROWS).map(|row| line(row));
    let more = (left > 0).then(|| format!("and {left} more: data/documents/workbook.xlsx, sheet Requirements"));
    page.items("Exceptions", named.chain(more));
}

fn words(course: Course) -> &'static str {
    match course {
        Course::Exceptions => "with an exception in some run",
        Course::Undecided => "not decided in some run",
        Course::Clear => "without exception in any run",
        Course::InPart => "without exception, and a person adds the rest",
        Course::People => "on people and documents alone",
        Course::NotApplicable => "not applicable",
    }
}
