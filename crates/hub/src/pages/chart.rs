//! Charts, drawn here as SVG.
use super::section::number;
use serde_json::Value as Json;

/// Into so many parts the width of a bar is cut.
const WIDTH: i64 = 1_000;

/// What became of devices in a rollout, in the order in which a bar shows it.
const OUTCOMES: [&str; 7] = ["succeeded", "offered", "failed", "refused", "silent", "waiting", "spared"];

/// A bar of several parts.
pub struct Bar {
    /// Its parts, from left to right.
    pub segments: Vec<Segment>,
    /// Every part in words: what the bar is for who does not see it.
    pub label: String,
}

/// A part of a bar.
pub struct Segment {
    /// What it counts.
    pub word: &'static str,
    /// How many.
    pub count: i64,
    /// Where it begins.
    pub at: i64,
    /// How wide it is; 0 when it counts nothing.
    pub width: i64,
}

impl Bar {
    /// The bar of a rollout, or of one of its waves.
    pub fn of_outcomes(counts: &Json) -> Self {
        let counts = OUTCOMES.map(|word| (word, number(counts, word)));
        let total: i64 = counts.iter().map(|(_, count)| count).sum();
        let mut before = 0;
        let segments: Vec<Segment> = counts
            .into_iter()
            .map(|(word, count)| {
                // Rounded at its two ends, so that the parts together are the whole.
                let place = |devices: i64| devices * WIDTH / total.max(1);
                let (at, end) = (place(before), place(before + count));
                before += count;
                Segment { word, count, at, width: end - at }
            })
            .collect();
        let said = segments.iter().filter(|it| it.count > 0).map(|it| format!("{} {}", it.count, it.word));
        let label = format!("{total} devices: {}", said.collect::<Vec<_>>().join(", "));
        Bar { segments, label }
    }
}

#[cfg(test)]
mod tests {
    use super::{Bar, WIDTH};
    use serde_json::json;

    #[test]
    fn the_parts_of_a_bar_are_the_whole() {
        let check = |counts: serde_json::Value, expect: &[(&str, i64, i64)], label: &str| {
            let bar = Bar::of_outcomes(&counts);
            let drawn: Vec<_> = bar.segments.iter().filter(|it| it.width > 0).collect();
            let drawn: Vec<_> = drawn.iter().map(|it| (it.word, it.at, it.width)).collect();
            assert_eq!((drawn.as_slice(), bar.label.as_str()), (expect, label));
        };
        check(json!({}), &[], "0 devices: ");
        check(json!({"waiting": 3}), &[("waiting", 0, WIDTH)], "3 devices: 3 waiting");
        check(
            json!({"succeeded": 1, "failed": 1, "waiting": 1}),
            &[("succeeded", 0, 333), ("failed", 333, 333), ("waiting", 666, 334)],
            "3 devices: 1 succeeded, 1 failed, 1 waiting",
        );
    }
}
