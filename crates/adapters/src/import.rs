//! Manifests made of API descriptions: OpenAPI 3.0 and 3.1, and Google's Discovery documents.
//!
//! Owns what of a description becomes an action, and says of everything else why it does not.
//! Text in, text out: it opens no file. Each action is read back and rehearsed before it counts.
//! How to use it is told in `docs/import.md`.

mod action;
mod auth;
mod discovery;
mod document;
mod drift;
mod example;
mod fits;
mod inputs;
mod kinds;
mod operation;
mod outputs;
mod pattern;
mod reduce;
mod shape;
mod words;
mod writer;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use self::action::Made;
use self::auth::Auth;
use self::document::{Document, text};
pub use self::drift::{Change, Drift};
use self::operation::Operation;
use self::writer::{Out, write_entry};

/// A description that was read.
#[derive(Debug)]
pub struct Description {
    document: Document,
}

/// An operation of a description, as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The description's name for it.
    pub id: String,
    /// The method, in upper case.
    pub method: String,
    /// The path, with its parameters in braces.
    pub path: String,
    /// What it does, in a sentence.
    pub summary: String,
    /// The groups it belongs to.
    pub tags: Vec<String>,
}

/// A manifest that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The manifest.
    pub text: String,
    /// The names of its actions, each with the operation it was made of.
    pub actions: Vec<(String, String)>,
    /// Operations of which no action was made, and why.
    pub left_out: Vec<(String, String)>,
    /// What a person should know or add, of the whole or of one operation.
    pub remarks: Vec<String>,
}

impl Description {
    /// Takes a tree, read from JSON or YAML, for a description.
    ///
    /// # Errors
    /// Why it is none that can be imported.
    pub fn new(root: Value) -> Result<Self, String> {
        Ok(Self { document: Document::new(root)? })
    }

    /// The title of the API.
    #[must_use]
    pub fn title(&self) -> &str {
        self.info("title").unwrap_or("API")
    }

    fn info(&self, key: &str) -> Option<&str> {
        self.document.root.get("info").and_then(|info| text(info, key))
    }

    /// Every operation, in order of path and method.
    #[must_use]
    pub fn operations(&self) -> Vec<Listed> {
        let listed = |operation: Operation<'_>| Listed {
            path: operation.path.to_owned(),
            tags: operation.tags.iter().map(|tag| (*tag).to_owned()).collect(),
            id: operation.id,
            method: operation.method,
            summary: operation.summary,
        };
        self.document.operations().into_iter().map(listed).collect()
    }

    /// Makes a manifest for an adapter of this name out of the operations that `wanted` picks.
    pub fn import(&self, adapter: &str, wanted: impl Fn(&Listed) -> bool) -> Imported {
        let listed = self.operations();
        let operations = self.document.operations();
        let pairs = operations.iter().zip(&listed);
        let picked: Vec<&Operation<'_>> =
            pairs.filter(|(_, listed)| wanted(listed)).map(|(operation, _)| operation).collect();
        Importer::new(&self.document, adapter, picked).run(self)
    }
}

/// An import at work.
struct Importer<'d> {
    document: &'d Document,
    adapter: &'d str,
    picked: Vec<&'d Operation<'d>>,
    auth: Auth,
    base_url: Option<String>,
    left_out: Vec<(String, String)>,
    remarks: Vec<String>,
}

impl<'d> Importer<'d> {
    fn new(document: &'d Document, adapter: &'d str, picked: Vec<&'d Operation<'d>>) -> Self {
        let auth = Auth::of(document, adapter, &picked);
        let base_url = base_url(document, &picked);
        let (left_out, remarks) = (Vec::new(), Vec::new());
        Self { document, adapter, picked, auth, base_url, left_out, remarks }
    }

    fn run(mut self, description: &Description) -> Imported {
        self.remarks.append(&mut self.auth.remarks);
        if self.base_url.is_none() {
            self.remarks.push("it does not say where the API is: give `base_url`".to_owned());
        }
        let made = self.actions();
        let hoisted = hoisted(&made);
        let key_header = made.iter().find_map(|(_, made)| made.key_header.clone());
        let head = self.head(description, &hoisted, key_header);
        let mut text = head.clone() + "actions:\n";
        let mut actions = Vec::new();
        let mut none = 0;
        for (operation, made) in made {
            let name = made.name.clone();
            let remarks = made.remarks.clone();
            let written = written(made, &hoisted);
            if let Err(why) = tried(&head, &written) {
                self.left_out.push((operation.id.clone(), why));
                continue;
            }
            none += usize::from(written.contains("\n    idempotency: none\n"));
            for remark in remarks {
                self.remarks.push(format!("{name} leaves out {remark}"));
            }
            text.push_str(&written);
            actions.push((name, operation.id.clone()));
        }
        if actions.is_empty() {
            text.truncate(head.len());
            text.push_str("actions: []\n");
        }
        if none > 0 {
            self.remarks.push(format!(
                "{none} actions say `idempotency: none`, because the description tells of no key; \
                 where the provider honours one, name it in `key_header` and say `key`"
            ));
        }
        Imported { text, actions, left_out: self.left_out, remarks: self.remarks }
    }

    fn actions(&mut self) -> Vec<(&'d Operation<'d>, Made)> {
        let mut made: Vec<(&'d Operation<'d>, Made)> = Vec::new();
        let mut names: BTreeSet<String> = BTreeSet::new();
        for operation in std::mem::take(&mut self.picked) {
            if let Some(server) = &operation.server
                && self.base_url.as_ref() != Some(server)
            {
                let why = format!("it is at another address, {server}");
                self.left_out.push((operation.id.clone(), why));
                continue;
            }
            let name = action::name_of(operation, |name| names.contains(name));
            match action::make(self.document, operation, name.clone(), &self.auth.names) {
                Ok(action) => {
                    names.insert(name);
                    made.push((operation, action));
                }
                Err(why) => self.left_out.push((operation.id.clone(), why)),
            }
        }
        made
    }

    /// The manifest up to its actions.
    fn head(
        &self,
        description: &Description,
        hoisted: &[(String, String)],
        key_header: Option<String>,
    ) -> String {
        let title = words::plain(description.title());
        let version = description.info("version").map(words::plain).unwrap_or_default();
        let mut out = format!(
            "# Made by `postroom adapter import` of the description of {title}, version {version}. \
             It is\n# yours to edit; `postroom adapter drift` compares it with a newer one.\n"
        );
        let docs = self.document.root.get("externalDocs").and_then(|docs| text(docs, "url"));
        let contact = self.document.root.pointer("/info/contact/url").and_then(Value::as_str);
        let link = |link: &&str| link.starts_with("https://") || link.starts_with("http://");
        let docs = docs.filter(link).or(contact.filter(link)).or(self.base_url.as_deref());
        let mut entries = vec![
            ("adapter".to_owned(), Out::text(self.adapter)),
            ("title".to_owned(), Out::text(if title.is_empty() { "API" } else { &title })),
            ("docs".to_owned(), Out::text(docs.unwrap_or("docs/import.md"))),
        ];
        let base_url = self.base_url.clone().map(|url| ("base_url".to_owned(), Out::text(url)));
        entries.extend(base_url);
        if !self.auth.credentials.is_empty() {
            let credentials = Out::Map(self.auth.credentials.clone());
            entries.push(("credentials".to_owned(), credentials));
            entries.push(("auth".to_owned(), Out::List(self.auth.headers.clone())));
        }
        if !hoisted.is_empty() {
            let header = |(name, value): &(String, String)| (name.clone(), literal(value));
            entries.push(("headers".to_owned(), Out::Map(hoisted.iter().map(header).collect())));
        }
        entries.extend(key_header.map(|name| ("key_header".to_owned(), Out::text(name))));
        let operations = self.document.operations();
        let failure = auth::failure(self.document, &operations.iter().collect::<Vec<_>>());
        if !failure.is_empty() {
            entries.push(("failure".to_owned(), Out::Map(failure)));
        }
        for (name, value) in &entries {
            write_entry(name, value, 0, &mut out);
        }
        out
    }
}

/// A text as it stands, though it may look like an expression.
fn literal(text: &str) -> Out {
    Out::text(text.replace("${{", "$${{"))
}

/// The address that most of the operations share.
fn base_url(document: &Document, picked: &[&Operation<'_>]) -> Option<String> {
    let whole = document.servers().into_iter().next();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for operation in picked {
        if let Some(server) = operation.server.clone().or_else(|| whole.clone()) {
            *counts.entry(server).or_default() += 1;
        }
    }
    let most = counts.into_iter().max_by_key(|(_, count)| *count).map(|(server, _)| server);
    most.filter(|server| crate::url::wrong_base(server).is_none())
}

/// Headers that every action has with the same value stand once, above them.
fn hoisted(made: &[(&Operation<'_>, Made)]) -> Vec<(String, String)> {
    let Some((_, first)) = made.first() else { return Vec::new() };
    let everywhere =
        |header: &&(String, String)| made.iter().all(|(_, action)| action.fixed.contains(header));
    first.fixed.iter().filter(everywhere).cloned().collect()
}

/// The text of an action in the list of a manifest.
fn written(made: Made, hoisted: &[(String, String)]) -> String {
    let Made { mut entries, fixed, .. } = made;
    let own: Vec<(String, Out)> = fixed
        .iter()
        .filter(|header| !hoisted.contains(header))
        .map(|(name, value)| (name.clone(), literal(value)))
        .collect();
    if !own.is_empty()
        && let Some((_, Out::Map(request))) = entries.iter_mut().find(|(key, _)| key == "request")
    {
        match request.iter_mut().find(|(key, _)| key == "headers") {
            Some((_, Out::Map(headers))) => headers.extend(own),
            _ => request.insert(2, ("headers".to_owned(), Out::Map(own))),
        }
    }
    let mut text = String::new();
    for (index, (name, value)) in entries.iter().enumerate() {
        text.push_str(if index == 0 { "  - " } else { "    " });
        write_entry(name, value, 2, &mut text);
    }
    text
}

/// Reads an action back and rehearses it.
fn tried(head: &str, action: &str) -> Result<(), String> {
    let text = format!("{head}actions:\n{action}");
    let adapter = crate::manifest::read("the manifest", &text).map_err(|problems| {
        problems.first().map_or_else(String::new, |problem| format!("it does not read: {problem}"))
    })?;
    let told = adapter.actions.iter().flat_map(|action| action.rehearse()).next();
    told.map_or(Ok(()), |what| Err(format!("its example does not play: {what}")))
}
