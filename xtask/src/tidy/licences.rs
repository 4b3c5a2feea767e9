//! Every package that is built into the product, or takes part in building it, has a licence that
//! lets us ship under Apache-2.0.

use super::graph::Package;
use super::spdx::Expression;
use super::{Fault, Repository};

/// Licences that ask for no more than notices. Copyleft of any strength is not here on purpose.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Packages whose licence is not on the list and that are kept all the same.
const EXCEPTIONS: &[Exception] = &[
    Exception { package: "webpki-roots", licence: "CDLA-Permissive-2.0", reason: CERTIFICATES },
    Exception {
        package: "webpki-root-certs",
        licence: "CDLA-Permissive-2.0",
        reason: CERTIFICATES,
    },
];

const CERTIFICATES: &str = "a list of certificates: data, whose licence asks for a notice only";

struct Exception {
    package: &'static str,
    licence: &'static str,
    reason: &'static str,
}

pub fn check(repository: &Repository) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (package, parent) in repository.graph.built() {
        if let Err(why) = licence_of(package) {
            let asked = parent.map_or("the workspace", |parent| parent.name.as_str());
            let (name, version) = (&package.name, &package.version);
            let message = format!("`{name}` {version}, asked for by `{asked}`: {why}");
            faults.push(Fault::new("Cargo.lock", 1, message));
        }
    }
    faults
}

fn licence_of(package: &Package) -> Result<(), String> {
    let Some(text) = &package.licence else {
        return Err("its manifest names no licence; read its files, then add an exception".into());
    };
    let expression = Expression::parse(text)
        .map_err(|error| format!("`{text}` is no licence expression: {error}"))?;
    let excepted = |name: &str| {
        let covers = |it: &&Exception| it.package == package.name && it.licence == name;
        EXCEPTIONS.iter().any(|it| covers(&it) && !it.reason.is_empty())
    };
    if expression.is_satisfied(&|name| ALLOWED.contains(&name) || excepted(name)) {
        return Ok(());
    }
    Err(format!("`{text}` is not allowed; replace the crate, or argue an exception"))
}

#[cfg(test)]
mod tests {
    use super::super::graph::tests::graph;
    use super::*;

    fn licence(name: &str, licence: Option<&str>) -> Result<(), String> {
        let licence = licence.map(str::to_owned);
        licence_of(&Package { name: name.to_owned(), licence, ..Package::default() })
    }

    #[test]
    fn permissive_licences_pass() {
        assert!(licence("ring", Some("Apache-2.0 AND ISC")).is_ok());
        assert!(licence("unicode-ident", Some("(MIT OR Apache-2.0) AND Unicode-3.0")).is_ok());
        assert!(licence("r-efi", Some("MIT OR Apache-2.0 OR LGPL-2.1-or-later")).is_ok());
    }

    #[test]
    fn copyleft_and_silence_do_not() {
        assert!(licence("vrl", Some("MPL-2.0")).is_err());
        assert!(licence("evalexpr", Some("AGPL-3.0-only")).is_err());
        assert!(licence("x", None).is_err());
        assert!(licence("x", Some("see LICENSE")).is_err());
    }

    #[test]
    fn an_exception_holds_for_its_package_only() {
        assert!(licence("webpki-roots", Some("CDLA-Permissive-2.0")).is_ok());
        assert!(licence("other", Some("CDLA-Permissive-2.0")).is_err());
        assert!(licence("webpki-roots", Some("MPL-2.0")).is_err());
    }

    #[test]
    fn the_whole_graph_is_walked() {
        let mut graph = graph("postroom -> serde, dev cel; serde -> itoa");
        for name in ["itoa", "cel"] {
            graph.packages.get_mut(name).expect("it stands in the graph").licence = None;
        }
        let faults = check(&Repository::of_graph(graph));
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].message.contains("`itoa` 1.0.0, asked for by `serde`"));
    }
}
