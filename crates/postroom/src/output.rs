//! What is printed: results to standard output, everything else to standard error. Colours and
//! wrapping only where a terminal shows them; control characters from outside never reach it.
//! Renders text; knows no command.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Write as _};

use anstream::{AutoStream, ColorChoice};
use clap::builder::styling::{AnsiColor, Style};
use comfy_table::{
    Attribute, Cell, Color, ColumnConstraint, ContentArrangement, Row, Table, presets,
};
use postroom_core::Problem;

use crate::cli;
use crate::exit::{Failed, Refused, Said};
use crate::output::moment::Moment;

pub(crate) mod moment;
mod snippet;

/// Blanks between two columns.
const GAP: u16 = 2;
/// The least room in which the last column of a table stands beside the others.
const MIN_ROOM: u16 = 24;

const BOLD: Style = Style::new().bold();
const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const HINT: Style = AnsiColor::Cyan.on_default();

/// Where and how to print. Nothing stays locked between two calls, so log lines of other threads
/// may come between.
#[derive(Debug)]
pub(crate) struct Output {
    /// The API's JSON is wanted instead of text.
    pub json: bool,
    /// The time that "3 min ago" counts from.
    pub moment: Moment,
    out: ColorChoice,
    err: ColorChoice,
    width: Option<u16>,
}

impl Output {
    /// For the standard streams of this process.
    pub fn new(json: bool, color: cli::Color) -> Self {
        let (out, err) = match color {
            cli::Color::Always => (ColorChoice::AlwaysAnsi, ColorChoice::AlwaysAnsi),
            cli::Color::Never => (ColorChoice::Never, ColorChoice::Never),
            cli::Color::Auto => {
                (AutoStream::choice(&io::stdout()), AutoStream::choice(&io::stderr()))
            }
        };
        Self { json, moment: Moment::now(), out, err, width: Table::new().width() }
    }

    /// Prints a result.
    ///
    /// # Errors
    /// The reader went away, or the stream is broken.
    pub fn print(&self, text: &str) -> Result<(), Failed> {
        let mut stream = AutoStream::new(io::stdout().lock(), self.out);
        stream.write_all(text.as_bytes())?;
        if !text.ends_with('\n') {
            stream.write_all(b"\n")?;
        }
        Ok(stream.flush()?)
    }

    /// Says something beside the result. If nobody can hear it, nothing is lost.
    pub fn say(&self, text: &str) {
        let mut stream = AutoStream::new(io::stderr().lock(), self.err);
        let _ = writeln!(stream, "{text}");
    }

    /// Prints what the API answered: as it is, or as text.
    ///
    /// # Errors
    /// Those of [`Self::print`] and of the text.
    pub fn answer(
        &self,
        body: &[u8],
        text: impl FnOnce() -> Result<String, Failed>,
    ) -> Result<(), Failed> {
        if self.json { self.print(&String::from_utf8_lossy(body)) } else { self.print(&text()?) }
    }

    /// Says why a command failed.
    pub fn failed(&self, failed: &Failed) {
        let text = explain(failed);
        if !text.is_empty() {
            self.say(text.trim_end());
        }
    }

    /// Tells what works and is most likely not meant so.
    pub fn warn(&self, lint: &Problem) {
        self.say(problem(lint, &format!("{WARNING}warning:{WARNING:#}")).trim_end());
    }

    /// Whether standard output shows colours.
    pub fn coloured(&self) -> bool {
        self.out != ColorChoice::Never
    }

    /// Whether a person can be asked something.
    pub fn can_ask(&self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Rows under a bold head, aligned. The last column takes what room the terminal has left, or
    /// stands below its row where that is too little; the others, ids among them, are never
    /// wrapped or shortened.
    pub fn table(&self, head: &[&str], rows: Vec<Vec<Cell>>) -> String {
        table(self.width, head, rows)
    }
}

fn table(width: Option<u16>, head: &[&str], mut rows: Vec<Vec<Cell>>) -> String {
    let whole = grid(head, rows.clone());
    let room = width.map(|width| room(&whole, width));
    if room.is_none_or(|room| room >= MIN_ROOM) {
        return print(whole, width);
    }
    // Too narrow for all columns side by side: the last one goes below its row.
    let below: Vec<String> = rows
        .iter_mut()
        .map(|row| row.pop().map(|cell| cell.content()).unwrap_or_default())
        .collect();
    let above = print(grid(&head[..head.len().saturating_sub(1)], rows), None);
    let mut lines = above.lines();
    let mut text = String::new();
    if !head.is_empty() {
        text.extend(lines.next().into_iter().chain(["\n"]));
    }
    for (line, below) in lines.zip(below) {
        text.extend([line, "\n"]);
        for part in below.lines() {
            text.extend(["    ", part.trim_end(), "\n"]);
        }
    }
    text
}

fn grid(head: &[&str], rows: Vec<Vec<Cell>>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).enforce_styling().style_text_only();
    if !head.is_empty() {
        let bold = |text: &&str| Cell::new(text).add_attribute(Attribute::Bold);
        table.set_header(head.iter().map(bold).collect::<Vec<Cell>>());
    }
    table.add_rows(rows.into_iter().map(Row::from));
    table
}

/// The columns of a terminal that are left for the last column.
fn room(table: &Table, width: u16) -> u16 {
    let widths = table.column_max_content_widths();
    let before = &widths[..widths.len().saturating_sub(1)];
    before.iter().fold(width, |room, column| room.saturating_sub(column + GAP))
}

fn print(mut table: Table, width: Option<u16>) -> String {
    let columns = table.column_count();
    for column in table.column_iter_mut() {
        column.set_padding((0, GAP));
        if column.index + 1 < columns {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    let mut text = table.trim_fmt();
    text.push('\n');
    text
}

/// A cell with text from outside.
pub(crate) fn cell(text: impl AsRef<str>) -> Cell {
    Cell::new(plain(text.as_ref()))
}

/// A cell with the state of a run, an outcome of a step: coloured by what it means.
pub(crate) fn state(name: &str) -> Cell {
    let color = match meaning(name) {
        AnsiColor::Green => Color::Green,
        AnsiColor::Red => Color::Red,
        AnsiColor::Yellow => Color::Yellow,
        AnsiColor::Cyan => Color::Cyan,
        _ => Color::DarkGrey,
    };
    cell(name).fg(color)
}

/// How a state or an outcome is shown outside tables.
pub(crate) fn outcome_colour(name: &str) -> Style {
    meaning(name).on_default()
}

/// The colour of a state of a run or an outcome of a step.
fn meaning(name: &str) -> AnsiColor {
    match name {
        "succeeded" | "done" | "called" => AnsiColor::Green,
        "dead" | "failed" | "unknown" | "refused" => AnsiColor::Red,
        "sleeping" | "retry" | "intent" | "wait" | "planned" => AnsiColor::Yellow,
        "queued" | "running" | "redriven" => AnsiColor::Cyan,
        _ => AnsiColor::BrightBlack,
    }
}

/// A heading within a longer text.
pub(crate) fn heading(text: &str) -> String {
    format!("{BOLD}{text}{BOLD:#}\n")
}

/// Text that says that something is as it should be.
pub(crate) fn good(text: &str) -> String {
    format!("{GOOD}{text}{GOOD:#}")
}

/// Text that says that something is not as it should be.
pub(crate) fn bad(text: &str) -> String {
    format!("{BAD}{text}{BAD:#}")
}

/// A line of a difference, by its sign: what is gone, what is new, what stays.
pub(crate) fn changed(line: &str) -> String {
    let shown = plain(line);
    match line.chars().next() {
        Some('-') => bad(&shown),
        Some('+') => good(&shown),
        _ => shown.into_owned(),
    }
}

/// What to do next.
pub(crate) fn hint(text: &str) -> String {
    format!("{HINT}hint:{HINT:#} {}", plain(text))
}

/// Text from outside as a terminal may show it: control characters and marks that reverse the
/// direction of writing are spelled out.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if hidden(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

fn hidden(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// JSON text over several lines. Numbers and the order of keys stay as they are, because the text
/// is laid out and not read.
pub(crate) fn indented(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let (mut depth, mut quoted, mut escaped) = (0, false, false);
    let mut chars = json.chars().filter(|c| !matches!(c, '\n' | '\r' | '\t')).peekable();
    while let Some(c) = chars.next() {
        if quoted {
            match (hidden(c), u32::from(c)) {
                (true, code) => out.push_str(&format!("\\u{code:04x}")),
                (false, _) => out.push(c),
            }
            quoted = escaped || c != '"';
            escaped = c == '\\' && !escaped;
            continue;
        }
        match c {
            ' ' => continue,
            '"' => quoted = true,
            _ => {}
        }
        if matches!(c, '}' | ']') && !out.ends_with(['{', '[']) {
            depth -= 1;
            new_line(&mut out, depth);
        } else if matches!(c, '}' | ']') {
            depth -= 1;
        }
        out.push(c);
        while matches!(chars.peek(), Some(' ')) {
            chars.next();
        }
        match c {
            '{' | '[' => {
                depth += 1;
                if !matches!(chars.peek(), Some('}' | ']')) {
                    new_line(&mut out, depth);
                }
            }
            ',' => new_line(&mut out, depth),
            ':' => out.push(' '),
            _ => {}
        }
    }
    out.push('\n');
    out
}

fn new_line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

fn explain(failed: &Failed) -> String {
    match failed {
        Failed::Pipe => String::new(),
        Failed::Declined => "nothing was done\n".to_owned(),
        Failed::Interrupted => error_line("interrupted", None, None),
        Failed::Usage(said) | Failed::Unreachable(said) | Failed::Conflict(said) => {
            let Said { detail, hint } = said;
            error_line(detail, None, hint.as_deref())
        }
        Failed::Refused(Refused { code, said, .. }) => {
            error_line(&said.detail, code.as_deref(), said.hint.as_deref())
        }
        Failed::Problems(problems) => problems.iter().map(|it| problem(it, &error())).collect(),
        Failed::Other(error) => error_line(&format!("{error:#}"), None, None),
    }
}

/// The word that errors begin with.
fn error() -> String {
    format!("{ERROR}error:{ERROR:#}")
}

/// A problem with its line and hint, behind a word that says how bad it is.
pub(crate) fn problem(problem: &Problem, word: &str) -> String {
    let place = problem.place.as_ref().map(|place| match place.line {
        0 => format!("{}: ", place.file),
        line => format!("{}:{line}:{}: ", place.file, place.column),
    });
    let detail = format!("{}{}", place.unwrap_or_default(), problem.detail);
    let mut text = format!("{word} {} [{}]\n", plain(&detail), plain(problem.kind.code));
    text.extend(snippet::of(problem));
    text.extend(problem.hint.as_deref().map(hint_line));
    text
}

fn hint_line(advice: &str) -> String {
    format!("{}\n", hint(advice))
}

fn error_line(detail: &str, code: Option<&str>, hint: Option<&str>) -> String {
    let code = code.map(|code| format!(" [{}]", plain(code))).unwrap_or_default();
    let mut text = format!("{} {}{code}\n", error(), plain(detail));
    text.extend(hint.map(hint_line));
    text
}

#[cfg(test)]
pub(crate) mod tests {
    use anstream::adapter::strip_str;
    use postroom_core::problem::{Place, UNKNOWN_KEY};

    use super::*;

    /// An output that prints nothing of itself to a terminal, at a time that stands still.
    pub(crate) fn still() -> Output {
        let (out, err) = (ColorChoice::Never, ColorChoice::Never);
        Output { json: false, moment: moment::tests::noon(), out, err, width: None }
    }

    fn shown(failed: &Failed) -> String {
        strip_str(&explain(failed)).to_string()
    }

    #[test]
    fn tables_are_aligned_and_bold_only_in_the_head() {
        let rows = vec![
            vec![cell("run_1"), state("dead"), cell("a b c d e f")],
            vec![cell("run_22"), state("succeeded"), cell("")],
        ];
        let text = table(None, &["RUN", "STATE", "WHY"], rows.clone());
        assert_eq!(
            strip_str(&text).to_string(),
            "RUN     STATE      WHY\nrun_1   dead       a b c d e f\nrun_22  succeeded\n"
        );
        assert!(text.starts_with("\u{1b}[1mRUN"), "{text:?}");
        let wide = vec![cell("run_1"), state("dead"), cell("much of it ".repeat(4))];
        let shown = |width| {
            let text =
                table(Some(width), &["RUN", "STATE", "WHY"], vec![wide.clone(), rows[1].clone()]);
            strip_str(&text).to_string()
        };
        let wrapped = shown(48);
        assert!(wrapped.contains("\nrun_22  succeeded\n"), "ids stay whole: {wrapped}");
        assert_eq!(wrapped.lines().count(), 4, "the last column wraps: {wrapped}");
        assert_eq!(
            shown(30),
            "RUN     STATE\nrun_1   dead\n    much of it much of it much of it much of it\n\
             run_22  succeeded\n"
        );
    }

    #[test]
    fn problems_are_shown_with_code_and_hint() {
        let refused = Failed::Refused(Refused {
            status: 404,
            code: Some("api/not-found".to_owned()),
            said: Said { detail: "there is no run run_1".to_owned(), hint: None },
        });
        assert_eq!(shown(&refused), "error: there is no run run_1 [api/not-found]\n");
        let place = Place { file: "a.yaml".to_owned(), line: 3, column: 5, len: 1 };
        let found = Problem::new(&UNKNOWN_KEY, "unknown key `setps`").hint("did you mean `steps`?");
        assert_eq!(
            shown(&Failed::Problems(vec![found.at(place)])),
            "error: a.yaml:3:5: unknown key `setps` [config/unknown-key]\n\
             hint: did you mean `steps`?\n"
        );
        assert_eq!(shown(&Failed::Pipe), "");
        let other = anyhow::anyhow!("disk").context("cannot write a");
        assert_eq!(shown(&Failed::Other(other)), "error: cannot write a: disk\n");
    }

    #[test]
    fn a_terminal_is_not_steered_from_outside() {
        assert_eq!(plain("all well"), "all well");
        assert_eq!(plain("a\u{1b}[2Jb\nc\u{202e}"), "a\\u{1b}[2Jb\\nc\\u{202e}");
    }

    #[test]
    fn json_is_laid_out_without_being_read() {
        assert_eq!(
            indented(r#"{"b":1.00,"a":[1,{"x":"q\"{,}"}],"e":{},"l":[ ]}"#),
            "{\n  \"b\": 1.00,\n  \"a\": [\n    1,\n    {\n      \"x\": \"q\\\"{,}\"\n    }\n  ],\
             \n  \"e\": {},\n  \"l\": []\n}\n"
        );
        assert_eq!(indented("12345678901234567890123"), "12345678901234567890123\n");
        assert_eq!(indented("\"a\u{9b}b\""), "\"a\\u009bb\"\n");
    }
}
