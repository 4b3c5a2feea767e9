//! The versions of a workflow as the API tells of them: which is meant by a word of the command
//! line, whether runs can go on from one with another, and what a redrive goes on with.

use std::collections::BTreeMap;

use postroom_core::definition::{Defaults, Stored, Workflow};
use postroom_core::{DefinitionHash, Run, RunId, parse};
use serde::Deserialize;

use super::{ask, read};
use crate::cli;
use crate::exit::{Failed, Refused};
use crate::output::{Output, plain};
use crate::reach::{Ask, Reach};

/// Characters of a hash that are shown where a person reads.
const SHORT: usize = 8;

/// A version that is kept.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Version {
    /// Its hash.
    pub definition: DefinitionHash,
    /// Whether new events start it.
    pub active: bool,
    /// Its file, relative to the project.
    pub file: String,
    /// When it was first seen, in milliseconds since 1970.
    #[serde(default)]
    pub first_seen_ms: Option<i64>,
    /// Runs on it that have not ended.
    pub open_runs: u64,
    v: u32,
    /// The text of the file.
    pub text: String,
    /// What it was read under.
    pub defaults: Defaults,
}

/// The versions of a workflow, the one seen last first.
#[derive(Debug, Deserialize)]
pub(super) struct Kept {
    /// The versions.
    pub data: Vec<Version>,
    /// Whether every run that has not ended was counted.
    pub counted_all: bool,
}

/// The start of a hash, as it is shown.
pub(super) fn short(hash: DefinitionHash) -> String {
    hash.to_string().chars().take(SHORT).collect()
}

impl Version {
    /// The version as a workflow, if this build can read it.
    pub fn workflow(&self) -> Option<Workflow> {
        let stored = Stored::new(self.file.clone(), self.text.clone(), self.defaults);
        parse::workflow(&Stored { v: self.v, ..stored }).ok()
    }

    /// What it is called where a person reads.
    pub fn title(&self) -> String {
        let active = if self.active { " (active)" } else { "" };
        format!("{}{active}", short(self.definition))
    }
}

/// Whether a run can go on from one version with another; nothing if that cannot be told.
pub(super) fn same_steps(one: &Version, other: &Version) -> Option<bool> {
    Some(one.workflow()?.same_steps(&other.workflow()?))
}

impl Kept {
    /// Every version of a workflow, with its text.
    ///
    /// # Errors
    /// There is none of that name, or nobody answers.
    pub async fn of(name: &str, reach: &Reach) -> Result<Self, Failed> {
        let ask = Ask::get(&["workflows", name, "versions"]).query("text", Some(true));
        read(&reach.ask(ask).await?)
    }

    /// The one that new events start; none if the project no longer has the workflow.
    pub fn active(&self) -> Option<&Version> {
        self.data.iter().find(|version| version.active)
    }

    /// The one before the active one; the last one if none is active.
    pub fn previous(&self) -> Option<&Version> {
        let active = self.data.iter().position(|version| version.active);
        self.data.get(active.map_or(0, |active| active + 1))
    }

    fn by_hash(&self, hash: DefinitionHash) -> Option<&Version> {
        self.data.iter().find(|version| version.definition == hash)
    }

    /// The version that a word of the command line means.
    ///
    /// # Errors
    /// It means none, or several.
    pub fn pick(&self, word: &str) -> Result<&Version, Failed> {
        let word = word.to_lowercase();
        let named = match word.as_str() {
            "active" => Some((self.active(), "no version is active")),
            "previous" => Some((self.previous(), "no version before the active one is kept")),
            _ => None,
        };
        if let Some((found, none)) = named {
            return found.ok_or_else(|| Failed::usage(none, NAME_ONE));
        }
        let fits = |version: &&Version| version.definition.to_string().starts_with(&word);
        let found: Vec<&Version> = self.data.iter().filter(fits).collect();
        match found.as_slice() {
            [one] => Ok(one),
            [] => Err(Failed::usage(format!("no version starts with `{word}`"), NAME_ONE)),
            several => {
                let names: Vec<String> =
                    several.iter().map(|version| version.definition.to_string()).collect();
                let detail = format!("`{word}` may mean {}", names.join(" or "));
                Err(Failed::usage(detail, "give more of the hash"))
            }
        }
    }
}

const NAME_ONE: &str = "`postroom workflows versions NAME` lists them; name one by the start of \
                        its hash";

/// A run's workflow and the version it is on.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct On {
    /// The workflow.
    pub workflow: String,
    /// The version.
    pub definition: DefinitionHash,
}

/// Which version a redrive of one run goes on with: what was said; else what a person says, if
/// there is a newer one and somebody to ask; else the same.
///
/// # Errors
/// Nobody answers, or the person wants neither.
pub(super) async fn for_run(
    id: RunId,
    said: Option<cli::Version>,
    reach: &Reach,
    output: &Output,
) -> Result<cli::Version, Failed> {
    if let Some(version) = decided(said, output) {
        return Ok(version);
    }
    let run: Run = read(&reach.ask(Ask::get(&["runs", &id.to_string()])).await?)?;
    let on = On { workflow: run.workflow, definition: run.definition };
    choose(&[on], reach, output).await
}

/// The same for many runs.
///
/// # Errors
/// Nobody answers, or the person wants neither.
pub(super) async fn for_many(
    runs: &[On],
    said: Option<cli::Version>,
    reach: &Reach,
    output: &Output,
) -> Result<cli::Version, Failed> {
    match decided(said, output) {
        Some(version) => Ok(version),
        None => choose(runs, reach, output).await,
    }
}

fn decided(said: Option<cli::Version>, output: &Output) -> Option<cli::Version> {
    let nobody = output.json || !output.can_ask();
    said.or_else(|| nobody.then_some(cli::Version::Same))
}

async fn choose(runs: &[On], reach: &Reach, output: &Output) -> Result<cli::Version, Failed> {
    let mut told = Vec::new();
    let mut possible = false;
    for (workflow, versions) in by_workflow(runs) {
        let kept = match Kept::of(workflow, reach).await {
            Ok(kept) => kept,
            // A server that knows no versions, or a workflow of which nothing is left.
            Err(Failed::Refused(Refused { status: 404, .. })) => continue,
            Err(failed) => return Err(failed),
        };
        for (version, count) in versions {
            if let Some((text, can)) = compared(workflow, version, count, &kept) {
                told.push(text);
                possible |= can;
            }
        }
    }
    if told.is_empty() {
        return Ok(cli::Version::Same);
    }
    told.iter().for_each(|text| output.say(text));
    if !possible {
        let go = ask::yes("go on with the same version?", output).await?;
        return if go { Ok(cli::Version::Same) } else { Err(Failed::Declined) };
    }
    match ask::line("go on with the same version or the newest? [same/newest]", output)
        .await?
        .as_str()
    {
        "s" | "same" => Ok(cli::Version::Same),
        "n" | "newest" => Ok(cli::Version::Newest),
        _ => Err(Failed::Declined),
    }
}

/// How many runs are on which version of which workflow.
fn by_workflow(runs: &[On]) -> BTreeMap<&str, BTreeMap<DefinitionHash, usize>> {
    let mut found: BTreeMap<&str, BTreeMap<DefinitionHash, usize>> = BTreeMap::new();
    for run in runs {
        *found.entry(&run.workflow).or_default().entry(run.definition).or_default() += 1;
    }
    found
}

/// How the newest version compares with that of some runs, and whether they may go on with it;
/// nothing if they are on it.
fn compared(
    workflow: &str,
    version: DefinitionHash,
    count: usize,
    kept: &Kept,
) -> Option<(String, bool)> {
    let newest = kept.active()?;
    if newest.definition == version {
        return None;
    }
    let same = kept.by_hash(version).and_then(|own| same_steps(own, newest));
    let (how, can) = match same {
        Some(true) => ("has the same steps", true),
        Some(false) => ("has other steps: only the same version is possible", false),
        None => ("cannot be compared with it", true),
    };
    let runs = if count == 1 { "1 run is".to_owned() } else { format!("{count} runs are") };
    let (workflow, own, newest) = (plain(workflow), short(version), short(newest.definition));
    Some((format!("{workflow}: {runs} on version {own}; the newest, {newest}, {how}"), can))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn version(hash: &str, active: bool, steps: &[&str]) -> serde_json::Value {
        let steps: String =
            steps.iter().map(|id| format!("  - {{id: {id}, uses: local/echo}}\n")).collect();
        json!({
            "definition": format!("{hash}{}", "0".repeat(32 - hash.len())), "active": active,
            "file": "w.yaml", "open_runs": 0, "v": 1, "defaults": Defaults::default(),
            "text": format!("workflow: w\non: [{{event: E}}]\nsteps:\n{steps}"),
        })
    }

    fn kept(versions: &[serde_json::Value]) -> Kept {
        serde_json::from_value(json!({ "data": versions, "counted_all": true })).unwrap()
    }

    fn refused(kept: &Kept, word: &str) -> String {
        match kept.pick(word) {
            Err(Failed::Usage(said)) => said.detail,
            other => panic!("{word}: {other:?}"),
        }
    }

    #[test]
    fn versions_are_named_by_words_and_by_the_start_of_their_hash() {
        let kept = kept(&[
            version("ab1", false, &["a"]),
            version("ab2", true, &["a"]),
            version("c", false, &["a"]),
        ]);
        let picked = |word: &str| short(kept.pick(word).unwrap().definition);
        assert_eq!(picked("active"), "ab200000");
        assert_eq!(picked("previous"), "c0000000");
        assert_eq!(picked("C"), "c0000000");
        assert_eq!(picked("ab1"), "ab100000");
        let zeros = "0".repeat(29);
        assert_eq!(refused(&kept, "ab"), format!("`ab` may mean ab1{zeros} or ab2{zeros}"));
        assert_eq!(refused(&kept, "d"), "no version starts with `d`");
    }

    #[test]
    fn without_an_active_version_the_last_one_is_the_previous_one() {
        let gone = kept(&[version("a", false, &["a"]), version("b", false, &["a"])]);
        assert_eq!(short(gone.pick("previous").unwrap().definition), "a0000000");
        assert_eq!(refused(&gone, "active"), "no version is active");
        let only = kept(&[version("a", true, &["a"])]);
        assert_eq!(refused(&only, "previous"), "no version before the active one is kept");
    }

    #[test]
    fn what_a_redrive_could_go_on_with_is_told_of_each_version() {
        let kept = kept(&[
            version("a", true, &["one", "two"]),
            version("b", false, &["one", "two"]),
            version("c", false, &["one"]),
        ]);
        let hash = |at: usize| kept.data[at].definition;
        assert_eq!(compared("w", hash(0), 1, &kept), None);
        let (text, can) = compared("w", hash(1), 2, &kept).unwrap();
        assert!(can);
        assert_eq!(
            text,
            "w: 2 runs are on version b0000000; the newest, a0000000, has the same steps"
        );
        let (text, can) = compared("w", hash(2), 1, &kept).unwrap();
        assert!(!can && text.contains("1 run is on version c0000000"), "{text}");
        assert!(text.contains("has other steps"), "{text}");
    }
}
