//! A browser's session: the one-time link, the cookie, and the check that a form is ours.
use super::{Menu, MessagePage, html, message};
use crate::Shared;
use crate::headers::text;
use crate::problem::Problem;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use fleet::account::not_signed_in;
use fleet::account::rules::CredentialKind;
use fleet::limits::SESSION_HOURS_MAX;
use fleet::operation;
use fleet::permission::Session;
use fleet::refusal::{Refusal, Sort};
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// The `__Host-` prefix lets a browser take it only over TLS, for this host, for every path.
const COOKIE: &str = "__Host-steward";

/// Who the request's cookie belongs to.
///
/// # Errors
/// `not-signed-in`, or a fault of the store.
pub async fn session(shared: &Shared, headers: &HeaderMap) -> Result<Session, Refusal> {
    let secret = cookie(headers).ok_or_else(not_signed_in)?;
    let session = shared.desk.session(secret).await?;
    // A token or a link in the cookie is not a browser's session.
    match session.credential {
        Some(shown) if shown.kind == CredentialKind::Session => Ok(session),
        _ => Err(not_signed_in()),
    }
}

fn cookie(headers: &HeaderMap) -> Option<String> {
    let texts = headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok());
    let mut pairs = texts.flat_map(|text| text.split("; ")).filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value.to_string())
}

/// Refuses a form that another site's page sent: its `Origin` is not the host that it was sent to.
///
/// # Errors
/// `foreign-form`.
pub fn same_origin(headers: &HeaderMap) -> Result<(), Refusal> {
    let host = text(headers, header::HOST);
    match text(headers, header::ORIGIN).strip_prefix("https://") {
        Some(origin) if origin == host => Ok(()),
        _ => {
            let detail =
                "this form was not sent from one of the hub's own pages; open the page and send it there";
            Err(Refusal::new(Sort::NotPermitted, "foreign-form", detail))
        }
    }
}

/// Opening the link asks first: a program that previews links must not use it up.
pub async fn offer() -> Response {
    let text = "This link signs you in once. It is used up when you press the button.";
    let page = MessagePage {
        title: "Sign in",
        who: None,
        menu: Menu::default(),
        text,
        button: Some("Sign in to Steward"),
    };
    html(StatusCode::OK, &page)
}

/// Uses the link up and starts a session.
pub async fn sign_in(
    State(shared): State<Arc<Shared>>,
    Path(secret): Path<String>,
    headers: HeaderMap,
) -> Response {
    match started(&shared, secret, &headers).await {
        Ok(secret) => {
            let age = SESSION_HOURS_MAX * 3_600;
            with_cookie(&format!("{COOKIE}={secret}; Path=/; Max-Age={age}; Secure; HttpOnly; SameSite=Lax"))
        }
        Err(refusal) => message(&refusal.into(), None),
    }
}

async fn started(shared: &Shared, secret: String, headers: &HeaderMap) -> Result<String, Refusal> {
    same_origin(headers)?;
    let issued = run(shared, &shared.desk.session(secret).await?, "start").await?;
    Ok(issued["secret"].as_str().unwrap_or_default().to_string())
}

/// Ends the session and forgets the cookie.
pub async fn sign_out(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let ended = async {
        same_origin(&headers)?;
        run(&shared, &session(&shared, &headers).await?, "end").await
    };
    match ended.await {
        Ok(_) => with_cookie(&format!("{COOKIE}=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax")),
        Err(refusal) => message(&Problem::from(refusal), None),
    }
}

async fn run(shared: &Shared, session: &Session, verb: &str) -> Result<Json, Refusal> {
    let row = operation("session", verb)
        .ok_or_else(|| Refusal::new(Sort::NotFound, "operation-unknown", "sessions are not offered"))?;
    shared.desk.run(session, row, json!({}), None).await
}

fn with_cookie(cookie: &str) -> Response {
    let mut response = Redirect::to("/").into_response();
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    response
}
