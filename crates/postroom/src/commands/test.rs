//! `test`: plays every test of a project, tells what differs, and writes it down if asked to.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context as _, anyhow};
use parking_lot::Mutex;
use postroom_core::Problem;
use postroom_core::run::RunState;
use postroom_engine::Project;
use postroom_engine::rehearsal::Rehearsed;
use serde_json::json;
use similar::{ChangeTag, TextDiff};

use crate::assemble::{YAML, assemble};

use crate::cli::Test;
use crate::exit::Failed;
use crate::fixture::expect::came_to;
use crate::fixture::tree::Tree;
use crate::fixture::{self, Fixture};
use crate::output::{self, Output, plain};
use crate::{config, home, junit, stage};

/// Lines around a difference that are shown with it.
const AROUND: usize = 3;

/// What became of a test.
pub(super) struct Ran {
    /// What differs, if something does; the first line says what.
    pub failure: Option<String>,
    /// What came, in the words of the expectation, where the test could be played.
    came: Option<Tree>,
    took_us: u128,
}

/// Runs the tests.
pub(super) fn run(args: &Test, options: &home::Options, output: &Output) -> Result<(), Failed> {
    let started = Instant::now();
    let loaded = config::load(options.config.as_deref())?;
    let project = assemble(&loaded)?.project;
    let folder = loaded.folder.join(&loaded.config.tests);
    let mut fixtures = read(&args.paths, &folder, &loaded.folder, &project)?;
    if let Some(part) = &args.only {
        fixtures.retain(|test| test.name.contains(part) || test.file.contains(part));
    }
    if fixtures.is_empty() {
        let hint = "a test is a YAML file, docs/tests.md says how to write one; `postroom capture` \
                    makes one of a run";
        return Err(Failed::usage(format!("there are no tests in {}", folder.display()), hint));
    }
    let ran = all(&fixtures, &project);
    let took_us = started.elapsed().as_micros();
    if let Some(file) = &args.junit {
        write_junit(file, &fixtures, &ran, took_us)?;
    }
    let updated = if args.update { update(&fixtures, &ran)? } else { 0 };
    report(&fixtures, &ran, updated, took_us, output)?;
    let failed = ran.iter().filter(|ran| ran.failure.is_some()).count() - updated;
    match failed {
        0 => Ok(()),
        failed => Err(Failed::Other(anyhow!("{failed} of {} tests failed", ran.len()))),
    }
}

/// The files of tests that are meant.
fn files(paths: &[PathBuf], folder: &Path) -> Result<Vec<PathBuf>, Failed> {
    let mut problems = Vec::new();
    let mut files = Vec::new();
    let default = [folder.to_path_buf()];
    for path in if paths.is_empty() { &default[..] } else { paths } {
        if path.is_dir() {
            files.extend(crate::files::of(path, YAML, &mut problems));
        } else if !paths.is_empty() {
            files.push(path.clone());
        }
    }
    if problems.is_empty() { Ok(files) } else { Err(Failed::Problems(problems)) }
}

/// The tests of the paths, or of the whole folder if there are none.
pub(super) fn read(
    paths: &[PathBuf],
    folder: &Path,
    root: &Path,
    project: &Project,
) -> Result<Vec<Fixture>, Failed> {
    let mut fixtures = Vec::new();
    let mut problems: Vec<Problem> = Vec::new();
    for path in &files(paths, folder)? {
        let name = path.strip_prefix(root).unwrap_or(path).display().to_string();
        match config::read(path).and_then(|text| fixture::read(path, &name, &text, project)) {
            Ok(found) => fixtures.extend(found),
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() { Ok(fixtures) } else { Err(Failed::Problems(problems)) }
}

/// Plays all tests, on as many threads as there are cores.
pub(super) fn all(fixtures: &[Fixture], project: &Project) -> Vec<Ran> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let next = AtomicUsize::new(0);
    let ran: Mutex<Vec<(usize, Ran)>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads.min(fixtures.len()) {
            scope.spawn(|| {
                while let Some((index, fixture)) = {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    fixtures.get(index).map(|fixture| (index, fixture))
                } {
                    let one = one(fixture, project);
                    ran.lock().push((index, one));
                }
            });
        }
    });
    let mut ran = ran.into_inner();
    ran.sort_by_key(|(index, _)| *index);
    ran.into_iter().map(|(_, ran)| ran).collect()
}

fn one(fixture: &Fixture, project: &Project) -> Ran {
    let started = Instant::now();
    let only = fixture.only.as_deref();
    let played = stage::play(project, &fixture.event, &fixture.script, only, fixture.now_ms);
    let (failure, came) = match played {
        Err(error) => (Some(format!("it cannot be played: {error}")), None),
        Ok(rehearsed) => {
            let came = came_to(&rehearsed, fixture.expect.as_ref());
            let failure = match &fixture.expect {
                None => Some("it expects nothing; --update writes down what came".to_owned()),
                Some(wanted) if came.same(wanted) => None,
                Some(wanted) => {
                    let (diff, why) = (diff(wanted, &came), deaths(&rehearsed));
                    Some(format!("it came otherwise\n{diff}{why}"))
                }
            };
            (failure, Some(came))
        }
    };
    Ran { failure, came, took_us: started.elapsed().as_micros() }
}

/// Why runs died; an expectation of success says nothing of it.
fn deaths(rehearsed: &Rehearsed) -> String {
    let dead = rehearsed.runs.iter().map(|played| &played.run);
    let dead = dead.filter(|run| run.state == RunState::Dead);
    dead.map(|run| format!("{} died: {}\n", run.workflow, super::runs::why(run))).collect()
}

/// What is expected (`-`) beside what came (`+`), with the keys that lead there.
fn diff(wanted: &Tree, came: &Tree) -> String {
    let (wanted, came) = (wanted.yaml(), came.yaml());
    let diff = TextDiff::from_lines(&wanted, &came);
    let mut text = String::new();
    for (index, group) in diff.grouped_ops(AROUND).iter().enumerate() {
        if index > 0 {
            text.push_str("  ...\n");
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            text.push_str(&format!("{sign} {}", change.value()));
            if !change.value().ends_with('\n') {
                text.push('\n');
            }
        }
    }
    text
}

fn write_junit(
    file: &Path,
    fixtures: &[Fixture],
    ran: &[Ran],
    took_us: u128,
) -> Result<(), Failed> {
    let mut cases = Vec::new();
    for (fixture, ran) in fixtures.iter().zip(ran) {
        cases.push(junit::Case {
            name: &fixture.name,
            file: &fixture.file,
            took_us: ran.took_us,
            failure: ran.failure.as_deref(),
        });
    }
    let why = || format!("cannot write {}", file.display());
    Ok(std::fs::write(file, junit::document(&cases, took_us)).with_context(why)?)
}

/// Writes what came in place of what was expected; returns how many tests are right now.
fn update(fixtures: &[Fixture], ran: &[Ran]) -> Result<usize, Failed> {
    let mut by_file: BTreeMap<&Path, Vec<(&Fixture, &Tree)>> = BTreeMap::new();
    for (fixture, ran) in fixtures.iter().zip(ran) {
        if let (Some(_), Some(came)) = (&ran.failure, &ran.came) {
            by_file.entry(&fixture.path).or_default().push((fixture, came));
        }
    }
    let mut updated = 0;
    for (path, changes) in by_file {
        let mut text = config::read(path)?;
        // From the end, so that what is not yet written stays where it was.
        for (fixture, came) in changes.iter().rev() {
            let mut fresh = fixture::expectation(came);
            if text[..fixture.expected_at.start].chars().next_back().is_some_and(|c| c != '\n') {
                fresh.insert(0, '\n');
            }
            text.replace_range(fixture.expected_at.clone(), &fresh);
            updated += 1;
        }
        let why = || format!("cannot write {}", path.display());
        std::fs::write(path, text).with_context(why)?;
    }
    Ok(updated)
}

fn report(
    fixtures: &[Fixture],
    ran: &[Ran],
    updated: usize,
    took_us: u128,
    output: &Output,
) -> Result<(), Failed> {
    let took_ms = took_us / 1_000;
    let failed = ran.iter().filter(|ran| ran.failure.is_some()).count() - updated;
    if output.json {
        let tests = fixtures.iter().zip(ran).map(|(fixture, ran)| {
            json!({
                "test": fixture.name,
                "file": fixture.file,
                "line": fixture.line,
                "passed": ran.failure.is_none(),
                "failure": ran.failure,
            })
        });
        let tests: Vec<_> = tests.collect();
        let passed = ran.len() - failed - updated;
        let document = json!({
            "passed": passed, "failed": failed, "updated": updated, "took_ms": took_ms,
            "tests": tests,
        });
        return output.print(&document.to_string());
    }
    let mut text = String::new();
    for (fixture, ran) in fixtures.iter().zip(ran) {
        let Some(failure) = &ran.failure else {
            text.push_str(&format!("{} {}\n", output::good("ok  "), plain(&fixture.name)));
            continue;
        };
        let word = if updated > 0 && ran.came.is_some() { "new " } else { "FAIL" };
        text.push_str(&failed_lines(word, fixture, failure));
    }
    let passed = ran.len() - failed - updated;
    let kept = if updated > 0 { format!(", {updated} written down anew") } else { String::new() };
    text.push_str(&format!("{passed} passed, {failed} failed{kept}, in {took_ms} ms\n"));
    output.print(&text)
}

/// A test that came otherwise, and what differs.
pub(super) fn failed_lines(word: &str, fixture: &Fixture, failure: &str) -> String {
    let place = format!("{}:{}", fixture.file, fixture.line);
    let name = plain(&fixture.name);
    let mut text = format!("{} {name} ({})\n", output::bad(word), plain(&place));
    for line in failure.lines() {
        text.push_str(&format!("     {}\n", output::changed(line)));
    }
    text
}
