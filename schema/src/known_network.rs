//! Networks from which accounts have signed in. Failures from elsewhere do not lock out their devices.
//!
//! - Only keyed hashes are stored, at most [`MAX_NETWORKS`] per account.

use entity::known_network;
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, sea_query::OnConflict,
};
use uuid::Uuid;

use crate::{access::Unproven, caller::AddressHash, error::Result, ports::Ports};

/// Maximum number of networks per account; the least recently seen are dropped.
const MAX_NETWORKS: u64 = 20;

fn spelled(from: AddressHash) -> String {
    format!("{:016x}", from.0)
}

/// Whether the account has signed in from this network. The query takes the same time for an unknown account.
pub(crate) async fn is_known(ports: &Ports, user: Option<Uuid>, from: Option<AddressHash>) -> Result<bool> {
    let Some(from) = from else { return Ok(false) };
    let key = (user.unwrap_or(Uuid::nil()), spelled(from));
    Ok(known_network::Entity::find_by_id(key).one(ports.database.reader(&Unproven::new())).await?.is_some())
}

/// Records that the account has signed in from this network.
pub(crate) async fn remember(
    db: &impl ConnectionTrait,
    ports: &Ports,
    user: Uuid,
    from: Option<AddressHash>,
) -> Result<()> {
    let Some(from) = from else { return Ok(()) };
    let row = known_network::ActiveModel {
        user_id: Set(user),
        network_hash: Set(spelled(from)),
        last_seen_at: Set(ports.now()),
    };
    let seen_again = OnConflict::columns([known_network::Column::UserId, known_network::Column::NetworkHash])
        .update_column(known_network::Column::LastSeenAt)
        .to_owned();
    known_network::Entity::insert(row).on_conflict(seen_again).exec_without_returning(db).await?;
    let oldest_kept = known_network::Entity::find()
        .filter(known_network::Column::UserId.eq(user))
        .order_by_desc(known_network::Column::LastSeenAt)
        .offset(MAX_NETWORKS - 1)
        .one(db)
        .await?;
    if let Some(oldest) = oldest_kept {
        known_network::Entity::delete_many()
            .filter(known_network::Column::UserId.eq(user))
            .filter(known_network::Column::LastSeenAt.lt(oldest.last_seen_at))
            .exec(db)
            .await?;
    }
    Ok(())
}

/// Deletes all networks of an account: one of them may be an intruder's.
pub(crate) async fn forget(db: &impl ConnectionTrait, user: Uuid) -> Result<()> {
    known_network::Entity::delete_many().filter(known_network::Column::UserId.eq(user)).exec(db).await?;
    Ok(())
}
