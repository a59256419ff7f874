//! A refusal as HTTP: a status, and problem details (RFC 9457).
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use fleet::door::Answer;
use fleet::refusal::{Refusal, Sort};
use io::http::body::BodyError;
use serde_json::{Value as Json, json};

/// What a refusal that may pass later tells the asker to wait.
const RETRY_AFTER_SECONDS: u64 = 1;
/// The media type of problem details.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// A refusal on its way out.
#[derive(Debug)]
pub struct Problem {
    /// The status.
    pub status: StatusCode,
    /// Why.
    pub refusal: Refusal,
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Problem { status: status(refusal.sort), refusal }
    }
}

impl From<Problem> for Answer {
    /// RFC 8995 section 5.6, RFC 7030 section 4.2.3: words for a person.
    fn from(problem: Problem) -> Self {
        Answer::refused(problem.status.as_u16(), &problem.refusal)
    }
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Self {
        let (status, code) = match &error {
            BodyError::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "body-too-large"),
            BodyError::TimedOut(_) => (StatusCode::REQUEST_TIMEOUT, "body-too-slow"),
            BodyError::Broken(_) => (StatusCode::BAD_REQUEST, "body-broken"),
        };
        Problem { status, refusal: Refusal::new(Sort::Malformed, code, error.to_string()) }
    }
}

/// The status that a sort of refusal is answered with.
pub fn status(sort: Sort) -> StatusCode {
    match sort {
        Sort::Malformed => StatusCode::BAD_REQUEST,
        Sort::NotSignedIn => StatusCode::UNAUTHORIZED,
        Sort::NotPermitted => StatusCode::FORBIDDEN,
        Sort::NotFound => StatusCode::NOT_FOUND,
        Sort::Conflict => StatusCode::CONFLICT,
        Sort::TooMuch => StatusCode::UNPROCESSABLE_ENTITY,
        Sort::Later => StatusCode::SERVICE_UNAVAILABLE,
        Sort::NotYet => StatusCode::NOT_IMPLEMENTED,
        Sort::Failed => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl Problem {
    /// The body.
    pub fn json(&self) -> Json {
        json!({
            "type": format!("urn:steward:refusal:{}", self.refusal.code),
            "title": self.refusal.code.replace('-', " "),
            "status": self.status.as_u16(),
            "detail": self.refusal.detail,
            "code": self.refusal.code,
            "blame": self.refusal.blame,
        })
    }

    /// The fields that the status asks for, added to `response`.
    pub fn headers(&self, response: &mut Response) {
        let headers = response.headers_mut();
        if self.refusal.sort == Sort::Later {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
        }
        if self.refusal.sort == Sort::NotSignedIn {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let content_type = [(header::CONTENT_TYPE, MEDIA_TYPE)];
        let mut response = (self.status, content_type, self.json().to_string()).into_response();
        self.headers(&mut response);
        response
    }
}

/// The schema of the body.
pub fn schema() -> Json {
    let text = |about: &str| json!({"type": "string", "description": about});
    json!({
        "type": "object",
        "description": "Why it was not done (RFC 9457).",
        "required": ["type", "title", "status", "detail", "code", "blame"],
        "properties": {
            "type": text("A URI for the sort of problem."),
            "title": text("The code in words."),
            "status": {"type": "integer", "description": "The HTTP status."},
            "detail": text("What is wrong and what to do."),
            "code": text("Stable, for programs."),
            "blame": text("Who can mend it: asker, operator, environment or us."),
        },
    })
}
