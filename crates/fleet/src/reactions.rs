//! What an event in one room asks of another, in the same transaction. Nowhere else do rooms meet.
use crate::device::Device;
use crate::device::rules as device;
use crate::onboarding::Onboarding;
use crate::onboarding::rules as onboarding;
use crate::refusal::Refusal;
use crate::room::{Cx, Subject};
use std::any::Any;

/// Follows up on `event` of `subject`. A refusal here refuses the whole command.
///
/// # Errors
/// The refusal of the other room.
pub fn after(cx: &mut Cx, subject: &Subject, event: &dyn Any) -> Result<(), Refusal> {
    if let Some(event) = event.downcast_ref::<onboarding::Event>() {
        return match event {
            onboarding::Event::Introduced { introduction } => {
                let identity = device::Identity {
                    // Two makers may give the same serial number; a person can rename it.
                    name: format!("{}-{}", introduction.anchor, introduction.serial_number),
                    maker: introduction.anchor.clone(),
                    model: String::new(),
                    serial_number: introduction.serial_number.clone(),
                };
                cx.change::<Device>(subject, device::Command::Discover(identity)).map(drop)
            }
            onboarding::Event::Admitted => cx.change::<Device>(subject, device::Command::Admit).map(drop),
            onboarding::Event::Enrolled => cx.change::<Device>(subject, device::Command::Enrol).map(drop),
            _ => Ok(()),
        };
    }
    if let Some(device::Event::Retired { why }) = event.downcast_ref::<device::Event>() {
        let revoke = onboarding::Command::Revoke { why: format!("retired: {why}") };
        return cx.change::<Onboarding>(subject, revoke).map(drop);
    }
    Ok(())
}
