//! The product: one room per line of the charter, and the table of what can be asked.
//!
//! A request becomes an [`operation::Operation`]; [`permission::Session::permit`] lets it through; the
//! store runs it in a transaction with a [`room::Cx`]; [`room::Cx::change`] decides, applies, saves and
//! writes the journal entry. Rooms never import each other's rules.
//!
//! Absent: sockets, SQL engines, tokio, HTTP, files, a clock, randomness.
pub mod access;
pub mod account;
pub mod audit;
pub mod blob;
pub mod configuration;
pub mod control;
pub mod device;
pub mod discovery;
pub mod door;
pub mod id;
pub mod limits;
pub mod onboarding;
pub mod operation;
pub mod page;
pub mod permission;
pub mod posture;
pub mod provisioning;
pub mod quarantine;
mod reactions;
pub mod refusal;
pub mod remediation;
pub mod retirement;
pub mod room;
pub mod script;
pub mod text;
pub mod time;
pub mod tx;
pub mod upgrade;
mod word;

use operation::{OperationRow, row};
use room::{Fold, fold};
use script::Script;
use tx::{Fill, Migration};

/// Everything a person or a program can ask of a fleet: one line per operation.
pub const OPERATIONS: &[OperationRow] = &[
    row::<device::view::Expect>(),
    row::<device::view::Import>(),
    row::<device::view::List>(),
    row::<device::view::Count>(),
    row::<device::view::Show>(),
    row::<device::view::Timeline>(),
    row::<device::view::Rename>(),
    row::<device::view::Retire>(),
    row::<device::view::Claim>(),
    row::<discovery::view::List>(),
    row::<discovery::view::Show>(),
    row::<discovery::view::Enter>(),
    row::<discovery::view::Waive>(),
    row::<discovery::view::Fetch>(),
    row::<onboarding::view::Admit>(),
    row::<onboarding::view::Adopt>(),
    row::<onboarding::view::Settle>(),
    row::<onboarding::view::Show>(),
    row::<onboarding::view::Revoke>(),
    row::<onboarding::anchor::view::Add>(),
    row::<onboarding::anchor::view::List>(),
    row::<onboarding::anchor::view::Show>(),
    row::<onboarding::anchor::view::AdmitBy>(),
    row::<onboarding::anchor::view::Remove>(),
    row::<onboarding::restoration::view::List>(),
    row::<access::view::Show>(),
    row::<access::view::ShowPlan>(),
    row::<access::view::Judge>(),
    row::<access::view::Locate>(),
    row::<access::view::Activate>(),
    row::<access::view::Remake>(),
    row::<access::controller::view::Add>(),
    row::<access::controller::view::Remove>(),
    row::<access::controller::view::Show>(),
    row::<access::controller::view::List>(),
    row::<access::gate::view::Appoint>(),
    row::<access::gate::view::Dismiss>(),
    row::<access::gate::view::List>(),
    row::<configuration::view::Show>(),
    row::<configuration::view::Versions>(),
    row::<configuration::view::Diff>(),
    row::<configuration::view::Set>(),
    row::<configuration::view::Restore>(),
    row::<configuration::view::Backup>(),
    row::<control::view::List>(),
    row::<control::view::Cancel>(),
    row::<quarantine::view::Hold>(),
    row::<quarantine::view::Release>(),
    row::<quarantine::view::Show>(),
    row::<quarantine::view::Observe>(),
    row::<quarantine::view::ListFindings>(),
    row::<quarantine::view::ShowFinding>(),
    row::<quarantine::view::SettleFinding>(),
    row::<remediation::view::Begin>(),
    row::<remediation::view::GiveUp>(),
    row::<remediation::view::Show>(),
    row::<remediation::view::Replace>(),
    row::<retirement::view::Begin>(),
    row::<retirement::view::Show>(),
    row::<retirement::view::List>(),
    row::<retirement::view::Force>(),
    row::<retirement::view::Cancel>(),
    row::<retirement::view::Export>(),
    row::<retirement::support::view::Set>(),
    row::<retirement::support::view::Clear>(),
    row::<retirement::support::view::List>(),
    row::<posture::attention::view::List>(),
    row::<posture::attention::view::Count>(),
    row::<posture::view::List>(),
    row::<posture::view::Check>(),
    row::<provisioning::product::view::Add>(),
    row::<provisioning::product::view::List>(),
    row::<provisioning::product::view::Show>(),
    row::<provisioning::product::view::Discontinue>(),
    row::<provisioning::publication::view::Publish>(),
    row::<provisioning::publication::view::Show>(),
    row::<provisioning::release::view::Publish>(),
    row::<provisioning::release::view::List>(),
    row::<provisioning::view::List>(),
    row::<provisioning::view::Show>(),
    row::<provisioning::voucher::view::Show>(),
    row::<upgrade::release::view::Fetch>(),
    row::<upgrade::release::view::List>(),
    row::<upgrade::release::view::Show>(),
    row::<upgrade::view::Start>(),
    row::<upgrade::view::List>(),
    row::<upgrade::view::Show>(),
    row::<upgrade::view::ListWaves>(),
    row::<upgrade::view::Devices>(),
    row::<upgrade::view::Pause>(),
    row::<upgrade::view::Resume>(),
    row::<upgrade::view::Stop>(),
    row::<upgrade::view::Cancel>(),
    row::<upgrade::view::ListFirmware>(),
    row::<audit::view::List>(),
    row::<audit::view::Export>(),
    row::<audit::view::ShowHead>(),
    row::<audit::view::Verify>(),
    row::<audit::view::Check>(),
    row::<audit::clock::view::Accept>(),
    row::<account::view::Add>(),
    row::<account::view::List>(),
    row::<account::view::Show>(),
    row::<account::view::SetPermission>(),
    row::<account::view::Disable>(),
    row::<account::view::Enable>(),
    row::<account::view::IssueToken>(),
    row::<account::view::IssueLink>(),
    row::<account::view::Revoke>(),
    row::<account::view::StartSession>(),
    row::<account::view::ShowSession>(),
    row::<account::view::EndSession>(),
];

/// The rooms whose rows must equal the fold of their journal.
pub const FOLDS: &[Fold] = &[
    fold::<audit::clock::Clock>(),
    fold::<device::Device>(),
    fold::<account::Account>(),
    fold::<discovery::Discovery>(),
    fold::<discovery::description::Description>(),
    fold::<onboarding::Onboarding>(),
    fold::<onboarding::anchor::Anchor>(),
    fold::<onboarding::restoration::Restoration>(),
    fold::<access::Access>(),
    fold::<access::controller::Controller>(),
    fold::<access::gate::Gate>(),
    fold::<configuration::Configuration>(),
    fold::<control::Control>(),
    fold::<quarantine::Quarantine>(),
    fold::<remediation::Remediation>(),
    fold::<retirement::Retirement>(),
    fold::<retirement::support::Support>(),
    fold::<provisioning::Birth>(),
    fold::<provisioning::product::Product>(),
    fold::<provisioning::publication::Publication>(),
    fold::<provisioning::release::PublishedRelease>(),
    fold::<provisioning::voucher::VoucherLog>(),
    fold::<upgrade::release::Release>(),
    fold::<upgrade::firmware::Firmware>(),
    fold::<upgrade::Rollout>(),
];

/// The rooms that hold blobs: one that none of them holds is swept.
pub const BLOB_HOLDERS: &[blob::Holder] = &[
    access::store::holds,
    discovery::description::store::description_holds,
    provisioning::publication::store::publication_holds,
    provisioning::release::store::holds,
    upgrade::release::store::holds,
    retirement::store::retirement_holds,
];

/// Every room's tables, in the order in which they are made.
pub const MIGRATIONS: &[&[Migration]] = &[
    audit::store::MIGRATIONS,
    audit::clock::store::MIGRATIONS,
    account::store::MIGRATIONS,
    blob::store::MIGRATIONS,
    device::store::MIGRATIONS,
    discovery::store::MIGRATIONS,
    discovery::description::store::MIGRATIONS,
    onboarding::store::MIGRATIONS,
    onboarding::anchor::store::MIGRATIONS,
    onboarding::restoration::store::MIGRATIONS,
    access::store::MIGRATIONS,
    access::controller::store::MIGRATIONS,
    access::gate::store::MIGRATIONS,
    configuration::store::MIGRATIONS,
    control::store::MIGRATIONS,
    quarantine::store::MIGRATIONS,
    remediation::store::MIGRATIONS,
    retirement::store::MIGRATIONS,
    retirement::support::store::MIGRATIONS,
    provisioning::store::MIGRATIONS,
    provisioning::product::store::MIGRATIONS,
    provisioning::publication::store::MIGRATIONS,
    provisioning::release::store::MIGRATIONS,
    provisioning::voucher::store::MIGRATIONS,
    upgrade::release::store::MIGRATIONS,
    upgrade::firmware::store::MIGRATIONS,
    upgrade::store::MIGRATIONS,
    posture::attention::store::MIGRATIONS,
    posture::store::MIGRATIONS,
];

/// What migrations cannot say in SQL.
pub const FILLS: &[Fill] = &[device::store::FILL];

/// Every room's scripts, for the store's tests on both engines.
pub const SCRIPTS: &[&[Script]] = &[
    device::scripts::SCRIPTS,
    account::scripts::SCRIPTS,
    discovery::scripts::SCRIPTS,
    onboarding::scripts::SCRIPTS,
    access::scripts::SCRIPTS,
    configuration::scripts::SCRIPTS,
    control::scripts::SCRIPTS,
    quarantine::scripts::SCRIPTS,
    remediation::scripts::SCRIPTS,
    retirement::scripts::SCRIPTS,
    posture::scripts::SCRIPTS,
    provisioning::scripts::SCRIPTS,
    upgrade::scripts::SCRIPTS,
];

/// The operation called `noun verb`.
pub fn operation(noun: &str, verb: &str) -> Option<&'static OperationRow> {
    OPERATIONS.iter().find(|row| row.noun_verb() == (noun, verb))
}
