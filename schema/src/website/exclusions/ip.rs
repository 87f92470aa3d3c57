//! Excluded IP addresses and networks of a website.

use std::{net::IpAddr, sync::Arc};

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use entity::ip_exclusion;
use ipnet::{IpNet, Ipv4Net};
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
        change::{IpExcluded, IpIncluded},
    },
};

// Vocabulary

/// An excluded IP address or network of a website.
#[derive(Debug, Clone)]
pub struct IpExclusion {
    row: Arc<ip_exclusion::Model>,
    site: Site<Viewer>,
}

/// An IP address or network to exclude.
#[derive(InputObject, Debug, Clone)]
pub struct WebsiteExcludeIpInput {
    /// IPv4 or IPv6 address such as `203.0.113.7`, or network such as `203.0.113.0/24` or `2001:db8::/48`.
    #[graphql(directive = Constrained::apply(NETWORK))]
    pub ip_address: String,
    /// Note, at most 200 characters; null or empty for none.
    #[graphql(directive = Constrained::apply(NOTE))]
    pub description: Option<String>,
    /// Idempotency key, 1 to 200 characters. Repeating the mutation with the same key and input within 24 hours creates
    /// nothing and returns the row that was created.
    #[graphql(directive = Constrained::apply(KEY))]
    pub client_mutation_id: Option<String>,
}

/// Input for removing an IP exclusion.
#[derive(InputObject, Debug, Clone)]
pub struct WebsiteRemoveIpExclusionInput {
    /// The exclusion: global ID or UUID.
    pub exclusion_id: ID,
}

/// The result of excluding an IP address or network.
#[derive(SimpleObject)]
pub struct WebsiteExcludeIpPayload {
    /// The exclusion.
    pub ip_exclusion: IpExclusion,
    /// The website.
    pub website: Website,
    /// `clientMutationId` of the input.
    pub client_mutation_id: Option<String>,
}

/// The result of removing an IP exclusion.
#[derive(SimpleObject)]
pub struct WebsiteRemoveIpExclusionPayload {
    /// Global ID of the deleted exclusion.
    pub deleted_id: ID,
    /// The website, with its remaining exclusions.
    pub website: Website,
}

impl IpExclusion {
    pub(super) fn new<R: Level + AtLeast<Viewer>>(site: &Site<R>, row: ip_exclusion::Model) -> Result<Self> {
        if row.website_id != site.id() {
            return Err(Error::broken("a website's proof met another website's exclusion"));
        }
        Ok(Self { row: Arc::new(row), site: site.lower() })
    }
}

// Rules

/// An address, or a network of IPv4 or IPv6. [`checked_network`] removes white space around it.
pub(crate) const NETWORK: Constraint = Constraint::pattern(
    r"^(((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])/(3[0-2]|[12]?[0-9])|([0-9A-Fa-f]{1,4}:){1,6}((:[0-9A-Fa-f]{1,4})|:)/(12[0-8]|1[01][0-9]|[1-9]?[0-9]))$",
)
.or_formats(&["ipv4", "ipv6"]);

/// Name of the list in the audit log.
const LIST: &str = "ipExclusions";

/// The normalized form of an address or network: host bits zero, a network of one address as that address, IPv4 inside
/// IPv6 as IPv4. Errors: `Invalid` for `field`.
pub fn checked_network(field: &str, text: &str) -> Result<String> {
    let wrong = || {
        Error::invalid(
            field,
            "must be an IP address such as 203.0.113.7 or 2001:db8::7, or a network such as 203.0.113.0/24 or 2001:db8::/48",
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
    let network = u8::try_from(length).ok().and_then(|length| IpNet::new(address, length).ok()).ok_or_else(|| {
        Error::invalid(field, format!("must have a prefix length between 0 and {bits} (got {length})"))
    })?;
    let network = mapped(network).unwrap_or(network).trunc();
    let is_one = network.prefix_len() == network.max_prefix_len();
    Ok(if is_one { network.addr().to_string() } else { network.to_string() })
}

/// The network of IPv4 addresses inside IPv6. `::ffff:0:0/96` holds them all; a wider network holds more than them.
fn mapped(network: IpNet) -> Option<IpNet> {
    let IpNet::V6(six) = network else { return None };
    let length = six.prefix_len().checked_sub(96)?;
    Ipv4Net::new(six.addr().to_ipv4_mapped()?, length).ok().map(IpNet::V4)
}

/// Excludes an address or network. Errors: `Invalid`, `Conflict` when it is already excluded.
pub async fn exclude_ip(
    ports: &Ports,
    site: &Site<Editor>,
    input: WebsiteExcludeIpInput,
) -> Result<(IpExclusion, Site<Editor>)> {
    let id = ports.ids.uuid();
    let row = ip_exclusion::ActiveModel {
        id: Set(id),
        website_id: Set(site.id()),
        ip_address: Set(checked_network("ipAddress", &input.ip_address)?),
        description: Set(note(input.description)?),
        created_at: Set(ports.now()),
    };
    let taken = "This address or network is already excluded.";
    let (row, site) =
        super::insert::<IpExcluded, _>(ports, site, ip_exclusion::Column::WebsiteId, (id, row), LIST, taken).await?;
    Ok((IpExclusion::new(&site, row)?, site))
}

/// Removes the exclusion of an address or network. Errors: `NotFound` when the website has no such exclusion.
pub async fn remove_ip_exclusion(ports: &Ports, site: &Site<Editor>, id: Uuid) -> Result<Site<Editor>> {
    let gone = ip_exclusion::Entity::delete_many()
        .filter(ip_exclusion::Column::Id.eq(id))
        .filter(ip_exclusion::Column::WebsiteId.eq(site.id()));
    super::remove::<IpIncluded, _>(ports, site, gone, LIST).await
}

/// An IP exclusion, for members with access to its website. Errors: `NotFound`, `Forbidden`.
pub(crate) async fn find(cx: &Cx, field: &str, id: Uuid) -> Result<IpExclusion> {
    let (row, site) = cx.of_website::<ip_exclusion::Entity, Viewer>(field, id, MISSING).await?;
    IpExclusion::new(&site, row)
}

// Graph

/// An excluded IP address or network of a website.
#[Object]
impl IpExclusion {
    /// Global ID.
    pub(crate) async fn id(&self) -> ID {
        Kind::IpExclusion.global(self.row.id)
    }

    /// UUID, as used by REST and support.
    async fn database_id(&self) -> Uuid {
        self.row.id
    }

    /// IPv4 or IPv6 address, or network such as `203.0.113.0/24`, normalized: host bits are zero.
    async fn ip_address(&self) -> &str {
        &self.row.ip_address
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

/// IP exclusion mutations.
#[derive(Debug, Default, Clone, Copy)]
pub struct IpExclusionMutation;

#[Object]
impl IpExclusionMutation {
    /// Excludes an IP address or network. Events that it sends from now on are not counted. At most 500 per website.
    #[doc = access_line!(WEBSITE, EDITOR)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Editor), None))]
    async fn website_exclude_ip(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The website: global ID or UUID.")] website_id: ID,
        #[graphql(desc = "The exclusion to add.")] input: WebsiteExcludeIpInput,
    ) -> Option<async_graphql::Result<WebsiteExcludeIpPayload>> {
        let answer: async_graphql::Result<Option<WebsiteExcludeIpPayload>> = async {
            let site = ctx.site::<Editor>(&website_id).await?;
            let client_mutation_id = input.client_mutation_id.clone();
            let creation = Creation::new(ctx, client_mutation_id.as_deref())?;
            let (ip_exclusion, site) = match creation.run(&site, exclude_ip(creation.ports(), &site, input)).await? {
                Outcome::Created(created) => created,
                Outcome::Repeated(id) => (find(ctx.cx()?, "websiteId", id).await?, site),
            };
            let website = Website::from(site.lower());
            Ok(Some(WebsiteExcludeIpPayload { ip_exclusion, website, client_mutation_id }))
        }
        .await;
        answer.transpose()
    }

    /// Removes the exclusion of an IP address or network. Events that it sends from now on are counted.
    #[doc = access_line!(WEBSITE, EDITOR)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Editor), None))]
    async fn website_remove_ip_exclusion(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The website: global ID or UUID.")] website_id: ID,
        #[graphql(desc = "The exclusion to remove.")] input: WebsiteRemoveIpExclusionInput,
    ) -> Option<async_graphql::Result<WebsiteRemoveIpExclusionPayload>> {
        let answer: async_graphql::Result<Option<WebsiteRemoveIpExclusionPayload>> = async {
            let site = ctx.site::<Editor>(&website_id).await?;
            let id = Kind::IpExclusion.read("exclusionId", &input.exclusion_id)?;
            let site = remove_ip_exclusion(ctx.cx()?.ports(), &site, id).await?;
            let deleted_id = Kind::IpExclusion.global(id);
            Ok(Some(WebsiteRemoveIpExclusionPayload { deleted_id, website: Website::from(site.lower()) }))
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
}
