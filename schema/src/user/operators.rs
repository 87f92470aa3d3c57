//! Operators of the installation: the first account, and whom operators appoint.

use async_graphql::{Context, InputObject, Object, SimpleObject};
use entity::user;
use sea_orm::{
    ActiveModelTrait as _,
    ActiveValue::{Set, Unchanged},
    ColumnTrait as _, EntityTrait as _, PaginatorTrait as _, QueryFilter as _,
};

use crate::{
    access::{Installation, On, Reach as _, access_directive},
    audit::{self, AuditAction, Line},
    error::{Error, Result},
    ports::Ports,
    scalars::EmailAddress,
};

// Vocabulary

/// An account that becomes an operator, or is none any more.
#[derive(InputObject, Debug, Clone)]
pub struct UserUpdateOperatorInput {
    /// E-mail address of the account.
    pub email: EmailAddress,
    /// Whether the account operates the installation.
    pub is_operator: bool,
}

/// The account after the change.
#[derive(SimpleObject)]
pub struct UserUpdateOperatorPayload {
    /// E-mail address of the account.
    pub email: EmailAddress,
    /// Whether the account operates the installation.
    pub is_operator: bool,
}

// Rules

/// Makes an account an operator, or ends that. Errors: `NotFound`; `Conflict` for the last operator.
pub async fn set(ports: &Ports, installation: &Installation, email: &str, is_operator: bool) -> Result<()> {
    let email = email.trim().to_lowercase();
    let txn = ports.begin(installation).await?;
    let found = user::Entity::find().filter(user::Column::Email.eq(&email)).one(&txn).await?;
    let row = found.ok_or_else(|| Error::not_found("An account with this e-mail address"))?;
    if row.is_operator == is_operator {
        return Ok(());
    }
    if !is_operator && user::Entity::find().filter(user::Column::IsOperator.eq(true)).count(&txn).await? <= 1 {
        return Err(Error::conflict("This is the only operator. Appoint another one first."));
    }
    let change = user::ActiveModel { id: Unchanged(row.id), is_operator: Set(is_operator), ..Default::default() };
    change.update(&txn).await?;
    let line = Line::of_account(AuditAction::UserUpdateOperator, installation.caller(), &email, &["isOperator"]);
    audit::note(&txn, ports, line).await?;
    txn.commit_changing(&[], &[]).await
}

// Graph

/// Mutations of operators.
#[derive(Debug, Default, Clone, Copy)]
pub struct OperatorMutation;

#[Object]
impl OperatorMutation {
    /// Grants or revokes operator rights. Operators manage plans and invite people to sign up; they have no access to the
    /// websites of other teams. The last operator cannot be removed.
    #[doc = access_line!(OPERATOR)]
    #[graphql(directive = access_directive::access::apply(On::Operator, None, None))]
    async fn user_update_operator(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The account.")] input: UserUpdateOperatorInput,
    ) -> Option<async_graphql::Result<UserUpdateOperatorPayload>> {
        let answer: async_graphql::Result<Option<UserUpdateOperatorPayload>> = async {
            let cx = ctx.cx()?;
            let installation = cx.installation().await?;
            set(cx.ports(), &installation, input.email.as_str(), input.is_operator).await?;
            Ok(Some(UserUpdateOperatorPayload { email: input.email, is_operator: input.is_operator }))
        }
        .await;
        answer.transpose()
    }
}
