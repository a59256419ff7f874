//! Header fields as text.
use axum::http::{HeaderMap, HeaderName};

/// The first field of this name, if it is ASCII; empty otherwise.
pub fn text(headers: &HeaderMap, name: HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
