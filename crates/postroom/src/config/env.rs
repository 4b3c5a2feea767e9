//! Variables: those of the process, and those of `.env` beside the configuration where the process
//! has none. Read once, passed in from then on.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use postroom_core::problem::Place;
use postroom_core::{Problem, problem};

/// Variables by name.
#[derive(Clone, Default)]
pub(crate) struct Environment {
    /// Those of the process.
    own: Arc<BTreeMap<String, String>>,
    /// Those of `.env`.
    file: BTreeMap<String, String>,
}

impl Environment {
    /// Reads the process's variables and the folder's `.env`.
    ///
    /// # Errors
    /// A line of `.env` that is no assignment, or a file that cannot be read.
    #[allow(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the environment"
    )]
    pub fn read(folder: &Path) -> Result<Self, Vec<Problem>> {
        let own = std::env::vars_os();
        // A name or value that is not Unicode cannot be meant for us.
        let own = own.filter_map(|(n, v)| Some((n.into_string().ok()?, v.into_string().ok()?)));
        Self { own: Arc::new(own.collect()), file: BTreeMap::new() }.again(folder)
    }

    /// The same with `.env` as it is now.
    ///
    /// # Errors
    /// As of [`Environment::read`].
    pub fn again(&self, folder: &Path) -> Result<Self, Vec<Problem>> {
        let path = folder.join(".env");
        let mut file = BTreeMap::new();
        if path.is_file() {
            let text = super::read(&path)?;
            file = parse(&path.strip_prefix(".").unwrap_or(&path).display().to_string(), &text)?;
        }
        Ok(Self { own: Arc::clone(&self.own), file })
    }

    /// The value of a variable; empty counts as not set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.own(name).or_else(|| self.file(name))
    }

    /// The value of a variable of the process.
    pub fn own(&self, name: &str) -> Option<&str> {
        self.own.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The value of a variable of `.env`.
    pub fn file(&self, name: &str) -> Option<&str> {
        self.file.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Every variable and its value.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.own.iter().chain(&self.file);
        all.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The text with every `${NAME}` and `${NAME:-default}` put in, or the first name that is not
    /// set and has no default.
    pub fn fill(&self, text: &str) -> Result<String, String> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            filled.push_str(&rest[..start]);
            let Some(end) = rest[start..].find('}') else { break };
            let inside = &rest[start + 2..start + end];
            let (name, default) = match inside.split_once(":-") {
                Some((name, default)) => (name, Some(default)),
                None => (inside, None),
            };
            filled.push_str(self.get(name).or(default).ok_or_else(|| name.to_owned())?);
            rest = &rest[start + end + 1..];
        }
        filled.push_str(rest);
        Ok(filled)
    }
}

fn parse(file: &str, text: &str) -> Result<BTreeMap<String, String>, Vec<Problem>> {
    let mut variables = BTreeMap::new();
    let mut problems = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        match line.split_once('=') {
            Some((name, value)) if is_name(name.trim()) => {
                variables.insert(name.trim().to_owned(), unquote(value.trim()).to_owned());
            }
            // The line may hold a secret, so it is not shown.
            _ => {
                let line = u32::try_from(number + 1).unwrap_or(0);
                let place = Place { file: file.to_owned(), line, column: 1, len: 1 };
                let found = Problem::new(&problem::BAD_VALUE, "the line is not `NAME=value`");
                let hint = "write one variable a line, and `#` before a remark";
                problems.push(found.hint(hint).at(place));
            }
        }
    }
    if problems.is_empty() { Ok(variables) } else { Err(problems) }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn unquote(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(inside) = value.strip_prefix(quote).and_then(|v| v.strip_suffix(quote)) {
            return inside;
        }
    }
    // A comment after an unquoted value needs a space before it, as in a shell.
    value.split(" #").next().unwrap_or(value).trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn env_files_are_read_like_a_shell_would() {
        let text = "# c\nA=1\nexport B='two # not a comment'\n C = \"x\" \nD=v # comment\nE=\n";
        let variables = parse(".env", text).unwrap();
        let pairs: Vec<_> = variables.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(
            pairs,
            [("A", "1"), ("B", "two # not a comment"), ("C", "x"), ("D", "v"), ("E", "")]
        );
        let problems = parse(".env", "A=1\nsk_live_secret\n").unwrap_err();
        let shown = problems[0].to_string();
        assert!(shown.contains(".env:2") && !shown.contains("sk_live"), "{shown}");
    }

    #[test]
    fn variables_are_put_in() {
        let variables = [("HOST".to_owned(), "h".to_owned()), ("EMPTY".to_owned(), String::new())];
        let environment = Environment { file: variables.into(), ..Environment::default() };
        assert_eq!(environment.fill("a${HOST}b").as_deref(), Ok("ahb"));
        assert_eq!(environment.fill("${NONE:-x}").as_deref(), Ok("x"));
        assert_eq!(environment.fill("${EMPTY}"), Err("EMPTY".to_owned()));
        assert_eq!(environment.fill("${ open").as_deref(), Ok("${ open"));
        assert_eq!(environment.fill("no variable").as_deref(), Ok("no variable"));
    }
}
