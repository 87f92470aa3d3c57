//! Hostile logs against the readers of every format: nothing panics, and what is read is what the readers promise.

#![no_main]

use std::net::IpAddr;

use footfall_fuzz::{
    format::{Format, Line, SAMPLE},
    record::{Field, Record, is_page, path_and_query},
};
use libfuzzer_sys::fuzz_target;
use schema::analytics::path::{MAX_PATH, comparable, decoded, normalized};

/// The last instant that a log may tell, in milliseconds since 1970 UTC: the end of 2199.
const MAX_MS: i64 = 7_258_118_400_000;

fuzz_target!(|log: &[u8]| {
    let lines: Vec<Vec<u8>> = log.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    let sample = lines.get(..SAMPLE).unwrap_or(&lines);
    let mut format = Format::of_lines(sample);
    assert_eq!(format, Format::of_lines(sample), "the same lines decide the same format");
    for line in &lines {
        let mut again = format.clone();
        let read = format.read(line);
        assert_eq!(read, again.read(line));
        if let Line::Request(record) = read {
            check(&record);
        }
        check_path(line);
    }
});

fn check(record: &Record<'_>) {
    // An offset may lead a day out of what a calendar says.
    assert!((-86_400_000..MAX_MS + 86_400_000).contains(&record.time_ms), "{}", record.time_ms);
    if let Ok(address) = record.address.parse::<IpAddr>() {
        assert_eq!(address.to_canonical().to_string(), record.address, "an address has one spelling");
    }
    if let Some(target) = &record.target {
        let bytes = target.bytes();
        let (path, query) = path_and_query(&bytes);
        assert!(!path.is_empty() && !path.contains(&b'?') && !query.contains(&b'#'));
        check_path(path);
    }
    for field in [&record.referrer, &record.user_agent].into_iter().flatten() {
        assert!(field.is_given() || matches!(field.text().as_ref(), "" | "-"));
        if let Field::Text(text) = field {
            assert_eq!(field.text(), *text);
        }
    }
}

fn check_path(path: &[u8]) {
    let spelled = normalized(path);
    assert!(spelled.len() <= MAX_PATH && spelled.bytes().all(|byte| byte.is_ascii_graphic()), "{spelled}");
    assert_eq!(normalized(spelled.as_bytes()), spelled, "a normalized path stays as it is");
    let _ = is_page(&spelled);
    assert!(!comparable(&spelled).contains("//"), "{spelled}");
    if let Some(text) = decoded(&spelled) {
        assert!(!text.chars().any(char::is_control));

    }
}
