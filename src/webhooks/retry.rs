//! When a message is attempted again.

use chrono::{DateTime, Duration, Utc};

/// Attempts of a message.
pub(super) const MAX_TRIES: u16 = 8;

/// Pause after the first attempt, in seconds. Each further pause is four times as long: eight attempts take 24 hours.
const FIRST_PAUSE: i64 = 16;

/// Part of a pause that is random.
const JITTER: f64 = 0.2;

/// Longest pause that a URL can ask for with `Retry-After`: what it asks for beyond that is cut.
const MAX_ASKED: i64 = 24 * 60 * 60;

/// The pause after an attempt with this number (1 to 7). `random`: between 0 and 1.
pub(super) fn pause(attempt: u16, random: f64) -> Duration {
    let seconds = FIRST_PAUSE << (2 * u32::from(attempt.clamp(1, MAX_TRIES) - 1));
    let factor = 1.0 + JITTER * (2.0 * random - 1.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "at most some days in milliseconds"
    )]
    let millis = (seconds as f64 * 1_000.0 * factor) as i64;
    Duration::milliseconds(millis)
}

/// When `Retry-After`, a number of seconds or a date, allows the next attempt.
pub(super) fn allowed_at(retry_after: &str, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let text = retry_after.trim();
    let at = match text.parse::<u32>() {
        Ok(seconds) => now + Duration::seconds(i64::from(seconds)),
        Err(_) => DateTime::parse_from_rfc2822(text).ok()?.to_utc(),
    };
    Some(at.clamp(now, now + Duration::seconds(MAX_ASKED)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_attempts_take_about_a_day_and_pauses_grow_and_vary() {
        let all: i64 = (1..MAX_TRIES).map(|attempt| pause(attempt, 0.5).num_seconds()).sum();
        assert_eq!(all, 87_376);
        for attempt in 1..MAX_TRIES - 1 {
            assert!(pause(attempt, 1.0) < pause(attempt + 1, 0.0), "{attempt}");
            assert!(pause(attempt, 0.0) < pause(attempt, 1.0), "{attempt}");
        }
    }

    #[test]
    fn retry_after_is_a_number_of_seconds_or_a_date() {
        let now: DateTime<Utc> = "2026-03-04T05:06:07Z".parse().unwrap();
        let seconds = |text: &str| allowed_at(text, now).map(|at| (at - now).num_seconds());
        assert_eq!(seconds("120"), Some(120));
        assert_eq!(seconds(" Wed, 04 Mar 2026 05:08:07 GMT "), Some(120));
        assert_eq!(seconds("Wed, 04 Mar 2020 05:08:07 GMT"), Some(0));
        assert_eq!(seconds("4000000000"), Some(MAX_ASKED));
        for text in ["", "soon", "-1", "1.5"] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
