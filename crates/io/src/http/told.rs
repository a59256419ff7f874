//! A client whose way to its server is told by somebody else, who knows which identity is shown and who is
//! believed, and may say another way at any time.

use tokio::sync::watch;

use super::client::{Client, Dialer};

/// A client as long as the way is the same.
#[derive(Debug)]
pub struct Told {
    way: watch::Receiver<Option<Dialer>>,
    client: Option<Client>,
}

/// Nobody tells a way any more, and none was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nobody tells the way to the server any more")]
pub struct NoWay;

impl Told {
    /// By `way`, which is nothing as long as there is none.
    #[must_use]
    pub fn new(way: watch::Receiver<Option<Dialer>>) -> Self {
        Self { way, client: None }
    }

    /// The client by the way that is told now. The first one is waited for.
    ///
    /// # Errors
    /// [`NoWay`].
    pub async fn client(&mut self) -> Result<&mut Client, NoWay> {
        if self.way.has_changed().unwrap_or(false) {
            self.client = None;
        }
        if self.client.is_none() {
            let way = self.way.wait_for(Option::is_some).await.map_err(|_| NoWay)?;
            self.client = way.clone().map(Client::new);
        }
        self.client.as_mut().ok_or(NoWay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_as_it_was_told_last() {
        let (tell, way) = watch::channel(None);
        let mut told = Told::new(way);
        tell.send_replace(Some(Dialer::plain()));
        told.client().await.expect("told");
        assert!(told.client.is_some());
        // Another way: the connections of the one before are not used any more.
        tell.send_replace(None);
        tell.send_replace(Some(Dialer::plain()));
        assert!(told.way.has_changed().expect("somebody tells"));
        told.client().await.expect("told");
        assert!(!told.way.has_changed().expect("somebody tells"));
        drop(tell);
        told.client().await.expect("the way stays");
        let (tell, way) = watch::channel(None);
        drop(tell);
        assert_eq!(Told::new(way).client().await.map(drop), Err(NoWay));
    }
}
