//! Visitors in a range, each described by their latest visit.

use async_graphql::{Enum, Object, SimpleObject};
use uuid::Uuid;

use crate::{
    analytics::{country::country_name, plan::VisitorRow, query_input::visitor_cursor},
    connection::PageInfo,
    list::List,
    scalars::{BigInt, Instant},
};

/// Device type of a visitor.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// Desktop or laptop computer.
    Desktop,
    /// Phone.
    Mobile,
    /// Tablet.
    Tablet,
}

impl Device {
    /// The device type of a stored event; `None` if the user agent does not reveal it.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "desktop" => Some(Self::Desktop),
            "mobile" => Some(Self::Mobile),
            "tablet" => Some(Self::Tablet),
            _ => None,
        }
    }
}

/// One visitor, described by the latest visit in the range.
#[derive(Debug, Clone)]
pub struct Visitor {
    pub(super) row: VisitorRow,
}

fn known(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// One visitor, described by the latest visit in the range.
#[Object]
impl Visitor {
    /// UUID of the visitor on this website, who is no node and has no global ID. On cookieless websites it changes each
    /// UTC day.
    async fn visitor_id(&self) -> Uuid {
        visitor_uuid(self.row.visitor)
    }

    /// ISO 3166-1 alpha-2 code, upper case; null if unknown.
    async fn country(&self) -> Option<&str> {
        known(&self.row.country)
    }

    /// English name of the country; null if unknown.
    async fn country_name(&self) -> Option<&str> {
        country_name(&self.row.country)
    }

    /// City; null if unknown.
    async fn city(&self) -> Option<&str> {
        known(&self.row.city)
    }

    /// Device type; null if unknown.
    async fn device(&self) -> Option<Device> {
        Device::named(&self.row.device)
    }

    /// Browser family, as named by uap-core; null if unknown.
    async fn browser(&self) -> Option<&str> {
        known(&self.row.browser)
    }

    /// Operating system, as named by uap-core; null if unknown.
    async fn os(&self) -> Option<&str> {
        known(&self.row.os)
    }

    /// Value score of the latest visit, 0 to 100; 80 and above is high.
    async fn value_score(&self) -> i32 {
        i32::try_from(self.row.score).unwrap_or(100)
    }

    /// Start time of the latest visit, UTC.
    async fn visited_at(&self) -> Instant {
        Instant::from_millis(self.row.visited_ms)
    }

    /// Time of the last event in the latest visit, UTC.
    async fn last_seen_at(&self) -> Instant {
        Instant::from_millis(self.row.last_ms)
    }

    /// Path of the first page view in the latest visit; empty if it has none.
    async fn landing_page(&self) -> &str {
        &self.row.entry_page
    }

    /// Host of the page that referred the latest visit; null for a direct visit.
    async fn referrer(&self) -> Option<&str> {
        known(&self.row.referrer)
    }

    /// Whether the latest visit had an interaction event.
    async fn had_interaction(&self) -> bool {
        self.row.interacted
    }

    /// Number of visits in the range.
    async fn visits(&self) -> BigInt {
        BigInt(self.row.visits)
    }

    /// Number of page views in those visits.
    async fn pageviews(&self) -> BigInt {
        BigInt(self.row.pageviews)
    }
}

/// A visitor's key in the form of a UUID (version 8, custom layout), as clients expect.
#[must_use]
pub fn visitor_uuid(visitor: u64) -> Uuid {
    let visitor = u128::from(visitor);
    let (head, middle, tail) = (visitor >> 16, (visitor >> 4) & 0xfff, visitor & 0xf);
    Uuid::from_u128(head << 80 | 0x8 << 76 | middle << 64 | 0b10 << 62 | tail)
}

/// Reverses [`visitor_uuid`]; `None` for any other UUID.
#[must_use]
pub fn visitor_key(uuid: Uuid) -> Option<u64> {
    let bits = uuid.as_u128();
    let (head, middle, tail) = (bits >> 80, (bits >> 64) & 0xfff, bits & 0xf);
    let visitor = u64::try_from(head << 16 | middle << 4 | tail).ok()?;
    (visitor_uuid(visitor) == uuid).then_some(visitor)
}

/// A visitor and its cursor.
#[derive(SimpleObject, Debug, Clone)]
pub struct VisitorEdge {
    /// Opaque cursor of the row, for `after`.
    pub cursor: String,
    /// The visitor.
    pub node: Visitor,
}

/// A page of visitors, most recent visit first.
#[derive(Debug, Clone)]
pub struct VisitorConnection {
    pub(super) rows: Vec<Visitor>,
    pub(super) more: bool,
    pub(super) is_first: bool,
}

/// A page of visitors, most recent visit first.
#[Object]
impl VisitorConnection {
    /// Visitors of this page, in order.
    async fn nodes(&self) -> List<&Visitor> {
        self.rows.iter().collect()
    }

    /// Visitors of this page with their cursors, in order.
    async fn edges(&self) -> List<VisitorEdge> {
        self.rows.iter().map(|visitor| VisitorEdge { cursor: visitor.cursor(), node: visitor.clone() }).collect()
    }

    /// Position of this page in the list.
    async fn page_info(&self) -> PageInfo {
        PageInfo {
            has_previous_page: !self.is_first,
            has_next_page: self.more,
            start_cursor: self.rows.first().map(Visitor::cursor),
            end_cursor: self.rows.last().map(Visitor::cursor),
        }
    }
}

impl Visitor {
    fn cursor(&self) -> String {
        visitor_cursor(self.row.visited_ms, self.row.visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visitors_key_fits_into_a_uuid_of_version_8() {
        let uuid = visitor_uuid(0x0123_4567_89ab_cdef);
        assert_eq!(uuid.to_string(), "01234567-89ab-8cde-8000-00000000000f");
        assert_eq!(uuid.get_version_num(), 8);
        for key in [0, 1, u64::MAX, 0x0123_4567_89ab_cdef] {
            assert_eq!(visitor_key(visitor_uuid(key)), Some(key));
        }
        assert_eq!((visitor_key(Uuid::nil()), visitor_key(Uuid::max())), (None, None));
    }
}
