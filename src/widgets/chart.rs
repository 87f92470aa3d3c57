//! Drawings: a sparkline, a column chart with its axis, a single bar; numbers in, SVG out.
//!
//! - Positions are percentages and strokes do not scale, so that a drawing fills any box and its texts keep their size.
//! - Colors are CSS classes; a drawing is the same in both themes.

use std::fmt::Write as _;

use super::words::escaped;

/// Text alternative of a drawing. Plain text; it is escaped here.
#[derive(Debug, Clone, Copy)]
pub struct Caption<'a> {
    /// What is drawn.
    pub title: &'a str,
    /// What it shows.
    pub desc: &'a str,
}

/// Two values of one span of time, one drawn in front of the other.
#[derive(Debug, Clone, Copy)]
pub struct Column<'a> {
    /// What is read on hovering. Plain text.
    pub hint: &'a str,
    /// The solid bar in front.
    pub front: u64,
    /// The tinted bar behind.
    pub back: u64,
}

/// Every how many columns the axis is labelled where there is room, and where there is little.
const LABEL_EVERY: (usize, usize) = (3, 6);

/// Minimum end of a scale, so that one visitor does not look like a peak.
const LEAST_SCALE: u64 = 4;

/// Space on each side of a column in its slot.
const GAP: f64 = 0.14;

/// Minimum height of a bar with a nonzero value, in percent.
const LEAST_BAR: f64 = 2.0;

/// The end of a scale from zero: the first round even number not below `max`, at least 4.
#[must_use]
pub fn ceiling(max: u64) -> u64 {
    let mut power = 1_u128;
    loop {
        for tenths in [10, 12, 15, 20, 25, 30, 40, 50, 60, 80_u128] {
            let round = tenths * power / 10;
            // Even, so that the line at half the height is a whole number too.
            if round >= u128::from(max) && round >= u128::from(LEAST_SCALE) && round.is_multiple_of(2) {
                return u64::try_from(round).unwrap_or(u64::MAX);
            }
        }
        power *= 10;
    }
}

/// `value` in percent of `scale`.
fn percent(value: u64, scale: u64) -> f64 {
    if scale == 0 { 0.0 } else { (value as f64 / scale as f64 * 100.0).min(100.0) }
}

/// The height of a bar in percent: zero for zero, visible otherwise.
fn height(value: u64, scale: u64) -> f64 {
    if value == 0 { 0.0 } else { percent(value, scale).max(LEAST_BAR) }
}

/// A number of columns or points as a factor.
fn count(number: usize) -> f64 {
    number as f64
}

fn opening(class: &str, caption: Caption) -> String {
    format!(
        r#"<svg class="{class}" role="img" aria-labelledby="chart-title chart-desc"><title id="chart-title">{}</title><desc id="chart-desc">{}</desc>"#,
        escaped(caption.title),
        escaped(caption.desc)
    )
}

/// A line over a tinted area, oldest value first, with a dot on the newest.
#[must_use]
pub fn sparkline(values: &[u64], caption: Caption) -> String {
    let scale = values.iter().copied().max().unwrap_or(0).max(LEAST_SCALE);
    let last = values.last().copied().unwrap_or(0);
    let steps = count(values.len().saturating_sub(1).max(1));
    let mut line = String::new();
    for (at, value) in values.iter().enumerate() {
        let letter = if at == 0 { 'M' } else { 'L' };
        // Writing into a string cannot fail.
        let _ = write!(line, "{letter}{:.2} {:.2}", count(at) / steps * 100.0, 100.0 - percent(*value, scale));
    }
    if values.len() < 2 {
        let y = 100.0 - percent(last, scale);
        line = format!("M0 {y:.2}L100 {y:.2}");
    }
    let mut svg = opening("spark", caption);
    let _ = write!(
        svg,
        r#"<svg class="stretch" viewBox="0 0 100 100" preserveAspectRatio="none" width="100%" height="100%"><path class="area" d="{line}L100 100L0 100Z"/><path class="base" d="M0 100L100 100"/><path class="line" d="{line}"/></svg><circle class="end" cx="100%" cy="{:.2}%" r="3.5"/></svg>"#,
        100.0 - percent(last, scale)
    );
    svg
}

/// Columns over time, oldest first, below a line that marks the end of the scale; `number` formats that number.
#[must_use]
pub fn columns(columns: &[Column], number: impl Fn(u64) -> String, caption: Caption) -> String {
    let max = columns.iter().map(|column| column.front.max(column.back)).max().unwrap_or(0);
    let scale = ceiling(max);
    let slot = 100.0 / count(columns.len().max(1));
    let mut svg = opening("columns", caption);
    if max > 0 {
        let _ = write!(
            svg,
            r#"<line class="grid" x1="0" x2="100%" y1="0" y2="0"/><line class="grid" x1="0" x2="100%" y1="50%" y2="50%"/><text class="scale" x="0" y="-4">{}</text>"#,
            escaped(&number(scale))
        );
    }
    for (at, column) in columns.iter().enumerate() {
        let left = slot * count(at);
        let (x, width) = (left + slot * GAP, slot * (1.0 - 2.0 * GAP));
        let _ = write!(
            svg,
            r#"<g class="span"><title>{}</title><rect class="hit" x="{left:.3}%" width="{slot:.3}%" height="100%"/>"#,
            escaped(column.hint)
        );
        let (front, back) = (height(column.front, scale), height(column.back, scale));
        if back > 0.0 {
            let y = 100.0 - back;
            let _ = write!(
                svg,
                r#"<rect class="back" x="{x:.3}%" y="{y:.2}%" width="{width:.3}%" height="{back:.2}%"/><rect class="cap" x="{x:.3}%" y="{y:.2}%" width="{width:.3}%" height="1.5"/>"#
            );
        }
        if max == 0 {
            let _ = write!(
                svg,
                r#"<rect class="stub" x="{x:.3}%" y="100%" width="{width:.3}%" height="4" transform="translate(0 -4)"/>"#
            );
        }
        if front > 0.0 {
            let y = 100.0 - front;
            let _ = write!(
                svg,
                r#"<rect class="front" x="{x:.3}%" y="{y:.2}%" width="{width:.3}%" height="{front:.2}%"/>"#
            );
        }
        svg.push_str("</g>");
    }
    svg.push_str(r#"<line class="base" x1="0" x2="100%" y1="100%" y2="100%"/></svg>"#);
    svg
}

/// The labels below columns, each aligned to its column's left edge so that none leaves the card: every sixth one, and
/// every third one if there is room.
#[must_use]
pub fn axis(labels: &[&str]) -> String {
    let slot = 100.0 / count(labels.len().max(1));
    let (often, seldom) = LABEL_EVERY;
    let mut svg = r#"<svg class="axis" aria-hidden="true">"#.to_owned();
    for (at, label) in labels.iter().enumerate().step_by(often) {
        let class = if at.is_multiple_of(seldom) { "major" } else { "minor" };
        let x = slot * (count(at) + GAP);
        let _ = write!(svg, r#"<text class="{class}" x="{x:.3}%" y="11">{}</text>"#, escaped(label));
    }
    svg.push_str("</svg>");
    svg
}

/// One horizontal bar on its track; the whole track is `scale`.
#[must_use]
pub fn bar(value: u64, scale: u64) -> String {
    format!(
        r#"<svg class="bar" aria-hidden="true"><rect class="track" width="100%" height="100%" rx="2"/><rect class="front" width="{:.2}%" height="100%" rx="2"/></svg>"#,
        if value == 0 { 0.0 } else { percent(value, scale).max(1.0) }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPTION: Caption = Caption { title: "Title", desc: "Desc" };

    #[test]
    fn scales_end_at_round_even_numbers() {
        for (max, end) in
            [(0, 4), (1, 4), (4, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 20), (101, 120), (1_234_567, 1_500_000)]
        {
            assert_eq!(ceiling(max), end, "{max}");
        }
        assert_eq!(ceiling(u64::MAX), u64::MAX);
    }

    #[test]
    fn a_sparkline_runs_from_edge_to_edge() {
        let svg = sparkline(&[0, 10, 5], CAPTION);
        assert!(svg.contains(r#"class="line" d="M0.00 100.00L50.00 0.00L100.00 50.00""#), "{svg}");
        assert!(svg.contains(r#"cx="100%" cy="50.00%""#), "{svg}");
    }

    #[test]
    fn a_sparkline_needs_no_values() {
        for values in [&[][..], &[0], &[0; 30]] {
            let svg = sparkline(values, CAPTION);
            assert!(svg.contains(r#"cy="100.00%""#) && !svg.contains("NaN"), "{svg}");
        }
    }

    #[test]
    fn columns_are_as_high_as_their_values() {
        let svg = columns(
            &[Column { hint: "h", front: 25, back: 50 }, Column { hint: "h", front: 0, back: 100 }],
            |n| n.to_string(),
            CAPTION,
        );
        assert!(svg.contains(r#"class="front" x="7.000%" y="75.00%" width="36.000%" height="25.00%""#), "{svg}");
        assert!(svg.contains(r#"class="back" x="57.000%" y="0.00%" width="36.000%" height="100.00%""#), "{svg}");
        assert_eq!(svg.matches(r#"class="front""#).count(), 1, "nought has no bar");
        assert!(svg.contains(">100</text>"), "{svg}");
    }

    #[test]
    fn empty_columns_have_no_scale() {
        for empty in [&[][..], &[Column { hint: "h", front: 0, back: 0 }]] {
            let svg = columns(empty, |n| n.to_string(), CAPTION);
            assert!(!svg.contains("<text") && !svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
    }

    #[test]
    fn a_day_is_labelled_every_third_hour_of_which_every_second_always() {
        let labels: Vec<String> = (0..24).map(|hour| format!("{hour:02}:00")).collect();
        let svg = axis(&labels.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(svg.matches("<text").count(), 8);
        assert_eq!(svg.matches("major").count(), 4);
        assert!(axis(&[]).ends_with("</svg>"));
    }

    #[test]
    fn a_bar_is_its_part_of_the_track() {
        assert!(bar(1, 4).contains(r#"class="front" width="25.00%""#));
        assert!(bar(0, 0).contains(r#"class="front" width="0.00%""#));
        assert!(bar(1, u64::MAX).contains(r#"class="front" width="1.00%""#));
    }

    #[test]
    fn every_text_is_escaped() {
        let bad = "<script>alert(1)</script>";
        let caption = Caption { title: bad, desc: bad };
        let all = [
            sparkline(&[1], caption),
            columns(&[Column { hint: bad, front: 1, back: 1 }], |_| bad.to_owned(), caption),
            axis(&[bad]),
        ];
        for svg in all {
            assert!(!svg.contains("<script") && svg.contains("&lt;script"), "{svg}");
        }
    }
}
