//! **Support**: until when a product is looked after by its maker.
//!
//! Part of retirement. A person enters what the maker published (EN 303 645 provision 5.3-13 asks makers
//! to), for a maker's one product or for all of them; a device's product is its model or its MUD URL. The
//! entry that names the product counts more than the one that names the maker alone.
//!
//! | from | command | to |
//! |---|---|---|
//! | any | set | a date |
//! | a date | clear | none |
pub mod rules;
pub mod store;
pub mod view;

use crate::onboarding::Onboarding;
use crate::refusal::Refusal;
use crate::room::{Cx, Room, Subject};
use crate::time::Millis;

/// The room. Its subjects are makers with their products.
pub struct Support;

/// A maker and a product, as the id of a subject; the product is empty for all of a maker.
pub fn id(maker: &str, product: &str) -> String {
    format!("{maker} {product}")
}

/// Until when a device's product is supported, if anybody said so.
///
/// # Errors
/// A fault of the store.
pub fn until(cx: &mut Cx, subject: &Subject, maker: &str, model: &str) -> Result<Option<Millis>, Refusal> {
    let (joined, _) = Onboarding::load(cx.tx, subject)?.unwrap_or_default();
    let mud_url = joined.introduction.map(|it| it.mud_url).unwrap_or_default();
    let named = [mud_url.as_str(), model].into_iter().filter(|product| !product.is_empty());
    for product in named.chain([""]) {
        let entry = cx.subject("", id(maker, product));
        let found = Support::load(cx.tx, &entry)?.and_then(|(state, _)| state.until);
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}
