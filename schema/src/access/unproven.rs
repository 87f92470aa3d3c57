//! The database before anything is proven: for code that finds out who the caller is.

/// Opens the database to credential checks, sign-in and sign-up, mailed links, and the rules that ingest obeys.
///
/// `tests/it/tidy` lists the files that use it, each with its reason.
#[derive(Debug, Clone, Copy)]
pub struct Unproven(());

impl Unproven {
    /// States that nothing is proven here.
    pub(crate) const fn new() -> Self {
        Self(())
    }
}
