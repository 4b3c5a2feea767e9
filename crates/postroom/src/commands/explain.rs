//! `explain`: the table of problems, one row or all.

use postroom_core::problem::{self, Kind};
use postroom_expr::nearest;
use serde_json::{Value, json};

use crate::exit::{Failed, Refused, Said};
use crate::output::{self, Output, cell};

/// Explains a problem, or lists all there are.
pub(super) fn run(code: Option<&str>, output: &Output) -> Result<(), Failed> {
    let Some(code) = code else { return all(output) };
    let kind = problem::by_code(code).ok_or_else(|| unknown(code))?;
    if output.json {
        return output.print(&row(kind).to_string());
    }
    let Kind { code, status, title, explain } = kind;
    output.print(&format!("{}{explain}\n", output::heading(&format!("{code} ({status}): {title}"))))
}

fn all(output: &Output) -> Result<(), Failed> {
    if output.json {
        let rows: Vec<Value> = problem::ALL.iter().map(|kind| row(kind)).collect();
        return output.print(&Value::from(rows).to_string());
    }
    let rows = problem::ALL.iter().map(|kind| vec![cell(kind.code), cell(kind.title)]).collect();
    output.print(&output.table(&["CODE", "WHAT IT IS"], rows))
}

fn row(kind: &Kind) -> Value {
    json!({
        "code": kind.code,
        "status": kind.status,
        "title": kind.title,
        "explain": kind.explain,
    })
}

/// The nearest code: by the whole of it, or by the part after the family.
fn unknown(code: &str) -> Failed {
    let codes = || problem::ALL.iter().map(|kind| kind.code);
    let last = |code: &'static str| code.rsplit('/').next().unwrap_or(code);
    let near = nearest(code, codes()).or_else(|| {
        let slip = nearest(code, codes().map(last))?;
        codes().find(|code| last(code) == slip).map(str::to_owned)
    });
    let hint = match near {
        Some(near) => format!("did you mean `postroom explain {near}`?"),
        None => {
            "`postroom explain` lists every code; other codes are those of providers".to_owned()
        }
    };
    let said = Said { detail: format!("there is no problem `{code}`"), hint: Some(hint) };
    Failed::Refused(Refused { status: 404, code: None, said })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_code_is_named() {
        for (code, near) in [
            ("config/unknown-kye", "explain config/unknown-key`"),
            ("unknown-key", "explain config/unknown-key`"),
            ("banana", "lists every code"),
        ] {
            let Failed::Refused(Refused { said, .. }) = unknown(code) else { panic!("{code}") };
            assert!(said.hint.as_ref().unwrap().contains(near), "{code}: {said:?}");
        }
    }
}
