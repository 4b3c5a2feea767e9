//! The packages of the workspace and what they depend on, from `cargo metadata`.
//!
//! Keeps what the checks ask for and nothing more.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::Failure;

/// Every package that some build of the workspace may contain, on any platform.
#[derive(Default)]
pub struct Graph {
    /// By package id.
    pub packages: BTreeMap<String, Package>,
}

/// A package of the graph.
#[derive(Default)]
pub struct Package {
    pub name: String,
    pub version: String,
    /// The `license` field of its manifest.
    pub licence: Option<String>,
    /// Its manifest, from the root of the workspace.
    pub manifest: String,
    /// True when it belongs to this workspace.
    pub is_ours: bool,
    /// What it depends on, resolved.
    pub edges: Vec<Edge>,
}

/// One resolved dependency.
pub struct Edge {
    /// The id of the package depended on.
    pub to: String,
    pub kind: Kind,
}

/// What a dependency is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Linked into the product.
    Normal,
    /// Runs while the product is built.
    Build,
    /// Used by tests, examples and benchmarks.
    Dev,
}

impl Graph {
    /// Reads the answer of `cargo metadata --format-version 1`.
    ///
    /// # Errors
    /// When it is not JSON or lacks the list of packages.
    pub fn parse(metadata: &[u8]) -> Result<Self, Failure> {
        let metadata: Value = serde_json::from_slice(metadata)
            .map_err(|error| format!("cargo metadata is not JSON: {error}"))?;
        let ours: BTreeSet<&str> =
            list(&metadata["workspace_members"]).iter().filter_map(Value::as_str).collect();
        let root = text(&metadata["workspace_root"]) + "/";
        let mut packages = BTreeMap::new();
        for package in list(&metadata["packages"]) {
            let id = text(&package["id"]);
            let is_ours = ours.contains(id.as_str());
            let package = Package {
                name: text(&package["name"]),
                version: text(&package["version"]),
                licence: package["license"].as_str().map(str::to_owned),
                manifest: text(&package["manifest_path"]).replacen(&root, "", 1),
                is_ours,
                edges: Vec::new(),
            };
            packages.insert(id, package);
        }
        for node in list(&metadata["resolve"]["nodes"]) {
            if let Some(package) = packages.get_mut(&text(&node["id"])) {
                package.edges = list(&node["deps"]).iter().flat_map(edges).collect();
            }
        }
        if packages.is_empty() {
            return Err("cargo metadata lists no package".into());
        }
        Ok(Self { packages })
    }

    /// The packages of this workspace, by name.
    pub fn ours(&self) -> impl Iterator<Item = &Package> {
        self.packages.values().filter(|package| package.is_ours)
    }

    /// The direct dependencies of `package`: each package once for each kind.
    pub fn direct<'a>(&'a self, package: &'a Package) -> impl Iterator<Item = (&'a Package, Kind)> {
        package.edges.iter().filter_map(|edge| Some((self.packages.get(&edge.to)?, edge.kind)))
    }

    /// What ends up in, or takes part in building, the packages of this workspace: everything
    /// reached from them without dev-dependencies. For each package found: who asks for it.
    pub fn built(&self) -> Vec<(&Package, Option<&Package>)> {
        let is_ours = |id: &&String| self.packages[*id].is_ours;
        let mut waiting: Vec<(&String, Option<&Package>)> =
            self.packages.keys().filter(is_ours).map(|id| (id, None)).collect();
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        while let Some((id, parent)) = waiting.pop() {
            let Some(package) = self.packages.get(id) else { continue };
            if !seen.insert(id) {
                continue;
            }
            found.push((package, parent));
            let built = package.edges.iter().filter(|edge| edge.kind != Kind::Dev);
            waiting.extend(built.map(|edge| (&edge.to, Some(package))));
        }
        found
    }
}

fn edges(dependency: &Value) -> Vec<Edge> {
    let kinds = list(&dependency["dep_kinds"]).iter().map(|entry| match entry["kind"].as_str() {
        None => Kind::Normal,
        Some("build") => Kind::Build,
        Some(_) => Kind::Dev,
    });
    // The same kind comes once for each platform.
    let kinds: BTreeSet<Kind> = kinds.collect();
    kinds.into_iter().map(|kind| Edge { to: text(&dependency["pkg"]), kind }).collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A graph in one line of text: `postroom-core -> serde, -dev-> cel; serde -> itoa`.
    /// Names that start with `postroom` are ours. Everything is MIT.
    pub fn graph(text: &str) -> Graph {
        let mut graph = Graph::default();
        for line in text.split(';') {
            let (from, to) = line.split_once(" -> ").unwrap_or((line, ""));
            add(&mut graph, from.trim());
            for target in to.split(',').map(str::trim).filter(|target| !target.is_empty()) {
                let (kind, name) = match target.split_once(' ') {
                    Some(("dev", name)) => (Kind::Dev, name),
                    Some(("build", name)) => (Kind::Build, name),
                    _ => (Kind::Normal, target),
                };
                add(&mut graph, name);
                let package = graph.packages.get_mut(from.trim()).expect("it was added above");
                package.edges.push(Edge { to: name.to_owned(), kind });
            }
        }
        graph
    }

    fn add(graph: &mut Graph, name: &str) {
        graph.packages.entry(name.to_owned()).or_insert_with(|| Package {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            licence: Some("MIT".to_owned()),
            manifest: format!("{name}/Cargo.toml"),
            is_ours: name.starts_with("postroom"),
            edges: Vec::new(),
        });
    }

    #[test]
    fn metadata_is_read() {
        let metadata = br#"{
            "packages": [
                {"id": "a 1", "name": "a", "version": "1.0.0", "license": null,
                 "manifest_path": "/x/crates/a/Cargo.toml"},
                {"id": "b 2", "name": "b", "version": "2.0.0", "license": "MIT"}
            ],
            "workspace_members": ["a 1"],
            "workspace_root": "/x",
            "resolve": {"nodes": [
                {"id": "a 1", "deps": [{"name": "b", "pkg": "b 2", "dep_kinds": [
                    {"kind": null, "target": "cfg(unix)"}, {"kind": null, "target": null},
                    {"kind": "dev", "target": null}
                ]}]},
                {"id": "b 2", "deps": []}
            ]}
        }"#;
        let graph = Graph::parse(metadata).expect("the metadata is well formed");
        let ours: Vec<_> = graph.ours().collect();
        assert_eq!((ours.len(), ours[0].name.as_str(), &ours[0].licence), (1, "a", &None));
        assert_eq!(ours[0].manifest, "crates/a/Cargo.toml");
        let direct: Vec<_> = graph.direct(ours[0]).map(|(it, kind)| (&*it.name, kind)).collect();
        assert_eq!(direct, [("b", Kind::Normal), ("b", Kind::Dev)]);
        assert!(Graph::parse(b"{}").is_err());
        assert!(Graph::parse(b"error").is_err());
    }

    #[test]
    fn dev_dependencies_are_not_built() {
        let graph = graph("postroom -> serde, dev cel, build cc; cel -> chrono; serde -> itoa");
        let names: BTreeSet<&str> = graph.built().iter().map(|(it, _)| it.name.as_str()).collect();
        assert_eq!(names, BTreeSet::from(["cc", "itoa", "postroom", "serde"]));
    }
}
