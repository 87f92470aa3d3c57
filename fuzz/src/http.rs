//! Everything that happens to a GraphQL request before it runs.

#[path = "../../src/http/numeric_variables.rs"]
pub mod numeric_variables;
#[path = "../../src/http/unicode_escapes.rs"]
pub mod unicode_escapes;
#[path = "../../src/http/gauge.rs"]
pub mod gauge;
#[path = "../../src/http/limits.rs"]
pub mod limits;
#[path = "../../src/http/collect_fields.rs"]
pub mod collect_fields;
#[path = "../../src/http/fields_can_merge.rs"]
pub mod fields_can_merge;
#[path = "../../src/http/prepare.rs"]
pub mod prepare;
#[path = "../../src/http/price.rs"]
pub mod price;
#[path = "../../src/http/refusal.rs"]
pub mod refusal;
#[path = "../../src/http/request.rs"]
pub mod request;
#[path = "../../src/http/lexer.rs"]
pub mod lexer;
#[path = "../../src/http/extra_rules.rs"]
pub mod extra_rules;
#[path = "../../src/http/values_of_correct_type.rs"]
pub mod values_of_correct_type;
