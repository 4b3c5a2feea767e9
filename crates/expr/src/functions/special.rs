//! Rows of what the parser treats in its own way: macros, `has` and `omit`.

use super::signature::NODE;
use super::{Form, Function, Run, Words, row};
use crate::tree::Macro;

pub(super) const TABLE: &[Function] = &[
    row(
        "has",
        Form::Free,
        (1, 1),
        Run::Has,
        NODE,
        [
            "has(a.b.c) -> bool",
            "Whether the field is there; false also when a step on the way is missing or null.",
            "has({a: {b: 1}}.a.b)",
            "true",
        ],
    ),
    row(
        "omit",
        Form::Free,
        (0, 0),
        Run::Omit,
        NODE,
        [
            "omit()",
            "Leaves out the key or list item whose value it is.",
            "{a: 1, b: omit()}",
            r#"{"a":1}"#,
        ],
    ),
    each(
        "map",
        Macro::Map,
        [
            "list.map(x => value), list.map(x, value), list.map(x, condition, value) -> list",
            "What becomes of each item; with a condition, of those for which it is true.",
            "[1, 2, 3].map(x => x * 2)",
            "[2,4,6]",
        ],
    ),
    each(
        "filter",
        Macro::Filter,
        [
            "list.filter(x => condition) -> list",
            "The items for which the condition is true.",
            "[1, 2, 3].filter(x => x > 1)",
            "[2,3]",
        ],
    ),
    each(
        "all",
        Macro::All,
        [
            "list.all(x => condition) -> bool",
            "Whether the condition is true for every item; true for an empty list.",
            "[1, 2].all(x => x > 0)",
            "true",
        ],
    ),
    each(
        "exists",
        Macro::Exists,
        [
            "list.exists(x => condition) -> bool",
            "Whether the condition is true for at least one item.",
            "[1, 2].exists(x => x > 1)",
            "true",
        ],
    ),
    each(
        "exists_one",
        Macro::ExistsOne,
        [
            "list.exists_one(x => condition) -> bool",
            "Whether the condition is true for exactly one item.",
            "[1, 2, 3].exists_one(x => x > 1)",
            "false",
        ],
    ),
    each(
        "sortBy",
        Macro::SortBy,
        [
            "list.sortBy(x => key) -> list",
            "The items in the order of their keys, which are all numbers or all strings.",
            "[{n: 2}, {n: 1}].sortBy(x => x.n)",
            r#"[{"n":1},{"n":2}]"#,
        ],
    ),
    each(
        "groupBy",
        Macro::GroupBy,
        [
            "list.groupBy(x => key) -> object",
            "The items by key: an object of lists, in the order in which the keys appear.",
            "[1, 2, 3].groupBy(x => x % 2 == 0 ? 'even' : 'odd')",
            r#"{"odd":[1,3],"even":[2]}"#,
        ],
    ),
];

const fn each(name: &'static str, kind: Macro, words: Words) -> Function {
    row(name, Form::Method, (1, 3), Run::Macro(kind), NODE, words)
}
