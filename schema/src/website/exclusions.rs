//! What a website does not count: addresses and paths that its team excluded.
//!
//! - An exclusion is reached through its website only, so that the id of another website's is unknown here.
//! - Addresses and patterns are stored in one spelling, so that the same one is never excluded twice.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use entity::{ip_exclusion, path_exclusion};
use sea_orm::{
    ActiveModelBehavior, ActiveModelTrait, ActiveValue::Set, ColumnTrait as _, EntityTrait, IntoActiveModel,
    PaginatorTrait as _, QueryFilter as _, SqlErr,
};
use uuid::Uuid;

use super::Website;
use crate::{
    access::{Editor, Level, On, Role, Site, Viewer, stated},
    cx::{Cx, Reach as _},
    error::{Error, Result},
    id::Kind,
    ports::Ports,
    scalars::Instant,
};

// Vocabulary

/// What a website does not count.
#[derive(Debug, Clone)]
pub struct Exclusions(pub(super) Site<Viewer>);

/// An address or network whose visits a website does not count.
#[derive(Debug, Clone)]
pub struct IpExclusion {
    row: Arc<ip_exclusion::Model>,
    site: Site<Viewer>,
}

/// A pattern of paths whose views a website does not count.
#[derive(Debug, Clone)]
pub struct PathExclusion {
    row: Arc<path_exclusion::Model>,
    site: Site<Viewer>,
}

/// An address or network that is not to be counted.
#[derive(InputObject, Debug, Clone)]
pub struct WebsiteExcludeIpInput {
    /// IPv4 or IPv6 address such as `203.0.113.7`, or network such as `203.0.113.0/24` or `2001:db8::/48`.
    pub ip_address: String,
    /// Note, at most 200 characters; null or empty for none.
    pub description: Option<String>,
}

/// Paths that are not to be counted.
#[derive(InputObject, Debug, Clone)]
pub struct WebsiteExcludePathInput {
    /// Path such as `/admin/*`, 1 to 500 characters. It begins with a slash, and `*` stands for anything, slashes included.
    pub path_pattern: String,
    /// Note, at most 200 characters; null or empty for none.
    pub description: Option<String>,
}

/// Which address or network is to be counted again.
#[derive(InputObject, Debug, Clone)]
pub struct WebsiteRemoveIpExclusionInput {
    /// The exclusion: global id or UUID.
    pub exclusion_id: ID,
}

/// Which paths are to be counted again.
#[derive(InputObject, Debug, Clone)]
pub struct WebsiteRemovePathExclusionInput {
    /// The exclusion: global id or UUID.
    pub exclusion_id: ID,
}

/// The new exclusion of an address or network.
#[derive(SimpleObject)]
pub struct WebsiteExcludeIpPayload {
    /// The exclusion.
    pub ip_exclusion: IpExclusion,
    /// The website that it belongs to.
    pub website: Website,
}

/// The new exclusion of paths.
#[derive(SimpleObject)]
pub struct WebsiteExcludePathPayload {
    /// The exclusion.
    pub path_exclusion: PathExclusion,
    /// The website that it belongs to.
    pub website: Website,
}

/// What is left after an exclusion of an address or network was removed.
#[derive(SimpleObject)]
pub struct WebsiteRemoveIpExclusionPayload {
    /// Always true: what could not be removed is an error.
    pub deleted: bool,
    /// The global id that the exclusion had.
    pub deleted_id: ID,
    /// The website that it belonged to, with the exclusions that are left.
    pub website: Website,
}

/// What is left after an exclusion of paths was removed.
#[derive(SimpleObject)]
pub struct WebsiteRemovePathExclusionPayload {
    /// Always true: what could not be removed is an error.
    pub deleted: bool,
    /// The global id that the exclusion had.
    pub deleted_id: ID,
    /// The website that it belonged to, with the exclusions that are left.
    pub website: Website,
}

impl IpExclusion {
    fn of<R: Level + crate::access::AtLeast<Viewer>>(site: &Site<R>, row: ip_exclusion::Model) -> Result<Self> {
        if row.website_id != site.id() {
            return Err(Error::broken("a website's proof met another website's exclusion"));
        }
        Ok(Self { row: Arc::new(row), site: site.lower() })
    }
}

impl PathExclusion {
    fn of<R: Level + crate::access::AtLeast<Viewer>>(site: &Site<R>, row: path_exclusion::Model) -> Result<Self> {
        if row.website_id != site.id() {
            return Err(Error::broken("a website's proof met another website's exclusion"));
        }
        Ok(Self { row: Arc::new(row), site: site.lower() })
    }
}

// Rules

/// The most exclusions of each kind that a website may have.
const MOST: u64 = 500;

/// Characters of a path pattern and of a note at most.
const LONGEST_PATTERN: usize = 500;
const LONGEST_NOTE: usize = 200;

const MISSING: &str = "The exclusion";

/// The one spelling of an address or network: host bits zero, a network of one address as that address, IPv4 inside IPv6 as
/// IPv4. Errors: `Invalid` for `field`.
pub fn checked_network(field: &str, text: &str) -> Result<String> {
    let wrong = || {
        Error::invalid(
            field,
            "is no IP address or network; an address such as 203.0.113.7 or 2001:db8::7, or a network such as 203.0.113.0/24 or 2001:db8::/48 is right",
        )
    };
    let text = text.trim();
    let (address, length) = match text.split_once('/') {
        None => (text, None),
        Some((address, length)) if !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit()) => {
            (address, Some(length.parse::<u32>().map_err(|_| wrong())?))
        }
        Some(_) => return Err(wrong()),
    };
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let length = length.unwrap_or(bits);
    if length > bits {
        return Err(Error::invalid(
            field,
            format!("has {length} network bits; 0 to {bits} are right for this address"),
        ));
    }
    // ::ffff:0:0/96 holds the IPv4 addresses; a wider network holds more than them.
    let (address, length, bits) = match address {
        IpAddr::V6(six) => match six.to_ipv4_mapped() {
            Some(four) if length >= 96 => (IpAddr::V4(four), length - 96, 32),
            _ => (address, length, bits),
        },
        IpAddr::V4(_) => (address, length, bits),
    };
    let network = match address {
        IpAddr::V4(four) => {
            let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(four.to_bits() & mask))
        }
        IpAddr::V6(six) => {
            let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(six.to_bits() & mask))
        }
    };
    Ok(if length == bits { network.to_string() } else { format!("{network}/{length}") })
}

/// Checks a pattern of paths; several `*` in a row are one. Errors: `Invalid` for `field`.
pub fn checked_pattern(field: &str, text: &str) -> Result<String> {
    let text = text.trim();
    if !text.starts_with('/') {
        return Err(Error::invalid(field, "does not begin with a slash; a path such as /admin/* is right"));
    }
    if text.chars().any(|letter| letter.is_control() || matches!(letter, '?' | '#')) {
        return Err(Error::invalid(
            field,
            "holds `?`, `#` or a control character; paths are compared without query and fragment, so one such as /admin/* is right",
        ));
    }
    let mut pattern = String::with_capacity(text.len());
    for letter in text.chars() {
        if !(letter == '*' && pattern.ends_with('*')) {
            pattern.push(letter);
        }
    }
    match pattern.chars().count() {
        length if length > LONGEST_PATTERN => {
            Err(Error::invalid(field, format!("has {length} characters; 1 to {LONGEST_PATTERN} are right")))
        }
        _ => Ok(pattern),
    }
}

/// Checks a note; an empty one is none. Errors: `Invalid`.
fn checked_note(note: Option<String>) -> Result<Option<String>> {
    let note = note.map(|note| note.trim().to_owned()).filter(|note| !note.is_empty());
    let wrong = |why: String| Err(Error::invalid("description", why));
    match &note {
        Some(note) if note.chars().any(char::is_control) => {
            wrong("holds a control character; plain text on one line is right".to_owned())
        }
        Some(note) if note.chars().count() > LONGEST_NOTE => {
            wrong(format!("has {} characters; at most {LONGEST_NOTE} are right", note.chars().count()))
        }
        _ => Ok(note),
    }
}

/// Inserts a row where the website has room for it. Errors: `Conflict` when it has the same one already or [`MOST`] of them.
async fn insert<A>(
    ports: &Ports,
    site: &Site<Editor>,
    of_website: <A::Entity as EntityTrait>::Column,
    row: A,
    taken: &str,
) -> Result<<A::Entity as EntityTrait>::Model>
where
    A: ActiveModelTrait + ActiveModelBehavior + Send,
    <A::Entity as EntityTrait>::Model: IntoActiveModel<A> + Send + Sync,
{
    let transaction = ports.begin().await?;
    let row = row.insert(&transaction).await.map_err(|source| match source.sql_err() {
        Some(SqlErr::ForeignKeyConstraintViolation(_)) => Error::not_found("The website"),
        _ => Error::of_write(source, taken),
    })?;
    if A::Entity::find().filter(of_website.eq(site.id())).count(&transaction).await? > MOST {
        transaction.rollback().await?;
        return Err(Error::conflict(format!(
            "The website has {MOST} exclusions of this kind, which is the most; remove one, or let one stand for several."
        )));
    }
    transaction.commit().await?;
    Ok(row)
}

/// Counts an address or network no more. Errors: `Invalid`, `Conflict` when it is excluded already.
pub async fn exclude_ip(ports: &Ports, site: &Site<Editor>, input: WebsiteExcludeIpInput) -> Result<IpExclusion> {
    let row = ip_exclusion::ActiveModel {
        id: Set(ports.ids.uuid()),
        website_id: Set(site.id()),
        ip_address: Set(checked_network("ipAddress", &input.ip_address)?),
        description: Set(checked_note(input.description)?),
        created_at: Set(ports.now()),
    };
    let taken = "This address or network is excluded already.";
    IpExclusion::of(site, insert(ports, site, ip_exclusion::Column::WebsiteId, row, taken).await?)
}

/// Counts paths no more. Errors: `Invalid`, `Conflict` when the same pattern is excluded already.
pub async fn exclude_path(ports: &Ports, site: &Site<Editor>, input: WebsiteExcludePathInput) -> Result<PathExclusion> {
    let row = path_exclusion::ActiveModel {
        id: Set(ports.ids.uuid()),
        website_id: Set(site.id()),
        path_pattern: Set(checked_pattern("pathPattern", &input.path_pattern)?),
        description: Set(checked_note(input.description)?),
        created_at: Set(ports.now()),
    };
    let taken = "This path pattern is excluded already.";
    PathExclusion::of(site, insert(ports, site, path_exclusion::Column::WebsiteId, row, taken).await?)
}

/// Counts an address or network again. Errors: `NotFound` when the website has no such exclusion.
pub async fn remove_ip_exclusion(ports: &Ports, site: &Site<Editor>, id: Uuid) -> Result<()> {
    let gone = ip_exclusion::Entity::delete_many()
        .filter(ip_exclusion::Column::Id.eq(id))
        .filter(ip_exclusion::Column::WebsiteId.eq(site.id()))
        .exec(&ports.writer)
        .await?;
    if gone.rows_affected == 0 { Err(Error::not_found(MISSING)) } else { Ok(()) }
}

/// Counts paths again. Errors: `NotFound` when the website has no such exclusion.
pub async fn remove_path_exclusion(ports: &Ports, site: &Site<Editor>, id: Uuid) -> Result<()> {
    let gone = path_exclusion::Entity::delete_many()
        .filter(path_exclusion::Column::Id.eq(id))
        .filter(path_exclusion::Column::WebsiteId.eq(site.id()))
        .exec(&ports.writer)
        .await?;
    if gone.rows_affected == 0 { Err(Error::not_found(MISSING)) } else { Ok(()) }
}

/// An exclusion of an address, for those who see its website. Errors: `NotFound`, `Forbidden`.
pub(crate) async fn find_ip(cx: &Cx, field: &str, id: Uuid) -> Result<IpExclusion> {
    let row = ip_exclusion::Entity::find_by_id(id).one(&cx.ports().reader).await?;
    let row = row.ok_or_else(|| Error::not_found(MISSING))?;
    IpExclusion::of(&cx.site::<Viewer>(field, &row.website_id.to_string()).await?, row)
}

/// An exclusion of paths, for those who see its website. Errors: `NotFound`, `Forbidden`.
pub(crate) async fn find_path(cx: &Cx, field: &str, id: Uuid) -> Result<PathExclusion> {
    let row = path_exclusion::Entity::find_by_id(id).one(&cx.ports().reader).await?;
    let row = row.ok_or_else(|| Error::not_found(MISSING))?;
    PathExclusion::of(&cx.site::<Viewer>(field, &row.website_id.to_string()).await?, row)
}

// Graph

/// What a website does not count, from the moment on at which it was excluded.
#[Object]
impl Exclusions {
    /// Addresses and networks whose visits are not counted, oldest first; at most 500.
    async fn ip_exclusions(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<IpExclusion>> {
        let rows = ctx.cx()?.loaders().ip_exclusions(self.0.id()).await?;
        Ok(rows.into_iter().map(|row| IpExclusion::of(&self.0, row)).collect::<Result<_>>()?)
    }

    /// Patterns of paths whose views are not counted, oldest first; at most 500.
    async fn path_exclusions(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<PathExclusion>> {
        let rows = ctx.cx()?.loaders().path_exclusions(self.0.id()).await?;
        Ok(rows.into_iter().map(|row| PathExclusion::of(&self.0, row)).collect::<Result<_>>()?)
    }
}

/// An address or network whose visits a website does not count.
#[Object]
impl IpExclusion {
    /// Global id.
    pub(crate) async fn id(&self) -> ID {
        Kind::IpExclusion.global(self.row.id)
    }

    /// The UUID that REST and support use.
    async fn database_id(&self) -> Uuid {
        self.row.id
    }

    /// IPv4 or IPv6 address, or network such as `203.0.113.0/24`, in its one spelling: host bits are zero.
    async fn ip_address(&self) -> &str {
        &self.row.ip_address
    }

    /// Note, at most 200 characters; null without one.
    async fn description(&self) -> Option<&str> {
        self.row.description.as_deref()
    }

    /// When it was made, UTC.
    async fn created_at(&self) -> Instant {
        Instant(self.row.created_at)
    }

    /// The UUID of the website that does not count it.
    async fn website_id(&self) -> Uuid {
        self.row.website_id
    }

    /// The website that does not count it.
    async fn website(&self) -> Website {
        Website(self.site.clone())
    }
}

/// A pattern of paths whose views a website does not count.
#[Object]
impl PathExclusion {
    /// Global id.
    pub(crate) async fn id(&self) -> ID {
        Kind::PathExclusion.global(self.row.id)
    }

    /// The UUID that REST and support use.
    async fn database_id(&self) -> Uuid {
        self.row.id
    }

    /// Path such as `/admin/*`, where `*` stands for anything, slashes included.
    async fn path_pattern(&self) -> &str {
        &self.row.path_pattern
    }

    /// Note, at most 200 characters; null without one.
    async fn description(&self) -> Option<&str> {
        self.row.description.as_deref()
    }

    /// When it was made, UTC.
    async fn created_at(&self) -> Instant {
        Instant(self.row.created_at)
    }

    /// The UUID of the website that does not count it.
    async fn website_id(&self) -> Uuid {
        self.row.website_id
    }

    /// The website that does not count it.
    async fn website(&self) -> Website {
        Website(self.site.clone())
    }
}

/// Mutations of exclusions.
#[derive(Debug, Default, Clone, Copy)]
pub struct ExclusionMutation;

#[Object]
impl ExclusionMutation {
    /// Excludes an address or network: what it sends from now on is not counted. At most 500 per website.
    #[doc = access_line!(WEBSITE, EDITOR)]
    #[graphql(directive = stated::access::apply(On::Website, Some(Role::Editor), None))]
    async fn website_exclude_ip(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The website: global id or UUID.")] website_id: ID,
        #[graphql(desc = "What is excluded.")] input: WebsiteExcludeIpInput,
    ) -> Option<async_graphql::Result<WebsiteExcludeIpPayload>> {
        let answer: async_graphql::Result<Option<WebsiteExcludeIpPayload>> = async {
            let site = ctx.site::<Editor>(&website_id).await?;
            let ip_exclusion = exclude_ip(ctx.cx()?.ports(), &site, input).await?;
            Ok(Some(WebsiteExcludeIpPayload { ip_exclusion, website: Website(site.lower()) }))
        }
        .await;
        answer.transpose()
    }

    /// Removes an exclusion: what the address or network sends from now on is counted.
    #[doc = access_line!(WEBSITE, EDITOR)]
    #[graphql(directive = stated::access::apply(On::Website, Some(Role::Editor), None))]
    async fn website_remove_ip_exclusion(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The website: global id or UUID.")] website_id: ID,
        #[graphql(desc = "Which exclusion goes.")] input: WebsiteRemoveIpExclusionInput,
    ) -> Option<async_graphql::Result<WebsiteRemoveIpExclusionPayload>> {
        let answer: async_graphql::Result<Option<WebsiteRemoveIpExclusionPayload>> = async {
            let site = ctx.site::<Editor>(&website_id).await?;
            let id = Kind::IpExclusion.read("exclusionId", &input.exclusion_id)?;
            remove_ip_exclusion(ctx.cx()?.ports(), &site, id).await?;
            let deleted_id = Kind::IpExclusion.global(id);
            Ok(Some(WebsiteRemoveIpExclusionPayload { deleted: true, deleted_id, website: Website(site.lower()) }))
        }
        .await;
        answer.transpose()
    }

    /// Excludes paths: views and events of pages there are not counted from now on. At most 500 per website.
    #[doc = access_line!(WEBSITE, EDITOR)]
    #[graphql(directive = stated::access::apply(On::Website, Some(Role::Editor), None))]
    async fn website_exclude_path(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The website: global id or UUID.")] website_id: ID,
        #[graphql(desc = "What is excluded.")] input: WebsiteExcludePathInput,
    ) -> Option<async_graphql::Result<WebsiteExcludePathPayload>> {
        let answer: async_graphql::Result<Option<WebsiteExcludePathPayload>> = async {
            let site = ctx.site::<Editor>(&website_id).await?;
            let path_exclusion = exclude_path(ctx.cx()?.ports(), &site, input).await?;
            Ok(Some(WebsiteExcludePathPayload { path_exclusion, website: Website(site.lower()) }))
        }
        .await;
        answer.transpose()
    }

    /// Removes an exclusion: views and events of pages there are counted from now on.
    #[doc = access_line!(WEBSITE, EDITOR)]
    #[graphql(directive = stated::access::apply(On::Website, Some(Role::Editor), None))]
    async fn website_remove_path_exclusion(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The website: global id or UUID.")] website_id: ID,
        #[graphql(desc = "Which exclusion goes.")] input: WebsiteRemovePathExclusionInput,
    ) -> Option<async_graphql::Result<WebsiteRemovePathExclusionPayload>> {
        let answer: async_graphql::Result<Option<WebsiteRemovePathExclusionPayload>> = async {
            let site = ctx.site::<Editor>(&website_id).await?;
            let id = Kind::PathExclusion.read("exclusionId", &input.exclusion_id)?;
            remove_path_exclusion(ctx.cx()?.ports(), &site, id).await?;
            let deleted_id = Kind::PathExclusion.global(id);
            Ok(Some(WebsiteRemovePathExclusionPayload { deleted: true, deleted_id, website: Website(site.lower()) }))
        }
        .await;
        answer.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_networks_have_one_spelling() {
        for (text, spelled) in [
            (" 203.0.113.7 ", "203.0.113.7"),
            ("203.0.113.7/32", "203.0.113.7"),
            ("203.0.113.7/24", "203.0.113.0/24"),
            ("10.255.1.2/9", "10.128.0.0/9"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("2001:DB8:0:0::7", "2001:db8::7"),
            ("2001:db8::7/128", "2001:db8::7"),
            ("2001:db8:ffff::7/33", "2001:db8:8000::/33"),
            ("::1/0", "::/0"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("::ffff:203.0.113.7/120", "203.0.113.0/24"),
            ("::ffff:203.0.113.7/96", "0.0.0.0/0"),
            ("::ffff:203.0.113.7/95", "::fffe:0:0/95"),
        ] {
            assert_eq!(checked_network("ipAddress", text).unwrap(), spelled, "{text}");
        }
        for bad in [
            "",
            "office",
            "203.0.113",
            "203.0.113.256",
            "203.0.113.07",
            "203.0.113.7/",
            "203.0.113.7/33",
            "203.0.113.7/-1",
            "203.0.113.7/+8",
            "203.0.113.7/8/8",
            "2001:db8::/129",
            "fe80::1%eth0",
            "203.0.113.7:80",
            "[::1]",
            "1.2.3.4/99999999999",
        ] {
            assert_eq!(checked_network("ipAddress", bad).unwrap_err().field(), Some("ipAddress"), "{bad}");
        }
    }

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
