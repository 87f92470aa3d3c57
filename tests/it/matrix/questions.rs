//! The questions of the matrix: made from the SDL and from the REST documents, with arguments that no rule takes.

use async_graphql::parser::{
    parse_schema,
    types::{BaseType, Type, TypeKind, TypeSystemDefinition},
};
use footfall::rest::Auth;
use schema::access::{On, Role};
use std::collections::HashMap;

/// Fields and routes after which something is gone.
const USES_UP: &[&str] = &["websiteDelete", "DELETE /api/websites/:websiteId"];

/// How a question is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    GraphQl,
    Subscription,
    Rest,
}

/// One row of the matrix.
pub struct Question {
    pub name: String,
    /// A document, or method and path; `<<NAME>>` stands for an id.
    pub text: String,
    pub asked: Asked,
    pub auth: Option<Auth>,
    pub access: Vec<(On, Option<Role>)>,
    /// Whether a website that is open to the public opens it.
    pub public: bool,
    /// Whether it is asked of such a website.
    pub is_open: bool,
    /// Whether no team is named, so that the caller's own is meant.
    pub of_own_team: bool,
    pub uses_up: bool,
}

struct Types {
    kinds: HashMap<String, TypeKind>,
}

impl Types {
    fn read() -> Self {
        let document = parse_schema(schema::sdl()).unwrap();
        let kinds = document.definitions.into_iter().filter_map(|definition| match definition {
            TypeSystemDefinition::Type(definition) => {
                Some((definition.node.name.node.to_string(), definition.node.kind))
            }
            _ => None,
        });
        Self { kinds: kinds.collect() }
    }

    /// A value that fits the type; ids by what their argument is called.
    fn value(&self, root: &str, field: &str, ty: &Type) -> String {
        match &ty.base {
            BaseType::List(of) => format!("[{}]", self.value(root, field, of)),
            BaseType::Named(name) => match name.as_str() {
                "ID" => format!("\"<<{}>>\"", id_of(root, field))
                    .replace("\"<<NONE>>\"", "\"00000000-0000-4000-8000-000000000000\""),
                "String" if field == "trackingCode" => "\"<<CODE>>\"".to_owned(),
                "String" => "\"\"".to_owned(),
                "Int" | "BigInt" => "1".to_owned(),
                "Float" => "1.5".to_owned(),
                "Boolean" => "true".to_owned(),
                "JSON" => "{}".to_owned(),
                "EmailAddress" => "\"<<NOBODY>>\"".to_owned(),
                "DateTime" => "\"2026-01-01T00:00:00Z\"".to_owned(),
                "TimeZone" => "\"UTC\"".to_owned(),
                "HexColor" => "\"#000000\"".to_owned(),
                "UUID" => "\"00000000-0000-4000-8000-000000000000\"".to_owned(),
                "URL" => "\"https://shop.example/\"".to_owned(),
                other => match &self.kinds[other] {
                    TypeKind::Enum(values) => values.values[0].node.value.node.to_string(),
                    TypeKind::InputObject(input) => {
                        let needed =
                            |field: &&async_graphql::Positioned<async_graphql::parser::types::InputValueDefinition>| {
                                !field.node.ty.node.nullable && field.node.default_value.is_none()
                                    || matches!(field.node.name.node.as_str(), "teamId" | "websiteId")
                            };
                        let fields = input.fields.iter().filter(needed).map(|field| {
                            let name = field.node.name.node.as_str();
                            format!("{name}: {}", self.value(root, name, &field.node.ty.node))
                        });
                        format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
                    }
                    _ => panic!("no value for {other}"),
                },
            },
        }
    }

    /// Whether a field of this type needs a selection.
    fn is_composite(&self, ty: &Type) -> bool {
        match &ty.base {
            BaseType::List(of) => self.is_composite(of),
            BaseType::Named(name) => matches!(
                self.kinds.get(name.as_str()),
                Some(TypeKind::Object(_) | TypeKind::Interface(_) | TypeKind::Union(_))
            ),
        }
    }
}

/// What an id argument of a root field means.
fn id_of(root: &str, field: &str) -> &'static str {
    match field {
        "websiteId" => "SITE",
        "teamId" => "TEAM",
        "conversationId" => "CONVERSATION",
        "apiKeyId" => "KEY",
        "id" | "ids" if root.starts_with("node") => "SITE_NODE",
        "id" if root.to_lowercase().contains("website") => "SITE",
        "id" if root.starts_with("team") => "TEAM",
        "id" if root.starts_with("conversation") => "CONVERSATION",
        // Children that their parent does not have.
        "memberId" | "exclusionId" | "userId" | "newOwnerId" => "NONE",
        other => panic!("the matrix does not know what {root}'s {other} is the id of"),
    }
}

/// Every field of every root.
pub fn root_fields() -> Vec<Question> {
    let types = Types::read();
    let stated = schema::stated();
    let mut questions = Vec::new();
    for root in ["Query", "Mutation", "Subscription"] {
        let TypeKind::Object(object) = &types.kinds[root] else { panic!("{root}") };
        for field in &object.fields {
            let name = field.node.name.node.as_str();
            let arguments: Vec<String> = field
                .node
                .arguments
                .iter()
                .filter(|argument| {
                    (!argument.node.ty.node.nullable && argument.node.default_value.is_none())
                        || argument.node.name.node == "teamId"
                })
                .map(|argument| {
                    let called = argument.node.name.node.as_str();
                    format!("{called}: {}", types.value(name, called, &argument.node.ty.node))
                })
                .collect();
            let arguments = if arguments.is_empty() { String::new() } else { format!("({})", arguments.join(", ")) };
            let selection = if types.is_composite(&field.node.ty.node) { " { __typename }" } else { "" };
            let access = stated.iter().find(|row| row.root == root && row.field == name);
            let access = access.unwrap_or_else(|| panic!("{root}.{name} states no access"));
            questions.push(Question {
                name: format!("{root} {name}"),
                text: format!("{} {{ {name}{arguments}{selection} }}", root.to_lowercase()),
                asked: if root == "Subscription" { Asked::Subscription } else { Asked::GraphQl },
                auth: None,
                access: vec![(access.on, access.min)],
                public: access.public,
                is_open: false,
                of_own_team: false,
                uses_up: USES_UP.contains(&name),
            });
        }
    }
    // Whoever deletes the account asks nothing afterwards.
    questions.sort_by_key(|question| question.name == "Mutation userDelete");
    questions
}

/// The root fields that a website opens to the public, and what below them stays closed.
pub fn open_fields() -> Vec<Question> {
    let website = |field: &str| Question {
        name: format!("Query website {{ {} }}", field.split([' ', '(']).next().unwrap()),
        text: format!("{{ website(id: \"<<OPEN_SITE>>\") {{ {field} }} }}"),
        asked: Asked::GraphQl,
        auth: None,
        access: vec![(On::Website, Some(Role::Viewer))],
        public: true,
        is_open: true,
        of_own_team: false,
        uses_up: false,
    };
    let closed = |field: &str| Question { public: false, ..website(field) };
    let range = "range: { preset: LAST_7_DAYS }";
    let mut questions: Vec<Question> = root_fields()
        .into_iter()
        .filter(|question| question.public)
        .map(|question| Question {
            text: question.text.replace("<<SITE>>", "<<OPEN_SITE>>"),
            is_open: true,
            ..question
        })
        .collect();
    questions
        .extend(["id", "databaseId", "domain", "name", "timezone", "primaryColor", "publicDashboard"].map(website));
    questions.push(website(&format!("analytics({range}) {{ totals {{ visitors }} }}")));
    questions.extend(
        [
            "trackingCode",
            "team { name }",
            "teamId",
            "userId",
            "settings { heatmaps }",
            "allowedDomains",
            "exclusions { ipExclusions { id } }",
            "notifications { __typename }",
            "domains { primaryDomain }",
            "revenueSettings { __typename }",
            "ingest { received }",
            "members { totalCount }",
        ]
        .map(closed),
    );
    questions.push(Question {
        name: "Query website { analytics { visitors } }".to_owned(),
        ..closed(&format!("analytics({range}) {{ visitors(first: 1) {{ nodes {{ __typename }} }} }}"))
    });
    questions
}

/// Fields below the roots that ask for more than the way to them.
pub fn nested() -> Vec<Question> {
    let team = |field: &str| format!("team(id: \"<<TEAM>>\") {{ {field} }}");
    let website = |field: &str| format!("website(id: \"<<SITE>>\") {{ {field} }}");
    let rows = [
        ("Team.members", team("members { totalCount }"), vec![(On::Team, Some(Role::Viewer)), (On::User, None)]),
        (
            "Team.conversations",
            team("conversations { edges { cursor } }"),
            vec![(On::Team, Some(Role::Viewer)), (On::User, None)],
        ),
        ("Team.apiKeys", team("apiKeys { totalCount }"), vec![(On::Team, Some(Role::Admin))]),
        ("Team.auditLog", team("auditLog { totalCount }"), vec![(On::Team, Some(Role::Admin))]),
        (
            "Website.team.members",
            website("team { members { totalCount } }"),
            vec![(On::Website, Some(Role::Viewer)), (On::User, None)],
        ),
        ("Website.team.apiKeys", website("team { apiKeys { totalCount } }"), vec![(On::Website, Some(Role::Admin))]),
        (
            "Node Website.team.auditLog",
            "node(id: \"<<SITE_NODE>>\") { ... on Website { team { auditLog { totalCount } } } }".to_owned(),
            vec![(On::Website, Some(Role::Admin))],
        ),
        ("User.teams.apiKeys", "viewer { defaultTeam { apiKeys { totalCount } } }".to_owned(), vec![(On::User, None)]),
    ];
    rows.into_iter()
        .map(|(name, text, access)| Question {
            name: name.to_owned(),
            text: format!("{{ {text} }}"),
            asked: Asked::GraphQl,
            auth: None,
            access,
            public: false,
            is_open: false,
            of_own_team: false,
            uses_up: false,
        })
        .collect()
}

/// Every REST route.
pub fn rest_routes() -> Vec<Question> {
    let word = |text: &str| match text {
        "VIEWER" => Role::Viewer,
        "EDITOR" => Role::Editor,
        "ADMIN" => Role::Admin,
        "OWNER" => Role::Owner,
        other => panic!("{other}"),
    };
    let on = |text: &str| match text {
        "PUBLIC" => On::Public,
        "USER" => On::User,
        "API_KEY" => On::ApiKey,
        "TEAM" => On::Team,
        "WEBSITE" => On::Website,
        "CONVERSATION" => On::Conversation,
        "AUTHORED_CONVERSATION" => On::AuthoredConversation,
        "NODE" => On::Node,
        other => panic!("{other}"),
    };
    let mut rows: Vec<_> = footfall::rest_api().unwrap().table();
    // Whoever deletes the account asks nothing afterwards.
    rows.sort_by_key(|row| row.method == "DELETE" && row.path == "/api/users/me");
    rows.into_iter()
        .map(|row| {
            let subject = |segment: &str| match segment {
                ":websiteId" => "<<SITE>>",
                ":trackingCode" => "<<CODE>>",
                ":id" if row.path.starts_with("/api/teams/") => "<<TEAM>>",
                ":id" if row.path.starts_with("/api/conversations/") => "<<CONVERSATION>>",
                ":id" if row.path.starts_with("/api/api-keys/") => "<<KEY>>",
                ":id" if row.path.contains("/websites/") => "<<SITE>>",
                ":memberId" | ":exclusionId" => "00000000-0000-4000-8000-000000000000",
                other => panic!("the matrix does not know what {other} in {} is the id of", row.path),
            };
            let segments = row
                .path
                .split('/')
                .map(|segment| if segment.starts_with(':') { subject(segment).to_owned() } else { segment.to_owned() });
            let name = format!("{} {}", row.method, row.path);
            Question {
                text: format!("{} {}", row.method, segments.collect::<Vec<_>>().join("/")),
                asked: Asked::Rest,
                auth: Some(row.auth),
                access: row.access.iter().map(|access| (on(&access.on), access.min.as_deref().map(word))).collect(),
                public: false,
                is_open: false,
                of_own_team: !row.path.contains(':'),
                uses_up: USES_UP.contains(&name.as_str()),
                name,
            }
        })
        .collect()
}
