//! The e-mail address of an account. The owner can change it, unless an external identity provider manages it.
//!
//! - If mail is configured, a new address takes effect when its mailed link is opened, and the old address receives a
//!   link to undo the change.

use async_graphql::{Context, InputObject, Object, SimpleObject};
use chrono::Duration;
use entity::{password_reset, user};
use sea_orm::{
    ActiveModelTrait as _,
    ActiveValue::{Set, Unchanged},
    ColumnTrait as _, DatabaseTransaction, EntityTrait as _, QueryFilter as _,
};

use super::{
    User,
    email_link::{self, Purpose},
    email_proof,
    rules::{TAKEN, external_login, failed},
};
use crate::{
    access::{Myself, On, Reach as _, access_directive},
    attempts::Quota,
    audit::{self, AuditAction, Line},
    caller::AddressHash,
    error::{Error, Result},
    letters::{self, Letter},
    password,
    ports::Ports,
    scalars::EmailAddress,
    session,
};

// Vocabulary

/// Minutes for which a sign-in counts as recent.
const RECENT_MINUTES: i64 = 10;

/// Input for changing the e-mail address.
#[derive(InputObject, Debug, Clone)]
pub struct UserUpdateEmailInput {
    /// New address, different from the current one.
    pub email: EmailAddress,
    /// Password of the account. Required if mail is configured and the user signed in more than ten minutes ago.
    #[graphql(secret)]
    pub password: Option<String>,
}

/// The account after the change.
#[derive(SimpleObject)]
pub struct UserUpdateEmailPayload {
    /// The account.
    pub user: User,
}

// Rules

/// Errors: `Invalid` for an account with external sign-in.
pub(crate) fn may_change(user: &user::Model) -> Result<()> {
    match external_login(user) {
        None => Ok(()),
        Some(provider) => Err(Error::invalid(
            "email",
            format!("cannot be changed: this account signs in with {provider}; change the address there"),
        )),
    }
}

/// Errors: `Invalid` unless the password is correct or the user signed in less than ten minutes ago; `TooManyAttempts`.
/// Without mail no recent sign-in is required, because the address cannot be used to recover the account.
async fn authenticate(
    ports: &Ports,
    myself: &Myself,
    password: Option<String>,
    from: Option<AddressHash>,
) -> Result<()> {
    if let Some(password) = password {
        return password::verify(ports, myself, "password", password, from).await;
    }
    if !ports.mail.is_set_up() {
        return Ok(());
    }
    let signed_in_at = session::signed_in_at(ports, myself).await?;
    if signed_in_at.is_some_and(|at| ports.now() < at + Duration::minutes(RECENT_MINUTES)) {
        return Ok(());
    }
    Err(Error::invalid("password", "is required because you signed in more than ten minutes ago"))
}

/// Checks that the caller may change the address to `email` now. Errors: `Invalid` for an account with external sign-in
/// and without a recent sign-in or the password, `TooManyAttempts`, `TooOften`.
pub(crate) async fn allow(
    ports: &Ports,
    myself: &Myself,
    password: Option<String>,
    from: Option<AddressHash>,
) -> Result<()> {
    may_change(myself.user())?;
    authenticate(ports, myself, password, from).await?;
    ports.attempts.take(Quota::AddressChange, Some(myself.id()), from, ports.now())
}

/// Writes the new address to `row`; if mail is configured, as the pending one. Returns the mails to send after the
/// commit. Errors: `Conflict` for an address that another account has or can still restore.
pub(crate) async fn assign(
    txn: &DatabaseTransaction,
    ports: &Ports,
    myself: &Myself,
    email: &EmailAddress,
    row: &mut user::ActiveModel,
) -> Result<Vec<Letter>> {
    let (old, new) = (myself.user(), email.as_str());
    let taken = || Error::conflict(format!("{TAKEN}. Choose another one."));
    if email_link::is_reserved(txn, ports, new, Some(old.id)).await? {
        return Err(taken());
    }
    let caller = myself.caller();
    if !ports.mail.is_set_up() {
        row.email = Set(new.to_owned());
        row.email_verified_at = Set(None);
        row.pending_email = Set(None);
        // Secrets mailed to the old address become invalid.
        password_reset::Entity::delete_many().filter(password_reset::Column::UserId.eq(old.id)).exec(txn).await?;
        audit::note(txn, ports, Line::of_account(AuditAction::UserUpdateEmail, caller, &old.email, &["email"])).await?;
        return Ok(Vec::new());
    }
    if user::Entity::find().filter(user::Column::Email.eq(new)).one(txn).await?.is_some() {
        return Err(taken());
    }
    row.pending_email = Set(Some(new.to_owned()));
    let mut letters = vec![email_proof::confirmation(txn, ports, old.id, new).await?];
    // Mail to an address that was never confirmed may reach anyone.
    if old.pending_email.as_ref() != Some(&old.email) {
        let token = email_link::create(txn, ports, old.id, Purpose::Undo, &old.email).await?;
        letters.push(Letter::address_changed(ports, &old.email, new, &token));
    }
    let line = Line::of_account(AuditAction::UserUpdateEmail, caller, &old.email, &["pendingEmail"]);
    audit::note(txn, ports, line).await?;
    Ok(letters)
}

/// Changes the address; if mail is configured, once the new one is confirmed. Sessions stay valid. Errors: `Invalid`
/// for an account with external sign-in, for the current address, and without a recent sign-in or the password;
/// `Conflict` for an address of another account; `TooManyAttempts`, `TooOften`.
pub async fn change(
    ports: &Ports,
    myself: &Myself,
    email: &EmailAddress,
    password: Option<String>,
    from: Option<AddressHash>,
) -> Result<Myself> {
    may_change(myself.user())?;
    if myself.user().email == email.as_str() {
        return Err(Error::invalid("email", "must differ from the current address"));
    }
    allow(ports, myself, password, from).await?;
    let mut row = user::ActiveModel { id: Unchanged(myself.id()), ..Default::default() };
    let txn = ports.begin(myself).await?;
    let letters = assign(&txn, ports, myself, email, &mut row).await?;
    let row = row.update(&txn).await.map_err(failed)?;
    txn.commit().await?;
    letters::send(ports, letters);
    myself.changed(row)
}

// Graph

/// E-mail address mutations.
#[derive(Debug, Default, Clone, Copy)]
pub struct EmailMutation;

#[Object]
impl EmailMutation {
    /// Changes the signed-in user's e-mail address. If mail is configured, the new address is `pendingEmail` until its
    /// mailed link is opened, and the old address receives a link that undoes the change within seven days. Pending
    /// password resets become invalid. Accounts with an external identity provider change the address there.
    #[doc = access_line!(USER)]
    #[graphql(directive = access_directive::access::apply(On::User, None, None))]
    async fn user_update_email(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new address.")] input: UserUpdateEmailInput,
    ) -> Option<async_graphql::Result<UserUpdateEmailPayload>> {
        let answer: async_graphql::Result<Option<UserUpdateEmailPayload>> = async {
            let (cx, myself) = (ctx.cx()?, ctx.myself().await?);
            let myself = change(cx.ports(), &myself, &input.email, input.password, cx.from()).await?;
            Ok(Some(UserUpdateEmailPayload { user: User(myself) }))
        }
        .await;
        answer.transpose()
    }
}
