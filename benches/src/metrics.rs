//! Reads single figures out of a page in the Prometheus text format.

/// Sums the samples of `name` whose labels satisfy `counts`. None when the page does not know the
/// name at all; a family without samples is 0.
pub fn sum(page: &str, name: &str, counts: impl Fn(&str) -> bool) -> Option<f64> {
    let mut total = None;
    for line in page.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            // The text format drops the `_total` of counters here in its newer version.
            let family = comment.split_whitespace().nth(1).unwrap_or_default();
            if family == name || Some(family) == name.strip_suffix("_total") {
                total.get_or_insert(0.0);
            }
        } else if let Some((labels, value)) = sample(line, name)
            && counts(labels)
        {
            *total.get_or_insert(0.0) += value;
        }
    }
    total
}

/// The value of a label, without its quotes. Values that hold quotes are not understood.
pub fn label<'a>(labels: &'a str, name: &str) -> Option<&'a str> {
    labels.split(',').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        (key == name).then(|| value.trim_matches('"'))
    })
}

fn sample<'a>(line: &'a str, name: &str) -> Option<(&'a str, f64)> {
    let rest = line.strip_prefix(name)?;
    let (labels, value) = match rest.strip_prefix('{') {
        Some(rest) => rest.split_once('}')?,
        None if rest.starts_with(' ') => ("", rest),
        None => return None,
    };
    Some((labels, value.split_whitespace().next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# HELP runs_total Runs.\n# TYPE runs_total counter\n\
        runs_total{state=\"succeeded\",workflow=\"a\"} 7\n\
        runs_total{state=\"dead\",workflow=\"a\"} 2\n\
        runs_total_more 100\n# TYPE depth gauge\n# HELP other Other.\n# TYPE other counter\n\
        up 1\n# EOF\n";

    #[test]
    fn samples_are_summed_by_label() {
        assert_eq!(sum(PAGE, "runs_total", |_| true), Some(9.0));
        let succeeded = |labels: &str| label(labels, "state") == Some("succeeded");
        assert_eq!(sum(PAGE, "runs_total", succeeded), Some(7.0));
        assert_eq!(sum(PAGE, "up", |_| true), Some(1.0));
    }

    #[test]
    fn a_family_without_samples_is_zero_and_an_unknown_name_is_nothing() {
        assert_eq!(sum(PAGE, "depth", |_| true), Some(0.0));
        assert_eq!(sum(PAGE, "other_total", |_| true), Some(0.0));
        assert_eq!(sum(PAGE, "unheard_of", |_| true), None);
    }
}
