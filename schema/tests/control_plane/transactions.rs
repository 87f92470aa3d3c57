//! Transactions of several processes, such as a server and a command beside it.

use std::time::Duration;

use entity::team;
use footfall_schema::database::Database;
use sea_orm::{ActiveModelTrait as _, ActiveValue::Set, EntityTrait as _, PaginatorTrait as _};

use crate::app::{App, open};

#[tokio::test]
async fn what_a_transaction_has_read_is_true_until_it_commits() {
    let app = App::new().await;
    let (writer, reader) = open(&app.folder).await;
    let other = Database::new(writer, reader, app.ports.changes.clone());
    let operator = app.operator();
    let first = app.ports.begin(&operator).await.unwrap();
    assert_eq!(team::Entity::find().count(&first).await.unwrap(), 0);
    let (begun, mut has_begun) = tokio::sync::oneshot::channel();
    let second = tokio::spawn(async move {
        let second = other.begin(&operator).await.unwrap();
        begun.send(()).unwrap();
        team::Entity::find().count(&second).await.unwrap()
    });
    // Longer than a transaction takes to begin.
    tokio::time::timeout(Duration::from_millis(300), &mut has_begun).await.expect_err("the other one waits");
    let row = team::ActiveModel {
        id: Set(app.ports.ids.uuid()),
        name: Set("Shop".to_owned()),
        plan: Set("free".to_owned()),
        created_at: Set(app.ports.now()),
    };
    row.insert(&first).await.unwrap();
    first.commit().await.unwrap();
    assert_eq!(second.await.unwrap(), 1);
}
