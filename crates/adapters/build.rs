//! Lists the built-in manifests: whatever lies in `manifests/` is built in, so that a provider is
//! one file.

use std::fmt::Write;
use std::path::Path;
use std::{env, fs, io};

#[allow(clippy::disallowed_methods, reason = "cargo tells a build script by variables")]
fn main() -> io::Result<()> {
    let variable = |name: &str| env::var(name).map_err(io::Error::other);
    let folder = Path::new(&variable("CARGO_MANIFEST_DIR")?).join("manifests");
    println!("cargo::rerun-if-changed={}", folder.display());
    let files = fs::read_dir(&folder)?.map(|entry| Ok(entry?.path()));
    let mut files = files.collect::<io::Result<Vec<_>>>()?;
    files.sort();
    let mut list = String::from("&[\n");
    for path in files {
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        let file = format!("manifests/{name}.yaml");
        writeln!(list, "    ({name:?}, {file:?}, include_str!({path:?})),")
            .map_err(io::Error::other)?;
    }
    list.push(']');
    fs::write(Path::new(&variable("OUT_DIR")?).join("manifests.rs"), list)
}
