//! The demo's websites: their pages, the sources of their visitors, and what a visit can lead to.

/// A page with its title and its weights as landing page and as a later one.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// Path, without query.
    pub path: &'static str,
    /// Title, as browsers show it.
    pub title: &'static str,
    /// Weight among landing pages.
    pub(super) landing: u64,
    /// Weight among pages seen later in a visit.
    pub(super) later: u64,
    /// Price in cents of the site's currency, on pages of products.
    pub(super) price: i64,
}

const fn page(path: &'static str, title: &'static str, landing: u64, later: u64) -> Page {
    Page { path, title, landing, later, price: 0 }
}

const fn product(path: &'static str, title: &'static str, weight: u64, price: i64) -> Page {
    Page { path, title, landing: weight, later: weight * 3, price }
}

/// Where visitors come from: weight, referring page, and the query of the link they followed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin {
    pub(super) weight: u64,
    pub(super) referrer: &'static str,
    pub(super) query: &'static str,
}

const fn from(weight: u64, referrer: &'static str, query: &'static str) -> Origin {
    Origin { weight, referrer, query }
}

/// Purpose of the site, which determines the events besides page views.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Shop: carts, orders, revenue.
    Shop,
    /// Software product: sign-ups and documentation.
    Product,
    /// Blog.
    Blog,
}

/// One website of the demo.
#[derive(Debug)]
pub struct Website {
    /// Its name.
    pub name: &'static str,
    /// Its domain; a reserved name.
    pub domain: &'static str,
    /// IANA name of its time zone; its days and nights follow it.
    pub timezone: &'static str,
    /// ISO 4217 code of its revenue.
    pub currency: &'static str,
    /// Its pages.
    pub pages: &'static [Page],
    pub(super) purpose: Purpose,
    pub(super) origins: &'static [Origin],
    /// Visits on an ordinary day half way through the 90.
    pub(super) daily: f64,
    /// Share of an ordinary day's visits, Monday first.
    pub(super) week: [f64; 7],
    /// Weight of each local hour.
    pub(super) hours: [u64; 24],
    /// Share of visits from a phone, in percent; tablets are 3 more.
    pub(super) mobile: u64,
    /// Peak days, as days before the end, and the source of their traffic.
    pub(super) viral: Option<(i64, Origin)>,
}

/// All of them.
pub(super) static ALL: &[Website] = &[SHOP, PRODUCT, BLOG];

const SHOP: Website = Website {
    name: "Bergkaffee",
    domain: "bergkaffee.example",
    timezone: "Europe/Berlin",
    currency: "EUR",
    purpose: Purpose::Shop,
    daily: 390.0,
    week: [0.95, 0.92, 0.93, 0.98, 1.02, 1.10, 1.18],
    hours: [4, 2, 1, 1, 1, 2, 6, 12, 18, 22, 26, 28, 30, 27, 25, 25, 27, 30, 36, 44, 48, 40, 24, 10],
    mobile: 56,
    viral: None,
    pages: &[
        page("/", "Bergkaffee: small-batch coffee", 40, 18),
        page("/coffee", "All coffees | Bergkaffee", 14, 30),
        page("/espresso", "Espresso | Bergkaffee", 8, 16),
        page("/equipment", "Grinders and brewers | Bergkaffee", 6, 14),
        page("/subscriptions", "Coffee by subscription | Bergkaffee", 5, 10),
        product("/coffee/sidamo-washed", "Sidamo, washed | Bergkaffee", 6, 1390),
        product("/coffee/huila-decaf", "Huila decaf | Bergkaffee", 3, 1450),
        product("/coffee/nyeri-aa", "Nyeri AA | Bergkaffee", 4, 1690),
        product("/coffee/house-blend", "House blend | Bergkaffee", 7, 1190),
        product("/espresso/notte", "Notte espresso | Bergkaffee", 5, 1290),
        product("/equipment/hand-grinder", "Hand grinder K3 | Bergkaffee", 3, 8900),
        product("/equipment/dripper", "Porcelain dripper | Bergkaffee", 2, 2400),
        page("/guides/pour-over", "Pour-over in five steps | Bergkaffee", 12, 5),
        page("/guides/water", "Why water matters | Bergkaffee", 7, 4),
        page("/about", "Our roastery | Bergkaffee", 2, 5),
        page("/shipping", "Shipping and returns | Bergkaffee", 1, 6),
    ],
    origins: &[
        from(30, "", ""),
        from(27, "https://www.google.de/", ""),
        from(5, "https://www.google.com/", ""),
        from(
            9,
            "https://www.google.de/",
            "gclid=demo&utm_source=google&utm_medium=cpc&utm_campaign=brand_de&utm_term=kaffee+kaufen",
        ),
        from(
            4,
            "https://www.google.de/",
            "gclid=demo&utm_source=google&utm_medium=cpc&utm_campaign=grinders&utm_content=text_b",
        ),
        from(
            6,
            "https://l.instagram.com/",
            "utm_source=instagram&utm_medium=paid_social&utm_campaign=autumn_roast&utm_content=reel_1",
        ),
        from(5, "https://www.instagram.com/", ""),
        from(
            3,
            "https://l.facebook.com/",
            "utm_source=facebook&utm_medium=paid_social&utm_campaign=autumn_roast&utm_content=carousel",
        ),
        from(5, "", "utm_source=newsletter&utm_medium=email&utm_campaign=weekly_roast"),
        from(3, "https://www.bing.com/", ""),
        from(2, "https://duckduckgo.com/", ""),
        from(2, "https://www.ecosia.org/", ""),
        from(2, "https://www.youtube.com/", ""),
        from(2, "https://www.pinterest.de/", ""),
        from(2, "https://chatgpt.com/", "utm_source=chatgpt.com"),
        from(1, "https://www.perplexity.ai/", ""),
        from(2, "https://www.idealo.de/", ""),
        from(2, "https://kaffeeblog.example/", ""),
        from(1, "https://partner.example/", "utm_source=partner&utm_medium=affiliate&utm_campaign=roasters"),
        from(1, "https://news.example/", "utm_source=newsnet&utm_medium=display&utm_campaign=autumn_roast"),
    ],
};

const PRODUCT: Website = Website {
    name: "Tideline",
    domain: "tideline.example",
    timezone: "America/New_York",
    currency: "USD",
    purpose: Purpose::Product,
    daily: 330.0,
    week: [1.18, 1.24, 1.22, 1.18, 1.02, 0.52, 0.58],
    hours: [5, 4, 4, 5, 7, 9, 12, 18, 28, 38, 42, 40, 34, 36, 40, 40, 36, 28, 18, 14, 13, 12, 9, 7],
    mobile: 16,
    viral: None,
    pages: &[
        page("/", "Tideline: deploy previews for every branch", 36, 10),
        page("/pricing", "Pricing | Tideline", 8, 18),
        page("/customers", "Customers | Tideline", 2, 5),
        page("/changelog", "Changelog | Tideline", 4, 4),
        page("/docs", "Documentation | Tideline", 10, 16),
        page("/docs/quickstart", "Quickstart | Tideline docs", 14, 24),
        page("/docs/configuration", "Configuration | Tideline docs", 10, 18),
        page("/docs/environments", "Environments | Tideline docs", 7, 12),
        page("/docs/github-actions", "GitHub Actions | Tideline docs", 11, 9),
        page("/docs/monorepos", "Monorepos | Tideline docs", 8, 7),
        page("/docs/secrets", "Secrets | Tideline docs", 5, 8),
        page("/docs/api", "API reference | Tideline docs", 6, 12),
        page("/docs/troubleshooting", "Troubleshooting | Tideline docs", 6, 6),
        page("/blog/preview-environments-at-scale", "Preview environments at scale | Tideline", 7, 2),
        page("/login", "Sign in | Tideline", 6, 5),
        page("/security", "Security | Tideline", 1, 3),
    ],
    origins: &[
        from(34, "", ""),
        from(28, "https://www.google.com/", ""),
        from(6, "https://github.com/", ""),
        from(4, "https://stackoverflow.com/", ""),
        from(3, "https://www.bing.com/", ""),
        from(3, "https://duckduckgo.com/", ""),
        from(5, "https://chatgpt.com/", "utm_source=chatgpt.com"),
        from(3, "https://claude.ai/", ""),
        from(2, "https://www.perplexity.ai/", ""),
        from(1, "https://gemini.google.com/", ""),
        from(1, "https://copilot.microsoft.com/", ""),
        from(
            5,
            "https://www.google.com/",
            "gclid=demo&utm_source=google&utm_medium=cpc&utm_campaign=preview_envs&utm_term=deploy+previews",
        ),
        from(3, "https://www.linkedin.com/", "utm_source=linkedin&utm_medium=paid_social&utm_campaign=platform_teams"),
        from(2, "https://www.linkedin.com/", ""),
        from(2, "https://news.ycombinator.com/", ""),
        from(2, "https://www.reddit.com/", ""),
        from(2, "https://t.co/", ""),
        from(3, "", "utm_source=changelog_mail&utm_medium=email&utm_campaign=monthly"),
        from(2, "https://dev.to/", ""),
        from(1, "https://www.youtube.com/", ""),
    ],
};

const BLOG: Website = Website {
    name: "Small Hours",
    domain: "smallhours.example",
    timezone: "Europe/London",
    currency: "GBP",
    purpose: Purpose::Blog,
    daily: 260.0,
    week: [1.05, 1.08, 1.04, 1.0, 0.92, 0.82, 0.95],
    hours: [10, 8, 6, 5, 4, 5, 10, 18, 24, 26, 25, 25, 27, 25, 24, 24, 24, 24, 24, 26, 28, 28, 24, 16],
    mobile: 42,
    viral: Some((23, from(1, "https://news.ycombinator.com/", ""))),
    pages: &[
        page("/", "Small Hours", 22, 22),
        page("/2026/the-quiet-database", "The quiet database | Small Hours", 26, 8),
        page("/2026/letters-from-a-lighthouse", "Letters from a lighthouse | Small Hours", 14, 8),
        page("/2026/how-trains-keep-time", "How trains keep time | Small Hours", 18, 9),
        page("/2026/a-year-without-tabs", "A year without tabs | Small Hours", 11, 7),
        page("/2025/bread-at-four-in-the-morning", "Bread at four in the morning | Small Hours", 12, 7),
        page("/2025/notes-on-fonts", "Notes on fonts | Small Hours", 8, 5),
        page("/2025/the-last-payphone", "The last payphone | Small Hours", 9, 5),
        page("/archive", "Archive | Small Hours", 3, 14),
        page("/about", "About | Small Hours", 2, 9),
        page("/newsletter", "The Sunday letter | Small Hours", 3, 8),
    ],
    origins: &[
        from(26, "", ""),
        from(24, "https://www.google.co.uk/", ""),
        from(8, "https://www.google.com/", ""),
        from(8, "https://news.ycombinator.com/", ""),
        from(5, "https://www.reddit.com/", ""),
        from(4, "https://bsky.app/", ""),
        from(3, "https://mastodon.social/", ""),
        from(4, "https://t.co/", ""),
        from(3, "https://lobste.rs/", ""),
        from(7, "", "utm_source=sunday_letter&utm_medium=email&utm_campaign=letters"),
        from(3, "https://duckduckgo.com/", ""),
        from(2, "https://kagi.com/", ""),
        from(2, "https://www.bing.com/", ""),
        from(2, "https://www.facebook.com/", ""),
        from(1, "https://chatgpt.com/", "utm_source=chatgpt.com"),
        from(2, "https://linkletter.example/", ""),
        from(1, "https://flipboard.com/", ""),
    ],
};
