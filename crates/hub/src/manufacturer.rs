//! The manufacturer's doors on the people's listener: the factory's line enrols by EST with a token
//! (RFC 7030 section 3.2.3), registrars ask the MASA (RFC 8995 section 5.4: without a client
//! certificate).
use crate::Shared;
use crate::api::read;
use crate::headers::text;
use crate::signers::response;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use axum::response::Response;
use axum::routing::any;
use base64ct::{Base64, Encoding};
use fleet::account::not_signed_in;
use fleet::door::Answer;
use fleet::permission::Session;
use fleet::provisioning::door::{Request, open};
use fleet::provisioning::voucher::door as voucher_door;
use fleet::refusal::Refusal;
use fleet::time::Millis;
use std::sync::Arc;
use wire::{audit_log, voucher};

/// The routes. The label is the product.
pub fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/.well-known/est/{label}/{operation}", any(line))
        .route(voucher::REQUEST_PATH, any(masa))
        .route(audit_log::REQUEST_PATH, any(masa))
}

async fn masa(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let body = match read(body).await {
        Ok(body) => body.to_vec(),
        Err(problem) => return response(problem.into()),
    };
    let (post, path) = (method == Method::POST, uri.path().to_string());
    let request = voucher_door::Request {
        post,
        path,
        content_type: text(&headers, header::CONTENT_TYPE).to_string(),
        body,
    };
    let now = Millis(io::clock::now_millis());
    let step = voucher_door::open(request, &shared.factory.authority.certificate, now, |idevid| {
        shared.pledges.may_ask(idevid.fingerprint())
    });
    let session = Session::of_hub("masa", shared.factory.organisation.clone());
    response(shared.factory.drive(&shared.desk, step, &session).await)
}

async fn line(
    State(shared): State<Arc<Shared>>,
    method: Method,
    Path((label, operation)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    // RFC 7030 section 4.1.2: who asks for the authority's certificates is not asked to show who they are.
    let session = match operation.as_str() {
        "cacerts" => Session::of_hub("cacerts", shared.factory.organisation.clone()),
        _ => match session(&shared, &headers).await {
            Ok(session) => session,
            Err(refusal) => return challenge(&refusal),
        },
    };
    let body = match read(body).await {
        Ok(body) => body.to_vec(),
        Err(problem) => return response(problem.into()),
    };
    let (post, content_type) = (method == Method::POST, text(&headers, header::CONTENT_TYPE).to_string());
    let request = Request { post, label, operation, content_type, body };
    let step = open(request, &shared.factory.authority.certificate);
    response(shared.factory.drive(&shared.desk, step, &session).await)
}

async fn session(shared: &Shared, headers: &HeaderMap) -> Result<Session, Refusal> {
    let secret = match text(headers, header::AUTHORIZATION).split_once(' ') {
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
