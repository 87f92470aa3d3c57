//! People checked against a recount by plain loops, and what is left of one who was forgotten.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use schema::{
    analytics::{
        event::{Event, EventKind},
        plan::{Answer, Asker, Basis, MetricSet, Panel, Plan},
        query::{FilterOperator, Span},
    },
    goal_rule::Goals,
    people::traits::{EMAIL, USER_ID, person_of_user},
    ports::{Events, PeopleQuery, PersonRow, Sink, Subject, TraitCondition},
};
use uuid::Uuid;

use super::{
    Store,
    recount::{HOUR, OTHER_SITE, RecountedPerson, SITE, START, identified, recount, recounted_people},
    tests::{ALL, store},
};

fn query() -> PeopleQuery {
    PeopleQuery {
        asker: Asker::Anonymous,
        website: SITE,
        currency: "EUR".into(),
        only: None,
        conditions: vec![],
        search: None,
        is_paying: None,
        after: None,
        limit: 100,
    }
}

async fn people(store: &Store, query: &PeopleQuery) -> BTreeMap<String, RecountedPerson> {
    let key = |row: &PersonRow| row.traits.text(USER_ID).or(row.traits.text(EMAIL)).unwrap();
    let page = store.people(query).await.unwrap();
    assert!(!page.more);
    let of = |row: PersonRow| RecountedPerson {
        traits: row.traits.values().into_iter().collect(),
        identified_ms: row.identified_ms,
        first_seen_ms: row.first_seen_ms,
        last_seen_ms: row.last_seen_ms,
        visits: row.visits,
        pageviews: row.pageviews,
        revenue_micros: row.revenue_micros,
        payments: row.payments,
    };
    page.rows.into_iter().map(|row| (key(&row), of(row))).collect()
}

#[tokio::test]
async fn people_are_those_of_the_recount_however_their_events_arrive() {
    for seed in 1..=6_u64 {
        let events = identified(seed);
        let expected = recounted_people(&events, "EUR");
        assert!(expected.len() >= 5, "{}", expected.len());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.duckdb");
        let store = store(Some(&path));
        let mut shuffled = events.clone();
        if seed % 2 == 0 {
            shuffled.reverse();
        }
        // Batches of many sizes, the last one delivered twice as a replay of the journal would if its position were not kept.
        let (mut from, mut size, mut position) = (0, 1, 0);
        while from < shuffled.len() {
            let until = (from + size).min(shuffled.len());
            position += 1;
            store.deliver(shuffled[from..until].to_vec(), START, position).await.unwrap();
            (from, size) = (until, size * 2);
        }
        assert_eq!(people(&store, &query()).await, expected, "seed {seed}");
        assert_eq!(store.delivered().await.unwrap(), position);
        drop(store);
        let store = self::store(Some(&path));
        assert_eq!(people(&store, &query()).await, expected, "after a start, seed {seed}");
    }
}

#[tokio::test]
async fn people_are_found_by_trait_by_text_and_by_revenue_and_paged_one_by_one() {
    use FilterOperator as O;
    let events = identified(3);
    let all = recounted_people(&events, "EUR");
    let store = store(None);
    store.append(events, START).await.unwrap();
    let text = |person: &RecountedPerson, name: &str| match person.traits.get(name) {
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    type Holds = fn(&str) -> bool;
    let conditions: [(&str, O, &[&str], Holds); 8] = [
        ("plan", O::Is, &["pro"], |text| text == "pro"),
        ("plan", O::Is, &["", "free"], |text| text.is_empty() || text == "free"),
        ("plan", O::IsNot, &["pro"], |text| text != "pro"),
        ("seats", O::Is, &["1", "2"], |text| text == "1" || text == "2"),
        ("a/b~c", O::StartsWith, &["Z"], |text| text.starts_with('Z')),
        ("email", O::Is, &["P6@Shop.example"], |text| text == "p6@shop.example"),
        ("user_id", O::Matches, &["[02]$"], |text| text.ends_with(['0', '2'])),
        ("name", O::NotContains, &["ro"], |text| !text.contains("ro")),
    ];
    for (name, operator, values, holds) in conditions {
        let values = values.iter().map(ToString::to_string).collect();
        let conditions = vec![TraitCondition { name: name.into(), operator, values }];
        let found = people(&store, &PeopleQuery { conditions, ..query() }).await;
        let expected: Vec<&String> =
            all.iter().filter(|(_, person)| holds(&text(person, name))).map(|(key, _)| key).collect();
        assert_eq!(found.keys().collect::<Vec<_>>(), expected, "{name} {operator:?}");
    }
    let found = people(&store, &PeopleQuery { search: Some("ZOE STRASSE".into()), ..query() }).await;
    let expected: Vec<&String> =
        all.iter().filter(|(_, person)| text(person, "name") == "Zoë Straße").map(|(key, _)| key).collect();
    assert_eq!(found.keys().collect::<Vec<_>>(), expected);
    for is_paying in [true, false] {
        let found = people(&store, &PeopleQuery { is_paying: Some(is_paying), ..query() }).await;
        let expected: Vec<&String> =
            all.iter().filter(|(_, person)| (person.revenue_micros > 0) == is_paying).map(|(key, _)| key).collect();
        assert_eq!(found.keys().collect::<Vec<_>>(), expected, "{is_paying}");
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = store.people(&PeopleQuery { after, limit: 1, ..query() }).await.unwrap();
        let row = &page.rows[0];
        seen.push((-row.identified_ms, row.person));
        after = Some((row.identified_ms, row.person));
        let only = store.people(&PeopleQuery { only: Some(row.person), ..query() }).await.unwrap();
        assert_eq!(only.rows, std::slice::from_ref(row));
        assert_eq!(store.website_of_person(row.person).await.unwrap(), Some(SITE));
        if !page.more {
            break;
        }
    }
    assert!(seen.is_sorted() && seen.len() == all.len(), "{seen:?}");
}

/// The files below a folder that contain a text.
fn files_with(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, text));
        } else if fs::read(&path).unwrap_or_default().windows(text.len()).any(|bytes| bytes == text.as_bytes()) {
            found.push(path.display().to_string());
        }
    }
    found
}

/// Many visitors, and one person with texts of their own on two devices, in each day's events.
fn with_one_person(days: i64) -> (Vec<Vec<Event>>, Vec<&'static str>) {
    let texts = vec![
        "quilla-71",
        "quilla@vexnor.example",
        "Quilla Vexnor",
        "Vexnor Holding",
        "secret-path-9c1f",
        "Quilla's title",
        "campaign-of-quilla",
        "prop-of-quilla",
    ];
    let person = |mut event: Event, device: u64| {
        event.visitor = 0xabcd_ef01_2345_6700 + device;
        event.path = "/secret-path-9c1f".into();
        event.title = "Quilla's title".into();
        Arc::make_mut(&mut event.acquisition).utm_campaign = "campaign-of-quilla".into();
        event.properties = match event.kind {
            EventKind::Identify => r#"{"user_id":"quilla-71"}"#.into(),
            _ => r#"{"note":"prop-of-quilla"}"#.into(),
        };
        if event.kind == EventKind::Identify {
            event.traits = r#"{"user_id":"quilla-71","email":"quilla@vexnor.example","name":"Quilla Vexnor","company":"Vexnor Holding"}"#.into();
        }
        event
    };
    let mut batches = Vec::new();
    for day in 0..days {
        let mut events = identified(day as u64 + 1);
        for (number, event) in events.iter_mut().enumerate() {
            event.time_ms += day * 48 * HOUR;
            event.id = Uuid::from_u128((day as u128) << 64 | number as u128);
        }
        let mut of_person = Vec::new();
        for (number, event) in events.iter().enumerate().filter(|(number, _)| number % 40 == 0) {
            let mut event = Event { website: SITE, bot: "".into(), ..event.clone() };
            event.id = Uuid::from_u128(1 << 100 | (day as u128) << 64 | number as u128);
            event.kind = if number % 120 == 0 { EventKind::Identify } else { EventKind::Pageview };
            (event.amount_micros, event.currency) = (0, "".into());
            of_person.push(person(event, number as u64 / 40 % 2));
        }
        events.extend(of_person);
        batches.push(events);
    }
    (batches, texts)
}

async fn forgotten_everywhere(subject: Subject) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.duckdb");
    let store = store(Some(&path));
    let (batches, texts) = with_one_person(4);
    for (number, batch) in batches.iter().enumerate() {
        store.deliver(batch.clone(), START, number as i64 + 1).await.unwrap();
    }
    store.reader().unwrap().execute_batch("CHECKPOINT").unwrap();
    for text in &texts {
        assert!(!files_with(folder.path(), text).is_empty(), "{text} is in no file before");
    }
    let is_of_person = |event: &Event| event.visitor >> 8 == 0x00ab_cdef_0123_4567;
    let (of_person, others): (Vec<Event>, Vec<Event>) = batches.into_iter().flatten().partition(is_of_person);
    let forgotten = store.forget(SITE, &subject).await.unwrap();
    assert_eq!((forgotten.people, forgotten.events, forgotten.visitors.len()), (1, of_person.len() as u64, 2));
    assert!(forgotten.visits > 0);
    for text in &texts {
        assert_eq!(files_with(folder.path(), text), [""; 0], "{text}");
    }
    // Everybody else is as before.
    let expected = recounted_people(&others, "EUR");
    assert_eq!(people(&store, &query()).await, expected);
    let metrics: MetricSet = ALL.into_iter().collect();
    for website in [SITE, OTHER_SITE] {
        let span = Span { start_ms: START - HOUR, end_ms: START + 400 * HOUR };
        let basis =
            Basis { website, span, filters: vec![], currency: "EUR".into(), bots: true, goals: Goals::default() };
        let plan = Plan { asker: Asker::Anonymous, basis: basis.clone(), panels: vec![Panel::Totals { metrics }] };
        let Answer::Totals(totals) = store.ask(&plan).await.unwrap().remove(0) else { panic!() };
        if website == SITE {
            let counted = recount(&others, &basis, &|_, _| Some(String::new()), false).remove("").unwrap();
            assert_eq!(totals, counted);
        } else {
            let pageviews = others.iter().filter(|event| event.website == OTHER_SITE && event.kind.is_pageview());
            assert_eq!(totals.pageviews, pageviews.count() as i64);
        }
    }
    // Again, nothing is left to remove; and after a start nothing has come back.
    let again = store.forget(SITE, &subject).await.unwrap();
    assert_eq!((again.people, again.events, again.visits), (0, 0, 0));
    drop(store);
    let store = self::store(Some(&path));
    assert_eq!(people(&store, &query()).await, expected);
    for text in &texts {
        assert_eq!(files_with(folder.path(), text), [""; 0], "{text} after a start");
    }
}

#[tokio::test]
async fn a_person_forgotten_by_user_id_is_in_no_file_and_others_are_as_before() {
    forgotten_everywhere(Subject::UserId("quilla-71".into())).await;
}

#[tokio::test]
async fn a_person_forgotten_by_e_mail_address_is_in_no_file() {
    forgotten_everywhere(Subject::Email("quilla@vexnor.example".into())).await;
}

#[tokio::test]
async fn a_person_forgotten_by_one_visitor_is_in_no_file() {
    forgotten_everywhere(Subject::Visitor(0xabcd_ef01_2345_6700)).await;
}

#[tokio::test]
async fn who_used_a_device_before_leaves_no_id_with_the_next_one() {
    let store = store(None);
    let identify = |number: u128, user: &str| Event {
        properties: format!(r#"{{"user_id":"{user}"}}"#).into(),
        traits: format!(r#"{{"user_id":"{user}"}}"#).into(),
        ..Event::new(SITE, Uuid::from_u128(number), START + number as i64, 5, EventKind::Identify)
    };
    store.append(vec![identify(1, "first"), identify(2, "second")], START).await.unwrap();
    let forgotten = store.forget(SITE, &Subject::UserId("first".into())).await.unwrap();
    assert_eq!((forgotten.people, forgotten.events), (1, 0), "the visitor is the second person's");
    let left = people(&store, &query()).await;
    assert_eq!(left.keys().collect::<Vec<_>>(), ["second"]);
    assert_eq!(left["second"].visits, 1);
    let reader = store.reader().unwrap();
    let kept: Vec<String> = reader
        .prepare("SELECT properties FROM events ORDER BY time_ms")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(kept, ["", r#"{"user_id":"second"}"#]);
    assert_eq!(store.website_of_person(person_of_user(SITE, "first")).await.unwrap(), None);
}
