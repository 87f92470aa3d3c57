//! The questions of the matrix: made from the SDL and from the REST documents, with arguments that no rule takes.

use async_graphql::parser::{
    parse_schema,
    types::{BaseType, FieldDefinition, Type, TypeKind, TypeSystemDefinition},
};
use footfall::rest::Auth;
use schema::access::{On, Role};
use std::collections::{HashMap, HashSet, VecDeque};

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
                // One of its fields, all of which are nullable.
                "GoalRuleInput" => "{ call: { name: \"\" } }".to_owned(),
                "ForgetSubjectInput" => "{ userId: \"nobody\" }".to_owned(),
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

    /// The fields of an object type.
    fn fields(&self, parent: &str) -> impl Iterator<Item = &FieldDefinition> {
        let TypeKind::Object(object) = &self.kinds[parent] else { panic!("{parent}") };
        object.fields.iter().map(|field| &field.node)
    }

    /// The type without its lists.
    fn named<'a>(&self, ty: &'a Type) -> &'a str {
        match &ty.base {
            BaseType::List(of) => self.named(of),
            BaseType::Named(name) => name.as_str(),
        }
    }

    /// A field with the arguments that it needs, and these fields below it.
    fn selected(&self, parent: &str, field: &FieldDefinition, below: &str) -> String {
        let name = field.name.node.as_str();
        let needed = field.arguments.iter().filter(|argument| {
            let first = argument.node.name.node == "first";
            first || (!argument.node.ty.node.nullable && argument.node.default_value.is_none())
        });
        let arguments: Vec<String> = needed
            .map(|argument| {
                let called = argument.node.name.node.as_str();
                format!("{called}: {}", self.argument(parent, called, &argument.node.ty.node))
            })
            .collect();
        let arguments = if arguments.is_empty() { String::new() } else { format!("({})", arguments.join(", ")) };
        let below = if self.is_composite(&field.ty.node) { format!(" {{ {below} }}") } else { String::new() };
        format!("{name}{arguments}{below}")
    }

    /// A value of an argument below the roots.
    fn argument(&self, parent: &str, called: &str, ty: &Type) -> String {
        match called {
            "range" => "{ preset: LAST_7_DAYS }".to_owned(),
            _ => self.value(parent, called, ty),
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
        "webhookId" => "WEBHOOK",
        "deliveryId" => "DELIVERY",
        "id" | "ids" if root.starts_with("node") => "SITE_NODE",
        "id" if root.to_lowercase().contains("website") => "SITE",
        "id" if root.starts_with("team") => "TEAM",
        "id" if root.starts_with("conversation") => "CONVERSATION",
        // Children that their parent does not have.
        "memberId" | "exclusionId" | "goalId" | "userId" | "newOwnerId" => "NONE",
        other => panic!("the matrix does not know what {root}'s {other} is the id of"),
    }
}

/// Every field of every root.
pub fn root_fields() -> Vec<Question> {
    let types = Types::read();
    let index = schema::index().unwrap();
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
            let access = index.access(root, name);
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
    let (types, index) = (Types::read(), schema::index().unwrap());
    for field in types.fields("Website") {
        let name = field.name.node.as_str();
        let stated = index.access("Website", name);
        let least = stated.and_then(|access| access.min);
        let is_closed = stated.is_some();
        let asked = match name {
            "analytics" => format!("analytics({range}) {{ totals {{ visitors }} }}"),
            _ => types.selected("Website", field, "__typename"),
        };
        let access = vec![(On::Website, least.or(Some(Role::Viewer)))];
        questions.push(Question { public: !is_closed, access, ..website(&asked) });
    }
    questions.push(Question {
        name: "Query website { analytics { visitors } }".to_owned(),
        public: false,
        ..website(&format!("analytics({range}) {{ visitors(first: 1) {{ nodes {{ __typename }} }} }}"))
    });
    questions
}

/// A field below the roots, and the way to its parent.
pub struct Nested {
    /// `Team.auditLog`.
    pub name: String,
    pub parent: Question,
    pub field: Question,
    /// The field with its arguments and selection.
    pub selected: String,
}

/// Where the ways to nested fields begin: the type, a document in which `%` stands for its fields, and what it asks access to.
const WAYS: [(&str, &str, On); 5] = [
    ("Website", "{ website(id: \"<<SITE>>\") { % } }", On::Website),
    ("Team", "{ team(id: \"<<TEAM>>\") { % } }", On::Team),
    ("User", "{ viewer { % } }", On::User),
    ("Conversation", "{ conversation(id: \"<<CONVERSATION>>\") { % } }", On::Conversation),
    ("ApiUsage", "{ apiUsage { % } }", On::ApiKey),
];

/// Every field of every object that queries lead to, each by the shortest way.
pub fn nested() -> Vec<Nested> {
    let types = Types::read();
    let question = |name: &str, text: String, on: On| Question {
        name: name.to_owned(),
        text,
        asked: Asked::GraphQl,
        auth: None,
        access: vec![(on, None)],
        public: false,
        is_open: false,
        of_own_team: false,
        uses_up: false,
    };
    let mut ways: VecDeque<(String, String, On)> =
        WAYS.iter().map(|(name, way, on)| ((*name).to_owned(), (*way).to_owned(), *on)).collect();
    let mut known: HashSet<String> = ways.iter().map(|(name, ..)| name.clone()).collect();
    let mut found = Vec::new();
    while let Some((parent, way, on)) = ways.pop_front() {
        for field in types.fields(&parent) {
            let name = format!("{parent}.{}", field.name.node);
            let selected = types.selected(&parent, field, "__typename");
            found.push(Nested {
                parent: question(&parent, way.replace('%', "__typename"), on),
                field: question(&name, way.replace('%', &selected), on),
                selected,
                name,
            });
            let below = types.named(&field.ty.node);
            if matches!(types.kinds.get(below), Some(TypeKind::Object(_))) && known.insert(below.to_owned()) {
                ways.push_back((below.to_owned(), way.replace('%', &types.selected(&parent, field, "%")), on));
            }
        }
    }
    found
}

/// Other ways to a team.
const TEAM_AGAIN: [(&str, &str, On); 3] = [
    ("Website.team", "{ website(id: \"<<SITE>>\") { team { % } } }", On::Website),
    ("Node Website.team", "{ node(id: \"<<SITE_NODE>>\") { ... on Website { team { % } } } }", On::Website),
    ("User.defaultTeam", "{ viewer { defaultTeam { % } } }", On::User),
];

/// A field of a team with a rule, by the other ways.
pub fn by_other_ways(name: &str, selected: &str, on: On, min: Option<Role>) -> Vec<Question> {
    let Some(field) = name.strip_prefix("Team.") else { return Vec::new() };
    let question = |(way, text, way_on): (&str, &str, On)| {
        // Everyone owns the default team.
        let rule = if on == On::Team { (way_on, min.filter(|_| way_on != On::User)) } else { (on, min) };
        Question {
            name: format!("{way}.{field}"),
            text: text.replace('%', selected),
            asked: Asked::GraphQl,
            auth: None,
            access: vec![(way_on, None), rule],
            public: false,
            is_open: false,
            of_own_team: false,
            uses_up: false,
        }
    };
    TEAM_AGAIN.into_iter().map(question).collect()
}

/// Every REST route.
pub fn rest_routes() -> Vec<Question> {
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
                ":id" if row.path.contains("/webhooks/") => "<<WEBHOOK>>",
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
                access: row.access.iter().map(|access| (access.on, access.min)).collect(),
                public: false,
                is_open: false,
                of_own_team: !row.path.contains(':'),
                uses_up: USES_UP.contains(&name.as_str()),
                name,
            }
        })
        .collect()
}
