//! Golden files: compared, or rewritten with `BLESS=1`.

/// Compares `found` with the file, which `BLESS=1` rewrites.
#[allow(clippy::disallowed_methods, reason = "a switch for whoever runs the tests by hand")]
pub fn check(path: &str, found: &str) {
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, found).unwrap();
        return;
    }
    let golden = std::fs::read_to_string(path).unwrap_or_default();
    if let Some((n, (want, got))) =
        golden.lines().zip(found.lines()).enumerate().find(|(_, (want, got))| want != got)
    {
        panic!("{path}:{}: expected\n  {want}\nfound\n  {got}\nBLESS=1 rewrites it", n + 1);
    }
    assert_eq!(golden.lines().count(), found.lines().count(), "{path}: BLESS=1 rewrites it");
    assert_eq!(golden, found, "{path}: BLESS=1 rewrites it");
}
