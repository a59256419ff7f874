//! `steward blob put` and `steward blob get`: files by their SHA-256, beside the table of operations.
use crate::failure::{Failure, failed, usage};
use crate::limits::BLOB_BYTES_MAX;
use crate::print::line;
use crate::remote::Remote;
use crate::target::TargetWords;
use serde_json::json;
use std::path::PathBuf;
use tokio::runtime::Builder;

/// What stands below the words of `steward blob` in the help text.
pub const EXAMPLE: &str = "\
Example:
  steward blob put lamp.mud.json

Which permission a verb needs says its own help.";

/// The words of `steward blob`.
#[derive(Debug, clap::Subcommand)]
pub enum BlobWords {
    /// Bring a file to a hub, and print its SHA-256
    #[command(after_help = "Example:\n  steward blob put lamp.mud.json\n\nNeeds the permission `operate`.")]
    Put {
        /// The file
        file: PathBuf,
        #[command(flatten)]
        target: TargetWords,
        /// Print JSON, one line
        #[arg(long)]
        json: bool,
    },
    /// Fetch a file from a hub
    #[command(
        after_help = "Example:\n  steward blob get SHA256 --to lamp.mud.json\n\nNeeds the permission `view`."
    )]
    Get {
        /// Its SHA-256
        digest: String,
        /// Where it goes
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        #[command(flatten)]
        target: TargetWords,
        /// Print JSON, one line
        #[arg(long)]
        json: bool,
    },
}

/// Does what the words say.
///
/// # Errors
/// [`Failure`], as the hub or the disk says it.
pub fn run(words: BlobWords) -> Result<(), Failure> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let (digest, bytes, json) = match words {
        BlobWords::Put { file, target, json } => {
            let bytes = io::files::read_limited(&file, BLOB_BYTES_MAX).map_err(usage)?;
            let mut remote = Remote::new(&target.find()?)?;
            (runtime.block_on(remote.put_blob(&bytes))?, bytes.len(), json)
        }
        BlobWords::Get { digest, to, target, json } => {
            let mut remote = Remote::new(&target.find()?)?;
            let bytes = runtime.block_on(remote.blob(&digest))?;
            io::files::write_atomic(&to, &bytes, 0o644).map_err(failed)?;
            (digest, bytes.len(), json)
        }
    };
    match json {
        true => line(&json!({"digest": digest, "bytes": bytes}).to_string()),
        false => line(&digest),
    }
}
