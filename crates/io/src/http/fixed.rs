//! Answers that were laid out before: a few small files, each under its path.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use tower_service::Service;

/// A service for [`serve`](super::server::serve): whatever the method, 200 with the bytes of the path that was
/// asked for, or 404. Clones share the bytes.
#[derive(Clone, Debug)]
pub struct Fixed(Arc<BTreeMap<String, Bytes>>);

impl Fixed {
    /// Each file by its path, which begins with `/`.
    pub fn new(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        Self(Arc::new(files.into_iter().map(|(path, bytes)| (path, bytes.into())).collect()))
    }
}

impl Service<Request<Incoming>> for Fixed {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let found = self.0.get(request.uri().path()).cloned();
        let status = if found.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
        let mut response = Response::new(Full::new(found.unwrap_or_default()));
        *response.status_mut() = status;
        ready(Ok(response))
    }
}
