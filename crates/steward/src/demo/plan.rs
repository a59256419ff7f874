//! Which devices there are, from the seed; and which story a folder holds.
use crate::failure::{Failure, failed, usage};
use crate::limits::DEMO_FILE_BYTES_MAX;
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;
use std::path::Path;

/// What the demo keeps about itself in its folder.
const FILE: &str = "demo.json";
/// Words of one length, so that damage can put one name in the place of another.
const KINDS: [&str; 5] = ["light", "meter", "valve", "clock", "radio"];

/// How many devices, and from which seed. *Stored* in the demo's folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// How many.
    pub devices: u32,
    /// From what.
    pub seed: u64,
}

/// Sees that a demo may live in `folder`: nothing is there, or an earlier demo.
///
/// # Errors
/// [`Failure::Usage`] when something else is there, [`Failure::Failed`] when it cannot be read.
pub fn check_folder(folder: &Path) -> Result<(), Failure> {
    let mut entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(why) if why.kind() == ErrorKind::NotFound => return Ok(()),
        Err(why) => return Err(usage(format!("{}: {why}", folder.display()))),
    };
    if folder.join(FILE).exists() || entries.next().is_none() {
        return Ok(());
    }
    Err(usage(format!(
        "{} is neither empty nor an earlier demo's; give `--data` a folder that is, or one that is not there yet",
        folder.display()
    )))
}

/// A device of the story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// What people call it.
    pub name: String,
    /// Its maker's serial number.
    pub serial_number: String,
    /// What its maker calls it.
    pub model: String,
}

impl Plan {
    /// A plan.
    pub fn new(devices: u32, seed: u64) -> Self {
        Plan { devices, seed }
    }

    /// The plan that `folder` holds, or the one of the words over the `usual` one, kept there.
    ///
    /// # Errors
    /// [`Failure::Usage`] when the words ask for another story than the folder's.
    pub fn of_folder(
        folder: &Path,
        devices: Option<u32>,
        seed: Option<u64>,
        usual: Plan,
    ) -> Result<Self, Failure> {
        let path = folder.join(FILE);
        let known = match io::files::read_limited(&path, DEMO_FILE_BYTES_MAX) {
            Ok(bytes) => Some(serde_json::from_slice::<Plan>(&bytes).map_err(usage)?),
            Err(why) if why.is_missing() => None,
            Err(why) => return Err(failed(why)),
        };
        let below = known.unwrap_or(usual);
        let asked = Plan::new(devices.unwrap_or(below.devices), seed.unwrap_or(below.seed));
        match known {
            Some(known) if known == asked => {}
            Some(Plan { devices, seed }) => {
                return Err(usage(format!(
                    "{} holds a story of {devices} devices from seed {seed}; ask for the same, or take another folder",
                    folder.display()
                )));
            }
            None => {
                let json = serde_json::to_vec(&asked).map_err(failed)?;
                io::files::write_atomic(&path, &json, 0o600).map_err(failed)?;
            }
        }
        Ok(asked)
    }

    /// The devices, in the order in which they are born.
    pub fn list(self) -> Vec<Planned> {
        let mut state = self.seed;
        let device = |number: u32| {
            let drawn = splitmix(&mut state);
            let kind = KINDS[(drawn % KINDS.len() as u64) as usize];
            Planned {
                name: format!("{kind}-{number:04}"),
                serial_number: format!("{:08X}{number:04}", drawn >> 32),
                model: format!("{} {}", kind, 1 + (drawn >> 8) % 3),
            }
        };
        (1..=self.devices).map(device).collect()
    }

    /// Whether the operator expects the one at `place` beforehand; the others come as a surprise. The
    /// one that is claimed anew is expected.
    pub fn is_announced(self, place: usize) -> bool {
        place % 2 == self.claimed().unwrap_or(0) % 2
    }

    /// The first one that is expected.
    pub fn first_announced(self) -> usize {
        usize::from(!self.is_announced(0))
    }

    /// The one that is retired.
    pub fn retired(self) -> usize {
        (self.seed % u64::from(self.devices)) as usize
    }

    /// The one whose packets are told: one that is expected, and not the retired one if there are two.
    pub fn guarded(self) -> usize {
        self.claimed().unwrap_or(0)
    }

    /// The one that is broken for good and the one that takes over its post, if there are four.
    pub fn broken_and_spare(self) -> Option<(usize, usize)> {
        let after = |more| (self.retired() + more) % self.devices as usize;
        (self.devices > 3).then(|| (after(2), after(3)))
    }

    /// The one that sends what it should not: another one than the guarded one if there are five.
    pub fn wounded(self) -> usize {
        let other = (self.retired() + 4) % self.devices as usize;
        if self.devices > 4 { other } else { self.guarded() }
    }

    /// The one that is retired and claimed anew, if there are two.
    pub fn claimed(self) -> Option<usize> {
        (self.devices > 1).then(|| (self.retired() + 1) % self.devices as usize)
    }
}

/// The generator `SplitMix64` of Steele, Lea and Flood (OOPSLA 2014): a stream of numbers from a seed, for
/// variety and nothing else.
fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::{FILE, Plan, check_folder, splitmix};
    use crate::failure::Failure;
    use std::collections::BTreeSet;

    #[test]
    fn a_seed_gives_the_same_devices_and_no_name_twice() {
        let devices = Plan::new(500, 7).list();
        assert_eq!(devices, Plan::new(500, 7).list());
        assert_ne!(devices, Plan::new(500, 8).list());
        let names: BTreeSet<_> = devices.iter().map(|d| &d.name).collect();
        let serial_numbers: BTreeSet<_> = devices.iter().map(|d| &d.serial_number).collect();
        assert_eq!((names.len(), serial_numbers.len()), (500, 500));
    }

    #[test]
    fn half_of_them_are_announced_and_who_is_claimed_is() {
        for (devices, seed) in (1..9).flat_map(|devices| (0..9).map(move |seed| (devices, seed))) {
            let plan = Plan::new(devices, seed);
            let announced = (0..devices as usize).filter(|place| plan.is_announced(*place)).count();
            assert!(announced.abs_diff(devices as usize / 2) <= 1, "{plan:?}");
            assert!(plan.claimed().is_none_or(|claimed| plan.is_announced(claimed)), "{plan:?}");
            assert!(plan.is_announced(plan.first_announced()), "{plan:?}");
        }
    }

    #[test]
    fn the_generator_is_the_published_one() {
        // The first numbers from the seed 1234567 that its authors' reference code prints.
        let mut state = 1_234_567;
        let drawn = [splitmix(&mut state), splitmix(&mut state)];
        assert_eq!(drawn, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn a_demo_lives_in_a_folder_of_its_own() {
        let folder = tempfile::tempdir().expect("a folder");
        let check = |name: &str, expect: bool| {
            let path = folder.path().join(name);
            assert_eq!(check_folder(&path).is_ok(), expect, "{name}");
        };
        check("not-there", true);
        std::fs::create_dir(folder.path().join("empty")).expect("made");
        check("empty", true);
        std::fs::create_dir_all(folder.path().join("hub/blobs")).expect("made");
        check("hub", false);
        std::fs::write(folder.path().join("hub").join(FILE), "{}").expect("written");
        check("hub", true);
        check("hub/demo.json", false);
    }

    #[test]
    fn a_folder_keeps_its_story() {
        let folder = tempfile::tempdir().expect("a folder");
        let usual = Plan::new(20, 1);
        let plan = |devices, seed| Plan::of_folder(folder.path(), devices, seed, usual);
        assert_eq!(plan(Some(5), None).expect("new"), Plan::new(5, 1));
        assert_eq!(plan(None, None).expect("the same"), Plan::new(5, 1));
        assert!(matches!(plan(Some(6), None), Err(Failure::Usage(_))));
        assert!(matches!(plan(None, Some(2)), Err(Failure::Usage(_))));
    }
}
