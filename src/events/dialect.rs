//! DuckDB's spelling of what SQL engines express differently.

/// Whether `text` contains `part`; case-sensitive.
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

/// The text without case and accents, so that all spellings of a word are equal: `ΟΔΟΣ` and `οδός`, `İstanbul` and
/// `istanbul`.
pub fn folded(text: &str) -> String {
    folded_or(text, "", text)
}

/// [`folded`] of a path in readable form, with its escaped characters decoded.
pub fn folded_path(path: &str) -> String {
    folded_or(path, &format!(" AND NOT contains({path}, '%')"), &format!("coalesce(TRY(url_decode({path})), {path})"))
}

/// ASCII texts, the majority, are only lower-cased, which takes a third of the time. Others are upper-cased first,
/// because some lower-case letters have variants that upper case does not distinguish (`ς` and `σ`, `ı` and `i`).
fn folded_or(text: &str, and_plain: &str, readable: &str) -> String {
    format!(
        "CASE WHEN strlen({text}) = length({text}){and_plain} THEN lower({text}) \
         ELSE strip_accents(replace(lower(upper({readable})), 'ß', 'ss')) END"
    )
}

/// The value of the event property at the JSON pointer `pointer`, as text; empty if there is none.
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

/// Integer division that rounds toward negative infinity for the positive times that are stored.
pub fn slot(time: &str, unit_ms: i64) -> String {
    format!("({time} // {unit_ms})")
}
