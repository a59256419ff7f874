//! HTTP/1.1 over TLS, both ends. No redirects, no cookies, no compression: what a caller asks for
//! is what is sent.

pub mod away;
pub mod body;
pub mod client;
mod date;
mod dial;
mod error;
pub mod events;
pub mod fixed;
pub mod server;
pub mod shares;
pub mod told;
pub mod url;

pub use hyper::{HeaderMap, Method, StatusCode, header};
