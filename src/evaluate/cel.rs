//! Expressions: the one module around the `cel` crate.
//!
//! The crate has no cost limit and no deadline. What a stranger's check can cost is bounded by the size of its file and
//! of each expression, by how deep loops may nest, and by the size of the objects; checks of a bundle are evaluated
//! only after the bundle was trusted.

use std::{
    cell::RefCell,
    collections::{BTreeSet, HashMap},
    sync::{Arc, LazyLock},
};

use cel::{
    Context, Env, ExecutionError, Program, Value,
    common::{
        types::{CelBool, CelOptional, CelString, DYN_TYPE, STRING_TYPE},
        value::{CowVal, Val},
    },
    context::VariableResolver,
};
use regex::Regex;
use serde_json::Value as Json;

use super::{
    references, selector,
    value::{Node, json_of, watching_unknowns},
};

/// Longest expression that is compiled: the crate has no cost limit, so a stranger's check is bounded by its size.
const MAX_EXPRESSION: usize = 4096;

/// The environment: the standard library, optionals, the string and list extensions, and our own functions. What an
/// expression may use of it is decided at load, by [`references::check`].
static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib().with_optional_support(true);
    let extended = [
        env.add_extension(cel::extensions::strings),
        env.add_extension(cel::extensions::lists),
        env.add_overload("matches", "matches", vec![STRING_TYPE, STRING_TYPE], matches),
        env.add_member_overload("matches", "string_matches", STRING_TYPE, vec![STRING_TYPE], matches),
        env.add_overload("selects", "selects_dyn_dyn", vec![DYN_TYPE, DYN_TYPE], selects),
        env.add_overload("modeWithin", "mode_within_dyn_dyn", vec![DYN_TYPE, DYN_TYPE], mode_within),
    ];
    assert!(extended.iter().all(Result::is_ok), "each name is declared once: {extended:?}");
    Arc::new(env)
});

/// A compiled expression.
#[derive(Debug, Clone)]
pub struct Expression {
    program: Arc<Program>,
    text: Arc<str>,
    names: BTreeSet<String>,
}

/// What an expression may refer to.
#[derive(Debug, Clone, Copy)]
pub struct Vocabulary<'a> {
    /// Variables.
    pub names: &'a BTreeSet<String>,
    /// Must stay within what every API server's admission understands.
    pub admission: bool,
}

/// Why an expression was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Character offset in the expression.
    pub offset: usize,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Expression {
    /// Compiles `text` and refuses what it must not refer to.
    ///
    /// # Errors
    /// What cannot be parsed, unknown names and functions, and forms that would silently say something else.
    pub fn compile(text: &str, vocabulary: Vocabulary<'_>) -> Result<Self, Refused> {
        if text.len() > MAX_EXPRESSION {
            let message = format!("the expression has {} bytes, more than {MAX_EXPRESSION}", text.len());
            return Err(Refused { offset: 0, message, hint: Some("split the check in two".into()) });
        }
        let program = ENVIRONMENT.compile(text).map_err(|errors| syntax_error(text, &errors))?;
        let names = references::check(&program, vocabulary)?;
        Ok(Self { program: Arc::new(program), text: text.into(), names })
    }

    /// The expression as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The expression refers to nothing but these names.
    pub fn only_mentions(&self, names: &[&str]) -> bool {
        self.names.iter().all(|name| names.contains(&name.as_str()))
    }

    /// The expression refers to this name.
    pub fn mentions(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Evaluates to a boolean.
    ///
    /// # Errors
    /// The error of the evaluation, or that the result is no boolean: never a verdict.
    pub fn test(&self, scope: &Scope<'_>) -> Result<bool, String> {
        self.evaluate(scope, |value| match value.downcast_ref::<CelBool>() {
            Some(bool) => Ok(*bool.inner()),
            None => Err(format!("'{}' gave {} instead of true or false", self.text, value.get_type().name())),
        })
    }

    /// Evaluates to JSON; `None` for an empty optional.
    ///
    /// # Errors
    /// The error of the evaluation.
    pub fn json(&self, scope: &Scope<'_>) -> Result<Option<Json>, String> {
        self.evaluate(scope, |value| Ok(json_of(value)))
    }

    fn evaluate<T>(&self, scope: &Scope<'_>, read: impl FnOnce(&dyn Val) -> Result<T, String>) -> Result<T, String> {
        let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
        context.set_variable_resolver(scope);
        let (result, unknown) = watching_unknowns(|| {
            let result = Value::resolve_val(self.program.expression(), &context);
            result
                .map_err(|error| format!("'{}': {}", self.text, describe(&error)))
                .and_then(|value| read(value.as_ref()))
        });
        unknown.map_or(result, |reason| Err(reason.to_string()))
    }
}

/// The crate's words without its debugging output.
fn describe(error: &ExecutionError) -> String {
    let text = error.to_string();
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

fn syntax_error(text: &str, errors: &cel::ParseErrors) -> Refused {
    let Some(error) = errors.errors.first() else {
        return Refused { offset: 0, message: "the expression cannot be read".into(), hint: None };
    };
    let (line, column) = (usize::try_from(error.pos.0).unwrap_or(1), usize::try_from(error.pos.1).unwrap_or(1));
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(|line| line.chars().count()).sum();
    let message = error.msg.lines().next().unwrap_or_default().trim_start_matches("Syntax error: ").to_string();
    Refused { offset: before + column.saturating_sub(1), message, hint: None }
}

/// The variables of one evaluation.
#[derive(Debug, Default)]
pub struct Scope<'a> {
    names: Vec<(&'a str, Bound<'a>)>,
}

#[derive(Debug)]
enum Bound<'a> {
    Node(&'a Node),
    Optional(CelOptional<'static>),
}

impl<'a> Scope<'a> {
    /// Binds a name; a later binding of the same name wins.
    pub fn bind(&mut self, name: &'a str, node: &'a Node) {
        self.names.push((name, Bound::Node(node)));
    }

    /// Binds a name to a field that may be absent.
    pub fn bind_optional(&mut self, name: &'a str, node: Option<&Node>) {
        let optional = node.map_or_else(CelOptional::none, |node| CelOptional::of(node.val().clone_as_boxed()));
        self.names.push((name, Bound::Optional(optional)));
    }

    /// The same names with another `value`, which is there.
    pub fn with_value(&self, value: &Node) -> Self {
        let nodes = self.names.iter().filter_map(|(name, bound)| match bound {
            Bound::Node(node) => Some((*name, Bound::Node(node))),
            Bound::Optional(_) => None,
        });
        let mut scope = Self { names: nodes.collect() };
        scope.bind_optional("value", Some(value));
        scope
    }

    /// How many bindings there are, for [`Scope::truncate`].
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// No bindings.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Drops the bindings after the first `len`.
    pub fn truncate(&mut self, len: usize) {
        self.names.truncate(len);
    }

    /// The value of a name, where it is bound and present.
    pub fn get(&self, name: &str) -> Option<&'a Node> {
        self.names.iter().rev().find(|(bound, _)| *bound == name).and_then(|(_, bound)| match bound {
            Bound::Node(node) => Some(*node),
            Bound::Optional(_) => None,
        })
    }
}

impl VariableResolver for Scope<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        self.names.iter().rev().find(|(bound, _)| *bound == variable).map(|(_, bound)| match bound {
            Bound::Node(node) => CowVal::Borrowed(node.reach().val()),
            Bound::Optional(optional) => CowVal::Borrowed(optional),
        })
    }
}

/// Patterns that a thread keeps compiled: the library's own are a few dozen.
const PATTERNS: usize = 256;

thread_local! {
    /// The crate's own `matches` compiles its pattern at every call, which costs more than all the rest of a check.
    static COMPILED: RefCell<HashMap<String, Regex>> = RefCell::default();
}

/// `text.matches(pattern)`: RE2 syntax, anywhere in the text.
fn matches<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let [text, pattern] = args.as_slice() else { return Err(ExecutionError::invalid_argument_count(2, args.len())) };
    let text_of =
        |value: &CowVal<'b, 'v>| value.as_ref().downcast_ref::<CelString<'_>>().map(|text| text.inner().to_owned());
    let (Some(text), Some(pattern)) = (text_of(text), text_of(pattern)) else {
        return Err(ExecutionError::function_error("matches", "both arguments are texts"));
    };
    let found = COMPILED.with_borrow_mut(|compiled| {
        if let Some(known) = compiled.get(&pattern) {
            return Ok(known.is_match(&text));
        }
        let regex = Regex::new(&pattern)?;
        let found = regex.is_match(&text);
        if compiled.len() >= PATTERNS {
            compiled.clear();
        }
        compiled.insert(pattern.clone(), regex);
        Ok(found)
    });
    found
        .map(|found| CowVal::owned(CelBool::from(found)))
        .map_err(|error: regex::Error| ExecutionError::function_error("matches", format!("'{pattern}': {error}")))
}

/// `selects(selector, labels)`: a label selector, with the API server's meaning.
fn selects<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let [selector, labels] = arguments("selects", &args)?;
    Ok(CowVal::owned(CelBool::from(selector::matches(&selector, &labels))))
}

/// `modeWithin(mode, '0600')`: no permission bit beyond the limit.
fn mode_within<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let [mode, limit] = arguments("modeWithin", &args)?;
    let bits = |node: &Node| match node {
        Node::Text(octal) => i64::from_str_radix(octal.inner(), 8).ok(),
        node => node.as_i64(),
    };
    match (bits(&mode), bits(&limit)) {
        (Some(mode), Some(limit)) => Ok(CowVal::owned(CelBool::from(mode & !limit == 0))),
        _ => Err(ExecutionError::function_error("modeWithin", "a mode is an integer or octal text such as '0600'")),
    }
}

fn arguments(function: &str, args: &[CowVal<'_, '_>]) -> Result<[Node; 2], ExecutionError> {
    let [a, b] = args else { return Err(ExecutionError::invalid_argument_count(2, args.len())) };
    let node = |value: &CowVal<'_, '_>| {
        json_of(value.as_ref())
            .map(|json| Node::from(&json))
            .ok_or_else(|| ExecutionError::function_error(function, "an argument is absent or not a JSON value"))
    };
    Ok([node(a)?, node(b)?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NAMES: [&str; 4] = ["object", "params", "value", "absent"];

    fn compile(text: &str, admission: bool) -> Result<Expression, Refused> {
        let names = NAMES.map(String::from).into();
        Expression::compile(text, Vocabulary { names: &names, admission })
    }

    fn value(text: &str) -> Result<Option<Json>, String> {
        let object = Node::from(&json!({
            "b": 1, "a": 2, "z": {"q": [1, 2]}, "big": 9_007_199_254_740_993_i64, "n": null, "kinds": ["x", "y"],
            "maps": [{"k": "v"}], "mode": "0644", "labels": {"app": "cart"},
        }));
        let mut scope = Scope::default();
        scope.bind("object", &object);
        scope.bind_optional("value", object.get("b"));
        scope.bind_optional("absent", None);
        compile(text, false).map_err(|refused| refused.message)?.json(&scope)
    }

    #[test]
    fn documents_are_ordered_and_integers_whole() {
        for (text, result) in [
            ("object.z.map(k, k)", json!(["q"])),
            ("object.map(k, k)", json!(["a", "b", "big", "kinds", "labels", "maps", "mode", "n", "z"])),
            ("object.big + 1", json!(9_007_199_254_740_994_i64)),
            ("object.a - 5", json!(-3)),
            ("type(object.a) == int && type(object.z) == map && type(object.kinds) == list", json!(true)),
            ("object.z.q == [1, 2] && object.z == {'q': [1, 2]} && object.maps == [{'k': 'v'}]", json!(true)),
            ("object.z.q == [2, 1] || object.z == {'q': []} || object.maps == [{'k': 'w'}]", json!(false)),
            ("object.z.q + [3] + object.z.q", json!([1, 2, 3, 1, 2])),
            ("object.z", json!({"q": [1, 2]})),
            ("{'b': object.b, 'a': [object.z]}", json!({"a": [{"q": [1, 2]}], "b": 1})),
            ("has(object.z.q) && !has(object.z.r) && 1 in object.z.q && 'q' in object.z", json!(true)),
            (
                "object.kinds.exists(k, k == 'y') && object.kinds.all(k, size(k) == 1) && size(object.z.q) == 2",
                json!(true),
            ),
            ("object.?nope.?deeper.orValue('none')", json!("none")),
            ("value.orValue(0) == 1 && value.hasValue() && !absent.hasValue()", json!(true)),
            ("object.kinds.join('-') + string(object.a)", json!("x-y2")),
            ("object.z.q.sort().reverse() == [2, 1]", json!(true)),
            ("object.?labels.?app.optMap(l, l + '!').orValue('')", json!("cart!")),
            ("object.n == null", json!(true)),
        ] {
            assert_eq!(value(text), Ok(Some(result)), "{text}");
        }
        assert_eq!(value("object.?nope"), Ok(None));
    }

    #[test]
    fn errors_are_errors_and_never_verdicts() {
        for text in ["object.nope", "object.z.q[7]", "object.b.c", "object.a + 'x'", "1 / 0", "object.kinds[-1]"] {
            assert!(value(text).is_err(), "{text}");
        }
        let scope = Scope::default();
        assert!(compile("1 + 1", true).unwrap().test(&scope).unwrap_err().contains("instead of true or false"));
        assert!(compile("object.a", true).unwrap().test(&scope).is_err());
    }

    #[test]
    fn our_own_functions() {
        for (text, result) in [
            ("modeWithin(object.mode, '0644') && modeWithin('0600', '0644') && modeWithin(384, '0600')", true),
            ("modeWithin(object.mode, '0600')", false),
            ("selects({'matchLabels': {'app': 'cart'}}, object.labels)", true),
            ("selects({'matchExpressions': [{'key': 'app', 'operator': 'DoesNotExist'}]}, object.labels)", false),
        ] {
            assert_eq!(value(text), Ok(Some(result.into())), "{text}");
        }
        assert!(value("modeWithin('rw', '0600')").is_err());
        assert!(value("selects(object.?none, object.labels)").is_err());
    }

    #[test]
    fn what_would_silently_say_something_else_is_refused() {
        for (text, at, message) in [
            ("[1, 2] == object.z.q", 7, "cannot stand on the left"),
            ("{'q': 1} != object.z", 9, "cannot stand on the left"),
            ("object.kinds.map(k, k) == object.kinds", 23, "cannot stand on the left"),
            ("[1, 'a'].size() == 2", 0, "mixes int and string"),
            ("{'a': 1, 'b': 'c'} in object.z", 0, "mixes int and string"),
            ("{'b': 1, 'a': 2}.map(k, k)", 0, "no order"),
            ("value && objct.a", 9, "unknown variable 'objct'"),
            ("object.a.sizee() == 1", 0, "unknown function 'sizee'"),
            ("cel.bind(x, 1, x)", 0, "unknown function 'cel.bind'"),
            ("math.greatest(1, 2) == 2", 0, "unknown function 'math.greatest'"),
            ("base64.encode(b'x') == 'y'", 0, "unknown function 'base64.encode'"),
            ("Pod{}", 0, "messages"),
            ("object.a ==", 11, ""),
            ("object.kinds.all(k, j)", 20, "unknown variable 'j'"),
            ("object.kinds.exists(k, true) && k", 32, "unknown variable 'k'"),
            ("[1].all(a, [1].all(b, [1].all(c, [1].all(d, [1].all(e, true)))))", 41, "nested deeper than 4"),
        ] {
            let refused = compile(text, false).unwrap_err();
            assert!(refused.message.contains(message), "{text}: {refused:?}");
            // A call is placed at its parenthesis or name, whichever the parser keeps.
            assert!(refused.offset.abs_diff(at) <= 16, "{text}: {refused:?}");
        }
        assert_eq!(compile("objct.a", true).unwrap_err().hint.as_deref(), Some("did you mean 'object'?"));
        assert_eq!(
            compile("object.startWith('a')", true).unwrap_err().hint.as_deref(),
            Some("did you mean 'startsWith'?")
        );
        assert!(compile(&"1 + ".repeat(2000), true).unwrap_err().message.contains("more than"));
        assert!(compile(&"(".repeat(2000), true).is_err());
    }

    #[test]
    fn admission_gets_only_what_every_api_server_knows() {
        for text in
            ["object.kinds.sort() == ['a']", "selects(object.a, object.b)", "object.kinds.distinct().size() == 1"]
        {
            assert!(compile(text, false).is_ok(), "{text}");
            assert!(compile(text, true).unwrap_err().message.contains("admission"), "{text}");
        }
    }
}
