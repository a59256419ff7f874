//! Finds and runs other programs.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where system programs stand that a plain user's PATH may not name.
const SYSTEM_FOLDERS: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// Where Debian puts the programs of each PostgreSQL version.
const POSTGRES_FOLDER: &str = "/usr/lib/postgresql";

/// The program's file: PostgreSQL's own folders (newest first), then PATH, then the system folders.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = postgres_folders()
        .into_iter()
        .chain(env::split_paths(&path))
        .chain(SYSTEM_FOLDERS.iter().map(PathBuf::from));
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// `/usr/lib/postgresql/*/bin`, newest version first.
fn postgres_folders() -> Vec<PathBuf> {
    let Ok(entries) = Path::new(POSTGRES_FOLDER).read_dir() else {
        return Vec::new();
    };
    let mut versions: Vec<u32> =
        entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    versions.iter().map(|version| Path::new(POSTGRES_FOLDER).join(version.to_string()).join("bin")).collect()
}

/// The `cargo` that started us.
pub fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs a command with our own output and says whether it ended well.
///
/// # Errors
/// The program could not be started, or it ended with a failure.
pub fn run(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|error| could_not_start(command, &error))?;
    if status.success() { Ok(()) } else { Err(format!("`{}` ended with {status}", shown(command))) }
}

/// Runs a command and returns what it wrote to its standard output.
///
/// # Errors
/// The program could not be started, ended with a failure (its complaint is in the message), or did not
/// write UTF-8.
pub fn output(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| could_not_start(command, &error))?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        return Err(format!("`{}` ended with {}: {}", shown(command), output.status, complaint.trim()));
    }
    String::from_utf8(output.stdout).map_err(|_| format!("`{}` did not write UTF-8", shown(command)))
}

/// The root of the checkout that we stand in.
///
/// # Errors
/// We stand in none.
pub fn workspace_root() -> Result<PathBuf, String> {
    let words = ["locate-project", "--workspace", "--message-format=plain"];
    let manifest = PathBuf::from(output(cargo().args(words))?.trim_end());
    manifest.parent().map(Path::to_owned).ok_or_else(|| "cargo locate-project names no folder".to_owned())
}

/// Whether this process runs as root.
pub fn is_root() -> bool {
    output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

fn could_not_start(command: &Command, error: &std::io::Error) -> String {
    format!("`{}` could not be started: {error}", shown(command))
}

/// The command as a person would type it.
fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
