//! Domains of a website: its host name, other hosts that can send events, and domain verification.
//!
//! - Verification runs outside any transaction, and applies only to the domain that was looked up.

use async_graphql::{Context, Enum, ID, InputObject, MaybeUndefined, Object, SimpleObject};
use entity::website;
use sea_orm::{ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _, sea_query::Expr};

use super::{
    DOMAIN, Website,
    change::{self, Change, Verification},
    checked_domain,
    general::{DOMAINS, MAX_DOMAINS, checked_domains},
};
use crate::{
    access::{Admin, Editor, On, Reach as _, Role, Site, Viewer, access_directive},
    constraint::{Constrained, not_null},
    error::{Error, Result},
    ports::Ports,
    scalars::{Instant, Url},
    website_row::domains_of,
};

// Vocabulary

/// Verification state of a website's domain.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerificationStatus {
    /// Not verified since the domain last changed.
    Pending,
    /// Verified.
    Verified,
}

/// Verification method of a domain.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum DomainProofMethod {
    /// A DNS TXT record.
    Dns,
    /// A file on the host.
    File,
}

/// Domains of a website.
#[derive(Debug, Clone)]
pub struct Domains(pub(super) Site<Viewer>);

/// Instructions for verifying a domain, by either the TXT record or the file.
#[derive(SimpleObject, Debug, Clone)]
pub struct DomainVerification {
    /// Name of the TXT record: `_footfall.` followed by the domain. A record on the domain itself works as well.
    pub dns_name: String,
    /// Value of the TXT record: `footfall-verification=` followed by a token unique to this website.
    pub dns_value: String,
    /// URL of the file. `http` is used if `https` does not respond.
    pub file_url: Url,
    /// Line that the file must contain, the same as the value of the TXT record.
    pub file_content: String,
}

/// Changes to the domains of a website. Omitted fields stay unchanged.
#[derive(InputObject, Debug, Clone, Default)]
pub struct WebsiteUpdateDomainsInput {
    /// Host name, such as `shop.example`. A new one is unverified until `websiteVerifyDomain`. Cannot be null.
    #[graphql(directive = Constrained::apply(DOMAIN.not_null()))]
    pub domain: MaybeUndefined<String>,
    /// Host names that can send events instead of `domain`, at most 100; `*.` matches every subdomain. `[]` clears the
    /// list. Cannot be null.
    #[graphql(directive = Constrained::apply(DOMAINS.not_null()))]
    pub allowed_domains: MaybeUndefined<Vec<String>>,
}

/// The website after the change.
#[derive(SimpleObject)]
pub struct WebsiteUpdateDomainsPayload {
    /// The website.
    pub website: Website,
}

/// Input for verifying a website's domain.
#[derive(InputObject, Debug, Clone)]
pub struct WebsiteVerifyDomainInput {
    /// The website: global ID or UUID.
    pub website_id: ID,
}

/// The result of verifying a domain.
#[derive(SimpleObject)]
pub struct WebsiteVerifyDomainPayload {
    /// Method that succeeded; null if verification failed. `website { domains { verification } }` has the instructions.
    pub method: Option<DomainProofMethod>,
    /// The website.
    pub website: Website,
}

// Rules

/// Path of the file.
pub const FILE_PATH: &str = "/.well-known/footfall-verification.txt";

/// Number of characters in a token.
pub(super) const TOKEN_LENGTH: usize = 32;

impl DomainVerification {
    fn new(domain: &str, token: &str) -> Self {
        let text = format!("footfall-verification={token}");
        Self {
            dns_name: format!("_footfall.{domain}"),
            dns_value: text.clone(),
            file_url: Url::stored(format!("https://{domain}{FILE_PATH}")),
            file_content: text,
        }
    }
}

/// Applies the changes of the input. Errors: `Invalid`, `Conflict` when the team already has the domain.
pub async fn update_domains(
    ports: &Ports,
    site: &Site<Admin>,
    input: WebsiteUpdateDomainsInput,
) -> Result<Site<Admin>> {
    let mut row = website::ActiveModel::default();
    if let Some(domain) = not_null("domain", input.domain)? {
        row.domain = Set(checked_domain("domain", &domain)?);
    }
    if let Some(domains) = not_null("allowedDomains", input.allowed_domains)? {
        row.allowed_domains = Set(serde_json::json!(checked_domains("allowedDomains", &domains)?));
    }
    Change::<change::Domains>::begin(ports, site).await?.commit_row(row, &[]).await
}

/// The website's current domain and token; the token is created if there is none.
async fn domain_and_token(ports: &Ports, site: &Site<Editor>) -> Result<(String, String)> {
    let transaction = ports.begin(site).await?;
    let row = website::Entity::find_by_id(site.id()).one(&transaction).await?;
    let row = row.ok_or_else(|| Error::not_found("The website"))?;
    if let Some(token) = row.verification_token {
        return Ok((row.domain, token));
    }
    let token = ports.ids.secret(TOKEN_LENGTH);
    website::Entity::update_many()
        .col_expr(website::Column::VerificationToken, Expr::value(token.clone()))
        .filter(website::Column::Id.eq(site.id()))
        .exec(&transaction)
        .await?;
    transaction.commit_addition().await?;
    Ok((row.domain, token))
}

/// Looks for the token. Errors: `Unavailable` when it was not found and DNS does not respond.
async fn find_proof(ports: &Ports, domain: &str, wanted: &DomainVerification) -> Result<Option<DomainProofMethod>> {
    let (own, apex, file) =
        futures_util::join!(ports.proof.txt(&wanted.dns_name), ports.proof.txt(domain), ports.proof.well_known(domain));
    let says = |records: &Result<Vec<String>>| {
        records.as_ref().is_ok_and(|records| records.iter().any(|text| text.trim() == wanted.dns_value))
    };
    if says(&own) || says(&apex) {
        return Ok(Some(DomainProofMethod::Dns));
    }
    if let Ok(Some(text)) = &file
        && text.lines().any(|line| line.trim() == wanted.file_content)
    {
        return Ok(Some(DomainProofMethod::File));
    }
    // "Not found" is conclusive only if every server responded.
    own.and(apex).and(file).map(|_| None)
}

/// Checks whether the domain presents the website's token, and records success. Errors: `Unavailable`; `Conflict` if
/// the domain changed in the meantime.
pub async fn verify_domain(ports: &Ports, site: &Site<Editor>) -> Result<(Option<DomainProofMethod>, Site<Editor>)> {
    let (domain, token) = domain_and_token(ports, site).await?;
    let found = find_proof(ports, &domain, &DomainVerification::new(&domain, &token)).await?;
    let change = Change::<Verification>::begin(ports, site).await?;
    if change.row().domain != domain {
        return Err(Error::conflict("The domain changed during verification. Verify the new domain."));
    }
    let mut row = website::ActiveModel::default();
    if found.is_some() {
        row.verified_at = Set(Some(ports.now()));
    }
    Ok((found, change.commit_row(row, &[]).await?))
}

// Graph

/// Domains of a website.
#[Object]
impl Domains {
    /// Host name, lower case, without scheme and path.
    async fn primary_domain(&self) -> &str {
        &self.0.website().domain
    }

    /// Host names that can send events instead of `primaryDomain`; `*.` matches every subdomain. If empty,
    /// `primaryDomain` and its subdomains can.
    #[graphql(directive = crate::cost::list_size::apply(Some(MAX_DOMAINS), None))]
    async fn allowed_domains(&self) -> Vec<String> {
        domains_of(self.0.website())
    }

    /// Verification state of `primaryDomain`.
    async fn verification_status(&self) -> VerificationStatus {
        self.0.website().verified_at.map_or(VerificationStatus::Pending, |_| VerificationStatus::Verified)
    }

    /// Time of the last successful verification, UTC; null if there was none since the domain last changed.
    async fn verified_at(&self) -> Option<Instant> {
        self.0.website().verified_at.map(Instant)
    }

    /// Instructions for verifying the domain; null for a website created by an earlier version until
    /// `websiteVerifyDomain` is first called.
    async fn verification(&self) -> Option<DomainVerification> {
        let row = self.0.website();
        row.verification_token.as_deref().map(|token| DomainVerification::new(&row.domain, token))
    }
}

/// Domain mutations.
#[derive(Debug, Default, Clone, Copy)]
pub struct DomainMutation;

#[Object]
impl DomainMutation {
    /// Changes the domains of a website. Omitted fields stay unchanged.
    #[doc = access_line!(WEBSITE, ADMIN)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Admin), None))]
    async fn website_update_domains(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The website: global ID or UUID.")] website_id: ID,
        #[graphql(desc = "The changes to apply.")] input: WebsiteUpdateDomainsInput,
    ) -> Option<async_graphql::Result<WebsiteUpdateDomainsPayload>> {
        let answer: async_graphql::Result<Option<WebsiteUpdateDomainsPayload>> = async {
            let site = ctx.site::<Admin>(&website_id).await?;
            let site = update_domains(ctx.cx()?.ports(), &site, input).await?;
            Ok(Some(WebsiteUpdateDomainsPayload { website: Website::from(site.lower()) }))
        }
        .await;
        answer.transpose()
    }

    /// Verifies that the team controls the domain, by DNS and by the file on the host. Takes at most five seconds.
    #[doc = access_line!(WEBSITE, EDITOR)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Editor), None))]
    async fn website_verify_domain(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The website whose domain to verify.")] input: WebsiteVerifyDomainInput,
    ) -> Option<async_graphql::Result<WebsiteVerifyDomainPayload>> {
        let answer: async_graphql::Result<Option<WebsiteVerifyDomainPayload>> = async {
            let site = ctx.site::<Editor>(&input.website_id).await?;
            let (method, site) = verify_domain(ctx.cx()?.ports(), &site).await?;
            Ok(Some(WebsiteVerifyDomainPayload { method, website: Website::from(site.lower()) }))
        }
        .await;
        answer.transpose()
    }
}
