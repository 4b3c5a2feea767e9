//! `explain`: the table of problems, one row or all.

use postroom_core::problem::{self, Kind};
use postroom_expr::nearest;
use serde_json::{Value, json};

use crate::exit::{Failed, Refused, Said};
use crate::output::{self, Output, cell};

/// Explains a problem, or lists all there are.
pub(super) fn run(code: Option<&str>, output: &Output) -> Result<(), Failed> {
    let Some(code) = code else { return all(output) };
    let kind = row_of(code).ok_or_else(|| unknown(code))?;
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

/// The row of a code. `http/404` and its like share one.
fn row_of(code: &str) -> Option<&'static Kind> {
    let status = |code: &str| {
        let digits = code.strip_prefix("http/")?;
        let is_status = digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_status.then_some(&problem::HTTP_STATUS)
    };
    problem::by_code(code).or_else(|| status(code))
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
    fn every_status_of_an_answer_is_explained() {
        for code in ["http/404", "http/503", "http/status"] {
            assert_eq!(row_of(code).unwrap().code, "http/status");
        }
        assert_eq!(row_of("http/redirect").unwrap().code, "http/redirect");
        assert!(row_of("http/4040").is_none());
    }

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
