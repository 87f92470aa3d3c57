//! The `@access` directive, and the line in each description that repeats it.
//!
//! Introspection cannot show directives, so each description repeats the rule. A test keeps the two in agreement.

use async_graphql::{Enum, TypeDirective};

use super::Role;

/// The object that a field checks access to.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[graphql(name = "AccessTarget")]
pub enum On {
    /// No object: the field is open to everyone.
    Public,
    /// The signed-in user.
    User,
    /// The installation: an account that is an operator's.
    Operator,
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

/// The access rule of a field, as its `@access` states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// The object that the field checks access to.
    pub on: On,
    /// The minimum role; `None` where roles do not apply.
    pub min: Option<Role>,
    /// Whether anonymous callers are allowed on a website with a public dashboard.
    pub public: bool,
}

impl Access {
    /// The access line of the field's description.
    #[must_use]
    pub fn line(self) -> String {
        let role = self.min.map(|role| role.name().to_uppercase()).unwrap_or_default();
        match self.on {
            On::Public => "Access: anyone.".to_owned(),
            On::User => "Access: a signed-in user.".to_owned(),
            On::Operator => "Access: an operator of the installation.".to_owned(),
            On::ApiKey => "Access: an API key.".to_owned(),
            On::Caller => "Access: a signed-in user or an API key.".to_owned(),
            On::Node => format!("Access: {role} or above in the object's team, or the user's own account."),
            On::Team => format!("Access: {role} or above in the team."),
            On::Conversation => format!("Access: {role} or above in the conversation's team; no API key."),
            On::AuthoredConversation => {
                "Access: the author of the conversation, or ADMIN or above in its team; no API key.".to_owned()
            }
            On::Website if self.public => {
                format!("Access: {role} or above on the website; anyone if its dashboard is public.")
            }
            On::Website => format!("Access: {role} or above on the website."),
        }
    }
}

/// The access line of a description. `on` and `min` are spelled as in the schema ([`On`], [`Role`]).
macro_rules! access_line {
    (PUBLIC) => {
        "\nAccess: anyone."
    };
    (USER) => {
        "\nAccess: a signed-in user."
    };
    (OPERATOR) => {
        "\nAccess: an operator of the installation."
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
