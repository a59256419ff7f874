//! What devices refuse although their hub offers it: a manifest with a lower sequence number, and one that
//! somebody else than their maker signed.
use super::damage::{at_rest, load, save, write};
use super::factory::PRODUCT;
use super::invariants::{ask, held, said};
use super::scene::{Scene, word};
use super::story::MAKER;
use super::upgrade::{REVISION_B, VENDOR, end, fetched, image, start};
use crate::failure::{Failure, failed, usage};
use crate::limits::DEMO_CERTIFICATE_BYTES_MAX;
use fleet::provisioning::release::door::{COMPONENT, envelope_path, image_path};
use fleet::room::Subject;
use fleet::text::Slug;
use fleet::upgrade::Rollout;
use fleet::upgrade::rules::{Member, Outcome, State};
use io::FileKey;
use io::files::read_limited;
use io::http::fixed::Fixed;
use io::http::server::{ServerLimits, serve};
use io::tls::Identity;
use io::tls::server::people_config;
use serde_json::{Value as Json, json};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use wire::Certificate;
use wire::digest::{hex, sha256};
use wire::suit::{ComponentId, Release, Uuid};

/// The rollout, and the version, of the forged manifest.
const FORGED: &str = "forged";
/// The rollout of the older manifest.
const OLDER: &str = "older";
/// What the forger calls his version, and its number: higher than any of the maker's.
const FORGED_VERSION: (&str, i64) = ("1.3", 1_000);
/// Why a device refuses what nobody signed whom it knows, draft-ietf-suit-report.
const UNAUTHORISED: &str = "suit-report-reason-unauthorised";
/// Why a device refuses a lower sequence number.
const CONDITION: &str = "suit-report-reason-condition-failed";

/// A device that stays at work and that 1.1 does not hang on.
fn unflawed(scene: &Scene) -> Result<Option<String>, Failure> {
    for (place, device) in scene.plan.list().into_iter().enumerate() {
        let flawed = scene.device_folder(&device)?.path().join(REVISION_B).exists();
        if place != scene.plan.retired() && !flawed {
            return Ok(Some(device.name));
        }
    }
    Ok(None)
}

/// Offers `release` to one device in a rollout of its own, and tells why it refused it.
async fn refuse(scene: &mut Scene, release: &str, rollout: &str, what: &str) -> Result<(), Failure> {
    let Some(one) = unflawed(scene)? else { return Ok(()) };
    let offer = json!({
        "release": release, "name": rollout, "devices": one, "waves": "rest", "even_if_refusable": true,
    });
    let outcome = match start(scene, offer).await {
        // It is retired in a story that is played again.
        Err(Failure::Refused(no)) if no.code() == "rollout-empty" => return Ok(()),
        outcome => outcome?,
    };
    if outcome["refused"] != 1 {
        return Err(failed(format!("{what} was not refused: {outcome}")));
    }
    end(scene, rollout, &outcome).await?;
    let devices = scene.operator.call("rollout devices", json!({"rollout": rollout})).await?;
    scene.tell(format!("  {one} is offered {what} and refuses it: {}.", word(&devices["items"][0]["why"])))
}

/// A manifest with a lower sequence number is offered to a device.
///
/// # Errors
/// [`Failure`], as the hub says it, or when it is not refused.
pub async fn older(scene: &mut Scene, release: &str) -> Result<(), Failure> {
    refuse(scene, release, OLDER, "1.1 again").await
}

/// A manifest that the maker did not sign is offered to a device.
///
/// # Errors
/// As [`older`].
pub async fn forged(scene: &mut Scene) -> Result<(), Failure> {
    if !is_kept(scene).await? {
        let mirror = Mirror::start(scene).await?;
        let url = format!("{}{}", mirror.base, envelope_path(PRODUCT, FORGED_VERSION.1));
        let fetch = json!({"from": url, "maker": MAKER, "name": FORGED, "even_if_unverified": true});
        scene.operator.call_unless("release fetch", fetch, "release-known").await?;
        let shown = fetched(scene, FORGED).await?;
        let why = word(&shown["unverified"]);
        if why.is_empty() {
            return Err(failed(format!("a forged manifest was not seen through: {shown}")));
        }
        scene.step(format!("Somebody forges {}; the hub sees through it: {why}.", FORGED_VERSION.0)).await?;
    }
    refuse(scene, FORGED, FORGED, "the forged one all the same").await
}

/// Whether the forged manifest is here; one that was on its way when the story was broken off is waited for.
async fn is_kept(scene: &mut Scene) -> Result<bool, Failure> {
    match scene.operator.call("release show", json!({"release": FORGED})).await {
        Err(Failure::Refused(no)) if no.code() == "release-unknown" => Ok(false),
        known => {
            known?;
            Ok(fetched(scene, FORGED).await?["kept"] == true)
        }
    }
}

/// A server in the maker's name, with what somebody laid there.
struct Mirror {
    base: String,
    _stop: oneshot::Sender<()>,
}

impl Mirror {
    async fn start(scene: &Scene) -> Result<Self, Failure> {
        let folder = &scene.manufacturer.folder;
        let read = |name: &str| {
            let bytes = read_limited(&folder.join(name), DEMO_CERTIFICATE_BYTES_MAX).map_err(failed)?;
            String::from_utf8(bytes).map_err(failed)
        };
        let chain = Certificate::list_from_pem(&read("server.pem")?).map_err(failed)?;
        let signer = Arc::new(FileKey::open(&folder.join("server.key")).map_err(failed)?);
        let identity = Identity { chain: chain.iter().map(|one| one.der().to_vec()).collect(), signer };
        let tls = people_config(&identity).map_err(failed)?;
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        let base = format!("https://{}", listener.local_addr().map_err(failed)?);
        let (version, number) = FORGED_VERSION;
        let path = envelope_path(PRODUCT, number);
        let files = Fixed::new([
            (path.replace(".suit", ".pem"), (read("author.pem")? + &read("factory.pem")?).into_bytes()),
            (path, envelope(scene, &base, version, number)?),
        ]);
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(serve(listener, tls, ServerLimits::default(), files, async {
            // Nobody needs it any more.
            drop(stopped.await);
        }));
        Ok(Mirror { base, _stop: stop })
    }
}

/// An envelope as the maker would write it, signed by somebody else.
fn envelope(scene: &Scene, base: &str, version: &str, number: i64) -> Result<Vec<u8>, Failure> {
    let (image, vendor_id) = (image(version), Uuid::of_vendor(VENDOR));
    let digest = sha256(&image);
    let forged = Release {
        sequence_number: number.unsigned_abs(),
        component: ComponentId(vec![COMPONENT.as_bytes().to_vec()]),
        vendor_id,
        class_id: vendor_id.of_class(PRODUCT),
        image_digest: digest,
        image_size: image.len() as u64,
        uri: format!("{base}{}", image_path(PRODUCT, &hex(&digest))),
        reference_uri: None,
        text: None,
    };
    let key = FileKey::open_or_create(&scene.folder().join("forger.key")).map_err(failed)?;
    forged.envelope(&key).map_err(failed)
}

/// The one device that was offered what `rollout` offers was offered it once, and refused it for this reason.
async fn is_refused(scene: &mut Scene, rollout: &str, reason: &str) -> Result<(), String> {
    if unflawed(scene).map_err(said)?.is_none() {
        return Ok(());
    }
    let devices = ask(scene, "rollout devices", json!({"rollout": rollout})).await?;
    let [only] = devices["items"].as_array().map(Vec::as_slice).unwrap_or_default() else {
        return Err(format!("it was not offered to one device: {devices}"));
    };
    let refused = only["outcome"] == "refused" && word(&only["why"]).starts_with(reason);
    held(refused, || format!("{} did not refuse it: {only}", word(&only["name"])))?;
    let entries = scene.export().await.map_err(said)?;
    let of_it = |entry: &&Json| entry["room"] == "rollout" && entry["subject"] == rollout;
    let offered = |entry: &&Json| word(&entry["detail"]).starts_with(r#"{"event":"offered""#);
    let times = entries.iter().filter(of_it).filter(offered).count();
    held(times == 1, || format!("it was offered {times} times"))
}

/// A manifest with a lower sequence number was offered once and refused.
pub async fn older_is_refused(scene: &mut Scene) -> Result<(), String> {
    is_refused(scene, OLDER, CONDITION).await
}

/// A manifest that the maker did not sign was offered once and refused.
pub async fn forged_is_refused(scene: &mut Scene) -> Result<(), String> {
    is_refused(scene, FORGED, UNAUTHORISED).await
}

/// The hub believes that the device took it.
async fn believe_it_was_taken(scene: &mut Scene, rollout: &str) -> Result<(), Failure> {
    if unflawed(scene)?.is_none() {
        return Err(usage("for a device to refuse something, two devices are needed"));
    }
    let subject =
        Subject { organisation: Slug::main().to_string(), site: String::new(), id: rollout.to_owned() };
    at_rest(scene, |database| {
        write(database, &mut |tx| {
            let (old, version) = load::<Rollout>(tx, &subject)?;
            let taken = |member: &Member| Member { outcome: Outcome::Succeeded, ..member.clone() };
            let members = old.members.iter().map(|(device, member)| (device.clone(), taken(member)));
            let new = State { members: members.collect(), ..old.clone() };
            save::<Rollout>(tx, &subject, &old, &new, version)
        })
    })
    .await
}

/// The hub believes that the older one was taken.
pub async fn believe_the_older(scene: &mut Scene) -> Result<(), Failure> {
    believe_it_was_taken(scene, OLDER).await
}

/// The hub believes that the forged one was taken.
pub async fn believe_the_forged(scene: &mut Scene) -> Result<(), Failure> {
    believe_it_was_taken(scene, FORGED).await
}
