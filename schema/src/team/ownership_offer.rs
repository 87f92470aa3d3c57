//! Rows of ownership offers: at most one per member.

use entity::{membership, ownership_offer};
use sea_orm::{ActiveValue::Set, ConnectionTrait, EntityTrait as _, sea_query::OnConflict};
use uuid::Uuid;

use crate::{error::Result, ports::Ports};

/// Offers ownership to a member; an earlier offer is replaced. `is_transfer`: the offering owner becomes an admin when
/// it is accepted.
pub(super) async fn offer(
    db: &impl ConnectionTrait,
    ports: &Ports,
    part: &membership::Model,
    offered_by: Uuid,
    is_transfer: bool,
) -> Result<()> {
    let row = ownership_offer::ActiveModel {
        membership_id: Set(part.id),
        offered_by: Set(offered_by),
        is_transfer: Set(is_transfer),
        created_at: Set(ports.now()),
    };
    let again = OnConflict::column(ownership_offer::Column::MembershipId)
        .update_columns([
            ownership_offer::Column::OfferedBy,
            ownership_offer::Column::IsTransfer,
            ownership_offer::Column::CreatedAt,
        ])
        .to_owned();
    ownership_offer::Entity::insert(row).on_conflict(again).exec_without_returning(db).await?;
    Ok(())
}

/// The offer to a member, if there is one.
pub(super) async fn offer_to(db: &impl ConnectionTrait, part: Uuid) -> Result<Option<ownership_offer::Model>> {
    Ok(ownership_offer::Entity::find_by_id(part).one(db).await?)
}

/// Withdraws the offer to a member, if there is one.
pub(super) async fn withdraw(db: &impl ConnectionTrait, part: Uuid) -> Result<()> {
    ownership_offer::Entity::delete_by_id(part).exec(db).await?;
    Ok(())
}
