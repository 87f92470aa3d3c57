//! Confirmation of e-mail addresses by mailed links, and undoing a change.

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
    error_code::{ErrorCode, errors},
    known_network,
    letters::{self, Letter},
    password,
    ports::Ports,
    scalars::EmailAddress,
    session,
};

// Vocabulary

/// Input for confirming an e-mail address.
#[derive(InputObject, Debug, Clone)]
pub struct EmailConfirmInput {
    /// Token of the mailed link. Works once, within a day.
    #[graphql(secret)]
    pub token: String,
}

/// Input for undoing the change of an e-mail address.
#[derive(InputObject, Debug, Clone)]
pub struct EmailUndoInput {
    /// Token of the mailed link. Works once, within seven days.
    #[graphql(secret)]
    pub token: String,
}

/// The result of confirming an e-mail address.
#[derive(SimpleObject)]
pub struct EmailConfirmPayload {
    /// Current e-mail address of the account.
    pub email: EmailAddress,
}

/// The result of undoing the change of an e-mail address.
#[derive(SimpleObject)]
pub struct EmailUndoPayload {
    /// Restored e-mail address of the account. All its sessions ended.
    pub email: EmailAddress,
}

/// The result of mailing another confirmation.
#[derive(SimpleObject)]
pub struct EmailSendConfirmationPayload {
    /// Recipient of the mail. Links in earlier mails stopped working.
    pub email: EmailAddress,
}

// Rules

/// Makes `email`, the account's pending or current address, its confirmed address. Errors: `Conflict` when another
/// account has it.
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
        // Password reset mails went to the old address.
        password_reset::Entity::delete_many().filter(password_reset::Column::UserId.eq(user.id)).exec(txn).await?;
    }
    email_link::end_confirmations(txn, user.id).await
}

/// Gives an account the address that a mailed link confirms. Returns it. Errors: `Invalid` for an invalid token,
/// `Conflict` if another account has taken the address in the meantime, `TooManyAttempts`.
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

/// Restores the former address of an account, ends all its sessions, and mails a link to choose a new password. Returns
/// the address. Errors: `Invalid` for an invalid token, `TooManyAttempts`.
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

/// Mails another confirmation for the unconfirmed address. Returns that address. Errors: `Conflict` if nothing awaits
/// confirmation or mail is not configured, `TooOften`.
pub async fn send_confirmation(ports: &Ports, myself: &Myself, from: Option<AddressHash>) -> Result<String> {
    if !ports.mail.is_set_up() {
        return Err(Error::conflict(
            "Mail is not configured on this server. The operator can confirm the address with `footfall user confirm`.",
        ));
    }
    let user = myself.user();
    let unproven = user.email_verified_at.is_none().then_some(&user.email);
    let email = user.pending_email.as_ref().or(unproven);
    let email = email.ok_or_else(|| Error::conflict("The account's e-mail address is already confirmed."))?.clone();
    ports.attempts.take(Quota::AddressChange, Some(myself.id()), from, ports.now())?;
    let txn = ports.begin(myself).await?;
    let letter = confirmation(&txn, ports, myself.id(), &email).await?;
    txn.commit().await?;
    letters::send(ports, vec![letter]);
    Ok(email)
}

/// Creates a mail that asks to confirm an address; links in earlier ones stop working.
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

/// Confirms an address from the command line: an account's current or pending one. Errors: `NotFound`, `Conflict` when
/// it is pending for several accounts.
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
                return Err(Error::conflict(
                    "This address is pending for several accounts. Its owner must confirm it by mail.",
                ));
            }
            last
        }
    };
    // A pending change to another address stays pending when the current one is confirmed.
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

/// E-mail confirmation mutations.
#[derive(Debug, Default, Clone, Copy)]
pub struct EmailProofMutation;

#[Object]
impl EmailProofMutation {
    /// Confirms an e-mail address with the token of a mailed link. The address becomes the account's address.
    #[doc = access_line!(PUBLIC)]
    #[graphql(directive = access_directive::access::apply(On::Public, None, None))]
    async fn email_confirm(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The token from the mailed link.")] input: EmailConfirmInput,
    ) -> Option<async_graphql::Result<EmailConfirmPayload>> {
        let answer: async_graphql::Result<Option<EmailConfirmPayload>> = async {
            let cx = ctx.cx()?;
            let email = EmailAddress::stored(confirm(cx.ports(), &input.token, cx.from()).await?);
            Ok(Some(EmailConfirmPayload { email }))
        }
        .await;
        answer.transpose()
    }

    /// Undoes the change of an e-mail address with the token mailed to the old address, even if the new address was
    /// confirmed. Ends all sessions of the account and mails a link to choose a new password.
    #[doc = access_line!(PUBLIC)]
    #[graphql(directive = access_directive::access::apply(On::Public, None, None))]
    async fn email_undo(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The token from the mailed link.")] input: EmailUndoInput,
    ) -> Option<async_graphql::Result<EmailUndoPayload>> {
        let answer: async_graphql::Result<Option<EmailUndoPayload>> = async {
            let cx = ctx.cx()?;
            let email = EmailAddress::stored(undo(cx.ports(), &input.token, cx.from()).await?);
            Ok(Some(EmailUndoPayload { email }))
        }
        .await;
        answer.transpose()
    }

    /// Mails another link to confirm the signed-in user's e-mail address. Fails with `CONFLICT` if it is already
    /// confirmed or mail is not configured.
    #[doc = access_line!(USER)]
    #[graphql(directive = access_directive::access::apply(On::User, None, None), directive = errors::apply(vec![ErrorCode::Conflict]))]
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
