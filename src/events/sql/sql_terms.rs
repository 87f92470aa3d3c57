//! Building blocks of statements: bound values, a dimension's expression, a filter's condition.

use schema::analytics::query::{Dimension, FilterInput, FilterOperator};

use super::super::dialect;

/// A statement and the values of its `$1`, `$2`, ...
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The SQL.
    pub text: String,
    /// Values in order of their numbers.
    pub values: Vec<String>,
}

impl Statement {
    pub(super) fn bind(&mut self, value: &str) -> String {
        if let Some(index) = self.values.iter().position(|bound| bound == value) {
            return format!("${}", index + 1);
        }
        self.values.push(value.to_owned());
        format!("${}", self.values.len())
    }
}

/// The expression of a dimension over a row of `visits` or of `events`, by its scope.
pub(super) fn expression(dimension: Dimension) -> &'static str {
    match dimension {
        Dimension::Page => "path",
        Dimension::EntryPage => "entry_page",
        Dimension::ExitPage => "exit_page",
        Dimension::Hostname => "hostname",
        Dimension::Title => "title",
        Dimension::Referrer => "referrer",
        Dimension::Channel => "channel",
        Dimension::Source => "source",
        Dimension::UtmSource => "utm_source",
        Dimension::UtmMedium => "utm_medium",
        Dimension::UtmCampaign => "utm_campaign",
        Dimension::UtmTerm => "utm_term",
        Dimension::UtmContent => "utm_content",
        Dimension::Country => "country",
        Dimension::Region => "region",
        Dimension::City => "city",
        Dimension::Device => "device",
        Dimension::Browser => "browser",
        Dimension::BrowserVersion => "trim(browser || ' ' || split_part(browser_version, '.', 1))",
        Dimension::Os => "os",
        Dimension::OsVersion => "trim(os || ' ' || os_version)",
        Dimension::Screen => "screen",
        Dimension::Language => "language",
        Dimension::Event | Dimension::Goal => "name",
    }
}

/// Condition for events that have a value of the dimension.
pub(super) fn holders(dimension: Dimension) -> &'static str {
    match dimension {
        // A heartbeat only reports that a page is still open.
        Dimension::Page | Dimension::Hostname => " AND kind <> 5",
        Dimension::Title => " AND kind = 0",
        Dimension::Event => " AND kind NOT IN (0, 5)",
        Dimension::Goal => " AND kind = 3",
        _ => "",
    }
}

/// Name of a dimension's column in `slices`.
pub(super) fn column(dimension: Dimension) -> String {
    format!("d{}", dimension as u8)
}

pub(super) fn condition(filter: &FilterInput, statement: &mut Statement) -> String {
    let text = match &filter.property {
        Some(property) => {
            let pointer = statement.bind(&dialect::pointer_to(property));
            dialect::property(&pointer)
        }
        None => expression(filter.dimension).to_owned(),
    };
    let values: Vec<String> = filter.values.iter().map(|value| statement.bind(value)).collect();
    let any = |says: fn(&str, &str) -> String| {
        format!("({})", values.iter().map(|value| says(&text, value)).collect::<Vec<_>>().join(" OR "))
    };
    match filter.operator {
        FilterOperator::Is => format!("{text} IN ({})", values.join(", ")),
        FilterOperator::IsNot => format!("{text} NOT IN ({})", values.join(", ")),
        FilterOperator::Contains => any(dialect::contains),
        FilterOperator::NotContains => format!("NOT {}", any(dialect::contains)),
        FilterOperator::StartsWith => any(dialect::starts_with),
        FilterOperator::EndsWith => any(dialect::ends_with),
        FilterOperator::Matches => any(dialect::matches),
    }
}
