//! `dev`: serves, and looks at the project's files meanwhile. What was saved is checked and its
//! tests are played; if all is well the running engine goes on with it, else what was running goes
//! on and the problem is said. `docs/dev.md` is its page.

mod affected;
mod fixed;
mod lines;
mod watch;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use postroom_engine::Project;

use self::watch::{Places, Snapshot};
use super::test;
use crate::assemble::{Assembled, assemble};
use crate::cli::Dev;
use crate::config::{self, Config, Loaded};
use crate::exit::Failed;
use crate::fixture::Fixture;
use crate::home;
use crate::output::moment::{Moment, span};
use crate::output::{Output, bad, good, plain};
use crate::project::open;
use crate::serve::{Serving, stop_signal};

/// How often the files are looked at. A change is taken up once nothing has changed since the look
/// before: a save of several files, or one in parts, is one change.
const LOOK: Duration = Duration::from_millis(200);

/// The signal to stop, waited for all along.
type Stop = Pin<Box<dyn Future<Output = &'static str>>>;

/// Serves and follows the files until told to stop.
///
/// # Errors
/// No configuration, a data folder or address that cannot be had.
pub(super) async fn run(
    args: &Dev,
    options: &home::Options,
    output: &Output,
) -> Result<(), Failed> {
    let path = config::path(options.config.as_deref())?;
    lines::start(output.coloured());
    let mut watched = Watched::new(Places::of_path(&path));
    let mut stop: Stop = Box::pin(stop_signal()?);
    let config = loop {
        match readable(&path, &mut watched) {
            Ok(config) => break config,
            Err(failed) => output.failed(&failed),
        }
        say(output, &format!("{}: it starts once this is repaired", bad("not started")));
        if watched.change(&mut stop).await.is_some() {
            return Ok(());
        }
    };
    let sandbox = args.sandbox.unwrap_or(config.dev_sandbox);
    // From here on everything is a change: also what is saved while it starts.
    watched.settle();
    let serving = Serving::start(open(options, sandbox).await?, args.listen, options).await?;
    let told = Session { path, serving: &serving, output }.follow(watched, &mut stop).await;
    serving.stop(told).await;
    Ok(())
}

/// The configuration of a project without problems; where its files lie, in any case. What is saved
/// while they are read is a change.
fn readable(path: &Path, watched: &mut Watched) -> Result<Config, Failed> {
    watched.settle();
    let loaded = config::load(Some(path))?;
    watched.places = Places::of(&loaded);
    watched.settle();
    assemble(&loaded)?;
    Ok(loaded.config)
}

/// Something to say about the files, with the time.
fn say(output: &Output, text: &str) {
    output.say(&format!("{}  {text}", Moment::now().of_day()));
}

/// The files, and what of them is known already.
struct Watched {
    places: Places,
    /// As they were when they were last read.
    seen: Snapshot,
}

impl Watched {
    fn new(places: Places) -> Self {
        Self { places, seen: Snapshot::default() }
    }

    /// Takes the files as they are now for known.
    fn settle(&mut self) {
        self.seen = Snapshot::take(&self.places);
    }

    /// Waits for the next change, until the files are at rest; says which signal came before.
    async fn change(&mut self, stop: &mut Stop) -> Option<&'static str> {
        let mut last = Snapshot::take(&self.places);
        loop {
            tokio::select! {
                told = &mut *stop => return Some(told),
                () = tokio::time::sleep(LOOK) => {}
            }
            let now = Snapshot::take(&self.places);
            if now == last && now != self.seen {
                self.seen = now;
                return None;
            }
            last = now;
        }
    }
}

/// A project at work whose files are followed.
struct Session<'a> {
    path: PathBuf,
    serving: &'a Serving,
    output: &'a Output,
}

/// What a change came to.
struct Green {
    loaded: Loaded,
    assembled: Assembled,
    /// How many tests were played.
    played: usize,
    took: Duration,
}

/// Why a change is not taken over.
enum Red {
    /// It has problems, or cannot be read.
    Failed(Failed),
    /// Tests came otherwise: their text, how many, and of how many.
    Tests(String, usize, usize),
}

impl<E: Into<Failed>> From<E> for Red {
    fn from(failed: E) -> Self {
        Self::Failed(failed.into())
    }
}

impl Session<'_> {
    /// Takes up change after change; says which signal ended it.
    async fn follow(&self, mut watched: Watched, stop: &mut Stop) -> &'static str {
        // The state that what is running was made of.
        let mut good = watched.seen.clone();
        self.tell_first().await;
        loop {
            if let Some(told) = watched.change(stop).await {
                return told;
            }
            let files = good.changes_to(&watched.seen);
            match self.examine(&files).await {
                Ok(green) => {
                    // Before folders are looked at that nobody has looked at yet.
                    watched.places = Places::of(&green.loaded);
                    if self.take_over(green, &files).await {
                        good = watched.seen.clone();
                    }
                }
                Err(red) => self.tell_red(red),
            }
        }
    }

    /// Plays all tests of what has been started; it serves whatever they come to.
    async fn tell_first(&self) {
        let all = BTreeSet::from([self.path.clone()]);
        match self.examine(&all).await {
            Ok(green) => {
                say(self.output, &format!("watching; {}", tests_told(&green)));
            }
            Err(Red::Tests(text, failed, of)) => {
                self.output.say(text.trim_end());
                say(self.output, &format!("watching; {failed} of {of} tests failed"));
            }
            Err(Red::Failed(failed)) => {
                self.output.failed(&failed);
                say(self.output, "watching; its tests cannot be played");
            }
        }
    }

    /// Reads and checks the project as it is now, and plays the tests that the change is about.
    async fn examine(&self, files: &BTreeSet<PathBuf>) -> Result<Green, Red> {
        let (path, files) = (self.path.clone(), files.clone());
        let running = self.serving.opened.engine.project();
        let examined = tokio::task::spawn_blocking(move || examine(&path, &running, &files)).await;
        examined.context("the check did not come to an end")?
    }

    /// Lets the engine go on with a change; says whether it does.
    async fn take_over(&self, green: Green, files: &BTreeSet<PathBuf>) -> bool {
        let opened = &self.serving.opened;
        let tests = tests_told(&green);
        let Green { loaded, assembled, .. } = green;
        let of_tests = loaded.folder.join(&loaded.config.tests);
        let named = self.named(files, &loaded);
        if files.iter().all(|file| file.starts_with(&of_tests)) {
            say(self.output, &format!("{named}: {tests}"));
            return true;
        }
        for note in loaded.warnings.iter().chain(&assembled.notes) {
            if !opened.notes.contains(note) {
                say(self.output, &format!("note: {}", plain(note)));
            }
        }
        let mut waiting = fixed::changed(&opened.config, &loaded.config);
        if !fixed::same_sources(&opened.sources, &assembled.sources) {
            waiting.push("sources of events");
        }
        opened.secrets.adopt(&loaded, assembled.secrets.names());
        if let Err(error) = opened.engine.adopt(assembled.project).await {
            say(self.output, &format!("{}: {error}", bad("not swapped")));
            return false;
        }
        say(self.output, &format!("{} {named}; {tests}", good("swapped in:")));
        if !waiting.is_empty() {
            say(self.output, &format!("{} {}", bad("needs a restart:"), waiting.join(", ")));
        }
        true
    }

    /// The files of a change, as a person calls them.
    fn named(&self, files: &BTreeSet<PathBuf>, loaded: &Loaded) -> String {
        let short = |file: &PathBuf| {
            let file = file.strip_prefix(&loaded.folder).unwrap_or(file).display().to_string();
            plain(&file).into_owned()
        };
        let mut names: Vec<String> = files.iter().take(4).map(short).collect();
        if files.len() > names.len() {
            names.push(format!("{} more", files.len() - names.len()));
        }
        names.join(", ")
    }

    fn tell_red(&self, red: Red) {
        let why = match red {
            Red::Failed(failed) => {
                self.output.failed(&failed);
                match failed {
                    Failed::Problems(problems) if problems.len() == 1 => "1 problem".to_owned(),
                    Failed::Problems(problems) => format!("{} problems", problems.len()),
                    _ => "it cannot be checked".to_owned(),
                }
            }
            Red::Tests(text, failed, of) => {
                self.output.say(text.trim_end());
                format!("{failed} of {of} tests failed")
            }
        };
        let what = bad("not swapped:");
        say(self.output, &format!("{what} {why}; what was running goes on"));
    }
}

/// Reads, checks and plays. Touches nothing that runs.
fn examine(path: &Path, running: &Arc<Project>, files: &BTreeSet<PathBuf>) -> Result<Green, Red> {
    let started = Instant::now();
    let loaded = config::load(Some(path))?;
    let assembled = assemble(&loaded)?;
    let tests = about(files, &loaded, running, &assembled.project)?;
    let ran = test::all(&tests, &assembled.project);
    let failed = tests
        .iter()
        .zip(&ran)
        .filter_map(|(test, ran)| Some(test::failed_lines("FAIL", test, ran.failure.as_ref()?)));
    let failed: Vec<String> = failed.collect();
    if !failed.is_empty() {
        return Err(Red::Tests(failed.concat(), failed.len(), tests.len()));
    }
    Ok(Green { loaded, assembled, played: tests.len(), took: started.elapsed() })
}

/// The tests that a change is about: those of what changed, where that is a matter of workflows
/// and tests alone; all of them where it is not.
fn about(
    files: &BTreeSet<PathBuf>,
    loaded: &Loaded,
    running: &Project,
    now: &Project,
) -> Result<Vec<Fixture>, Failed> {
    let [of_workflows, of_tests] =
        [&loaded.config.workflows, &loaded.config.tests].map(|folder| loaded.folder.join(folder));
    let mut tests = test::read(&[], &of_tests, &loaded.folder, now)?;
    if files.iter().all(|file| file.starts_with(&of_workflows) || file.starts_with(&of_tests)) {
        let changed = affected::changed(running, now);
        tests.retain(|test| {
            files.contains(&test.path) || affected::concerns(test, &changed, [running, now])
        });
    }
    Ok(tests)
}

fn tests_told(green: &Green) -> String {
    let took = span(u64::try_from(green.took.as_millis()).unwrap_or(u64::MAX));
    match green.played {
        0 => format!("no test is about it ({took})"),
        1 => format!("1 test passed ({took})"),
        played => format!("{played} tests passed ({took})"),
    }
}
