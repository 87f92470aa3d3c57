//! Creation of teams, with an owner as the first member.

use entity::{membership, team};
use sea_orm::{ActiveModelTrait as _, ActiveValue::Set, DatabaseTransaction};
use uuid::Uuid;

use crate::{access::Role, error::Result, plan::PlanName, ports::Ports};

/// The name of an account's first team.
pub(crate) fn own_name(full_name: Option<&str>, email: &str) -> String {
    let owner = full_name.or_else(|| email.split('@').next()).unwrap_or(email);
    format!("{owner}'s team").chars().filter(|one| !one.is_control()).take(100).collect()
}

/// Creates a team that a user owns.
pub(crate) async fn found(txn: &DatabaseTransaction, ports: &Ports, owner: Uuid, name: String) -> Result<team::Model> {
    let team = insert_team(txn, ports, name).await?;
    insert_owner(txn, ports, team.id, owner).await?;
    Ok(team)
}

/// Creates a team on the Free plan without members: the account that refers to it is inserted afterwards.
pub(crate) async fn insert_team(txn: &DatabaseTransaction, ports: &Ports, name: String) -> Result<team::Model> {
    let team = team::ActiveModel {
        id: Set(ports.ids.uuid()),
        name: Set(name),
        plan: Set(PlanName::Free.text().to_owned()),
        created_at: Set(ports.now()),
    };
    Ok(team.insert(txn).await?)
}

/// Makes a user the owner of a team.
pub(crate) async fn insert_owner(txn: &DatabaseTransaction, ports: &Ports, team: Uuid, user: Uuid) -> Result<()> {
    let part = membership::ActiveModel {
        id: Set(ports.ids.uuid()),
        team_id: Set(team),
        user_id: Set(user),
        role: Set(Role::Owner.level()),
        created_at: Set(ports.now()),
        deactivated_at: Set(None),
    };
    part.insert(txn).await?;
    Ok(())
}
