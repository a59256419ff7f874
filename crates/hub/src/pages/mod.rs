//! The page face of the operation table: generic, rendered here, readable without JavaScript.
//!
//! A read operation is a page with its arguments as a filter in the URL and its answer below; a write
//! operation is a form that posts to its own page. Who may not run an operation sees neither.
mod attention;
mod browser;
mod chart;
mod device;
mod form;
mod journal;
mod live;
mod overview;
mod render;
mod rollout;
mod section;

pub use live::Changes;

use crate::Shared;
use crate::api::{pairs, read};
use crate::problem::Problem;
use crate::who::stranger;
use askama::Template;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use fleet::operation::{Kind, Operation, OperationRow};
use fleet::permission::Session;
use fleet::refusal::{Refusal, Sort};
use fleet::text::Digest;
use fleet::{OPERATIONS, operation};
use form::{Form, Group, KEY_FIELD, Link, SURE_FIELD};
use io::http::server::Peer as Connection;
use journal::About;
use render::{Shape, Value};
use section::{Asker, Content, View, address, items, text};
use serde_json::Value as Json;
use std::sync::Arc;

/// Nothing is loaded from elsewhere, nothing runs inline, nobody frames us, and a link that leads
/// away does not say from where.
const SECURITY_HEADERS: [(HeaderName, &str); 4] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; \
         form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
];

/// The pages' routes.
pub fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/", get(overview::overview))
        .route("/events", get(live::events))
        .route("/static/style.css", get(style))
        .route("/static/live.js", get(script))
        .route("/blob/{digest}", get(blob))
        .route("/sign-in/{secret}", get(browser::offer).post(browser::sign_in))
        .route("/sign-out", post(browser::sign_out))
        .route("/{noun}/{verb}", get(show).post(act))
}

async fn style() -> Response {
    fixed("text/css; charset=utf-8", include_str!("../../static/style.css"))
}

async fn script() -> Response {
    fixed("text/javascript; charset=utf-8", include_str!("../../static/live.js"))
}

/// A file that changes with the program alone.
fn fixed(content_type: &'static str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "max-age=3600"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, text).into_response()
}

/// The first page, by its name in the menu.
const OVERVIEW: &str = "overview";
/// The pages that a person needs daily: what the menu calls them, and the operation that each shows.
const CHIEF: [(&str, &str); 5] = [
    ("Overview", OVERVIEW),
    ("Devices", fleet::device::view::List::NAME),
    ("Attention", fleet::posture::attention::view::List::NAME),
    ("Rollouts", fleet::upgrade::view::List::NAME),
    ("Journal", fleet::audit::view::List::NAME),
];

/// What leads from any page to others.
#[derive(Default)]
struct Menu {
    /// The pages that a person needs daily; none before signing in.
    chief: Vec<Verb>,
    /// Every operation.
    nouns: Vec<Noun>,
    /// The page that is shown is none of those for every day.
    in_rest: bool,
}

/// One entry of the menu.
struct Noun {
    name: &'static str,
    here: bool,
    verbs: Vec<Verb>,
}

/// One page in the menu.
struct Verb {
    path: String,
    name: &'static str,
    /// `page` when it is shown, `true` when something below it is; empty otherwise.
    current: &'static str,
}

#[derive(Template)]
#[template(path = "operation.html")]
struct OperationPage<'a> {
    title: String,
    about: String,
    who: Option<&'a Session>,
    menu: Menu,
    form: Option<Form>,
    refusal: Option<&'a Refusal>,
    content: Content,
    done: bool,
    /// Other pages about the thing that is shown.
    related: Vec<Link>,
    /// Forms of the write operations on the thing that is shown.
    actions: Vec<Group>,
}

#[derive(Template)]
#[template(path = "message.html")]
struct MessagePage<'a> {
    title: &'a str,
    who: Option<&'a Session>,
    menu: Menu,
    text: &'a str,
    /// A form with this button that posts to the same address.
    button: Option<&'a str>,
}

impl Menu {
    fn of(session: &Session, here: &str) -> Self {
        let noun = |name: &'static str| name.split_once(' ').map(|(noun, _)| noun);
        let entry = |(name, operation): &(&'static str, &'static str)| {
            let row = OPERATIONS.iter().find(|row| row.name == *operation);
            let path = match row {
                Some(row) => session.may(row).then(|| page_path(row))?,
                None => "/".into(),
            };
            let below =
                noun(operation).is_some_and(|noun| here.split_once(' ').is_some_and(|(n, _)| n == noun));
            let current = match (*operation == here, below) {
                (true, _) => "page",
                (false, true) => "true",
                (false, false) => "",
            };
            Some(Verb { path, name, current })
        };
        let chief: Vec<Verb> = CHIEF.iter().filter_map(entry).collect();
        let in_rest = !here.is_empty() && chief.iter().all(|it| it.current.is_empty());
        Menu { chief, nouns: nouns(session, here), in_rest }
    }
}

fn nouns(session: &Session, here: &str) -> Vec<Noun> {
    let mut nouns: Vec<Noun> = Vec::new();
    for row in OPERATIONS.iter().filter(|row| session.may(row)) {
        let (noun, verb) = row.noun_verb();
        let at = nouns.iter().position(|n| n.name == noun).unwrap_or_else(|| {
            nouns.push(Noun { name: noun, here: false, verbs: Vec::new() });
            nouns.len() - 1
        });
        // What asks for a subject is reached from that subject's page.
        let asks = row.kind == Kind::Read && row.fields().iter().any(|f| f.required);
        nouns[at].here |= here == row.name;
        if !asks {
            let current = if here == row.name { "page" } else { "" };
            nouns[at].verbs.push(Verb { path: page_path(row), name: verb, current });
        }
    }
    nouns.retain(|noun| !noun.verbs.is_empty());
    nouns
}

fn page_path(row: &OperationRow) -> String {
    let (noun, verb) = row.noun_verb();
    format!("/{noun}/{verb}")
}

fn html(status: StatusCode, template: &impl Template) -> Response {
    let mut response = match template.render() {
        Ok(text) => (status, Html(text)).into_response(),
        Err(why) => {
            tracing::error!(%why, "a page could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    };
    for (name, value) in SECURITY_HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn message(problem: &Problem, who: Option<&Session>) -> Response {
    let title = problem.refusal.code.replace('-', " ");
    let menu = who.map(|session| Menu::of(session, "")).unwrap_or_default();
    let page = MessagePage { title: &title, who, menu, text: &problem.refusal.detail, button: None };
    let mut response = html(problem.status, &page);
    problem.headers(&mut response);
    response
}

fn row_of(noun: &str, verb: &str) -> Result<&'static OperationRow, Problem> {
    operation(noun, verb)
        .filter(|row| !row.by_link)
        .ok_or_else(|| Refusal::new(Sort::NotFound, "page-unknown", "there is no such page").into())
}

/// Where a browser fetches a blob.
fn blob_path(digest: &str) -> String {
    format!("/blob/{digest}")
}

/// A blob, for a signed-in browser to keep as a file.
async fn blob(
    State(shared): State<Arc<Shared>>,
    Path(digest): Path<String>,
    Extension(connection): Extension<Connection>,
    headers: HeaderMap,
) -> Response {
    let session = match browser::session(&shared, &headers).await {
        Ok(session) => session,
        Err(refusal) => return message(&refusal.into(), None),
    };
    let fetched = async {
        let wrong =
            |why: String| Refusal::new(Sort::Malformed, "bad-digest", format!("the blob's SHA-256: {why}"));
        let digest = digest.parse::<Digest>().map_err(wrong)?;
        let download = shared.downloads.begin(stranger(connection.address.ip()), &connection.closer)?;
        shared.blobs.serve(&session, digest, &headers, download).await
    };
    match fetched.await {
        Ok(mut response) => {
            for (name, value) in SECURITY_HEADERS {
                response.headers_mut().insert(name, HeaderValue::from_static(value));
            }
            // It is somebody's bytes: a browser keeps them and shows nothing.
            response
                .headers_mut()
                .insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
            response
        }
        Err(problem) => message(&problem, Some(&session)),
    }
}

async fn show(
    State(shared): State<Arc<Shared>>,
    Path((noun, verb)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let session = match browser::session(&shared, &headers).await {
        Ok(session) => session,
        Err(refusal) => return message(&refusal.into(), None),
    };
    let row = match row_of(&noun, &verb) {
        Ok(row) => row,
        Err(problem) => return message(&problem, Some(&session)),
    };
    let given = pairs(query.as_deref().unwrap_or_default().as_bytes());
    if row.kind == Kind::Write {
        return match session.may(row) {
            true => page(StatusCode::OK, &session, row, Form::new(row, &given), Ok(None)),
            false => message(&session.denied(row).into(), Some(&session)),
        };
    }
    let form = Form::new(row, &given);
    if form.misses_required() {
        return page(StatusCode::OK, &session, row, form, Ok(None));
    }
    let mut arguments = row.coerce(given);
    if row.name == fleet::audit::view::List::NAME && arguments["limit"].is_null() {
        arguments["limit"] = journal::ROWS.into();
    }
    let outcome = shared.run(&session, row, arguments, None).await;
    let asker = Asker { shared: &shared, session: &session };
    let outcome = match outcome {
        Ok(answer) => {
            let stage = device::stage(asker, &form, &answer).await;
            let content = content(asker, row, &form, &answer).await;
            content.map(|content| (answer, Content { stage, ..content }))
        }
        Err(refusal) => Err(refusal),
    };
    finish(&session, row, form, outcome)
}

/// What the page of a read shows: some have one of their own.
async fn content(
    asker: Asker<'_>,
    row: &OperationRow,
    form: &Form,
    answer: &Json,
) -> Result<Content, Refusal> {
    use fleet::{audit, device as devices, posture, retirement, upgrade};
    let next = answer["next"].as_str().map(|next| form.next_path(next));
    match row.name {
        upgrade::view::List::NAME => Ok(rollout::listed(answer, next)),
        upgrade::view::Show::NAME => rollout::shown(asker, answer).await,
        retirement::view::List::NAME => device::archive(asker, answer, next).await,
        posture::view::List::NAME => Ok(attention::catalogue(answer)),
        posture::view::Check::NAME => Ok(attention::checked(answer, next)),
        posture::attention::view::List::NAME => attention::listed(asker, answer, next).await,
        audit::view::List::NAME => journal::listed(asker, answer, next).await,
        devices::view::Show::NAME => Ok(device::shown(asker, answer).await),
        devices::view::Timeline::NAME => {
            let table = journal::table(items(answer), About::One);
            Ok(Content { answer: Some(Shape::Table { table, next }), ..Content::default() })
        }
        devices::view::List::NAME => Ok(Content {
            title: Some("Devices".into()),
            about: Some("Every device that somebody has heard of, by name.".into()),
            answer: Some(Shape::of(answer, row, form, &Json::Null)),
            ..Content::default()
        }),
        _ => {
            let names = asker.names_in(answer).await?;
            Ok(Content { answer: Some(Shape::of(answer, row, form, &names)), ..Content::default() })
        }
    }
}

async fn act(
    State(shared): State<Arc<Shared>>,
    Path((noun, verb)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let session = match browser::session(&shared, &headers).await {
        Ok(session) => session,
        Err(refusal) => return message(&refusal.into(), None),
    };
    match posted(&shared, &session, &noun, &verb, &headers, body).await {
        Ok(response) => response,
        Err(problem) => message(&problem, Some(&session)),
    }
}

async fn posted(
    shared: &Shared,
    session: &Session,
    noun: &str,
    verb: &str,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let row = row_of(noun, verb)?;
    browser::same_origin(headers)?;
    if row.kind != Kind::Write {
        let refusal = Refusal::new(Sort::Malformed, "wrong-method", "this page is only looked at");
        return Err(Problem { status: StatusCode::METHOD_NOT_ALLOWED, refusal });
    }
    let (key, given): (Vec<_>, Vec<_>) = pairs(&read(body).await?)
        .into_iter()
        .partition(|(name, _)| [KEY_FIELD, SURE_FIELD].contains(&name.as_str()));
    let key = key.into_iter().find(|(name, key)| name == KEY_FIELD && !key.is_empty()).map(|(_, key)| key);
    let outcome = shared.run(session, row, row.coerce(given.clone()), key).await;
    let form = Form::new(row, &given);
    let shown = |answer: Json| {
        let content =
            Content { answer: Some(Shape::of(&answer, row, &form, &Json::Null)), ..Content::default() };
        (answer, content)
    };
    let outcome = outcome.map(shown);
    Ok(finish(session, row, form, outcome))
}

fn finish(
    session: &Session,
    row: &OperationRow,
    form: Form,
    outcome: Result<(Json, Content), Refusal>,
) -> Response {
    match outcome {
        Ok(answered) => page(StatusCode::OK, session, row, form, Ok(Some(answered))),
        Err(refusal) if refusal.sort == Sort::NotPermitted => message(&refusal.into(), Some(session)),
        Err(refusal) => {
            let problem = Problem::from(refusal);
            let mut response = page(problem.status, session, row, form, Err(&problem.refusal));
            problem.headers(&mut response);
            response
        }
    }
}

fn page(
    status: StatusCode,
    session: &Session,
    row: &OperationRow,
    form: Form,
    outcome: Result<Option<(Json, Content)>, &Refusal>,
) -> Response {
    let (answered, refusal) = match outcome {
        Ok(answered) => (answered, None),
        Err(refusal) => (None, Some(refusal)),
    };
    let (answer, content) = answered.unzip();
    let content = content.unwrap_or_default();
    let done = answer.is_some() && row.kind == Kind::Write;
    let (noun, _) = row.noun_verb();
    let (related, actions) = match (row.kind, &answer) {
        (Kind::Read, Some(answer)) => {
            // The headings of sections lead to those pages.
            let is_plain = content.before.is_empty() && content.after.is_empty();
            let related = if is_plain { form.related(session, row) } else { Vec::new() };
            (related, Group::of(form.actions(session, noun, answer, content.stage)))
        }
        (Kind::Write, Some(answer)) => (back(answer), Vec::new()),
        _ => (Vec::new(), Vec::new()),
    };
    let page = OperationPage {
        title: content.title.clone().unwrap_or_else(|| row.name.into()),
        about: content.about.clone().unwrap_or_else(|| row.about()),
        who: Some(session),
        menu: Menu::of(session, row.name),
        // After it was done the form would only invite to do it again; a read without arguments has
        // none.
        form: (!done && (row.kind == Kind::Write || !form.fields.is_empty())).then_some(form),
        refusal,
        content,
        done,
        related,
        actions,
    };
    html(status, &page)
}

/// After a change: the page of what was changed.
fn back(answer: &Json) -> Vec<Link> {
    let subjects = [("device", "/device/show"), ("rollout", "/rollout/show")];
    let link = |(name, path): (&str, &str)| {
        let id = text(answer, name);
        (!id.is_empty()).then(|| Link { name: format!("back to the {name}"), path: address(path, name, id) })
    };
    subjects.into_iter().find_map(link).into_iter().collect()
}
