//! The e-mail address of an account: changed by its owner, unless an identity provider outside keeps it.

use async_graphql::{Context, InputObject, Object, SimpleObject};
use entity::{password_reset, user};
use sea_orm::{
    ActiveModelTrait as _,
    ActiveValue::{Set, Unchanged},
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _,
};

use super::{User, creation::TAKEN};
use crate::{
    access::{Myself, On, stated},
    audit::{self, AuditAction, Line},
    cx::Reach as _,
    error::{Error, Result},
    ports::Ports,
    scalars::EmailAddress,
};

// Vocabulary

/// A new e-mail address.
#[derive(InputObject, Debug, Clone)]
pub struct UserUpdateEmailInput {
    /// The new address, different from the current one.
    pub email: EmailAddress,
}

/// The account after the change.
#[derive(SimpleObject)]
pub struct UserUpdateEmailPayload {
    /// The account.
    pub user: User,
}

// Rules

/// How people call an identity provider: `google` is Google.
pub(crate) fn called(provider: &str) -> String {
    match provider {
        "github" => "GitHub".to_owned(),
        "gitlab" => "GitLab".to_owned(),
        "linkedin" | "linkedin_oidc" => "LinkedIn".to_owned(),
        other => {
            let mut letters = other.chars();
            letters.next().map_or_else(String::new, |first| first.to_uppercase().to_string() + letters.as_str())
        }
    }
}

/// The provider that an account signs in with elsewhere, as people call it; `None` for one with a password here.
pub(crate) fn elsewhere(user: &user::Model) -> Option<String> {
    match (&user.provider, &user.password_hash) {
        (Some(provider), _) => Some(called(provider)),
        (None, None) => Some("your identity provider".to_owned()),
        (None, Some(_)) => None,
    }
}

/// Errors: `Invalid` for an account that signs in elsewhere.
pub(crate) fn may_change(user: &user::Model) -> Result<()> {
    match elsewhere(user) {
        None => Ok(()),
        Some(provider) => Err(Error::invalid(
            "email",
            format!("cannot be changed here: this account signs in with {provider}; change the address there"),
        )),
    }
}

/// What a change of the address brings with it: mails to the old one open nothing any more, and the log has a line.
pub(crate) async fn follow_up(db: &impl ConnectionTrait, ports: &Ports, myself: &Myself) -> Result<()> {
    password_reset::Entity::delete_many().filter(password_reset::Column::UserId.eq(myself.id())).exec(db).await?;
    let target = &myself.user().email;
    let line = Line::of_account(AuditAction::UserUpdateEmail, myself.caller(), target, &["email"]);
    audit::note(db, ports, line).await
}

/// Classifies a failed change of an account.
pub(crate) fn failed(source: sea_orm::DbErr) -> Error {
    match source {
        sea_orm::DbErr::RecordNotUpdated => Error::unauthenticated("This account does not exist any more."),
        source => Error::of_write(source, format!("{TAKEN}; choose another.")),
    }
}

/// Changes the address. Sessions go on. Errors: `Invalid` for an account that signs in elsewhere and for the current address,
/// `Conflict` for one that another account has.
pub async fn change(ports: &Ports, myself: &Myself, email: &EmailAddress) -> Result<Myself> {
    may_change(myself.user())?;
    if myself.user().email == email.as_str() {
        return Err(Error::invalid("email", "is the account's address already; another one is expected"));
    }
    let row =
        user::ActiveModel { id: Unchanged(myself.id()), email: Set(email.as_str().to_owned()), ..Default::default() };
    let txn = ports.begin().await?;
    follow_up(&txn, ports, myself).await?;
    let row = row.update(&txn).await.map_err(failed)?;
    txn.commit().await?;
    myself.changed(row)
}

// Graph

/// Mutations of e-mail addresses.
#[derive(Debug, Default, Clone, Copy)]
pub struct EmailMutation;

#[Object]
impl EmailMutation {
    /// Changes the signed-in user's e-mail address. An account that signs in with an identity provider changes it there. Mails
    /// about a forgotten password that went to the old address open nothing any more.
    #[doc = access_line!(USER)]
    #[graphql(directive = stated::access::apply(On::User, None, None))]
    async fn user_update_email(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new address.")] input: UserUpdateEmailInput,
    ) -> Option<async_graphql::Result<UserUpdateEmailPayload>> {
        let answer: async_graphql::Result<Option<UserUpdateEmailPayload>> = async {
            let myself = change(ctx.cx()?.ports(), &ctx.myself().await?, &input.email).await?;
            Ok(Some(UserUpdateEmailPayload { user: User(myself) }))
        }
        .await;
        answer.transpose()
    }
}
