//! The embeddable pages, and what a visitor could smuggle into them.

use reqwest::StatusCode;
use serde_json::json;

use crate::ingest::{shop, view, with};

#[tokio::test]
async fn widgets_are_drawn_and_run_no_script_of_a_visitor() {
    let shop = shop().await;
    let script = "<script>alert(1)</script>";
    let hostile = with(
        view("/"),
        json!({ "title": script, "referrer": format!("https://{script}/"), "url": format!("https://shop.example/{script}") }),
    );
    assert_eq!(shop.send(hostile).await.status, 200);
    shop.totals(1).await;
    for widget in ["realtime", "preview", "recent"] {
        for query in
            ["", "?theme=dark&color=%231f7a5c&lang=de", "?theme=%00&color=red;}&lang=%3Cscript%3E", "?theme=a&theme=b"]
        {
            let url = shop.app.url(&format!("/widgets/{}/{widget}{query}", shop.code));
            let response = reqwest::get(url).await.unwrap();
            assert_eq!(response.status(), 200, "{widget}{query}");
            let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
            assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors *"), "{policy}");
            assert!(!response.headers().contains_key("x-frame-options"));
            let page = response.text().await.unwrap();
            assert!(page.contains("<svg") && !page.contains("alert(1)"), "{widget}{query}");
        }
    }
    let live = shop.app.anon().get(&format!("/e/live/{}", shop.code)).await;
    assert_eq!((live.0, live.1["liveCount"].clone()), (StatusCode::OK, json!(1)));
    assert_eq!(reqwest::get(shop.app.url("/widgets/ZV_none/realtime")).await.unwrap().status(), 404);
}
