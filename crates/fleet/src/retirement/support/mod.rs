//! **Support**: until when a product is looked after by its maker.
//!
//! Part of retirement. A person enters what the maker published (EN 303 645 provision 5.3-13 asks makers
//! to), for a maker's one product or for all of them; a device's product is its model or its MUD URL. The
//! entry that names the product counts more than the one that names the maker alone. A verified description
//! says by itself whether its devices are supported (RFC 8520 section 3.6): that it is over is signed, and
//! counts more than any date that was entered.
//!
//! | from | command | to |
//! |---|---|---|
//! | any | set | a date |
//! | a date | clear | none |
//! | not over | describe (not supported) | over, with the file that says so |
//! | over | describe (supported) | not over |
pub mod rules;
pub mod store;
pub mod view;

use crate::discovery::named;
use crate::refusal::Refusal;
use crate::room::{Cx, Room, Subject};
use rules::Ended;

/// The room. Its subjects are makers with their products.
pub struct Support;

/// A maker and a product, as the id of a subject; the product is empty for all of a maker.
pub fn id(maker: &str, product: &str) -> String {
    format!("{maker} {product}")
}

/// The end of the support of a device's product, if it is over.
///
/// # Errors
/// A fault of the store.
pub fn ended(cx: &mut Cx, subject: &Subject, maker: &str, model: &str) -> Result<Option<Ended>, Refusal> {
    let by_url = named(cx, subject)?.map(|statement| id(&statement.maker, &statement.mud_url));
    let by_model = (!model.is_empty()).then(|| id(maker, model));
    for entry in by_url.into_iter().chain(by_model).chain([id(maker, "")]) {
        let entry = cx.subject("", entry);
        let (state, _) = Support::load(cx.tx, &entry)?.unwrap_or_default();
        if state.is_known() {
            return Ok(state.ended(cx.now));
        }
    }
    Ok(None)
}
