//! Excluded path patterns of a website.

use std::sync::Arc;

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use entity::path_exclusion;
use sea_orm::{ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _};
use uuid::Uuid;

use super::{MISSING, NOTE, note};
use crate::{
    access::cx::Cx,
    access::{
        AtLeast, Editor, Level, On, Reach as _, Role, Site, Viewer, access_directive,
        creation::{Creation, Outcome},
    },
    constraint::{Constrained, Constraint},
    error::{Error, Result},
    id::Kind,
    idempotency::KEY,
    ports::Ports,
    scalars::Instant,
    website::{
        Website,
        change::{PathExcluded, PathIncluded},
    },
};

// Vocabulary

/// An excluded path pattern of a website.
#[derive(Debug, Clone)]
pub struct PathExclusion {
    row: Arc<path_exclusion::Model>,
    site: Site<Viewer>,
}

/// A path pattern to exclude.
#[derive(InputObject, Debug, Clone)]
pub struct WebsiteExcludePathInput {
    /// Path such as `/admin/*`, 1 to 500 characters, starting with a slash. `*` matches any text, including slashes.
    #[graphql(directive = Constrained::apply(PATTERN))]
    pub path_pattern: String,
    /// Note, at most 200 characters; null or empty for none.
    #[graphql(directive = Constrained::apply(NOTE))]
    pub description: Option<String>,
    /// Idempotency key, 1 to 200 characters. Repeating the mutation with the same key and input within 24 hours creates
    /// nothing and returns the row that was created.
    #[graphql(directive = Constrained::apply(KEY))]
    pub client_mutation_id: Option<String>,
}

/// Input for removing a path exclusion.
#[derive(InputObject, Debug, Clone)]
pub struct WebsiteRemovePathExclusionInput {
    /// The exclusion: global ID or UUID.
    pub exclusion_id: ID,
}

/// The result of excluding a path pattern.
#[derive(SimpleObject)]
pub struct WebsiteExcludePathPayload {
    /// The exclusion.
    pub path_exclusion: PathExclusion,
    /// The website.
    pub website: Website,
    /// `clientMutationId` of the input.
    pub client_mutation_id: Option<String>,
}

/// The result of removing a path exclusion.
#[derive(SimpleObject)]
pub struct WebsiteRemovePathExclusionPayload {
    /// Global ID of the deleted exclusion.
    pub deleted_id: ID,
    /// The website, with its remaining exclusions.
    pub website: Website,
}

impl PathExclusion {
    pub(super) fn new<R: Level + AtLeast<Viewer>>(site: &Site<R>, row: path_exclusion::Model) -> Result<Self> {
        if row.website_id != site.id() {
            return Err(Error::broken("a website's proof met another website's exclusion"));
        }
        Ok(Self { row: Arc::new(row), site: site.lower() })
    }
}

// Rules

/// A path pattern. [`checked_pattern`] removes white space around it.
const PATTERN: Constraint = Constraint::pattern(r"^/[^?#\u0000-\u001F\u007F-\u009F]*$").at_most(500);

/// Name of the list in the audit log.
const LIST: &str = "pathExclusions";

/// Checks a path pattern; consecutive `*` are merged. Errors: `Invalid` for `field`.
pub fn checked_pattern(field: &str, text: &str) -> Result<String> {
    let text = text.trim();
    if !text.starts_with('/') {
        return Err(Error::invalid(field, "must start with a slash, such as /admin/*"));
    }
    if text.chars().any(|letter| letter.is_control() || matches!(letter, '?' | '#')) {
        return Err(Error::invalid(
            field,
            "cannot contain `?`, `#` or control characters; paths are compared without query and fragment",
        ));
    }
    let mut pattern = String::with_capacity(text.len());
    for letter in text.chars() {
        if !(letter == '*' && pattern.ends_with('*')) {
            pattern.push(letter);
        }
    }
    PATTERN.check_length(field, &pattern)?;
    Ok(pattern)
}

/// Excludes a path pattern. Errors: `Invalid`, `Conflict` when it is already excluded.
pub async fn exclude_path(
    ports: &Ports,
    site: &Site<Editor>,
    input: WebsiteExcludePathInput,
) -> Result<(PathExclusion, Site<Editor>)> {
    let id = ports.ids.uuid();
    let row = path_exclusion::ActiveModel {
        id: Set(id),
        website_id: Set(site.id()),
        path_pattern: Set(checked_pattern("pathPattern", &input.path_pattern)?),
        description: Set(note(input.description)?),
        created_at: Set(ports.now()),
    };
    let taken = "This path pattern is already excluded.";
    let (row, site) =
        super::insert::<PathExcluded, _>(ports, site, path_exclusion::Column::WebsiteId, (id, row), LIST, taken)
            .await?;
    Ok((PathExclusion::new(&site, row)?, site))
}

/// Removes the exclusion of a path pattern. Errors: `NotFound` when the website has no such exclusion.
pub async fn remove_path_exclusion(ports: &Ports, site: &Site<Editor>, id: Uuid) -> Result<Site<Editor>> {
    let gone = path_exclusion::Entity::delete_many()
        .filter(path_exclusion::Column::Id.eq(id))
        .filter(path_exclusion::Column::WebsiteId.eq(site.id()));
    super::remove::<PathIncluded, _>(ports, site, gone, LIST).await
}

/// A path exclusion, for members with access to its website. Errors: `NotFound`, `Forbidden`.
pub(crate) async fn find(cx: &Cx, field: &str, id: Uuid) -> Result<PathExclusion> {
    let (row, site) = cx.of_website::<path_exclusion::Entity, Viewer>(field, id, MISSING).await?;
    PathExclusion::new(&site, row)
}

// Graph

/// An excluded path pattern of a website.
#[Object]
impl PathExclusion {
    /// Global ID.
    pub(crate) async fn id(&self) -> ID {
        Kind::PathExclusion.global(self.row.id)
    }

    /// UUID, as used by REST and support.
    async fn database_id(&self) -> Uuid {
        self.row.id
    }

    /// Path such as `/admin/*`. `*` matches any text, including slashes.
    async fn path_pattern(&self) -> &str {
        &self.row.path_pattern
    }

    /// Note, at most 200 characters; null if there is none.
    async fn description(&self) -> Option<&str> {
        self.row.description.as_deref()
    }

    /// Creation time, UTC.
    async fn created_at(&self) -> Instant {
        Instant(self.row.created_at)
    }

    /// UUID of the website.
    async fn website_database_id(&self) -> Uuid {
        self.row.website_id
    }

    /// The website.
    async fn website(&self) -> Website {
        Website::from(self.site.clone())
    }
}

/// Path exclusion mutations.
#[derive(Debug, Default, Clone, Copy)]
pub struct PathExclusionMutation;

#[Object]
impl PathExclusionMutation {
    /// Excludes a path pattern. Page views and events on matching pages are not counted from now on. At most 500 per
    /// website.
    #[doc = access_line!(WEBSITE, EDITOR)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Editor), None))]
    async fn website_exclude_path(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The website: global ID or UUID.")] website_id: ID,
        #[graphql(desc = "The exclusion to add.")] input: WebsiteExcludePathInput,
    ) -> Option<async_graphql::Result<WebsiteExcludePathPayload>> {
        let answer: async_graphql::Result<Option<WebsiteExcludePathPayload>> = async {
            let site = ctx.site::<Editor>(&website_id).await?;
            let client_mutation_id = input.client_mutation_id.clone();
            let creation = Creation::new(ctx, client_mutation_id.as_deref())?;
            let (path_exclusion, site) = match creation.run(&site, exclude_path(creation.ports(), &site, input)).await?
            {
                Outcome::Created(created) => created,
                Outcome::Repeated(id) => (find(ctx.cx()?, "websiteId", id).await?, site),
            };
            let website = Website::from(site.lower());
            Ok(Some(WebsiteExcludePathPayload { path_exclusion, website, client_mutation_id }))
        }
        .await;
        answer.transpose()
    }

    /// Removes a path exclusion. Page views and events on matching pages are counted from now on.
    #[doc = access_line!(WEBSITE, EDITOR)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Editor), None))]
    async fn website_remove_path_exclusion(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The website: global ID or UUID.")] website_id: ID,
        #[graphql(desc = "The exclusion to remove.")] input: WebsiteRemovePathExclusionInput,
    ) -> Option<async_graphql::Result<WebsiteRemovePathExclusionPayload>> {
        let answer: async_graphql::Result<Option<WebsiteRemovePathExclusionPayload>> = async {
            let site = ctx.site::<Editor>(&website_id).await?;
            let id = Kind::PathExclusion.read("exclusionId", &input.exclusion_id)?;
            let site = remove_path_exclusion(ctx.cx()?.ports(), &site, id).await?;
            let deleted_id = Kind::PathExclusion.global(id);
            Ok(Some(WebsiteRemovePathExclusionPayload { deleted_id, website: Website::from(site.lower()) }))
        }
        .await;
        answer.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_begin_with_a_slash_and_stars_do_not_pile_up() {
        for (text, spelled) in
            [("/", "/"), (" /admin/* ", "/admin/*"), ("/a/***/b**", "/a/*/b*"), ("/Straße", "/Straße")]
        {
            assert_eq!(checked_pattern("pathPattern", text).unwrap(), spelled, "{text}");
        }
        assert!(checked_pattern("pathPattern", &format!("/{}", "é".repeat(499))).is_ok());
        for bad in ["", "*", "admin", "/a?b", "/a#b", "/a\nb", &format!("/{}", "x".repeat(500))] {
            assert_eq!(checked_pattern("pathPattern", bad).unwrap_err().field(), Some("pathPattern"), "{bad}");
        }
    }
}
