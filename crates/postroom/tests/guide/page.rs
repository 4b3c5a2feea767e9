//! A page of the guide as the blocks between its fences.

/// What stands between two fences.
#[derive(Debug)]
pub struct Block {
    /// The line of its first fence, counted from 1.
    pub line: usize,
    pub kind: Kind,
    pub text: String,
}

/// What a block is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file, named by a comment in its first line.
    File,
    /// Commands.
    Commands,
    /// What the commands before it print.
    Told,
}

/// The blocks of a page.
///
/// # Panics
/// A fence that is not at the start of its line, that never ends, or of a kind nobody executes.
pub fn blocks(page: &str, text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (index, line) in text.lines().enumerate() {
        let place = format!("{page}:{}", index + 1);
        let fence = line.strip_prefix("```");
        assert!(fence.is_some() || !line.contains("```"), "{place}: a fence starts its line");
        match (fence, &mut open) {
            (None, None) => {}
            (None, Some(block)) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (Some(language), None) => {
                let kind = match language {
                    "yaml" | "json" => Kind::File,
                    "sh" => Kind::Commands,
                    "text" => Kind::Told,
                    other => panic!("{place}: nothing executes blocks of `{other}`"),
                };
                open = Some(Block { line: index + 1, kind, text: String::new() });
            }
            (Some(rest), Some(_)) => {
                assert!(rest.is_empty(), "{place}: a block within a block");
                blocks.extend(open.take());
            }
        }
    }
    assert!(open.is_none(), "{page}: its last block never ends");
    blocks
}

impl Block {
    /// The file that a block is, and its text. A comment is none in JSON, so it is not kept there.
    ///
    /// # Panics
    /// Its first line names no file.
    pub fn file(&self, place: &str) -> (&str, &str) {
        let (first, rest) = self.text.split_once('\n').unwrap_or((&self.text, ""));
        let yaml = first.strip_prefix("# ").map(|name| (name, self.text.as_str()));
        let json = || first.strip_prefix("// ").map(|name| (name, rest));
        let found = yaml.or_else(json).filter(|(name, _)| !name.contains(' '));
        found.unwrap_or_else(|| panic!("{place}: the first line of a file is a comment: its name"))
    }

    /// Its commands; one that ends in `\` goes on in the next line.
    pub fn commands(&self) -> Vec<String> {
        let joined = self.text.replace("\\\n", " ");
        let lines = joined.lines().map(|line| line.trim().to_owned());
        lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
    }
}

/// The words of a command, as a shell splits them. What a shell would do beyond quotes is refused.
///
/// # Panics
/// A quote that never ends, or something that only a shell can do.
pub fn words(place: &str, command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for sign in command.chars() {
        match (quote, sign) {
            (Some(open), _) if open == sign => quote = None,
            (Some(_), _) => word.get_or_insert_default().push(sign),
            (None, '\'' | '"') => {
                quote = Some(sign);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (None, '|' | '>' | '<' | '&' | ';' | '$' | '`' | '*' | '\\') => {
                panic!("{place}: only a shell can do `{sign}` in `{command}`")
            }
            (None, _) => word.get_or_insert_default().push(sign),
        }
    }
    assert!(quote.is_none(), "{place}: a quote never ends in `{command}`");
    words.extend(word);
    words
}

/// The text of a page with the text of some of its blocks replaced, by the line of their fence.
pub fn replaced(text: &str, new: &[(usize, String)]) -> String {
    let mut out = String::new();
    let mut inside = false;
    for (index, line) in text.lines().enumerate() {
        let fence = line.starts_with("```");
        if fence || !inside {
            out.push_str(line);
            out.push('\n');
        }
        if let Some((_, text)) = new.iter().find(|(at, _)| *at == index + 1) {
            inside = true;
            out.push_str(text);
        } else if fence {
            inside = false;
        }
    }
    out
}
