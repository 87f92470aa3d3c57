//! The table of event kinds: what each is called, what it counts as, and the number that stands for it in the event store.

use async_graphql::Enum;
use serde::{Deserialize, Serialize};

/// What holds for one kind of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KindRow {
    /// Number in the event store. Never reused.
    pub number: u8,
    /// The metric that each event of the kind adds one to.
    pub counts: Counts,
    /// Whether it keeps a visit with one page view from being a bounce.
    pub is_interaction: bool,
    /// Whether it counts in `conversions`.
    pub is_conversion: bool,
    /// Whether its amount counts in `revenue`.
    pub is_revenue: bool,
    /// Whether something happened on a page: the event has a value of PAGE and HOSTNAME, is shown live, and counts as usage. If
    /// false, it only extends a visit that is open, and only browsers send it.
    pub is_activity: bool,
    /// Values of `type` in beacons and batches.
    pub types: &'static [&'static str],
    /// The event's name.
    pub name: Naming,
    /// Property that holds its amount.
    pub amount: Option<Amount>,
}

/// What an event counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counts {
    /// One of `pageviews`.
    Pageview,
    /// One of `events`.
    Event,
    /// Neither.
    Nothing,
}

/// How an event gets its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// It has none.
    Unnamed,
    /// The sender must give it.
    Required,
    /// The sender's, else this one.
    Default(&'static str),
    /// Always this one.
    Fixed(&'static str),
    /// Always this one: a custom event with this name is of this kind.
    OfCustom(&'static str),
}

/// Where an event's amount stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amount {
    /// Name of the property, a number of units.
    pub property: &'static str,
    /// Whether the property is required.
    pub is_required: bool,
    /// ISO 4217 code if the sender names none; empty for the website's currency.
    pub currency: &'static str,
}

/// A named event that adds one to `events`; each row states its number and what differs.
const PLAIN: KindRow = KindRow {
    number: u8::MAX,
    counts: Counts::Event,
    is_interaction: false,
    is_conversion: false,
    is_revenue: false,
    is_activity: true,
    types: &[],
    name: Naming::Required,
    amount: None,
};

macro_rules! event_kinds {
    ($( $(#[$doc:meta])* $kind:ident = $number:literal { $($field:ident: $value:expr),* $(,)? } )+) => {
        /// Type of an event.
        #[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[graphql(name = "EventType")]
        #[serde(rename_all = "snake_case")]
        pub enum EventKind {
            $( $(#[$doc])* $kind, )+
        }

        impl EventKind {
            /// All kinds, in the order of the table.
            pub const ALL: &'static [Self] = &[$( Self::$kind, )+];

            /// The row of the table.
            #[must_use]
            pub const fn row(self) -> KindRow {
                match self { $( Self::$kind => KindRow { number: $number, $($field: $value,)* ..PLAIN }, )+ }
            }
        }
    };
}

// A new kind comes last: the journal stores positions in this list.
event_kinds! {
    /// A page view.
    Pageview = 0 {
        counts: Counts::Pageview,
        types: &["pageview", "page_view", "page"],
        name: Naming::Unnamed,
    }
    /// A custom event that counts as an interaction.
    Custom = 1 {
        is_interaction: true,
        types: &["event", "custom", "track"],
    }
    /// A scroll milestone. Counts as an event but not as an interaction.
    Scroll = 2 {
        name: Naming::OfCustom("scroll_milestone"),
    }
    /// A goal completion. `name` is the goal; a completion with a value is also revenue.
    Goal = 3 {
        is_interaction: true,
        is_conversion: true,
        is_revenue: true,
        types: &["goal"],
        amount: Some(Amount { property: "value", is_required: false, currency: "" }),
    }
    /// Revenue, with an amount and a currency. A negative amount is a refund.
    Revenue = 4 {
        is_interaction: true,
        is_revenue: true,
        types: &["revenue", "purchase"],
        name: Naming::Default("revenue"),
        amount: Some(Amount { property: "amount", is_required: true, currency: "USD" }),
    }
    /// A heartbeat from an open page. Extends the visit and is not counted.
    Heartbeat = 5 {
        counts: Counts::Nothing,
        is_activity: false,
        types: &["heartbeat"],
        name: Naming::Unnamed,
    }
    /// An identification of the visitor. Counts as an event but not as an interaction.
    Identify = 6 {
        types: &["identify"],
        name: Naming::Fixed("identify"),
    }
}

impl EventKind {
    /// The number that represents the kind in the event store.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.row().number
    }

    /// The kind for a stored number; a custom event for the number of a later version.
    #[must_use]
    pub fn from_number(number: u8) -> Self {
        Self::ALL.iter().copied().find(|kind| kind.number() == number).unwrap_or(Self::Custom)
    }

    /// The kind for a value of `type` in beacons and batches.
    #[must_use]
    pub fn from_type(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.row().types.contains(&text))
    }

    /// The kind of a custom event with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        Self::ALL
            .iter()
            .copied()
            .find(|kind| matches!(kind.row().name, Naming::OfCustom(own) if own == name))
            .unwrap_or(Self::Custom)
    }

    /// Whether the kind counts in `pageviews`.
    #[must_use]
    pub const fn is_pageview(self) -> bool {
        matches!(self.row().counts, Counts::Pageview)
    }

    /// Whether the kind counts in `events`.
    #[must_use]
    pub const fn is_counted(self) -> bool {
        matches!(self.row().counts, Counts::Event)
    }

    /// Whether an event of this kind keeps a visit with one page view from being a bounce.
    #[must_use]
    pub const fn is_interaction(self) -> bool {
        self.row().is_interaction
    }

    /// Whether the kind counts in `conversions`.
    #[must_use]
    pub const fn is_conversion(self) -> bool {
        self.row().is_conversion
    }

    /// Whether the kind's amounts count in `revenue`.
    #[must_use]
    pub const fn is_revenue(self) -> bool {
        self.row().is_revenue
    }

    /// Whether something happened on a page, rather than that a page is still open.
    #[must_use]
    pub const fn is_activity(self) -> bool {
        self.row().is_activity
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_kinds_share_a_number_a_type_or_a_name() {
        let (mut numbers, mut types, mut names) = (HashSet::new(), HashSet::new(), HashSet::new());
        for kind in EventKind::ALL {
            let row = kind.row();
            assert!(numbers.insert(row.number), "{kind:?} reuses the number {}", row.number);
            assert_eq!(EventKind::from_number(row.number), *kind);
            assert!(row.types.iter().all(|text| types.insert(*text)), "{kind:?}");
            let Naming::OfCustom(name) = row.name else { continue };
            assert!(names.insert(name) && EventKind::from_name(name) == *kind, "{kind:?}");
        }
        assert_eq!(
            (EventKind::from_number(200), EventKind::from_name("signup")),
            (EventKind::Custom, EventKind::Custom)
        );
    }

    #[test]
    fn stored_numbers_stay() {
        let stored: Vec<_> = EventKind::ALL.iter().map(|kind| (format!("{kind:?}"), kind.number())).collect();
        let first = ["Pageview", "Custom", "Scroll", "Goal", "Revenue", "Heartbeat", "Identify"];
        for (at, name) in first.iter().enumerate() {
            assert_eq!(stored[at], ((*name).to_owned(), at as u8));
        }
    }
}
