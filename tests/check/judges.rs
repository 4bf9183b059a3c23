//! Schemas that others wrote.

use super::{BROKEN, PRIVILEGED, check, folder};
use crate::harness::judges;

/// A name that no API server takes, and that a file may hold.
const HOSTILE: &str = "\"]]> <b>&amp; \\u202E \\x01 \\uFFFE `x` | %0A\\n::error::x\"";

#[test]
fn sarif_is_valid_by_its_schema() {
    let hostile = PRIVILEGED.replacen("cart", HOSTILE, 1);
    let user = folder(&[("a b/ü%.yaml", PRIVILEGED), ("h.yaml", &hostile), ("broken.yaml", BROKEN)]);
    let said = check(&user, &[".", "--format", "sarif"]).expect(2).stdout;
    let file = user.write("out.sarif", &said);
    judges::sarif(&file).unwrap();
    assert!(said.contains("a%20b/%C3%BC%25.yaml"), "{said}");
    user.write("out.sarif", &said.replacen("\"error\"", "\"terrible\"", 1));
    judges::sarif(&file).unwrap_err();
    user.write("baseline.json", &check(&user, &["h.yaml", "--format", "json"]).expect(1).stdout);
    let said = check(&user, &[".", "--format", "sarif", "--baseline", "baseline.json"]).expect(2).stdout;
    judges::sarif(&user.write("again.sarif", &said)).unwrap();
}

#[test]
fn junit_is_valid_by_its_schema() {
    let hostile = PRIVILEGED.replacen("cart", HOSTILE, 1);
    let user = folder(&[("a.yaml", PRIVILEGED), ("h.yaml", &hostile), ("broken.yaml", BROKEN)]);
    for all in [&["."][..], &[".", "--all"]] {
        let said = check(&user, &[all, &["--format", "junit"]].concat()).expect(2).stdout;
        let file = user.write("out.xml", &said);
        judges::junit(&file).unwrap();
        user.write("out.xml", &said.replacen("classname", "class", 1));
        judges::junit(&file).unwrap_err();
    }
}
