//! Pages of user-sized lists: Relay arguments in, rows and opaque cursors out.
//!
//! - Pages are cut by key (creation time, ID), so that rows added or removed in the meantime neither repeat nor hide
//!   others.
//! - A page size above the limit is an error; it is never silently reduced.

use std::{future::Future, pin::Pin, sync::Arc};

use async_graphql::SimpleObject;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use sea_orm::{
    ColumnTrait as _, Condition, DatabaseConnection, EntityTrait, PaginatorTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _, Select,
};
use uuid::Uuid;

use crate::error::{Error, Result};

/// Maximum page size, in rows.
pub const MAX_PAGE: i32 = 100;

/// Default page size, in rows.
pub const DEFAULT_PAGE: i32 = 20;

/// The four arguments of a connection, as passed by the client.
#[derive(Debug, Clone, Default)]
pub struct PageArgs {
    /// Number of rows from the start; 20 if both `first` and `last` are absent.
    pub first: Option<i32>,
    /// Only rows after this cursor.
    pub after: Option<String>,
    /// Number of rows from the end; cannot be combined with `first`.
    pub last: Option<i32>,
    /// Only rows before this cursor.
    pub before: Option<String>,
}

/// Position of a row in its list: creation time, then ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Creation time of the row, UTC, to the millisecond.
    pub at: DateTime<Utc>,
    /// ID of the row.
    pub id: Uuid,
}

/// First byte of a cursor. A new format gets a new number.
const CURSOR_VERSION: u8 = 1;

impl Place {
    /// The opaque form that clients receive.
    #[must_use]
    pub fn cursor(self) -> String {
        let mut bytes = vec![CURSOR_VERSION];
        bytes.extend_from_slice(&self.at.timestamp_millis().to_be_bytes());
        bytes.extend_from_slice(self.id.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn read(field: &str, cursor: &str) -> Result<Self> {
        let place = || {
            let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
            let (version, rest) = bytes.split_first()?;
            let (millis, id) = rest.split_first_chunk::<8>()?;
            let at = DateTime::from_timestamp_millis(i64::from_be_bytes(*millis))?;
            (*version == CURSOR_VERSION).then_some(Self { at, id: Uuid::from_slice(id).ok()? })
        };
        place()
            .ok_or_else(|| Error::invalid(field, "must be a cursor of this list, such as `endCursor` or `startCursor`"))
    }
}

/// Checked page arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Number of rows, 1 to the maximum.
    pub size: u64,
    /// Whether the rows are counted from the end.
    pub backward: bool,
    /// Only rows after this position.
    pub after: Option<Place>,
    /// Only rows before this position.
    pub before: Option<Place>,
}

impl PageArgs {
    /// Checks the arguments. Errors: `Invalid` naming the argument, for a size outside 1 to `max`, for both sizes
    /// together, or for an invalid cursor.
    pub fn window(&self, max: i32) -> Result<Window> {
        let size = |field: &str, size: i32| {
            u64::try_from(size)
                .ok()
                .filter(|_| (1..=max).contains(&size))
                .ok_or_else(|| Error::invalid(field, format!("must be between 1 and {max} (got {size})")))
        };
        let (size, backward) = match (self.first, self.last) {
            (Some(_), Some(_)) => {
                return Err(Error::invalid("last", "cannot be combined with first"));
            }
            (Some(first), None) => (size("first", first)?, false),
            (None, Some(last)) => (size("last", last)?, true),
            (None, None) => (size("first", DEFAULT_PAGE.min(max))?, false),
        };
        let place =
            |field: &str, cursor: &Option<String>| cursor.as_ref().map(|text| Place::read(field, text)).transpose();
        Ok(Window { size, backward, after: place("after", &self.after)?, before: place("before", &self.before)? })
    }
}

type Counting = Pin<Box<dyn Future<Output = Result<u64>> + Send>>;

/// Counts the whole list on demand.
pub type Count = Arc<dyn Fn() -> Counting + Send + Sync>;

/// One page of a list.
pub struct Page<T> {
    /// The rows with their positions, in list order.
    pub rows: Vec<(Place, T)>,
    /// Whether more rows precede the page.
    pub has_previous: bool,
    /// Whether more rows follow the page.
    pub has_next: bool,
    /// Counts the whole list.
    pub count: Count,
}

impl<T> Page<T> {
    /// Maps each row, for example to a GraphQL object over a proof.
    pub fn try_map<U>(self, mut face: impl FnMut(T) -> Result<U>) -> Result<Page<U>> {
        let rows = self.rows.into_iter().map(|(place, row)| Ok((place, face(row)?))).collect::<Result<_>>()?;
        Ok(Page { rows, has_previous: self.has_previous, has_next: self.has_next, count: self.count })
    }
}

/// Order of a list by creation time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListOrder {
    /// The oldest row is the first.
    OldestFirst,
    /// The newest row is the first.
    NewestFirst,
}

/// Reads one page of `list`. `made` and `id` are the columns that define the order; `place` reads them from a row.
pub async fn page<E>(
    db: &DatabaseConnection,
    list: Select<E>,
    order: ListOrder,
    (made, id): (E::Column, E::Column),
    place: fn(&E::Model) -> Place,
    window: Window,
) -> Result<Page<E::Model>>
where
    E: EntityTrait,
    E::Model: Send + Sync,
    Select<E>: Clone + Send + Sync + 'static,
{
    let newer =
        |at: Place| Condition::any().add(made.gt(at.at)).add(Condition::all().add(made.eq(at.at)).add(id.gt(at.id)));
    let older =
        |at: Place| Condition::any().add(made.lt(at.at)).add(Condition::all().add(made.eq(at.at)).add(id.lt(at.id)));
    let newest_first = order == ListOrder::NewestFirst;
    let (newer_than, older_than) =
        if newest_first { (window.before, window.after) } else { (window.after, window.before) };
    let mut cut = list.clone();
    cut = newer_than.into_iter().fold(cut, |cut, at| cut.filter(newer(at)));
    cut = older_than.into_iter().fold(cut, |cut, at| cut.filter(older(at)));
    // Counted from the end of the list, rows are read against its order.
    cut = if newest_first != window.backward {
        cut.order_by_desc(made).order_by_desc(id)
    } else {
        cut.order_by_asc(made).order_by_asc(id)
    };
    let mut rows = cut.limit(window.size.saturating_add(1)).all(db).await?;
    let size = usize::try_from(window.size).unwrap_or(usize::MAX);
    let more = rows.len() > size;
    rows.truncate(size);
    if window.backward {
        rows.reverse();
    }
    let db = db.clone();
    let count: Count = Arc::new(move || {
        let (list, db) = (list.clone(), db.clone());
        Box::pin(async move { Ok(list.count(&db).await?) })
    });
    Ok(Page {
        rows: rows.into_iter().map(|row| (place(&row), row)).collect(),
        // Seen from a cursor, the row it stands for lies on its other side.
        has_previous: if window.backward { more } else { window.after.is_some() },
        has_next: if window.backward { window.before.is_some() } else { more },
        count,
    })
}

/// Position of a page in its list.
#[derive(SimpleObject, Debug, Clone, PartialEq, Eq)]
pub struct PageInfo {
    /// Whether rows precede this page.
    pub has_previous_page: bool,
    /// Whether rows follow this page.
    pub has_next_page: bool,
    /// Cursor of the first row on this page, to page backward with `before`; null if the page is empty.
    pub start_cursor: Option<String>,
    /// Cursor of the last row on this page, to page forward with `after`; null if the page is empty.
    pub end_cursor: Option<String>,
}

/// Declares `<Node>Connection` and `<Node>Edge` over a [`Page`].
macro_rules! connection {
    ($connection:ident, $edge:ident, $node:ty, $what:literal) => {
        connection!($connection, $edge, $node, $what, "oldest first");
    };
    ($connection:ident, $edge:ident, $node:ty, $what:literal, $order:literal) => {
        #[doc = concat!("A page of ", $what, ", ", $order, ".")]
        pub struct $connection($crate::connection::Page<$node>);

        #[doc = concat!("An edge in a page of ", $what, ": a node and its cursor.")]
        #[derive(async_graphql::SimpleObject)]
        pub struct $edge {
            /// Opaque cursor of the row, for `after` and `before`.
            pub cursor: String,
            /// The node at the end of the edge.
            pub node: $node,
        }

        impl $connection {
            /// Wraps a page.
            #[must_use]
            pub fn new(page: $crate::connection::Page<$node>) -> Self {
                Self(page)
            }
        }

        #[doc = concat!("A page of ", $what, ", ", $order, ".")]
        #[async_graphql::Object]
        impl $connection {
            /// Rows of this page with their cursors, in list order.
            async fn edges(&self) -> $crate::list::List<$edge> {
                self.0.rows.iter().map(|(place, node)| $edge { cursor: place.cursor(), node: node.clone() }).collect()
            }

            /// Rows of this page, in list order.
            async fn nodes(&self) -> $crate::list::List<&$node> {
                self.0.rows.iter().map(|(_, node)| node).collect()
            }

            /// Position of this page in the list.
            async fn page_info(&self) -> $crate::connection::PageInfo {
                $crate::connection::PageInfo {
                    has_previous_page: self.0.has_previous,
                    has_next_page: self.0.has_next,
                    start_cursor: self.0.rows.first().map(|(place, _)| place.cursor()),
                    end_cursor: self.0.rows.last().map(|(place, _)| place.cursor()),
                }
            }

            /// Number of rows in the whole list; null if counting them is expensive.
            async fn total_count(&self) -> Option<async_graphql::Result<i32>> {
                let answer: async_graphql::Result<Option<i32>> =
                    async { Ok(i32::try_from((self.0.count)().await?).ok()) }.await;
                answer.transpose()
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_outside_the_range_and_both_sizes_are_refused_by_name() {
        let args = |first, last| PageArgs { first, last, ..PageArgs::default() };
        assert_eq!(args(None, None).window(100).unwrap().size, 20);
        assert_eq!(args(Some(100), None).window(100).unwrap().size, 100);
        assert!(args(None, Some(3)).window(100).unwrap().backward);
        for (first, last, field) in [
            (Some(101), None, "first"),
            (Some(0), None, "first"),
            (Some(-1), None, "first"),
            (None, Some(-1), "last"),
            (Some(1), Some(1), "last"),
        ] {
            assert_eq!(args(first, last).window(100).unwrap_err().field(), Some(field));
        }
    }

    #[test]
    fn cursors_come_back_as_they_went_and_foreign_ones_are_refused() {
        let place = Place { at: DateTime::from_timestamp_millis(1_772_600_767_123).unwrap(), id: Uuid::from_u128(9) };
        assert_eq!(Place::read("after", &place.cursor()).unwrap(), place);
        for broken in ["", "MQ", "not a cursor", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
            assert_eq!(Place::read("after", broken).unwrap_err().field(), Some("after"), "{broken}");
        }
    }
}
