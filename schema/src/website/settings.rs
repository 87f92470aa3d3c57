//! Switches of a website: what is recorded of a visit, and how.
//!
//! - They live in one open record of the row; keys that this version does not know stay in it.

use async_graphql::{InputObject, MaybeUndefined, SimpleObject};
use entity::website;
use serde_json::{Map, Value};

use super::change::required;
use crate::{
    error::Result,
    website_row::{COOKIELESS, DEBUG_OVERLAY, HEATMAPS, SESSION_REPLAY, Switch, TRACK_DOWNLOADS, TRACK_OUTBOUND_LINKS},
};

// Vocabulary

/// What is recorded of a visit, and how.
#[derive(SimpleObject, Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebsiteSettings {
    /// Clicks on links to other hosts: false drops the script's `outbound_link` events as `NOT_TRACKED`.
    pub track_outbound_links: bool,
    /// Clicks on links to files: false drops the script's `file_download` events as `NOT_TRACKED`.
    pub track_downloads: bool,
    /// Recordings of visits.
    pub session_replay: bool,
    /// Clicks and scroll depth for maps.
    pub heatmaps: bool,
    /// Zero Client-Side Storage Mode: ids of visitors that senders keep are ignored, so that a visitor is an address and a user
    /// agent for one UTC day, and neither is stored. False unless it was set.
    pub cookieless: bool,
    /// Whether a page may show the script's debug overlay (`?zenovay_debug=1`), where the script has one. False unless it was set.
    pub debug_overlay: bool,
}

/// Changes to what is recorded of a visit. A switch that is left out stays as it is.
#[derive(InputObject, Debug, Clone, Copy, Default)]
pub struct WebsiteSettingsInput {
    /// Clicks on links to other hosts. Null is refused.
    pub track_outbound_links: MaybeUndefined<bool>,
    /// Clicks on links to files. Null is refused.
    pub track_downloads: MaybeUndefined<bool>,
    /// Recordings of visits. Null is refused.
    pub session_replay: MaybeUndefined<bool>,
    /// Clicks and scroll depth for maps. Null is refused.
    pub heatmaps: MaybeUndefined<bool>,
    /// Zero Client-Side Storage Mode: ids of visitors that senders keep are ignored from the next event on. Null is refused.
    pub cookieless: MaybeUndefined<bool>,
    /// Whether a page may show the script's debug overlay. Null is refused.
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

/// Switches that somebody sets. Errors: `Invalid` for null.
pub(super) fn given(switches: &[(Switch, MaybeUndefined<bool>)]) -> Result<Vec<(Switch, bool)>> {
    let mut set = Vec::new();
    for (switch, value) in switches {
        if let Some(value) = required(switch.name, *value)? {
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

/// The row's open record with these switches set, and the names of those that changed; `None` where none did.
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
