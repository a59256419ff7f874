//! One page of a list, and where it goes on.
use crate::limits::PAGE_ITEMS_MAX;
use crate::refusal::{Refusal, Sort};
use crate::text::Cursor;
use schemars::JsonSchema;
use serde::Serialize;

/// One page of a list.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Ask again with this as `after` for what follows; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// A page of at most `limit` items, made from one row more than that; `key` names the place of an
    /// item.
    pub fn new(mut items: Vec<T>, limit: u16, key: impl Fn(&T) -> String) -> Self {
        let more = items.len() > usize::from(limit);
        items.truncate(usize::from(limit));
        let next = if more { items.last().map(key) } else { None };
        Page { items, next }
    }
}

/// How many items a page has when nobody says.
pub fn usual() -> u16 {
    50
}

/// `limit` if it is one.
///
/// # Errors
/// `limit-out-of-range`.
pub fn checked(limit: u16) -> Result<u16, Refusal> {
    if (1..=PAGE_ITEMS_MAX).contains(&limit) {
        return Ok(limit);
    }
    let detail = format!("`limit` is {limit}; write 1 to {PAGE_ITEMS_MAX}");
    Err(Refusal::new(Sort::Malformed, "limit-out-of-range", detail))
}

/// The place of a list that is ordered by a text; empty for its beginning.
pub fn after(cursor: Option<&Cursor>) -> &str {
    cursor.map_or("", Cursor::as_str)
}

/// Reads a cursor of `N` numbers joined by dots, as [`Page::next`] gave it; `first` when there is none.
///
/// # Errors
/// `bad-cursor`.
pub fn cursor<const N: usize>(after: Option<&Cursor>, first: [i64; N]) -> Result<[i64; N], Refusal> {
    let Some(text) = after else { return Ok(first) };
    let numbers: Vec<i64> = text.as_str().split('.').filter_map(|part| part.parse().ok()).collect();
    numbers.try_into().map_err(|_| bad_cursor(text))
}

/// Reads a cursor of a number and a text joined by a dot, as [`Page::next`] gave it; `first` when there is
/// none.
///
/// # Errors
/// `bad-cursor`.
pub fn numbered<'a>(after: Option<&'a Cursor>, first: (i64, &'a str)) -> Result<(i64, &'a str), Refusal> {
    let Some(text) = after else { return Ok(first) };
    let place = text.as_str().split_once('.').and_then(|(number, id)| Some((number.parse().ok()?, id)));
    place.ok_or_else(|| bad_cursor(text))
}

/// A cursor that no page of the list gave.
pub fn bad_cursor(text: &Cursor) -> Refusal {
    let detail = format!("`{text}` is not a place in this list; send the `next` of the page before it");
    Refusal::new(Sort::Malformed, "bad-cursor", detail)
}
