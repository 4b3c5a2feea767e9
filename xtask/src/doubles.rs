//! `cargo xtask doubles`: installs the doubles of providers that tests of the binary talk to.
//! Others wrote them; `crates/postroom/tests/doubles` has their versions, npm and PyPI the files.
//!
//! They lie below the target folder. A second run does nothing while the pins are the same; no
//! script of a package runs. Starts nothing: that is for the tests to do.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Failure;
use crate::cargo::{self, Unsuccessful};

/// Where the pins are, in the workspace.
const FOLDER: &str = "crates/postroom/tests/doubles";

/// What says which versions are installed. The tests compare the same files, in this order.
const PINS: [&str; 3] = ["package.json", "package-lock.json", "requirements.txt"];

/// Says how npm installs; of no consequence for what.
const NPM_SETTINGS: &str = ".npmrc";

/// Installs what is pinned, unless it is there; takes no arguments.
pub fn run(arguments: &[String]) -> Result<(), Failure> {
    if let Some(argument) = arguments.first() {
        return Err(format!("`{argument}` is not understood: doubles takes no arguments").into());
    }
    let pins = cargo::workspace_root().join(FOLDER);
    let wanted = pinned(&pins)?;
    let folder = target()?.join("doubles");
    let stamp = folder.join("installed");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    println!("== installing the doubles of providers that tests talk to");
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(format!("{} cannot be removed: {error}", folder.display()).into());
        }
        _ => fs::create_dir_all(&folder)?,
    }
    for name in PINS.into_iter().chain([NPM_SETTINGS]) {
        fs::copy(pins.join(name), folder.join(name))?;
    }
    let npm = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
    step(&folder, "npm", &npm, "install Node.js and npm (Debian: apt-get install nodejs npm)")?;
    let advice = "install Python with venv (Debian: apt-get install python3-venv)";
    step(&folder, "python3", &["-m", "venv", "python"], advice)?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"];
    let pip = [&pip[..], &["--requirement", "requirements.txt"]].concat();
    let python = folder.join("python/bin/python");
    step(&folder, &python.to_string_lossy(), &pip, "look at what pip says")?;
    // Last, so that what broke off is done again.
    fs::write(&stamp, wanted)?;
    Ok(())
}

/// The text of all pins, which is the stamp of what is installed.
fn pinned(folder: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    for name in PINS {
        let path = folder.join(name);
        let pins = fs::read_to_string(&path);
        text += &pins.map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    }
    Ok(text)
}

/// Where cargo builds; it may have been told to do so elsewhere.
fn target() -> Result<PathBuf, Failure> {
    let text = cargo::capture(&["metadata", "--no-deps", "--format-version=1", "--locked"])?;
    let metadata: serde_json::Value = serde_json::from_slice(&text)?;
    let folder = metadata["target_directory"].as_str();
    Ok(PathBuf::from(folder.ok_or("cargo metadata names no target_directory")?))
}

/// Runs a program in the folder, with its output on this terminal.
fn step(folder: &Path, program: &str, arguments: &[&str], advice: &str) -> Result<(), Failure> {
    let command = format!("{program} {}", arguments.join(" "));
    let status = Command::new(program).args(arguments).current_dir(folder).status();
    let status = status.map_err(|error| {
        format!("`{program}` does not start: {error}. The tests need it: {advice}, then try again")
    })?;
    if status.success() {
        return Ok(());
    }
    eprintln!("The doubles come from npm and PyPI: the first run needs the network. Or {advice}.");
    let exit_code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Err(Box::new(Unsuccessful { command, exit_code }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pins_name_no_registry() {
        let text = pinned(&cargo::workspace_root().join(FOLDER)).expect("the pins are there");
        assert!(text.contains("\"emulate\": \"0.12.2\"") && text.contains("aiosmtpd==1.4.6"));
        assert!(!text.contains("\"resolved\""), "run npm with the settings of the folder");
    }

    #[test]
    fn a_program_that_is_missing_is_told_with_what_to_do() {
        let folder = cargo::workspace_root();
        let failure = step(&folder, "no-such-program", &["ci"], "install it").expect_err("missing");
        let text = failure.to_string();
        assert!(text.contains("`no-such-program` does not start"), "{text}");
        assert!(text.ends_with("install it, then try again"), "{text}");
    }
}
