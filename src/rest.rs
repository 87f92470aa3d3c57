//! REST as documents: each route is a GraphQL operation in the repository, and one handler serves them all.
//!
//! - A document that does not match the schema stops the server at start.
//! - Errors are checked in the order 401, 403 or 404, 400, 409; the body is read only after access was checked.
//! - A response is complete or an error: REST never returns partial data.

pub mod answer;
pub mod auth;
pub mod body;
pub mod body_keys;
pub mod document;
pub mod document_source;
pub mod envelope;
pub mod openapi;
pub mod pagination;
pub mod projection;
pub mod rest_names;
pub mod selection;
pub mod variables;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc};

use async_graphql::{Value, Variables};
use axum::{Router, extract::Request, routing::any};
use schema::{access::Access, schema_index::SchemaIndex};

pub use self::auth::{Auth, Execute, Gate, Pass, Refusal, Shell};
use self::{
    answer::{Answering, Route},
    document::Operation,
};

/// The public path of the REST API description.
pub const OPENAPI_PATH: &str = "/api/external/v1/openapi.json";

/// The same, where tools look first.
pub const OPENAPI_AT_ROOT: &str = "/openapi.json";

/// The loaded REST API.
pub struct Rest {
    operations: Vec<Arc<Operation>>,
    index: Arc<SchemaIndex>,
    beside: openapi::Beside,
}

/// One row of the route table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteRow {
    /// HTTP method.
    pub method: String,
    /// Path with `:name` segments.
    pub path: String,
    /// The required credential.
    pub auth: Auth,
    /// Status of a success.
    pub status: u16,
    /// Name of the operation.
    pub operation: String,
    /// Access rules of the root fields.
    pub access: Vec<Access>,
}

/// A persisted operation as it is executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored<'a> {
    /// Its name.
    pub name: &'a str,
    /// `sha256:` and the hash of its text in hexadecimal.
    pub id: &'a str,
    /// Its text, without comments and without the adapter's directives.
    pub text: &'a str,
}

impl Rest {
    /// Reads documents against a schema. Errors: a message that names the invalid operation.
    pub fn load(documents: &[&str], index: Arc<SchemaIndex>) -> Result<Self, String> {
        let mut operations: Vec<Arc<Operation>> = Vec::new();
        for document in documents {
            for operation in document::read(document, &index)? {
                if let Some(other) = operations.iter().find(|other| other.clashes_with(&operation)) {
                    return Err(format!("operations {} and {} clash in name or route", other.name, operation.name));
                }
                operations.push(Arc::new(operation));
            }
        }
        Ok(Self { operations, index, beside: openapi::Beside::new() })
    }

    /// Describes other routes that are mounted beside these, from a JSON object: path, method, OpenAPI operation.
    /// Errors: a message, when it is invalid.
    pub fn beside(mut self, described: &str) -> Result<Self, String> {
        self.beside = serde_json::from_str(described).map_err(|error| format!("the routes beside: {error}"))?;
        Ok(self)
    }

    /// The index of the schema that the operations are over.
    #[must_use]
    pub fn index(&self) -> Arc<SchemaIndex> {
        Arc::clone(&self.index)
    }

    /// The routes, in the order of the documents.
    #[must_use]
    pub fn table(&self) -> Vec<RouteRow> {
        let row = |operation: &Arc<Operation>| RouteRow {
            method: operation.method.to_string(),
            path: operation.path.clone(),
            auth: operation.auth,
            status: operation.status.as_u16(),
            operation: operation.name.clone(),
            access: operation.access.clone(),
        };
        self.operations.iter().map(row).collect()
    }

    /// The operations as they are executed: persisted documents with their IDs.
    pub fn stored(&self) -> impl Iterator<Item = Stored<'_>> {
        self.operations.iter().map(|o| Stored { name: &o.name, id: &o.id, text: &o.text })
    }

    /// The JSON that REST shows as `data` when the persisted operation of that name returned `answer` for `variables`:
    /// tests compare REST responses with it. `None` if there is no such operation.
    #[must_use]
    pub fn project(&self, name: &str, answer: &Value, variables: &Variables) -> Option<String> {
        let operation = self.operations.iter().find(|operation| operation.name == name)?;
        let mut out = Vec::new();
        answer::project(operation, answer, &variables::echoes(operation, variables), usize::MAX, &mut out);
        String::from_utf8(out).ok()
    }

    /// The API description, OpenAPI 3.1. The same documents and schema give the same description.
    #[must_use]
    pub fn openapi(&self) -> serde_json::Value {
        openapi::describe(self.operations.iter().map(AsRef::as_ref), &self.index, &self.beside)
    }

    /// The description as the text of the committed file.
    #[must_use]
    pub fn openapi_text(&self) -> String {
        format!("{:#}\n", self.openapi())
    }

    /// Mounts the routes, the description, and 404 for the rest of `/api`.
    pub fn router(&self, shell: Shell) -> Router {
        // Shared: the router copies its handlers for each request.
        let answering = Arc::new(Answering {
            shell,
            index: self.index.clone(),
            openapi: self.openapi().to_string().into(),
            remembered: answer::memory(),
        });
        let mut by_path: BTreeMap<String, Vec<Arc<Operation>>> = BTreeMap::new();
        for operation in &self.operations {
            by_path.entry(mounted(&operation.path)).or_default().push(operation.clone());
        }
        let routes = by_path.into_iter().map(|(path, operations)| (path, Route::Operations(operations)));
        let fixed = [OPENAPI_PATH, OPENAPI_AT_ROOT, "/api", "/api/", "/api/{*path}"].map(|path| {
            let route = if path.ends_with(OPENAPI_AT_ROOT) { Route::OpenApi } else { Route::Nothing };
            (path.to_owned(), route)
        });
        routes.chain(fixed).fold(Router::new(), |router, (path, route)| {
            let answering = answering.clone();
            let route = Arc::new(route);
            router.route(&path, any(async move |request: Request| answering.answer(&route, request).await))
        })
    }
}

/// The path in the router's syntax. Parameters are named by position, because routes that share a prefix may name them
/// differently.
fn mounted(path: &str) -> String {
    let segments = path.split('/').enumerate().map(|(position, segment)| {
        if segment.starts_with(':') { format!("{{p{position}}}") } else { segment.to_owned() }
    });
    segments.collect::<Vec<_>>().join("/")
}
