//! An independent recount for tests: random traffic, and its numbers by plain loops over events and visits.

pub mod goals;

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use schema::analytics::{
    event::{Acquisition, Agent, Event, EventKind, Place, VISIT_GAP_MS},
    plan::{Basis, PageRow, Sums},
    query::{Dimension, FilterInput, FilterOperator, Scope},
};
use uuid::Uuid;

use self::goals::{Completed, completed};

pub const SITE: Uuid = Uuid::from_u128(7);
pub const OTHER_SITE: Uuid = Uuid::from_u128(u128::MAX);
pub const START: i64 = 1_700_000_000_000;
pub const HOUR: i64 = 3_600_000;

pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }

    pub fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.roll(from.len() as u64) as usize]
    }
}

/// What an event counts as, stated a second time.
#[derive(Default)]
pub struct Counted {
    is_pageview: bool,
    is_event: bool,
    is_interaction: bool,
    is_goal: bool,
    is_money: bool,
}

pub fn counted(kind: EventKind) -> Counted {
    let event = Counted { is_event: true, ..Counted::default() };
    match kind {
        EventKind::Pageview => Counted { is_pageview: true, ..Counted::default() },
        EventKind::Custom => Counted { is_interaction: true, ..event },
        EventKind::Goal => Counted { is_interaction: true, is_goal: true, is_money: true, ..event },
        EventKind::Revenue => Counted { is_interaction: true, is_money: true, ..event },
        EventKind::Scroll | EventKind::Identify => event,
        EventKind::Heartbeat => Counted::default(),
    }
}

/// Two days of a few visitors: long visits across every boundary, goals with and without value, scrolls, heartbeats,
/// revenue in two currencies, some of it refunded.
pub fn traffic(seed: u64) -> Vec<Event> {
    let mut dice = Dice(seed);
    let mut events = Vec::new();
    for visitor in 0..40_u64 {
        let place = Arc::new(Place {
            country: dice.pick(&["DE", "FR", ""]).into(),
            region: dice.pick(&["", "BY"]).into(),
            city: dice.pick(&["", "Ulm"]).into(),
        });
        let agent = Arc::new(Agent {
            device: dice.pick(&["desktop", "mobile"]).into(),
            browser: dice.pick(&["Chrome", "Firefox"]).into(),
            browser_version: dice.pick(&["12.3", "13", ""]).into(),
            os: dice.pick(&["Linux", "iOS"]).into(),
            os_version: dice.pick(&["", "17.1"]).into(),
        });
        let mut time_ms = START + dice.roll(20 * HOUR as u64) as i64;
        for _ in 0..dice.roll(40) {
            time_ms += match dice.roll(6) {
                0 => VISIT_GAP_MS,
                1 => VISIT_GAP_MS + 1,
                2 => 3 * HOUR,
                _ => dice.roll(20 * 60 * 1000) as i64,
            };
            let kind = match dice.roll(EventKind::ALL.len() as u64 + 5) as usize {
                0 => EventKind::Heartbeat,
                roll => EventKind::ALL.get(roll - 1).copied().unwrap_or(EventKind::Pageview),
            };
            let counted = counted(kind);
            let is_money = counted.is_money && (kind != EventKind::Goal || dice.roll(2) == 0);
            let path: Arc<str> = dice.pick(&["/", "/a%b", "/a_b", "/axb", "/Pricing"]).into();
            let website = if dice.roll(8) == 0 { OTHER_SITE } else { SITE };
            let id = Uuid::from_u128(u128::from(seed) << 64 | events.len() as u128);
            events.push(Event {
                name: if counted.is_event { dice.pick(&["signup", "buy", "more", ""]) } else { "" }.into(),
                hostname: dice.pick(&["x.example", "y.example"]).into(),
                title: dice.pick(&["", "", "T", "U"]).into(),
                path,
                acquisition: Arc::new(Acquisition {
                    referrer: dice.pick(&["", "google.com"]).into(),
                    source: dice.pick(&["", "Google"]).into(),
                    channel: dice.pick(&["Direct", "Organic Search"]).into(),
                    utm_source: dice.pick(&["", "news"]).into(),
                    ..Acquisition::default()
                }),
                place: place.clone(),
                agent: agent.clone(),
                screen: dice.pick(&["", "800x600"]).into(),
                language: dice.pick(&["de-DE", "en"]).into(),
                properties: if kind == EventKind::Custom {
                    dice.pick(&["", r#"{"plan/x~y":"pro","n":1}"#, r#"{"plan/x~y":"free"}"#]).into()
                } else {
                    "".into()
                },
                amount_micros: if is_money { dice.roll(90_000_000) as i64 - 30_000_000 } else { 0 },
                currency: if is_money { dice.pick(&["USD", "EUR"]).into() } else { "".into() },
                // A visitor's key can belong to a human and a bot in turn.
                goals: if dice.roll(6) == 0 { dice.roll(3) as u8 } else { 0 },
                scroll: if kind == EventKind::Scroll { dice.roll(101) as u8 } else { 0 },
                bot: if visitor % 4 == 3 && dice.roll(3) == 0 { "user agent" } else { "" }.into(),
                ..Event::new(website, id, time_ms, visitor, kind)
            });
        }
    }
    events
}

/// Visits by plain loops: lists of events of one visitor, all human or all bot, without a gap over 30 minutes.
pub fn recounted_visits(events: &[Event]) -> Vec<Vec<&Event>> {
    let mut of_visitor: BTreeMap<(u64, bool), Vec<&Event>> = BTreeMap::new();
    for event in events.iter().filter(|event| event.website == SITE) {
        of_visitor.entry((event.visitor, event.bot.is_empty())).or_default().push(event);
    }
    let mut visits: Vec<Vec<&Event>> = Vec::new();
    for mut events in of_visitor.into_values() {
        events.sort_by_key(|event| event.time_ms);
        for event in events {
            match visits.last_mut() {
                Some(visit) if follows(visit, event) => visit.push(event),
                _ => visits.push(vec![event]),
            }
        }
    }
    visits
}

pub fn follows(visit: &[&Event], event: &Event) -> bool {
    let last = visit.last().unwrap();
    last.visitor == event.visitor
        && last.bot.is_empty() == event.bot.is_empty()
        && event.time_ms - last.time_ms <= VISIT_GAP_MS
}

pub fn value_of(dimension: Dimension, visit: &[&Event], event: &Event) -> Option<String> {
    let first = visit[0];
    let is_view = |event: &Event| counted(event.kind).is_pageview;
    let views: Vec<_> = visit.iter().filter(|event| is_view(event)).collect();
    // Acquisition is that of the first page view.
    let landing = views.first().copied().unwrap_or(&first);
    let (acquisition, agent) = (&landing.acquisition, &first.agent);
    let happened = event.kind != EventKind::Heartbeat;
    Some(match dimension {
        Dimension::Page => happened.then(|| event.path.to_string())?,
        Dimension::Hostname => happened.then(|| event.hostname.to_string())?,
        Dimension::Title => is_view(event).then(|| event.title.to_string())?,
        Dimension::Event => counted(event.kind).is_event.then(|| event.name.to_string())?,
        Dimension::Goal => counted(event.kind).is_goal.then(|| event.name.to_string())?,
        Dimension::EntryPage => views.first().map_or(String::new(), |view| view.path.to_string()),
        Dimension::ExitPage => views.last().map_or(String::new(), |view| view.path.to_string()),
        Dimension::Referrer => acquisition.referrer.clone(),
        Dimension::Channel => acquisition.channel.clone(),
        Dimension::Source => acquisition.source.clone(),
        Dimension::UtmSource => acquisition.utm_source.clone(),
        Dimension::UtmMedium => acquisition.utm_medium.clone(),
        Dimension::UtmCampaign => acquisition.utm_campaign.clone(),
        Dimension::UtmTerm => acquisition.utm_term.clone(),
        Dimension::UtmContent => acquisition.utm_content.clone(),
        Dimension::Country => first.place.country.clone(),
        Dimension::Region => first.place.region.clone(),
        Dimension::City => first.place.city.clone(),
        Dimension::Device => agent.device.clone(),
        Dimension::Browser => agent.browser.clone(),
        Dimension::BrowserVersion => {
            format!("{} {}", agent.browser, agent.browser_version.split('.').next().unwrap()).trim().into()
        }
        Dimension::Os => agent.os.clone(),
        Dimension::OsVersion => format!("{} {}", agent.os, agent.os_version).trim().into(),
        Dimension::Screen => first.screen.to_string(),
        Dimension::Language => first.language.to_string(),
        Dimension::FirstChannel | Dimension::FirstSource => panic!("one visit does not say which was the first"),
    })
}

/// Channel and source of each visitor's first visit.
pub fn first_acquisitions(events: &[Event]) -> BTreeMap<(u64, bool), (String, String)> {
    let mut firsts: BTreeMap<(u64, bool), (i64, String, String)> = BTreeMap::new();
    for visit in recounted_visits(events) {
        let landing = visit.iter().find(|event| counted(event.kind).is_pageview).unwrap_or(&visit[0]);
        let (key, start_ms) = ((visit[0].visitor, visit[0].bot.is_empty()), visit[0].time_ms);
        if firsts.get(&key).is_none_or(|(known_ms, _, _)| start_ms < *known_ms) {
            let acquisition = &landing.acquisition;
            firsts.insert(key, (start_ms, acquisition.channel.clone(), acquisition.source.clone()));
        }
    }
    firsts.into_iter().map(|(key, (_, channel, source))| (key, (channel, source))).collect()
}

/// The value of an event's property as text; empty if the event has none.
pub fn property_of(name: &str, event: &Event) -> Option<String> {
    if !counted(event.kind).is_event {
        return None;
    }
    let all: serde_json::Value = serde_json::from_str(&event.properties).unwrap_or_default();
    Some(match &all[name] {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Null => String::new(),
        other => other.to_string(),
    })
}

pub fn holds(filter: &FilterInput, visit: &[&Event], event: &Event, basis: &Basis) -> bool {
    let value = match &filter.property {
        Some(name) => property_of(name, event),
        None if filter.dimension == Dimension::Goal => {
            return completed(event, basis).iter().any(|completed| value_holds(filter, &completed.goal));
        }
        None => value_of(filter.dimension, visit, event),
    };
    value.is_some_and(|value| value_holds(filter, &value))
}

fn value_holds(filter: &FilterInput, value: &str) -> bool {
    let any = |says: &dyn Fn(&str) -> bool| filter.values.iter().any(|wanted| says(wanted));
    match filter.operator {
        FilterOperator::Is => any(&|wanted| value == wanted),
        FilterOperator::IsNot => !any(&|wanted| value == wanted),
        FilterOperator::Contains => any(&|wanted| value.contains(wanted)),
        FilterOperator::NotContains => !any(&|wanted| value.contains(wanted)),
        FilterOperator::StartsWith => any(&|wanted| value.starts_with(wanted)),
        FilterOperator::EndsWith => any(&|wanted| value.ends_with(wanted)),
        FilterOperator::Matches => any(&|wanted| regex::Regex::new(wanted).unwrap().is_match(value)),
    }
}

#[derive(Default)]
pub struct Tally {
    visitors: HashSet<u64>,
    sums: Sums,
}

impl Tally {
    fn finish(&self) -> Sums {
        Sums { visitors: self.visitors.len() as i64, ..self.sums }
    }
}

/// Sums per (bucket, key) by loops: the definition, over events and visits.
pub fn recount(
    events: &[Event],
    basis: &Basis,
    key: &dyn Fn(&[&Event], &Event) -> Option<String>,
    by_event: bool,
) -> BTreeMap<String, Sums> {
    recount_keys(
        events,
        basis,
        &|visit, event| key(visit, event).map(|key| (key, completed(event, basis))).into_iter().collect(),
        by_event,
    )
}

/// Sums per goal; `key` names the row of a goal.
pub fn recount_goals(events: &[Event], basis: &Basis, key: &dyn Fn(&str) -> Option<String>) -> BTreeMap<String, Sums> {
    let keys = |_: &[&Event], event: &Event| {
        let completed = completed(event, basis).into_iter();
        completed.filter_map(|completed| Some((key(&completed.goal)?, vec![completed]))).collect()
    };
    recount_keys(events, basis, &keys, true)
}

/// The keys of an event, and the completions that count under each.
type Keys<'a> = &'a dyn Fn(&[&Event], &Event) -> Vec<(String, Vec<Completed>)>;

fn recount_keys(events: &[Event], basis: &Basis, key: Keys<'_>, by_event: bool) -> BTreeMap<String, Sums> {
    let inside = |time_ms: i64| time_ms >= basis.span.start_ms && time_ms < basis.span.end_ms;
    let (on_events, on_visits): (Vec<_>, Vec<_>) =
        basis.filters.iter().partition(|filter| filter.dimension.scope() == Scope::Event);
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    for visit in recounted_visits(events) {
        if !basis.bots && !visit[0].bot.is_empty() {
            continue;
        }
        if !on_visits.iter().all(|filter| holds(filter, &visit, visit[0], basis)) {
            continue;
        }
        let did = |filter: &&&FilterInput| {
            visit.iter().any(|event| inside(event.time_ms) && holds(filter, &visit, event, basis))
        };
        if !by_event && on_events.iter().filter(did).count() < on_events.len() {
            continue;
        }
        let mut keys_of_visit = HashSet::new();
        for event in visit.iter().filter(|event| inside(event.time_ms)) {
            let any = on_events.is_empty() || on_events.iter().any(|filter| holds(filter, &visit, event, basis));
            let all = on_events.iter().all(|filter| holds(filter, &visit, event, basis));
            if !any || (by_event && !all) {
                continue;
            }
            for (key, completed) in key(&visit, event) {
                keys_of_visit.insert(key.clone());
                let tally = tallies.entry(key).or_default();
                tally.visitors.insert(event.visitor);
                if all {
                    let counted = counted(event.kind);
                    tally.sums.pageviews += i64::from(counted.is_pageview);
                    tally.sums.events += i64::from(counted.is_event);
                    tally.sums.conversions += completed.len() as i64;
                    tally.sums.goal_value_micros += completed.iter().map(|completed| completed.micros).sum::<i128>();
                    if *event.currency == *basis.currency {
                        tally.sums.revenue_micros += i128::from(event.amount_micros);
                        tally.sums.payments += 1;
                        if event.kind == EventKind::Revenue && event.amount_micros > 0 {
                            tally.sums.orders += 1;
                            tally.sums.order_micros += i128::from(event.amount_micros);
                        }
                    }
                }
            }
        }
        let (start, end) = (visit[0].time_ms, visit[visit.len() - 1].time_ms);
        if !inside(start) {
            continue;
        }
        if !by_event {
            keys_of_visit = key(&visit, visit[0]).into_iter().map(|(key, _)| key).collect();
        }
        let of = |is: fn(&Counted) -> bool| visit.iter().filter(|event| is(&counted(event.kind))).count() as i64;
        let pageviews = of(|counted| counted.is_pageview);
        let interactions = of(|counted| counted.is_interaction);
        let converted = visit.iter().any(|event| !completed(event, basis).is_empty());
        for key in keys_of_visit {
            let sums = &mut tallies.entry(key).or_default().sums;
            sums.visits += 1;
            sums.bounces += i64::from(pageviews == 1 && interactions == 0);
            sums.duration_ms += end - start;
            sums.visit_pageviews += pageviews;
            sums.converted += i64::from(converted);
            sums.score += recounted_score(&visit);
        }
    }
    tallies.into_iter().map(|(key, tally)| (key, tally.finish())).collect()
}

/// The score of a visit, by the table of the documentation.
pub fn recounted_score(visit: &[&Event]) -> i64 {
    let seconds = (visit[visit.len() - 1].time_ms - visit[0].time_ms) / 1000;
    let of = |is: fn(&Counted) -> bool| visit.iter().filter(|event| is(&counted(event.kind))).count() as i64;
    let pages = of(|counted| counted.is_pageview);
    let lasting = if pages > 3 { pages.min(3 + seconds / 2) } else { pages };
    let goals: i64 = visit.iter().map(|event| i64::from(event.goals)).sum();
    let scroll = visit.iter().map(|event| i64::from(event.scroll)).max().unwrap_or(0);
    let landing = visit.iter().find(|event| event.kind == EventKind::Pageview).unwrap_or(&visit[0]);
    let source = if landing.acquisition.channel == "Organic Search" { 5 } else { 2 };
    lasting.min(8) * 3
        + seconds.min(600) / 30
        + scroll * 8 / 100
        + of(|counted| counted.is_interaction).min(4) * 4
        + goals.min(2) * 7
        + source
}

/// Details of one page, by loops over the visits that match the conditions.
pub fn recounted_page(events: &[Event], basis: &Basis, path: &str) -> PageRow {
    let inside = |time_ms: i64| time_ms >= basis.span.start_ms && time_ms < basis.span.end_ms;
    let mut page = PageRow::default();
    let (mut titled_ms, mut until_ms, mut followed) = (i64::MIN, 0, 0);
    for visit in recounted_visits(events) {
        let fulfils = |filter: &FilterInput| match filter.dimension.scope() {
            Scope::Visit => holds(filter, &visit, visit[0], basis),
            Scope::Event => visit.iter().any(|event| inside(event.time_ms) && holds(filter, &visit, event, basis)),
        };
        let is_hidden = !basis.bots && !visit[0].bot.is_empty();
        if is_hidden || !basis.filters.iter().all(fulfils) {
            continue;
        }
        let views: Vec<_> = visit.iter().filter(|event| counted(event.kind).is_pageview).collect();
        if inside(visit[0].time_ms) {
            page.entries += i64::from(views.first().is_some_and(|view| &*view.path == path));
            page.exits += i64::from(views.last().is_some_and(|view| &*view.path == path));
        }
        for (at, view) in visit.iter().enumerate() {
            if !counted(view.kind).is_pageview || &*view.path != path || !inside(view.time_ms) {
                continue;
            }
            if !view.title.is_empty() && view.time_ms > titled_ms {
                titled_ms = view.time_ms;
                page.title = view.title.to_string();
            }
            if let Some(next) = visit[at + 1..].iter().find(|event| event.kind != EventKind::Heartbeat) {
                until_ms += next.time_ms - view.time_ms;
                followed += 1;
            }
        }
    }
    page.time_on_page_ms = (followed > 0).then(|| until_ms as f64 / f64::from(followed));
    page
}

/// A person by plain loops.
#[derive(Debug, Default, PartialEq)]
pub struct RecountedPerson {
    pub traits: BTreeMap<String, serde_json::Value>,
    pub identified_ms: i64,
    pub first_seen_ms: i64,
    pub last_seen_ms: i64,
    pub visits: i64,
    pub pageviews: i64,
    pub revenue_micros: i128,
    pub payments: i64,
}

/// Gives the traffic's identifications traits: of seven people, two of whom are known by e-mail address only.
pub fn identified(seed: u64) -> Vec<Event> {
    let (mut dice, mut events) = (Dice(seed ^ 0xfeed), traffic(seed));
    for event in events.iter_mut().filter(|event| event.kind == EventKind::Identify) {
        let mut traits = serde_json::Map::new();
        let who = dice.roll(7);
        if who < 5 {
            traits.insert("user_id".into(), format!("user-{who}").into());
        }
        if who >= 5 || dice.roll(2) == 0 {
            traits.insert("email".into(), format!("p{who}@shop.example").into());
        }
        for name in ["plan", "name", "a/b~c"] {
            if dice.roll(3) > 0 {
                traits.insert(name.into(), dice.pick(&["pro", "free", "Zoë Straße", ""]).into());
            }
        }
        if dice.roll(2) == 0 {
            traits.insert("seats".into(), dice.roll(3).into());
        }
        event.traits = serde_json::Value::Object(traits).to_string().into();
    }
    events
}

/// The people of the website, by user ID or e-mail address.
pub fn recounted_people(events: &[Event], currency: &str) -> BTreeMap<String, RecountedPerson> {
    let mut people: BTreeMap<String, RecountedPerson> = BTreeMap::new();
    let mut belongs: BTreeMap<u64, String> = BTreeMap::new();
    let mut identifying: Vec<&Event> = events
        .iter()
        .filter(|event| event.website == SITE && event.kind == EventKind::Identify && event.bot.is_empty())
        .collect();
    identifying.sort_by_key(|event| event.time_ms);
    for event in identifying {
        let traits: BTreeMap<String, serde_json::Value> = serde_json::from_str(&event.traits).unwrap();
        let key = traits.get("user_id").or(traits.get("email")).unwrap().as_str().unwrap().to_owned();
        let person = people
            .entry(key.clone())
            .or_insert_with(|| RecountedPerson { first_seen_ms: event.time_ms, ..RecountedPerson::default() });
        person.traits.extend(traits);
        (person.identified_ms, person.last_seen_ms) = (event.time_ms, event.time_ms);
        belongs.insert(event.visitor, key);
    }
    for visit in recounted_visits(events).iter().filter(|visit| visit[0].bot.is_empty()) {
        let Some(person) = belongs.get(&visit[0].visitor).and_then(|key| people.get_mut(key)) else { continue };
        person.visits += 1;
        for event in visit {
            person.first_seen_ms = person.first_seen_ms.min(event.time_ms);
            person.last_seen_ms = person.last_seen_ms.max(event.time_ms);
            person.pageviews += i64::from(counted(event.kind).is_pageview);
            if counted(event.kind).is_money && &*event.currency == currency {
                person.revenue_micros += i128::from(event.amount_micros);
                person.payments += 1;
            }
        }
    }
    people
}
