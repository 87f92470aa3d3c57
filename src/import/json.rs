//! Logs of one JSON object per line: nginx (any of the usual names), Caddy and Traefik.
//!
//! - Names are compared without case, dashes and underscores, in the order of [`CLIENT`] and its neighbours.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{
    record::{Field, Record, behind_proxy, client, get_target},
    time,
};

const CLIENT: &[&str] =
    &["clientip", "realip", "remoteip", "remoteaddr", "clienthost", "clientaddr", "client", "remotehost", "ip"];
const FORWARDED: &[&str] = &["httpxforwardedfor", "xforwardedfor", "requestxforwardedfor"];
const TIME: &[&str] = &[
    "msec",
    "ts",
    "timeiso8601",
    "starttimeutc",
    "startutc",
    "timestamp",
    "@timestamp",
    "timelocal",
    "startlocal",
    "time",
    "datetime",
];
const METHOD: &[&str] = &["requestmethod", "method"];
const TARGET: &[&str] = &["requesturi", "requestpath", "uri", "url", "path"];
const QUERY: &[&str] = &["args", "querystring", "query"];
const STATUS: &[&str] = &["status", "downstreamstatus", "statuscode", "responsecode", "responsestatus"];
const REFERRER: &[&str] = &["httpreferer", "httpreferrer", "requestreferer", "referer", "referrer"];
const USER_AGENT: &[&str] = &["httpuseragent", "requestuseragent", "useragent", "agent"];

/// Objects inside the line whose members count as the line's.
const NESTED: &[&str] = &["request", "headers"];

/// A line's members by normalized name; those of nested objects come last.
struct Members<'a>(Vec<(String, &'a Value)>);

impl<'a> Members<'a> {
    fn from_line(line: &'a Map<String, Value>) -> Self {
        let mut members = Self(Vec::with_capacity(line.len() + 16));
        members.add(line);
        members
    }

    fn add(&mut self, object: &'a Map<String, Value>) {
        let plain = |name: &String| -> String {
            name.chars()
                .filter(|letter| !matches!(letter, '-' | '_'))
                .map(|letter| letter.to_ascii_lowercase())
                .collect()
        };
        self.0.extend(object.iter().map(|(name, value)| (plain(name), value)));
        for (name, value) in object {
            if let Value::Object(inner) = value
                && NESTED.contains(&name.as_str())
            {
                self.add(inner);
            }
        }
    }

    /// The first of these that is present; of an array its first value.
    fn value(&self, names: &[&str]) -> Option<&'a Value> {
        let given = |value: &&Value| !matches!(value, Value::Null | Value::Object(_)) && value.as_str() != Some("");
        names.iter().find_map(|name| {
            let of_name = self.0.iter().filter(|(member, _)| member == name);
            of_name.map(|(_, value)| first(value)).find(given)
        })
    }

    fn text(&self, names: &[&str]) -> Option<&'a str> {
        self.value(names)?.as_str()
    }
}

fn first(value: &Value) -> &Value {
    match value {
        Value::Array(values) => values.first().unwrap_or(&Value::Null),
        value => value,
    }
}

/// Reads a line; `None` if it is not a JSON object, or has no client, time, request or status.
#[must_use]
pub fn read(line: &[u8]) -> Option<Record<'static>> {
    if !line.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    // Headers may hold any bytes, and servers log them as they came.
    let line: Map<String, Value> = serde_json::from_str(&String::from_utf8_lossy(line)).ok()?;
    let members = Members::from_line(&line);
    let named = members.text(CLIENT)?;
    let address = client(named).unwrap_or(Cow::Borrowed(named));
    let address = behind_proxy(address, members.text(FORWARDED)).into_owned();
    let status = match members.value(STATUS)? {
        Value::Number(number) => number.as_u64().and_then(|status| u16::try_from(status).ok())?,
        status => status.as_str()?.parse().ok()?,
    };
    let text = |names: &[&str]| Some(Field::Text(Cow::Owned(members.text(names)?.to_owned())));
    Some(Record {
        address: Cow::Owned(address),
        time_ms: instant(members.value(TIME)?)?,
        target: target(&members)?.map(|target| Field::Text(Cow::Owned(target))),
        status,
        referrer: text(REFERRER),
        user_agent: text(USER_AGENT),
    })
}

/// The target of a GET; inner `None` for other methods, outer `None` without a request.
fn target(members: &Members<'_>) -> Option<Option<String>> {
    if let Some(line) = members.text(&["request", "requestline"]) {
        return Some(get_target(line.as_bytes()).map(|target| String::from_utf8_lossy(target).into_owned()));
    }
    let (method, target) = (members.text(METHOD)?, members.text(TARGET)?);
    let query = members.text(QUERY).filter(|query| !target.contains('?') && *query != "-");
    let whole = query.map_or_else(|| target.to_owned(), |query| format!("{target}?{query}"));
    Some((method == "GET").then_some(whole))
}

fn instant(value: &Value) -> Option<i64> {
    let Some(text) = value.as_str() else { return time::since_1970(value.as_f64()?) };
    let bytes = text.trim_matches(['[', ']']).as_bytes();
    let number = || time::since_1970(text.parse().ok()?);
    time::iso(bytes).or_else(|| time::clf(bytes)).or_else(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: &str) -> [String; 6] {
        let record = read(line.as_bytes()).unwrap_or_else(|| panic!("should be read: {line}"));
        let text = |field: Option<Field<'_>>| field.map(|field| field.text().into_owned()).unwrap_or_default();
        [
            record.address.into_owned(),
            record.time_ms.to_string(),
            text(record.target),
            record.status.to_string(),
            text(record.referrer),
            text(record.user_agent),
        ]
    }

    #[test]
    fn servers_of_many_makes_tell_the_same() {
        let expected = ["8.8.8.8", "1773136800000", "/a?x=1", "200", "https://r.example/", "Mozilla/5.0"];
        for line in [
            r#"{"time_iso8601":"2026-03-10T10:00:00+00:00","remote_addr":"8.8.8.8","request":"GET /a?x=1 HTTP/1.1","status":"200","body_bytes_sent":"5","http_referer":"https://r.example/","http_user_agent":"Mozilla/5.0"}"#,
            r#"{"time_local":"10/Mar/2026:11:00:00 +0100","remote_addr":"10.0.0.1","http_x_forwarded_for":"8.8.8.8, 10.0.0.1","request_method":"GET","uri":"/a","args":"x=1","status":200,"http_referrer":"https://r.example/","user_agent":"Mozilla/5.0"}"#,
            r#"{"msec":"1773136800.000","remote_addr":"::ffff:8.8.8.8","request_method":"GET","request_uri":"/a?x=1","status":200,"http_referer":"https://r.example/","http_user_agent":"Mozilla/5.0"}"#,
            r#"{"level":"info","ts":1773136800.0004,"logger":"http.log.access","msg":"handled request","request":{"remote_ip":"8.8.8.8","remote_port":"41342","client_ip":"8.8.8.8","proto":"HTTP/2.0","method":"GET","host":"shop.example","uri":"/a?x=1","headers":{"User-Agent":["Mozilla/5.0"],"Referer":["https://r.example/"]}},"bytes_read":0,"user_id":"","duration":0.0009,"size":10900,"status":200,"resp_headers":{"Server":["Caddy"]}}"#,
            r#"{"ClientAddr":"8.8.8.8:50000","ClientHost":"8.8.8.8","ClientPort":"50000","DownstreamStatus":200,"RequestMethod":"GET","RequestPath":"/a?x=1","RequestProtocol":"HTTP/1.1","StartLocal":"2026-03-10T11:00:00.000123+01:00","StartUTC":"2026-03-10T10:00:00.000123Z","level":"info","msg":"","request_Referer":"https://r.example/","request_User-Agent":"Mozilla/5.0","time":"2026-03-10T10:00:01Z"}"#,
        ] {
            assert_eq!(told(line), expected, "{line}");
        }
    }

    #[test]
    fn what_is_missing_is_told() {
        let whole = r#"{"ts":1773136800,"remote_addr":"8.8.8.8","method":"POST","uri":"/a","status":200}"#;
        assert_eq!(told(whole), ["8.8.8.8", "1773136800000", "", "200", "", ""], "another method");
        for part in ["ts", "remote_addr", "method", "uri", "status"] {
            assert!(read(whole.replace(&format!("\"{part}\""), "\"x\"").as_bytes()).is_none(), "{part}");
        }
        for wrong in ["", "{", "[]", "8.8.8.8 - -", r#"{"status":200}"#, r#"{"status":{}}"#] {
            assert!(read(wrong.as_bytes()).is_none(), "{wrong}");
        }
    }
}
