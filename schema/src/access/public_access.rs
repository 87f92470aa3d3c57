//! Access for anonymous callers: proofs that need no account and open only public counts and aggregates.

use std::sync::Arc;

use entity::website;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};

use super::{Caller, PublicWebsite, Site, Unproven, Viewer, cx::Cx, loaders::SiteKey, public_website::ShowsWebsite};
use crate::{
    error::{Error, Result},
    id::Kind,
};

/// Maximum length of a text that is looked up as a tracking code, in bytes.
const MAX_CODE: usize = 100;

/// Proof that the caller knows a website's tracking code, which its pages publish. It opens counts only.
#[derive(Debug, Clone)]
pub struct TrackedWebsite(PublicWebsite);

impl TrackedWebsite {
    /// Checks access to live figures. Errors: `NotFound` for an unknown code and for a website whose live figures are
    /// private, so that a caller without access cannot tell the two apart.
    pub(crate) async fn live(cx: &Cx, code: &str) -> Result<Self> {
        let tracked = Self::find(cx, code).await?;
        if tracked.0.has_public_realtime() { Ok(tracked) } else { Err(unknown()) }
    }

    /// Checks the code. Errors: `NotFound` for an unknown code.
    pub(crate) async fn find(cx: &Cx, code: &str) -> Result<Self> {
        let sound = code.len() <= MAX_CODE && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !sound {
            return Err(unknown());
        }
        let rows = website::Entity::find().filter(website::Column::TrackingCode.eq(code));
        let row = rows.one(cx.ports().database.reader(&Unproven::new())).await?.ok_or_else(unknown)?;
        Ok(Self(PublicWebsite::new(Arc::new(row))))
    }

    /// The row as read when access was checked.
    #[must_use]
    pub fn website(&self) -> &PublicWebsite {
        &self.0
    }
}

fn unknown() -> Error {
    Error::not_found("A website with this tracking code")
}

/// Proof that the caller can see a website's live figures. Team members can; anonymous callers can unless the figures
/// are private.
#[derive(Debug, Clone)]
pub struct RealtimeView(PublicWebsite);

impl RealtimeView {
    /// Checks the caller of the request. `field` is the argument that carries the ID. Errors, in this order: 401
    /// (invalid credential), 400 (malformed ID), 404, 403.
    pub(crate) async fn find(cx: &Cx, field: &str, id: &str) -> Result<Self> {
        cx.caller().not_refused()?;
        let id = Kind::Website.read(field, id)?;
        let found = cx.loaders().site(SiteKey(id)).await?;
        let (row, level) = found.ok_or_else(|| Error::not_found("The website"))?;
        let website = PublicWebsite::new(row);
        if level.is_none() && !website.has_public_realtime() {
            return Err(Error::forbidden(
                "The live figures of this website are restricted to members of its team. Sign in as a member and query `website { realtime }`.",
            ));
        }
        Ok(Self(website))
    }

    /// The row as read when access was checked.
    #[must_use]
    pub fn website(&self) -> &PublicWebsite {
        &self.0
    }
}

/// Proof that the caller can see a website's aggregates. Team members can; anonymous callers can if the dashboard is
/// public. Everything beyond that requires [`WebsiteView::member`].
#[derive(Debug, Clone)]
pub struct WebsiteView {
    website: PublicWebsite,
    member: Option<Site<Viewer>>,
}

impl WebsiteView {
    /// Checks the caller of the request. `field` is the argument that carries the ID. A user outside the team is
    /// treated as anonymous; an invalid credential is refused. An API key reaches only its own team's websites, public
    /// or not. Errors: as [`Cx::site`].
    pub(crate) async fn find(cx: &Cx, field: &str, id: &str) -> Result<Self> {
        let refusal = match cx.site::<Viewer>(field, id).await {
            Ok(site) => return Ok(site.into()),
            Err(refusal) => refusal,
        };
        let is_about_the_caller = matches!(refusal, Error::Unauthenticated { .. } | Error::Forbidden { .. });
        if !is_about_the_caller || matches!(cx.caller(), Caller::Key { .. } | Caller::Refused(_)) {
            return Err(refusal);
        }
        let Ok(id) = Kind::Website.read(field, id) else { return Err(refusal) };
        let found = cx.loaders().site(SiteKey(id)).await?.map(|(row, _)| PublicWebsite::new(row));
        match found.filter(PublicWebsite::has_public_dashboard) {
            Some(website) => Ok(Self { website, member: None }),
            None => Err(refusal),
        }
    }

    /// The row as read when access was checked.
    #[must_use]
    pub fn website(&self) -> &PublicWebsite {
        &self.website
    }

    /// The member's proof. Errors: `Forbidden` for anonymous callers.
    pub fn member(&self) -> Result<&Site<Viewer>> {
        self.member.as_ref().ok_or_else(for_members)
    }

    /// Whether the caller is not a member and sees the public dashboard.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.member.is_none()
    }

    /// The proof for live figures. Errors: `Forbidden` where they are private.
    pub(crate) fn realtime(&self) -> Result<RealtimeView> {
        let may = self.member.is_some() || self.website.has_public_realtime();
        may.then(|| RealtimeView(self.website.clone())).ok_or_else(for_members)
    }
}

impl From<Site<Viewer>> for WebsiteView {
    fn from(site: Site<Viewer>) -> Self {
        Self { website: site.public(), member: Some(site) }
    }
}

/// The message for anonymous callers who request more than the public dashboard shows.
pub(crate) fn for_members() -> Error {
    Error::forbidden("Anonymous callers can read only the aggregates of this website. Sign in as a member of its team.")
}

impl ShowsWebsite for TrackedWebsite {
    fn website(&self) -> &PublicWebsite {
        self.website()
    }
}

impl ShowsWebsite for RealtimeView {
    fn website(&self) -> &PublicWebsite {
        self.website()
    }
}

impl ShowsWebsite for WebsiteView {
    fn website(&self) -> &PublicWebsite {
        self.website()
    }
}
