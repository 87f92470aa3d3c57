//! Forgetting one person: a mutation that removes every trace, and the receipt that it leaves in the audit log.
//!
//! - Removal comes before the receipt, and repeating it is harmless: a receipt states only what is done.
//! - What the control plane keeps of visitors, messages to webhooks, is deleted with the receipt.

use async_graphql::{Context, ID, InputObject, Object, OneofObject, SimpleObject};
use entity::webhook_delivery;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};
use uuid::Uuid;

use crate::{
    access::{Admin, On, Reach as _, Role, Site, access_directive},
    analytics::event::visitor_key,
    audit::{self, AuditAction, Line},
    constraint::{Constrained, Constraint},
    error::{Error, Result},
    ports::{Forgotten, Ports, Subject},
    scalars::{BigInt, EmailAddress},
};

// Vocabulary

/// Who is to be forgotten: exactly one of the fields.
#[derive(OneofObject, Debug, Clone)]
pub enum ForgetSubjectInput {
    /// `visitorId` of a visitor. If it was identified, the person and all visitors of the person are forgotten.
    VisitorId(Uuid),
    /// The application's ID of a person, 1 to 200 characters.
    #[graphql(directive = Constrained::apply(USER_ID))]
    UserId(String),
    /// E-mail address of a person. All people with this address are forgotten.
    Email(EmailAddress),
}

/// Input for forgetting a person.
#[derive(InputObject, Debug, Clone)]
pub struct VisitorForgetInput {
    /// The website: global ID or UUID.
    pub website_id: ID,
    /// The person.
    pub subject: ForgetSubjectInput,
}

/// What was removed; all zero if nothing was known of the person.
#[derive(SimpleObject, Debug, Clone)]
pub struct VisitorForgetPayload {
    /// UUID of the entry in the team's audit log, which names the website and the actor, and nothing of the person.
    pub receipt_database_id: Uuid,
    /// Number of people removed.
    pub people: BigInt,
    /// Number of visitors removed, one for each device.
    pub visitors: BigInt,
    /// Number of visits removed.
    pub visits: BigInt,
    /// Number of events removed.
    pub events: BigInt,
}

// Rules

/// The application's ID of a person.
const USER_ID: Constraint = Constraint::length(1, 200);

/// Removes every trace of one person on a website. Returns the ID of the receipt, and what was removed.
pub async fn forget(ports: &Ports, site: &Site<Admin>, subject: &Subject) -> Result<(Uuid, Forgotten)> {
    let forgotten = ports.erasure.forget(site.id(), subject).await?;
    let transaction = ports.begin(site).await?;
    for visitors in forgotten.visitors.chunks(500) {
        webhook_delivery::Entity::delete_many()
            .filter(webhook_delivery::Column::WebsiteId.eq(site.id()))
            .filter(webhook_delivery::Column::Visitor.is_in(visitors.iter().map(|visitor| visitor.cast_signed())))
            .exec(&transaction)
            .await?;
    }
    let line = Line {
        action: AuditAction::VisitorForget,
        caller: site.caller(),
        team: Some(site.website().team_id),
        website: Some(site.id()),
        target: &site.website().domain,
        changed: &[],
    };
    let receipt = audit::receipt(&transaction, ports, line).await?;
    transaction.commit_addition().await?;
    ports.database.empty_log(site).await?;
    Ok((receipt, forgotten))
}

fn subject_of(input: ForgetSubjectInput) -> Result<Subject> {
    match input {
        ForgetSubjectInput::VisitorId(uuid) => {
            let key = visitor_key(uuid);
            Ok(Subject::Visitor(
                key.ok_or_else(|| Error::invalid("input.subject.visitorId", "must be a `visitorId` of this server"))?,
            ))
        }
        ForgetSubjectInput::UserId(user_id) => {
            USER_ID.check_length("input.subject.userId", &user_id)?;
            Ok(Subject::UserId(user_id))
        }
        ForgetSubjectInput::Email(email) => Ok(Subject::Email(email.as_str().to_owned())),
    }
}

// Graph

/// Mutations that forget people.
#[derive(Debug, Default, Clone, Copy)]
pub struct ForgettingMutation;

#[Object]
impl ForgettingMutation {
    /// Forgets one person: removes their events, visits and traits, and their bytes on disk. This cannot be
    /// undone, and takes as long as the files are large; queries wait meanwhile. Events that the person sends later are new.
    #[doc = access_line!(WEBSITE, ADMIN)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Admin), None))]
    async fn visitor_forget(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The person to forget.")] input: VisitorForgetInput,
    ) -> Option<async_graphql::Result<VisitorForgetPayload>> {
        let answer: async_graphql::Result<Option<VisitorForgetPayload>> = async {
            let site = ctx.site::<Admin>(&input.website_id).await?;
            let subject = subject_of(input.subject)?;
            let (receipt_database_id, forgotten) = forget(ctx.cx()?.ports(), &site, &subject).await?;
            Ok(Some(VisitorForgetPayload {
                receipt_database_id,
                people: BigInt::from_u64(forgotten.people),
                visitors: BigInt::from_u64(forgotten.visitors.len() as u64),
                visits: BigInt::from_u64(forgotten.visits),
                events: BigInt::from_u64(forgotten.events),
            }))
        }
        .await;
        answer.transpose()
    }
}
