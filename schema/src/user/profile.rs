//! The profile of an account. Partial updates: omitted fields stay unchanged.

use async_graphql::{Context, InputObject, MaybeUndefined, Object, SimpleObject};
use entity::user;
use sea_orm::{
    ActiveModelTrait as _,
    ActiveValue::{Set, Unchanged},
};

use super::{
    User, email,
    rules::{FULL_NAME, checked_name, failed},
};
use crate::{
    access::{Myself, On, Reach as _, access_directive},
    audit::{self, AuditAction, Line},
    caller::AddressHash,
    constraint::{Constrained, Constraint, not_null},
    error::Result,
    letters,
    ports::Ports,
    scalars::{EmailAddress, Url},
};

// Vocabulary

/// Changes to the signed-in user's profile. Omitted fields stay unchanged.
#[derive(InputObject, Debug, Clone, Default)]
pub struct UserUpdateInput {
    /// Full name, at most 100 characters; null or empty removes it.
    #[graphql(directive = Constrained::apply(FULL_NAME))]
    pub full_name: MaybeUndefined<String>,
    /// URL of a picture; null removes it.
    pub avatar_url: MaybeUndefined<Url>,
    /// E-mail address, with the rules of `userUpdateEmail`. The current address is accepted and changes nothing.
    /// Accounts with an external identity provider change the address there. Cannot be null.
    #[graphql(directive = Constrained::apply(Constraint::NOT_NULL))]
    pub email: MaybeUndefined<EmailAddress>,
    /// Password of the account. Required to change the e-mail address if mail is configured and the user signed in more
    /// than ten minutes ago.
    #[graphql(secret)]
    pub password: Option<String>,
}

/// The account after the change.
#[derive(SimpleObject)]
pub struct UserUpdatePayload {
    /// The account.
    pub user: User,
}

// Rules

/// Applies the changes of the input, all or nothing. Errors: `Invalid`, `Conflict` for an address of another account,
/// `TooManyAttempts`, `TooOften`.
pub async fn update(
    ports: &Ports,
    myself: &Myself,
    input: UserUpdateInput,
    from: Option<AddressHash>,
) -> Result<Myself> {
    let mut row = user::ActiveModel { id: Unchanged(myself.id()), ..Default::default() };
    let mut changed = Vec::new();
    if !input.full_name.is_undefined() {
        row.full_name = Set(checked_name(input.full_name.take())?);
        changed.push("fullName");
    }
    if !input.avatar_url.is_undefined() {
        row.avatar_url = Set(input.avatar_url.take().map(|url| url.as_str().to_owned()));
        changed.push("avatarUrl");
    }
    let address = match not_null("email", input.email)? {
        Some(address) if address.as_str() != myself.user().email => {
            email::allow(ports, myself, input.password, from).await?;
            Some(address)
        }
        _ => None,
    };
    if changed.is_empty() && address.is_none() {
        return Ok(myself.clone());
    }
    let txn = ports.begin(myself).await?;
    if !changed.is_empty() {
        let target = &myself.user().email;
        audit::note(&txn, ports, Line::of_account(AuditAction::UserUpdate, myself.caller(), target, &changed)).await?;
    }
    let letters = match &address {
        Some(address) => email::assign(&txn, ports, myself, address, &mut row).await?,
        None => Vec::new(),
    };
    let row = row.update(&txn).await.map_err(failed)?;
    txn.commit().await?;
    letters::send(ports, letters);
    myself.changed(row)
}

// Graph

/// Profile mutations.
#[derive(Debug, Default, Clone, Copy)]
pub struct ProfileMutation;

#[Object]
impl ProfileMutation {
    /// Changes the signed-in user's profile. Omitted fields stay unchanged; an empty input changes nothing.
    #[doc = access_line!(USER)]
    #[graphql(directive = access_directive::access::apply(On::User, None, None))]
    async fn user_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The changes to apply.")] input: UserUpdateInput,
    ) -> Option<async_graphql::Result<UserUpdatePayload>> {
        let answer: async_graphql::Result<Option<UserUpdatePayload>> = async {
            let (cx, myself) = (ctx.cx()?, ctx.myself().await?);
            let myself = update(cx.ports(), &myself, input, cx.from()).await?;
            Ok(Some(UserUpdatePayload { user: User(myself) }))
        }
        .await;
        answer.transpose()
    }
}
