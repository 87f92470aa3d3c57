//! How DuckDB says the few things that engines say differently.

/// Whether `text` contains `part`, letter case as given.
pub fn contains(text: &str, part: &str) -> String {
    format!("contains({text}, {part})")
}

/// Whether `text` starts with `part`.
pub fn starts_with(text: &str, part: &str) -> String {
    format!("starts_with({text}, {part})")
}

/// Whether `text` ends with `part`.
pub fn ends_with(text: &str, part: &str) -> String {
    format!("suffix({text}, {part})")
}

/// Whether the regular expression `pattern` (RE2) matches anywhere in `text`.
pub fn matches(text: &str, pattern: &str) -> String {
    format!("regexp_matches({text}, {pattern})")
}

/// The text without letter case and accents, so that all spellings of a word are one: `ΟΔΟΣ` and `οδός`, `İstanbul` and `istanbul`.
pub fn folded(text: &str) -> String {
    folded_or(text, "", text)
}

/// [`folded`] of a path as people read it, its escaped letters decoded.
pub fn folded_path(path: &str) -> String {
    folded_or(path, &format!(" AND NOT contains({path}, '%')"), &format!("coalesce(TRY(url_decode({path})), {path})"))
}

/// ASCII, which most texts are, has small letters only; that takes a third of the time. The others are made capitals first, since
/// small letters have forms that capitals do not tell apart (`ς` and `σ`, `ı` and `i`).
fn folded_or(text: &str, and_plain: &str, readable: &str) -> String {
    format!(
        "CASE WHEN strlen({text}) = length({text}){and_plain} THEN lower({text}) \
         ELSE strip_accents(replace(lower(upper({readable})), 'ß', 'ss')) END"
    )
}

/// The value of the event property that the JSON pointer `pointer` names, as text; empty where there is none.
pub fn property(pointer: &str) -> String {
    format!("coalesce(CASE WHEN properties = '' THEN NULL ELSE json_extract_string(properties, {pointer}) END, '')")
}

/// The JSON pointer of a top-level member.
pub fn pointer_to(member: &str) -> String {
    format!("/{}", member.replace('~', "~0").replace('/', "~1"))
}

/// `count` distinct values.
pub fn distinct(expression: &str) -> String {
    format!("count(DISTINCT {expression})")
}

/// Integer division that rounds toward negative infinity for the positive times we keep.
pub fn slot(time: &str, unit_ms: i64) -> String {
    format!("({time} // {unit_ms})")
}
