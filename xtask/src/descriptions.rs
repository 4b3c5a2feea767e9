//! `cargo xtask descriptions [FOLDER]`: imports whole descriptions of real providers with the
//! release binary, within bounds of time and memory, and holds each request against the
//! description it came from. The descriptions are too large, and not ours, to lie here.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use crate::{Failure, cargo};

/// Where the descriptions lie if no folder is named: beside the checkout.
const FOLDER: &str = "../shared/data/openapi";
/// What an import may take.
const MAX_TIME: Duration = Duration::from_secs(5);
const MAX_KIB: u64 = 300 * 1024;

/// Checks every description below a folder.
pub fn run(arguments: &[String]) -> Result<(), Failure> {
    let folder = match arguments {
        [] => cargo::workspace_root().join(FOLDER),
        [folder] => PathBuf::from(folder),
        _ => return Err("one folder at the most".into()),
    };
    let mut files = Vec::new();
    below(&folder, &mut files)?;
    files.sort();
    cargo::stream(&["build", "--release", "--locked", "--package", "postroom"])?;
    let example = ["--example", "descriptions", "--package", "postroom-adapters"];
    cargo::stream(&[&["build", "--release", "--locked"], &example[..]].concat())?;
    println!("{:<48} {:>8} {:>8}  import, then requests", "description", "s", "MiB");
    let mut wrong = Vec::new();
    let mut checked = 0;
    for file in &files {
        let name = file.strip_prefix(&folder).unwrap_or(file).display().to_string();
        match check(file, &name) {
            Ok(true) => checked += 1,
            Ok(false) => {}
            Err(why) => {
                println!("{name:<48} FAILED: {why}");
                wrong.push(name);
            }
        }
    }
    match (checked, wrong.as_slice()) {
        (0, []) => Err(format!("{} holds no description", folder.display()).into()),
        (_, []) => Ok(()),
        (_, wrong) => Err(format!("{} failed: {}", wrong.len(), wrong.join(", ")).into()),
    }
}

/// The same as a stage of the continuous integration, which says so where there is nothing.
pub fn if_there() -> Result<(), Failure> {
    let folder = cargo::workspace_root().join(FOLDER);
    if folder.is_dir() {
        return run(&[]);
    }
    println!("!! NOT RUN: the descriptions of providers are not at {}", folder.display());
    println!("!! `cargo xtask descriptions FOLDER` imports those of another folder");
    Ok(())
}

fn below(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let entries = fs::read_dir(folder).map_err(|why| format!("{}: {why}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            below(&path, files)?;
        } else if path.extension().is_some_and(|end| end == "json" || end == "yaml") {
            files.push(path);
        }
    }
    Ok(())
}

/// Imports one; false for a file that is no description we import.
fn check(file: &Path, name: &str) -> Result<bool, Failure> {
    let target = cargo::workspace_root().join("target");
    let folder = target.join("descriptions");
    fs::create_dir_all(&folder)?;
    let manifest = folder.join(name.replace(['/', '.'], "_") + ".yaml");
    let start = Instant::now();
    let mut child = Command::new(target.join("release/postroom"))
        .args(["adapter", "import", "--all", "--force", "--name", "it", "--out"])
        .args([&manifest, file])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let most_kib = watch(&mut child, start)?;
    let took = start.elapsed();
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let why = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(2) && why.contains("no description that can be imported") {
        println!("{name:<48} no description: {}", why.lines().next().unwrap_or_default().trim());
        return Ok(false);
    }
    if !output.status.success() {
        return Err(why.lines().next().unwrap_or("it says nothing").into());
    }
    let first = said.lines().next().unwrap_or_default();
    let first = first.rsplit_once(": ").map_or(first, |(_, count)| count);
    let held = Command::new(target.join("release/examples/descriptions"))
        .arg(file)
        .arg(&manifest)
        .output()?;
    let told = String::from_utf8_lossy(&held.stdout);
    let last = told.lines().last().unwrap_or_default();
    let mib = most_kib / 1024;
    println!("{name:<48} {:>8.2} {mib:>8}  {first}, {last}", took.as_secs_f64());
    if !held.status.success() {
        return Err(told.into_owned().into());
    }
    match (took > MAX_TIME, most_kib > MAX_KIB) {
        (true, _) => Err(format!("it took longer than {} s", MAX_TIME.as_secs()).into()),
        (_, true) => Err(format!("it took more than {} MiB", MAX_KIB / 1024).into()),
        _ => Ok(true),
    }
}

/// Waits for the end of a process, and looks how much memory it has in between.
#[allow(clippy::disallowed_methods, reason = "nothing signals that memory grew")]
fn watch(child: &mut Child, start: Instant) -> Result<u64, Failure> {
    let status = format!("/proc/{}/status", child.id());
    let mut most_kib = 0;
    while child.try_wait()?.is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        most_kib = peak(&text).unwrap_or(0).max(most_kib);
        if start.elapsed() > 10 * MAX_TIME {
            child.kill()?;
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(most_kib)
}

/// The most memory a process had so far, in KiB. Only Linux says so.
fn peak(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}
