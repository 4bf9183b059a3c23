use std::collections::BTreeMap;

use polars::prelude::{DataFrame, DataType, ParquetReader, SerReader as _, TimeUnit, TimeZone};

use super::*;
use crate::{
    bundle::{Facts, KeySet, SignedBundle, seal},
    canonical,
    drift::{Cause, ChangeKind, PermissionChange, RuleChange, SightChange},
    evaluate::{self, Evaluation, RequirementResult, Status, samples},
    framework::RowCoverage,
    report::{self, HistoryLine},
};

const TABLES: [&str; 8] = ["findings", "grants", "images", "nodes", "objects", "requirements", "drift", "runs"];

fn evaluation() -> Evaluation {
    let requirement = RequirementResult {
        framework: "pss-baseline".into(),
        version: "1.37".into(),
        id: "privileged".into(),
        status: Status::NotEvaluated,
        coverage: RowCoverage::Automated,
        decides: vec!["a".into(), "b".into()],
        supports: vec![],
        reason: Some("refused".into()),
        failures: 3,
        waived: 1,
        passed: None,
        attestation: None,
        company_control: None,
        owner: Some("team-shop".into()),
    };
    Evaluation {
        engine: env!("CARGO_PKG_VERSION").into(),
        counts: evaluate::Counts { fail: 1, ..Default::default() },
        findings: vec![samples::finding("a", "Pod", Some("shop"), "x")],
        checks: vec![],
        requirements: vec![requirement],
        frameworks: vec![],
        declarations: vec![],
    }
}

fn drift() -> Drift {
    let gained = samples::grant("ServiceAccount", "shop", "ci", None);
    let permission = PermissionChange {
        subject: "ServiceAccount/shop/ci".into(),
        gained: vec![gained],
        lost: vec![],
        cause: Cause::Cluster,
        sensitive: true,
        summary: "ci: read secrets".into(),
        changed_by: vec![],
        more_writes: 0,
    };
    let rule = RuleChange { file: "checks/a.yaml".into(), change: ChangeKind::Changed };
    let list = SightChange { resource: "pods".into(), before: "seen".into(), after: "refused".into() };
    Drift { permissions: vec![permission], rules: vec![rule], sight: vec![list], ..Drift::default() }
}

fn bundle() -> SignedBundle {
    let (coverage, evaluation) = (samples::coverage(&[]), evaluation());
    let objects = vec![samples::namespace("shop", &[])];
    let grants = vec![samples::grant("ServiceAccount", "shop", "ci", None)];
    let mut files = snapshot::write(&samples::snapshot(objects, grants)).unwrap();
    let history = History::carry(None, HistoryLine::of(&evaluation, &coverage, None));
    files.extend([
        ("data/coverage.json".to_owned(), canonical::to_vec(&coverage).unwrap()),
        (EVALUATION.to_owned(), evaluate::stored::write(&evaluation).unwrap()),
        ("data/findings.parquet".to_owned(), report::findings_parquet(&evaluation).unwrap()),
        (DRIFT.to_owned(), canonical::to_vec(&drift()).unwrap()),
        (HISTORY.to_owned(), canonical::to_vec(&history).unwrap()),
    ]);
    let keys = KeySet::generate([[1; 32], [2; 32], [3; 32]]);
    let facts = Facts {
        coverage: &coverage,
        counts: evaluation.counts,
        environment: None,
        scheduled: None,
        failure: None,
        binary: None,
        log_key: keys.log.public(),
        baseline: None,
    };
    seal(files, facts, &keys.signing).unwrap()
}

fn made() -> (SignedBundle, BTreeMap<&'static str, DataFrame>) {
    let bundle = bundle();
    let source = Source { bundle: bundle.id, index: 7, predicate: &bundle.predicate, files: &bundle.files };
    let files = tables(&source).unwrap();
    assert_eq!(files.iter().map(|file| file.table).collect::<Vec<_>>(), TABLES);
    let read = |file: LakeFile| {
        let frame = ParquetReader::new(std::io::Cursor::new(file.bytes)).finish().unwrap();
        assert_eq!(frame.height() as u64, file.rows, "{}", file.table);
        (file.table, frame)
    };
    (bundle, files.into_iter().map(read).collect())
}

fn text(frame: &DataFrame, column: &str, row: usize) -> Option<String> {
    frame.column(column).unwrap().str().unwrap().get(row).map(str::to_owned)
}

#[test]
fn every_engine_has_the_types_and_no_column_repeats_a_partition() {
    let utc = DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC));
    for (table, frame) in made().1 {
        for column in frame.columns() {
            let known = [DataType::String, DataType::Int64, DataType::Boolean, utc.clone()];
            assert!(known.contains(column.dtype()), "{table}.{}: {}", column.name(), column.dtype());
            assert!(!["cluster", "date"].contains(&column.name().as_str()), "{table}");
        }
        let first: Vec<&str> = frame.columns()[..3].iter().map(|column| column.name().as_str()).collect();
        assert_eq!(first, ["bundle", "log_index", "finished"], "{table}");
    }
}

#[test]
fn every_row_names_its_bundle_and_the_run_its_evidence() {
    let (bundle, frames) = made();
    for (table, frame) in &frames {
        for row in 0..frame.height() {
            assert_eq!(text(frame, "bundle", row), Some(bundle.id.hex()), "{table}");
            assert_eq!(frame.column("log_index").unwrap().i64().unwrap().get(row), Some(7), "{table}");
        }
    }
    let runs = &frames["runs"];
    assert_eq!(text(runs, "evidence_root", 0), Some(bundle.predicate.evidence_root.hex()));
    let number = |column: &str| runs.column(column).unwrap().i64().unwrap().get(0);
    for (column, expected) in [("fail", 1), ("findings_rows", 1), ("drift_rows", 3), ("nodes_rows", 0)] {
        assert_eq!(number(column), Some(expected), "{column}");
    }
}

#[test]
fn objects_have_no_bodies() {
    let frames = made().1;
    let names: Vec<&str> = frames["objects"].columns().iter().map(|column| column.name().as_str()).collect();
    assert_eq!(names.join(" "), "bundle log_index finished group version kind resource namespace name uid digest");
}

#[test]
fn changes_of_every_part_stand_in_one_table() {
    let drift = &made().1["drift"];
    let rows: Vec<[Option<String>; 4]> = (0..drift.height())
        .map(|row| ["part", "change", "cause", "subject"].map(|column| text(drift, column, row)))
        .collect();
    let expected = [
        ["permissions", "gained", "cluster", "ServiceAccount/shop/ci"],
        ["rules", "changed", "rules", "checks/a.yaml"],
        ["sight", "changed", "sight", "pods"],
    ];
    assert_eq!(rows, expected.map(|row| row.map(|text| Some(text.to_owned()))));
    let detail: serde_json::Value = serde_json::from_str(&text(drift, "detail", 0).unwrap()).unwrap();
    assert_eq!(detail["gained"][0]["subjectName"], "ci");
}

#[test]
fn the_same_bundle_gives_the_same_bytes_and_a_broken_one_a_reason() {
    let bundle = bundle();
    let mut files = bundle.files.clone();
    let of = |files: &_| tables(&Source { bundle: bundle.id, index: 7, predicate: &bundle.predicate, files });
    let bytes = |files: &_| of(files).unwrap().into_iter().map(|file| file.bytes).collect::<Vec<_>>();
    assert_eq!(bytes(&files), bytes(&files));
    files.insert(DRIFT.into(), b"{}".as_slice().into());
    assert!(of(&files).err().unwrap().to_string().starts_with("data/drift.json: missing field"));
    files.remove("data/findings.parquet");
    assert_eq!(of(&files).err().unwrap().to_string(), "data/findings.parquet is missing");
}
