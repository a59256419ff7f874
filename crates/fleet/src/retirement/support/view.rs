//! What the faces show and ask of the support calendar.
use super::rules::{Command, State};
use super::{Support, id, store};
use crate::operation::{Kind, Operation};
use crate::page::{self, Page};
use crate::permission::Permission;
use crate::refusal::Refusal;
use crate::room::Cx;
use crate::text::{Class, Cursor, DateTime, Slug};
use crate::time::Shown;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Until when products are supported.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct SupportView {
    /// The anchor that vouches for the maker.
    pub maker: String,
    /// The product: a model or a MUD URL; empty for all of the maker.
    pub product: String,
    /// Until when they are supported; nothing when nobody says.
    pub until: Option<Shown>,
    /// Who says so.
    pub source: String,
    /// Their support has ended: the date has passed, or their verified description says so.
    pub has_ended: bool,
    /// Who says that it has ended.
    pub ended_by: String,
}

fn view(cx: &Cx, entry: &str, state: State) -> SupportView {
    let (maker, product) = entry.split_once(' ').unwrap_or((entry, ""));
    let (maker, product) = (maker.to_string(), product.to_string());
    let (ended, until) = (state.ended(cx.now), state.until.map(Shown));
    let (has_ended, ended_by) = (ended.is_some(), ended.map(|ended| ended.source).unwrap_or_default());
    SupportView { maker, product, until, source: state.source, has_ended, ended_by }
}

fn change(
    cx: &mut Cx,
    maker: &Slug,
    product: Option<&Class>,
    command: Command,
) -> Result<SupportView, Refusal> {
    let entry = id(maker.as_str(), product.map(Class::as_str).unwrap_or_default());
    let subject = cx.subject("", &entry);
    let state = cx.change::<Support>(&subject, command)?;
    Ok(view(cx, &entry, state))
}

/// Enter until when a maker's products are supported
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Set {
    /// The maker: the anchor that vouches for it
    #[schemars(example = &"lumen")]
    pub maker: Slug,
    /// Until when: a time of RFC 3339
    #[schemars(example = &"2031-12-31T23:59:59Z")]
    pub until: DateTime,
    /// One product, by its model or its MUD URL; without it all of the maker
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<Class>,
    /// Where that is written
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Class>,
}

impl Operation for Set {
    const NAME: &'static str = "support set";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = SupportView;

    fn run(&self, cx: &mut Cx) -> Result<SupportView, Refusal> {
        let source = self.source.as_ref().map(Class::to_string).unwrap_or_default();
        let set = Command::Set { until: self.until.millis(), source };
        change(cx, &self.maker, self.product.as_ref(), set)
    }
}

/// Take an entry out of the support calendar
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Clear {
    /// The maker: the anchor that vouches for it
    #[schemars(example = &"lumen")]
    pub maker: Slug,
    /// The product of the entry; without it the one for all of the maker
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<Class>,
}

impl Operation for Clear {
    const NAME: &'static str = "support clear";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = SupportView;

    fn run(&self, cx: &mut Cx) -> Result<SupportView, Refusal> {
        change(cx, &self.maker, self.product.as_ref(), Command::Clear)
    }
}

/// List until when products are supported
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// Continue after this place: the `next` of the page before
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// At most so many
    #[serde(default = "page::usual")]
    #[schemars(range(min = 1, max = 500))]
    pub limit: u16,
}

impl Operation for List {
    const NAME: &'static str = "support list";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = Page<SupportView>;

    fn run(&self, cx: &mut Cx) -> Result<Page<SupportView>, Refusal> {
        let limit = page::checked(self.limit)?;
        let (organisation, after) = (cx.session.organisation.as_str(), page::after(self.after.as_ref()));
        let found = store::support_list(cx.tx, organisation, after, limit + 1)?;
        let items = found.into_iter().map(|(entry, state)| view(cx, &entry, state)).collect();
        Ok(Page::new(items, limit, |it: &SupportView| id(&it.maker, &it.product)))
    }
}
