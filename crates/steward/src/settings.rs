//! What a hub is told: defaults, then `steward.toml`, then the command line.
use crate::failure::{Failure, usage};
use crate::limits::SETTINGS_FILE_BYTES_MAX;
use crate::log::Form;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Where a hub's folder is when nobody says.
pub const USUAL_FOLDER: &str = "steward-data";
/// The ready-file that every hub writes in its folder.
pub const READY_FILE: &str = "ready.json";

/// The words of `steward serve`, and the keys of `steward.toml`.
#[derive(Debug, Default, Deserialize, clap::Args)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Words {
    /// The hub's folder: keys, certificates, database [default: ./steward-data]
    #[arg(long, value_name = "FOLDER")]
    pub data: Option<PathBuf>,
    /// Where people and programs reach it; port 0 takes a free one [default: 127.0.0.1:0]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// Where devices reach it; port 0 takes a free one [default: 127.0.0.1:0]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen_devices: Option<SocketAddr>,
    /// Where devices reach it, if that is another address than it listens on: behind a router, or when it
    /// listens on all; may be given several times
    #[arg(long, value_name = "ADDRESS:PORT")]
    #[serde(default)]
    pub devices_at: Vec<SocketAddr>,
    /// One more place for the ready-file: addresses, the CA file, an administrator's token (0600)
    #[arg(long, value_name = "FILE")]
    pub ready_file: Option<PathBuf>,
    /// A PostgreSQL for the state, as `host=... user=... dbname=...`; SQLite in the folder otherwise
    #[arg(long, value_name = "CONFIG")]
    pub postgres: Option<String>,
    /// A DNS name that its certificate shall carry beside `localhost`; may be given several times
    #[arg(long = "name", value_name = "NAME")]
    #[serde(default)]
    pub names: Vec<String>,
    /// Let MASA and MUD URLs lead to this machine: for a demo, where everybody is on it
    #[arg(long)]
    #[serde(default)]
    pub fetch_loopback: bool,
    /// The form of the log on standard error; how much of it says STEWARD_LOG [default: text]
    #[arg(long, value_enum)]
    pub log: Option<Form>,
}

/// All of it, decided.
pub struct Settings {
    /// For the hub.
    pub hub: hub::Settings,
    /// Where the ready-file goes: the folder's own first.
    pub ready_files: Vec<PathBuf>,
    /// The form of the log.
    pub log: Form,
}

impl Words {
    /// Reads `steward.toml`.
    ///
    /// # Errors
    /// [`Failure::Usage`], naming the line.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let bytes = io::files::read_limited(path, SETTINGS_FILE_BYTES_MAX).map_err(usage)?;
        let wrong = |why: String| usage(format!("{}: {}", path.display(), why.trim_end()));
        let text = String::from_utf8(bytes).map_err(|why| wrong(why.to_string()))?;
        toml::from_str(&text).map_err(|why| wrong(why.to_string()))
    }

    /// These words, and `below` where they say nothing.
    fn over(self, below: Self) -> Self {
        Words {
            data: self.data.or(below.data),
            listen: self.listen.or(below.listen),
            listen_devices: self.listen_devices.or(below.listen_devices),
            devices_at: if self.devices_at.is_empty() { below.devices_at } else { self.devices_at },
            ready_file: self.ready_file.or(below.ready_file),
            postgres: self.postgres.or(below.postgres),
            names: if self.names.is_empty() { below.names } else { self.names },
            fetch_loopback: self.fetch_loopback || below.fetch_loopback,
            log: self.log.or(below.log),
        }
    }

    /// The words of the command line over those of the file, over the defaults.
    ///
    /// # Errors
    /// [`Failure::Usage`] when the file is wrong or a path cannot be made absolute.
    pub fn settle(self, file: Option<&Path>) -> Result<Settings, Failure> {
        let below = file.map(Self::read).transpose()?.unwrap_or_default();
        let words = self.over(below);
        let absolute = |path: PathBuf| std::path::absolute(path).map_err(usage);
        let data = absolute(words.data.unwrap_or_else(|| USUAL_FOLDER.into()))?;
        let mut ready_files = vec![data.join(READY_FILE)];
        ready_files.extend(words.ready_file.map(absolute).transpose()?.filter(|f| *f != ready_files[0]));
        let mut hub = hub::Settings::new(data);
        hub.people = words.listen.unwrap_or(hub.people);
        hub.devices = words.listen_devices.unwrap_or(hub.devices);
        hub.devices_at = words.devices_at;
        hub.names = words.names;
        hub.postgres = words.postgres;
        hub.fetch_loopback = words.fetch_loopback;
        Ok(Settings { hub, ready_files, log: words.log.unwrap_or_default() })
    }
}

#[cfg(test)]
mod tests {
    use super::Words;
    use crate::failure::Failure;

    #[test]
    fn the_command_line_beats_the_file_and_the_file_beats_the_defaults() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("steward.toml");
        std::fs::write(&file, "data = \"from-file\"\nnames = [\"a.example\"]\nlog = \"json\"\n")
            .expect("written");
        let words = Words { data: Some("from-words".into()), ..Words::default() };
        let settings = words.settle(Some(&file)).expect("good");
        assert!(settings.hub.data.ends_with("from-words") && settings.hub.data.is_absolute());
        assert_eq!(settings.hub.names, ["a.example"]);
        assert_eq!(settings.hub.people.to_string(), "127.0.0.1:0");
        assert_eq!(settings.ready_files, [settings.hub.data.join("ready.json")]);
    }

    #[test]
    fn the_example_in_the_root_is_true() {
        let text = include_str!("../../../steward.toml");
        let empty: Words = toml::from_str(text).expect("as it stands");
        assert!(empty.data.is_none() && empty.listen.is_none() && empty.names.is_empty());
        // With its settings no longer commented out, it says the defaults.
        let key = |line: &&str| line.starts_with("# ") && line.contains(" = ");
        let stripped: Vec<&str> = text.lines().filter(key).map(|line| &line[2..]).collect();
        let words: Words = toml::from_str(&stripped.join("\n")).expect("every key is known");
        assert_eq!(words.data.as_deref(), Some(std::path::Path::new("./steward-data")));
        assert_eq!(words.listen.map(|l| l.to_string()).as_deref(), Some("127.0.0.1:0"));
        assert!(!words.fetch_loopback, "nothing is fetched from this machine");
        assert!(words.ready_file.is_some() && words.postgres.is_some() && words.log.is_some());
    }

    #[test]
    fn an_unknown_key_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("steward.toml");
        std::fs::write(&file, "listn = \"127.0.0.1:0\"\n").expect("written");
        let Err(Failure::Usage(why)) = Words::read(&file) else { panic!("an unknown key is taken") };
        assert!(why.contains("listn") && why.contains("`listen`") && why.contains("steward.toml"), "{why}");
    }
}
