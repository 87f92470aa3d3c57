//! Attribution of payments to visitors: the visitor of the order, the visitor in the metadata, or the person's latest visitor.

use duckdb::{Connection, Row, params_from_iter};
use schema::{
    analytics::event::Acquisition,
    people::traits::{EMAIL, USER_ID},
    ports::{Payer, PayerQuery},
};

use super::{
    duckdb::Database,
    people::value_of,
    sql::{Statement, compared},
};
use schema::analytics::query::FilterOperator;

/// Traits that may hold a provider's ID of a customer.
const CUSTOMER: [&str; 4] = [USER_ID, "customer_id", "stripe_customer_id", "paddle_customer_id"];

const ACQUISITION: &str = "referrer, source, channel, utm_source, utm_medium, utm_campaign, utm_term, utm_content";

fn payer(row: &Row<'_>) -> duckdb::Result<Payer> {
    let acquisition = Acquisition {
        referrer: row.get(1)?,
        source: row.get(2)?,
        channel: row.get(3)?,
        utm_source: row.get(4)?,
        utm_medium: row.get(5)?,
        utm_campaign: row.get(6)?,
        utm_term: row.get(7)?,
        utm_content: row.get(8)?,
    };
    Ok(Payer { visitor: row.get(0)?, acquisition })
}

fn first(reader: &Connection, statement: &Statement) -> duckdb::Result<Option<Payer>> {
    let mut prepared = reader.prepare(&statement.text)?;
    let mut rows = prepared.query_map(params_from_iter(&statement.values), payer)?;
    rows.next().transpose()
}

/// The visitor that a payment is attributed to, with the acquisition of their last visit; `None` if there is none.
///
/// # Errors
/// Errors of the store.
pub fn find(database: &Database, reader: &Connection, query: &PayerQuery) -> duckdb::Result<Option<Payer>> {
    database.begin(reader, query.website, (i64::MIN, i64::MAX))?;
    let website = format!("website_id = {}::UHUGEINT", query.website.as_u128());
    if let Some(order) = query.order {
        let text = format!(
            "SELECT visitor, {ACQUISITION} FROM events WHERE {website} AND event_id = {}::UHUGEINT LIMIT 1",
            order.as_u128()
        );
        let found = first(reader, &Statement { text, values: Vec::new() })?;
        if found.is_some() {
            return Ok(found);
        }
    }
    let last_visit = |visitor: &str, values: Vec<String>| Statement {
        text: format!(
            "SELECT visitor, {ACQUISITION} FROM (FROM visits UNION ALL FROM open_visits) WHERE {website} AND bot = '' AND visitor = {visitor} \
             ORDER BY start_ms DESC LIMIT 1"
        ),
        values,
    };
    if let Some(visitor) = query.visitor {
        let found = first(reader, &last_visit(&format!("{visitor}::UBIGINT"), Vec::new()))?;
        if found.is_some() {
            return Ok(found);
        }
    }
    let (mut statement, mut conditions) = (Statement::default(), Vec::new());
    let mut is = |name: &str, value: &String| {
        let text = value_of(name, &mut statement);
        conditions.push(compared(&text, FilterOperator::Is, std::slice::from_ref(value), &mut statement));
    };
    if let Some(email) = &query.email {
        is(EMAIL, email);
    }
    if let Some(customer) = &query.customer_id {
        CUSTOMER.iter().for_each(|name| is(name, customer));
    }
    if conditions.is_empty() {
        return Ok(None);
    }
    let visitor = format!(
        "(SELECT visitor FROM identities WHERE {website} AND person IN (SELECT person FROM people WHERE {website} AND ({})) \
         ORDER BY time_ms DESC LIMIT 1)",
        conditions.join(" OR ")
    );
    first(reader, &last_visit(&visitor, statement.values))
}
