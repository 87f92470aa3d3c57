//! REST spelling of GraphQL names: snake_case keys, lower-case values, the table of ranges.

/// REST ranges and their presets. The only place that knows both.
pub const RANGES: &[(&str, &str)] = &[
    ("24h", "LAST_24_HOURS"),
    ("7d", "LAST_7_DAYS"),
    ("30d", "LAST_30_DAYS"),
    ("90d", "LAST_90_DAYS"),
    ("1y", "LAST_YEAR"),
];

/// The GraphQL enum that REST spells by [`RANGES`].
pub const RANGE_ENUM: &str = "RangePreset";

/// The enum whose values REST spells in camelCase.
pub const CAMEL_CASE_ENUM: &str = "UsageResource";

/// Aliases of query parameters that clients still send: alias, name.
pub const ALIASES: &[(&str, &str)] = &[("timeRange", "range"), ("teamId", "team_id")];

/// `websiteId` becomes `website_id`.
#[must_use]
pub fn snake(camel: &str) -> String {
    let mut name = String::with_capacity(camel.len() + 4);
    for letter in camel.chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

/// `website_id` becomes `websiteId`; a camelCase name stays.
#[must_use]
pub fn camel(snake: &str) -> String {
    let mut name = String::with_capacity(snake.len());
    let mut raise = false;
    for letter in snake.chars() {
        if letter == '_' && !name.is_empty() {
            raise = true;
        } else {
            name.push(if raise { letter.to_ascii_uppercase() } else { letter });
            raise = false;
        }
    }
    name
}

/// `FULL_ACCESS` becomes `Full access`.
#[must_use]
pub fn title(upper: &str) -> String {
    let lower = upper.to_ascii_lowercase().replace('_', " ");
    let mut letters = lower.chars();
    letters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
}

/// The GraphQL enum that REST spells as webhooks do.
const EVENT_ENUM: &str = "WebhookEvent";

/// `VISITOR_HIGH_VALUE` becomes `visitor.high_value`.
#[must_use]
pub fn event(upper: &str) -> String {
    upper.to_ascii_lowercase().replacen('_', ".", 1)
}

/// REST spelling and GraphQL value of each accepted enum value, in order.
#[must_use]
pub fn choices(name: &str, values: &[String]) -> Vec<(String, String)> {
    if name == RANGE_ENUM {
        return RANGES
            .iter()
            .filter(|(_, preset)| values.iter().any(|value| value == preset))
            .map(|(range, preset)| ((*range).to_owned(), (*preset).to_owned()))
            .collect();
    }
    let spell: fn(&str) -> String = match name {
        EVENT_ENUM => event,
        CAMEL_CASE_ENUM => |value| camel(&value.to_ascii_lowercase()),
        _ => str::to_ascii_lowercase,
    };
    values.iter().map(|value| (spell(value), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() {
        for (camel_case, snake_case) in [("websiteId", "website_id"), ("kpiGoal", "kpi_goal"), ("range", "range")] {
            assert_eq!(snake(camel_case), snake_case);
            assert_eq!(camel(snake_case), camel_case);
        }
        assert_eq!(camel("primaryColor"), "primaryColor");
        assert_eq!(title("PRO"), "Pro");
        assert_eq!(title("FULL_ACCESS"), "Full access");
    }

    #[test]
    fn ranges_are_the_documented_ones_and_only_those_the_schema_knows() {
        let known = ["LAST_7_DAYS", "LAST_YEAR", "TODAY"].map(str::to_owned);
        let spelled: Vec<String> = choices(RANGE_ENUM, &known).into_iter().map(|(rest, _)| rest).collect();
        assert_eq!(spelled, ["7d", "1y"]);
        assert_eq!(
            choices("Status", &["IN_PROGRESS".to_owned()]),
            [("in_progress".to_owned(), "IN_PROGRESS".to_owned())]
        );
    }
}
