//! `cargo xtask new-room NAME`: a room of the fleet that works, to be filled.
//!
//! The files in `xtask/room/` are a room whose only meaning is a note; its names are replaced. What it
//! takes to open the room (lines in `lib.rs` and ARCHITECTURE.md) is printed, not written.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::{programs, usage_error};

/// The rooms of the charter: name, the charter's words, the standards the room stands on.
const ROOMS: &[(&str, &str, &str)] = &[
    (
        "provisioning",
        "factory provisioning",
        "802.1AR, RFC 8366bis, RFC 8995 (MASA), RFC 8520 sections 11 to 13",
    ),
    ("onboarding", "onboarding of devices", "RFC 8995, RFC 7030, RFC 8951, RFC 9148, RFC 8572, RFC 9733"),
    ("discovery", "MUD discovery", "RFC 8520, RFC 9238, RFC 9472, RFC 9761"),
    ("access", "access control to network resources", "RFC 8519, RFC 8520, RFC 9726, RFC 9899"),
    ("control", "administrative control", "RFC 7252 and its family, RFC 9254"),
    ("configuration", "configuration backup and recovery", "RFC 9195, RFC 9254, RFC 8808, RFC 8342"),
    ("upgrade", "software/firmware upgrade", "RFC 9019, RFC 9124, draft-ietf-suit-manifest-37"),
    ("quarantine", "isolation/quarantine", "ietf-mud-quarantine, RFC 9334"),
    ("remediation", "remediation of broken devices", "RFC 8808, RFC 8572"),
    ("retirement", "end of life management", "RFC 8520, RFC 8995 sections 7.4.3, 10.4, 10.7 and 11.6"),
    ("posture", "operational security", "RFC 9472, RFC 9393, RFC 9711, RFC 9334"),
];

/// The files of a room, as they stand in `xtask/room/`.
const FILES: &[(&str, &str)] = &[
    ("mod.rs", include_str!("../room/mod.rs.in")),
    ("rules.rs", include_str!("../room/rules.rs.in")),
    ("scripts.rs", include_str!("../room/scripts.rs.in")),
    ("store.rs", include_str!("../room/store.rs.in")),
    ("tests.rs", include_str!("../room/tests.rs.in")),
    ("view.rs", include_str!("../room/view.rs.in")),
];

/// The word `new-room`.
pub fn main(arguments: &[String]) -> ExitCode {
    let [name] = arguments else {
        return usage_error("new-room needs one name");
    };
    match programs::workspace_root().and_then(|root| make(&root, name)) {
        Ok(folder) => {
            println!("{} is made. To open it:\n\n{}", folder.display(), next_steps(name));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Writes the room's files and returns its folder.
fn make(root: &Path, name: &str) -> Result<PathBuf, String> {
    let files = room(name)?;
    let folder = root.join("crates/fleet/src").join(name);
    fs::create_dir(&folder).map_err(|error| format!("could not make {}: {error}", folder.display()))?;
    for (file, text) in files {
        let path = folder.join(file);
        fs::write(&path, text).map_err(|error| format!("could not write {}: {error}", path.display()))?;
    }
    Ok(folder)
}

/// The files of the room called `name`.
fn room(name: &str) -> Result<Vec<(&'static str, String)>, String> {
    let Some((_, words, standards)) = ROOMS.iter().find(|(room, ..)| *room == name) else {
        let rooms: Vec<&str> = ROOMS.iter().map(|(room, ..)| *room).collect();
        return Err(format!("`{name}` is no room of the charter; these are: {}", rooms.join(", ")));
    };
    let card = format!("Charter: {words}.\n//!\n//! Stands on {standards}.");
    let fill = |text: &str| {
        let text = text.replace("CHARTER_CARD", &card);
        text.replace("sample_room", name).replace("SampleRoom", &type_name(name))
    };
    Ok(FILES.iter().map(|(file, text)| (*file, fill(text))).collect())
}

/// `access` becomes `Access`.
fn type_name(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

fn next_steps(name: &str) -> String {
    let of_type = type_name(name);
    format!(
        "crates/fleet/src/lib.rs   pub mod {name};\n\
         \x20                         OPERATIONS  row::<{name}::view::Note>(), row::<{name}::view::Show>(),\n\
         \x20                         FOLDS       fold::<{name}::{of_type}>(),\n\
         \x20                         MIGRATIONS  {name}::store::MIGRATIONS,\n\
         \x20                         SCRIPTS     {name}::scripts::SCRIPTS,\n\
         ARCHITECTURE.md           a line for `{name}/`\n"
    )
}

#[cfg(test)]
mod tests {
    use super::{ROOMS, next_steps, room};

    #[test]
    fn every_room_of_the_charter_can_be_made() {
        for (name, words, _) in ROOMS {
            let files = room(name).unwrap();
            assert!(files[0].1.starts_with(&format!("//! Charter: {words}.\n")), "{}", files[0].1);
            let left = |text: &str| text.contains("ample_room") || text.contains("ampleRoom");
            assert!(files.iter().all(|(_, text)| !left(text)));
        }
        assert!(next_steps("access").contains("fold::<access::Access>(),"));
    }

    #[test]
    fn another_name_is_refused_with_the_ones_that_are() {
        for name in ["", "kitchen", "../access", "Access"] {
            assert!(room(name).unwrap_err().contains("provisioning, onboarding"), "{name}");
        }
    }
}
