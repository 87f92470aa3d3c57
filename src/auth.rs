//! Authentication for GraphQL and REST: resolves credentials to callers.

use std::{net::IpAddr, sync::Arc};

use async_graphql::{Request, Value, Variables, parser::types::OperationType};
use async_trait::async_trait;
use axum::http::HeaderMap;
use hmac::{Hmac, Mac as _};
use schema::{
    AddressHash, Cx, Ports,
    access::{Access, Caller, authorize},
    api_key::usage,
    auth::{caller_of_key, caller_of_token, or_refused},
    caller::RequestOrigin,
    changes::Moment,
    error::{Error, Result},
    ports::Limits,
};
use sha2::Sha256;
use uuid::Uuid;

use crate::{
    http::{Admit, Admitted, Asker, Credential, origin_of},
    ingest::{address::household, identity::Secret},
    rate_limit::{Callers, Meter, Person},
    rest::{Auth, Gate, Pass, Refusal},
    turns::{Turn, Turns},
};

/// Cost limit per document for authenticated callers when plan limits are off: a page of 1,000 visitors with every
/// field, with room to spare.
pub const UNLIMITED_COST: u64 = 50_000;

/// Checks credentials against the control plane.
#[derive(Clone)]
pub struct Door {
    /// Shared, so that a request answered from memory copies nothing of it.
    ports: Arc<Ports>,
    /// Key for hashes of IP addresses. It outlives the process, because the known networks of accounts are stored under
    /// these hashes.
    keyed: Hmac<Sha256>,
    turns: Turns,
    callers: Arc<Callers>,
}

impl Door {
    /// Creates the authenticator for these ports, which counts people in `callers`.
    #[must_use]
    pub fn new(ports: Ports, callers: Arc<Callers>, secret: &Secret) -> Self {
        Self { ports: Arc::new(ports), keyed: secret.keyed("network"), turns: Turns::default(), callers }
    }

    /// The hash of a client's IP address.
    fn hash_of(&self, client: IpAddr) -> AddressHash {
        let mut keyed = self.keyed.clone();
        match household(client) {
            IpAddr::V4(address) => keyed.update(&address.octets()),
            IpAddr::V6(address) => keyed.update(&address.octets()),
        }
        let hash = keyed.finalize().into_bytes();
        AddressHash(hash.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn ports(&self) -> Ports {
        Ports::clone(&self.ports)
    }

    async fn caller(&self, credential: &Credential, sender: RequestOrigin<'_>) -> Result<Caller> {
        match credential {
            Credential::None => Ok(Caller::Anonymous),
            Credential::Key(key) => caller_of_key(&self.ports, key, sender).await,
            Credential::Token(token) => caller_of_token(&self.ports, token).await,
        }
    }
}

#[async_trait]
impl Admit for Door {
    async fn admit(&self, asker: &Asker, request: Request) -> Result<Admitted> {
        let caller = or_refused(self.caller(&asker.credential, asker.sender()).await)?;
        let request = request.data(Cx::new(self.ports(), caller).from_address(asker.from));
        Ok(Admitted { request, caller, is_known: caller.known().is_ok() })
    }

    fn spend(&self, asker: &Asker, caller: Caller, units: u32) -> Result<()> {
        let (meter, refused) = self.count(caller, asker.client, units);
        // Operations of one socket share an asker; headers are those of its first answer.
        let _ = asker.meter.set(meter);
        refused.map_or(Ok(()), Err)
    }

    async fn count_refused(&self, asker: &Asker) -> Result<()> {
        match self.caller(&asker.credential, asker.sender()).await {
            Ok(caller) => Admit::spend(self, asker, caller, 1),
            Err(_) => Ok(()),
        }
    }

    async fn turn(&self, caller: Caller, kind: OperationType) -> Turn {
        self.turns.turn(caller, kind).await
    }

    fn address(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> (Option<IpAddr>, Option<AddressHash>) {
        let client = self.callers.client(peer, headers);
        (client, client.map(|client| self.hash_of(client)))
    }

    fn cost_limit(&self, credential: &Credential) -> Option<u64> {
        match (credential, self.ports.limits) {
            (Credential::None, _) => None,
            (_, Limits::Off) => Some(UNLIMITED_COST),
            (_, Limits::Plans) => None,
        }
    }
}

#[async_trait]
impl Gate for Door {
    async fn admit(&self, headers: &HeaderMap, peer: Option<IpAddr>, auth: Auth) -> Result<Pass, Refusal> {
        let (client, from) = Admit::address(self, peer, headers);
        let credential = Credential::read(headers)?;
        let fits = match (auth, &credential) {
            (Auth::None, _) => {
                let live = self.ports.live.version();
                let moment = self.ports.changes.moment(None, self.ports.now()).with_live(live);
                return self.pass(Caller::Anonymous, (client, from), Some((Uuid::nil(), moment)));
            }
            (Auth::Key, Credential::Key(_)) | (Auth::Bearer, Credential::Token(_)) => true,
            _ => false,
        };
        if !fits {
            return Err(Error::unauthenticated(match auth {
                Auth::Key => {
                    "API key is missing or not valid. Send a key that starts with `zv_` in the header `X-API-Key`."
                }
                _ => "Missing or invalid authorization header. Send `Authorization: Bearer <access token>`.",
            })
            .into());
        }
        let sender = RequestOrigin { address: client, origin: origin_of(headers) };
        let caller = self.caller(&credential, sender).await?;
        let moment = match caller {
            // Taken before the team is read.
            Caller::Key { id, team, .. } => Some((id, self.ports.changes.moment(Some(team), self.ports.now()))),
            _ => None,
        };
        self.pass(caller, (client, from), moment)
    }

    async fn turn(&self, pass: &Pass, kind: OperationType) -> Turn {
        self.turns.turn(pass.caller, kind).await
    }

    async fn reach(&self, pass: &Pass, access: &[Access], path: &Variables) -> Result<(), Error> {
        let cx = Cx::new(self.ports(), pass.caller);
        for rule in access {
            match rule.on.argument() {
                None => authorize(&cx, *rule, "id", "").await?,
                // Objects that are not in the path are checked by the resolver.
                Some(field) => {
                    if let Some(Value::String(id)) = path.get(field) {
                        authorize(&cx, *rule, field, id).await?;
                    }
                }
            }
        }
        Ok(())
    }
}

impl Door {
    /// Counts `units` requests. Returns the caller's limits, and the error of a caller over one of them.
    fn count(&self, caller: Caller, client: Option<IpAddr>, units: u32) -> (Meter, Option<Error>) {
        let person = match caller {
            Caller::Key { id, .. } => match usage::spend(&self.ports, id, units) {
                Some((standing, refused)) => {
                    if standing.window.spent == units {
                        self.callers.note_country(&self.ports, id, client);
                    }
                    return (Meter::of_key(&standing, self.ports.clock.now()), refused);
                }
                None => Person::Address(client),
            },
            Caller::User { user, .. } => Person::User(user),
            Caller::Anonymous | Caller::Refused(_) | Caller::Operator => Person::Address(client),
        };
        self.callers.spend(person, units)
    }

    /// Counts a request of REST: each is one, whatever its document costs. Errors: a caller over its limit.
    fn pass(
        &self,
        caller: Caller,
        (client, from): (Option<IpAddr>, Option<AddressHash>),
        moment: Option<(Uuid, Moment)>,
    ) -> Result<Pass, Refusal> {
        let (meter, refused) = self.count(caller, client, 1);
        if let Some(error) = refused {
            return Err(Refusal { error, meter: Some(Box::new(meter)) });
        }
        let ports = Arc::clone(&self.ports);
        let dress = move |request: Request| request.data(Cx::new(Ports::clone(&ports), caller).from_address(from));
        Ok(Pass { caller, dress: Arc::new(dress), meter: Some(meter), moment })
    }
}
