//! Which crate may use which: the directions between ours, and crates we never want.

use super::graph::{Kind, Package};
use super::{Fault, Repository};

/// What a crate of ours may depend on, in its product code. Tests may use anything.
struct Direction {
    of: &'static str,
    /// The crates of ours it may use.
    may_use: &'static [&'static str],
    /// Crates of others that would break what it promises.
    never: &'static [&'static str],
}

/// The arrows of ARCHITECTURE.md. A new crate of ours needs a line here.
const DIRECTIONS: &[Direction] = &[
    Direction { of: "postroom-expr", may_use: &[], never: IO },
    Direction { of: "postroom-core", may_use: &["postroom-expr"], never: IO },
    Direction {
        of: "postroom-store",
        may_use: &["postroom-core", "postroom-expr"],
        never: &["axum", "hyper", "reqwest"],
    },
    Direction { of: "postroom-adapters", may_use: &["postroom-core", "postroom-expr"], never: IO },
    Direction {
        of: "postroom-engine",
        may_use: &["postroom-adapters", "postroom-core", "postroom-expr", "postroom-store"],
        never: &["axum", "clap", "rusqlite"],
    },
    Direction {
        of: "postroom-server",
        may_use: &["postroom-core", "postroom-engine", "postroom-expr"],
        never: &["clap", "reqwest", "rusqlite"],
    },
    Direction {
        of: "postroom",
        may_use: &[
            "postroom-adapters",
            "postroom-core",
            "postroom-engine",
            "postroom-expr",
            "postroom-server",
            "postroom-store",
        ],
        never: &[],
    },
    Direction {
        of: "postroom-sim",
        may_use: &[
            "postroom-adapters",
            "postroom-core",
            "postroom-engine",
            "postroom-expr",
            "postroom-store",
        ],
        never: &["axum", "reqwest"],
    },
    // Benchmarks fill stores through the store's own interface.
    Direction {
        of: "postroom-bench",
        may_use: &["postroom-core", "postroom-expr", "postroom-store"],
        never: &[],
    },
    Direction { of: "xtask", may_use: &[], never: &["axum", "clap", "tokio"] },
];

/// Crates that bring sockets, files or a runtime into what must stay pure.
const IO: &[&str] = &["axum", "hyper", "reqwest", "rusqlite", "tokio", "tokio-util", "tower"];

pub fn directions(repository: &Repository) -> Vec<Fault> {
    let mut faults = Vec::new();
    for package in repository.graph.ours() {
        let Some(direction) = DIRECTIONS.iter().find(|it| it.of == package.name) else {
            let message = format!("`{}` has no line in the directions of xtask", package.name);
            faults.push(Fault::new(&package.manifest, 1, message));
            continue;
        };
        faults.extend(wrong_directions(repository, package, direction));
    }
    faults
}

fn wrong_directions(
    repository: &Repository,
    package: &Package,
    direction: &Direction,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (used, kind) in repository.graph.direct(package) {
        let name = used.name.as_str();
        let forbidden =
            (used.is_ours && !direction.may_use.contains(&name)) || direction.never.contains(&name);
        if forbidden && kind != Kind::Dev {
            let message = format!(
                "`{}` must not depend on `{name}`: see the arrows in ARCHITECTURE.md",
                package.name
            );
            let line = line_of_dependency(repository, package, name);
            faults.push(Fault::new(&package.manifest, line, message));
        }
    }
    faults
}

/// Where the manifest of `package` names the dependency; line 1 when it is not found.
fn line_of_dependency(repository: &Repository, package: &Package, name: &str) -> usize {
    let text = repository.file(&package.manifest).map_or("", |file| file.text.as_str());
    let names = |line: &str| {
        let rest = line.strip_prefix(name).unwrap_or_default();
        rest.trim_start().starts_with(['=', '.'])
    };
    text.lines().position(names).map_or(1, |index| index + 1)
}

/// How far a ban reaches.
#[derive(PartialEq)]
enum Reach {
    /// Our own manifests may not name it; another crate may bring it along.
    Direct,
    /// Nothing that is built may contain it, and our own manifests may not name it.
    Anywhere,
}

struct Ban {
    name: &'static str,
    reach: Reach,
    reason: &'static str,
}

const fn direct(name: &'static str, reason: &'static str) -> Ban {
    Ban { name, reach: Reach::Direct, reason }
}

const fn anywhere(name: &'static str, reason: &'static str) -> Ban {
    Ban { name, reach: Reach::Anywhere, reason }
}

const BANS: &[Ban] = &[
    anywhere("openssl", "a system library to install; TLS is rustls"),
    anywhere("openssl-sys", "a system library to install; TLS is rustls"),
    anywhere("native-tls", "differs on every platform; TLS is rustls"),
    anywhere("aws-lc-rs", "a second cryptography library beside ring"),
    anywhere("aws-lc-sys", "a second cryptography library beside ring"),
    anywhere("chrono", "a second calendar beside jiff, without its own time zones"),
    anywhere("serde_yaml", "unmaintained; YAML is serde-saphyr, which knows positions"),
    anywhere("serde_yml", "unmaintained fork with an advisory; YAML is serde-saphyr"),
    anywhere("sled", "no release since 2021; the store is SQLite"),
    anywhere("vrl", "MPL-2.0, and 705 s to build"),
    anywhere("evalexpr", "AGPL-3.0"),
    anywhere("rsa", "timing side channel RUSTSEC-2023-0071; ring verifies RSA"),
    direct("lazy_static", "no globals; a constant needs no crate (`std::sync::LazyLock`)"),
    direct("once_cell", "in the standard library (`std::sync::OnceLock`)"),
    direct("log", "logs are tracing events"),
    direct("async-trait", "async functions in traits are in the language"),
    direct("rand", "jitter arrives as an argument; keys come from ring"),
    direct("time", "the calendar is jiff"),
    direct("sqlx", "embedded SQL is rusqlite; macros of sqlx need a database to build"),
];

pub fn banned(repository: &Repository) -> Vec<Fault> {
    let mut faults = Vec::new();
    let direct = repository
        .graph
        .ours()
        .flat_map(|package| repository.graph.direct(package).map(move |(used, _)| (used, package)));
    for (used, package) in direct {
        if let Some(ban) = BANS.iter().find(|ban| ban.name == used.name) {
            let line = line_of_dependency(repository, package, ban.name);
            faults.push(fault(ban, package, line));
        }
    }
    for (used, parent) in repository.graph.built() {
        let ban = BANS.iter().find(|ban| ban.name == used.name && ban.reach == Reach::Anywhere);
        // What one of ours names itself was reported above.
        if let (Some(ban), Some(parent)) = (ban, parent.filter(|parent| !parent.is_ours)) {
            faults.push(fault(ban, parent, 1));
        }
    }
    faults
}

fn fault(ban: &Ban, parent: &Package, line: usize) -> Fault {
    let (name, reason) = (ban.name, ban.reason);
    let message = format!("`{name}` is banned ({reason}); `{}` brings it in", parent.name);
    // The manifest of a package of others is not ours to mend: what we can change is the lock.
    let path = if parent.is_ours { parent.manifest.as_str() } else { "Cargo.lock" };
    Fault::new(path, line, message)
}

#[cfg(test)]
mod tests {
    use super::super::graph::tests::graph;
    use super::super::source::TextFile;
    use super::*;

    fn messages(check: fn(&Repository) -> Vec<Fault>, text: &str) -> Vec<String> {
        check(&Repository::of_graph(graph(text))).into_iter().map(|it| it.message).collect()
    }

    #[test]
    fn arrows_point_one_way() {
        let right = "postroom-core -> postroom-expr, serde; postroom-store -> postroom-core";
        assert!(messages(directions, right).is_empty());
        let wrong = messages(directions, "postroom-core -> postroom-store");
        assert_eq!(wrong.len(), 1);
        assert!(wrong[0].starts_with("`postroom-core` must not depend on `postroom-store`"));
        assert_eq!(messages(directions, "postroom-server -> postroom-store").len(), 1);
        assert!(messages(directions, "postroom-engine -> postroom-adapters").is_empty());
        assert!(messages(directions, "postroom-server -> dev postroom-store").is_empty());
    }

    #[test]
    fn a_fault_names_the_line_of_the_manifest() {
        let mut repository = Repository::of_graph(graph("postroom-core -> postroom-store"));
        let manifest = "[dependencies]\nserde = \"1\"\npostroom-store.workspace = true\n";
        repository.files.push(TextFile::new("postroom-core/Cargo.toml", manifest));
        let places: Vec<_> = directions(&repository).iter().map(|it| it.line).collect();
        assert_eq!(places, [3]);
    }

    #[test]
    fn pure_crates_stay_pure() {
        assert_eq!(messages(directions, "postroom-core -> tokio").len(), 1);
        assert!(messages(directions, "postroom-engine -> tokio").is_empty());
        assert!(messages(directions, "postroom-core -> dev tokio").is_empty());
    }

    #[test]
    fn a_crate_without_a_line_is_reported() {
        assert_eq!(messages(directions, "postroom-types").len(), 1);
    }

    #[test]
    fn bans_reach_as_far_as_they_say() {
        assert_eq!(messages(banned, "postroom -> lazy_static").len(), 1);
        assert!(messages(banned, "postroom -> tracing; tracing -> lazy_static").is_empty());
        assert_eq!(messages(banned, "postroom -> openssl").len(), 1);
        let far = messages(banned, "postroom -> reqwest; reqwest -> native-tls");
        assert_eq!(far.len(), 1);
        assert!(far[0].ends_with("`reqwest` brings it in"), "{}", far[0]);
        assert!(messages(banned, "postroom -> dev cel; cel -> chrono").is_empty());
        assert_eq!(messages(banned, "postroom -> dev chrono").len(), 1);
    }
}
