//! Parsed columns of a website's row: time zone, host names, switches.

use entity::website;
use serde_json::Value;

/// The time zone in which the row's days begin.
pub(crate) fn zone_of(row: &website::Model) -> chrono_tz::Tz {
    // Only checked names are stored; a name that a later release of the zone database dropped reads as UTC.
    row.timezone.parse().unwrap_or(chrono_tz::Tz::UTC)
}

/// The row's list of host names.
pub(crate) fn domains_of(row: &website::Model) -> Vec<String> {
    let list = row.allowed_domains.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(|domain| domain.as_str().map(str::to_owned)).collect()
}

/// A switch of the open record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Switch {
    pub(crate) key: &'static str,
    /// Schema name, relative to the website or the input.
    pub(crate) name: &'static str,
    default: bool,
}

pub(crate) const ALLOW_LOCALHOST: Switch = switch("allow_localhost", "allowLocalhost", false);
pub(crate) const PUBLIC_REALTIME: Switch = switch("public_realtime", "publicRealtime", true);
pub(crate) const PUBLIC_DETAILS: Switch = switch("public_details", "publicDetails", false);
pub(crate) const TRACK_OUTBOUND_LINKS: Switch = switch("track_outbound_links", "settings.trackOutboundLinks", true);
pub(crate) const TRACK_DOWNLOADS: Switch = switch("track_downloads", "settings.trackDownloads", true);
pub(crate) const SESSION_REPLAY: Switch = switch("session_replay", "settings.sessionReplay", false);
pub(crate) const HEATMAPS: Switch = switch("heatmaps", "settings.heatmaps", true);
pub(crate) const COOKIELESS: Switch = switch("cookieless", "settings.cookieless", false);
pub(crate) const DEBUG_OVERLAY: Switch = switch("debug_overlay", "settings.debugOverlay", false);

const fn switch(key: &'static str, name: &'static str, default: bool) -> Switch {
    Switch { key, name, default }
}

impl Switch {
    /// Value in the row.
    pub(crate) fn of(self, row: &website::Model) -> bool {
        row.settings.get(self.key).and_then(Value::as_bool).unwrap_or(self.default)
    }
}
