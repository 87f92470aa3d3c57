//! Batching by ID, one set per request. Nothing else uses the dataloader.
//!
//! - Other modules pass a proof; only `access` passes bare IDs.
//! - Nothing is cached: a mutation sees the effects of earlier mutations in the same document.
//! - Row and membership are read in one query, so that an access check costs one round trip for any number of IDs.

mod rows;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_graphql::{
    dataloader::{DataLoader, Loader},
    runtime::Timer,
};
use entity::{
    api_key, conversation, goal, ip_exclusion, membership, notification_preferences, ownership_offer, path_exclusion,
    team, user, website,
};
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, try_join_all},
    task::{FutureObj, Spawn, SpawnError},
};
use sea_orm::DatabaseConnection;
use tokio::task::AbortHandle;
use uuid::Uuid;

use self::rows::Rows;
use super::{Chat, Level, Myself, Site, Team, Viewer, VisibleLine, public_website::ShowsWebsite};
use crate::{
    analytics::plan::{Answer, Asker, Basis, Panel, Plan},
    caller::Caller,
    error::{Error, Result},
    ports::Events,
};

/// Key for a website and the caller's level on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct SiteKey(pub(super) Uuid);

/// Key for a team and the caller's level in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct TeamKey(pub(super) Uuid);

/// Key for a conversation and the caller's level in its team.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ChatKey(pub(super) Uuid);

/// Key for a row without an access check, for callers that already hold a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct TeamRow(Uuid);
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct UserRow(Uuid);
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct KeyRow(Uuid);

/// Key for the ownership offer to a member, for callers that hold the team's proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct OfferTo(Uuid);

/// Key for a website's notification preferences, for callers that hold its proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct NotificationsOf(Uuid);

/// Key for a website's exclusions, for callers that hold its proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct IpsOf(Uuid);
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct PathsOf(Uuid);

/// Key for a website's goals, for callers that may see its figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct GoalsOf(Uuid);

/// A row and the caller's level on it; no level means no access.
pub(super) type Reached<M> = (Arc<M>, Option<i16>);

/// One panel of an analytics query.
type PanelKey = (Asker, Basis, Panel);

/// The request's loaders.
pub(crate) struct Loaders(DataLoader<Rows>, DataLoader<Panels>);

impl Loaders {
    pub(super) fn new(db: DatabaseConnection, events: Arc<dyn Events>, caller: Caller) -> Self {
        Self(
            DataLoader::new(Rows { db, caller }, Batches::default(), NextTurn),
            DataLoader::new(Panels(events), Batches::default(), NextTurn),
        )
    }

    /// The result of one panel. Panels over the same basis that are requested together share one plan.
    pub(crate) async fn panel(
        &self,
        proof: &impl ShowsWebsite,
        asker: Asker,
        basis: &Basis,
        panel: Panel,
    ) -> Result<Answer> {
        if basis.website != proof.website().id() {
            return Err(Error::broken("a website's proof met a question about another"));
        }
        let answer = self.1.load_one((asker, basis.clone(), panel)).await?;
        answer.ok_or_else(|| Error::broken("the event store left a panel unanswered"))
    }

    pub(super) async fn site(&self, key: SiteKey) -> Result<Option<Reached<website::Model>>> {
        self.0.load_one(key).await
    }

    pub(super) async fn team(&self, key: TeamKey) -> Result<Option<Reached<team::Model>>> {
        self.0.load_one(key).await
    }

    pub(super) async fn chat(&self, key: ChatKey) -> Result<Option<Reached<conversation::Model>>> {
        self.0.load_one(key).await
    }

    pub(super) async fn user(&self, id: Uuid) -> Result<Option<Arc<user::Model>>> {
        self.0.load_one(UserRow(id)).await
    }

    pub(super) async fn api_key(&self, id: Uuid) -> Result<Option<Arc<api_key::Model>>> {
        self.0.load_one(KeyRow(id)).await
    }

    async fn team_row(&self, id: Uuid) -> Result<Arc<team::Model>> {
        let row = self.0.load_one(TeamRow(id)).await?;
        row.ok_or_else(|| Error::broken("a row without its team"))
    }

    /// The team of a website, with the same role in it.
    pub(crate) async fn team_of_site<R: Level>(&self, site: &Site<R>) -> Result<Team<R>> {
        site.team(self.team_row(site.website().team_id).await?)
    }

    /// The team of a conversation, with the same role in it.
    pub(crate) async fn team_of_chat<R: Level>(&self, chat: &Chat<R>) -> Result<Team<R>> {
        chat.team(self.team_row(chat.conversation().team_id).await?)
    }

    /// The team of a membership of one's own.
    pub(crate) async fn team_of_part(&self, myself: &Myself, part: &membership::Model) -> Result<Team<Viewer>> {
        myself.team(self.team_row(part.team_id).await?, part)
    }

    /// The account of a member of the team.
    pub(crate) async fn member(&self, team: &Team<Viewer>, part: &membership::Model) -> Result<Arc<user::Model>> {
        team.holds(part.team_id)?;
        let row = self.user(part.user_id).await?;
        row.ok_or_else(|| Error::broken("a membership without its account"))
    }

    /// The account that a line of the audit log names; `None` when it is gone.
    pub(crate) async fn actor(&self, line: &VisibleLine) -> Result<Option<Arc<user::Model>>> {
        match line.row().user_id {
            Some(user) => self.user(user).await,
            None => Ok(None),
        }
    }

    /// The ownership offer to a member, by the membership's ID.
    pub(crate) async fn ownership_offer(
        &self,
        team: &Team<Viewer>,
        part: &membership::Model,
    ) -> Result<Option<ownership_offer::Model>> {
        team.holds(part.team_id)?;
        self.0.load_one(OfferTo(part.id)).await
    }

    /// The website's notification preferences; `None` if they were never set.
    pub(crate) async fn notifications(&self, site: &Site<Viewer>) -> Result<Option<notification_preferences::Model>> {
        self.0.load_one(NotificationsOf(site.id())).await
    }

    /// The website's IP exclusions, oldest first.
    pub(crate) async fn ip_exclusions(&self, site: &Site<Viewer>) -> Result<Vec<ip_exclusion::Model>> {
        Ok(self.0.load_one(IpsOf(site.id())).await?.unwrap_or_default())
    }

    /// The website's path exclusions, oldest first.
    pub(crate) async fn path_exclusions(&self, site: &Site<Viewer>) -> Result<Vec<path_exclusion::Model>> {
        Ok(self.0.load_one(PathsOf(site.id())).await?.unwrap_or_default())
    }

    /// The website's goals, oldest first.
    pub(crate) async fn goals(&self, proof: &impl ShowsWebsite) -> Result<Vec<goal::Model>> {
        Ok(self.0.load_one(GoalsOf(proof.website().id())).await?.unwrap_or_default())
    }
}

/// A batch is sent on the executor's next turn: by then its siblings are queued, without waiting for a timer.
struct NextTurn;

impl Timer for NextTurn {
    fn delay(&self, _: Duration) -> BoxFuture<'static, ()> {
        tokio::task::yield_now().boxed()
    }
}

/// Runs batches as tasks that end with the request: no query continues after the client disconnects or the time limit.
#[derive(Default)]
struct Batches(Mutex<Vec<AbortHandle>>);

impl Spawn for Batches {
    fn spawn_obj(&self, batch: FutureObj<'static, ()>) -> std::result::Result<(), SpawnError> {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A subscription's loaders live for long.
        running.retain(|batch| !batch.is_finished());
        running.push(tokio::spawn(batch).abort_handle());
        Ok(())
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner).iter().for_each(AbortHandle::abort);
    }
}

struct Panels(Arc<dyn Events>);

impl Loader<PanelKey> for Panels {
    type Value = Answer;
    type Error = Error;

    #[expect(
        clippy::mutable_key_type,
        reason = "the regular expressions of goals are hashed and compared by their text"
    )]
    async fn load(&self, keys: &[PanelKey]) -> Result<HashMap<PanelKey, Answer>> {
        let mut plans: HashMap<(Asker, &Basis), Vec<&Panel>> = HashMap::new();
        for (asker, basis, panel) in keys {
            plans.entry((*asker, basis)).or_default().push(panel);
        }
        let asked = plans.into_iter().map(|((asker, basis), panels)| async move {
            let plan = Plan { asker, basis: basis.clone(), panels: panels.into_iter().cloned().collect() };
            let answers = self.0.ask(&plan).await?;
            Ok::<_, Error>(
                plan.panels
                    .into_iter()
                    .zip(answers)
                    .map(move |(panel, answer)| ((asker, plan.basis.clone(), panel), answer)),
            )
        });
        Ok(try_join_all(asked).await?.into_iter().flatten().collect())
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    /// Never responds. Signals when it is called, and closes its channel when it is dropped.
    struct Endless(mpsc::UnboundedSender<()>);

    impl Loader<u8> for Endless {
        type Value = u8;
        type Error = Error;

        async fn load(&self, _: &[u8]) -> Result<HashMap<u8, u8>> {
            let asked = self.0.clone();
            asked.send(()).map_err(Error::internal)?;
            std::future::pending().await
        }
    }

    #[tokio::test]
    async fn a_batch_ends_with_its_request() {
        let (asked, mut asks) = mpsc::unbounded_channel();
        let loaders = DataLoader::new(Endless(asked), Batches::default(), NextTurn);
        tokio::select! {
            _ = loaders.load_one(1) => panic!("it never answers"),
            begun = asks.recv() => assert!(begun.is_some()),
        }
        drop(loaders);
        assert!(asks.recv().await.is_none(), "the batch was dropped");
    }
}
