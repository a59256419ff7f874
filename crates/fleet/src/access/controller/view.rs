//! What the faces show and ask of controllers.
use super::rules::{Command, State};
use super::{Controller, store};
use crate::access::store::work_add_all;
use crate::operation::{Kind, Operation};
use crate::page::{self, Page};
use crate::permission::Permission;
use crate::refusal::Refusal;
use crate::room::{Cx, Room};
use crate::text::{Class, Cursor, Hosts};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A class of hosts.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct ControllerView {
    /// The class: a URI, a MUD URL for `my-controller`, a DNS name, or `local-networks`.
    pub class: String,
    /// Its hosts.
    pub hosts: Vec<String>,
}

fn view(class: &Class, state: &State) -> ControllerView {
    ControllerView {
        class: class.to_string(),
        hosts: state.members.iter().map(ToString::to_string).collect(),
    }
}

/// Changes the class, and has the plans made again that may name it.
fn change(cx: &mut Cx, class: &Class, command: Command) -> Result<ControllerView, Refusal> {
    let subject = cx.subject("", class);
    let state = cx.change::<Controller>(&subject, command)?;
    work_add_all(cx.tx, &subject.organisation)?;
    Ok(view(class, &state))
}

/// Register hosts for a class that descriptions name
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Add {
    /// The class: a URI, a MUD URL for `my-controller`, a DNS name, or `local-networks`
    #[schemars(example = &"urn:ietf:params:mud:dns")]
    pub class: Class,
    /// An address, or a prefix
    #[schemars(example = &"192.0.2.53")]
    pub hosts: Hosts,
}

impl Operation for Add {
    const NAME: &'static str = "controller add";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = ControllerView;

    fn run(&self, cx: &mut Cx) -> Result<ControllerView, Refusal> {
        change(cx, &self.class, Command::Add(self.hosts.prefix()))
    }
}

/// Take hosts out of a class
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Remove {
    /// The class: a URI, a MUD URL for `my-controller`, a DNS name, or `local-networks`
    #[schemars(example = &"urn:ietf:params:mud:dns")]
    pub class: Class,
    /// An address, or a prefix
    #[schemars(example = &"192.0.2.53")]
    pub hosts: Hosts,
}

impl Operation for Remove {
    const NAME: &'static str = "controller remove";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = ControllerView;

    fn run(&self, cx: &mut Cx) -> Result<ControllerView, Refusal> {
        change(cx, &self.class, Command::Remove(self.hosts.prefix()))
    }
}

/// Show the hosts of a class
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Show {
    /// The class: a URI, a MUD URL for `my-controller`, a DNS name, or `local-networks`
    #[schemars(example = &"urn:ietf:params:mud:dns")]
    pub class: Class,
}

impl Operation for Show {
    const NAME: &'static str = "controller show";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = ControllerView;

    fn run(&self, cx: &mut Cx) -> Result<ControllerView, Refusal> {
        let subject = cx.subject("", &self.class);
        let (state, _) = Controller::load(cx.tx, &subject)?.unwrap_or_default();
        Ok(view(&self.class, &state))
    }
}

/// List the classes that have hosts
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// Continue after this class
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// At most so many
    #[serde(default = "page::usual")]
    #[schemars(range(min = 1, max = 500))]
    pub limit: u16,
}

/// A class in a list.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Listed {
    /// The class.
    pub class: String,
    /// How many entries it has.
    pub hosts: i64,
}

impl Operation for List {
    const NAME: &'static str = "controller list";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = Page<Listed>;

    fn run(&self, cx: &mut Cx) -> Result<Page<Listed>, Refusal> {
        let limit = page::checked(self.limit)?;
        let (organisation, after) = (cx.session.organisation.as_str(), page::after(self.after.as_ref()));
        let found = store::class_list(cx.tx, organisation, after, limit + 1)?;
        let items = found.into_iter().map(|(class, hosts)| Listed { class, hosts }).collect();
        Ok(Page::new(items, limit, |listed: &Listed| listed.class.clone()))
    }
}
