//! From the caller's input to a [`Basis`]: the rules for ranges, time zones, filters and pages.

use chrono_tz::Tz;

use super::{
    closed,
    compare::compared,
    path,
    plan::{After, Asker, Basis},
    query::{Comparison, Dimension, FilterInput, FilterOperator, PROPERTY, RangeInput, RangePreset, VALUES},
    zone,
};
use crate::{
    access::{WebsiteView, public_access::for_members},
    error::{Error, Result},
    goal_rule::Goals,
    ports::Ports,
};

/// Maximum number of filters in a query.
pub(super) const MAX_FILTERS: u32 = 20;

/// Maximum number of values in all filters of a query together.
const MAX_ALL_VALUES: usize = 200;

/// Number of values charged per filter where all of them are returned; the total never exceeds [`MAX_ALL_VALUES`].
pub(super) const PRICED_VALUES: u32 = 10;
const _: () = assert!((PRICED_VALUES * MAX_FILTERS) as usize == MAX_ALL_VALUES);

/// Maximum number of regular expressions in a query, and maximum length of one in characters.
const MAX_PATTERNS: usize = 10;
const MAX_PATTERN: usize = 200;

/// Maximum length of a search text, in characters.
const MAX_SEARCH: usize = 200;

/// Maximum page size of a breakdown, in rows (GRAPHQL.md 4).
pub const MAX_ROWS: i32 = 100;

/// Maximum page size of a list of visitors, in rows (GRAPHQL.md 4).
pub const MAX_VISITORS: i32 = 1_000;

/// Default page size, in rows.
pub const DEFAULT_ROWS: i32 = 20;

/// Maximum offset, in rows.
const MAX_OFFSET: i32 = 1_000_000;

/// A query that was checked and resolved to absolute times.
#[derive(Debug, Clone)]
pub struct Question {
    /// Proof that the caller can see the website's figures.
    pub view: WebsiteView,
    /// The website, the resolved range, the filters.
    pub basis: Basis,
    /// Scheduling class of the query in the event store.
    pub asker: Asker,
    /// The same basis for the comparison period.
    pub previous: Option<Basis>,
    /// The time zone of calendar units.
    pub zone: Tz,
    /// Audience of the result.
    pub audience: Audience,
}

/// What a caller asks about a website, before it is checked.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The time range.
    pub range: RangeInput,
    /// Time zone of calendar units; `None` for the website's.
    pub zone: Option<Tz>,
    /// Conditions, combined with AND.
    pub filters: Vec<FilterInput>,
    /// Comparison period; `None` for none.
    pub compare: Option<Comparison>,
    /// Whether to include bot traffic.
    pub bots: bool,
    /// The website's goals.
    pub goals: Goals,
}

/// Audience of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Members of the website's team.
    Team,
    /// Anonymous callers: aggregates only.
    Public {
        /// Whether page titles, event names and goal names are shown.
        has_details: bool,
    },
}

impl Audience {
    /// Errors: `Forbidden` for anonymous callers.
    pub(crate) fn members_only(self) -> Result<()> {
        match self {
            Self::Team => Ok(()),
            Self::Public { .. } => Err(for_members()),
        }
    }

    /// Whether page titles, event names and goal names are shown. Pages can write anything into them, including names
    /// of people.
    pub(crate) const fn has_details(self) -> bool {
        matches!(self, Self::Team | Self::Public { has_details: true })
    }

    /// Errors: `Forbidden` for anonymous callers if values of the dimension are restricted to members.
    pub(crate) fn may_ask(self, dimension: Dimension) -> Result<()> {
        if dimension.row().is_detail && !self.has_details() { Err(for_members()) } else { Ok(()) }
    }
}

impl Question {
    /// Checks and resolves a query about a website.
    ///
    /// # Errors
    /// `Invalid`, naming `range` or `filters` and what is allowed; `Forbidden` when an anonymous caller queries event
    /// properties.
    pub async fn from_input(ports: &Ports, view: &WebsiteView, asked: Asked) -> Result<Self> {
        let Asked { range, zone, filters, compare, bots, goals } = asked;
        check_filters(&filters)?;
        let website = view.website();
        let audience = match view.is_public() {
            true => Audience::Public { has_details: website.has_public_details() },
            false => Audience::Team,
        };
        for filter in &filters {
            audience.may_ask(filter.dimension)?;
            if filter.property.is_some() {
                // Properties may contain anything that pages send, including IDs of people.
                audience.members_only()?;
            }
        }
        let filters = filters.into_iter().map(|filter| closed::spelled(respelled(filter))).collect::<Result<_>>()?;
        let zone = zone.unwrap_or(website.timezone());
        let first = match range {
            RangeInput::Preset(RangePreset::AllTime) => ports.events.first_event(website.id()).await?,
            _ => None,
        };
        let span = zone::resolve(range, zone, ports.clock.now(), first)?;
        let currency = website.currency().to_owned();
        let basis = Basis { website: website.id(), span, filters, currency, bots, goals };
        let previous = compare.map(|compare| Basis { span: compared(range, span, compare, zone), ..basis.clone() });
        let asker = match audience {
            Audience::Team => Asker::Team(website.team_id()),
            Audience::Public { .. } => Asker::Anonymous,
        };
        Ok(Self { view: view.clone(), basis, asker, previous, zone, audience })
    }
}

/// Limits on a query's filters. Each costs time and memory for every visit or event it is applied to.
fn check_filters(filters: &[FilterInput]) -> Result<()> {
    if filters.len() > MAX_FILTERS as usize {
        return Err(Error::invalid(
            "filters",
            format!("must have at most {MAX_FILTERS} filters (got {})", filters.len()),
        ));
    }
    for filter in filters {
        check_filter(filter)?;
    }
    let values: usize = filters.iter().map(|filter| filter.values.len()).sum();
    if values > MAX_ALL_VALUES {
        return Err(Error::invalid(
            "filters",
            format!("must have at most {MAX_ALL_VALUES} values in total (got {values})"),
        ));
    }
    let matches = filters.iter().filter(|filter| filter.operator == FilterOperator::Matches);
    let patterns: Vec<&String> = matches.flat_map(|filter| &filter.values).collect();
    if patterns.len() > MAX_PATTERNS {
        return Err(Error::invalid(
            "filters",
            format!("must have at most {MAX_PATTERNS} regular expressions in total (got {})", patterns.len()),
        ));
    }
    let longest = patterns.iter().map(|pattern| pattern.chars().count()).max().unwrap_or(0);
    if longest > MAX_PATTERN {
        return Err(Error::invalid(
            "filters",
            format!("regular expressions must have at most {MAX_PATTERN} characters (got {longest})"),
        ));
    }
    Ok(())
}

fn check_filter(filter: &FilterInput) -> Result<()> {
    let (count, most, longest) = (filter.values.len(), VALUES.max_items(), VALUES.max_length());
    if count == 0 || count > most {
        return Err(Error::invalid("filters", format!("each filter must have 1 to {most} values (got {count})")));
    }
    if let Some(long) = filter.values.iter().map(|value| value.chars().count()).find(|length| *length > longest) {
        return Err(Error::invalid("filters", format!("values must have at most {longest} characters (got {long})")));
    }
    check_property("filters", filter.dimension, filter.property.as_deref())
}

/// Matches pages regardless of how the filter spells the path. The original spelling is kept as an alternative, because
/// earlier versions stored paths unnormalized. Regular expressions are not changed.
fn respelled(mut filter: FilterInput) -> FilterInput {
    if !filter.dimension.is_path() || filter.operator == FilterOperator::Matches {
        return filter;
    }
    let is_whole = matches!(filter.operator, FilterOperator::Is | FilterOperator::IsNot);
    let spell = |value: &String| match is_whole {
        true => path::normalized(value.as_bytes()).into_owned(),
        false => path::normalized_part(value).into_owned(),
    };
    let spelled: Vec<String> = filter.values.iter().map(spell).collect();
    for value in spelled {
        if !filter.values.contains(&value) {
            filter.values.push(value);
        }
    }
    filter
}

/// A property requires dimension EVENT and a non-empty name.
///
/// # Errors
/// `Invalid`, naming `field`.
pub fn check_property(field: &str, dimension: Dimension, property: Option<&str>) -> Result<()> {
    match property {
        None => Ok(()),
        Some(_) if dimension != Dimension::Event => {
            Err(Error::invalid(field, "a property is allowed with dimension EVENT only"))
        }
        Some(name) => PROPERTY.check_length(field, name).map_err(|_| {
            let (most, length) = (PROPERTY.max_length(), name.chars().count());
            Error::invalid(field, format!("the name of a property must have 1 to {most} characters (got {length})"))
        }),
    }
}

/// The search text in readable form, as it is compared with readable values; `None` if empty.
///
/// # Errors
/// `Invalid`, naming `search`.
pub fn check_search(by: Dimension, search: Option<String>) -> Result<Option<String>> {
    match search {
        Some(text) if text.chars().count() > MAX_SEARCH => Err(Error::invalid(
            "search",
            format!("must have at most {MAX_SEARCH} characters (got {})", text.chars().count()),
        )),
        Some(text) if text.is_empty() => Ok(None),
        Some(text) if by.is_path() => Ok(Some(path::decoded(&text).unwrap_or(text))),
        other => Ok(other),
    }
}

/// Page size.
///
/// # Errors
/// `Invalid`, naming `first`.
pub fn page_size(first: Option<i32>, max: i32) -> Result<u32> {
    let size = first.unwrap_or(DEFAULT_ROWS);
    u32::try_from(size)
        .ok()
        .filter(|_| (1..=max).contains(&size))
        .ok_or_else(|| Error::invalid("first", format!("must be between 1 and {max} (got {size})")))
}

/// Number of rows to skip.
///
/// # Errors
/// `Invalid`, naming `offset`.
pub fn page_offset(offset: Option<i32>) -> Result<u64> {
    let offset = offset.unwrap_or(0);
    u64::try_from(offset)
        .ok()
        .filter(|_| offset <= MAX_OFFSET)
        .ok_or_else(|| Error::invalid("offset", format!("must be between 0 and {MAX_OFFSET} (got {offset})")))
}

fn not_a_cursor() -> Error {
    Error::invalid("after", "must be a cursor of this list, such as `endCursor`")
}

/// First letter of a breakdown cursor and of a visitor cursor. A new format gets a new letter.
const ROW_CURSOR: &str = "b2:";
const VISITOR_CURSOR: &str = "v1:";

/// The opaque cursor of a breakdown row.
#[must_use]
pub fn row_cursor(order: i128, key: &str) -> String {
    crate::id::opaque(&format!("{ROW_CURSOR}{order}:{key}"))
}

/// Reads [`row_cursor`].
///
/// # Errors
/// `Invalid`, naming `after`.
pub fn read_row_cursor(cursor: &str) -> Result<After> {
    let text = crate::id::read_opaque(cursor).ok_or_else(not_a_cursor)?;
    let (order, key) = text.strip_prefix(ROW_CURSOR).and_then(|rest| rest.split_once(':')).ok_or_else(not_a_cursor)?;
    let order: i128 = order.parse().map_err(|_| not_a_cursor())?;
    // Values beyond any sum or ratio may overflow in an engine.
    if order.unsigned_abs() >= 1 << 126 {
        return Err(not_a_cursor());
    }
    Ok(After { order, key: key.to_owned() })
}

/// The opaque cursor of a visitor.
#[must_use]
pub fn visitor_cursor(visited_ms: i64, visitor: u64) -> String {
    crate::id::opaque(&format!("{VISITOR_CURSOR}{visited_ms}:{visitor}"))
}

/// Reads [`visitor_cursor`].
///
/// # Errors
/// `Invalid`, naming `after`.
pub fn read_visitor_cursor(cursor: &str) -> Result<(i64, u64)> {
    let text = crate::id::read_opaque(cursor).ok_or_else(not_a_cursor)?;
    let place = text.strip_prefix(VISITOR_CURSOR).and_then(|rest| rest.split_once(':'));
    let (ms, visitor) = place.ok_or_else(not_a_cursor)?;
    Ok((ms.parse().map_err(|_| not_a_cursor())?, visitor.parse().map_err(|_| not_a_cursor())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_bounded_in_number_values_and_patterns() {
        let filter = |operator, values: usize, length: usize| FilterInput {
            dimension: Dimension::Page,
            property: None,
            operator,
            values: vec!["x".repeat(length); values],
        };
        let (is, matches) = (FilterOperator::Is, FilterOperator::Matches);
        let refused = |filters: Vec<FilterInput>| check_filters(&filters).map_err(|error| error.message());
        assert!(refused(vec![filter(is, 10, 2_000); 20]).is_ok());
        assert!(refused(vec![filter(matches, 5, 200); 2]).is_ok());
        for (filters, told) in [
            (vec![filter(is, 1, 1); 21], "at most 20 filters (got 21)"),
            (vec![filter(is, 101, 1)], "1 to 100 values"),
            (vec![filter(is, 67, 1); 3], "at most 200 values in total (got 201)"),
            (vec![filter(matches, 11, 1)], "at most 10 regular expressions in total (got 11)"),
            (vec![filter(matches, 1, 201)], "at most 200 characters (got 201)"),
        ] {
            assert!(refused(filters).unwrap_err().contains(told), "{told}");
        }
    }

    #[test]
    fn filters_find_pages_however_they_are_spelled() {
        let asked = |dimension, operator, value: &str| {
            let filter = FilterInput { dimension, property: None, operator, values: vec![value.to_owned()] };
            respelled(filter).values
        };
        assert_eq!(asked(Dimension::Page, FilterOperator::Is, "/café"), ["/café", "/caf%C3%A9"]);
        assert_eq!(asked(Dimension::EntryPage, FilterOperator::IsNot, "/caf%c3%a9"), ["/caf%c3%a9", "/caf%C3%A9"]);
        assert_eq!(asked(Dimension::ExitPage, FilterOperator::Contains, "é/../"), ["é/../", "%C3%A9/../"]);
        assert_eq!(asked(Dimension::Page, FilterOperator::Is, "/plain"), ["/plain"]);
        assert_eq!(asked(Dimension::Page, FilterOperator::Matches, "é+"), ["é+"]);
        assert_eq!(asked(Dimension::Title, FilterOperator::Is, "Café"), ["Café"]);
    }

    #[test]
    fn searches_find_escaped_letters() {
        let searched = |by, text: &str| check_search(by, Some(text.to_owned())).unwrap().unwrap();
        assert_eq!(searched(Dimension::Page, "CAFÉ x"), "CAFÉ x");
        assert_eq!(searched(Dimension::Page, "caf%C3%A9"), "café");
        assert_eq!(searched(Dimension::Page, "100%"), "100%");
        assert_eq!(searched(Dimension::Title, "CAFÉ x"), "CAFÉ x");
    }
}
