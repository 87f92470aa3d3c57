//! Turns: limits the concurrent requests of each caller so that there is room for the others.
//!
//! - A turn lasts until the response is written: writing megabytes is as much work as computing them.
//! - A request waits for its turn within its time limit.
//! - Subscriptions need no turn: each is limited separately.

use async_graphql::parser::types::OperationType;
use schema::access::Caller;
use uuid::Uuid;

use crate::fair_queue::{self, FairQueue, Places};

/// Requests that run at the same time. More than there are processors, as most of them wait for a store.
const PLACES: Places = Places { total: 24, alone: 16, beside_others: 2 };

/// Anonymous mutations that run at the same time: signing in waits for password hashes, which have a bound of their own.
const SIGN_INS: Places = Places { total: 16, alone: 16, beside_others: 16 };

/// Client of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Share {
    /// One account.
    User(Uuid),
    /// The API keys of one team.
    Keys(Uuid),
    /// All anonymous queries together.
    Anonymous,
    /// The person at the command line.
    Operator,
}

/// The queues that requests wait in.
#[derive(Clone)]
pub struct Turns {
    requests: FairQueue<Share>,
    /// Anonymous mutations: signing in waits for no public dashboard.
    sign_ins: FairQueue<()>,
}

/// A request's turn, until dropped. The default is that of a server without queues.
#[derive(Default)]
#[must_use]
pub struct Turn(#[expect(dead_code, reason = "dropping it ends the turn")] Option<Place>);

enum Place {
    Request(#[expect(dead_code, reason = "as above")] fair_queue::Turn<Share>),
    SignIn(#[expect(dead_code, reason = "as above")] fair_queue::Turn<()>),
}

impl Default for Turns {
    fn default() -> Self {
        Self { requests: FairQueue::new(PLACES), sign_ins: FairQueue::new(SIGN_INS) }
    }
}

impl Turns {
    /// Waits for the caller's turn to run a query or a mutation.
    pub async fn turn(&self, caller: Caller, kind: OperationType) -> Turn {
        let share = match caller {
            Caller::User { user, .. } => Share::User(user),
            Caller::Key { team, .. } => Share::Keys(team),
            Caller::Operator => Share::Operator,
            Caller::Anonymous | Caller::Refused(_) if kind == OperationType::Mutation => {
                return Turn(Some(Place::SignIn(self.sign_ins.turn(()).await)));
            }
            Caller::Anonymous | Caller::Refused(_) => Share::Anonymous,
        };
        Turn(Some(Place::Request(self.requests.turn(share).await)))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn signing_in_waits_for_no_public_dashboard() {
        let turns = Turns::default();
        let turn = |kind| turns.turn(Caller::Anonymous, kind).now_or_never();
        let dashboards: Vec<_> = (0..40).filter_map(|_| turn(OperationType::Query)).collect();
        assert_eq!(dashboards.len(), PLACES.alone);
        for _ in 0..100 {
            assert!(turn(OperationType::Mutation).is_some());
        }
        drop(dashboards);
        assert!(turn(OperationType::Query).is_some());
    }
}
