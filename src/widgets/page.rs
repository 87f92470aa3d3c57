//! The three widgets as standalone HTML documents for an iframe.
//!
//! - Every number that is drawn can also be read: a table beside each drawing serves screen readers.
//! - All external text is escaped; the only script is [`REFRESH_SCRIPT`], which never changes.

use std::fmt::Write as _;

use super::{
    chart::{self, Caption, Column},
    look::Look,
    words::{escaped, filled},
};

/// The script that refreshes a widget: the whole text of its `script` element, for a hash in `script-src`.
///
/// It fetches the widget's own URL (`connect-src 'self'`) and replaces `main`, except while the page is hidden.
pub const REFRESH_SCRIPT: &str = include_str!("refresh.js");

/// Layout of the widgets; the colors come from [`Look::css`].
const STYLE: &str = include_str!("widget.css");

/// Seconds between refreshes of the live count.
const LIVE_EVERY: u32 = 10;

/// Seconds between refreshes of slowly changing numbers.
const CALM_EVERY: u32 = 60;

/// Number of countries with a row of their own; how many rows are visible depends on the frame's height.
const ROWS: usize = 12;

/// Data of the live widget.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RealtimeNumbers {
    /// Visitors of the last five minutes.
    pub live: u64,
    /// Visitors in each of the last 30 minutes, oldest first.
    pub minutes: Vec<u64>,
}

/// Data of the timeline.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PreviewNumbers {
    /// Distinct visitors of the whole span; not the sum of the hours' visitors.
    pub visitors: u64,
    /// The last 24 hours, oldest first.
    pub hours: Vec<Hour>,
}

/// One hour of the timeline.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hour {
    /// Its axis label, such as `14:00` in the website's time zone. Plain text.
    pub label: String,
    /// Its distinct visitors.
    pub visitors: u64,
    /// Its page views.
    pub pageviews: u64,
}

/// Data of the breakdown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecentNumbers {
    /// All countries, in any order: shares are relative to their sum.
    pub countries: Vec<Country>,
}

/// One country of the breakdown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Country {
    /// ISO 3166 code, such as `NL`; shown if the name is empty. Plain text.
    pub code: String,
    /// Its name in the language of the widget. Plain text; "Unknown" if code and name are empty.
    pub name: String,
    /// Its visitors.
    pub visitors: u64,
}

/// The live visitor count, with a sparkline of the last 30 minutes.
#[must_use]
pub fn realtime(numbers: &RealtimeNumbers, look: &Look) -> String {
    let (lang, words) = (look.lang, look.lang.words());
    let live = lang.number(numbers.live);
    let online = lang.online(numbers.live);
    let peak = numbers.minutes.iter().copied().max().unwrap_or(0);
    let peak = filled(words.peak, &lang.number(peak));
    let title = format!("{} · {}", words.visitors_per_minute, words.last_30_minutes);
    let drawing = chart::sparkline(&numbers.minutes, Caption { title: &title, desc: &peak });
    let newest = numbers.minutes.len().saturating_sub(1);
    let rows = numbers.minutes.iter().enumerate().map(|(at, visitors)| {
        let ago = u64::try_from(newest.saturating_sub(at)).unwrap_or(u64::MAX);
        let when = if ago == 0 { words.now.to_owned() } else { filled(words.minutes_ago, &lang.number(ago)) };
        [when, lang.number(*visitors)]
    });
    let table = table(&title, [words.minute, words.visitors], rows);
    let idle = if numbers.live == 0 { " idle" } else { "" };
    let main = format!(
        r#"<main class="realtime{idle}"><div class="live"><p class="value" style="--digits:{}"><span class="dot"></span>{live}</p><h1>{online}</h1></div><figure class="chart"><div class="plot">{drawing}</div><figcaption>{}</figcaption></figure>{table}</main>"#,
        digits(&[&live]),
        words.last_30_minutes
    );
    document(&format!("{live} {online}"), LIVE_EVERY, look, &main)
}

/// The timeline of the last 24 hours: visitors in front of page views, with their totals.
#[must_use]
pub fn preview(numbers: &PreviewNumbers, look: &Look) -> String {
    let (lang, words) = (look.lang, look.lang.words());
    let visitors = lang.number(numbers.visitors);
    let views = lang.number(numbers.hours.iter().fold(0, |sum, hour| hour.pageviews.saturating_add(sum)));
    let hints: Vec<String> = numbers
        .hours
        .iter()
        .map(|hour| {
            let (people, pages) = (lang.number(hour.visitors), lang.number(hour.pageviews));
            format!("{}\n{}: {people}\n{}: {pages}", hour.label, words.visitors, words.page_views)
        })
        .collect();
    let columns: Vec<Column> = numbers
        .hours
        .iter()
        .zip(&hints)
        .map(|(hour, hint)| Column { hint, front: hour.visitors, back: hour.pageviews })
        .collect();
    let labels: Vec<&str> = numbers.hours.iter().map(|hour| hour.label.as_str()).collect();
    let busiest = numbers.hours.iter().rev().max_by_key(|hour| hour.pageviews.max(hour.visitors));
    let busiest = busiest.filter(|hour| hour.pageviews.max(hour.visitors) > 0);
    let desc = busiest.map_or(words.nothing_yet.to_owned(), |hour| {
        format!(
            "{}: {visitors}. {}: {views}. {}",
            words.visitors,
            words.page_views,
            filled(words.busiest_hour, &hour.label)
        )
    });
    let drawing =
        chart::columns(&columns, |number| lang.number(number), Caption { title: words.last_24_hours, desc: &desc });
    let none = if busiest.is_none() { note(words.nothing_yet) } else { String::new() };
    let rows =
        numbers.hours.iter().map(|hour| [hour.label.clone(), lang.number(hour.visitors), lang.number(hour.pageviews)]);
    let table = table(words.last_24_hours, [words.hour, words.visitors, words.page_views], rows);
    let main = format!(
        r#"<main class="preview"><header><h1>{}</h1><dl class="totals" style="--digits:{}"><div><dt><span class="key"></span><span class="clip">{}</span></dt><dd class="value">{visitors}</dd></div><div><dt><span class="key back"></span><span class="clip">{}</span></dt><dd class="value">{views}</dd></div></dl></header><figure class="chart"><div class="plot">{drawing}{none}</div>{}</figure>{table}</main>"#,
        words.last_24_hours,
        digits(&[&visitors, &views]),
        words.visitors,
        words.page_views,
        chart::axis(&labels),
    );
    document(words.last_24_hours, CALM_EVERY, look, &main)
}

/// The countries of visitors, as bars with their share; as many as fit the frame.
#[must_use]
pub fn recent(numbers: &RecentNumbers, look: &Look) -> String {
    let (lang, words) = (look.lang, look.lang.words());
    let mut countries: Vec<(&str, u64)> = numbers
        .countries
        .iter()
        .filter(|country| country.visitors > 0)
        .map(|country| {
            let name = [country.name.trim(), country.code.trim()].into_iter().find(|name| !name.is_empty());
            (name.unwrap_or(words.unknown), country.visitors)
        })
        .collect();
    countries.sort_by_key(|(_, visitors)| std::cmp::Reverse(*visitors));
    let sum = |part: &[(&str, u64)]| part.iter().fold(0_u64, |sum, (_, visitors)| sum.saturating_add(*visitors));
    let total = sum(&countries);
    let others = sum(countries.get(ROWS..).unwrap_or_default());
    countries.truncate(ROWS);
    if others > 0 {
        countries.push((words.other, others));
    }
    let scale = countries.iter().map(|(_, visitors)| *visitors).max().unwrap_or(0);
    let mut rows = String::new();
    let mut desc = Vec::new();
    for (name, visitors) in &countries {
        let share = lang.share(*visitors, total);
        // Writing into a string cannot fail.
        let _ = write!(
            rows,
            r#"<div class="row"><span class="name clip" title="{name}">{name}</span>{}<span class="count">{}</span><span class="part">{}</span></div>"#,
            chart::bar(*visitors, scale),
            lang.number(*visitors),
            escaped(&share),
            name = escaped(name)
        );
        desc.push(format!("{name} {share}"));
    }
    let mut none = String::new();
    if countries.is_empty() {
        none = note(words.nothing_yet);
        desc.push(words.nothing_yet.to_owned());
    }
    let digits = digits(&[&lang.number(scale)]);
    // In a narrow frame a name is worth more than a long number: there the share says it.
    let long = if digits > 6 { " long" } else { "" };
    let table = table(
        words.by_country,
        [words.country, words.visitors, words.share],
        countries
            .iter()
            .map(|(name, visitors)| [(*name).to_owned(), lang.number(*visitors), lang.share(*visitors, total)]),
    );
    let main = format!(
        r#"<main class="recent"><h1>{heading}</h1><figure class="chart"><div class="rows{long}" style="--digits:{digits}" role="img" aria-label="{heading}: {}">{rows}</div>{none}</figure>{table}</main>"#,
        escaped(&desc.join(", ")),
        heading = words.by_country,
    );
    document(words.by_country, CALM_EVERY, look, &main)
}

/// The document around a widget.
fn document(title: &str, every: u32, look: &Look, main: &str) -> String {
    format!(
        r#"<!doctype html>
<html lang="{lang}" data-every="{every}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="robots" content="noindex">
<title>{title}</title>
<noscript><meta http-equiv="refresh" content="{every}"></noscript>
<style>{colors}
{STYLE}</style>
</head>
<body>
{main}
<script>{REFRESH_SCRIPT}</script>
</body>
</html>
"#,
        lang = look.lang.tag(),
        title = escaped(title),
        colors = look.css(),
    )
}

/// The numbers of a drawing for screen readers; the first cell of a row is its heading. The box around it is hidden: a
/// table itself would not shrink, and the frame would scroll.
fn table<const N: usize>(caption: &str, headings: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut html = format!(r#"<div class="hidden"><table><caption>{}</caption><thead><tr>"#, escaped(caption));
    for heading in headings {
        let _ = write!(html, r#"<th scope="col">{}</th>"#, escaped(heading));
    }
    html.push_str("</tr></thead><tbody>");
    for row in rows {
        html.push_str("<tr>");
        for (at, cell) in row.iter().enumerate() {
            let cell = escaped(cell);
            let _ =
                if at == 0 { write!(html, r#"<th scope="row">{cell}</th>"#) } else { write!(html, "<td>{cell}</td>") };
        }
        html.push_str("</tr>");
    }
    html.push_str("</tbody></table></div>");
    html
}

/// The content of an empty drawing; the drawing's text alternative says the same.
fn note(text: &str) -> String {
    format!(r#"<p class="none" aria-hidden="true"><span>{}</span></p>"#, escaped(text))
}

/// Total length of the numbers on one line, in characters, so that the style can make them fit; at least 4.
fn digits(numbers: &[&str]) -> usize {
    numbers.iter().map(|number| number.chars().count()).sum::<usize>().max(4)
}

#[cfg(test)]
mod tests;
