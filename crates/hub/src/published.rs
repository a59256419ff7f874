//! What a manufacturer publishes, for anybody: MUD files and their signatures, with the media types of
//! RFC 8520 sections 13.1 and 17.5.
use crate::Shared;
use crate::headers::text;
use crate::problem::Problem;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use fleet::permission::Session;
use fleet::provisioning::publication::view::{PublicationView, Show};
use fleet::refusal::{Blame, Refusal, Sort};
use fleet::text::Slug;
use std::sync::Arc;
use wire::limits::MUD_FILE_BYTES_MAX;
use wire::mud::{MEDIA_TYPE, SIGNATURE_MEDIA_TYPE};

/// RFC 8520 section 3.5: a cache-validity is at least an hour, and HTTP's should be no longer.
const CACHE: &str = "public, max-age=3600";

/// The routes.
pub fn router() -> Router<Arc<Shared>> {
    Router::new().route("/mud/{file}", get(mud))
}

async fn mud(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (product, signature) = match (name.strip_suffix(".json"), name.strip_suffix(".p7s")) {
        (Some(product), _) => (product, false),
        (_, Some(product)) => (product, true),
        _ => return Err(unknown()),
    };
    let product: Slug = product.parse().map_err(|_| unknown())?;
    let session = Session::of_hub("published", shared.factory.organisation.clone());
    let shown = shared.desk.own(&session, Show { product }).await?;
    let shown: PublicationView = serde_json::from_value(shown).map_err(fault)?;
    let (digest, media_type) = match signature {
        false => (shown.file, MEDIA_TYPE),
        true => (shown.signature, SIGNATURE_MEDIA_TYPE),
    };
    let digest = digest.parse().map_err(|_| unknown())?;
    let tag = format!("\"{digest}\"");
    let cached = [(header::CACHE_CONTROL, HeaderValue::from_static(CACHE)), (header::ETAG, value(&tag)?)];
    if text(&headers, header::IF_NONE_MATCH) == tag {
        return Ok((StatusCode::NOT_MODIFIED, cached).into_response());
    }
    let bytes = shared.blobs.get(&session, digest, MUD_FILE_BYTES_MAX).await?;
    Ok((cached, [(header::CONTENT_TYPE, media_type)], bytes).into_response())
}

fn value(tag: &str) -> Result<HeaderValue, Refusal> {
    HeaderValue::from_str(tag).map_err(fault)
}

fn unknown() -> Problem {
    Refusal::new(Sort::NotFound, "page-unknown", "no description is published here").into()
}

fn fault(why: impl std::fmt::Display) -> Refusal {
    Refusal::new(Sort::Failed, "unreadable-answer", why.to_string()).blaming(Blame::Us)
}
