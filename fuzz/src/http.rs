//! Everything that happens to a GraphQL request before it runs.

#[path = "../../src/http/coerce.rs"]
pub mod coerce;
#[path = "../../src/http/escapes.rs"]
pub mod escapes;
#[path = "../../src/http/gauge.rs"]
pub mod gauge;
#[path = "../../src/http/limits.rs"]
pub mod limits;
#[path = "../../src/http/merge.rs"]
pub mod merge;
#[path = "../../src/http/overlap.rs"]
pub mod overlap;
#[path = "../../src/http/prepare.rs"]
pub mod prepare;
#[path = "../../src/http/price.rs"]
pub mod price;
#[path = "../../src/http/refusal.rs"]
pub mod refusal;
#[path = "../../src/http/request.rs"]
pub mod request;
#[path = "../../src/http/shape.rs"]
pub mod shape;
#[path = "../../src/http/tokens.rs"]
pub mod tokens;
#[path = "../../src/http/verify.rs"]
pub mod verify;
