//! Proof of e-mail addresses: mailed links that confirm one, or undo its change.

use async_graphql::{Context, InputObject, Object, SimpleObject};
use entity::{password_reset, user};
use sea_orm::{
    ActiveModelTrait as _,
    ActiveValue::{Set, Unchanged},
    ColumnTrait as _, DatabaseTransaction, EntityTrait as _, QueryFilter as _,
};

use super::{
    email_link::{self, Purpose},
    rules::{TAKEN, failed},
};
use crate::{
    access::{Caller, Myself, On, Operator, Reach as _, Unproven, access_directive},
    attempts::Quota,
    audit::{self, AuditAction, Line},
    caller::AddressHash,
    error::{Error, Result},
    known_network,
    letters::{self, Letter},
    password,
    ports::Ports,
    scalars::EmailAddress,
    session,
};

// Vocabulary

/// A mailed confirmation.
#[derive(InputObject, Debug, Clone)]
pub struct EmailConfirmInput {
    /// The token of the mailed link. It works once, within a day.
    #[graphql(secret)]
    pub token: String,
}

/// A mailed way back.
#[derive(InputObject, Debug, Clone)]
pub struct EmailUndoInput {
    /// The token of the mailed link. It works once, within seven days.
    #[graphql(secret)]
    pub token: String,
}

/// The address is proven.
#[derive(SimpleObject)]
pub struct EmailConfirmPayload {
    /// The address that the account has now.
    pub email: EmailAddress,
}

/// The change is undone.
#[derive(SimpleObject)]
pub struct EmailUndoPayload {
    /// The address that the account has again. All its sessions ended.
    pub email: EmailAddress,
}

/// A confirmation was mailed.
#[derive(SimpleObject)]
pub struct EmailSendConfirmationPayload {
    /// Where to. Links of earlier mails stopped working.
    pub email: EmailAddress,
}

// Rules

/// Makes `email`, which the account waits for or has already, its proven address. Errors: `Conflict` when another account has it.
async fn prove(txn: &DatabaseTransaction, ports: &Ports, user: &user::Model, email: &str) -> Result<()> {
    if user.email != email && email_link::is_reserved(txn, ports, email, Some(user.id)).await? {
        return Err(Error::conflict(TAKEN));
    }
    let row = user::ActiveModel {
        id: Unchanged(user.id),
        email: Set(email.to_owned()),
        email_verified_at: Set(Some(ports.now())),
        pending_email: Set(None),
        ..Default::default()
    };
    row.update(txn).await.map_err(failed)?;
    if user.email != email {
        // Mails about a forgotten password went to the old address.
        password_reset::Entity::delete_many().filter(password_reset::Column::UserId.eq(user.id)).exec(txn).await?;
    }
    email_link::end_confirmations(txn, user.id).await
}

/// Gives an account the address that a mailed link proves. Returns it. Errors: `Invalid` for a token that does not work, `Conflict`
/// when another account has the address meanwhile, `TooManyAttempts`.
pub async fn confirm(ports: &Ports, token: &str, from: Option<AddressHash>) -> Result<String> {
    let attempt = ports.attempts.begin(None, from, ports.now())?;
    let link = email_link::find(ports.database.reader(&Unproven::new()), ports, Purpose::Confirm, token).await?;
    attempt.succeeded();
    let txn = ports.begin(&Unproven::new()).await?;
    let user = user::Entity::find_by_id(link.user_id).one(&txn).await?.ok_or_else(email_link::refused)?;
    if user.email != link.email && user.pending_email.as_deref() != Some(link.email.as_str()) {
        return Err(email_link::refused());
    }
    email_link::use_up(&txn, ports, &link).await?;
    prove(&txn, ports, &user, &link.email).await?;
    let line = Line::of_account(AuditAction::EmailConfirm, Caller::Anonymous, &link.email, &["email"]);
    audit::note_about(&txn, ports, line, user.id).await?;
    txn.commit().await?;
    Ok(link.email)
}

/// Brings back the address that an account had, ends all its sessions, and mails a way to choose a new password. Returns the
/// address. Errors: `Invalid` for a token that does not work, `TooManyAttempts`.
pub async fn undo(ports: &Ports, token: &str, from: Option<AddressHash>) -> Result<String> {
    let attempt = ports.attempts.begin(None, from, ports.now())?;
    let link = email_link::find(ports.database.reader(&Unproven::new()), ports, Purpose::Undo, token).await?;
    attempt.succeeded();
    let txn = ports.begin(&Unproven::new()).await?;
    let user = user::Entity::find_by_id(link.user_id).one(&txn).await?.ok_or_else(email_link::refused)?;
    email_link::use_up(&txn, ports, &link).await?;
    prove(&txn, ports, &user, &link.email).await?;
    email_link::end_later_undos(&txn, &link).await?;
    session::revoke_all(&txn, user.id, ports.now()).await?;
    known_network::forget(&txn, user.id).await?;
    let line = Line::of_account(AuditAction::EmailUndo, Caller::Anonymous, &link.email, &["email"]);
    audit::note_about(&txn, ports, line, user.id).await?;
    txn.commit().await?;
    password::mail_behind(ports, link.email.clone());
    Ok(link.email)
}

/// Mails another confirmation for the address that is not proven yet. Returns that address. Errors: `Conflict` when nothing waits
/// for a proof or no mail is set up, `TooOften`.
pub async fn send_confirmation(ports: &Ports, myself: &Myself, from: Option<AddressHash>) -> Result<String> {
    if !ports.mail.is_set_up() {
        return Err(Error::conflict(
            "No mail is set up on this server; the operator confirms an address with `footfall user confirm`.",
        ));
    }
    let user = myself.user();
    let unproven = user.email_verified_at.is_none().then_some(&user.email);
    let email = user.pending_email.as_ref().or(unproven);
    let email = email.ok_or_else(|| Error::conflict("The account's e-mail address is confirmed already."))?.clone();
    ports.attempts.take(Quota::AddressChange, Some(myself.id()), from, ports.now())?;
    let txn = ports.begin(myself).await?;
    let letter = confirmation(&txn, ports, myself.id(), &email).await?;
    txn.commit().await?;
    letters::send(ports, vec![letter]);
    Ok(email)
}

/// Makes a mail that asks to confirm an address; links of earlier ones stop working.
pub(crate) async fn confirmation(
    txn: &DatabaseTransaction,
    ports: &Ports,
    user: uuid::Uuid,
    email: &str,
) -> Result<Letter> {
    email_link::end_confirmations(txn, user).await?;
    let token = email_link::create(txn, ports, user, Purpose::Confirm, email).await?;
    Ok(Letter::confirm_address(ports, email, &token))
}

/// Confirms an address from the command line: that of an account, or the one that an account waits for. Errors: `NotFound`,
/// `Conflict` when several accounts wait for it.
pub async fn confirm_by_operator(ports: &Ports, operator: &Operator, email: &str) -> Result<()> {
    let email = email.trim().to_lowercase();
    let txn = ports.begin(operator).await?;
    let with = |column: user::Column| user::Entity::find().filter(column.eq(email.as_str()));
    let user = match with(user::Column::Email).one(&txn).await? {
        Some(user) => user,
        None => {
            let mut waiting = with(user::Column::PendingEmail).all(&txn).await?;
            let last = waiting.pop().ok_or_else(|| Error::not_found("An account with this e-mail address"))?;
            if !waiting.is_empty() {
                return Err(Error::conflict("Several accounts wait for this address; its owner confirms it by mail."));
            }
            last
        }
    };
    // A change to another address goes on waiting when the current one is confirmed.
    let waits_for = user.pending_email.clone().filter(|pending| *pending != email);
    prove(&txn, ports, &user, &email).await?;
    if let Some(pending) = waits_for {
        let row = user::ActiveModel { id: Unchanged(user.id), pending_email: Set(Some(pending)), ..Default::default() };
        row.update(&txn).await?;
    }
    let line = Line::of_account(AuditAction::EmailConfirm, Caller::Operator, &email, &["email"]);
    audit::note_about(&txn, ports, line, user.id).await?;
    txn.commit().await?;
    Ok(())
}

// Graph

/// Mutations that prove e-mail addresses.
#[derive(Debug, Default, Clone, Copy)]
pub struct EmailProofMutation;

#[Object]
impl EmailProofMutation {
    /// Confirms an e-mail address with the token of a mailed link: the account has it from then on.
    #[doc = access_line!(PUBLIC)]
    #[graphql(directive = access_directive::access::apply(On::Public, None, None))]
    async fn email_confirm(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The token.")] input: EmailConfirmInput,
    ) -> Option<async_graphql::Result<EmailConfirmPayload>> {
        let answer: async_graphql::Result<Option<EmailConfirmPayload>> = async {
            let cx = ctx.cx()?;
            let email = EmailAddress::stored(confirm(cx.ports(), &input.token, cx.from()).await?);
            Ok(Some(EmailConfirmPayload { email }))
        }
        .await;
        answer.transpose()
    }

    /// Undoes the change of an e-mail address with the token that was mailed to the old one, whether the new address was confirmed
    /// or not. Ends all sessions of the account and mails a way to choose a new password.
    #[doc = access_line!(PUBLIC)]
    #[graphql(directive = access_directive::access::apply(On::Public, None, None))]
    async fn email_undo(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The token.")] input: EmailUndoInput,
    ) -> Option<async_graphql::Result<EmailUndoPayload>> {
        let answer: async_graphql::Result<Option<EmailUndoPayload>> = async {
            let cx = ctx.cx()?;
            let email = EmailAddress::stored(undo(cx.ports(), &input.token, cx.from()).await?);
            Ok(Some(EmailUndoPayload { email }))
        }
        .await;
        answer.transpose()
    }

    /// Mails another link that confirms the signed-in user's unproven e-mail address. A `CONFLICT` when it is confirmed already, or no
    /// mail is set up.
    #[doc = access_line!(USER)]
    #[graphql(directive = access_directive::access::apply(On::User, None, None))]
    async fn email_send_confirmation(
        &self,
        ctx: &Context<'_>,
    ) -> Option<async_graphql::Result<EmailSendConfirmationPayload>> {
        let answer: async_graphql::Result<Option<EmailSendConfirmationPayload>> = async {
            let (cx, myself) = (ctx.cx()?, ctx.myself().await?);
            let email = EmailAddress::stored(send_confirmation(cx.ports(), &myself, cx.from()).await?);
            Ok(Some(EmailSendConfirmationPayload { email }))
        }
        .await;
        answer.transpose()
    }
}
