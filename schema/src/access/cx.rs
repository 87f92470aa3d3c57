//! What a resolver can use: the ports, the caller, the request's loaders.

use tokio::sync::{Semaphore, SemaphorePermit};
use uuid::Uuid;

use crate::{
    caller::{AddressHash, Caller},
    error::{Error, Result},
    ports::Ports,
};

use super::{Unproven, loaders::Loaders};

/// ID of one request: in `x-request-id`, in every error, in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestId(pub Uuid);

/// Per-request data. The HTTP layer puts one into each request with `Request::data`.
pub struct Cx {
    ports: Ports,
    caller: Caller,
    from: Option<AddressHash>,
    loaders: Loaders,
    long_reads: Semaphore,
}

impl Cx {
    /// The data of one request. Call it inside the async runtime: the loaders spawn their batches there.
    #[must_use]
    pub fn new(ports: Ports, caller: Caller) -> Self {
        let loaders = Loaders::new(ports.database.reader(&Unproven::new()).clone(), ports.events.clone(), caller);
        Self { ports, caller, from: None, loaders, long_reads: Semaphore::new(1) }
    }

    /// The same, for a request that came from this address.
    #[must_use]
    pub fn from_address(self, from: Option<AddressHash>) -> Self {
        Self { from, ..self }
    }

    /// Where the request came from; `None` if no network was involved.
    #[must_use]
    pub fn from(&self) -> Option<AddressHash> {
        self.from
    }

    /// The ports.
    #[must_use]
    pub fn ports(&self) -> &Ports {
        &self.ports
    }

    /// The caller.
    #[must_use]
    pub fn caller(&self) -> Caller {
        self.caller
    }

    /// Waits until no other field of the request reads rows of megabytes, so that one request leaves connections to others.
    pub(crate) async fn long_read(&self) -> Result<SemaphorePermit<'_>> {
        self.long_reads.acquire().await.map_err(Error::internal)
    }

    pub(crate) fn loaders(&self) -> &Loaders {
        &self.loaders
    }
}
