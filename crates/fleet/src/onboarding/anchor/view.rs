//! What the faces show and ask of anchors.
use super::rules::{Admission, Command, State};
use super::{Anchor, store};
use crate::limits::{ANCHOR_SERVER_AUTHORITIES_MAX, ANCHORS_MAX};
use crate::operation::{Kind, Operation};
use crate::page::{self, Page};
use crate::permission::Permission;
use crate::refusal::{Refusal, Sort};
use crate::room::{Cx, Room};
use crate::text::{Cursor, Slug};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wire::Certificate;

/// An anchor.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct AnchorView {
    /// Its name: the maker.
    pub anchor: String,
    /// Who admits its devices.
    pub admission: String,
    /// The authority's certificate as PEM; empty when it is not trusted any more.
    pub certificate: String,
    /// The authorities that vouch for the maker's servers, as PEM; empty when its own does.
    pub servers: String,
}

fn view(anchor: &Slug, state: State) -> AnchorView {
    AnchorView {
        anchor: anchor.to_string(),
        admission: state.admission.map_or("removed", Admission::as_str).into(),
        certificate: state.certificate.unwrap_or_default(),
        servers: state.servers,
    }
}

fn change(cx: &mut Cx, anchor: &Slug, command: Command) -> Result<AnchorView, Refusal> {
    let subject = cx.subject("", anchor);
    Ok(view(anchor, cx.change::<Anchor>(&subject, command)?))
}

/// Trust a maker: devices with an IDevID of this authority may ask to join
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Add {
    /// The maker's name
    #[schemars(example = &"lumen")]
    pub anchor: Slug,
    /// The authority's certificate as PEM
    #[schemars(example = EXAMPLE)]
    pub certificate: String,
    /// Who admits its devices
    #[serde(default = "ask")]
    pub admission: Admission,
    /// The certificates, as PEM, of the authorities that vouch for the maker's servers (MASA, MUD files)
    /// in TLS, if it is not the authority above
    #[serde(default)]
    #[schemars(example = EXAMPLE)]
    pub servers: String,
}

/// A self-signed P-256 authority, made with `openssl req -x509` for this example; nobody has its key.
const EXAMPLE: &str = include_str!("example.pem");

fn ask() -> Admission {
    Admission::Ask
}

impl Operation for Add {
    const NAME: &'static str = "anchor add";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Administer;
    type Answer = AnchorView;

    fn run(&self, cx: &mut Cx) -> Result<AnchorView, Refusal> {
        let refuse = |sort, code, detail: String| Err(Refusal::new(sort, code, detail));
        let certificate = match Certificate::from_pem(&self.certificate) {
            Ok(certificate) => certificate,
            Err(why) => return refuse(Sort::Malformed, "bad-certificate", format!("`certificate`: {why}")),
        };
        if !certificate.is_authority() {
            let detail = "`certificate` is not one of an authority: basicConstraints does not say CA";
            return refuse(Sort::Malformed, "not-an-authority", detail.into());
        }
        let (organisation, pem) = (cx.session.organisation.as_str(), certificate.to_pem());
        let trusted = store::anchor_list(cx.tx, organisation, "", ANCHORS_MAX)?;
        if trusted.len() >= usize::from(ANCHORS_MAX) {
            let detail = format!("{ANCHORS_MAX} anchors are trusted; remove some first");
            return refuse(Sort::TooMuch, "too-many-anchors", detail);
        }
        if let Some(known) = trusted.iter().find(|t| t.certificate == pem && t.anchor != self.anchor.as_str())
        {
            let detail = format!("this authority is trusted already, as `{}`", known.anchor);
            return refuse(Sort::Conflict, "anchor-known", detail);
        }
        let servers = servers(&self.servers)?;
        let command = Command::Add { certificate: pem, admission: self.admission, servers };
        change(cx, &self.anchor, command)
    }
}

/// The authorities of a maker's servers, each as PEM.
fn servers(pem: &str) -> Result<String, Refusal> {
    let refuse = |code, why: String| Refusal::new(Sort::Malformed, code, format!("`servers`: {why}"));
    if pem.trim().is_empty() {
        return Ok(String::new());
    }
    let all = Certificate::list_from_pem(pem).map_err(|why| refuse("bad-certificate", why.to_string()))?;
    if all.is_empty() || all.len() > ANCHOR_SERVER_AUTHORITIES_MAX {
        let why = format!("{} certificates; give 1 to {ANCHOR_SERVER_AUTHORITIES_MAX}", all.len());
        return Err(refuse("bad-certificate", why));
    }
    if !all.iter().all(Certificate::is_authority) {
        let why = "one is not of an authority: basicConstraints does not say CA";
        return Err(refuse("not-an-authority", why.into()));
    }
    Ok(all.iter().map(Certificate::to_pem).collect())
}

/// Change who admits a maker's devices
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdmitBy {
    /// The maker's name
    #[schemars(example = &"lumen")]
    pub anchor: Slug,
    /// Who admits its devices from now on
    pub admission: Admission,
}

impl Operation for AdmitBy {
    const NAME: &'static str = "anchor admit-by";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Administer;
    type Answer = AnchorView;

    fn run(&self, cx: &mut Cx) -> Result<AnchorView, Refusal> {
        change(cx, &self.anchor, Command::AdmitBy(self.admission))
    }
}

/// Trust a maker no more; its devices that have joined stay
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Remove {
    /// The maker's name
    #[schemars(example = &"lumen")]
    pub anchor: Slug,
}

impl Operation for Remove {
    const NAME: &'static str = "anchor remove";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Administer;
    type Answer = AnchorView;

    fn run(&self, cx: &mut Cx) -> Result<AnchorView, Refusal> {
        change(cx, &self.anchor, Command::Remove)
    }
}

/// Show an anchor and its certificate
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Show {
    /// The maker's name
    #[schemars(example = &"lumen")]
    pub anchor: Slug,
}

impl Operation for Show {
    const NAME: &'static str = "anchor show";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = AnchorView;

    fn run(&self, cx: &mut Cx) -> Result<AnchorView, Refusal> {
        let subject = cx.subject("", &self.anchor);
        match Anchor::load(cx.tx, &subject)? {
            Some((state, _)) => Ok(view(&self.anchor, state)),
            None => {
                let detail = format!("no anchor is called `{}`; `anchor list` shows them", self.anchor);
                Err(Refusal::new(Sort::NotFound, "anchor-unknown", detail))
            }
        }
    }
}

/// List the makers whose devices may ask to join
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

/// A maker in a list.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Listed {
    /// Its name: the maker.
    pub anchor: String,
    /// Who admits its devices.
    pub admission: Admission,
}

impl Operation for List {
    const NAME: &'static str = "anchor list";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = Page<Listed>;

    fn run(&self, cx: &mut Cx) -> Result<Page<Listed>, Refusal> {
        let limit = page::checked(self.limit)?;
        let (organisation, after) = (cx.session.organisation.as_str(), page::after(self.after.as_ref()));
        let found = store::anchor_list(cx.tx, organisation, after, limit + 1)?;
        let items = found.into_iter().map(|t| Listed { anchor: t.anchor, admission: t.admission });
        Ok(Page::new(items.collect(), limit, |listed| listed.anchor.clone()))
    }
}
