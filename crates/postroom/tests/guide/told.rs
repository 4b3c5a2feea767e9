//! What a program told, held against what the page says of it: `…` stands for what is another each
//! time, within a line or for whole lines.

const ANY: char = '…';

/// Whether an output is as a page says. `…` in a line is some text, a line of `…` alone is some
/// lines. How many spaces lie between two columns does not matter.
pub fn fits(said: &str, told: &str) -> bool {
    let said: Vec<String> = said.lines().map(squeezed).collect();
    let told: Vec<String> = told.lines().map(squeezed).collect();
    lines_fit(&said, &told)
}

fn lines_fit(said: &[String], told: &[String]) -> bool {
    match said.split_first() {
        None => told.is_empty(),
        Some((first, rest)) if first.trim() == "…" => {
            (1..=told.len()).any(|skipped| lines_fit(rest, &told[skipped..]))
        }
        Some((first, rest)) => {
            told.first().is_some_and(|line| glob(first, line)) && lines_fit(rest, &told[1..])
        }
    }
}

fn glob(said: &str, told: &str) -> bool {
    let Some((first, rest)) = said.split_once(ANY) else { return said == told };
    let Some(mut told) = told.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split(ANY).collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        // What stands in for `…` is at least one character.
        let Some(next) = told.chars().next().map(char::len_utf8) else { return false };
        let Some(at) = told[next..].find(part) else { return false };
        told = &told[next + at + part.len()..];
    }
    told.len() > last.len() && told.ends_with(last)
}

/// No text is indented deeper than this: what is, stands in a column.
const DEEPEST: usize = 20;

/// A line without spaces at its end, and with two wherever there are more between its words.
fn squeezed(line: &str) -> String {
    let start = (line.len() - line.trim_start().len()).min(DEEPEST);
    let mut out = line[..start].to_owned();
    let mut spaces = 0;
    for sign in line.trim().chars() {
        if sign == ' ' {
            spaces += 1;
            continue;
        }
        out.push_str(&" ".repeat(std::mem::take(&mut spaces).min(2)));
        out.push(sign);
    }
    out
}

/// An output as it is written into a page: without what is another each time, with its tables in
/// order.
pub fn blessed(told: &str) -> String {
    let lines: Vec<&str> = told.lines().map(str::trim_end).collect();
    let mut out = String::new();
    let mut rest = &lines[..];
    while let Some(first) = rest.first() {
        let rows = if is_head(first) { rows(rest) } else { 1 };
        let told = match rows {
            1 => vec![veiled(first)],
            rows => table(&rest[..rows]),
        };
        out.extend(told.iter().flat_map(|line| [line, "\n"]));
        rest = &rest[rows..];
    }
    format!("{}\n", out.trim_end())
}

/// `RUN   STATE   FAILURE`
fn is_head(line: &str) -> bool {
    line.contains("  ") && line.chars().all(|sign| sign == ' ' || sign.is_ascii_uppercase())
}

/// Where the columns of a table begin, by its head.
fn columns(head: &str) -> Vec<usize> {
    let head: Vec<char> = head.chars().collect();
    let begins = |at: &usize| {
        head[*at] != ' ' && (*at == 0 || (*at > 1 && head[*at - 2..*at] == [' ', ' ']))
    };
    (0..head.len()).filter(begins).collect()
}

/// How many lines a table has, its head counted: those with nothing between its columns.
fn rows(lines: &[&str]) -> usize {
    let starts = columns(lines[0]);
    let is_row = |line: &&&str| {
        let line: Vec<char> = line.chars().collect();
        let between = |at: &usize| line.get(at - 1).is_none_or(|sign| *sign == ' ');
        !line.is_empty() && starts.iter().filter(|at| **at > 0).all(between)
    };
    lines.iter().take_while(is_row).count()
}

/// Rows with their columns as wide as they have to be.
fn table(rows: &[&str]) -> Vec<String> {
    let starts = columns(rows[0]);
    let cells: Vec<Vec<String>> = rows.iter().map(|row| cells(row, &starts)).collect();
    let width = |column: usize| cells.iter().map(|row| row[column].chars().count()).max();
    let padded = |row: &Vec<String>| {
        let pad = |(column, cell): (usize, &String)| {
            format!("{cell:<width$}", width = width(column).unwrap_or_default())
        };
        let cells: Vec<String> = row.iter().enumerate().map(pad).collect();
        cells.join("  ").trim_end().to_owned()
    };
    cells.iter().map(padded).collect()
}

fn cells(row: &str, starts: &[usize]) -> Vec<String> {
    let row: Vec<char> = row.chars().collect();
    let cell = |(index, start): (usize, &usize)| {
        let end = starts.get(index + 1).copied().unwrap_or(row.len()).min(row.len());
        let text: String = row.get(*start..end).unwrap_or_default().iter().collect();
        match text.trim_end() {
            "now" => ANY.to_string(),
            text => veiled(text),
        }
    };
    starts.iter().enumerate().map(cell).collect()
}

/// Shapes of what is another each time: `9` is a digit, `x` one of a hexadecimal number; and what
/// stands there instead. The first that fits counts.
const VARYING: &[(&str, &str)] = &[
    ("run_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "run_…"),
    ("evt_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "evt_…"),
    ("9999-99-99 99:99:99.999 +99:99", "…"),
    ("99:99:99  ", "…  "),
    ("(now)", "(…)"),
    ("9 ms", "…"),
    ("9 s ago", "…"),
    ("9 min ago", "…"),
    ("(in 9 s)", "(…)"),
    ("(in 9 min)", "(…)"),
    ("(in 9 h)", "(…)"),
    ("(in 9 d)", "(…)"),
];

/// A line with `…` in place of ids, times and durations.
fn veiled(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    let mut within_number = false;
    while let Some(sign) = rest.chars().next() {
        let fit = |(shape, instead): &(&str, &'static str)| Some((taken(shape, rest)?, *instead));
        match VARYING.iter().find_map(fit).filter(|_| !within_number) {
            Some((length, instead)) => {
                out.push_str(instead);
                rest = &rest[length..];
            }
            None => {
                out.push(sign);
                rest = &rest[sign.len_utf8()..];
            }
        }
        within_number = sign.is_ascii_digit();
    }
    out
}

/// How many bytes of a text have a shape. A single `9` is a number of any length.
fn taken(shape: &str, text: &str) -> Option<usize> {
    let shape: Vec<char> = shape.chars().collect();
    let mut rest = text.char_indices().peekable();
    for (at, wanted) in shape.iter().enumerate() {
        let (_, sign) = rest.next()?;
        let fits = match wanted {
            '9' => sign.is_ascii_digit(),
            'x' => sign.is_ascii_hexdigit(),
            other => sign == *other,
        };
        if !fits {
            return None;
        }
        let beside = |at: Option<usize>| at.and_then(|at| shape.get(at)) == Some(&'9');
        if *wanted == '9' && !beside(at.checked_sub(1)) && !beside(Some(at + 1)) {
            while rest.next_if(|(_, sign)| sign.is_ascii_digit()).is_some() {}
        }
    }
    Some(rest.peek().map_or(text.len(), |(at, _)| *at))
}
