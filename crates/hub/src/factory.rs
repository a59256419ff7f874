//! The factory line's door on the people's listener: EST with a token (RFC 7030 section 3.2.3).
use crate::Shared;
use crate::api::read;
use crate::authority::response;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use base64ct::{Base64, Encoding};
use fleet::account::not_signed_in;
use fleet::door::Answer;
use fleet::permission::Session;
use fleet::provisioning::door::{Request, open};
use fleet::refusal::Refusal;
use std::sync::Arc;

/// The route. The label is the product.
pub fn router() -> Router<Arc<Shared>> {
    Router::new().route("/.well-known/est/{label}/{operation}", any(ask))
}

async fn ask(
    State(shared): State<Arc<Shared>>,
    method: Method,
    Path((label, operation)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let session = match session(&shared, &headers).await {
        Ok(session) => session,
        Err(refusal) => return challenge(&refusal),
    };
    let body = match read(body).await {
        Ok(body) => body.to_vec(),
        Err(problem) => return problem.into_response(),
    };
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let content_type = content_type.unwrap_or_default().to_string();
    let request = Request { post: method == Method::POST, label, operation, content_type, body };
    let step = open(request, &shared.authority.certificate);
    response(shared.authority.drive(&shared.desk, step, &session).await)
}

async fn session(shared: &Shared, headers: &HeaderMap) -> Result<Session, Refusal> {
    let value = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let secret = match value.split_once(' ') {
        Some(("Bearer", token)) => Some(token.to_string()),
        Some(("Basic", pair)) => password(pair),
        _ => None,
    };
    shared.desk.session(secret.ok_or_else(not_signed_in)?).await
}

/// RFC 7030 section 3.2.3: the name may be empty when the password is associated with none.
fn password(pair: &str) -> Option<String> {
    let text = String::from_utf8(Base64::decode_vec(pair).ok()?).ok()?;
    text.split_once(':').map(|(_, password)| password.to_string())
}

fn challenge(refusal: &Refusal) -> Response {
    let mut response = response(Answer::from(refusal));
    let basic = HeaderValue::from_static("Basic realm=\"the token as password\", charset=\"UTF-8\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, basic);
    response
}
