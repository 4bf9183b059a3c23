//! What an expression refers to, checked once at load: the crate has no type checker, and would find an unknown name
//! only on the object that first reaches it.

use std::collections::BTreeSet;

use cel::{
    IdedExpr, Program,
    common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, SourceInfo, operators},
};

use super::cel::{Refused, Vocabulary};
use crate::config::nearest;

/// Deepest nesting of loops: without a cost limit in the crate, it is what bounds an expression's work.
const MAX_LOOPS: usize = 4;

/// Functions that every API server's admission has.
const PORTABLE: &[&str] = &[
    "bool",
    "bytes",
    "charAt",
    "contains",
    "double",
    "duration",
    "dyn",
    "endsWith",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getFullYear",
    "getHours",
    "getMilliseconds",
    "getMinutes",
    "getMonth",
    "getSeconds",
    "hasValue",
    "indexOf",
    "int",
    "join",
    "lastIndexOf",
    "lowerAscii",
    "matches",
    "optional.none",
    "optional.of",
    "optional.ofNonZeroValue",
    "or",
    "orValue",
    "replace",
    "size",
    "split",
    "startsWith",
    "string",
    "substring",
    "timestamp",
    "trim",
    "type",
    "uint",
    "upperAscii",
    "value",
];

/// Functions for `observed`, and for checks that never render to admission: the list extension and our own.
const LOCAL: &[&str] =
    &["distinct", "flatten", "format", "lists.range", "modeWithin", "reverse", "selects", "slice", "sort"];

/// Names that look like functions and are expanded before evaluation; hints offer them too.
const MACROS: &[&str] =
    &["all", "exists", "exists_one", "existsOne", "filter", "has", "map", "optFlatMap", "optMap", "sortBy"];

/// Names that qualify functions in CEL; few of them are offered here.
const NAMESPACES: &[&str] = &["base64", "cel", "lists", "math", "optional", "sets", "strings"];

/// Names of types, which are values.
const TYPES: &[&str] = &["bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"];

/// Checks every reference and gives the variables that the expression mentions.
///
/// # Errors
/// The first thing that is unknown, or that would silently say something else.
pub fn check(program: &Program, vocabulary: Vocabulary<'_>) -> Result<BTreeSet<String>, Refused> {
    let (bound, names) = (Vec::new(), BTreeSet::new());
    let mut walk = Walk { vocabulary, source: program.source_info(), bound, loops: 0, names };
    walk.expression(program.expression())?;
    Ok(walk.names)
}

struct Walk<'a> {
    vocabulary: Vocabulary<'a>,
    source: &'a SourceInfo,
    bound: Vec<&'a str>,
    loops: usize,
    names: BTreeSet<String>,
}

impl<'a> Walk<'a> {
    fn refuse<T>(&self, at: &IdedExpr, message: String, hint: Option<String>) -> Result<T, Refused> {
        let offset = self.source.offset_for(at.id).map_or(0, |(start, _)| start as usize);
        Err(Refused { offset, message, hint })
    }

    fn expression(&mut self, expr: &'a IdedExpr) -> Result<(), Refused> {
        match &expr.expr {
            Expr::Ident(name) => self.name(expr, name),
            Expr::Select(select) => self.expression(&select.operand),
            Expr::Call(call) => self.call(expr, call),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            Expr::List(list) => {
                self.one_type(expr, list.elements.iter().filter_map(literal_type))?;
                list.elements.iter().try_for_each(|element| self.expression(element))
            }
            Expr::Map(map) => {
                let entries = || {
                    map.entries.iter().filter_map(|entry| match &entry.expr {
                        EntryExpr::MapEntry(entry) => Some(entry),
                        EntryExpr::StructField(_) => None,
                    })
                };
                self.one_type(expr, entries().filter_map(|entry| literal_type(&entry.key)))?;
                self.one_type(expr, entries().filter_map(|entry| literal_type(&entry.value)))?;
                entries().try_for_each(|entry| {
                    self.expression(&entry.key)?;
                    self.expression(&entry.value)
                })
            }
            Expr::Struct(message) => {
                self.refuse(expr, format!("messages such as '{}{{}}' do not exist here", message.type_name), None)
            }
            Expr::Literal(_) | Expr::Unspecified => Ok(()),
        }
    }

    fn name(&mut self, expr: &IdedExpr, name: &str) -> Result<(), Refused> {
        // Names with @ and # are the macros' own.
        if name.starts_with(['@', '#']) || self.bound.contains(&name) || TYPES.contains(&name) {
            return Ok(());
        }
        if self.vocabulary.names.contains(name) {
            self.names.insert(name.into());
            return Ok(());
        }
        let known = || self.vocabulary.names.iter().map(String::as_str);
        let hint = match nearest(name, known()) {
            Some(near) => format!("did you mean '{near}'?"),
            None => format!("known here: {}", known().collect::<Vec<_>>().join(", ")),
        };
        self.refuse(expr, format!("unknown variable '{name}'"), Some(hint))
    }

    fn call(&mut self, expr: &'a IdedExpr, call: &'a CallExpr) -> Result<(), Refused> {
        let mut function = call.func_name.clone();
        let mut target = call.target.as_deref();
        if let Some(Expr::Ident(namespace)) = target.map(|target| &target.expr) {
            let qualified = format!("{namespace}.{function}");
            let is_variable = self.bound.contains(&namespace.as_str()) || self.vocabulary.names.contains(namespace);
            if !is_variable && NAMESPACES.contains(&namespace.as_str()) {
                (function, target) = (qualified, None);
            }
        }
        if let Some(target) = target {
            self.expression(target)?;
        }
        let operator = function.starts_with(['_', '!', '-', '@']);
        if operator {
            self.operands(expr, call)?;
        } else {
            self.function(expr, &function)?;
        }
        call.args.iter().try_for_each(|arg| self.expression(arg))
    }

    fn function(&self, expr: &IdedExpr, function: &str) -> Result<(), Refused> {
        if PORTABLE.contains(&function) || (LOCAL.contains(&function) && !self.vocabulary.admission) {
            return Ok(());
        }
        if LOCAL.contains(&function) {
            let hint =
                "it may stand in 'observed', and in checks with 'related' or on other things than pods and kinds";
            let message =
                format!("function '{function}' is unknown to the API server's admission, where 'pass' must run too");
            return self.refuse(expr, message, Some(hint.into()));
        }
        let near = nearest(function, PORTABLE.iter().chain(LOCAL).chain(MACROS).copied());
        let hint = near.filter(|near| *near != function).map(|near| format!("did you mean '{near}'?"));
        let hint = hint.or_else(|| {
            MACROS
                .contains(&function)
                .then(|| format!("'{function}' takes other arguments, such as list.all(x, x > 0)"))
        });
        self.refuse(expr, format!("unknown function '{function}'"), hint)
    }

    /// Refuses comparisons that the crate answers with a silent false: its own lists and maps know only each other.
    fn operands(&self, expr: &IdedExpr, call: &CallExpr) -> Result<(), Refused> {
        let equality = matches!(call.func_name.as_str(), operators::EQUALS | operators::NOT_EQUALS);
        let Some(left) = call.args.first().filter(|_| equality) else { return Ok(()) };
        if matches!(left.expr, Expr::List(_) | Expr::Map(_) | Expr::Comprehension(_)) && !self.is_boolean(left) {
            let message = "a list or map made here cannot stand on the left of == or !=".to_string();
            return self.refuse(expr, message, Some("write it on the right".into()));
        }
        Ok(())
    }

    /// A comprehension that ends in a boolean (`all`, `exists`, `exists_one`).
    fn is_boolean(&self, expr: &IdedExpr) -> bool {
        match &expr.expr {
            Expr::Comprehension(loops) => !matches!(loops.accu_init.expr, Expr::List(_)),
            _ => false,
        }
    }

    fn comprehension(&mut self, comprehension: &'a ComprehensionExpr) -> Result<(), Refused> {
        if matches!(comprehension.iter_range.expr, Expr::Map(_)) {
            let message = "a map written in an expression has no order to walk in".to_string();
            return self.refuse(&comprehension.iter_range, message, Some("put it into params".into()));
        }
        self.expression(&comprehension.iter_range)?;
        self.expression(&comprehension.accu_init)?;
        if self.loops == MAX_LOOPS {
            let message = format!("loops are nested deeper than {MAX_LOOPS}");
            return self.refuse(
                &comprehension.iter_range,
                message,
                Some("walk the outer list with field or each".into()),
            );
        }
        self.loops += 1;
        let outer = self.bound.len();
        self.bound.push(&comprehension.accu_var);
        self.bound.push(&comprehension.iter_var);
        self.bound.extend(comprehension.iter_var2.as_deref());
        self.expression(&comprehension.loop_cond)?;
        self.expression(&comprehension.loop_step)?;
        self.expression(&comprehension.result)?;
        self.bound.truncate(outer);
        self.loops -= 1;
        Ok(())
    }

    /// The API server refuses literals of mixed types.
    fn one_type(&self, expr: &IdedExpr, mut types: impl Iterator<Item = &'static str>) -> Result<(), Refused> {
        let first = types.next();
        match types.find(|other| Some(*other) != first) {
            Some(other) => {
                let message = format!("a literal mixes {} and {other}", first.unwrap_or_default());
                self.refuse(expr, message, Some("the API server refuses mixed types: split it in two".into()))
            }
            None => Ok(()),
        }
    }
}

fn literal_type(expr: &IdedExpr) -> Option<&'static str> {
    Some(match &expr.expr {
        Expr::Literal(literal) => match literal {
            LiteralValue::Boolean(_) => "bool",
            LiteralValue::Bytes(_) => "bytes",
            LiteralValue::Double(_) => "double",
            LiteralValue::Int(_) => "int",
            LiteralValue::Null => "null",
            LiteralValue::String(_) => "string",
            LiteralValue::UInt(_) => "uint",
        },
        Expr::List(_) => "list",
        Expr::Map(_) => "map",
        _ => return None,
    })
}
