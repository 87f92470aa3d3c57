//! The `@access` directive, and the line in each description that repeats it.
//!
//! Introspection cannot show directives, so each description repeats the rule. A test keeps the two in agreement.

use async_graphql::{Enum, TypeDirective};

use super::{Admin, Editor, Owner, Role, Viewer, cx::Cx};
use crate::error::Result;

/// The object that a field checks access to.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[graphql(name = "AccessTarget")]
pub enum On {
    /// No object: the field is open to everyone.
    Public,
    /// The signed-in user.
    User,
    /// The API key of the request.
    ApiKey,
    /// The caller: a signed-in user or an API key.
    Caller,
    /// The team that the arguments identify, or the user's default team if they identify none.
    Team,
    /// The website that the arguments identify.
    Website,
    /// The conversation that the arguments identify.
    Conversation,
    /// The conversation that the arguments identify. The caller must be its author or an admin of its team.
    AuthoredConversation,
    /// The object with the given global ID. Its type determines the rule.
    Node,
}

/// Access rule of the field: the target, the minimum role on the target, and whether anonymous callers are allowed on a
/// website with a public dashboard.
#[TypeDirective(location = "FieldDefinition")]
pub fn access(on: On, min: Option<Role>, public: Option<bool>) {}

/// One row of the access matrix, as declared in the SDL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stated {
    /// The type, such as `Query` or `Team`.
    pub parent: String,
    /// Name of the field.
    pub field: String,
    /// The object that the field checks access to.
    pub on: On,
    /// The minimum role; `None` where roles do not apply.
    pub min: Option<Role>,
    /// Whether anonymous callers are allowed on a website with a public dashboard.
    pub public: bool,
}

/// The access line of a description. `on` and `min` are spelled as in the schema ([`On`], [`Role`]).
macro_rules! access_line {
    (PUBLIC) => {
        "\nAccess: anyone."
    };
    (USER) => {
        "\nAccess: a signed-in user."
    };
    (API_KEY) => {
        "\nAccess: an API key."
    };
    (CALLER) => {
        "\nAccess: a signed-in user or an API key."
    };
    (NODE, $role:ident) => {
        concat!("\nAccess: ", stringify!($role), " or above in the object's team, or the user's own account.")
    };
    (TEAM, $role:ident) => {
        concat!("\nAccess: ", stringify!($role), " or above in the team.")
    };
    (CONVERSATION, $role:ident) => {
        concat!("\nAccess: ", stringify!($role), " or above in the conversation's team; no API key.")
    };
    (AUTHORED_CONVERSATION) => {
        "\nAccess: the author of the conversation, or ADMIN or above in its team; no API key."
    };
    (WEBSITE, $role:ident) => {
        concat!("\nAccess: ", stringify!($role), " or above on the website.")
    };
    (WEBSITE, $role:ident, public) => {
        concat!("\nAccess: ", stringify!($role), " or above on the website; anyone if its dashboard is public.")
    };
}

/// Reads the access matrix from an SDL, in document order. Fields without `@access` are omitted.
#[must_use]
pub fn stated_in(sdl: &str) -> Vec<Stated> {
    use async_graphql::parser::types::{TypeKind, TypeSystemDefinition};

    let Ok(document) = async_graphql::parser::parse_schema(sdl) else { return Vec::new() };
    let mut rows = Vec::new();
    for definition in &document.definitions {
        let TypeSystemDefinition::Type(definition) = definition else { continue };
        let parent = definition.node.name.node.as_str();
        let TypeKind::Object(object) = &definition.node.kind else { continue };
        for field in &object.fields {
            let Some(directive) = field.node.directives.iter().find(|each| each.node.name.node == "access") else {
                continue;
            };
            let read = |name: &str| directive.node.get_argument(name).map(|value| value.node.clone());
            let Some(on) = read("on").and_then(|value| async_graphql::InputType::parse(Some(value)).ok()) else {
                continue;
            };
            rows.push(Stated {
                parent: parent.to_owned(),
                field: field.node.name.node.to_string(),
                on,
                min: read("min").and_then(|value| async_graphql::InputType::parse(Some(value)).ok()),
                public: read("public").is_some_and(|value| value == async_graphql::Value::Boolean(true)),
            });
        }
    }
    rows
}

/// Checks access like a root field that declares `on` and `min`, for the argument or path parameter `field` with value
/// `id`, so that an adapter can refuse a request before it reads the body. Errors: as the field itself, 401, 400
/// (malformed ID), 404, 403.
pub async fn ask(cx: &Cx, on: On, min: Role, field: &str, id: &str) -> Result<()> {
    match on {
        On::Public => Ok(()),
        On::User => cx.myself().await.map(drop),
        On::ApiKey => cx.key().await.map(drop),
        On::Caller | On::Node => cx.caller().known().map(drop),
        On::Team => match min {
            Role::Viewer => cx.team::<Viewer>(field, id).await.map(drop),
            Role::Editor => cx.team::<Editor>(field, id).await.map(drop),
            Role::Admin => cx.team::<Admin>(field, id).await.map(drop),
            Role::Owner => cx.team::<Owner>(field, id).await.map(drop),
        },
        On::Conversation => match min {
            Role::Viewer => cx.chat::<Viewer>(field, id).await.map(drop),
            Role::Editor => cx.chat::<Editor>(field, id).await.map(drop),
            Role::Admin => cx.chat::<Admin>(field, id).await.map(drop),
            Role::Owner => cx.chat::<Owner>(field, id).await.map(drop),
        },
        On::AuthoredConversation => cx.authored_chat(field, id).await.map(drop),
        On::Website => match min {
            Role::Viewer => cx.site::<Viewer>(field, id).await.map(drop),
            Role::Editor => cx.site::<Editor>(field, id).await.map(drop),
            Role::Admin => cx.site::<Admin>(field, id).await.map(drop),
            Role::Owner => cx.site::<Owner>(field, id).await.map(drop),
        },
    }
}
