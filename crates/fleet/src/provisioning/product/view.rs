//! What the faces show and ask of products.
use super::rules::{Command, State, Template};
use super::{Product, store};
use crate::operation::{Kind, Operation};
use crate::page::{self, Page};
use crate::permission::Permission;
use crate::refusal::{Refusal, Sort};
use crate::room::{Cx, Room};
use crate::text::{Cursor, Slug};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wire::Oid;
use wire::limits::URL_BYTES_MAX;

/// A product.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct ProductView {
    /// Its name: the label under which its devices are born.
    pub product: String,
    /// The kind of hardware.
    pub hardware_type: String,
    /// Where its description is.
    pub mud_url: String,
    /// Where its manufacturer's service is.
    pub masa_url: String,
    /// Nothing of it is born any more.
    pub discontinued: bool,
}

fn view(product: String, state: State) -> ProductView {
    let Template { hardware_type, mud_url, masa_url } = state.template.unwrap_or_default();
    ProductView { product, hardware_type, mud_url, masa_url, discontinued: state.discontinued }
}

/// Offer a product, so that devices of it can be born
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Add {
    /// Its name: the label under which its devices are born
    #[schemars(example = &"lamp-7")]
    pub product: Slug,
    /// The kind of hardware: an object identifier under the maker's arc
    #[schemars(example = &"1.3.6.1.4.1.32473.7")]
    pub hardware_type: String,
    /// Where its description is: an https URL
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mud_url: Option<String>,
    /// Where its manufacturer's service (MASA) is: `masa.example.com`, or a whole https URL
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masa_url: Option<String>,
}

impl Operation for Add {
    const NAME: &'static str = "product add";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Administer;
    type Answer = ProductView;

    fn run(&self, cx: &mut Cx) -> Result<ProductView, Refusal> {
        if self.hardware_type.parse::<Oid>().is_err() {
            let detail = "`hardware_type` is not an object identifier such as 1.3.6.1.4.1.32473.7";
            return Err(Refusal::new(Sort::Malformed, "bad-hardware-type", detail));
        }
        let template = Template {
            hardware_type: self.hardware_type.clone(),
            mud_url: https("mud_url", self.mud_url.as_deref())?,
            masa_url: masa(self.masa_url.as_deref())?,
        };
        let subject = cx.subject("", &self.product);
        let state = cx.change::<Product>(&subject, Command::Add(template))?;
        Ok(view(subject.id, state))
    }
}

/// RFC 8520 section 1.5: a MUD URL is an https URL. So is a MASA's.
fn https(name: &str, url: Option<&str>) -> Result<String, Refusal> {
    let url = url.unwrap_or_default();
    let rest = url.strip_prefix("https://").unwrap_or_default();
    let plain = url.len() <= URL_BYTES_MAX && url.bytes().all(|b| b.is_ascii_graphic());
    if url.is_empty() || (plain && !rest.is_empty() && !rest.starts_with('/')) {
        return Ok(url.into());
    }
    let detail = format!("`{name}` has to be an https URL of at most {URL_BYTES_MAX} ASCII characters");
    Err(Refusal::new(Sort::Malformed, "bad-url", detail))
}

/// RFC 8995 section 2.3.2: the authority alone, which is preferred, or a complete URI.
fn masa(url: Option<&str>) -> Result<String, Refusal> {
    match url {
        Some(authority) if !authority.is_empty() && !authority.contains('/') => {
            https("masa_url", Some(&format!("https://{authority}")))?;
            Ok(authority.into())
        }
        url => https("masa_url", url),
    }
}

/// Let nothing of a product be born any more
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Discontinue {
    /// Its name
    #[schemars(example = &"lamp-7")]
    pub product: Slug,
}

impl Operation for Discontinue {
    const NAME: &'static str = "product discontinue";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Administer;
    type Answer = ProductView;

    fn run(&self, cx: &mut Cx) -> Result<ProductView, Refusal> {
        let subject = cx.subject("", &self.product);
        let state = cx.change::<Product>(&subject, Command::Discontinue)?;
        Ok(view(subject.id, state))
    }
}

/// Show a product
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Show {
    /// Its name
    #[schemars(example = &"lamp-7")]
    pub product: Slug,
}

impl Operation for Show {
    const NAME: &'static str = "product show";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = ProductView;

    fn run(&self, cx: &mut Cx) -> Result<ProductView, Refusal> {
        let subject = cx.subject("", &self.product);
        match Product::load(cx.tx, &subject)? {
            Some((state, _)) => Ok(view(subject.id, state)),
            None => {
                let detail = format!("no product is called `{}`; `product list` shows them", self.product);
                Err(Refusal::new(Sort::NotFound, "product-unknown", detail))
            }
        }
    }
}

/// List products by name
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// Continue after this name
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// At most so many
    #[serde(default = "page::usual")]
    #[schemars(range(min = 1, max = 500))]
    pub limit: u16,
}

impl Operation for List {
    const NAME: &'static str = "product list";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = Page<ProductView>;

    fn run(&self, cx: &mut Cx) -> Result<Page<ProductView>, Refusal> {
        let limit = page::checked(self.limit)?;
        let (organisation, after) = (cx.session.organisation.as_str(), page::after(self.after.as_ref()));
        let found = store::product_list(cx.tx, organisation, after, limit + 1)?;
        let items = found.into_iter().map(|(product, state)| view(product, state)).collect();
        Ok(Page::new(items, limit, |p: &ProductView| p.product.clone()))
    }
}
