//! What must hold after the story. Each is read through the API and in the devices' folders, and each can
//! be made false.
use super::scene::Scene;
use super::story::expectation;
use super::{
    access, configuration, damage, damage_joined, imprinted, joined, refused, response, retirement, upgrade,
};
use crate::failure::Failure;
use crate::remote::Remote;
use crate::settings::READY_FILE;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::pin::Pin;

/// What came of looking, or of damaging.
pub type Looked<'a, E> = Pin<Box<dyn Future<Output = Result<(), E>> + 'a>>;

/// Something that must hold.
pub struct Invariant {
    /// Its name in the summary and for `--break`; what it says stands in [`sim::invariants::list`].
    pub name: &'static str,
    /// Looks whether it holds, and says what does not.
    pub check: for<'a> fn(&'a mut Scene) -> Looked<'a, String>,
    /// Makes it false.
    pub damage: for<'a> fn(&'a mut Scene) -> Looked<'a, Failure>,
}

/// All of them, in the order in which they are looked at.
pub const INVARIANTS: &[Invariant] = &[
    Invariant {
        name: "journal-verifies",
        check: |s| Box::pin(journal_verifies(s)),
        damage: |s| Box::pin(damage::change_an_entry(s)),
    },
    Invariant {
        name: "rows-equal-journal",
        check: |s| Box::pin(rows_equal_journal(s)),
        damage: |s| Box::pin(damage::change_a_row(s)),
    },
    Invariant {
        name: "counts-equal-rows",
        check: |s| Box::pin(counts_equal_list(s)),
        damage: |s| Box::pin(damage::miscount(s)),
    },
    Invariant {
        name: "counts-equal-journal",
        check: |s| Box::pin(counts_equal_journal(s)),
        damage: |s| Box::pin(damage::forge_an_entry(s)),
    },
    Invariant {
        name: "names-unique",
        check: |s| Box::pin(names_unique(s)),
        damage: |s| Box::pin(damage::give_a_name_twice(s)),
    },
    Invariant {
        name: "every-write-has-an-entry",
        check: |s| Box::pin(every_write_has_an_entry(s)),
        damage: |s| Box::pin(damage::hide_an_action(s)),
    },
    Invariant {
        name: "repeats-done-once",
        check: |s| Box::pin(repeats_done_once(s)),
        damage: |s| Box::pin(damage::repeat_without_the_key(s)),
    },
    Invariant {
        name: "retired-stays-retired",
        check: |s| Box::pin(retired_stays_retired(s)),
        damage: |s| Box::pin(damage::claim_the_retired(s)),
    },
    Invariant {
        name: "viewers-change-nothing",
        check: |s| Box::pin(viewers_change_nothing(s)),
        damage: |s| Box::pin(damage::permit_the_viewer(s)),
    },
    Invariant {
        name: "hubs-are-apart",
        check: |s| Box::pin(hubs_are_apart(s)),
        damage: |s| Box::pin(damage::expect_at_the_other_hub(s)),
    },
    Invariant {
        name: "ready-files-private",
        check: |s| Box::pin(ready_files_private(s)),
        damage: |s| Box::pin(damage::expose_a_ready_file(s)),
    },
    Invariant {
        name: "operational-have-ldevids",
        check: |s| Box::pin(joined::operational_have_ldevids(s)),
        damage: |s| Box::pin(damage_joined::forget_ldevids(s)),
    },
    Invariant {
        name: "ldevid-is-the-devices",
        check: |s| Box::pin(joined::keys_match_folders(s)),
        damage: |s| Box::pin(damage_joined::exchange_the_ldevid_key(s)),
    },
    Invariant {
        name: "births-match-devices",
        check: |s| Box::pin(joined::births_match_devices(s)),
        damage: |s| Box::pin(damage_joined::exchange_the_idevid_key(s)),
    },
    Invariant {
        name: "births-happen-once",
        check: |s| Box::pin(joined::births_happen_once(s)),
        damage: |s| Box::pin(damage_joined::exchange_the_idevid(s)),
    },
    Invariant {
        name: "vouchers-name-the-domain",
        check: |s| Box::pin(imprinted::vouchers_name_the_domain(s)),
        damage: |s| Box::pin(imprinted::exchange_the_domain(s)),
    },
    Invariant {
        name: "one-voucher-per-nonce",
        check: |s| Box::pin(imprinted::vouchers_logged_once(s)),
        damage: |s| Box::pin(imprinted::exchange_the_voucher(s)),
    },
    Invariant {
        name: "plans-precede-ldevids",
        check: |s| Box::pin(access::plans_precede_ldevids(s)),
        damage: |s| Box::pin(damage::hide_the_plans(s)),
    },
    Invariant {
        name: "described-passes",
        check: |s| Box::pin(access::described_passes(s)),
        damage: |s| Box::pin(access::forget_who_answers(s)),
    },
    Invariant {
        name: "configurations-agree",
        check: |s| Box::pin(configuration::configurations_agree(s)),
        damage: |s| Box::pin(configuration::change_a_configuration(s)),
    },
    Invariant {
        name: "firmware-agrees",
        check: |s| Box::pin(upgrade::firmware_agrees(s)),
        damage: |s| Box::pin(upgrade::change_a_byte(s)),
    },
    Invariant {
        name: "flawed-fell-back",
        check: |s| Box::pin(upgrade::flawed_fell_back(s)),
        damage: |s| Box::pin(upgrade::change_the_way_back(s)),
    },
    Invariant {
        name: "third-wave-spared",
        check: |s| Box::pin(upgrade::third_wave_spared(s)),
        damage: |s| Box::pin(upgrade::offer_to_the_third_wave(s)),
    },
    Invariant {
        name: "older-is-refused",
        check: |s| Box::pin(refused::older_is_refused(s)),
        damage: |s| Box::pin(refused::believe_the_older(s)),
    },
    Invariant {
        name: "forged-is-refused",
        check: |s| Box::pin(refused::forged_is_refused(s)),
        damage: |s| Box::pin(refused::believe_the_forged(s)),
    },
    Invariant {
        name: "held-are-narrow",
        check: |s| Box::pin(response::held_are_narrow(s)),
        damage: |s| Box::pin(response::widen_the_plans(s)),
    },
    Invariant {
        name: "described-makes-no-finding",
        check: |s| Box::pin(response::described_makes_no_finding(s)),
        damage: |s| Box::pin(access::mislead_the_hub(s)),
    },
    Invariant {
        name: "mended-is-whole",
        check: |s| Box::pin(response::mended_is_whole(s)),
        damage: |s| Box::pin(response::change_the_mended(s)),
    },
    Invariant {
        name: "given-up-once",
        check: |s| Box::pin(response::given_up_once(s)),
        damage: |s| Box::pin(response::give_up_another(s)),
    },
    Invariant {
        name: "posts-held-once",
        check: |s| Box::pin(response::posts_held_once(s)),
        damage: |s| Box::pin(response::leave_the_post(s)),
    },
    Invariant {
        name: "ended-support-is-seen",
        check: |s| Box::pin(retirement::ended_support_is_seen(s)),
        damage: |s| Box::pin(retirement::forget_the_end_of_support(s)),
    },
    Invariant {
        name: "retired-has-no-plan",
        check: |s| Box::pin(access::retired_has_no_plan(s)),
        damage: |s| Box::pin(access::leave_the_rules(s)),
    },
    Invariant {
        name: "retired-get-no-byte",
        check: |s| Box::pin(joined::retired_get_no_byte(s)),
        damage: |s| Box::pin(damage_joined::revive_an_ldevid(s)),
    },
    Invariant {
        name: "wiped-holds-nothing",
        check: |s| Box::pin(retirement::wiped_holds_nothing(s)),
        damage: |s| Box::pin(retirement::put_a_key_back(s)),
    },
    Invariant {
        name: "ends-are-proved",
        check: |s| Box::pin(retirement::ends_are_proved(s)),
        damage: |s| Box::pin(retirement::change_the_last_report(s)),
    },
];

/// The account that may only look.
pub const VIEWER: &str = "demo-viewer";

/// A failure in words.
pub fn said(failure: Failure) -> String {
    match failure {
        Failure::Refused(problem) => problem.to_string(),
        Failure::Failed(why) | Failure::Usage(why) | Failure::Unreachable(why) => why,
        Failure::Unread => "nobody reads".into(),
    }
}

/// `why` not, unless it holds.
pub fn held(holds: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why()) }
}

/// Asks the operator's hub.
///
/// # Errors
/// The failure in words.
pub async fn ask(scene: &mut Scene, operation: &str, arguments: Json) -> Result<Json, String> {
    scene.operator.call(operation, arguments).await.map_err(said)
}

/// Asks both hubs, and says of both what does not hold there.
async fn at_both(scene: &mut Scene, operation: &str, good: fn(&Json) -> bool) -> Result<(), String> {
    let mut broken = Vec::new();
    for (whose, hub) in [("operator", &mut scene.operator), ("manufacturer", &mut scene.manufacturer)] {
        match hub.call(operation, json!({})).await.map_err(said) {
            Ok(answer) if good(&answer) => {}
            Ok(other) => broken.push(format!("the {whose}'s hub: {other}")),
            Err(why) => broken.push(format!("the {whose}'s hub: {why}")),
        }
    }
    held(broken.is_empty(), || broken.join("; "))
}

/// The chain of each journal, and the signed checkpoints on it.
async fn journal_verifies(scene: &mut Scene) -> Result<(), String> {
    at_both(scene, "audit verify", |verified| verified["signatures_judged"] == true).await
}

/// Every row of a hub is what its journal folds to.
async fn rows_equal_journal(scene: &mut Scene) -> Result<(), String> {
    at_both(scene, "audit check", |_| true).await
}

fn count<'a>(stages: impl Iterator<Item = &'a str>) -> BTreeMap<String, i64> {
    stages.fold(BTreeMap::new(), |mut counts, stage| {
        *counts.entry(stage.to_owned()).or_default() += 1;
        counts
    })
}

/// The maintained counts, without the stages that nothing is in.
async fn maintained(scene: &mut Scene) -> Result<BTreeMap<String, i64>, String> {
    let counts = ask(scene, "device count", json!({})).await?;
    let stages = counts.as_object().into_iter().flatten().filter(|(stage, _)| *stage != "total");
    let counts = stages.map(|(stage, count)| (stage.clone(), count.as_i64().unwrap_or(-1)));
    Ok(counts.filter(|(_, count)| *count != 0).collect())
}

/// The maintained counts are what the list holds.
async fn counts_equal_list(scene: &mut Scene) -> Result<(), String> {
    let devices = scene.all("device list").await.map_err(said)?;
    let listed = count(devices.iter().filter_map(|d| d["stage"].as_str()));
    let counts = maintained(scene).await?;
    held(counts == listed, || format!("counted {counts:?}, listed {listed:?}"))
}

/// The maintained counts are what the exported journal alone says.
async fn counts_equal_journal(scene: &mut Scene) -> Result<(), String> {
    let mut stages = BTreeMap::new();
    for entry in scene.export().await.map_err(said)?.iter().filter(|entry| entry["room"] == "device") {
        let event: Json = serde_json::from_str(entry["detail"].as_str().unwrap_or_default())
            .map_err(|why| format!("an event that is no JSON: {why}"))?;
        let stage = match event["event"].as_str().unwrap_or_default() {
            "expected" | "claimed" => "expected",
            "discovered" => "discovered",
            "admitted" => "onboarding",
            "enrolled" | "healed" => "operational",
            "held" | "given-up" => "quarantined",
            "remediation-begun" => "remediation",
            "released" => "operational",
            "retired" => "retired",
            "renamed" => continue,
            other => return Err(format!("an event that the story does not tell: {other}")),
        };
        stages.insert(entry["subject"].to_string(), stage);
    }
    let (told, counts) = (count(stages.into_values()), maintained(scene).await?);
    held(counts == told, || format!("counted {counts:?}, the journal tells {told:?}"))
}

/// No two devices are called the same.
async fn names_unique(scene: &mut Scene) -> Result<(), String> {
    let devices = scene.all("device list").await.map_err(said)?;
    let names: Vec<&str> = devices.iter().filter_map(|d| d["name"].as_str()).collect();
    let different: BTreeSet<&str> = names.iter().copied().collect();
    held(names.len() == different.len(), || format!("{} devices, {} names", names.len(), different.len()))
}

/// What was answered stands in the journal.
async fn every_write_has_an_entry(scene: &mut Scene) -> Result<(), String> {
    let entries = scene.export().await.map_err(said)?;
    let told: BTreeSet<(&str, &str)> =
        entries.iter().filter_map(|e| Some((e["action"].as_str()?, e["subject"].as_str()?))).collect();
    let missing = scene.written.iter().find(|(action, subject)| !told.contains(&(action, subject)));
    missing.map_or(Ok(()), |(action, subject)| Err(format!("`{action}` of {subject} has no entry")))
}

/// A request that is sent again is done once.
async fn repeats_done_once(scene: &mut Scene) -> Result<(), String> {
    let place = scene.plan.first_announced();
    let device = scene.plan.list().swap_remove(place);
    let key = scene.key(&device.name);
    let again = scene.operator.call_once("device expect", expectation(&device), &key).await.map_err(said)?;
    held(again["device"] == scene.devices[place].as_str(), || "it was answered with another device".into())?;
    let devices = scene.all("device list").await.map_err(said)?.len();
    held(devices == scene.devices.len(), || format!("{devices} devices, not {}", scene.devices.len()))
}

/// Who is retired is retired, whatever is announced.
async fn retired_stays_retired(scene: &mut Scene) -> Result<(), String> {
    let place = scene.plan.retired();
    let announced = expectation(&scene.plan.list().swap_remove(place));
    match scene.operator.call("device expect", announced).await {
        Err(Failure::Refused(problem)) if problem.code() == "device-known" => {}
        Err(other) => return Err(said(other)),
        Ok(_) => return Err("a retired device was announced anew".into()),
    }
    let device = scene.devices[place].clone();
    let shown = ask(scene, "device show", json!({"device": device})).await?;
    held(shown["stage"] == "retired", || format!("it is {}", shown["stage"]))
}

/// Who may only look is refused a change.
async fn viewers_change_nothing(scene: &mut Scene) -> Result<(), String> {
    add_viewer(scene).await.map_err(said)?;
    let issued = ask(scene, "token issue", json!({"account": VIEWER, "label": "demo", "days": 1})).await?;
    let mut viewer =
        scene.operator.asked_with(issued["secret"].as_str().unwrap_or_default()).map_err(said)?;
    let refused = rename_to_itself(scene, &mut viewer).await;
    ask(scene, "credential revoke", json!({"account": VIEWER, "id": issued["id"]})).await?;
    match refused {
        Err(Failure::Refused(problem)) if problem.code() == "not-permitted" => Ok(()),
        Err(other) => Err(said(other)),
        Ok(_) => Err("a viewer renamed a device".into()),
    }
}

/// Makes sure that there is an account that may only look.
pub async fn add_viewer(scene: &mut Scene) -> Result<(), Failure> {
    match scene.operator.call("account add", json!({"account": VIEWER, "permission": "view"})).await {
        Err(Failure::Refused(problem)) if problem.code() == "account-known" => Ok(()),
        added => added.map(drop),
    }
}

async fn rename_to_itself(scene: &Scene, viewer: &mut Remote) -> Result<Json, Failure> {
    let row = super::hubs::row("device rename")?;
    let arguments = json!({"device": scene.devices[0], "name": scene.plan.list()[0].name});
    viewer.call(row, &arguments, &crate::call::random_key()).await
}

/// What one organisation's hub knows, the other's does not.
async fn hubs_are_apart(scene: &mut Scene) -> Result<(), String> {
    let counts = scene.manufacturer.call("device count", json!({})).await.map_err(said)?;
    held(counts["total"] == 0, || format!("the manufacturer's hub has {} devices", counts["total"]))?;
    let token = scene.manufacturer.ready.token.clone();
    let mut stranger = scene.operator.asked_with(&token).map_err(said)?;
    let row = super::hubs::row("device count").map_err(said)?;
    match stranger.call(row, &json!({}), "").await {
        Err(Failure::Refused(problem)) if problem.code() == "not-signed-in" => Ok(()),
        Err(other) => Err(said(other)),
        Ok(_) => Err("the manufacturer's token opens the operator's hub".into()),
    }
}

/// Nobody else may read the administrators' tokens.
async fn ready_files_private(scene: &mut Scene) -> Result<(), String> {
    for folder in [&scene.operator.folder, &scene.manufacturer.folder] {
        let file = folder.join(READY_FILE);
        let found = std::fs::metadata(&file).map_err(|why| format!("{}: {why}", file.display()))?;
        let mode = found.permissions().mode() & 0o7777;
        held(mode == 0o600, || format!("{} has the mode {mode:o}", file.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::INVARIANTS;
    use sim::invariants::list::{self, Where};
    use std::collections::BTreeSet;

    #[test]
    fn they_are_those_of_the_list() {
        let looked_at: BTreeSet<&str> = INVARIANTS.iter().map(|invariant| invariant.name).collect();
        assert_eq!(looked_at, list::of(Where::Stories).map(|named| named.name).collect());
    }
}
