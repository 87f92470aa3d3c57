//! REST lists without paging: the adapter walks a connection to its end and joins the pages.

use async_graphql::{Name, Response, Value, Variables};

use super::projection::member;

/// Maximum number of pages. With 100 rows per page that is more than any list without paging contains; a cursor that
/// never ends must not keep a request alive.
const MAX_PAGES: usize = 1000;

/// A connection of which REST shows every row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walk {
    /// Response keys from the root to the connection.
    pub connection: Vec<String>,
    /// Response key of `nodes`.
    pub nodes: String,
    /// Response key of `pageInfo`.
    pub page_info: String,
    /// Response key of `hasNextPage`.
    pub has_next: String,
    /// Response key of `endCursor`.
    pub end_cursor: String,
    /// Index of the variable that takes the cursor.
    pub variable: usize,
}

impl Walk {
    /// Where the next page begins; `None` on the last one.
    fn next(&self, data: &Value) -> Option<Value> {
        let connection = self.connection.iter().fold(data, |value, key| member(value, key));
        let page_info = member(connection, &self.page_info);
        let cursor = member(page_info, &self.end_cursor);
        let more = *member(page_info, &self.has_next) == Value::Boolean(true) && *cursor != Value::Null;
        more.then(|| cursor.clone())
    }

    fn rows<'a>(&self, data: &'a mut Value) -> Option<&'a mut Vec<Value>> {
        let keys = self.connection.iter().chain([&self.nodes]);
        let list = keys.into_iter().try_fold(data, |value, key| match value {
            Value::Object(members) => members.get_mut(key.as_str()),
            _ => None,
        })?;
        match list {
            Value::List(rows) => Some(rows),
            _ => None,
        }
    }
}

/// Fetches pages until every walk is at its end. The first result keeps all rows; an error ends the walk and is
/// returned.
pub async fn to_the_end<F: Future<Output = Response>>(
    walks: &[Walk],
    names: &[Name],
    variables: Variables,
    mut ask: impl FnMut(Variables) -> F,
) -> Response {
    let mut whole = ask(variables.clone()).await;
    let mut variables = variables;
    let mut pending: Vec<(&Walk, Value)> =
        walks.iter().filter_map(|walk| Some((walk, walk.next(&whole.data)?))).collect();
    let mut pages = 1;
    while whole.errors.is_empty() && !pending.is_empty() && pages < MAX_PAGES {
        pages += 1;
        for (walk, cursor) in &pending {
            if let Some(name) = names.get(walk.variable) {
                variables.insert(name.clone(), cursor.clone());
            }
        }
        let mut page = ask(variables.clone()).await;
        if !page.errors.is_empty() {
            return page;
        }
        pending = pending
            .into_iter()
            .filter_map(|(walk, before)| {
                let next = walk.next(&page.data).filter(|cursor| *cursor != before);
                let rows = walk.rows(&mut page.data).map(std::mem::take).unwrap_or_default();
                walk.rows(&mut whole.data)?.extend(rows);
                Some((walk, next?))
            })
            .collect();
    }
    whole
}

#[cfg(test)]
mod tests {
    use async_graphql::{ServerError, value};

    use super::*;

    fn walk(list: &str, variable: usize) -> Walk {
        Walk {
            connection: vec![list.to_owned()],
            nodes: "nodes".to_owned(),
            page_info: "pageInfo".to_owned(),
            has_next: "more".to_owned(),
            end_cursor: "end".to_owned(),
            variable,
        }
    }

    /// A list of `count` numbers in pages of two.
    fn page(count: i32, after: Option<&Value>) -> Value {
        let start = match after {
            Some(Value::String(cursor)) => cursor.parse().unwrap(),
            _ => 0,
        };
        let end = (start + 2).min(count);
        let rows: Vec<i32> = (start..end).collect();
        value!({ "nodes": rows, "pageInfo": { "more": (end < count), "end": (end.to_string()) } })
    }

    #[tokio::test]
    async fn two_lists_of_different_length_are_walked_together() {
        let names = [Name::new("a"), Name::new("b")];
        let mut asked = 0;
        let walks = [walk("x", 0), walk("y", 1)];
        let answer = to_the_end(&walks, &names, Variables::default(), |variables| {
            asked += 1;
            let x = page(5, variables.get("a"));
            let y = page(3, variables.get("b"));
            async move { Response::new(value!({ "x": x, "y": y })) }
        })
        .await;
        assert_eq!(*member(member(&answer.data, "x"), "nodes"), value!([0, 1, 2, 3, 4]));
        assert_eq!(*member(member(&answer.data, "y"), "nodes"), value!([0, 1, 2]));
        assert_eq!(asked, 3);
    }

    #[tokio::test]
    async fn an_error_on_a_later_page_is_the_answer_and_a_standing_cursor_ends_the_walk() {
        let names = [Name::new("a")];
        let answer = to_the_end(&[walk("x", 0)], &names, Variables::default(), |variables| {
            let first = variables.is_empty();
            let data = value!({ "x": (page(5, None)) });
            let error = ServerError::new("lost", None);
            async move { if first { Response::new(data) } else { Response::from_errors(vec![error]) } }
        })
        .await;
        assert_eq!(answer.errors.len(), 1);

        let mut asked = 0;
        to_the_end(&[walk("x", 0)], &names, Variables::default(), |_| {
            asked += 1;
            let data = value!({ "x": (page(5, None)) });
            async move { Response::new(data) }
        })
        .await;
        assert_eq!(asked, 2);
    }
}
