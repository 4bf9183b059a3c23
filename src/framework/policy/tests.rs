use std::collections::BTreeMap;

use super::*;
use crate::framework::{Library, RuleFiles, embedded};

fn rendered(text: &str) -> Result<Rendered, Unrenderable> {
    let files = RuleFiles::from([("checks/x.yaml".to_string(), text.as_bytes().to_vec())]);
    let library = Library::load(&files).unwrap_or_else(|errors| panic!("{errors:?}"));
    let check = library.check("x").unwrap();
    render(check, &check.policy(None, &BTreeMap::new()), &[Action::Deny].into(), &[])
}

/// Expression and message of a check with these lines.
fn texts(lines: &str) -> (String, String) {
    let check = format!(
        "id: x\ntitle: T\nseverity: low\nexpected: e\nwhy: w\nremediation: r\n{lines}\n{}",
        if lines.contains("message:") { "" } else { "message: m" }
    );
    let rendered = rendered(&check).unwrap();
    let validation = &rendered.policy.spec.validations[0];
    let flat = |text: &str| text.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    (flat(&validation.expression.0), validation.message_expression.as_ref().map_or_else(String::new, |m| flat(&m.0)))
}

#[test]
fn pass_is_copied_into_the_walk() {
    let container = "on: pod\neach: {container: containers}\n";
    for (lines, expression) in [
        (
            format!("{container}field: container.securityContext.privileged\npass: \"!value.orValue(false)\""),
            "variables.containers.all(container, \
             [container.?securityContext.?privileged].all(value, !value.orValue(false)) )",
        ),
        (
            format!("{container}field: 'container.securityContext.capabilities.add[*]'\npass: value == 'KILL'"),
            "variables.containers.all(container, \
             container.?securityContext.?capabilities.?add.orValue([]).all(value, value == 'KILL') )",
        ),
        (
            format!("{container}field: 'container.ports[*].hostPort'\npass: value.orValue(0) == 0"),
            "variables.containers.all(container, container.?ports.orValue([]).all(item0, \
             [item0.?hostPort].all(value, value.orValue(0) == 0) ) )",
        ),
        (
            format!("{container}field: [pod.hostIPC, container.tty]\npass: '!value.orValue(false)'"),
            "([variables.pod.?hostIPC].all(value, !value.orValue(false))) && (variables.containers.all(container, \
             [container.?tty].all(value, !value.orValue(false)) ))",
        ),
        (
            format!("{container}when: container.name != 'x'\npass: has(container.image)"),
            "variables.containers.all(container, !(container.name != 'x') || (has(container.image)) )",
        ),
        (
            "on: v1/Namespace\nfield: object.metadata.labels['a.b/c']\nparams: {levels: [x], days: 3}\n\
             pass: value.orValue('') in params.levels"
                .into(),
            "[{'days': dyn(3), 'levels': dyn(['x'])}].all(params, \
             [object.?metadata.?labels[?'a.b/c']].all(value, value.orValue('') in params.levels) )",
        ),
        (
            "on: pod\nfield: podMeta.annotations['a.b/*']\npass: value != 'no' && size(podMeta) > 0".into(),
            "[variables.podMeta].all(podMeta, variables.podMeta.?annotations.orValue({}).all(key0, \
             !key0.matches('^a\\\\.b/(?s:.*)$') || [variables.podMeta.?annotations.orValue({})[key0]].all(value, \
             value != 'no' && size(podMeta) > 0) ) )",
        ),
        (
            "on: networking.k8s.io/v1/NetworkPolicy\nfield: ['object.spec.ingress', 'object.spec.egress']\n\
             pass: value.hasValue()"
                .into(),
            "([dyn(object).?spec.?ingress].all(value, value.hasValue())) && ([dyn(object).?spec.?egress].all(value, \
             value.hasValue()))",
        ),
        (
            "on: rbac.authorization.k8s.io/v1/Role\neach: {rule: object.rules}\nfield: rule.verbs\nabsent: []\n\
             pass: size(value.orValue([])) < 9"
                .into(),
            "object.?rules.optFlatMap(list, optional.ofNonZeroValue(list)).orValue([]).all(rule, [rule.?verbs.or(optional.of([]))].all(value, \
             size(value.orValue([])) < 9) )",
        ),
    ] {
        assert_eq!(texts(&lines).0, expression, "{lines}");
    }
}

#[test]
fn the_message_names_every_place_that_fails() {
    let (_, message) = texts(
        "on: pod\neach: {container: containers}\nfield: 'container.ports[*].hostPort'\nparams: {n: 0}\n\
         pass: value.orValue(0) == params.n\nmessage: \"{container.name} takes {value}, not {params.n}\"",
    );
    assert_eq!(
        message,
        "[{'n': 0}].map(params, variables.containers.map(container, container.?ports.orValue([]).map(item0, \
         [item0.?hostPort].filter(value, !(value.orValue(0) == params.n)).map(value, \
         container.?name.optMap(found, string(dyn(found))).orValue('unset') + ' takes ' \
         + value.optMap(found, string(dyn(found))).orValue('unset') + ', not ' + '0').join('; '))\
         .filter(text, text != '').join('; ')).filter(text, text != '').join('; '))[0]"
    );
    let lists = "on: v1/Service\npass: 'false'\nmessage: \"{object.spec.ports[*].port}\"";
    assert_eq!(texts(lists).1, "", "a list of values has no counterpart");
}

#[test]
fn what_admission_cannot_see_is_refused_with_the_reason() {
    let head = "id: x\ntitle: T\nseverity: low\nexpected: e\nmessage: m\nwhy: w\nremediation: r\n";
    let reason = |lines: &str| rendered(&format!("{head}{lines}")).unwrap_err();
    assert_eq!(reason("on: cluster\npass: 'true'"), Unrenderable::NoObject("cluster".into()));
    let related = "on: pod\nrelated: {accounts: {resource: serviceaccounts, by: namespace}}\npass: size(accounts) > 0";
    assert_eq!(reason(related), Unrenderable::Related("serviceaccounts".into()));
    let old = "on: v1/Namespace\npass: timestamp(now) > timestamp(object.metadata.creationTimestamp)";
    assert_eq!(reason(old), Unrenderable::Time);
    let addresses = "field: 'object.status.addresses[*]'\npass: value.type != 'ExternalIP'";
    for status in
        [addresses, "pass: size(object.?status.?addresses.orValue([])) == 0", "when: has(object.status)\npass: 'true'"]
    {
        assert_eq!(reason(&format!("on: v1/Node\n{status}")), Unrenderable::Status, "{status}");
    }
}

#[test]
fn every_check_on_pods_and_kinds_alone_is_rendered() {
    let library = Library::load(&embedded()).unwrap();
    let mut rendered = 0;
    for check in library.checks() {
        let policy = check.policy(None, &BTreeMap::new());
        match render(check, &policy, &[Action::Audit, Action::Warn].into(), &["kube-system".into()]) {
            Ok(_) => rendered += 1,
            Err(Unrenderable::NoObject(_)) => assert!(!check.on.is_admission(), "{}", check.id),
            Err(Unrenderable::Related(_)) => assert!(!check.related.is_empty(), "{}", check.id),
            Err(Unrenderable::Time | Unrenderable::Status) => assert!(check.on.is_admission(), "{}", check.id),
        }
    }
    assert!(rendered > 30, "only {rendered}");
}
