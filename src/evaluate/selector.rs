//! Label selectors, with the API server's meaning: an empty LabelSelector selects everything, an empty map of labels (a
//! Service's) nothing.

use super::value::Node;

/// Whether a LabelSelector (`matchLabels`, `matchExpressions`) selects `labels`.
pub fn matches(selector: &Node, labels: &Node) -> bool {
    let equal = selector.get("matchLabels").map(Node::entries).unwrap_or_default();
    let expressions = selector.get("matchExpressions").map(Node::items).unwrap_or_default();
    equal.iter().all(|(key, value)| labels.get(key.inner()) == Some(value))
        && expressions.iter().all(|expression| holds(expression, labels))
}

/// Whether a plain map of labels (a Service's selector) selects `labels`.
pub fn matches_map(selector: &Node, labels: &Node) -> bool {
    let equal = selector.entries();
    !equal.is_empty() && equal.iter().all(|(key, value)| labels.get(key.inner()) == Some(value))
}

fn holds(expression: &Node, labels: &Node) -> bool {
    let key = expression.get("key").and_then(Node::as_str).unwrap_or_default();
    let label = labels.get(key);
    let listed = || expression.get("values").map(Node::items).unwrap_or_default().iter().any(|v| Some(v) == label);
    match expression.get("operator").and_then(Node::as_str) {
        Some("In") => label.is_some() && listed(),
        Some("NotIn") => label.is_none() || !listed(),
        Some("Exists") => label.is_some(),
        Some("DoesNotExist") => label.is_none(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn node(json: serde_json::Value) -> Node {
        Node::from(&json)
    }

    #[test]
    fn an_empty_selector_selects_all_and_an_empty_map_nothing() {
        let labels = node(json!({"app": "cart"}));
        assert!(matches(&node(json!({})), &labels) && matches(&node(json!({})), &node(json!({}))));
        assert!(!matches_map(&node(json!({})), &labels));
        assert!(matches_map(&node(json!({"app": "cart"})), &labels));
    }

    #[test]
    fn expressions_follow_the_api_server() {
        let labels = node(json!({"app": "cart"}));
        let expression = |operator: &str, key: &str, values: &[&str]| {
            node(json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]}))
        };
        for (selector, selects) in [
            (expression("In", "app", &["cart", "x"]), true),
            (expression("In", "app", &["x"]), false),
            (expression("In", "tier", &["x"]), false),
            (expression("NotIn", "app", &["cart"]), false),
            (expression("NotIn", "tier", &["x"]), true),
            (expression("Exists", "app", &[]), true),
            (expression("Exists", "tier", &[]), false),
            (expression("DoesNotExist", "tier", &[]), true),
            (expression("Unknown", "app", &[]), false),
        ] {
            assert_eq!(matches(&selector, &labels), selects, "{selector:?}");
        }
    }
}
