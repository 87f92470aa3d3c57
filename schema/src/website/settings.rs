//! Tracking settings of a website: switches for what is recorded.
//!
//! - They are stored in one open record of the row; unknown keys are kept.

use async_graphql::{InputObject, MaybeUndefined, SimpleObject};
use entity::website;
use serde_json::{Map, Value};

use crate::{
    constraint::{Constrained, Constraint, not_null},
    error::Result,
    website_row::{COOKIELESS, DEBUG_OVERLAY, HEATMAPS, SESSION_REPLAY, Switch, TRACK_DOWNLOADS, TRACK_OUTBOUND_LINKS},
};

// Vocabulary

/// Tracking settings of the website.
#[derive(SimpleObject, Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebsiteSettings {
    /// Whether clicks on links to other hosts are recorded. If false, the script's `outbound_link` events are dropped
    /// as `NOT_TRACKED`.
    pub track_outbound_links: bool,
    /// Whether clicks on links to files are recorded. If false, the script's `file_download` events are dropped as
    /// `NOT_TRACKED`.
    pub track_downloads: bool,
    /// Whether session replay is switched on. Stored for clients only: Footfall does not record sessions.
    pub session_replay: bool,
    /// Whether heatmaps are switched on. Stored for clients only: Footfall does not record heatmaps.
    pub heatmaps: bool,
    /// Whether Zero Client-Side Storage Mode is on. Visitor IDs kept by senders are then ignored: a visitor is an IP
    /// address and a user agent for one UTC day, and neither is stored. Defaults to false.
    pub cookieless: bool,
    /// Whether a page can show the script's debug overlay (`?zenovay_debug=1`), if the script has one. Defaults to
    /// false.
    pub debug_overlay: bool,
}

/// Changes to the tracking settings. Omitted fields stay unchanged.
#[derive(InputObject, Debug, Clone, Copy, Default)]
pub struct WebsiteSettingsInput {
    /// Whether to record clicks on links to other hosts. Cannot be null.
    #[graphql(directive = Constrained::apply(Constraint::NOT_NULL))]
    pub track_outbound_links: MaybeUndefined<bool>,
    /// Whether to record clicks on links to files. Cannot be null.
    #[graphql(directive = Constrained::apply(Constraint::NOT_NULL))]
    pub track_downloads: MaybeUndefined<bool>,
    /// Whether session replay is switched on. Cannot be null.
    #[graphql(directive = Constrained::apply(Constraint::NOT_NULL))]
    pub session_replay: MaybeUndefined<bool>,
    /// Whether heatmaps are switched on. Cannot be null.
    #[graphql(directive = Constrained::apply(Constraint::NOT_NULL))]
    pub heatmaps: MaybeUndefined<bool>,
    /// Whether Zero Client-Side Storage Mode is on. Visitor IDs kept by senders are ignored from the next event on.
    /// Cannot be null.
    #[graphql(directive = Constrained::apply(Constraint::NOT_NULL))]
    pub cookieless: MaybeUndefined<bool>,
    /// Whether a page can show the script's debug overlay. Cannot be null.
    #[graphql(directive = Constrained::apply(Constraint::NOT_NULL))]
    pub debug_overlay: MaybeUndefined<bool>,
}

impl WebsiteSettings {
    /// Reads the row's open record.
    pub(super) fn from_row(row: &website::Model) -> Self {
        Self {
            track_outbound_links: TRACK_OUTBOUND_LINKS.of(row),
            track_downloads: TRACK_DOWNLOADS.of(row),
            session_replay: SESSION_REPLAY.of(row),
            heatmaps: HEATMAPS.of(row),
            cookieless: COOKIELESS.of(row),
            debug_overlay: DEBUG_OVERLAY.of(row),
        }
    }
}

// Rules

/// The switches to set. Errors: `Invalid` for null.
pub(super) fn given(switches: &[(Switch, MaybeUndefined<bool>)]) -> Result<Vec<(Switch, bool)>> {
    let mut set = Vec::new();
    for (switch, value) in switches {
        if let Some(value) = not_null(switch.name, *value)? {
            set.push((*switch, value));
        }
    }
    Ok(set)
}

/// The switches of the input with their values.
pub(super) fn switches_of(input: WebsiteSettingsInput) -> [(Switch, MaybeUndefined<bool>); 6] {
    [
        (TRACK_OUTBOUND_LINKS, input.track_outbound_links),
        (TRACK_DOWNLOADS, input.track_downloads),
        (SESSION_REPLAY, input.session_replay),
        (HEATMAPS, input.heatmaps),
        (COOKIELESS, input.cookieless),
        (DEBUG_OVERLAY, input.debug_overlay),
    ]
}

/// The row's open record with these switches set, and the names of those that changed; `None` if none did.
pub(super) fn with_switches(row: &website::Model, set: &[(Switch, bool)]) -> Option<(Value, Vec<&'static str>)> {
    let changed: Vec<_> = set.iter().filter(|(switch, value)| switch.of(row) != *value).collect();
    if changed.is_empty() {
        return None;
    }
    let mut settings = match &row.settings {
        Value::Object(settings) => settings.clone(),
        _ => Map::new(),
    };
    settings.extend(changed.iter().map(|(switch, value)| (switch.key.to_owned(), Value::Bool(*value))));
    Some((Value::Object(settings), changed.iter().map(|(switch, _)| switch.name).collect()))
}
