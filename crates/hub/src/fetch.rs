//! The one way in which a hub reaches servers that strangers named: a device's certificate names its MASA
//! (RFC 8995 section 2.3.2) and its MUD file (RFC 8520 section 11).
//!
//! https alone, to servers whose authority the caller gives, never redirected, within named limits; and
//! never to an address that only this machine or this link knows, whatever name leads there.
use crate::limits::{
    FETCH_REPLY_BYTES_MAX, FETCH_SECONDS_MAX, FETCHES_MAX, REPLY_RETRY_SECONDS_MAX, SERVER_FETCHES_MAX,
};
use fleet::door::{Outgoing, Reply};
use fleet::refusal::{Blame, Refusal, Sort};
use io::http::client::{Answer, Client, ClientError, Dialer, Failure, Request};
use io::http::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use io::http::shares::{NoPlace, Share, Shares};
use io::http::url::{Scheme, Url};
use io::tls::client::anchored;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;
use wire::Certificate;

/// Asks servers that strangers named. Clones share the limits.
#[derive(Clone, Debug)]
pub struct Fetcher {
    rule: Rule,
    places: Shares<String>,
}

impl Fetcher {
    /// `loopback` lets it reach this machine; `own` is where the hub itself listens.
    pub fn new(loopback: bool, own: Vec<SocketAddr>) -> Self {
        let places = Shares::new(FETCHES_MAX, SERVER_FETCHES_MAX);
        Fetcher { rule: Rule { loopback, own: own.into() }, places }
    }

    /// Asks, and waits for the whole reply, whatever its status; a redirection is none.
    ///
    /// # Errors
    /// `bad-url`, `address-refused`, `server-away`, `server-refused`, `bad-reply`, `redirected`,
    /// `fetches-busy`.
    pub async fn ask(&self, outgoing: &Outgoing) -> Result<Reply, Refusal> {
        let reply = self.try_ask(outgoing).await;
        match &reply {
            Ok(Reply { status: 200..300, .. }) => {}
            Ok(Reply { status, .. }) => tracing::warn!(url = outgoing.url, status, "somebody else's server"),
            Err(why) => {
                tracing::warn!(url = outgoing.url, code = why.code, detail = why.detail, "not fetched");
            }
        }
        reply
    }

    async fn try_ask(&self, outgoing: &Outgoing) -> Result<Reply, Refusal> {
        let url = Url::parse(&outgoing.url).map_err(|why| bad_url(&outgoing.url, &why.to_string()))?;
        if url.scheme() != Scheme::Https {
            return Err(bad_url(&outgoing.url, "it is not https"));
        }
        let _place = place(&self.places, &url.authority())?;
        let anchors: Vec<Vec<u8>> = outgoing.servers.iter().map(|c: &Certificate| c.der().to_vec()).collect();
        let tls = anchored(&anchors, None).map_err(|why| {
            Refusal::new(Sort::Failed, "server-refused", why.to_string()).blaming(Blame::Operator)
        })?;
        let (rule, port) = (self.rule.clone(), url.port());
        let dialer = Dialer::new(tls).only_where(Arc::new(move |address| rule.allows(address, port)));
        let answer = Client::new(dialer).send(&request(outgoing, url)).await;
        reply(answer.map_err(|why| self.refusal(&why))?)
    }

    fn refusal(&self, error: &ClientError) -> Refusal {
        let (sort, code, blame) = match &error.failure {
            Failure::Forbidden(address) => {
                let why = format!("{error}: {}", self.rule.remedy(*address));
                return Refusal::new(Sort::NotPermitted, "address-refused", why).blaming(Blame::Operator);
            }
            Failure::ServerRefused(_) => {
                let why = format!(
                    "{error}; `anchor add` takes the authorities that vouch for a maker's servers as `servers`"
                );
                return Refusal::new(Sort::Later, "server-refused", why).blaming(Blame::Operator);
            }
            Failure::TooLarge { .. } | Failure::Malformed(_) => {
                (Sort::Failed, "bad-reply", Blame::Environment)
            }
            Failure::NoTls | Failure::OtherServer => (Sort::Failed, "not-asked", Blame::Us),
            Failure::Unreachable(_)
            | Failure::PlainElsewhere(_)
            | Failure::TimedOut { .. }
            | Failure::RefusedByServer(_)
            | Failure::Closed(_) => (Sort::Later, "server-away", Blame::Environment),
        };
        Refusal::new(sort, code, error.to_string()).blaming(blame)
    }
}

fn bad_url(url: &str, why: &str) -> Refusal {
    Refusal::new(Sort::Malformed, "bad-url", format!("`{url}` is not asked: {why}"))
}

fn request(outgoing: &Outgoing, url: Url) -> Request {
    let request = match &outgoing.content {
        Some((content_type, body)) => Request::post(url, content_type, body.clone()),
        None => Request::get(url),
    };
    request
        .header(ACCEPT, HeaderValue::from_static(outgoing.accept))
        .within(Duration::from_secs(FETCH_SECONDS_MAX))
        .answer_bytes_max(outgoing.reply_bytes_max.min(FETCH_REPLY_BYTES_MAX))
}

fn reply(answer: Answer) -> Result<Reply, Refusal> {
    if answer.status.is_redirection() {
        let why = "it leads elsewhere, and a redirection of a server that a stranger named is not followed";
        return Err(Refusal::new(Sort::Failed, "redirected", why));
    }
    let text = |name: HeaderName| answer.header(&name).unwrap_or_default().to_string();
    let seconds = text(RETRY_AFTER).parse().ok();
    Ok(Reply {
        status: answer.status.as_u16(),
        content_type: text(CONTENT_TYPE),
        retry_after_seconds: seconds.map(|s: u32| s.min(REPLY_RETRY_SECONDS_MAX)),
        body: answer.body.into(),
    })
}

/// Which addresses may be asked. It sees what a name was resolved to.
#[derive(Clone, Debug)]
struct Rule {
    loopback: bool,
    own: Arc<[SocketAddr]>,
}

impl Rule {
    fn allows(&self, address: IpAddr, port: u16) -> bool {
        // An IPv4 address inside of an IPv6 one leads to the same place.
        let address = address.to_canonical();
        match address {
            _ if is_never_asked(address) => false,
            _ if self.loopback => true,
            _ => !address.is_loopback() && !self.is_own(address, port),
        }
    }

    /// Whether the hub itself listens there: on this address, or on all of this machine's.
    fn is_own(&self, address: IpAddr, port: u16) -> bool {
        let listens = |own: &SocketAddr| {
            own.port() == port
                && (own.ip().to_canonical() == address || own.ip().is_unspecified() && is_local(address))
        };
        self.own.iter().any(listens)
    }

    /// What would let the hub ask.
    fn remedy(&self, address: IpAddr) -> &'static str {
        if is_never_asked(address.to_canonical()) {
            "link-local, multicast and unspecified addresses are never asked"
        } else {
            "the hub asks neither its own machine nor itself unless the setting `fetch-loopback` says so \
             (`steward serve --fetch-loopback`)"
        }
    }
}

/// An address without a meaning beyond this machine or this link.
fn is_never_asked(address: IpAddr) -> bool {
    let of_the_link = match address {
        IpAddr::V4(address) => address.is_link_local() || address.is_broadcast(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    of_the_link || address.is_unspecified() || address.is_multicast()
}

/// Whether an address is one of this machine: only then may a socket be bound to it. Nothing is sent.
fn is_local(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

/// A place among [`FETCHES_MAX`] for `server`: one that is silent takes none from another.
fn place(places: &Shares<String>, server: &str) -> Result<Share<String>, Refusal> {
    places.take(server.into()).map_err(|why| {
        let why = match why {
            NoPlace::All => format!("{FETCHES_MAX} servers are being asked; ask again later"),
            NoPlace::Own => format!("{server} is being asked {SERVER_FETCHES_MAX} times; ask again later"),
        };
        Refusal::new(Sort::Later, "fetches-busy", why)
    })
}

#[cfg(test)]
mod tests {
    use super::{Fetcher, place};
    use crate::limits::{FETCHES_MAX, SERVER_FETCHES_MAX};

    fn check(own: &str, address: &str, (usual, with_loopback): (bool, bool)) {
        let own = vec![own.parse().expect("an address")];
        let asked: std::net::SocketAddr = address.parse().expect("an address");
        for (loopback, expect) in [(false, usual), (true, with_loopback)] {
            let rule = Fetcher::new(loopback, own.clone()).rule;
            assert_eq!(rule.allows(asked.ip(), asked.port()), expect, "{address}, loopback {loopback}");
        }
    }

    #[test]
    fn what_only_this_machine_or_link_knows_is_not_asked() {
        let own = "192.0.2.1:8443";
        check(own, "198.51.100.1:443", (true, true));
        check(own, "[2001:db8::1]:443", (true, true));
        check(own, "192.0.2.1:443", (true, true));
        for this_machine in ["127.0.0.1:443", "127.9.9.9:443", "[::1]:443", "[::ffff:127.0.0.1]:443"] {
            check(own, this_machine, (false, true));
        }
        check(own, "192.0.2.1:8443", (false, true));
        check(own, "[::ffff:192.0.2.1]:8443", (false, true));
        check("0.0.0.0:8443", "198.51.100.1:8443", (true, true));
        for never in [
            "169.254.169.254:80",
            "[fe80::1]:443",
            "0.0.0.0:443",
            "[::]:443",
            "224.0.0.1:443",
            "[ff02::1]:443",
            "255.255.255.255:443",
            "[::ffff:169.254.169.254]:80",
        ] {
            check(own, never, (false, false));
        }
    }

    #[test]
    fn a_silent_server_takes_no_place_from_another() {
        let places = Fetcher::new(false, Vec::new()).places;
        let busy = |server: &str| place(&places, server).err().map(|why| why.code);
        let silent: Vec<_> = (0..SERVER_FETCHES_MAX).map(|_| place(&places, "a").expect("free")).collect();
        assert_eq!(busy("a"), Some("fetches-busy"));
        assert_eq!(busy("b"), None);
        drop(silent);
        assert_eq!(busy("a"), None, "a place is given back");
        let all: Vec<_> = (0..FETCHES_MAX).map(|n| place(&places, &n.to_string()).expect("free")).collect();
        assert_eq!(busy("one more"), Some("fetches-busy"));
        drop(all);
    }
}
