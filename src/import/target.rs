//! The website that a log is imported into.

use async_trait::async_trait;
use schema::{Ports, access::Operator, error::Result};

use super::{Target, handover::Websites};

/// The website with this ID or domain, for an operator.
///
/// # Errors
/// `NotFound`; `Conflict` when several teams have the domain.
pub async fn find(ports: &Ports, operator: &Operator, id_or_domain: &str) -> Result<Target> {
    let site = operator.site(ports, id_or_domain).await?;
    Ok(Target { website: site.id(), domain: site.website().domain.clone() })
}

/// Website lookup in the control plane.
pub struct ByIdOrDomain {
    /// The schema's ports.
    pub ports: Ports,
    /// Proof that this process has locked the data folder.
    pub operator: Operator,
}

#[async_trait]
impl Websites for ByIdOrDomain {
    async fn find(&self, id_or_domain: &str) -> Result<Target> {
        find(&self.ports, &self.operator, id_or_domain).await
    }
}
