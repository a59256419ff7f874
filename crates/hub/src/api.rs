//! The JSON face of the operation table. It knows no room.
use crate::Shared;
use crate::headers::text;
use crate::limits::{BODY_BYTES_MAX, BODY_SECONDS_MAX};
use crate::openapi;
use crate::problem::Problem;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use bytes::Bytes;
use fleet::account::not_signed_in;
use fleet::limits::IDEMPOTENCY_KEY_BYTES_MAX;
use fleet::operation::{Kind, OperationRow};
use fleet::refusal::{Refusal, Sort};
use serde_json::Value as Json;
use std::sync::Arc;
use std::time::Duration;

/// The API's media type.
pub const JSON: &str = "application/json";

/// The API's routes.
pub fn router() -> Router<Arc<Shared>> {
    Router::new().route("/api/v1/openapi.json", get(document)).route("/api/v1/{noun}/{verb}", any(call))
}

/// Where an operation is.
pub fn path(row: &OperationRow) -> String {
    let (noun, verb) = row.noun_verb();
    format!("/api/v1/{noun}/{verb}")
}

/// Where a blob is, by its SHA-256.
pub fn blob_path(digest: &str) -> String {
    format!("/api/v1/blobs/{digest}")
}

async fn document() -> Response {
    ([(header::CONTENT_TYPE, JSON)], openapi::document().to_string()).into_response()
}

async fn call(
    State(shared): State<Arc<Shared>>,
    method: Method,
    Path((noun, verb)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let row = fleet::operation(&noun, &verb).ok_or_else(|| unknown(&noun, &verb))?;
    check_method(row, &method)?;
    let session = shared.desk.session(bearer(&headers)?).await?;
    let arguments = match row.kind {
        Kind::Read => row.coerce(pairs(query.as_deref().unwrap_or_default().as_bytes())),
        Kind::Write => json_body(&headers, body).await?,
    };
    let answer = shared.run(&session, row, arguments, idempotency_key(&headers)?).await?;
    Ok(([(header::CONTENT_TYPE, JSON)], answer.to_string()).into_response())
}

fn unknown(noun: &str, verb: &str) -> Refusal {
    let detail = format!("there is no operation `{noun} {verb}`; /api/v1/openapi.json lists them");
    Refusal::new(Sort::NotFound, "operation-unknown", detail)
}

fn check_method(row: &OperationRow, method: &Method) -> Result<(), Problem> {
    let wanted = if row.kind == Kind::Read { Method::GET } else { Method::POST };
    if *method == wanted {
        return Ok(());
    }
    let detail = format!("`{}` is asked with {wanted}", row.name);
    let refusal = Refusal::new(Sort::Malformed, "wrong-method", detail);
    Err(Problem { status: StatusCode::METHOD_NOT_ALLOWED, refusal })
}

/// The token that a request carries.
pub fn bearer(headers: &HeaderMap) -> Result<String, Refusal> {
    let secret = text(headers, header::AUTHORIZATION).strip_prefix("Bearer ");
    secret.map(String::from).ok_or_else(not_signed_in)
}

/// JSON only: a form's content type would let another site's page post here.
async fn json_body(headers: &HeaderMap, body: Body) -> Result<Json, Problem> {
    let content_type = text(headers, header::CONTENT_TYPE);
    if content_type.split(';').next().is_none_or(|t| t.trim() != JSON) {
        let detail = format!("the body's content type is `{content_type}`; send {JSON}");
        let refusal = Refusal::new(Sort::Malformed, "not-json", detail);
        return Err(Problem { status: StatusCode::UNSUPPORTED_MEDIA_TYPE, refusal });
    }
    let bytes = read(body).await?;
    let wrong = |why: String| Refusal::new(Sort::Malformed, "bad-json", format!("the body: {why}"));
    // Refuses a key that stands twice, on which two readers might not agree.
    wire::json::parse_object(&bytes, BODY_BYTES_MAX).map_err(|why| wrong(why.to_string()))?;
    Ok(serde_json::from_slice(&bytes).map_err(|why| wrong(why.to_string()))?)
}

/// A request's body, within the limits.
pub async fn read(body: Body) -> Result<Bytes, Problem> {
    let within = Duration::from_secs(BODY_SECONDS_MAX);
    Ok(io::http::body::read_body(body, BODY_BYTES_MAX, within).await?)
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    match key.to_str() {
        Ok(key) if (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len()) => Ok(Some(key.to_string())),
        _ => {
            let detail = format!("`Idempotency-Key` is 1 to {IDEMPOTENCY_KEY_BYTES_MAX} ASCII characters");
            Err(Refusal::new(Sort::Malformed, "bad-idempotency-key", detail))
        }
    }
}

/// The pairs of a query or a form.
pub fn pairs(text: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(text).into_owned().collect()
}

/// Nothing is at this address.
pub async fn not_found() -> Problem {
    Refusal::new(Sort::NotFound, "page-unknown", "there is nothing at this address").into()
}
