//! Domains of a website: where it lives, who else may send events, and the proof that its team controls it.
//!
//! - The proof is asked for outside of any transaction, and holds for the domain that was asked about only.

use async_graphql::{Context, Enum, ID, InputObject, MaybeUndefined, Object, SimpleObject};
use entity::website;
use sea_orm::{ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _, sea_query::Expr};

use super::{
    Website,
    change::{self, Change, Verification, required},
    checked_domain,
    general::{MAX_DOMAINS, checked_domains},
};
use crate::{
    access::{Admin, Editor, On, Reach as _, Role, Site, Viewer, access_directive},
    error::{Error, Result},
    ports::Ports,
    scalars::{Instant, Url},
    website_row::domains_of,
};

// Vocabulary

/// Whether a website's team has proven that it controls the domain.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerificationStatus {
    /// Not since the domain last changed.
    Pending,
    /// It has.
    Verified,
}

/// Where a proof was found.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum DomainProofMethod {
    /// In a TXT record.
    Dns,
    /// In the file.
    File,
}

/// Domains of a website.
#[derive(Debug, Clone)]
pub struct Domains(pub(super) Site<Viewer>);

/// How to prove that the team controls the domain: by the TXT record or by the file; either is enough.
#[derive(SimpleObject, Debug, Clone)]
pub struct DomainVerification {
    /// Name of the TXT record, `_footfall.` and the domain. A record of the domain itself does as well.
    pub dns_name: String,
    /// What the record says: `footfall-verification=` and a token that is this website's only.
    pub dns_value: String,
    /// Address of the file; `http` does where `https` does not answer.
    pub file_url: Url,
    /// A line of the file: the same text as the record's.
    pub file_content: String,
}

/// Changes to the domains of a website. A field that is left out stays as it is.
#[derive(InputObject, Debug, Clone, Default)]
pub struct WebsiteUpdateDomainsInput {
    /// Host name, such as `shop.example`. Another one is unproven until `websiteVerifyDomain`. Null is refused.
    pub domain: MaybeUndefined<String>,
    /// Host names that may send events instead of `domain`, at most 100; `*.` stands for every subdomain. Null is refused; `[]`
    /// empties the list.
    pub allowed_domains: MaybeUndefined<Vec<String>>,
}

/// The website after the change.
#[derive(SimpleObject)]
pub struct WebsiteUpdateDomainsPayload {
    /// The website.
    pub website: Website,
}

/// What came of looking for the proof.
#[derive(SimpleObject)]
pub struct WebsiteVerifyDomainPayload {
    /// Where the proof was found; null when it was not: `website { domains { verification } }` says where it is looked for.
    pub method: Option<DomainProofMethod>,
    /// The website.
    pub website: Website,
}

// Rules

/// Where the file is looked for.
pub const FILE_PATH: &str = "/.well-known/footfall-verification.txt";

/// Characters of a token.
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

/// Changes what the input names. Errors: `Invalid`, `Conflict` when the team has the domain.
pub async fn update_domains(
    ports: &Ports,
    site: &Site<Admin>,
    input: WebsiteUpdateDomainsInput,
) -> Result<Site<Admin>> {
    let mut row = website::ActiveModel::default();
    if let Some(domain) = required("domain", input.domain)? {
        row.domain = Set(checked_domain("domain", &domain)?);
    }
    if let Some(domains) = required("allowedDomains", input.allowed_domains)? {
        row.allowed_domains = Set(serde_json::json!(checked_domains("allowedDomains", &domains)?));
    }
    Change::<change::Domains>::begin(ports, site).await?.commit_row(row, &[]).await
}

/// The website's domain and token as they are now; the token is made where there is none.
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

/// Looks for the proof. Errors: `Unavailable` when it was not found and DNS does not answer.
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
    // Not found is an answer only where everybody answered.
    own.and(apex).and(file).map(|_| None)
}

/// Looks whether the domain shows the website's token, and remembers that it did. Errors: `Unavailable`; `Conflict` when the
/// domain changed meanwhile.
pub async fn verify_domain(ports: &Ports, site: &Site<Editor>) -> Result<(Option<DomainProofMethod>, Site<Editor>)> {
    let (domain, token) = domain_and_token(ports, site).await?;
    let found = find_proof(ports, &domain, &DomainVerification::new(&domain, &token)).await?;
    let change = Change::<Verification>::begin(ports, site).await?;
    if change.row().domain != domain {
        return Err(Error::conflict("The domain changed while it was being looked at; verify the new one."));
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

    /// Host names that may send events instead of `primaryDomain`; `*.` stands for every subdomain. Empty: `primaryDomain` and its
    /// subdomains may.
    #[graphql(directive = crate::cost::list_size::apply(Some(MAX_DOMAINS), None))]
    async fn allowed_domains(&self) -> Vec<String> {
        domains_of(self.0.website())
    }

    /// Whether the team has proven that it controls `primaryDomain`.
    async fn verification_status(&self) -> VerificationStatus {
        self.0.website().verified_at.map_or(VerificationStatus::Pending, |_| VerificationStatus::Verified)
    }

    /// When it was last proven, UTC; null when it was not since the domain last changed.
    async fn verified_at(&self) -> Option<Instant> {
        self.0.website().verified_at.map(Instant)
    }

    /// How to prove it; null before `websiteVerifyDomain` was first called for a website of an earlier version.
    async fn verification(&self) -> Option<DomainVerification> {
        let row = self.0.website();
        row.verification_token.as_deref().map(|token| DomainVerification::new(&row.domain, token))
    }
}

/// Mutations of domains.
#[derive(Debug, Default, Clone, Copy)]
pub struct DomainMutation;

#[Object]
impl DomainMutation {
    /// Changes the domains of a website. What the input leaves out stays as it is.
    #[doc = access_line!(WEBSITE, ADMIN)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Admin), None))]
    async fn website_update_domains(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The website: global id or UUID.")] website_id: ID,
        #[graphql(desc = "The changes.")] input: WebsiteUpdateDomainsInput,
    ) -> Option<async_graphql::Result<WebsiteUpdateDomainsPayload>> {
        let answer: async_graphql::Result<Option<WebsiteUpdateDomainsPayload>> = async {
            let site = ctx.site::<Admin>(&website_id).await?;
            let site = update_domains(ctx.cx()?.ports(), &site, input).await?;
            Ok(Some(WebsiteUpdateDomainsPayload { website: Website::from(site.lower()) }))
        }
        .await;
        answer.transpose()
    }

    /// Looks for the proof that the team controls the domain, in DNS and in the file on it, for at most five seconds.
    #[doc = access_line!(WEBSITE, EDITOR)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Editor), None))]
    async fn website_verify_domain(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The website: global id or UUID.")] website_id: ID,
    ) -> Option<async_graphql::Result<WebsiteVerifyDomainPayload>> {
        let answer: async_graphql::Result<Option<WebsiteVerifyDomainPayload>> = async {
            let site = ctx.site::<Editor>(&website_id).await?;
            let (method, site) = verify_domain(ctx.cx()?.ports(), &site).await?;
            Ok(Some(WebsiteVerifyDomainPayload { method, website: Website::from(site.lower()) }))
        }
        .await;
        answer.transpose()
    }
}
