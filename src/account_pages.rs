//! Pages that mailed links open: confirm an address, undo its change, or sign up with an invitation.
//!
//! - Opening a page changes nothing, because mail programs prefetch links; only submitting its form (POST) does.
//! - A page loads no other resources and is not cached. `Referer` never passes on the token in its URL.

use std::{collections::HashMap, net::SocketAddr};

use async_graphql::{Request, Variables, parser::types::OperationType};
use axum::{
    Extension, Form, Router,
    extract::{ConnectInfo, DefaultBodyLimit, Query, State, rejection::FormRejection},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use schema::{Error, Schema, ports::Page};
use serde_json::json;

use crate::{
    auth::Door,
    rest::{Auth, Gate as _},
    widgets::words::escaped,
};

/// Maximum size of a form, in bytes.
const MAX_FORM: usize = 16 * 1024;

const HEADERS: [(HeaderName, HeaderValue); 3] = [
    (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        ),
    ),
];

/// Fields of a form.
type Fields = HashMap<String, String>;

/// State shared by the pages.
#[derive(Clone)]
struct Pages {
    schema: Schema,
    door: Door,
}

/// Mounts the pages.
pub fn routes(schema: Schema, door: Door) -> Router {
    let pages = Pages { schema, door };
    Page::ALL
        .into_iter()
        .fold(Router::new(), |router, page| {
            let show = async move |Query(fields): Query<Fields>| shown(page, &fields, None);
            let act = async move |State(pages): State<Pages>,
                                  peer: Option<Extension<ConnectInfo<SocketAddr>>>,
                                  headers: HeaderMap,
                                  form: Result<Form<Fields>, FormRejection>| {
                pages.act(page, peer.map(|Extension(ConnectInfo(peer))| peer), &headers, form).await
            };
            router.route(page.path(), get(show).post(act))
        })
        .layer(DefaultBodyLimit::max(MAX_FORM))
        .with_state(pages)
}

/// Texts of a page: title, message and button.
fn words(page: Page) -> (&'static str, &'static str, &'static str) {
    match page {
        Page::ConfirmEmail => {
            ("Confirm your e-mail address", "Confirm that this e-mail address belongs to you.", "Confirm the address")
        }
        Page::UndoEmail => (
            "Keep your old e-mail address",
            "This undoes the change of your account's e-mail address and ends all sessions. You will receive a mail to choose a new password.",
            "Undo the change",
        ),
        Page::Invitation => {
            ("Sign up", "You are invited to Footfall. Create an account for the invited address.", "Create account")
        }
    }
}

/// Input fields: name, label, type, whether it is required.
fn inputs(page: Page) -> &'static [(&'static str, &'static str, &'static str, bool)] {
    match page {
        Page::Invitation => &[
            ("email", "E-mail address", "email", true),
            ("full_name", "Name", "text", false),
            ("password", "Password, 8 characters or more", "password", true),
        ],
        Page::ConfirmEmail | Page::UndoEmail => &[],
    }
}

/// The document to execute, its variables, and the text before the address in the success message.
fn operation(page: Page, fields: &Fields) -> (&'static str, serde_json::Value, &'static str) {
    let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
    match page {
        Page::ConfirmEmail => (
            "mutation($input: EmailConfirmInput!) { done: emailConfirm(input: $input) { email } }",
            json!({ "input": { "token": field("token") } }),
            "Confirmed. Your account's e-mail address is",
        ),
        Page::UndoEmail => (
            "mutation($input: EmailUndoInput!) { done: emailUndo(input: $input) { email } }",
            json!({ "input": { "token": field("token") } }),
            "Undone. Your account's e-mail address is",
        ),
        Page::Invitation => (
            "mutation($input: SignUpInput!) { done: signUp(input: $input) { user { email } } }",
            json!({ "input": {
                "invitation": field("token"), "email": field("email"), "password": field("password"), "fullName": field("full_name")
            } }),
            "Your account was created. Sign in as",
        ),
    }
}

impl Pages {
    async fn act(
        &self,
        page: Page,
        peer: Option<SocketAddr>,
        headers: &HeaderMap,
        form: Result<Form<Fields>, FormRejection>,
    ) -> Response {
        let Ok(Form(fields)) = form else {
            let error = Error::invalid("body", "must be a form of at most 16 KiB");
            return shown(page, &Fields::new(), Some(&error));
        };
        let pass = match self.door.admit(headers, peer.map(|peer| peer.ip()), Auth::None).await {
            Ok(pass) => pass,
            Err(refusal) => return shown(page, &fields, Some(&refusal.error)),
        };
        let (document, variables, said) = operation(page, &fields);
        let request = Request::new(document).variables(Variables::from_json(variables));
        let request = (pass.dress)(request);
        let _turn = self.door.turn(&pass, OperationType::Mutation).await;
        let response = self.schema.execute(request).await;
        if let Some(error) = response.errors.first() {
            let known = error.source::<Error>().cloned();
            // An error of the framework concerns a value of the wrong type.
            return shown(page, &fields, Some(&known.unwrap_or_else(|| Error::invalid("form", error.message.clone()))));
        }
        let done = response.data.into_json().unwrap_or_default();
        let email = done["done"]["email"].as_str().or(done["done"]["user"]["email"].as_str()).unwrap_or_default();
        let text = format!("<p role=\"status\">{said} <strong>{}</strong>.</p>", escaped(email));
        (HEADERS, document_of(words(page).0, &text)).into_response()
    }
}

/// The form, with the error of the last attempt.
fn shown(page: Page, fields: &Fields, error: Option<&Error>) -> Response {
    let (title, lead, button) = words(page);
    let action = page.path().rsplit('/').next().unwrap_or_default();
    let field = |name: &str| escaped(fields.get(name).map(String::as_str).unwrap_or_default());
    let mut body = format!("<p>{lead}</p>");
    if let Some(error) = error {
        body += &format!("<p role=\"alert\">{}</p>", escaped(&error.message()));
    }
    body += &format!("<form method=\"post\" action=\"{action}\">");
    body += &format!("<input type=\"hidden\" name=\"token\" value=\"{}\">", field("token"));
    for (name, label, kind, is_needed) in inputs(page) {
        let value = if *kind == "password" { String::new() } else { field(name) };
        let required = if *is_needed { " required" } else { "" };
        body += &format!("<label>{label} <input type=\"{kind}\" name=\"{name}\" value=\"{value}\"{required}></label>");
    }
    body += &format!("<button>{button}</button></form>");
    let mut response = (HEADERS, document_of(title, &body)).into_response();
    if let Some(error) = error {
        *response.status_mut() = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if let Some(seconds) = error.retry_after() {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
    }
    response
}

fn document_of(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title} · Footfall</title><style>{STYLE}</style><main><h1>{title}</h1>{body}</main></html>"
    )
}

const STYLE: &str = ":root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;margin:0}\
    main{max-width:26rem;margin:10vh auto;padding:0 1rem}h1{font-size:1.4rem}label{display:block;margin:0 0 1rem}\
    input:not([type=hidden]){display:block;width:100%;box-sizing:border-box;font:inherit;padding:.4rem}\
    button{font:inherit;padding:.5rem 1rem}[role=alert]{border-left:4px solid #c62828;padding-left:.75rem}";
