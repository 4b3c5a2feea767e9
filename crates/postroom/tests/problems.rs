//! Every message of `postroom check`: `problems/*.txt` hold projects, each with one thing wrong,
//! followed by all that is said of it: code, place, line with caret, hint. `BLESS=1` writes what
//! follows anew.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Fewer cases than this are not the whole of it.
const LEAST: usize = 90;

/// Cases whose problem stands on no line of a file, each with the reason.
const NO_LINE: &[(&str, &str)] = &[
    ("there is no configuration", "there is no file to point at"),
    ("a workflow that is not UTF-8", "lines are of text, and this is none"),
    ("a workflow beyond what is read", "it is not read, so no line is known"),
    ("a sealed file that is none", "what is sealed has no lines"),
    ("a file of a secret that is not there", "a variable stands on no line"),
];

/// Cases whose line is named and not shown, each with the reason.
const NOT_SHOWN: &[(&str, &str)] = &[
    ("a line of .env that is none", "the line may hold a secret"),
    ("an expression longer than is read", "a line that fills a screen shows nothing"),
];

/// Codes whose messages say themselves what can stand there.
const SAYS_IT_ITSELF: &[&str] = &["config/out-of-range"];

/// Codes that `check` never gives, each with the reason.
const NOT_OF_CHECK: &[(&[&str], &str)] = &[
    (
        &[
            "request/malformed-json",
            "request/not-utf8",
            "request/too-deep",
            "request/bad-envelope",
            "request/bad-body",
            "request/body-too-large",
            "request/body-timeout",
            "request/unsupported-media-type",
            "request/bad-query",
            "auth/token-missing",
            "auth/token-wrong",
            "source/signature-missing",
            "source/signature-wrong",
            "source/signature-stale",
            "source/not-described",
            "api/not-found",
            "api/method-not-allowed",
            "api/conflict",
            "server/overloaded",
            "server/shutting-down",
            "store/lost",
            "run/nothing-waits",
            "dry-run/unclear",
            "dry-run/busy",
            "dry-run/endless",
        ],
        "it is about a request to the server",
    ),
    (&["source/off"], "check tells it as a note: the source starts once its secret is set"),
    (
        &["store/unavailable", "store/locked", "store/newer-schema", "store/corrupt-run"],
        "check opens no store",
    ),
    (
        &[
            "run/too-many-hops",
            "run/owners-lost",
            "run/timeout",
            "run/called-failed",
            "run/called-late",
            "step/bad-list",
            "step/bad-wait",
            "run/definition-missing",
            "run/lost",
            "call/owner-lost",
            "call/not-sent",
            "call/no-answer",
            "call/timeout",
            "call/broken-answer",
            "call/unexpected-answer",
            "call/blocked-address",
            "call/answer-too-large",
            "call/not-secure",
            "http/status",
            "http/redirect",
            "connection/credential-missing",
            "adapter/bad-credential",
            "adapter/input",
            "adapter/bad-method",
            "adapter/bad-url",
            "adapter/url-too-long",
            "adapter/no-base-url",
            "adapter/bad-header",
            "adapter/bad-request",
            "adapter/bad-mail",
            "adapter/no-such-call",
            "adapter/no-example",
            "adapter/no-lookup",
            "secrets/vault",
        ],
        "it is about a run",
    ),
    (
        &["connection/login-failed", "secrets/no-recipients"],
        "it is about a command that gives access or seals",
    ),
    (&["secrets/no-key"], "check tells it as a note: other machines may hold the key"),
    (
        &["expr/missing-field", "expr/null", "expr/value", "expr/fuel", "expr/output"],
        "it depends on the values of an event; check tells what their types say",
    ),
    (&["expr/overflow", "expr/division-by-zero"], "what is calculated is not known before a run"),
    (&["internal"], "it is a fault of ours"),
];

struct Case {
    file: PathBuf,
    name: String,
    /// Paths and texts of the project's files.
    files: Vec<(String, String)>,
    arguments: Vec<String>,
    gives: String,
}

/// What was said of a case.
struct Told {
    code: String,
    message: String,
    /// Whether a line of a file is named.
    named: bool,
    /// Whether it is shown, with a caret.
    shown: bool,
    text: String,
}

fn golden() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/problems");
    let entries = std::fs::read_dir(folder).expect("the folder of cases");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

fn cases() -> Vec<Case> {
    let read = |file: PathBuf| {
        let text = std::fs::read_to_string(&file).expect("a file of cases");
        let mut cases: Vec<Case> = Vec::new();
        let mut section = String::new();
        for line in text.split_inclusive('\n') {
            if let Some(name) = line.strip_prefix("=== ") {
                let (file, name) = (file.clone(), name.trim_end().to_owned());
                let (files, arguments, gives) = (Vec::new(), Vec::new(), String::new());
                cases.push(Case { file, name, files, arguments, gives });
                section = String::new();
                continue;
            }
            let case = cases.last_mut().expect("a case begins with its name");
            if let Some(opened) = line.strip_prefix("--- ") {
                section = opened.trim_end().to_owned();
                if let Some(arguments) = section.strip_prefix("check ") {
                    case.arguments = arguments.split(' ').map(str::to_owned).collect();
                } else if section != "gives" {
                    case.files.push((section.clone(), String::new()));
                }
            } else if section == "gives" {
                case.gives.push_str(line);
            } else {
                let (_, text) = case.files.last_mut().expect("text stands below a file's name");
                text.push_str(line);
            }
        }
        cases
    };
    golden().into_iter().flat_map(read).collect()
}

impl Case {
    /// The bytes of a file: as they are written, or one of two that cannot be written here.
    fn bytes(text: &str) -> Vec<u8> {
        match text {
            "(not UTF-8)\n" => vec![b'a', 0xff, b'\n'],
            "(more than a mebibyte)\n" => vec![b'#'; (1 << 20) + 1],
            text => text.as_bytes().to_vec(),
        }
    }

    fn play(&self) -> Told {
        let folder = tempfile::tempdir().expect("a folder");
        let given = |name: &str| self.files.iter().any(|(file, _)| file == name);
        for (name, text) in &self.files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("it is made");
            std::fs::write(path, Self::bytes(text)).expect("it is written");
        }
        if !given("postroom.yaml") && !self.files.is_empty() {
            std::fs::write(folder.path().join("postroom.yaml"), "").expect("it is written");
        }
        let checked = Command::new(env!("CARGO_BIN_EXE_postroom"))
            .arg("check")
            .args(&self.arguments)
            .current_dir(folder.path())
            .env_clear()
            .stdin(Stdio::null())
            .output()
            .expect("the binary starts");
        let text = String::from_utf8(checked.stderr).expect("UTF-8");
        let said: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("error: ") || line.starts_with("warning: "))
            .collect();
        assert_eq!(said.len(), 1, "`{}` must have one thing wrong:\n{text}", self.name);
        let error = said[0].starts_with("error: ");
        assert_eq!(checked.status.code(), Some(if error { 2 } else { 0 }), "{}", self.name);
        let (_, rest) = said[0].split_once(": ").expect("a word and what is said");
        let (rest, code) = rest.rsplit_once(" [").expect("a code in brackets");
        let code = code.trim_end_matches(']').to_owned();
        let mut parts = rest.splitn(4, ':');
        let number = |part: Option<&str>| part.is_some_and(|part| part.parse::<u32>().is_ok());
        let (file, line, column) = (parts.next(), parts.next(), parts.next());
        let named = file.is_some() && number(line) && number(column);
        let message = if named { parts.next().unwrap_or_default().trim_start() } else { rest };
        let caret = |line: &str| line.trim_start().starts_with("| ") && line.contains('^');
        let shown = text.lines().any(caret);
        Told { code, message: message.to_owned(), named, shown, text: text.clone() }
    }
}

/// Plays all cases, on as many threads as there are cores.
fn told() -> Vec<(Case, Told)> {
    let cases = cases();
    let next = std::sync::atomic::AtomicUsize::new(0);
    let all = parking_lot::Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, std::num::NonZero::get) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    let Some(case) = cases.get(index) else { break };
                    let told = case.play();
                    all.lock().insert(index, told);
                }
            });
        }
    });
    cases.into_iter().zip(all.into_inner().into_values()).collect()
}

#[allow(clippy::disallowed_methods, reason = "a switch for whoever runs the tests by hand")]
fn bless() -> bool {
    std::env::var_os("BLESS").is_some()
}

fn write(told: &[(Case, Told)]) {
    for file in golden() {
        let mut text = String::new();
        for (case, told) in told.iter().filter(|(case, _)| case.file == file) {
            text.push_str(&format!("=== {}\n", case.name));
            if !case.arguments.is_empty() {
                text.push_str(&format!("--- check {}\n", case.arguments.join(" ")));
            }
            for (name, content) in &case.files {
                text.push_str(&format!("--- {name}\n{content}"));
            }
            text.push_str(&format!("--- gives\n{}", told.text));
        }
        std::fs::write(file, text).expect("it is written");
    }
}

#[test]
fn every_message_is_as_it_was_has_a_place_and_is_the_only_one_of_its_kind() {
    let told = told();
    if bless() {
        write(&told);
    }
    let (mut names, mut messages) = (BTreeSet::new(), BTreeMap::new());
    for (case, told) in &told {
        let name = &case.name;
        assert!(names.insert(name), "two cases are called `{name}`");
        if let Some(other) = messages.insert(&told.message, name) {
            panic!("`{other}` and `{name}` say the same: {}", told.message);
        }
        let excused = |list: &[(&str, &str)]| list.iter().any(|(excused, _)| excused == name);
        let (no_line, not_shown) = (excused(NO_LINE), excused(NOT_SHOWN));
        assert_eq!(told.named, !no_line, "`{name}` names a line:\n{}", told.text);
        assert_eq!(told.shown, !no_line && !not_shown, "`{name}` shows it:\n{}", told.text);
        let hint = told.text.contains("\nhint: ");
        let needless = SAYS_IT_ITSELF.contains(&told.code.as_str());
        assert!(hint || needless, "`{name}` says what to do:\n{}", told.text);
        assert!(bless() || told.text == case.gives, "`{name}` says\n{}BLESS=1 takes it", told.text);
    }
    assert!(told.len() >= LEAST, "only {} cases", told.len());
    for (excused, _) in NO_LINE.iter().chain(NOT_SHOWN) {
        assert!(names.iter().any(|name| name == excused), "there is no case `{excused}`");
    }
    covered(&told);
}

/// Every code that `check` can give has a case.
fn covered(told: &[(Case, Told)]) {
    let mut given: BTreeSet<&str> = told.iter().map(|(_, told)| told.code.as_str()).collect();
    for (codes, why) in NOT_OF_CHECK {
        for code in *codes {
            assert!(given.insert(code), "`{code}` has a case, or is excused twice: {why}");
        }
    }
    let known: BTreeSet<&str> = postroom_core::problem::ALL.iter().map(|kind| kind.code).collect();
    let missing: Vec<&&str> = known.difference(&given).collect();
    assert!(missing.is_empty(), "no case gives {missing:?}");
    let gone: Vec<&&str> = given.difference(&known).collect();
    assert!(gone.is_empty(), "no such codes: {gone:?}");
}
