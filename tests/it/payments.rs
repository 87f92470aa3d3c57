//! Signed notices of Stripe and Paddle: each payment and refund counts once, for the visitor who paid.

use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::ingest::{Shop, shop, view, with};

const DAY: &str = "range: { preset: LAST_24_HOURS }";
const SECRET: &str = "whsec_0123456789abcdef";

fn signed(secret: &str, text: &str) -> String {
    let mut keyed = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    keyed.update(text.as_bytes());
    hex::encode(keyed.finalize().into_bytes())
}

impl Shop {
    async fn set_up(&self, provider: &str, secret: Option<&str>) -> Value {
        let query = "mutation($id: ID!, $input: WebsiteUpdateRevenueInput!) { websiteUpdateRevenue(websiteId: $id, input: $input) \
            { website { revenueSettings { provider hasWebhookSecret } } } }";
        let mut input = json!({ "provider": provider, "currency": "EUR" });
        if let Some(secret) = secret {
            input["webhookSecret"] = json!(secret);
        }
        self.app.token(&self.owner.token).gql(query, json!({ "id": self.id, "input": input })).await
    }

    async fn notice(&self, path: &str, header: (&'static str, String), body: &str) -> (u16, Value) {
        let request = self.app.anon().request(Method::POST, path).header(header.0, header.1);
        let response = request.header("content-type", "application/json").body(body.to_owned()).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    async fn stripe(&self, event: &Value) -> u16 {
        let (body, time) = (event.to_string(), self.app.ports.now().timestamp());
        let signature = format!("t={time},v1={}", signed(SECRET, &format!("{time}.{body}")));
        self.notice(&format!("/webhooks/stripe/{}", self.id), ("stripe-signature", signature), &body).await.0
    }

    async fn money(&self, fits: impl Fn(&Value) -> bool) -> Value {
        let selection = "totals { orders revenue { amount currency } averageOrderValue { amount } } \
            first: breakdown(by: FIRST_SOURCE, orderBy: { metric: ORDERS }) { nodes { value metrics { orders revenue { amount } } } } \
            last: breakdown(by: SOURCE, orderBy: { metric: ORDERS }) { nodes { value metrics { orders revenue { amount } } } }";
        self.until(DAY, selection, |answer| fits(&answer["totals"])).await
    }
}

fn checkout(order: &str, cents: i64, at: i64, more: Value) -> Value {
    let object = with(
        json!({ "id": format!("cs_{order}"), "mode": "payment", "payment_status": "paid", "amount_total": cents, "currency": "eur", "payment_intent": order }),
        more,
    );
    json!({ "id": format!("evt_{order}"), "type": "checkout.session.completed", "created": at, "data": { "object": object } })
}

#[tokio::test]
async fn a_signed_payment_counts_once_for_the_visitor_and_source_it_came_from() {
    let shop = shop().await;
    let settings = shop.set_up("STRIPE", Some(SECRET)).await;
    assert_eq!(
        settings["data"]["websiteUpdateRevenue"]["website"]["revenueSettings"],
        json!({ "provider": "STRIPE", "hasWebhookSecret": true }),
        "{settings}"
    );
    let device = json!({ "visitor_id": "device-1234" });
    shop.send(with(with(view("/?utm_source=newsletter&utm_medium=email"), device.clone()), json!({}))).await;
    shop.send(with(
        with(view("/buy"), device.clone()),
        json!({ "type": "identify", "data": { "user_id": "u1", "email": "Ann@else.example" } }),
    ))
    .await;
    let now = shop.app.ports.now().timestamp();
    // By visitor ID, by the e-mail address of an identified person, and by nobody known.
    let by_visitor = checkout("pi_1", 2_950, now, json!({ "client_reference_id": "device-1234" }));
    let by_email = checkout("pi_2", 1_050, now, json!({ "customer_details": { "email": "ann@ELSE.example" } }));
    let by_nobody = checkout("pi_3", 500, now, json!({ "customer": "cus_9" }));
    for event in [&by_visitor, &by_email, &by_nobody, &by_visitor, &by_email] {
        assert_eq!(shop.stripe(event).await, 200, "{event}");
    }
    // The page reports the first order too.
    let paid = json!({ "type": "revenue", "data": { "amount": 29.5, "currency": "EUR", "order_id": "pi_1" } });
    shop.send(with(with(view("/thanks"), device), paid)).await;
    let mut refund = json!({ "id": "evt_r1", "type": "charge.refunded", "created": now,
        "data": { "object": { "id": "ch_1", "payment_intent": "pi_1", "amount_refunded": 950, "currency": "eur" } } });
    assert_eq!(shop.stripe(&refund).await, 200);
    assert_eq!(shop.stripe(&refund).await, 200, "again");
    refund["id"] = json!("evt_r2");
    refund["data"]["object"]["amount_refunded"] = json!(1_950);
    refund["data"]["previous_attributes"] = json!({ "amount_refunded": 950 });
    assert_eq!(shop.stripe(&refund).await, 200);
    let money = shop.money(|totals| totals["orders"] == 3 && totals["revenue"]["amount"] == "25.5").await;
    assert_eq!(
        money["totals"],
        json!({ "orders": 3, "revenue": { "amount": "25.5", "currency": "EUR" }, "averageOrderValue": { "amount": "15" } }),
        "{money}"
    );
    let rows = json!([
        { "value": "newsletter", "metrics": { "orders": 2, "revenue": { "amount": "20.5" } } },
        { "value": "", "metrics": { "orders": 1, "revenue": { "amount": "5" } } }
    ]);
    assert_eq!((&money["first"]["nodes"], &money["last"]["nodes"]), (&rows, &rows));
    let query = format!("{{ website(id: \"{}\") {{ people {{ nodes {{ badge revenue {{ amount }} }} }} }} }}", shop.id);
    let people = shop.app.token(&shop.owner.token).gql(&query, json!({})).await;
    assert_eq!(
        people["data"]["website"]["people"]["nodes"],
        json!([{ "badge": "PAYING", "revenue": { "amount": "20.5" } }]),
        "{people}"
    );
}

#[tokio::test]
async fn a_notice_without_the_websites_signature_is_refused_and_others_are_ignored() {
    let shop = shop().await;
    let path = format!("/webhooks/stripe/{}", shop.id);
    let now = shop.app.ports.now().timestamp();
    let body = checkout("pi_1", 2_950, now, json!({})).to_string();
    let header = |secret: &str, time: i64| {
        ("stripe-signature", format!("t={time},v1={}", signed(secret, &format!("{time}.{body}"))))
    };
    assert_eq!(shop.notice(&path, header(SECRET, now), &body).await.0, 401, "no secret is set");
    shop.set_up("STRIPE", Some(SECRET)).await;
    for (path, header) in [
        (path.as_str(), header("whsec_another_secret", now)),
        (&path, header(SECRET, now - 301)),
        (&path, header(SECRET, now + 301)),
        (&path, ("stripe-signature", String::new())),
        (&path, ("x-other", "x".to_owned())),
        (&format!("/webhooks/paddle/{}", shop.id), header(SECRET, now)),
        ("/webhooks/stripe/5f0c2d1e-8b7a-4c6d-9e10-a1b2c3d4e5f6", header(SECRET, now)),
        ("/webhooks/stripe", header(SECRET, now)),
        ("/webhooks/stripe/x", header(SECRET, now)),
    ] {
        let (status, answer) = shop.notice(path, header, &body).await;
        assert_eq!((status, answer["error"]["code"].as_str()), (401, Some("UNAUTHORIZED")), "{path}");
    }
    let large = "x".repeat(300_000);
    assert_eq!(shop.notice(&path, header(SECRET, now), &large).await.0, 413);
    let broken = "{";
    let of_broken = ("stripe-signature", format!("t={now},v1={}", signed(SECRET, &format!("{now}.{broken}"))));
    assert_eq!(shop.notice(&path, of_broken, broken).await.0, 400);
    assert_eq!(
        shop.stripe(&json!({ "id": "evt_2", "type": "customer.created", "created": now, "data": { "object": {} } }))
            .await,
        200
    );
    // The older form of the path; and a new provider without a secret accepts nothing.
    let by_query = format!("/webhooks/stripe?website={}", shop.id);
    assert_eq!(shop.notice(&by_query, header(SECRET, now), &body).await.0, 200);
    let money = shop.money(|totals| totals["orders"] == 1).await;
    assert_eq!(money["totals"]["orders"], 1);
    let settings = shop.set_up("PADDLE", None).await;
    assert_eq!(
        settings["data"]["websiteUpdateRevenue"]["website"]["revenueSettings"]["hasWebhookSecret"], false,
        "{settings}"
    );
    assert_eq!(shop.notice(&path, header(SECRET, now), &body).await.0, 401);
    let short = shop.set_up("PADDLE", Some("short")).await;
    assert_eq!(short["errors"][0]["extensions"]["field"], "webhookSecret", "{short}");
}

#[tokio::test]
async fn a_transaction_of_paddle_counts_in_its_currency() {
    let shop = shop().await;
    shop.set_up("PADDLE", Some(SECRET)).await;
    let now = shop.app.ports.now();
    let body = json!({ "event_id": "evt_1", "event_type": "transaction.completed", "occurred_at": now.to_rfc3339(),
        "data": { "id": "txn_1", "currency_code": "EUR", "customer_id": "ctm_1", "custom_data": { "zenovay_attribution_id": "device-1234" },
                  "details": { "totals": { "grand_total": "4999" } } } })
    .to_string();
    let time = now.timestamp();
    let header = ("paddle-signature", format!("ts={time};h1={}", signed(SECRET, &format!("{time}:{body}"))));
    for _ in 0..2 {
        assert_eq!(shop.notice(&format!("/webhooks/paddle/{}", shop.id), header.clone(), &body).await.0, 200);
    }
    let money = shop.money(|totals| totals["orders"] == 1).await;
    assert_eq!(money["totals"]["revenue"], json!({ "amount": "49.99", "currency": "EUR" }), "{money}");
}
