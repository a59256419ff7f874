//! How each invariant of `joined.rs` is made false: a device's folder is damaged, or a row of joining.
use super::damage::{at_rest, load, save, subject, write};
use super::device::{DeviceFolder, certificate, fingerprint};
use super::joined::Visitor;
use super::retirement::stolen;
use super::scene::Scene;
use crate::failure::{Failure, failed, usage};
use fleet::audit::view::hex;
use fleet::onboarding::Onboarding;
use fleet::onboarding::rules::{Ldevid, State};
use fleet::time::Millis;
use io::FileKey;
use io::files::remove_durably;
use std::path::Path;

/// The place of a device that is at work, and its folder: the last one, so that none is looked at in vain.
fn at_work(scene: &Scene) -> Result<(usize, DeviceFolder), Failure> {
    let place = (0..scene.devices.len()).rfind(|place| *place != scene.plan.retired());
    let place = place.ok_or_else(|| usage("for a device to be at work, two devices are needed"))?;
    Ok((place, scene.device_folder(&scene.plan.list()[place])?))
}

/// The list of good certificates loses those of a device at work.
pub async fn forget_ldevids(scene: &mut Scene) -> Result<(), Failure> {
    let (place, _) = at_work(scene)?;
    let subject = subject(scene, place);
    at_rest(scene, |database| {
        write(database, &mut |tx| {
            let (old, version) = load::<Onboarding>(tx, &subject)?;
            let new = State { ldevids: Default::default(), ..old.clone() };
            save::<Onboarding>(tx, &subject, &old, &new, version)
        })
    })
    .await
}

/// A device at work gets another key beside its certificate.
pub async fn exchange_the_ldevid_key(scene: &mut Scene) -> Result<(), Failure> {
    let (_, folder) = at_work(scene)?;
    folder.ldevid_key_paths()?.iter().try_for_each(|path| exchange(path))
}

/// A device at work gets another key beside its IDevID.
pub async fn exchange_the_idevid_key(scene: &mut Scene) -> Result<(), Failure> {
    let (_, folder) = at_work(scene)?;
    exchange(&folder.idevid_key_path())
}

fn exchange(key: &Path) -> Result<(), Failure> {
    remove_durably(key).map_err(failed)?;
    FileKey::open_or_create(key).map(drop).map_err(failed)
}

/// A device gets another's IDevID: that of the factory's authority itself.
pub async fn exchange_the_idevid(scene: &mut Scene) -> Result<(), Failure> {
    let ca = scene.manufacturer.ready.factory.clone();
    let other = certificate(&ca)?.ok_or_else(|| failed(format!("there is no {}", ca.display())))?;
    let (_, folder) = at_work(scene)?;
    folder.put_idevid(&other)
}

/// The certificate of the retired device stands on the list of good ones again, and who comes with it stays.
pub async fn revive_an_ldevid(scene: &mut Scene) -> Result<(), Failure> {
    let place = scene.plan.retired();
    let (ldevid, identity) = stolen(scene)?;
    let subject = subject(scene, place);
    let good = Ldevid {
        key: fingerprint(ldevid.public_key()),
        not_before: Millis(ldevid.not_before()),
        not_after: Millis(ldevid.not_after()),
        certificate: ldevid.to_pem(),
    };
    at_rest(scene, |database| {
        write(database, &mut |tx| {
            let (old, version) = load::<Onboarding>(tx, &subject)?;
            let mut new = old.clone();
            new.ldevids.insert(hex(ldevid.serial()), good.clone());
            save::<Onboarding>(tx, &subject, &old, &new, version)
        })
    })
    .await?;
    scene.visitor = Some(Visitor::open(scene, &identity).await?);
    Ok(())
}
