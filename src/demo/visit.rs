//! One visit of the demo: pages, events, and their times.

use std::sync::Arc;

use schema::analytics::event::{Acquisition, Event, EventKind, shared};
use uuid::{Builder, Uuid};

use super::{
    crowd::Person,
    random::Random,
    sites::{Origin, Page, Purpose, Website},
};
use crate::ingest::channel::{Campaign, acquire, referrer_host};

/// Strings of a website, shared by all its events.
pub(super) struct Scene {
    pub(super) site: &'static Website,
    website: Uuid,
    pages: Vec<Stage>,
    origins: Vec<(u64, Arc<Acquisition>)>,
    viral: Option<Arc<Acquisition>>,
    direct: Arc<Acquisition>,
    hostname: Arc<str>,
    currency: Arc<str>,
}

struct Stage {
    page: Page,
    path: Arc<str>,
    title: Arc<str>,
}

impl Stage {
    fn from_page(page: Page) -> Self {
        Self { page, path: page.path.into(), title: page.title.into() }
    }
}

/// Paths of pages that do not exist.
const MISSING: &[&str] = &["/wp-login.php", "/favicon-old", "/index.php", "/2019/old-post", "/feed.old", "/sitemap"];

impl Scene {
    pub(super) fn new(site: &'static Website, website: Uuid) -> Self {
        let arrive = |origin: &Origin| {
            Arc::new(acquire(referrer_host(origin.referrer, site.domain), Campaign::of_query(origin.query)))
        };
        Self {
            site,
            website,
            pages: site.pages.iter().copied().map(Stage::from_page).collect(),
            origins: site.origins.iter().map(|origin| (origin.weight, arrive(origin))).collect(),
            viral: site.viral.as_ref().map(|(_, origin)| arrive(origin)),
            direct: Arc::new(acquire(String::new(), Campaign::default())),
            hostname: site.domain.into(),
            currency: site.currency.into(),
        }
    }

    /// Generates a visit that starts at `start_ms`. Events are in chronological order; IDs depend on `random` alone.
    pub(super) fn play(&self, random: &mut Random, person: &Person, start_ms: i64, is_viral: bool) -> Vec<Event> {
        let acquisition = match &self.viral {
            Some(viral) if is_viral => Arc::clone(viral),
            _ => random
                .pick(&self.origins, |origin| origin.0)
                .map_or_else(|| Arc::clone(&self.direct), |origin| Arc::clone(&origin.1)),
        };
        let mut play =
            Play { scene: self, random, person, time_ms: start_ms, acquisition, events: Vec::with_capacity(4) };
        play.all(is_viral);
        play.events
    }
}

struct Play<'a> {
    scene: &'a Scene,
    random: &'a mut Random,
    person: &'a Person,
    time_ms: i64,
    /// How the visitor came; later pages are reached from the site itself.
    acquisition: Arc<Acquisition>,
    events: Vec<Event>,
}

impl Play<'_> {
    fn all(&mut self, is_viral: bool) {
        let scene = self.scene;
        if self.random.chance(0.012) {
            self.miss();
            return;
        }
        // Most visitors land on the page that was shared.
        let landing = if is_viral { scene.pages.iter().max_by_key(|stage| stage.page.landing) } else { None };
        let Some(landing) = landing.or_else(|| self.random.pick(&scene.pages, |stage| stage.page.landing)) else {
            return;
        };
        self.view(landing);
        let stays = match scene.site.purpose {
            Purpose::Shop => 0.62,
            Purpose::Product => 0.60,
            Purpose::Blog => 0.36,
        };
        let mut last = landing;
        self.act(last);
        for _ in 0..14 {
            if !self.random.chance(if is_viral { stays / 2.0 } else { stays }) {
                break;
            }
            self.wait(48.0);
            let Some(next) = self.random.pick(&scene.pages, |stage| stage.page.later) else { break };
            if next.page.path == last.page.path {
                continue;
            }
            self.view(next);
            self.act(next);
            last = next;
        }
    }

    fn wait(&mut self, mean_seconds: f64) {
        let seconds = (4.0 + self.random.around(mean_seconds)).min(1_500.0);
        #[expect(clippy::cast_possible_truncation, reason = "at most 25 minutes")]
        let wait_ms = (seconds * 1000.0) as i64;
        self.time_ms += wait_ms;
    }

    /// Events that the page leads to.
    fn act(&mut self, stage: &Stage) {
        match self.scene.site.purpose {
            Purpose::Shop if stage.page.price > 0 && self.random.chance(0.13) => self.buy(stage),
            Purpose::Shop if stage.page.path == "/subscriptions" && self.random.chance(0.05) => {
                self.wait(30.0);
                self.event(stage, EventKind::Custom, "newsletter", String::new());
            }
            Purpose::Product if stage.page.path == "/pricing" && self.random.chance(0.16) => self.sign_up(stage),
            Purpose::Product if stage.page.path.starts_with("/docs") && self.random.chance(0.09) => {
                self.wait(15.0);
                let words = ["secrets", "monorepo", "timeout", "custom domain", "cache", "webhook"];
                let word = self.random.pick(&words, |_| 1).copied().unwrap_or_default();
                self.event(stage, EventKind::Custom, "docs_search", format!("{{\"query\":\"{word}\"}}"));
            }
            Purpose::Blog if stage.page.path.starts_with("/20") && self.random.chance(0.28) => {
                self.wait(70.0);
                let depth = self.random.pick(&[50, 75, 100], |_| 1).copied().unwrap_or(50);
                self.event(stage, EventKind::Scroll, "scroll", format!("{{\"depth\":{depth}}}"));
            }
            Purpose::Blog if stage.page.path == "/newsletter" && self.random.chance(0.3) => {
                self.wait(20.0);
                self.event(stage, EventKind::Custom, "newsletter", String::new());
                self.event(stage, EventKind::Goal, "Newsletter", String::new());
            }
            _ => {}
        }
    }

    /// A cart, which about one in three visitors checks out.
    fn buy(&mut self, stage: &Stage) {
        self.wait(25.0);
        let count = 1 + i64::from(self.random.chance(0.35)) + i64::from(self.random.chance(0.1));
        let cents = stage.page.price * count;
        let name = stage.page.path.rsplit('/').next().unwrap_or_default();
        self.event(
            stage,
            EventKind::Custom,
            "add_to_cart",
            format!(
                "{{\"product\":\"{name}\",\"quantity\":{count},\"price\":{}.{:02}}}",
                stage.page.price / 100,
                stage.page.price % 100
            ),
        );
        if !self.random.chance(0.45) {
            return;
        }
        let checkout = step("/checkout", "Checkout | Bergkaffee");
        self.wait(40.0);
        self.view(&checkout);
        if !self.random.chance(0.72) {
            return;
        }
        let thanks = step("/checkout/thanks", "Thank you | Bergkaffee");
        self.wait(90.0);
        self.view(&thanks);
        let paid = cents + if cents < 4_000 { 490 } else { 0 };
        self.event(&thanks, EventKind::Goal, "Purchase", String::new());
        let order = self.random.below(900_000) + 100_000;
        self.event(
            &thanks,
            EventKind::Revenue,
            "purchase",
            format!("{{\"order_id\":\"B-{order}\",\"items\":{count}}}"),
        );
        if let Some(revenue) = self.events.last_mut() {
            revenue.amount_micros = paid * 10_000;
            revenue.currency = Arc::clone(&self.scene.currency);
        }
    }

    fn sign_up(&mut self, stage: &Stage) {
        let form = step("/signup", "Start for free | Tideline");
        self.wait(35.0);
        self.view(&form);
        if !self.random.chance(0.5) {
            return;
        }
        self.wait(60.0);
        let plan =
            self.random.pick(&[("free", 6), ("team", 3), ("business", 1)], |plan| plan.1).map_or("free", |plan| plan.0);
        self.event(&form, EventKind::Custom, "signup", format!("{{\"plan\":\"{plan}\"}}"));
        self.event(stage, EventKind::Goal, "Sign up", String::new());
    }

    fn miss(&mut self) {
        let path = self.random.pick(MISSING, |_| 1).copied().unwrap_or("/");
        let missing = step(path, "Page not found");
        self.view(&missing);
        self.event(&missing, EventKind::Custom, "404", format!("{{\"path\":\"{path}\"}}"));
    }

    fn view(&mut self, stage: &Stage) {
        self.event(stage, EventKind::Pageview, "", String::new());
    }

    fn event(&mut self, stage: &Stage, kind: EventKind, name: &str, properties: String) {
        let scene = self.scene;
        let id = (u128::from(self.random.bits()) << 64) | u128::from(self.random.bits());
        let acquisition = std::mem::replace(&mut self.acquisition, Arc::clone(&scene.direct));
        let id = Builder::from_custom_bytes(id.to_be_bytes()).into_uuid();
        self.events.push(Event {
            name: shared(name),
            hostname: Arc::clone(&scene.hostname),
            path: Arc::clone(&stage.path),
            title: Arc::clone(&stage.title),
            acquisition,
            place: Arc::clone(&self.person.place),
            agent: Arc::clone(&self.person.agent),
            screen: Arc::clone(&self.person.screen),
            language: Arc::clone(&self.person.language),
            properties: shared(&properties),
            goals: kind.is_conversion().into(),
            ..Event::new(scene.website, id, self.time_ms, self.person.visitor, kind)
        });
    }
}

/// A page that only a visit's course leads to.
fn step(path: &'static str, title: &'static str) -> Stage {
    Stage::from_page(Page { path, title, landing: 0, later: 0, price: 0 })
}
