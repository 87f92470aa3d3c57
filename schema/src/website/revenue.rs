//! Source of a website's revenue and the currency in which it is shown.

use async_graphql::{Context, Enum, ID, InputObject, MaybeUndefined, Object, SimpleObject};
use entity::website;
use sea_orm::ActiveValue::{NotSet, Set};

use super::{
    Website,
    change::{Change, Revenue},
};
use crate::{
    access::{Admin, On, Reach as _, Role, Site, access_directive},
    constraint::{Constrained, Constraint, not_null},
    error::{Error, Result},
    plan::PlanFeature,
    ports::Ports,
};

// Vocabulary

macro_rules! providers {
    ($( $(#[$doc:meta])* $provider:ident = $text:literal, )+) => {
        /// Source of revenue data.
        #[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum RevenueProvider { $( $(#[$doc])* $provider, )+ }

        impl RevenueProvider {
            const ALL: &[Self] = &[$( Self::$provider, )+];

            /// Stored and REST spelling. Never changed.
            fn text(self) -> &'static str {
                match self { $( Self::$provider => $text, )+ }
            }
        }
    };
}

providers! {
    /// Stripe.
    Stripe = "stripe",
    /// PayPal.
    Paypal = "paypal",
    /// Paddle.
    Paddle = "paddle",
    /// Lemon Squeezy.
    Lemonsqueezy = "lemonsqueezy",
    /// Polar.
    Polar = "polar",
    /// Shopify.
    Shopify = "shopify",
    /// `revenue` events sent by the website's own pages and servers.
    Manual = "manual",
}

/// Source of a website's revenue and the currency in which it is shown.
#[derive(SimpleObject, Debug, Clone)]
pub struct RevenueSettings {
    /// Source of revenue; null if none is set.
    pub provider: Option<RevenueProvider>,
    /// ISO 4217 code of the currency in which revenue is shown. Amounts in other currencies are excluded.
    pub currency: String,
    /// Whether a webhook secret is set, so that signed notices of `provider` are accepted.
    pub has_webhook_secret: bool,
}

/// Changes to revenue settings. Omitted fields stay unchanged.
#[derive(InputObject, Debug, Clone, Default)]
pub struct WebsiteUpdateRevenueInput {
    /// Source of revenue; null for none.
    pub provider: MaybeUndefined<RevenueProvider>,
    /// ISO 4217 code such as `USD`, three capital letters. Amounts in other currencies are kept but no longer shown.
    /// Cannot be null.
    #[graphql(directive = Constrained::apply(CURRENCY.not_null()))]
    pub currency: MaybeUndefined<String>,
    /// Secret with which the provider signs its notices to `/webhooks/stripe/:websiteId` or `/webhooks/paddle/:websiteId`:
    /// 8 to 200 visible ASCII signs, such as `whsec_...`. Stored and never shown. Null to accept none; a new provider without a
    /// secret accepts none either.
    #[graphql(directive = Constrained::apply(SECRET))]
    pub webhook_secret: MaybeUndefined<String>,
}

/// The website after the change.
#[derive(SimpleObject)]
pub struct WebsiteUpdateRevenuePayload {
    /// The website.
    pub website: Website,
}

impl RevenueSettings {
    pub(super) fn from_row(row: &website::Model) -> Result<Self> {
        let provider = row.revenue_provider.as_deref().map(|text| {
            let known = RevenueProvider::ALL.iter().find(|provider| provider.text() == text);
            known.copied().ok_or_else(|| Error::broken("a website has a provider that this version does not know"))
        });
        let has_webhook_secret = row.webhook_secret.is_some();
        Ok(Self { provider: provider.transpose()?, currency: row.currency.clone(), has_webhook_secret })
    }
}

// Rules

/// Codes of currencies in use, ISO 4217 (2025), without metals, funds and test codes.
const CURRENCIES: &[&str] = &[
    "AED", "AFN", "ALL", "AMD", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD", "BDT", "BGN", "BHD", "BIF", "BMD",
    "BND", "BOB", "BRL", "BSD", "BTN", "BWP", "BYN", "BZD", "CAD", "CDF", "CHF", "CLP", "CNY", "COP", "CRC", "CUP",
    "CVE", "CZK", "DJF", "DKK", "DOP", "DZD", "EGP", "ERN", "ETB", "EUR", "FJD", "FKP", "GBP", "GEL", "GHS", "GIP",
    "GMD", "GNF", "GTQ", "GYD", "HKD", "HNL", "HTG", "HUF", "IDR", "ILS", "INR", "IQD", "IRR", "ISK", "JMD", "JOD",
    "JPY", "KES", "KGS", "KHR", "KMF", "KPW", "KRW", "KWD", "KYD", "KZT", "LAK", "LBP", "LKR", "LRD", "LSL", "LYD",
    "MAD", "MDL", "MGA", "MKD", "MMK", "MNT", "MOP", "MRU", "MUR", "MVR", "MWK", "MXN", "MYR", "MZN", "NAD", "NGN",
    "NIO", "NOK", "NPR", "NZD", "OMR", "PAB", "PEN", "PGK", "PHP", "PKR", "PLN", "PYG", "QAR", "RON", "RSD", "RUB",
    "RWF", "SAR", "SBD", "SCR", "SDG", "SEK", "SGD", "SHP", "SLE", "SOS", "SRD", "SSP", "STN", "SVC", "SYP", "SZL",
    "THB", "TJS", "TMT", "TND", "TOP", "TRY", "TTD", "TWD", "TZS", "UAH", "UGX", "USD", "UYU", "UZS", "VED", "VES",
    "VND", "VUV", "WST", "XAF", "XCD", "XCG", "XOF", "XPF", "YER", "ZAR", "ZMW", "ZWG",
];

/// Code of a currency.
pub(crate) const CURRENCY: Constraint = Constraint::one_of(CURRENCIES);

/// Secret of a payment provider.
const SECRET: Constraint = Constraint::pattern(r"^[!-~]{8,200}$");

/// Checks a secret. Errors: `Invalid` for `webhookSecret`.
fn checked_secret(secret: String) -> Result<String> {
    if (8..=200).contains(&secret.len()) && secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(secret);
    }
    Err(Error::invalid(
        "webhookSecret",
        "must have 8 to 200 visible ASCII characters without spaces, such as whsec_...",
    ))
}

/// Checks a currency. Errors: `Invalid` for `field`.
pub(crate) fn checked_currency(field: &str, code: &str) -> Result<String> {
    if CURRENCY.allows(code) {
        return Ok(code.to_owned());
    }
    Err(Error::invalid(field, "must be the ISO 4217 code of a currency in use, such as USD or EUR"))
}

/// Applies the changes of the input. Errors: `Invalid`; `Forbidden` for a source that the plan does not include.
pub async fn update_revenue(
    ports: &Ports,
    site: &Site<Admin>,
    input: WebsiteUpdateRevenueInput,
) -> Result<Site<Admin>> {
    let mut row = website::ActiveModel::default();
    match input.provider {
        MaybeUndefined::Undefined => {}
        MaybeUndefined::Null => row.revenue_provider = Set(None),
        MaybeUndefined::Value(provider) => row.revenue_provider = Set(Some(provider.text().to_owned())),
    }
    match input.webhook_secret {
        MaybeUndefined::Undefined => {}
        MaybeUndefined::Null => row.webhook_secret = Set(None),
        MaybeUndefined::Value(secret) => row.webhook_secret = Set(Some(checked_secret(secret)?)),
    }
    if let Some(code) = not_null("currency", input.currency)? {
        row.currency = Set(checked_currency("currency", &code)?);
    }
    let change = Change::<Revenue>::begin(ports, site).await?;
    // The secret is the former provider's.
    if let (Set(provider), NotSet) = (&row.revenue_provider, &row.webhook_secret)
        && *provider != change.row().revenue_provider
    {
        row.webhook_secret = Set(None);
    }
    if row.revenue_provider.is_set() && change.row().revenue_provider != *row.revenue_provider.as_ref() {
        change.requires(PlanFeature::Revenue).await?;
    }
    change.commit_row(row, &[]).await
}

// Graph

/// Revenue settings mutations.
#[derive(Debug, Default, Clone, Copy)]
pub struct RevenueMutation;

#[Object]
impl RevenueMutation {
    /// Changes the source of a website's revenue and the currency in which it is shown. Omitted fields stay unchanged.
    #[doc = access_line!(WEBSITE, ADMIN)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Admin), None))]
    async fn website_update_revenue(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The website: global ID or UUID.")] website_id: ID,
        #[graphql(desc = "The changes to apply.")] input: WebsiteUpdateRevenueInput,
    ) -> Option<async_graphql::Result<WebsiteUpdateRevenuePayload>> {
        let answer: async_graphql::Result<Option<WebsiteUpdateRevenuePayload>> = async {
            let site = ctx.site::<Admin>(&website_id).await?;
            let site = update_revenue(ctx.cx()?.ports(), &site, input).await?;
            Ok(Some(WebsiteUpdateRevenuePayload { website: Website::from(site.lower()) }))
        }
        .await;
        answer.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn currencies_are_those_in_use_in_capitals() {
        assert_eq!(CURRENCIES.len(), 156);
        assert!(CURRENCIES.is_sorted());
        for good in ["USD", "EUR", "JPY", "ZWG"] {
            assert_eq!(checked_currency("currency", good).unwrap(), good);
        }
        for bad in ["", "usd", "US", "USDX", "XAU", "XXX", "DEM", "USD ", "A E"] {
            assert_eq!(checked_currency("currency", bad).unwrap_err().field(), Some("currency"), "{bad}");
        }
    }
}
