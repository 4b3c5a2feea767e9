//! Results of tests in the XML of JUnit, which CI systems read. Writes text; runs nothing.

use std::fmt::Write as _;

/// A test that was run.
pub(crate) struct Case<'a> {
    /// What it shows.
    pub name: &'a str,
    /// The file it stands in.
    pub file: &'a str,
    /// How long it took, in microseconds.
    pub took_us: u128,
    /// What differs, if it failed.
    pub failure: Option<&'a str>,
}

/// The document of a list of tests that took `took_us` microseconds in all.
pub(crate) fn document(cases: &[Case<'_>], took_us: u128) -> String {
    let failed = cases.iter().filter(|case| case.failure.is_some()).count();
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    // Writing to a text cannot fail.
    let _ = writeln!(
        text,
        "  <testsuite name=\"postroom\" tests=\"{}\" failures=\"{failed}\" errors=\"0\" \
         skipped=\"0\" time=\"{}\">",
        cases.len(),
        seconds(took_us)
    );
    for case in cases {
        let _ = write!(
            text,
            "    <testcase classname=\"{}\" name=\"{}\" time=\"{}\"",
            escaped(case.file),
            escaped(case.name),
            seconds(case.took_us)
        );
        match case.failure {
            None => text.push_str("/>\n"),
            Some(failure) => {
                let first = failure.lines().next().unwrap_or_default();
                let _ = writeln!(
                    text,
                    ">\n      <failure message=\"{}\">{}</failure>\n    </testcase>",
                    escaped(first),
                    escaped(failure)
                );
            }
        }
    }
    text.push_str("  </testsuite>\n</testsuites>\n");
    text
}

fn seconds(us: u128) -> String {
    format!("{}.{:06}", us / 1_000_000, us % 1_000_000)
}

/// A text as XML takes it. Control characters that XML 1.0 forbids are spelled out.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' => out.push(c),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anything_may_stand_in_names_and_failures() {
        let failed = Case {
            name: "a < b & \"c\"",
            file: "tests/a.yaml",
            took_us: 1_234_567,
            failure: Some("it differs:\n-1 \u{1b}[2J\n+<2>"),
        };
        let good = Case { name: "ok", file: "tests/b.yaml", took_us: 9, failure: None };
        assert_eq!(
            document(&[failed, good], 1_300_000),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  \
             <testsuite name=\"postroom\" tests=\"2\" failures=\"1\" errors=\"0\" skipped=\"0\" \
             time=\"1.300000\">\n    <testcase classname=\"tests/a.yaml\" \
             name=\"a &lt; b &amp; &quot;c&quot;\" time=\"1.234567\">\n      \
             <failure message=\"it differs:\">it differs:\n-1 \\u{1b}[2J\n+&lt;2&gt;</failure>\n    \
             </testcase>\n    <testcase classname=\"tests/b.yaml\" name=\"ok\" \
             time=\"0.000009\"/>\n  </testsuite>\n</testsuites>\n"
        );
    }
}
