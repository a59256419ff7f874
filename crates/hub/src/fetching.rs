//! What is fetched side by side from servers that strangers named: so much at once, and so much from one server,
//! so that one that is silent holds up what comes from others no longer than it takes to begin with it.
use io::http::shares::Shares;
use io::http::url::Url;
use std::collections::HashSet;
use std::future::{Future, pending};
use std::time::Duration;
use tokio::task::JoinSet;

/// The pause before something is fetched again whose outcome was not written.
const PAUSE_SECONDS: u64 = 5;

/// Fetches in work, and what they are called. They end when this is dropped.
pub struct Fetching {
    places: Shares<String>,
    tasks: JoinSet<String>,
    names: HashSet<String>,
}

impl Fetching {
    /// `all_max` at once, `server_max` of them from one server.
    pub fn new(all_max: usize, server_max: usize) -> Self {
        Fetching { places: Shares::new(all_max, server_max), tasks: JoinSet::new(), names: HashSet::new() }
    }

    /// Servers of which no more is fetched now.
    pub fn busy(&self) -> Vec<String> {
        self.places.full()
    }

    /// Begins `fetch`, called `name`, which begins with `url`, and says so; unless it is in work already, or no
    /// place is free: it is due again at the next look. `fetch` says whether its outcome was written.
    pub fn begin(
        &mut self,
        name: String,
        url: &str,
        fetch: impl Future<Output = bool> + Send + 'static,
    ) -> bool {
        if self.names.contains(&name) {
            return false;
        }
        // What is no URL is refused without asking anybody.
        let server = Url::parse(url).map_or_else(|_| url.to_owned(), |url| url.authority());
        let Ok(place) = self.places.take(server) else { return false };
        self.names.insert(name.clone());
        self.tasks.spawn(async move {
            let written = fetch.await;
            drop(place);
            if !written {
                // Not at once again.
                tokio::time::sleep(Duration::from_secs(PAUSE_SECONDS)).await;
            }
            name
        });
        true
    }

    /// Resolves when one of them ended; never when none is in work. Nothing is lost when it is dropped.
    pub async fn ended(&mut self) {
        match self.tasks.join_next().await {
            Some(Ok(name)) => drop(self.names.remove(&name)),
            // Which one it was is not known: none is thought to be running that is not.
            Some(Err(_)) => self.names.clear(),
            None => pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Fetching;
    use std::future::pending;

    #[tokio::test]
    async fn places_are_bounded_for_all_and_for_each_server() {
        let mut fetching = Fetching::new(5, 2);
        let check = |fetching: &mut Fetching, url: &str, expect: bool| {
            assert_eq!(fetching.begin(url.into(), url, pending()), expect, "{url}");
        };
        check(&mut fetching, "https://a.example/1", true);
        check(&mut fetching, "https://a.example/1", false);
        check(&mut fetching, "https://A.example:443/2", true);
        check(&mut fetching, "https://a.example/3", false);
        check(&mut fetching, "https://b.example/1", true);
        assert_eq!(fetching.busy(), ["a.example"]);
        check(&mut fetching, "https://b.example:8443/1", true);
        check(&mut fetching, "no URL", true);
        check(&mut fetching, "https://c.example/1", false);
        assert_eq!(fetching.tasks.len(), 5);
    }

    #[tokio::test]
    async fn what_ended_gives_its_place_back() {
        let mut fetching = Fetching::new(1, 1);
        assert!(fetching.begin("first".into(), "https://a.example/", async { true }));
        fetching.ended().await;
        assert!(fetching.begin("first".into(), "https://a.example/", pending()));
    }
}
