//! Signed firmware manifests: draft-ietf-suit-manifest-37, with the IANA registries that it makes.
//!
//! An [`Envelope`] is bytes from a stranger. [`Envelope::authenticate`] checks who signed it, and only
//! then is the manifest read: what it gives is [`Authentic`]. A [`Processor`] runs a [`Procedure`] of it
//! over [`Components`], which a device implements; what takes time (fetch, invoke) is an [`Output`] for
//! the caller. [`Release::envelope`] is the author's side.
//!
//! ```text
//! Envelope::from_cbor -> authenticate(keys) -> Processor::new(procedure, current sequence number)
//!     -> run -> Fetch -> (the caller stores the payload) -> run -> Done
//! ```
//!
//! | what | where |
//! |---|---|
//! | envelope, digests, signatures, severed members | `envelope` |
//! | manifest, components, command sequences | `manifest`, `command`, `parameters` |
//! | the abstract machine | `processor`, `components` |
//! | words for people | `text` |
//! | UUIDs of vendors and classes | `uuid` |
//! | writing | `author` |
//!
//! Known: the commands of the draft, `version` of draft-ietf-suit-update-management, `uninstall` of
//! draft-ietf-suit-trust-domains. Everything else is read as [`Unknown`], and a procedure that meets it is
//! refused by its name before anything is touched. Absent: dependencies, encrypted payloads, key
//! delegation, `strict-order` false.
mod author;
mod command;
mod components;
mod digest;
mod envelope;
mod manifest;
mod parameters;
mod processor;
mod text;
mod uuid;

pub use author::Release;
pub use command::{Command, Condition, Directive, Index, Located, Sequence};
pub use components::{ComponentFailed, ComponentId, Components};
pub use digest::Digest;
pub use envelope::{Authentic, Envelope, Reason, SuitRefused};
pub use manifest::{Manifest, Member, SequenceName, Unknown};
pub use parameters::{Comparison, Parameters, VendorId, VersionMatch};
pub use processor::{Output, Place, Procedure, ProcessFailed, Processor};
pub use text::{ComponentText, LanguageText, Text};
pub use uuid::Uuid;
