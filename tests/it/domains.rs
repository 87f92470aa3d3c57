//! Domains: what REST shows and changes, and what proves that a team controls one.

use reqwest::Method;
use schema::access::Role;
use serde_json::{Value, json};

use crate::{
    app::NOW,
    exclusions::code,
    settings::{Team, keys, message, team},
};

const SHOWN: &str = "domains { primaryDomain allowedDomains verificationStatus verifiedAt
    verification { dnsName dnsValue fileUrl fileContent } }";

impl Team {
    async fn domains(&self) -> Value {
        let query = format!("{{ website(id: \"{}\") {{ {SHOWN} }} }}", self.site);
        let answer = self.app.token(&self.viewer.token).gql(&query, json!({})).await;
        answer["data"]["website"]["domains"].clone()
    }

    async fn verify(&self) -> Value {
        let mutation = format!(
            "mutation($id: ID!) {{ websiteVerifyDomain(input: {{ websiteId: $id }}) {{ method website {{ {SHOWN} }} }} }}"
        );
        self.app.token(&self.editor.token).gql(&mutation, json!({ "id": self.site })).await
    }

    fn shows(&self, name: &str, records: Option<&[&str]>) {
        let records = records.map(|records| records.iter().map(|text| (*text).to_owned()).collect());
        self.app.proof.txt.lock().unwrap().insert(name.to_owned(), records);
    }
}

#[tokio::test]
async fn domains_have_the_documented_shape() {
    let team = team().await;
    let (status, answer) = team.ask(&team.viewer, Method::GET, "/domains", None).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(keys(&answer["data"]), ["primary_domain", "allowed_domains", "verification_status"]);
    let expected = json!({ "primary_domain": "shop.example", "allowed_domains": [], "verification_status": "pending" });
    assert_eq!(answer["data"], expected);
    let put = async |body: Value| team.ask(&team.admin, Method::PUT, "/domains", Some(body)).await;
    let (status, answer) =
        put(json!({ "domain": "Example.com", "allowed_domains": ["example.com", "*.example.com"] })).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(keys(&answer["data"]), ["primary_domain", "allowed_domains", "verification_status"]);
    let expected = json!({
        "primary_domain": "example.com", "allowed_domains": ["example.com", "*.example.com"], "verification_status": "pending"
    });
    assert_eq!(answer["data"], expected);
    assert_eq!(team.audit(1).await[0], json!(["website_update_domains", ["domain", "allowedDomains"]]));
    let (_, answer) = put(json!({ "allowed_domains": [] })).await;
    assert_eq!(answer["data"]["primary_domain"], "example.com", "what is left out stays");
    assert_eq!(answer["data"]["allowed_domains"], json!([]));
    for (body, field) in [
        (json!({ "allowed_domains": "example.com" }), "allowed_domains: "),
        (json!({ "allowed_domains": { "a": 1 } }), "allowed_domains: "),
        (json!({ "allowed_domains": null }), "allowed_domains: "),
        (json!({ "allowed_domains": ["a/b"] }), "allowed_domains: "),
        (json!({ "allowed_domains": [7] }), "allowed_domains[0]: "),
        (json!({ "domain": null }), "domain: "),
        (json!({ "domain": "a b" }), "domain: "),
        (json!({ "primary_domain": "example.com" }), "primary_domain: "),
    ] {
        let answer = put(body.clone()).await;
        assert_eq!(code(&answer), (400, "VALIDATION_ERROR"), "{body}");
        assert!(message(&answer).starts_with(field), "{body}: {}", message(&answer));
    }
    team.app.website(&team.owner, "second.example", "UTC").await;
    assert_eq!(code(&put(json!({ "domain": "second.example" })).await), (409, "CONFLICT"));
    team.roles(Method::GET, "/domains", None, Role::Viewer).await;
    team.roles(Method::PUT, "/domains", Some(json!({ "allowed_domains": [] })), Role::Admin).await;
}

#[tokio::test]
async fn a_domain_is_proven_by_dns_or_by_a_file_until_it_changes() {
    let team = team().await;
    let shown = team.domains().await;
    let wanted = shown["verification"]["dnsValue"].as_str().unwrap().to_owned();
    assert!(wanted.starts_with("footfall-verification=") && wanted.len() == 54, "{wanted}");
    assert_eq!(shown["verification"]["dnsName"], "_footfall.shop.example");
    assert_eq!(shown["verification"]["fileUrl"], "https://shop.example/.well-known/footfall-verification.txt");
    assert_eq!(shown["verification"]["fileContent"], wanted);

    // Nothing there, and what is there is another's.
    let answer = team.verify().await;
    assert_eq!(answer["data"]["websiteVerifyDomain"]["method"], Value::Null, "{answer}");
    assert_eq!(*team.app.proof.asked.lock().unwrap(), ["_footfall.shop.example", "shop.example"]);
    team.shows("_footfall.shop.example", Some(&["v=spf1", "footfall-verification=AAAA", &format!("{wanted}x")]));
    assert_eq!(team.verify().await["data"]["websiteVerifyDomain"]["method"], Value::Null);
    assert_eq!(team.domains().await["verificationStatus"], "PENDING");

    team.shows("_footfall.shop.example", Some(&["v=spf1", &wanted]));
    let answer = team.verify().await;
    let verified = &answer["data"]["websiteVerifyDomain"];
    assert_eq!(verified["method"], "DNS", "{answer}");
    assert_eq!(verified["website"]["domains"]["verificationStatus"], "VERIFIED");
    assert_eq!(verified["website"]["domains"]["verifiedAt"], NOW);
    assert_eq!(team.audit(1).await[0], json!(["website_verify_domain", ["verifiedAt"]]));
    let (_, rest) = team.ask(&team.viewer, Method::GET, "/domains", None).await;
    assert_eq!(rest["data"]["verification_status"], "verified");

    // It stays proven while other things change, and not when the domain does, whichever way.
    team.put("/domains", json!({ "domain": "shop.example", "allowed_domains": ["a.example"] })).await;
    team.put("/general", json!({ "name": "Other" })).await;
    assert_eq!(team.domains().await["verificationStatus"], "VERIFIED");
    team.put("/general", json!({ "domain": "new.example" })).await;
    let shown = team.domains().await;
    assert_eq!((&shown["verificationStatus"], &shown["verifiedAt"]), (&json!("PENDING"), &Value::Null));
    assert_eq!(team.verify().await["data"]["websiteVerifyDomain"]["method"], Value::Null, "the old domain's proof");
    team.app.proof.files.lock().unwrap().insert("new.example".to_owned(), format!("hello\r\n{wanted}\r\n"));
    let answer = team.verify().await;
    assert_eq!(answer["data"]["websiteVerifyDomain"]["method"], "FILE", "{answer}");
    team.put("/domains", json!({ "domain": "shop.example" })).await;
    assert_eq!(team.domains().await["verificationStatus"], "PENDING");
}

#[tokio::test]
async fn a_record_of_the_domain_itself_does_and_silence_is_no_answer() {
    let team = team().await;
    let wanted = team.domains().await["verification"]["dnsValue"].as_str().unwrap().to_owned();
    team.shows("_footfall.shop.example", None);
    let answer = team.verify().await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "SERVICE_UNAVAILABLE", "{answer}");
    team.shows("shop.example", Some(&[&wanted]));
    assert_eq!(team.verify().await["data"]["websiteVerifyDomain"]["method"], "DNS");
}

#[tokio::test]
async fn verifying_takes_an_editor() {
    let team = team().await;
    let mutation = "mutation($id: ID!) { websiteVerifyDomain(input: { websiteId: $id }) { method } }";
    let vars = json!({ "id": team.site });
    for (caller, wanted) in [
        (team.app.anon(), "UNAUTHORIZED"),
        (team.app.token(&team.stranger.token), "FORBIDDEN"),
        (team.app.token(&team.viewer.token), "FORBIDDEN"),
    ] {
        let answer = caller.gql(mutation, vars.clone()).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], wanted, "{answer}");
    }
    assert!(team.app.proof.asked.lock().unwrap().is_empty(), "nobody was asked");
}
