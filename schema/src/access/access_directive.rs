//! What the schema states about access: the `@access` directive, and the line in each description that repeats it.
//!
//! Introspection cannot show directives, so the description says the same; a test holds the two together.

use async_graphql::{Enum, TypeDirective};

use super::{Admin, Editor, Owner, Role, Viewer, cx::Cx};
use crate::error::Result;

/// What a root field asks access to.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[graphql(name = "AccessTarget")]
pub enum On {
    /// Nothing: anyone may.
    Public,
    /// The signed-in user.
    User,
    /// The API key that is presented.
    ApiKey,
    /// The team that the arguments name; the user's default team where they name none.
    Team,
    /// The website that the arguments name.
    Website,
    /// The conversation that the arguments name.
    Conversation,
    /// The conversation that the arguments name, as its author or an admin of its team.
    AuthoredConversation,
    /// The thing with that global id, whatever its type asks.
    Node,
}

/// Who may use the field: the target, the least role on it, and whether a website that is open to the public opens it to anyone.
#[TypeDirective(location = "FieldDefinition")]
pub fn access(on: On, min: Option<Role>, public: Option<bool>) {}

/// One row of the access matrix, as the SDL states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stated {
    /// `Query`, `Mutation` or `Subscription`.
    pub root: String,
    /// The root field.
    pub field: String,
    /// What it asks access to.
    pub on: On,
    /// The least role; `None` where a role has no meaning.
    pub min: Option<Role>,
    /// Whether a website that is open to the public opens it to anyone.
    pub public: bool,
}

/// The description's line for a target and least role, as [`On`] and [`Role`] spell them in the schema.
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
    (NODE, $role:ident) => {
        concat!("\nAccess: ", stringify!($role), " of the thing's team; one's own account.")
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
        concat!(
            "\nAccess: ",
            stringify!($role),
            " or above on the website; anyone where the website is open to the public."
        )
    };
}

/// Reads the access matrix out of an SDL, in its order. Root fields without `@access` are left out.
#[must_use]
pub fn stated_in(sdl: &str) -> Vec<Stated> {
    use async_graphql::parser::types::{TypeKind, TypeSystemDefinition};

    let Ok(document) = async_graphql::parser::parse_schema(sdl) else { return Vec::new() };
    let mut rows = Vec::new();
    for definition in &document.definitions {
        let TypeSystemDefinition::Type(definition) = definition else { continue };
        let root = definition.node.name.node.as_str();
        let TypeKind::Object(object) = &definition.node.kind else { continue };
        if !matches!(root, "Query" | "Mutation" | "Subscription") {
            continue;
        }
        for field in &object.fields {
            let Some(directive) = field.node.directives.iter().find(|each| each.node.name.node == "access") else {
                continue;
            };
            let read = |name: &str| directive.node.get_argument(name).map(|value| value.node.clone());
            let Some(on) = read("on").and_then(|value| async_graphql::InputType::parse(Some(value)).ok()) else {
                continue;
            };
            rows.push(Stated {
                root: root.to_owned(),
                field: field.node.name.node.to_string(),
                on,
                min: read("min").and_then(|value| async_graphql::InputType::parse(Some(value)).ok()),
                public: read("public").is_some_and(|value| value == async_graphql::Value::Boolean(true)),
            });
        }
    }
    rows
}

/// Asks access as a root field that states `on` and `min` would, for the argument or path parameter `field` with value `id`:
/// so that an adapter can refuse before it reads a body. Errors as the field's own: 401, 400 (malformed id), 404, 403.
pub async fn ask(cx: &Cx, on: On, min: Role, field: &str, id: &str) -> Result<()> {
    match on {
        On::Public => Ok(()),
        On::User => cx.myself().await.map(drop),
        On::ApiKey => cx.key().await.map(drop),
        On::Node => cx.caller().known().map(drop),
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
