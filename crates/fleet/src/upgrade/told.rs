//! What a device that checks in is told of releases, and what its report means for rollouts.
use super::firmware::rules::Wanted;
use super::firmware::{Firmware, rules as firmware};
use super::release::rules::Fetched;
use super::rules::{Command, Outcome, Target, Verdict, judge, may_be_offered, trace};
use super::store::{self, Seat};
use super::{Rollout, release};
use crate::refusal::Refusal;
use crate::room::{Cx, Room, Subject};
use crate::time::Millis;
use crate::tx::{Fault, Tx};
use wire::control::FirmwareReport;
use wire::est::decode_body;

/// After how long an offer is made again to a device that has not said how it went: an answer may be lost.
const OFFER_AGAIN_SECONDS: i64 = 20;

/// How a device stands to the rollouts that it is in.
#[derive(Debug, Default)]
pub struct Standing {
    /// Its report, or what it is told, is to be written down.
    pub changes: bool,
    /// The envelope that it is offered.
    pub envelope: Option<Vec<u8>>,
}

/// How a device with this report stands. Nothing is written. A device that `is_busy` is offered nothing.
///
/// # Errors
/// A fault of the store.
pub fn look(
    tx: &mut dyn Tx,
    device: &Subject,
    report: Option<&FirmwareReport>,
    is_busy: bool,
    now: Millis,
) -> Result<Standing, Fault> {
    let Some(report) = report else { return Ok(Standing::default()) };
    let seats = store::seats(tx, device)?;
    let judged = seats.iter().any(|seat| verdict(seat, report).is_some());
    let Some(seat) = seats.iter().find(|seat| !is_busy && is_told(seat, report, now)) else {
        return Ok(Standing { changes: judged, envelope: None });
    };
    Ok(Standing { changes: true, envelope: Some(envelope(tx, device, &seat.target.release)?) })
}

/// Takes in what a device's report means.
///
/// # Errors
/// A fault of the store.
pub fn hear(cx: &mut Cx, device: &Subject, report: Option<&FirmwareReport>) -> Result<(), Refusal> {
    let Some(report) = report else { return Ok(()) };
    for seat in store::seats(cx.tx, device)? {
        if let Some(verdict) = verdict(&seat, report) {
            let (rollout, took_it) = (cx.subject("", &seat.rollout), verdict == Verdict::Succeeded);
            cx.change::<Rollout>(&rollout, Command::Judge { device: device.id.clone(), verdict })?;
            if took_it {
                let Target { release, sequence_number, .. } = seat.target;
                let take = firmware::Command::Take(Wanted { release, sequence_number });
                cx.change::<Firmware>(device, take)?;
            }
        }
    }
    Ok(())
}

/// Writes down what the device is being told by the same answer.
///
/// # Errors
/// A fault of the store.
pub fn tell(cx: &mut Cx, device: &Subject, report: Option<&FirmwareReport>) -> Result<(), Refusal> {
    let Some(report) = report else { return Ok(()) };
    let now = cx.now;
    let Some(seat) = store::seats(cx.tx, device)?.into_iter().find(|seat| is_told(seat, report, now)) else {
        return Ok(());
    };
    let rollout = cx.subject("", &seat.rollout);
    if seat.outcome == Outcome::Waiting {
        let offer = Command::Offer { device: device.id.clone(), before: trace(report) };
        cx.change::<Rollout>(&rollout, offer)?;
    }
    Ok(store::offer_note(cx.tx, &rollout, &device.id, now)?)
}

/// A device whose life here is over is waited for no more.
///
/// # Errors
/// A fault of the store.
pub fn leave(cx: &mut Cx, device: &Subject, why: &str) -> Result<(), Refusal> {
    for seat in store::seats(cx.tx, device)? {
        let (rollout, verdict) = (cx.subject("", &seat.rollout), Verdict::Spared(why.into()));
        cx.change::<Rollout>(&rollout, Command::Judge { device: device.id.clone(), verdict })?;
    }
    Ok(())
}

/// What a device should run, if it took a release here.
///
/// # Errors
/// A fault of the store.
pub fn should_run(tx: &mut dyn Tx, device: &Subject) -> Result<Option<Wanted>, Fault> {
    Ok(Firmware::load(tx, device)?.and_then(|(state, _)| state.wanted))
}

/// Whether a device runs what it should, or something newer. One that keeps no firmware does.
///
/// # Errors
/// A fault of the store.
pub fn runs_it(tx: &mut dyn Tx, device: &Subject, report: Option<&FirmwareReport>) -> Result<bool, Fault> {
    let Some(report) = report else { return Ok(true) };
    let Some(running) = report.running else { return Ok(false) };
    let wanted = should_run(tx, device)?.map_or(0, |wanted| wanted.sequence_number);
    Ok(i64::try_from(running.sequence_number).map_or(true, |runs| runs >= wanted))
}

/// The envelope of a release that is here.
///
/// # Errors
/// A fault of the store.
pub fn envelope(tx: &mut dyn Tx, device: &Subject, release: &str) -> Result<Vec<u8>, Fault> {
    let kept = kept(tx, device, release)?;
    decode_body(kept.envelope.as_bytes()).map_err(|why| Fault::corrupt(why.to_string()))
}

/// Whether a blob is the image of a release.
///
/// # Errors
/// A fault of the store.
pub fn is_image(tx: &mut dyn Tx, device: &Subject, release: &str, image: &str) -> Result<bool, Fault> {
    Ok(kept(tx, device, release)?.image == image)
}

fn verdict(seat: &Seat, report: &FirmwareReport) -> Option<Verdict> {
    let is_due = match seat.outcome {
        Outcome::Waiting => may_be_offered(Some(seat.phase), seat.begun, seat.wave, seat.outcome),
        _ => true,
    };
    is_due.then(|| judge(&seat.target, seat.outcome, &seat.before, report)).flatten()
}

/// Whether the device is offered the release now.
fn is_told(seat: &Seat, report: &FirmwareReport, now: Millis) -> bool {
    let is_due = match seat.outcome {
        Outcome::Waiting => may_be_offered(Some(seat.phase), seat.begun, seat.wave, seat.outcome),
        Outcome::Offered => {
            seat.phase == super::rules::Phase::Running
                && seat.told_at.plus_seconds(OFFER_AGAIN_SECONDS) <= now
        }
        _ => false,
    };
    is_due && judge(&seat.target, seat.outcome, &seat.before, report).is_none()
}

fn kept(tx: &mut dyn Tx, device: &Subject, release: &str) -> Result<Fetched, Fault> {
    let organisation = device.organisation.clone();
    let subject = Subject { organisation, site: String::new(), id: release.into() };
    let kept = release::Release::load(tx, &subject)?.and_then(|(state, _)| state.fetched);
    kept.ok_or_else(|| Fault::corrupt(format!("the release {release} of a rollout is gone")))
}
