//! Texts of widgets: texts and numbers in five languages, and HTML escaping.

use std::fmt::Write as _;

/// A language the widgets speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lang {
    /// English.
    #[default]
    En,
    /// German.
    De,
    /// Dutch.
    Nl,
    /// French.
    Fr,
    /// Spanish.
    Es,
}

/// The texts of one language. `{}` stands for a number or a name.
#[derive(Debug)]
pub struct Words {
    /// Below the live count, for one visitor and for any other number.
    pub online: [&'static str; 2],
    /// The span of the live chart.
    pub last_30_minutes: &'static str,
    /// What the live chart shows.
    pub visitors_per_minute: &'static str,
    /// Its highest value.
    pub peak: &'static str,
    /// A minute of it, and the last one.
    pub minutes_ago: &'static str,
    /// The current minute.
    pub now: &'static str,
    /// Heading of a column of minutes.
    pub minute: &'static str,
    /// The span of the timeline.
    pub last_24_hours: &'static str,
    /// Heading of a column of hours.
    pub hour: &'static str,
    /// The hour with most page views.
    pub busiest_hour: &'static str,
    /// The metric.
    pub visitors: &'static str,
    /// The metric.
    pub page_views: &'static str,
    /// Instead of an empty chart.
    pub nothing_yet: &'static str,
    /// Heading of the breakdown.
    pub by_country: &'static str,
    /// Heading of a column of countries.
    pub country: &'static str,
    /// Heading of a column of shares.
    pub share: &'static str,
    /// The countries that have no row of their own.
    pub other: &'static str,
    /// An unknown country.
    pub unknown: &'static str,
}

const ENGLISH: Words = Words {
    online: ["visitor right now", "visitors right now"],
    last_30_minutes: "Last 30 minutes",
    visitors_per_minute: "Visitors per minute",
    peak: "At most {} in one minute",
    minutes_ago: "{} min ago",
    now: "now",
    minute: "Minute",
    last_24_hours: "Last 24 hours",
    hour: "Hour",
    busiest_hour: "Busiest hour: {}",
    visitors: "Visitors",
    page_views: "Page views",
    nothing_yet: "No visits yet",
    by_country: "Visitors by country",
    country: "Country",
    share: "Share",
    other: "Other countries",
    unknown: "Unknown",
};

const GERMAN: Words = Words {
    online: ["Besucher gerade online", "Besucher gerade online"],
    last_30_minutes: "Letzte 30 Minuten",
    visitors_per_minute: "Besucher pro Minute",
    peak: "Höchstens {} in einer Minute",
    minutes_ago: "vor {} Min.",
    now: "jetzt",
    minute: "Minute",
    last_24_hours: "Letzte 24 Stunden",
    hour: "Stunde",
    busiest_hour: "Stärkste Stunde: {}",
    visitors: "Besucher",
    page_views: "Seitenaufrufe",
    nothing_yet: "Noch keine Besuche",
    by_country: "Besucher nach Land",
    country: "Land",
    share: "Anteil",
    other: "Andere Länder",
    unknown: "Unbekannt",
};

const DUTCH: Words = Words {
    online: ["bezoeker nu online", "bezoekers nu online"],
    last_30_minutes: "Laatste 30 minuten",
    visitors_per_minute: "Bezoekers per minuut",
    peak: "Hoogstens {} in één minuut",
    minutes_ago: "{} min geleden",
    now: "nu",
    minute: "Minuut",
    last_24_hours: "Laatste 24 uur",
    hour: "Uur",
    busiest_hour: "Drukste uur: {}",
    visitors: "Bezoekers",
    page_views: "Pageviews",
    nothing_yet: "Nog geen bezoeken",
    by_country: "Bezoekers per land",
    country: "Land",
    share: "Aandeel",
    other: "Andere landen",
    unknown: "Onbekend",
};

const FRENCH: Words = Words {
    online: ["visiteur en ce moment", "visiteurs en ce moment"],
    last_30_minutes: "30 dernières minutes",
    visitors_per_minute: "Visiteurs par minute",
    peak: "Au plus {} en une minute",
    minutes_ago: "il y a {} min",
    now: "maintenant",
    minute: "Minute",
    last_24_hours: "24 dernières heures",
    hour: "Heure",
    busiest_hour: "Heure la plus active\u{a0}: {}",
    visitors: "Visiteurs",
    page_views: "Pages vues",
    nothing_yet: "Aucune visite pour l’instant",
    by_country: "Visiteurs par pays",
    country: "Pays",
    share: "Part",
    other: "Autres pays",
    unknown: "Inconnu",
};

const SPANISH: Words = Words {
    online: ["visitante ahora mismo", "visitantes ahora mismo"],
    last_30_minutes: "Últimos 30 minutos",
    visitors_per_minute: "Visitantes por minuto",
    peak: "Como máximo {} en un minuto",
    minutes_ago: "hace {} min",
    now: "ahora",
    minute: "Minuto",
    last_24_hours: "Últimas 24 horas",
    hour: "Hora",
    busiest_hour: "Hora con más actividad: {}",
    visitors: "Visitantes",
    page_views: "Páginas vistas",
    nothing_yet: "Aún no hay visitas",
    by_country: "Visitantes por país",
    country: "País",
    share: "Porcentaje",
    other: "Otros países",
    unknown: "Desconocido",
};

impl Lang {
    /// Every language.
    pub const ALL: [Self; 5] = [Self::En, Self::De, Self::Nl, Self::Fr, Self::Es];

    /// A language tag such as `de`, `de-AT` or `de_AT`, case-insensitive; anything else is English.
    #[must_use]
    pub fn parse(value: Option<&str>) -> Self {
        let primary = value.and_then(|tag| tag.trim().split(['-', '_']).next()).unwrap_or_default();
        Self::ALL.into_iter().find(|lang| lang.tag().eq_ignore_ascii_case(primary)).unwrap_or_default()
    }

    /// The tag, as the `lang` attribute takes it.
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::De => "de",
            Self::Nl => "nl",
            Self::Fr => "fr",
            Self::Es => "es",
        }
    }

    /// The texts.
    #[must_use]
    pub const fn words(self) -> &'static Words {
        match self {
            Self::En => &ENGLISH,
            Self::De => &GERMAN,
            Self::Nl => &DUTCH,
            Self::Fr => &FRENCH,
            Self::Es => &SPANISH,
        }
    }

    /// Text below the live count; French uses the singular for zero.
    #[must_use]
    pub fn online(self, live: u64) -> &'static str {
        let [one, many] = self.words().online;
        if live == 1 || (live == 0 && self == Self::Fr) { one } else { many }
    }

    /// An integer with this language's separators (CLDR): Spanish begins to group at five digits.
    #[must_use]
    pub fn number(self, value: u64) -> String {
        let separator = match self {
            Self::En => ',',
            Self::De | Self::Nl | Self::Es => '.',
            Self::Fr => '\u{202f}',
        };
        let digits = value.to_string();
        if self == Self::Es && digits.len() < 5 {
            return digits;
        }
        let mut text = String::with_capacity(digits.len() * 2);
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                text.push(separator);
            }
            text.push(digit);
        }
        text
    }

    /// `part` of `whole` in whole percent; nonzero values that round to zero are "<1%".
    #[must_use]
    pub fn share(self, part: u64, whole: u64) -> String {
        let sign = match self {
            Self::En | Self::Nl => "%",
            Self::De | Self::Es => "\u{a0}%",
            Self::Fr => "\u{202f}%",
        };
        let (part, whole) = (u128::from(part), u128::from(whole.max(1)));
        let percent = (part * 200 + whole) / (whole * 2);
        if percent == 0 && part > 0 { format!("<1{sign}") } else { format!("{percent}{sign}") }
    }
}

/// Inserts a value at a text's `{}`.
#[must_use]
pub fn filled(text: &str, value: &str) -> String {
    text.replacen("{}", value, 1)
}

/// Text that may stand in an element or a quoted attribute and can only be read there, never run.
/// Control characters, which no name has and some parsers treat specially, become spaces.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' | '\'' | '`' => {
                // Writing into a string cannot fail.
                let _ = write!(safe, "&#{};", u32::from(letter));
            }
            _ if letter.is_control() => safe.push(' '),
            _ => safe.push(letter),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_read_by_its_language() {
        assert_eq!(Lang::parse(Some("de")), Lang::De);
        assert_eq!(Lang::parse(Some("DE-at")), Lang::De);
        assert_eq!(Lang::parse(Some("nl_BE")), Lang::Nl);
        for bad in [None, Some(""), Some("xx"), Some("deutsch"), Some("-de"), Some("<b>")] {
            assert_eq!(Lang::parse(bad), Lang::En, "{bad:?}");
        }
    }

    #[test]
    fn numbers_follow_the_language() {
        assert_eq!(Lang::En.number(0), "0");
        assert_eq!(Lang::En.number(999), "999");
        assert_eq!(Lang::En.number(1_000), "1,000");
        assert_eq!(Lang::En.number(1_234_567), "1,234,567");
        assert_eq!(Lang::De.number(1_234_567), "1.234.567");
        assert_eq!(Lang::Nl.number(12_345), "12.345");
        assert_eq!(Lang::Fr.number(1_234), "1\u{202f}234");
        assert_eq!(Lang::Es.number(1_234), "1234");
        assert_eq!(Lang::Es.number(12_345), "12.345");
        assert_eq!(Lang::En.number(u64::MAX), "18,446,744,073,709,551,615");
    }

    #[test]
    fn shares_are_rounded_and_never_claim_nothing() {
        assert_eq!(Lang::En.share(1, 3), "33%");
        assert_eq!(Lang::En.share(2, 3), "67%");
        assert_eq!(Lang::De.share(1, 2), "50\u{a0}%");
        assert_eq!(Lang::En.share(1, 1_000), "<1%");
        assert_eq!(Lang::En.share(0, 0), "0%");
        assert_eq!(Lang::En.share(u64::MAX, u64::MAX), "100%");
    }

    #[test]
    fn one_visitor_is_one() {
        assert_eq!(Lang::En.online(1), "visitor right now");
        assert_eq!(Lang::En.online(0), "visitors right now");
        assert_eq!(Lang::Fr.online(0), "visiteur en ce moment");
    }

    #[test]
    fn every_language_keeps_the_places_for_values() {
        for words in Lang::ALL.map(Lang::words) {
            for text in [words.peak, words.minutes_ago, words.busiest_hour] {
                assert_eq!(text.matches("{}").count(), 1, "{text}");
            }
        }
    }

    #[test]
    fn escaped_text_cannot_leave_its_place() {
        assert_eq!(escaped("<b a='1' c=\"2\">&`"), "&lt;b a=&#39;1&#39; c=&#34;2&#34;&gt;&amp;&#96;");
        assert_eq!(escaped("a\0b\nc"), "a b c");
        assert_eq!(escaped("Côte d’Ivoire"), "Côte d’Ivoire");
    }
}
