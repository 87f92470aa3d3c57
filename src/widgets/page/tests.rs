//! Widgets' pages as browsers get them.

use super::super::words::Lang;
use super::*;

const BAD: &str = "</title></script><script>alert(1)</script><img src=x onerror=alert(1)>\" onload='x";

fn hour(label: &str, visitors: u64, pageviews: u64) -> Hour {
    Hour { label: label.to_owned(), visitors, pageviews }
}

fn country(code: &str, name: &str, visitors: u64) -> Country {
    Country { code: code.to_owned(), name: name.to_owned(), visitors }
}

fn look(lang: Lang) -> Look {
    Look { lang, ..Look::default() }
}

fn all(look: &Look) -> [String; 3] {
    let countries = vec![country("NL", "Netherlands", 3), country("", "", 1)];
    [
        realtime(&RealtimeNumbers { live: 2, minutes: vec![0, 3, 2] }, look),
        preview(&PreviewNumbers { visitors: 5, hours: vec![hour("14:00", 3, 9), hour("15:00", 4, 1_000)] }, look),
        recent(&RecentNumbers { countries }, look),
    ]
}

fn empty(look: &Look) -> [String; 3] {
    [
        realtime(&RealtimeNumbers::default(), look),
        preview(&PreviewNumbers::default(), look),
        recent(&RecentNumbers::default(), look),
    ]
}

#[test]
fn a_page_is_whole_and_needs_nothing_else() {
    for page in Lang::ALL.iter().flat_map(|lang| [all(&look(*lang)), empty(&look(*lang))].concat()) {
        assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
        for outside in ["src=", "href=", "url(", "@import", "http://", "https://"] {
            assert!(!page.contains(outside), "{outside}");
        }
        for element in ["main", "svg", "figure", "table", "div", "span", "p", "h1", "dl", "dt", "dd", "g", "header"] {
            let opened = page.matches(&format!("<{element}>")).count() + page.matches(&format!("<{element} ")).count();
            assert_eq!(opened, page.matches(&format!("</{element}>")).count(), "{element}");
        }
        assert!(!page.contains("NaN") && !page.contains("{}"), "{page}");
    }
}

#[test]
fn the_only_script_is_the_fixed_one() {
    for page in all(&Look::default()) {
        assert!(page.contains(&format!("<script>{REFRESH_SCRIPT}</script>")));
        assert_eq!(page.matches("<script").count(), 1);
    }
    assert!(!REFRESH_SCRIPT.contains("</") && !REFRESH_SCRIPT.contains("<!--") && !REFRESH_SCRIPT.contains('\r'));
}

#[test]
fn script_in_texts_stays_text() {
    let pages = [
        preview(&PreviewNumbers { visitors: 1, hours: vec![hour(BAD, 1, 1)] }, &Look::default()),
        recent(&RecentNumbers { countries: vec![country(BAD, "", 1), country("NL", BAD, 2)] }, &Look::default()),
    ];
    for page in pages {
        assert_eq!(page.matches("<script").count(), 1);
        assert_eq!(page.matches("</script").count(), 1);
        assert_eq!(page.matches("</title>").count(), if page.contains("<svg class=\"columns\"") { 3 } else { 1 });
        assert!(!page.contains("<img") && !page.contains("\" onload") && page.contains("&lt;img"), "{page}");
    }
}

#[test]
fn it_refreshes_itself_with_and_without_script() {
    for (page, every) in all(&Look::default()).iter().zip([10, 60, 60]) {
        assert!(page.contains(&format!("data-every=\"{every}\"")));
        assert!(page.contains(&format!("<noscript><meta http-equiv=\"refresh\" content=\"{every}\"></noscript>")));
    }
}

#[test]
fn who_listens_hears_what_is_drawn() {
    let [live, day, countries] = all(&Look::default());
    for page in [&live, &day, &countries] {
        assert!(page.contains("role=\"img\"") && page.contains("<html lang=\"en\""));
    }
    for page in [&live, &day] {
        assert!(page.contains("aria-labelledby=\"chart-title chart-desc\""));
        assert!(page.contains("<title id=\"chart-title\">") && page.contains("<desc id=\"chart-desc\">"));
    }
    assert!(live.contains("<th scope=\"row\">2 min ago</th><td>0</td>"), "{live}");
    assert!(live.contains("<th scope=\"row\">now</th><td>2</td>"), "{live}");
    assert!(day.contains("<th scope=\"row\">15:00</th><td>4</td><td>1,000</td>"), "{day}");
    assert!(day.contains("Visitors: 5. Page views: 1,009. Busiest hour: 15:00"), "{day}");
    assert!(countries.contains("<th scope=\"row\">Netherlands</th><td>3</td><td>75%</td>"), "{countries}");
    assert!(countries.contains("aria-label=\"Visitors by country: Netherlands 75%, Unknown 25%\""), "{countries}");
}

#[test]
fn countries_are_sorted_and_the_rest_is_added_up() {
    let mut countries: Vec<Country> = (1..=20).map(|n| country(&format!("C{n}"), "", n)).collect();
    countries.push(country("ZZ", "Atlantis", 0));
    let page = recent(&RecentNumbers { countries }, &Look::default());
    assert!(page.find(">C20<") < page.find(">C19<"));
    assert!(page.contains(">C9<") && !page.contains(">C8<") && !page.contains("Atlantis"));
    assert!(page.contains("<th scope=\"row\">Other countries</th><td>36</td><td>17%</td>"), "{page}");
}

#[test]
fn empty_widgets_say_so() {
    let [live, day, countries] = empty(&look(Lang::De));
    assert!(live.contains("realtime idle") && live.contains("Besucher gerade online"));
    assert!(day.contains(">Noch keine Besuche<") && countries.contains(">Noch keine Besuche<"));
    assert!(!all(&look(Lang::De)).concat().contains("Noch keine Besuche"));
}

#[test]
fn the_greatest_numbers_do_not_overflow() {
    let hours = vec![hour("1", u64::MAX, u64::MAX), hour("2", u64::MAX, u64::MAX)];
    let _ = realtime(&RealtimeNumbers { live: u64::MAX, minutes: vec![u64::MAX; 30] }, &Look::default());
    let day = preview(&PreviewNumbers { visitors: u64::MAX, hours }, &Look::default());
    assert!(day.contains("18,446,744,073,709,551,615"));
    let countries = vec![country("A", "", u64::MAX), country("B", "", u64::MAX)];
    assert!(!recent(&RecentNumbers { countries }, &Look::default()).contains("NaN"));
}
