//! What the expressions of one place may read. A root, an input or a call that is not there is a
//! problem of the manifest, told before anything runs.

use postroom_core::problem::{self, Problem};
use postroom_core::yaml::{At, Node, Source};
use postroom_expr::nearest;
use postroom_expr::{Expr, Mapping, Read, Template};
use serde_json::Value;

/// The names of one place, and which roots were read there.
pub(super) struct Names<'a> {
    roots: &'a [&'a str],
    /// The calls before this place, where that matters.
    calls: Option<&'a [String]>,
    /// The schema of the input, where it is known.
    input: Option<&'a Value>,
    /// Whether the idempotency key was read.
    pub key_read: bool,
}

impl<'a> Names<'a> {
    pub fn new(roots: &'a [&'a str]) -> Self {
        Self { roots, calls: None, input: None, key_read: false }
    }

    /// The same within an action.
    pub fn within(mut self, action: Option<(&'a [String], &'a Value)>) -> Self {
        if let Some((calls, input)) = action {
            (self.calls, self.input) = (Some(calls), Some(input));
        }
        self
    }

    /// Goes on with other roots.
    pub fn set_roots(&mut self, roots: &'a [&'a str]) {
        self.roots = roots;
    }

    pub fn template(
        &mut self,
        source: &mut Source<'_>,
        node: &Node,
        path: &str,
    ) -> Option<Template> {
        let template = source.template(node, path)?;
        let reads = source.places(node, template.reads());
        self.check(source, reads);
        Some(template)
    }

    pub fn condition(&mut self, source: &mut Source<'_>, node: &Node, path: &str) -> Option<Expr> {
        let condition = source.condition(node, path)?;
        let reads = source.places(node, condition.reads());
        self.check(source, reads);
        Some(condition)
    }

    pub fn mapping(&mut self, source: &mut Source<'_>, node: &Node) -> Mapping {
        let mut reads = Vec::new();
        let mapping = source.mapping(node, &mut reads);
        self.check(source, reads);
        mapping
    }

    fn check(&mut self, source: &mut Source<'_>, reads: Vec<(At, Read)>) {
        for (at, read) in reads {
            let Some(root) = read.path.first() else { continue };
            if !self.roots.contains(&root.as_str()) {
                unknown(source, at, &format!("`{root}`"), root, self.roots);
                continue;
            }
            self.key_read |= root == "key";
            let Some(name) = read.path.get(1) else { continue };
            match root.as_str() {
                "calls" => self.check_call(source, at, name),
                "input" => self.check_input(source, at, name),
                _ => {}
            }
        }
    }

    fn check_call(&self, source: &mut Source<'_>, at: At, name: &str) {
        let Some(calls) = self.calls else { return };
        if !calls.iter().any(|call| call == name) {
            let known: Vec<&str> = calls.iter().map(String::as_str).collect();
            unknown(source, at, &format!("a call `{name}` before this one"), name, &known);
        }
    }

    fn check_input(&self, source: &mut Source<'_>, at: At, name: &str) {
        let Some(input) = self.input else { return };
        if input.get("additionalProperties") != Some(&Value::Bool(false)) {
            return;
        }
        let properties = input.get("properties").and_then(Value::as_object);
        let known: Vec<&str> =
            properties.into_iter().flat_map(|known| known.keys().map(String::as_str)).collect();
        if !known.contains(&name) {
            unknown(source, at, &format!("`input.{name}`"), name, &known);
        }
    }
}

fn unknown(source: &mut Source<'_>, at: At, what: &str, name: &str, known: &[&str]) {
    let mut found = Problem::new(&problem::EXPR_UNKNOWN_NAME, format!("{what} is not known here"));
    if let Some(near) = nearest(name, known.iter().copied()) {
        found = found.hint(format!("did you mean `{near}`?"));
    } else if !known.is_empty() {
        found = found.hint(format!("known here: {}", known.join(", ")));
    }
    source.report(found, at);
}
