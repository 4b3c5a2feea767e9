//! Places of secrets in a folder, looked at without a server.

use std::fs;
use std::path::Path;

use super::*;
use crate::config;

fn keeper(folder: &Path, config: &str, names: &[&str]) -> Keeper {
    let file = folder.join("postroom.yaml");
    fs::write(&file, config).unwrap();
    let loaded = config::load(Some(&file)).ok().unwrap();
    Keeper::open(&loaded, names.iter().map(|name| (*name).to_owned()))
}

fn value(keeper: &Keeper, name: &str) -> Option<String> {
    keeper.get(name).map(|secret| secret.expose().to_owned())
}

#[test]
fn the_first_place_that_has_a_name_counts() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("run")).unwrap();
    fs::write(at("run/slack_bot_token"), "of-the-folder\n").unwrap();
    fs::write(at("run/.hidden"), "not-looked-at").unwrap();
    let config = "secrets: { directory: run }";
    let names = ["SLACK_BOT_TOKEN", "OTHER"];
    let of_folder = keeper(folder.path(), config, &names);
    assert_eq!(value(&of_folder, "SLACK_BOT_TOKEN").as_deref(), Some("of-the-folder"));
    assert_eq!(value(&of_folder, "OTHER"), None);
    assert!(!of_folder.names().contains(".hidden"));

    fs::write(at("named"), "of-a-named-file\n").unwrap();
    let line = format!("SLACK_BOT_TOKEN_FILE={}\n", at("named").display());
    fs::write(at(".env"), &line).unwrap();
    let of_file = keeper(folder.path(), config, &names);
    assert_eq!(value(&of_file, "SLACK_BOT_TOKEN").as_deref(), Some("of-a-named-file"));

    fs::write(at(".env"), format!("{line}SLACK_BOT_TOKEN=of-dot-env\n")).unwrap();
    let of_env = keeper(folder.path(), config, &names);
    assert_eq!(value(&of_env, "SLACK_BOT_TOKEN").as_deref(), Some("of-dot-env"));
    let places = of_env.places("SLACK_BOT_TOKEN");
    let places: Vec<String> = places.iter().map(|found| found.place.to_string()).collect();
    assert_eq!(places.len(), 3, "{places:?}");
    assert_eq!(places[0], ".env");
    // Values that do not count are kept out of logs too.
    let told = postroom_engine::secrets::redact(&of_env, "of-dot-env of-the-folder".to_owned());
    assert_eq!(told, "*** ***");
}

#[test]
fn what_changes_is_seen_and_what_was_is_kept_out_of_logs() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at(".env"), "KEY=first-value\nCALLED_TOKEN=named-by-itself\nHOST=localhost\n")
        .unwrap();
    let keeper = keeper(folder.path(), "", &["KEY"]);
    let before = keeper.edition();
    assert!(keeper.look(false).is_empty());
    assert_eq!(keeper.edition(), before);
    fs::write(at(".env"), "KEY=second-value\n").unwrap();
    assert!(keeper.look(false).is_empty());
    assert_eq!(value(&keeper, "KEY").as_deref(), Some("second-value"));
    let said = "first-value second-value named-by-itself localhost".to_owned();
    assert_eq!(postroom_engine::secrets::redact(&keeper, said), "*** *** *** localhost");

    // A file that breaks leaves what was read before.
    fs::write(at(".env"), "no assignment\n").unwrap();
    assert_eq!(keeper.look(false).len(), 1);
    assert_eq!(value(&keeper, "KEY").as_deref(), Some("second-value"));
    assert!(keeper.look(false).is_empty(), "told once");
    // A name that nobody referred to at the start.
    fs::write(at(".env"), "KEY=second-value\nLATER=later-value\n").unwrap();
    keeper.look(false);
    assert_eq!(value(&keeper, "LATER").as_deref(), Some("later-value"));
    fs::write(at(".env"), "LATER=changed-value\n").unwrap();
    keeper.look(false);
    assert_eq!(value(&keeper, "LATER").as_deref(), Some("changed-value"));
    assert_eq!(value(&keeper, "KEY"), None);
}

#[test]
fn files_that_cannot_be_used_are_told_without_what_is_inside() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("run")).unwrap();
    fs::write(at("run/A"), "x".repeat(70_000)).unwrap();
    fs::write(at("empty"), " \n").unwrap();
    let named = |name: &str| format!("KEY_FILE={}\n", at(name).display());
    fs::write(at(".env"), named("none")).unwrap();
    let keeper = keeper(folder.path(), "secrets: { directory: run }", &["KEY"]);
    let faults = keeper.faults();
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(faults.iter().all(|it| it.kind == &problem::BAD_SECRET_FILE));
    assert!(faults[0].detail.ends_with("it is larger than 64 KiB"), "{}", faults[0]);
    assert!(faults[1].detail.starts_with("KEY_FILE names "), "{}", faults[1]);
    fs::write(at(".env"), named("empty")).unwrap();
    let faults = keeper.look(false);
    assert_eq!(faults.len(), 1);
    assert!(faults[0].detail.ends_with("it is empty"), "{}", faults[0]);
}

#[test]
fn the_old_value_counts_for_signatures_until_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let key = age::Identity::make().unwrap();
    fs::write(folder.path().join("secrets.key"), key.text()).unwrap();
    fs::write(folder.path().join("secrets.recipients"), key.recipient().to_string()).unwrap();
    let sealed = Sealed { path: folder.path().join("secrets.age") };
    let time = |text: &str| text.parse::<jiff::Timestamp>().unwrap();
    let entry = |until: &str| Entry {
        value: "new-secret".into(),
        set: None,
        previous: Some(("old-secret".into(), time(until))),
    };
    let entries =
        [("TURNS", entry("2199-01-01T00:00:00Z")), ("OVER", entry("2001-01-01T00:00:00Z"))];
    let entries = entries.map(|(name, entry)| (name.to_owned(), entry));
    sealed.write(&sealed::Entries::from(entries)).unwrap();
    let keeper = keeper(folder.path(), "", &["TURNS", "OVER"]);
    assert!(keeper.faults().is_empty(), "{:?}", keeper.faults());
    assert_eq!(value(&keeper, "TURNS").as_deref(), Some("new-secret"));
    let live = |name: &str| keeper.live(name).len();
    assert_eq!((live("TURNS"), live("OVER"), live("NONE")), (2, 1, 0));
    let said = format!("old-secret new-secret {}", key.text());
    assert_eq!(postroom_engine::secrets::redact(&keeper, said), "*** *** ***");
    let told = keeper.origins().iter().map(|it| it.json().to_string()).collect::<String>();
    assert!(!told.contains("-secret"), "{told}");
}
