//! Asking a hub over its API.
use crate::failure::{Failure, Problem, failed, usage};
use crate::limits::{BLOB_BYTES_MAX, CALL_ANSWER_BYTES_MAX, CALL_SECONDS_MAX};
use crate::target::Target;
use fleet::audit::view::hex;
use fleet::operation::{Kind, OperationRow};
use io::http::client::{Answer, Client, ClientError, Dialer, Failure as Broken, Request};
use io::http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use io::http::url::Url;
use io::http::{Method, StatusCode};
use serde_json::Value as Json;
use std::time::Duration;
use wire::digest::sha256;

const JSON: &str = "application/json";
const OCTETS: &str = "application/octet-stream";
/// Repeating a request with the same key does it once.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A hub, as one of its accounts.
pub struct Remote {
    client: Client,
    url: Url,
    bearer: HeaderValue,
}

impl Remote {
    /// A hub to ask. Nothing is sent yet.
    ///
    /// # Errors
    /// [`Failure::Usage`] when the certificates to believe are none, or the token cannot be sent.
    pub fn new(target: &Target) -> Result<Self, Failure> {
        let tls = io::tls::client::anchored(&target.anchors, None).map_err(usage)?;
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", target.token)).map_err(usage)?;
        bearer.set_sensitive(true);
        Ok(Remote { client: Client::new(Dialer::new(tls)), url: target.url.clone(), bearer })
    }

    /// Asks for the operation of `row`. A write is repeated once when the connection broke, which
    /// `key` makes safe.
    ///
    /// # Errors
    /// [`Failure::Refused`] as the hub said it, [`Failure::Unreachable`] when it did not answer.
    pub async fn call(&mut self, row: &OperationRow, arguments: &Json, key: &str) -> Result<Json, Failure> {
        let request = self.request(row, arguments, key)?;
        let answer = match self.client.send(&request).await {
            Err(ClientError { failure: Broken::Closed(_), .. }) => self.client.send(&request).await,
            sent => sent,
        };
        read(&answer.map_err(unreachable)?)
    }

    /// Puts `bytes` as a blob, and answers its SHA-256. Put again, nothing changes.
    ///
    /// # Errors
    /// As [`Remote::call`].
    pub async fn put_blob(&mut self, bytes: &[u8]) -> Result<String, Failure> {
        let digest = hex(&sha256(bytes));
        let url = self.at(&hub::api::blob_path(&digest))?;
        let put = Request { method: Method::PUT, ..Request::post(url, OCTETS, bytes.to_vec()) };
        let request = self.asked(put);
        let answer = self.client.send(&request).await.map_err(unreachable)?;
        read(&answer).map(|_| digest)
    }

    /// The bytes of a blob.
    ///
    /// # Errors
    /// As [`Remote::call`].
    pub async fn blob(&mut self, digest: &str) -> Result<Vec<u8>, Failure> {
        let url = self.at(&hub::api::blob_path(digest))?;
        let request = self.asked(Request::get(url)).answer_bytes_max(BLOB_BYTES_MAX);
        let answer = self.client.send(&request).await.map_err(unreachable)?;
        match answer.status {
            StatusCode::OK => Ok(answer.body.to_vec()),
            _ => Err(read(&answer).err().unwrap_or_else(|| failed("the hub answered no blob"))),
        }
    }

    /// Asks whether the hub answers, whatever keeps it from its work.
    ///
    /// # Errors
    /// [`Failure::Unreachable`].
    pub async fn answers(&mut self, within: Duration) -> Result<(), Failure> {
        let url = self.url.with_target("/healthz").map_err(failed)?;
        let answer = self.client.send(&Request::get(url).within(within)).await.map_err(unreachable)?;
        match answer.status {
            StatusCode::OK => Ok(()),
            status => Err(Failure::Unreachable(format!(
                "the hub answers {status} when it is asked whether it lives"
            ))),
        }
    }

    fn request(&self, row: &OperationRow, arguments: &Json, key: &str) -> Result<Request, Failure> {
        let path = hub::api::path(row);
        let request = match row.kind {
            Kind::Read => Request::new(Method::GET, self.at(&with_query(&path, arguments))?),
            Kind::Write => Request::post(self.at(&path)?, JSON, arguments.to_string())
                .header(IDEMPOTENCY_KEY, HeaderValue::from_str(key).map_err(usage)?),
        };
        Ok(self.asked(request))
    }

    /// As whom, and how patiently.
    fn asked(&self, request: Request) -> Request {
        request
            .header(AUTHORIZATION, self.bearer.clone())
            .within(Duration::from_secs(CALL_SECONDS_MAX))
            .answer_bytes_max(CALL_ANSWER_BYTES_MAX)
    }

    fn at(&self, target: &str) -> Result<Url, Failure> {
        self.url.with_target(target).map_err(|why| usage(format!("the arguments are no URL: {why}")))
    }
}

/// The arguments of a read as a query.
fn with_query(path: &str, arguments: &Json) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in arguments.as_object().into_iter().flatten() {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        query.append_pair(name, &text);
    }
    match query.finish() {
        query if query.is_empty() => path.to_owned(),
        query => format!("{path}?{query}"),
    }
}

fn read(answer: &Answer) -> Result<Json, Failure> {
    let json = serde_json::from_slice::<Json>(&answer.body);
    match json {
        Ok(json) if answer.status == StatusCode::OK => Ok(json),
        Ok(json) if json["code"].is_string() => Err(Failure::Refused(Problem(json))),
        _ => Err(Failure::Unreachable(format!("what answers there is no hub (status {})", answer.status))),
    }
}

fn unreachable(error: ClientError) -> Failure {
    Failure::Unreachable(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::with_query;
    use serde_json::json;

    #[test]
    fn arguments_become_a_query() {
        let check = |arguments, expect| assert_eq!(with_query("/p", &arguments), expect);
        check(json!({}), "/p");
        check(json!({"limit": 7, "after": "a b&c=ä"}), "/p?after=a+b%26c%3D%C3%A4&limit=7");
    }
}
