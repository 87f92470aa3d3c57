//! Filters over closed sets: a value is normalized to its stored form, or refused by name instead of matching nothing.

use super::{
    country::COUNTRIES,
    event::{CHANNELS, DEVICES},
    query::{Dimension, FilterInput, FilterOperator},
};
use crate::{
    error::{Error, Result},
    host,
};

/// All values of the dimension except the empty one; `None` if the set is open.
fn values_of(dimension: Dimension) -> Option<Vec<&'static str>> {
    match dimension {
        Dimension::Country => Some(COUNTRIES.iter().map(|(code, _)| *code).collect()),
        Dimension::Device => Some(DEVICES.to_vec()),
        Dimension::Channel => Some(CHANNELS.to_vec()),
        _ => None,
    }
}

/// The filter with its values in stored form: `de` and `Germany` become `DE`, `MOBILE` becomes `mobile`, host names
/// become lower case.
///
/// # Errors
/// `Invalid` for `filters`, naming a value that the dimension cannot have.
pub fn spelled(mut filter: FilterInput) -> Result<FilterInput> {
    let is_whole = matches!(filter.operator, FilterOperator::Is | FilterOperator::IsNot);
    if is_whole && matches!(filter.dimension, Dimension::Referrer | Dimension::Hostname) {
        for value in &mut filter.values {
            *value = host::to_ascii(&value.to_lowercase()).into_owned();
        }
    }
    let Some(known) = values_of(filter.dimension) else { return Ok(filter) };
    let fits: fn(&str, &str) -> bool = match filter.operator {
        FilterOperator::Is | FilterOperator::IsNot => |value, wanted| value.eq_ignore_ascii_case(wanted),
        FilterOperator::Contains | FilterOperator::NotContains => |value, wanted| value.contains(wanted),
        FilterOperator::StartsWith => |value, wanted| value.starts_with(wanted),
        FilterOperator::EndsWith => |value, wanted| value.ends_with(wanted),
        // The store reads patterns.
        FilterOperator::Matches => return Ok(filter),
    };
    for value in &mut filter.values {
        match filter.dimension {
            Dimension::Country if is_whole => {
                if let Some(code) = country_code(value) {
                    code.clone_into(value);
                }
            }
            Dimension::Country => *value = value.to_ascii_uppercase(),
            Dimension::Device => *value = value.to_ascii_lowercase(),
            _ => {}
        }
        // "No value" is a value of its own.
        if value.is_empty() {
            continue;
        }
        match known.iter().find(|known| fits(known, value)) {
            Some(known) if is_whole => (*known).clone_into(value),
            Some(_) => {}
            None => return Err(Error::invalid("filters", refusal(filter.dimension, value))),
        }
    }
    Ok(filter)
}

/// The code of a country's English name, letter case ignored.
fn country_code(name: &str) -> Option<&'static str> {
    let name = name.trim().to_lowercase();
    COUNTRIES.iter().find(|(_, known)| known.to_lowercase() == name).map(|(code, _)| *code)
}

fn refusal(dimension: Dimension, value: &str) -> String {
    match dimension {
        Dimension::Country => {
            format!(
                "values of COUNTRY must be ISO 3166-1 alpha-2 codes such as DE, or \"\" for unknown (got {value:?})"
            )
        }
        _ => {
            let allowed = values_of(dimension).unwrap_or_default();
            let (name, allowed) =
                (if dimension == Dimension::Device { "DEVICE" } else { "CHANNEL" }, allowed.join(", "));
            format!("values of {name} must be one of {allowed}, or \"\" for unknown (got {value:?})")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spell(dimension: Dimension, operator: FilterOperator, value: &str) -> Result<String> {
        let filter = FilterInput { dimension, property: None, operator, values: vec![value.to_owned()] };
        spelled(filter).map(|filter| filter.values.concat())
    }

    #[test]
    fn values_are_spelled_as_they_are_stored() {
        use {Dimension as D, FilterOperator as O};
        for (dimension, operator, sent, stored) in [
            (D::Country, O::Is, "de", "DE"),
            (D::Country, O::IsNot, "Germany", "DE"),
            (D::Country, O::Is, "åland islands", "AX"),
            (D::Country, O::Is, "", ""),
            (D::Country, O::StartsWith, "d", "D"),
            (D::Device, O::Is, "MOBILE", "mobile"),
            (D::Device, O::Contains, "Top", "top"),
            (D::Channel, O::Is, "organic search", "Organic Search"),
            (D::Channel, O::EndsWith, "Search", "Search"),
            (D::Hostname, O::Is, "Bücher.Example", "xn--bcher-kva.example"),
            (D::Referrer, O::Contains, "Google", "Google"),
            (D::Page, O::Is, "/De", "/De"),
            (D::Country, O::Matches, "^(DE|nowhere)$", "^(DE|nowhere)$"),
        ] {
            assert_eq!(spell(dimension, operator, sent).unwrap(), stored, "{dimension:?} {operator:?} {sent}");
        }
    }

    #[test]
    fn what_no_row_can_have_is_refused_by_name() {
        use {Dimension as D, FilterOperator as O};
        for (dimension, operator, sent) in [
            (D::Country, O::Is, "Germania"),
            (D::Country, O::IsNot, "UK"),
            (D::Country, O::Contains, "Ger"),
            (D::Device, O::Is, "phone"),
            (D::Channel, O::Is, "Search"),
            (D::Channel, O::StartsWith, "organic"),
        ] {
            let error = spell(dimension, operator, sent).unwrap_err();
            assert_eq!(error.field(), Some("filters"));
            assert!(
                error.message().to_lowercase().contains(&format!("{sent:?}").to_lowercase()),
                "{}",
                error.message()
            );
        }
    }
}
