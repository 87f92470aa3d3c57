//! What the notices of payment providers say: one payment or refund each, or nothing that counts.

use serde_json::Value;

/// Maximum absolute amount, in millionths, as for events of pages.
const MAX_MICROS: i128 = 100_000_000_000_000_000;

/// Currencies whose smallest unit is the unit, as both providers count them.
const WITHOUT_DECIMALS: &[&str] =
    &["BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"];

/// Currencies whose smallest unit is a thousandth.
const WITH_THOUSANDTHS: &[&str] = &["BHD", "JOD", "KWD", "OMR", "TND"];

/// A payment, or a refund of one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Payment {
    /// The order, the same in all notices about it.
    pub order_id: String,
    /// Set for a refund, and different for each one of an order.
    pub refund_id: Option<String>,
    /// Amount in millionths of the currency, above 0.
    pub micros: i64,
    /// ISO 4217 code.
    pub currency: String,
    /// The visitor ID that the page passed on when it created the payment.
    pub visitor_id: Option<String>,
    /// E-mail address of the customer, lower case.
    pub email: Option<String>,
    /// The provider's ID of the customer.
    pub customer_id: Option<String>,
    /// When it happened, in seconds since 1970 UTC.
    pub at_s: i64,
}

fn text(value: &Value, pointer: &str) -> Option<String> {
    let text = match value.pointer(pointer)? {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    (!text.is_empty() && text.chars().count() <= 200).then_some(text)
}

/// The first of these that is a text.
fn first_text(value: &Value, pointers: &[&str]) -> Option<String> {
    pointers.iter().find_map(|pointer| text(value, pointer))
}

/// An amount in the smallest unit of a currency, in millionths. `None` for 0 and less, and for what is too much.
fn micros(smallest: i128, currency: &str) -> Option<i64> {
    let factor = match currency {
        code if WITHOUT_DECIMALS.contains(&code) => 1_000_000,
        code if WITH_THOUSANDTHS.contains(&code) => 1_000,
        _ => 10_000,
    };
    let micros = smallest.checked_mul(factor).filter(|micros| (1..=MAX_MICROS).contains(micros))?;
    i64::try_from(micros).ok()
}

fn currency(value: &Value, pointer: &str) -> Option<String> {
    let code = text(value, pointer)?.to_ascii_uppercase();
    (code.len() == 3 && code.bytes().all(|letter| letter.is_ascii_uppercase())).then_some(code)
}

/// Where metadata names the visitor.
const VISITOR: [&str; 3] = ["zenovay_attribution_id", "zenovay_visitor_id", "visitor_id"];

fn visitor_in(value: &Value, metadata: &str) -> Option<String> {
    VISITOR.iter().find_map(|name| text(value, &format!("{metadata}/{name}")))
}

/// The payment of a Stripe event: a paid checkout, a paid invoice, a refund. Other events say nothing.
///
/// A checkout of a subscription is left to its invoice.
#[must_use]
pub fn of_stripe(event: &Value) -> Option<Payment> {
    let object = event.pointer("/data/object")?;
    let number = |pointer: &str| object.pointer(pointer).and_then(Value::as_i64).map(i128::from);
    let (smallest, refund_id) = match event.get("type")?.as_str()? {
        "checkout.session.completed" | "checkout.session.async_payment_succeeded"
            if object["mode"] != "subscription" && object["payment_status"] == "paid" =>
        {
            (number("/amount_total")?, None)
        }
        "invoice.paid" => (number("/amount_paid")?, None),
        "charge.refunded" => {
            // The charge states what was refunded in all, and the event what it was before.
            let before =
                event.pointer("/data/previous_attributes/amount_refunded").and_then(Value::as_i64).unwrap_or(0);
            (number("/amount_refunded")? - i128::from(before), Some(text(event, "/id")?))
        }
        _ => return None,
    };
    let currency = currency(object, "/currency")?;
    Some(Payment {
        order_id: first_text(object, &["/metadata/order_id", "/payment_intent", "/id"])?,
        refund_id,
        micros: micros(smallest, &currency)?,
        currency,
        visitor_id: visitor_in(object, "/metadata").or_else(|| text(object, "/client_reference_id")),
        email: first_text(object, &["/customer_details/email", "/customer_email", "/billing_details/email"])
            .map(|email| email.to_lowercase()),
        customer_id: text(object, "/customer"),
        at_s: event.get("created").and_then(Value::as_i64)?,
    })
}

/// The payment of a Paddle notification: a completed transaction, or an approved refund. Others say nothing.
#[must_use]
pub fn of_paddle(event: &Value) -> Option<Payment> {
    let data = event.get("data")?;
    let amount = |pointer: &str| text(data, pointer)?.parse::<i128>().ok();
    let (smallest, order_id, refund_id) = match event.get("event_type")?.as_str()? {
        "transaction.completed" => {
            (amount("/details/totals/grand_total")?, first_text(data, &["/custom_data/order_id", "/id"])?, None)
        }
        "adjustment.created" | "adjustment.updated"
            if matches!(data["action"].as_str(), Some("refund" | "chargeback")) && data["status"] == "approved" =>
        {
            (amount("/totals/total")?, text(data, "/transaction_id")?, Some(text(data, "/id")?))
        }
        _ => return None,
    };
    let currency = currency(data, "/currency_code")?;
    let at = chrono::DateTime::parse_from_rfc3339(event.get("occurred_at")?.as_str()?).ok()?;
    Some(Payment {
        order_id,
        refund_id,
        micros: micros(smallest, &currency)?,
        currency,
        visitor_id: visitor_in(data, "/custom_data"),
        email: text(data, "/customer/email").map(|email| email.to_lowercase()),
        customer_id: text(data, "/customer_id"),
        at_s: at.timestamp(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_checkout_an_invoice_and_each_refund_of_stripe_are_one_payment() {
        let event = |kind: &str, object: Value| json!({ "id": "evt_1", "type": kind, "created": 1_772_600_000, "data": { "object": object } });
        let checkout = json!({ "id": "cs_1", "mode": "payment", "payment_status": "paid", "amount_total": 2_950, "currency": "usd",
            "payment_intent": "pi_1", "customer": "cus_1", "client_reference_id": "device-1", "metadata": {},
            "customer_details": { "email": "Ann@Else.example" } });
        let expected = Payment {
            order_id: "pi_1".into(),
            refund_id: None,
            micros: 29_500_000,
            currency: "USD".into(),
            visitor_id: Some("device-1".into()),
            email: Some("ann@else.example".into()),
            customer_id: Some("cus_1".into()),
            at_s: 1_772_600_000,
        };
        assert_eq!(of_stripe(&event("checkout.session.completed", checkout.clone())), Some(expected.clone()));
        for (name, value) in [("mode", "subscription"), ("payment_status", "unpaid"), ("currency", "dollars")] {
            let mut other = checkout.clone();
            other[name] = json!(value);
            assert_eq!(of_stripe(&event("checkout.session.completed", other)), None, "{name}");
        }
        let invoice = json!({ "id": "in_1", "amount_paid": 500, "currency": "jpy", "customer_email": "a@b.example", "metadata": { "order_id": 7 } });
        let paid = of_stripe(&event("invoice.paid", invoice)).unwrap();
        assert_eq!((paid.order_id.as_str(), paid.micros, paid.currency.as_str()), ("7", 500_000_000, "JPY"));
        let mut refund = event(
            "charge.refunded",
            json!({ "id": "ch_1", "payment_intent": "pi_1", "amount_refunded": 2_950, "currency": "usd" }),
        );
        refund["data"]["previous_attributes"] = json!({ "amount_refunded": 950 });
        let refunded = of_stripe(&refund).unwrap();
        assert_eq!(
            (refunded.order_id.as_str(), refunded.refund_id.as_deref(), refunded.micros),
            ("pi_1", Some("evt_1"), 20_000_000)
        );
        for silent in [
            event("customer.created", checkout),
            json!({}),
            json!([1]),
            event("invoice.paid", json!({ "amount_paid": 0, "currency": "usd", "id": "in_2" })),
        ] {
            assert_eq!(of_stripe(&silent), None, "{silent}");
        }
    }

    #[test]
    fn a_transaction_and_a_refund_of_paddle_are_one_payment_each() {
        let event = |kind: &str, data: Value| json!({ "event_id": "evt_1", "event_type": kind, "occurred_at": "2026-03-04T05:06:07.123456Z", "data": data });
        let sold = json!({ "id": "txn_1", "customer_id": "ctm_1", "currency_code": "KWD", "custom_data": { "zenovay_attribution_id": "device-1" },
            "details": { "totals": { "grand_total": "12345" } } });
        let payment = of_paddle(&event("transaction.completed", sold)).unwrap();
        assert_eq!((payment.order_id.as_str(), payment.micros, payment.at_s), ("txn_1", 12_345_000, 1_772_600_767));
        assert_eq!((payment.visitor_id.as_deref(), payment.customer_id.as_deref()), (Some("device-1"), Some("ctm_1")));
        let mut back = json!({ "id": "adj_1", "transaction_id": "txn_1", "action": "refund", "status": "approved", "currency_code": "EUR", "totals": { "total": "100" } });
        let refund = of_paddle(&event("adjustment.updated", back.clone())).unwrap();
        assert_eq!(
            (refund.order_id.as_str(), refund.refund_id.as_deref(), refund.micros),
            ("txn_1", Some("adj_1"), 1_000_000)
        );
        back["status"] = json!("pending_approval");
        assert_eq!(of_paddle(&event("adjustment.created", back)), None);
        let huge = json!({ "id": "txn_2", "currency_code": "EUR", "details": { "totals": { "grand_total": "99999999999999999999999" } } });
        assert_eq!(of_paddle(&event("transaction.completed", huge)), None);
    }
}
