//! What anyone may see of a website: proofs that need no account, and open counts and aggregates only.

use std::sync::Arc;

use entity::website;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};

use super::{Caller, PublicWebsite, Site, Unproven, Viewer, cx::Cx, loaders::SiteKey, public_website::ShowsWebsite};
use crate::{
    error::{Error, Result},
    id::Kind,
};

/// The longest text that is looked up as a tracking code, in bytes.
const MAX_CODE: usize = 100;

/// Proof that the caller knows a website's tracking code, which its pages show to anyone. It opens counts and nothing else.
#[derive(Debug, Clone)]
pub struct TrackedWebsite(PublicWebsite);

impl TrackedWebsite {
    /// Proves it for live figures. Errors: `NotFound` for a code that no website has, and for a website that keeps these
    /// figures to its team: a caller who may not see them cannot tell the two apart.
    pub(crate) async fn live(cx: &Cx, code: &str) -> Result<Self> {
        let tracked = Self::find(cx, code).await?;
        if tracked.0.has_public_realtime() { Ok(tracked) } else { Err(unknown()) }
    }

    /// Proves it. Errors: `NotFound` for a code that no website has.
    pub(crate) async fn find(cx: &Cx, code: &str) -> Result<Self> {
        let sound = code.len() <= MAX_CODE && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !sound {
            return Err(unknown());
        }
        let rows = website::Entity::find().filter(website::Column::TrackingCode.eq(code));
        let row = rows.one(cx.ports().database.reader(&Unproven::new())).await?.ok_or_else(unknown)?;
        Ok(Self(PublicWebsite::new(Arc::new(row))))
    }

    /// The website.
    #[must_use]
    pub fn website(&self) -> &PublicWebsite {
        &self.0
    }
}

fn unknown() -> Error {
    Error::not_found("A website with this tracking code")
}

/// Proof that the caller may see a website's live figures: its team may, and so may anyone unless the website keeps them to
/// its team.
#[derive(Debug, Clone)]
pub struct RealtimeView(PublicWebsite);

impl RealtimeView {
    /// Proves it for the caller of the request; `field` is the argument that carries the id. Errors, in this order: 401
    /// (a credential that does not work), 400 (malformed id), 404, 403.
    pub(crate) async fn find(cx: &Cx, field: &str, id: &str) -> Result<Self> {
        cx.caller().not_refused()?;
        let id = Kind::Website.read(field, id)?;
        let found = cx.loaders().site(SiteKey(id)).await?;
        let (row, level) = found.ok_or_else(|| Error::not_found("The website"))?;
        let website = PublicWebsite::new(row);
        if level.is_none() && !website.has_public_realtime() {
            return Err(Error::forbidden(
                "This website shows its live figures to its team only; sign in as a member and ask for `website { realtime }`.",
            ));
        }
        Ok(Self(website))
    }

    /// The website.
    #[must_use]
    pub fn website(&self) -> &PublicWebsite {
        &self.0
    }
}

/// Proof that the caller may see a website's aggregate figures: its team may, and so may anyone where the website is open to the
/// public. What a member sees beyond that is behind [`WebsiteView::member`].
#[derive(Debug, Clone)]
pub struct WebsiteView {
    website: PublicWebsite,
    member: Option<Site<Viewer>>,
}

impl WebsiteView {
    /// Proves it for the caller of the request; `field` is the argument that carries the id. The token of a
    /// user outside the team counts as none at all; a credential that does not work is refused. An API key reaches its own team's websites and no others, open or not. Errors as [`Cx::site`].
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

    /// The website, as anyone may see it.
    #[must_use]
    pub fn website(&self) -> &PublicWebsite {
        &self.website
    }

    /// The proof of a member. Errors: `Forbidden` for the public.
    pub fn member(&self) -> Result<&Site<Viewer>> {
        self.member.as_ref().ok_or_else(for_members)
    }

    /// Whether the caller is no member and sees what anyone may.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.member.is_none()
    }

    /// The proof for live figures. Errors: `Forbidden` where the website keeps those to its team.
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

/// What the public hears that asks for more than it may see.
pub(crate) fn for_members() -> Error {
    Error::forbidden(
        "This website shows its aggregate figures to the public, and this to its team only; sign in as a member of the team.",
    )
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
