//! How figures are summed up and shown.

use serde_json::{Value, json};

/// The figures of one benchmark, for a person and for a program.
pub struct Report {
    /// Tables, ready to print.
    pub text: String,
    /// The same as JSON; units are in the names.
    pub json: Value,
}

/// One promise: a figure that must stay below its limit.
pub struct Figure {
    pub name: &'static str,
    pub unit: &'static str,
    pub value: f64,
    pub limit: f64,
}

impl Figure {
    /// Figures, each beside its limit.
    pub fn report(figures: &[Self]) -> Report {
        let mut text = String::new();
        let mut json = serde_json::Map::new();
        for Self { name, unit, value, limit } in figures {
            let title = name.replace('_', " ");
            let verdict = verdict(value < limit);
            text.push_str(&format!(
                "{title:<14}{value:>8.1} {unit}, under {limit:.0}: {verdict}\n"
            ));
            let key = format!("{name}_{}", unit.to_lowercase());
            json.insert(
                key,
                json!({"value": rounded(*value), "limit": limit, "is_met": value < limit}),
            );
        }
        Report { text, json: Value::Object(json) }
    }
}

/// The middle value; the mean of the two middle ones when their number is even; 0 of none.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        length if length % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

/// `met` or `missed`.
pub fn verdict(is_met: bool) -> &'static str {
    if is_met { "met" } else { "missed" }
}

/// Cuts a figure to three places, as JSON shows it.
pub fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_figure_stands_beside_its_limit() {
        let ready = Figure { name: "ready_after", unit: "ms", value: 12.34, limit: 150.0 };
        let memory = Figure { name: "idle_memory", unit: "MB", value: 31.0, limit: 30.0 };
        let report = Figure::report(&[ready, memory]);
        let expected = "ready after       12.3 ms, under 150: met\n\
                        idle memory       31.0 MB, under 30: missed\n";
        assert_eq!(report.text, expected);
        assert_eq!(report.json["idle_memory_mb"]["is_met"], false);
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median([7.0]), 7.0);
        assert_eq!(median([]), 0.0);
    }
}
