//! Mailed links about an account's address: single use, stored as digests only.
//!
//! - A confirmation proves that its recipient controls the mailbox. It is valid for a day.
//! - An undo link restores an old address. It is valid for seven days, during which no other account can use that
//!   address.

use chrono::Duration;
use entity::email_link;
use sea_orm::{
    ActiveModelTrait as _, ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DatabaseTransaction, EntityTrait as _,
    QueryFilter as _, Select, sea_query::Expr,
};
use uuid::Uuid;

use crate::{
    access::credential::digest,
    error::{Error, Result},
    ports::Ports,
};

/// Number of characters in a token.
const TOKEN: usize = 48;

/// The effect of opening a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Confirms the address.
    Confirm,
    /// Restores the address.
    Undo,
}

impl Purpose {
    /// Stored spelling. Never changed.
    fn text(self) -> &'static str {
        match self {
            Self::Confirm => "confirm",
            Self::Undo => "undo",
        }
    }

    fn lifetime(self) -> Duration {
        match self {
            Self::Confirm => Duration::days(1),
            Self::Undo => Duration::days(7),
        }
    }
}

/// Creates a link that gives `user` the address. Returns its token, which is not stored.
pub(crate) async fn create(
    db: &impl ConnectionTrait,
    ports: &Ports,
    user: Uuid,
    purpose: Purpose,
    email: &str,
) -> Result<String> {
    let (now, token) = (ports.now(), ports.ids.secret(TOKEN));
    email_link::ActiveModel {
        id: Set(ports.ids.uuid()),
        user_id: Set(user),
        purpose: Set(purpose.text().to_owned()),
        email: Set(email.to_owned()),
        hash: Set(digest(&token)),
        created_at: Set(now),
        expires_at: Set(now + purpose.lifetime()),
        used_at: Set(None),
    }
    .insert(db)
    .await?;
    Ok(token)
}

/// Links that are still valid.
fn working(ports: &Ports, purpose: Purpose) -> Select<email_link::Entity> {
    email_link::Entity::find()
        .filter(email_link::Column::Purpose.eq(purpose.text()))
        .filter(email_link::Column::UsedAt.is_null())
        .filter(email_link::Column::ExpiresAt.gt(ports.now()))
}

/// The link for a token. Errors: `Invalid` if it is unknown, used or expired.
pub(crate) async fn find(
    db: &impl ConnectionTrait,
    ports: &Ports,
    purpose: Purpose,
    token: &str,
) -> Result<email_link::Model> {
    let found = working(ports, purpose).filter(email_link::Column::Hash.eq(digest(token))).one(db).await?;
    found.ok_or_else(refused)
}

/// The message for an invalid token.
pub(crate) fn refused() -> Error {
    Error::invalid("token", "is unknown, used or expired; request a new mail")
}

/// Uses up a link. Errors: `Invalid` when another request did so first.
pub(crate) async fn use_up(txn: &DatabaseTransaction, ports: &Ports, link: &email_link::Model) -> Result<()> {
    let used = email_link::Entity::update_many()
        .col_expr(email_link::Column::UsedAt, Expr::value(ports.now()))
        .filter(email_link::Column::Id.eq(link.id))
        .filter(email_link::Column::UsedAt.is_null())
        .exec(txn)
        .await?;
    if used.rows_affected == 1 { Ok(()) } else { Err(refused()) }
}

/// Invalidates confirmations of an account: a newer one was mailed, or the address changed in another way.
pub(crate) async fn end_confirmations(db: &impl ConnectionTrait, user: Uuid) -> Result<()> {
    email_link::Entity::delete_many()
        .filter(email_link::Column::UserId.eq(user))
        .filter(email_link::Column::Purpose.eq(Purpose::Confirm.text()))
        .exec(db)
        .await?;
    Ok(())
}

/// Invalidates undo links created at the time of `link` or later: the addresses they restore came after it.
pub(crate) async fn end_later_undos(db: &impl ConnectionTrait, link: &email_link::Model) -> Result<()> {
    email_link::Entity::delete_many()
        .filter(email_link::Column::UserId.eq(link.user_id))
        .filter(email_link::Column::Purpose.eq(Purpose::Undo.text()))
        .filter(email_link::Column::CreatedAt.gte(link.created_at))
        .filter(email_link::Column::Id.ne(link.id))
        .exec(db)
        .await?;
    Ok(())
}

/// Whether an undo link of another account can still restore this address.
pub(crate) async fn is_reserved(
    db: &impl ConnectionTrait,
    ports: &Ports,
    email: &str,
    user: Option<Uuid>,
) -> Result<bool> {
    let mut links = working(ports, Purpose::Undo).filter(email_link::Column::Email.eq(email));
    if let Some(user) = user {
        links = links.filter(email_link::Column::UserId.ne(user));
    }
    Ok(links.one(db).await?.is_some())
}
