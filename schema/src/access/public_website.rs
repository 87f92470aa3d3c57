//! What anyone may know of a website.

use std::sync::Arc;

use entity::website;
use uuid::Uuid;

use crate::website_row::{PUBLIC_DETAILS, PUBLIC_REALTIME, zone_of};

/// A website as the public sees it. Nothing leads from here to the rest of its row:
///
/// ```compile_fail
/// # use footfall_schema::access::PublicWebsite;
/// # fn f(website: &PublicWebsite) {
/// let rules = &website.allowed_domains;
/// # }
/// ```
///
/// ```compile_fail
/// # use footfall_schema::access::PublicWebsite;
/// # fn f(website: &PublicWebsite) {
/// let row = &website.0;
/// # }
/// ```
///
/// ```
/// # use footfall_schema::access::PublicWebsite;
/// # fn f(website: &PublicWebsite) {
/// let domain = website.domain();
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct PublicWebsite(Arc<website::Model>);

/// A proof that shows figures of a website.
pub(crate) trait ShowsWebsite {
    /// The website, as anyone may see it.
    fn website(&self) -> &PublicWebsite;
}

impl PublicWebsite {
    pub(super) fn new(row: Arc<website::Model>) -> Self {
        Self(row)
    }

    /// Identifier.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.0.id
    }

    /// The team that owns it: queries about it take the team's turn. Not shown.
    #[must_use]
    pub fn team_id(&self) -> Uuid {
        self.0.team_id
    }

    /// Host name, lower case.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.0.domain
    }

    /// Name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// What its pages send events with.
    #[must_use]
    pub fn tracking_code(&self) -> &str {
        &self.0.tracking_code
    }

    /// The zone in which its days begin.
    #[must_use]
    pub fn timezone(&self) -> chrono_tz::Tz {
        zone_of(&self.0)
    }

    /// ISO 4217 code in which revenue is counted. Not shown.
    #[must_use]
    pub fn currency(&self) -> &str {
        &self.0.currency
    }

    /// Colour of the brand.
    #[must_use]
    pub fn primary_color(&self) -> Option<&str> {
        self.0.primary_color.as_deref()
    }

    /// Whether events are taken in.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.0.is_active
    }

    /// Whether anyone may read its aggregate figures.
    #[must_use]
    pub fn has_public_dashboard(&self) -> bool {
        self.0.public_dashboard
    }

    /// Whether its public dashboard shows page titles and the names of events and goals.
    #[must_use]
    pub fn has_public_details(&self) -> bool {
        PUBLIC_DETAILS.of(&self.0)
    }

    /// Whether anyone may read its live figures.
    #[must_use]
    pub fn has_public_realtime(&self) -> bool {
        PUBLIC_REALTIME.of(&self.0)
    }
}
