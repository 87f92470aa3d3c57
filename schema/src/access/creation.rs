//! Mutations that create a row, at most once per `clientMutationId`.

use async_graphql::{Context, Value};
use uuid::Uuid;

use super::{Caller, Reach as _, credential::digest};
use crate::{
    database::Proof,
    error::{Error, Result},
    idempotency::IdempotencyKey,
    ports::Ports,
};

/// A mutation that creates a row.
pub(crate) struct Creation {
    ports: Ports,
    key: Option<IdempotencyKey>,
}

/// What a creation led to.
pub(crate) enum Outcome<T> {
    /// The row was created.
    Created(T),
    /// An earlier request with the same key created the row with this ID.
    Repeated(Uuid),
}

impl Creation {
    /// The mutation that is resolved, with its `clientMutationId`. Errors: 401; `Invalid` for a malformed key.
    pub(crate) fn new(ctx: &Context<'_>, client_mutation_id: Option<&str>) -> Result<Self> {
        let cx = ctx.cx()?;
        let key = match client_mutation_id {
            None => None,
            Some(id) => {
                Some(IdempotencyKey::new(caller(cx.caller())?, ctx.field().name(), id, hash(ctx)?, cx.ports().now())?)
            }
        };
        let ports = match &key {
            None => cx.ports().clone(),
            Some(key) => Ports { database: cx.ports().database.taking(key.clone()), ..cx.ports().clone() },
        };
        Ok(Self { ports, key })
    }

    /// The ports that the rule must use: its transaction takes the key and has to note the row.
    pub(crate) fn ports(&self) -> &Ports {
        &self.ports
    }

    /// Runs the rule, unless the row exists already. Errors: `Invalid` if the key was sent with another input.
    pub(crate) async fn run<T>(&self, proof: &impl Proof, rule: impl Future<Output = Result<T>>) -> Result<Outcome<T>> {
        let Some(key) = &self.key else { return rule.await.map(Outcome::Created) };
        let reader = self.ports.database.reader(proof);
        if let Some(id) = key.earlier(reader).await? {
            return Ok(Outcome::Repeated(id));
        }
        match rule.await {
            Ok(created) => Ok(Outcome::Created(created)),
            // A concurrent request with the same key came first.
            Err(error) => key.earlier(reader).await?.map(Outcome::Repeated).ok_or(error),
        }
    }
}

/// The ID to which keys belong.
fn caller(caller: Caller) -> Result<Uuid> {
    match caller.known()? {
        Caller::User { user, .. } => Ok(user),
        Caller::Key { id, .. } => Ok(id),
        Caller::Operator | Caller::Anonymous | Caller::Refused(_) => {
            Err(Error::broken("a mutation of a caller without an account"))
        }
    }
}

/// Hash of the mutation's arguments, in whatever order members were sent.
fn hash(ctx: &Context<'_>) -> Result<String> {
    let arguments = ctx.field().arguments().map_err(|error| Error::broken(error.message))?;
    let mut arguments = Value::Object(arguments.into_iter().collect());
    sort(&mut arguments);
    Ok(digest(&arguments.to_string()))
}

fn sort(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.sort_keys();
            members.values_mut().for_each(sort);
        }
        Value::List(items) => items.iter_mut().for_each(sort),
        _ => {}
    }
}
