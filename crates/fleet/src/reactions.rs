//! What an event in one room asks of another, in the same transaction. Nowhere else do rooms meet.
use crate::access::Access;
use crate::access::gate::{Gate, rules as gate};
use crate::access::rules as access;
use crate::configuration::Configuration;
use crate::configuration::rules as configuration;
use crate::control::Control;
use crate::control::rules as control;
use crate::device::rules as device;
use crate::device::{Device, unused_name};
use crate::discovery::description::{self, Description};
use crate::discovery::{Discovery, believed, named, rules as discovery};
use crate::onboarding::Onboarding;
use crate::onboarding::rules as onboarding;
use crate::quarantine::{Quarantine, rules as quarantine};
use crate::refusal::Refusal;
use crate::remediation::{Remediation, rules as remediation};
use crate::retirement::Retirement;
use crate::retirement::rules as retirement;
use crate::retirement::support::{Support, rules as support};
use crate::room::{Cx, Room, Subject};
use crate::time::Millis;
use crate::upgrade::firmware::{Firmware, rules as firmware};
use std::any::Any;

/// Follows up on `event` of `subject`. A refusal here refuses the whole command.
///
/// # Errors
/// The refusal of the other room.
pub fn after(cx: &mut Cx, subject: &Subject, event: &dyn Any) -> Result<(), Refusal> {
    if let Some(event) = event.downcast_ref::<onboarding::Event>() {
        return match event {
            onboarding::Event::Introduced { introduction } => {
                // Two makers may give the same serial number; a person can rename it.
                let wanted = format!("{}-{}", introduction.anchor, introduction.serial_number);
                let identity = device::Identity {
                    name: unused_name(cx, wanted, &subject.id)?,
                    maker: introduction.anchor.clone(),
                    model: String::new(),
                    serial_number: introduction.serial_number.clone(),
                };
                cx.change::<Device>(subject, device::Command::Discover(identity))?;
                named_by_idevid(cx, subject, introduction)
            }
            onboarding::Event::Admitted => {
                cx.change::<Device>(subject, device::Command::Admit)?;
                let (held, _) = Quarantine::load(cx.tx, subject)?.unwrap_or_default();
                if held.level.is_none() {
                    cx.change::<Access>(subject, access::Command::LetGo)?;
                }
                describe(cx, subject)?;
                first_plan(cx, subject)
            }
            onboarding::Event::Enrolled | onboarding::Event::EnrolledUnmatched => {
                cx.change::<Device>(subject, device::Command::Enrol).map(drop)
            }
            onboarding::Event::ShownAhead { serial, serial_number, not_before, not_after, .. } => {
                expect_ahead(cx, subject, serial_number)?;
                let what = format!("the LDevID {serial}, good from {not_before} until {not_after}");
                ahead(cx, subject, quarantine::Ahead::Certificate, what)
            }
            onboarding::Event::Revoked { why, .. } => {
                send_back(cx, subject, why)?;
                outside(cx, subject, why)
            }
            _ => Ok(()),
        };
    }
    if let Some(access::Event::Proposed { .. }) = event.downcast_ref::<access::Event>() {
        return first_plan(cx, subject);
    }
    if let Some(
        description::rules::Event::DescriptionVerified { .. }
        | description::rules::Event::DescriptionConfirmed { .. },
    ) = event.downcast_ref()
    {
        return tell_calendar(cx, subject);
    }
    if let Some(discovery::Event::Stated { .. }) = event.downcast_ref::<discovery::Event>() {
        want_description(cx, subject)?;
        return describe(cx, subject);
    }
    match event.downcast_ref() {
        Some(device::Event::Retired { why }) => {
            // It ended on another way than its own word, if that was waited for.
            cx.change::<Retirement>(subject, retirement::Command::Close { why: why.clone() })?;
            let because = format!("retired: {why}");
            end_work(cx, subject, why, &because)?;
            desire_nothing(cx, subject, &because)?;
            cx.change::<Onboarding>(subject, onboarding::Command::Revoke { why: because.clone() })?;
            return cx.change::<Access>(subject, access::Command::Remove { why: because }).map(drop);
        }
        Some(device::Event::SentBack { why }) => {
            // Its configuration's versions stay: they show what changed meanwhile when it comes back.
            cx.change::<Retirement>(subject, retirement::Command::CallOff)?;
            return end_work(cx, subject, why, &format!("it has to ask again: {why}"));
        }
        Some(device::Event::Claimed { .. }) => return desire_nothing(cx, subject, "a new life begins"),
        _ => {}
    }
    if let Some(event) = event.downcast_ref::<remediation::Event>() {
        return of_remediation(cx, subject, event);
    }
    if let Some(event) = event.downcast_ref::<quarantine::Event>() {
        return of_quarantine(cx, subject, event);
    }
    if let Some(event) = event.downcast_ref::<retirement::Event>() {
        return of_retirement(cx, subject, event);
    }
    if let Some(configuration::Event::OrderMet { order, known }) = event.downcast_ref() {
        let what = format!(
            "it knows the order {order} for its configuration; the newest one given here was {known}"
        );
        return ahead(cx, subject, quarantine::Ahead::Configuration, what);
    }
    if let Some(event) = event.downcast_ref::<configuration::Event>() {
        return match of_configuration(event) {
            Some(command) => cx.change::<Control>(subject, command).map(drop),
            None => Ok(()),
        };
    }
    if let Some(event) = event.downcast_ref::<control::Event>() {
        wiping(cx, subject, event)?;
        return match of_control(event) {
            Some(command) => cx.change::<Configuration>(subject, command).map(drop),
            None => Ok(()),
        };
    }
    Ok(())
}

/// A device that was never heard of is expected: this domain's own authority speaks for its serial number.
fn expect_ahead(cx: &mut Cx, subject: &Subject, serial_number: &str) -> Result<(), Refusal> {
    if Device::load(cx.tx, subject)?.is_some() {
        return Ok(());
    }
    let identity = device::Identity {
        name: unused_name(cx, serial_number.into(), &subject.id)?,
        serial_number: serial_number.into(),
        ..device::Identity::default()
    };
    cx.change::<Device>(subject, device::Command::Expect(identity)).map(drop)
}

/// A device that is ahead of what the hub knows is a finding.
fn ahead(cx: &mut Cx, subject: &Subject, of: quarantine::Ahead, what: String) -> Result<(), Refusal> {
    cx.change::<Quarantine>(subject, quarantine::Command::FindAhead { of, what }).map(drop)
}

/// Nothing is desired of a device whose life here is over, and nothing of it is desired of its next one.
fn desire_nothing(cx: &mut Cx, subject: &Subject, why: &str) -> Result<(), Refusal> {
    cx.change::<Configuration>(subject, configuration::Command::End { why: why.into() })?;
    cx.change::<Firmware>(subject, firmware::Command::End { why: why.into() }).map(drop)
}

/// What was begun with a device ends when it is not at work here any more, whether or not it may come back: an
/// order does not outlive the certificate that it was given for.
fn end_work(cx: &mut Cx, subject: &Subject, why: &str, because: &str) -> Result<(), Refusal> {
    cx.change::<Remediation>(subject, remediation::Command::End { why: why.into() })?;
    cx.change::<Quarantine>(subject, quarantine::Command::End { why: why.into() })?;
    cx.change::<Gate>(subject, gate::Command::End { why: why.into() })?;
    crate::upgrade::told::leave(cx, subject, because)?;
    cx.change::<Control>(subject, control::Command::CancelAll { why: because.into() }).map(drop)
}

/// The first plan of a device that may join is enforced before it gets its LDevID.
fn first_plan(cx: &mut Cx, subject: &Subject) -> Result<(), Refusal> {
    let (onboarding, _) = Onboarding::load(cx.tx, subject)?.unwrap_or_default();
    let (access, _) = Access::load(cx.tx, subject)?.unwrap_or_default();
    if !onboarding.admitted || access.proposed.is_none() || access.active.is_some() {
        return Ok(());
    }
    cx.change::<Access>(subject, access::Command::Activate).map(drop)
}

/// The calendar knows what the maker says of its product (RFC 8520 section 3.6): both are named by a maker and
/// a MUD URL.
fn tell_calendar(cx: &mut Cx, subject: &Subject) -> Result<(), Refusal> {
    let (known, _) = Description::load(cx.tx, subject)?.unwrap_or_default();
    let Some(verified) = known.verified else { return Ok(()) };
    let source = format!("the description {}, signed by {}", verified.file, verified.signer);
    let says = support::Command::Describe { is_supported: verified.is_supported, source };
    cx.change::<Support>(subject, says).map(drop)
}

/// A decommission is an operation, and ends in the end of a life.
fn of_retirement(cx: &mut Cx, subject: &Subject, event: &retirement::Event) -> Result<(), Refusal> {
    use retirement::Event;
    let kind = control::Kind::Wipe;
    match event {
        Event::Begun { deadline, .. } => order(cx, subject, kind, String::new(), *deadline),
        Event::Wiped { .. } => {
            cx.change::<Control>(subject, control::Command::Succeed { kind, about: String::new() })?;
            retire(cx, subject, "it wiped itself")
        }
        Event::Forced { why, .. } => retire(cx, subject, why),
        Event::Cancelled => {
            let cancel = control::Command::CancelKind { kind, why: "the decommission was called off".into() };
            cx.change::<Control>(subject, cancel).map(drop)
        }
        // A late word ends no life: that was over, and another may have begun.
        Event::Told | Event::Expired | Event::Archived { .. } | Event::WipedLate { .. } => Ok(()),
    }
}

fn retire(cx: &mut Cx, subject: &Subject, why: &str) -> Result<(), Refusal> {
    match Device::load(cx.tx, subject)?.and_then(|(state, _)| state.stage) {
        None | Some(device::Stage::Retired) => Ok(()),
        Some(_) => cx.change::<Device>(subject, device::Command::Retire { why: why.into() }).map(drop),
    }
}

/// What became of the operation to wipe.
fn wiping(cx: &mut Cx, subject: &Subject, event: &control::Event) -> Result<(), Refusal> {
    let command = match event {
        control::Event::Begun { operation } => {
            let (state, _) = Control::load(cx.tx, subject)?.unwrap_or_default();
            let is_wipe = state.operations.get(operation).is_some_and(|it| it.kind == control::Kind::Wipe);
            is_wipe.then_some(retirement::Command::Tell)
        }
        control::Event::Expired { kind: control::Kind::Wipe, .. } => Some(retirement::Command::Expire),
        control::Event::Cancelled { kind: control::Kind::Wipe, .. } => Some(retirement::Command::Cancel),
        _ => None,
    };
    match command {
        Some(command) => cx.change::<Retirement>(subject, command).map(drop),
        None => Ok(()),
    }
}

/// What becomes of a device's operations.
fn of_configuration(event: &configuration::Event) -> Option<control::Command> {
    use configuration::Event;
    let (apply, back_up) = (control::Kind::ApplyConfiguration, control::Kind::BackUpConfiguration);
    let about = |version: &u32| version.to_string();
    Some(match event {
        Event::Ordered { version, deadline, .. } => {
            control::Command::Request { kind: apply, about: about(version), deadline: *deadline }
        }
        Event::Applied { version } => control::Command::Succeed { kind: apply, about: about(version) },
        Event::NotKept { version, why, .. } | Event::Abandoned { version, why } => {
            control::Command::Fail { kind: apply, about: about(version), why: why.clone() }
        }
        Event::KeepWanted { deadline } => {
            control::Command::Request { kind: back_up, about: String::new(), deadline: *deadline }
        }
        Event::BackedUp { .. } | Event::KeepAbandoned => {
            control::Command::Succeed { kind: back_up, about: String::new() }
        }
        Event::Written { .. }
        | Event::OrderMet { .. }
        | Event::Drifted { .. }
        | Event::DriftEnded
        | Event::Forgotten { .. }
        | Event::Ended { .. } => return None,
    })
}

/// What was cancelled or is late is not ordered any more.
fn of_control(event: &control::Event) -> Option<configuration::Command> {
    let (kind, about, why) = match event {
        control::Event::Cancelled { kind, about, why, .. } => (kind, about, why.clone()),
        control::Event::Expired { kind, about, .. } => (kind, about, "its time passed".into()),
        _ => return None,
    };
    match kind {
        control::Kind::BackUpConfiguration => Some(configuration::Command::AbandonKeeping),
        control::Kind::ApplyConfiguration => {
            let version = about.parse().ok()?;
            Some(configuration::Command::Abandon { version, why })
        }
        control::Kind::Wipe | control::Kind::Restart | control::Kind::Reinstall => None,
    }
}

/// Its stage and its plan follow.
fn of_quarantine(cx: &mut Cx, subject: &Subject, event: &quarantine::Event) -> Result<(), Refusal> {
    use device::Stage::{Operational, Quarantined, Remediation};
    let stage = Device::load(cx.tx, subject)?.and_then(|(state, _)| state.stage);
    match event {
        quarantine::Event::Found { .. }
        | quarantine::Event::FoundAhead { .. }
        | quarantine::Event::Entrusted
        | quarantine::Event::Settled { .. } => Ok(()),
        quarantine::Event::Held { level, .. } => {
            if ![Some(Quarantined), Some(Remediation)].contains(&stage) {
                cx.change::<Device>(subject, device::Command::Hold)?;
            }
            cx.change::<Access>(subject, access::Command::Hold(level_of_plan(*level))).map(drop)
        }
        quarantine::Event::Released { .. } => {
            if stage != Some(Operational) {
                let (onboarding, _) = Onboarding::load(cx.tx, subject)?.unwrap_or_default();
                let credentials_good = !onboarding.ldevids.is_empty();
                cx.change::<Device>(subject, device::Command::Release { credentials_good })?;
            }
            cx.change::<Access>(subject, access::Command::LetGo).map(drop)
        }
        quarantine::Event::Ended { .. } => cx.change::<Access>(subject, access::Command::LetGo).map(drop),
    }
}

/// Its stage, its quarantine, its name and its configuration follow.
fn of_remediation(cx: &mut Cx, subject: &Subject, event: &remediation::Event) -> Result<(), Refusal> {
    use remediation::{Action, Event};
    // What was ordered for the try before is of no interest any more.
    let why = match event {
        Event::Tried { .. } => "the next try of its playbook begins",
        Event::Healed => "the device is well",
        Event::GivenUp { .. } | Event::Ended { .. } => "its playbook ended",
        Event::Begun { .. } | Event::HandedOver { .. } | Event::TookOver { .. } => "",
    };
    if !why.is_empty() {
        let cancel = control::Command::CancelFirmwareOrders { why: why.into() };
        cx.change::<Control>(subject, cancel)?;
    }
    match event {
        Event::Begun { .. } => {
            cx.change::<Device>(subject, device::Command::BeginRemediation)?;
            cx.change::<Quarantine>(subject, quarantine::Command::Entrust).map(drop)
        }
        Event::Tried { action: Action::Restart, deadline, .. } => {
            order(cx, subject, control::Kind::Restart, String::new(), *deadline)
        }
        Event::Tried { action: Action::Reinstall, deadline, .. } => {
            match crate::upgrade::told::should_run(cx.tx, subject)? {
                Some(wanted) => order(cx, subject, control::Kind::Reinstall, wanted.release, *deadline),
                // Its life here began anew meanwhile: the try ends with its deadline.
                None => Ok(()),
            }
        }
        Event::Tried { action: Action::ReapplyConfiguration, deadline, .. } => {
            crate::configuration::reapply(cx, subject, *deadline)
        }
        Event::Healed => {
            cx.change::<Device>(subject, device::Command::Heal)?;
            let heal = quarantine::Command::Heal { why: "its playbook helped".into() };
            let held = cx.change::<Quarantine>(subject, heal)?;
            if held.level.is_none() {
                return Ok(());
            }
            cx.change::<Device>(subject, device::Command::Hold).map(drop)
        }
        Event::GivenUp { why } => {
            cx.change::<Device>(subject, device::Command::GiveUp { why: why.clone() })?;
            let (held, _) = Quarantine::load(cx.tx, subject)?.unwrap_or_default();
            if held.level.is_some() {
                return Ok(());
            }
            let hold = quarantine::Command::Hold { level: quarantine::Level::UpdateOnly, why: why.clone() };
            cx.change::<Quarantine>(subject, hold).map(drop)
        }
        Event::HandedOver { post, .. } => {
            let name = unused_name(cx, format!("{post}-replaced"), &subject.id)?;
            cx.change::<Device>(subject, device::Command::Rename { name }).map(drop)
        }
        Event::TookOver { from, post } => {
            cx.change::<Device>(subject, device::Command::Rename { name: post.clone() })?;
            let from = Subject { id: from.clone(), ..subject.clone() };
            crate::configuration::take_over(cx, subject, &from)
        }
        Event::Tried { .. } | Event::Ended { .. } => Ok(()),
    }
}

/// The device is told so at its next check-in.
fn order(
    cx: &mut Cx,
    subject: &Subject,
    kind: control::Kind,
    about: String,
    deadline: Millis,
) -> Result<(), Refusal> {
    cx.change::<Control>(subject, control::Command::Request { kind, about, deadline }).map(drop)
}

fn level_of_plan(level: quarantine::Level) -> wire::plan::Level {
    match level {
        quarantine::Level::Watched => wire::plan::Level::Watched,
        quarantine::Level::UpdateOnly => wire::plan::Level::UpdateOnly,
        quarantine::Level::Isolated => wire::plan::Level::Isolated,
        quarantine::Level::Dark => wire::plan::Level::Dark,
    }
}

/// What a device may reach follows from the description that is believed, once that is verified.
///
/// # Errors
/// The refusal of the other room.
pub fn describe(cx: &mut Cx, subject: &Subject) -> Result<(), Refusal> {
    let Some((statement, known)) = believed(cx, subject)? else { return Ok(()) };
    let Some(verified) = known.verified else { return Ok(()) };
    let (onboarding, _) = Onboarding::load(cx.tx, subject)?.unwrap_or_default();
    let mud_signer = onboarding.introduction.map(|it| it.mud_signer).unwrap_or_default();
    if !verified.counts_for(&mud_signer) {
        return Ok(());
    }
    let stage = Device::load(cx.tx, subject)?.and_then(|(state, _)| state.stage);
    if [None, Some(device::Stage::Retired)].contains(&stage) {
        return Ok(());
    }
    let description = access::Description { mud_url: statement.mud_url, digest: verified.file };
    cx.change::<Access>(subject, access::Command::Describe(description)).map(drop)
}

/// RFC 8520 section 11: the maker signed where the description is.
fn named_by_idevid(
    cx: &mut Cx,
    subject: &Subject,
    introduction: &onboarding::Introduction,
) -> Result<(), Refusal> {
    if introduction.mud_url.is_empty() {
        return Ok(());
    }
    let (mud_url, maker) = (introduction.mud_url.clone(), introduction.anchor.clone());
    let statement = discovery::Statement { mud_url, maker, source: "its IDevID".into() };
    let command = discovery::Command::State { assurance: discovery::Assurance::Signed, statement };
    cx.change::<Discovery>(subject, command).map(drop)
}

/// What is believed is fetched. What anybody on the wire can say is not: it could name any server.
fn want_description(cx: &mut Cx, subject: &Subject) -> Result<(), Refusal> {
    let Some(statement) = named(cx, subject)? else { return Ok(()) };
    let wanted = description::subject(subject, &statement.maker, &statement.mud_url);
    cx.change::<Description>(&wanted, description::rules::Command::Want).map(drop)
}

/// Whose certificates were revoked may have lost its keys to somebody: where it is known, it reaches its hub,
/// to ask again, and nobody else. With the end of its life the rules go too.
fn outside(cx: &mut Cx, subject: &Subject, why: &str) -> Result<(), Refusal> {
    let (access, _) = Access::load(cx.tx, subject)?.unwrap_or_default();
    let stage = Device::load(cx.tx, subject)?.and_then(|(state, _)| state.stage);
    let command = match stage {
        Some(stage) if stage != device::Stage::Retired && access.is_located() => {
            access::Command::Hold(wire::plan::Level::Isolated)
        }
        _ => access::Command::Remove { why: why.into() },
    };
    cx.change::<Access>(subject, command).map(drop)
}

/// A device whose life here is over stays where it is.
fn send_back(cx: &mut Cx, subject: &Subject, why: &str) -> Result<(), Refusal> {
    let stage = Device::load(cx.tx, subject)?.and_then(|(state, _)| state.stage);
    if [None, Some(device::Stage::Retired), Some(device::Stage::Expected)].contains(&stage) {
        return Ok(());
    }
    cx.change::<Device>(subject, device::Command::SendBack { why: why.into() }).map(drop)
}
