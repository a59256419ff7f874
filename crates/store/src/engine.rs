//! What the two engines have in common, and where the state is.
use crate::copy;
use crate::postgres::Postgres;
use crate::sqlite::{self, Sqlite};
use fleet::tx::{Fault, Tx};
use std::path::{Path, PathBuf};

/// Where the state is kept.
#[derive(Clone, PartialEq, Eq)]
pub enum Place {
    /// A file in a folder that exists. Beside it stand its `-wal` and `-shm`.
    Sqlite(PathBuf),
    /// A database of a PostgreSQL server, in the words of libpq: `host=... user=... dbname=...`.
    Postgres(String),
}

impl Place {
    /// An engine that may change the state; a file is made if it is missing. Use it on the thread that
    /// opens it.
    ///
    /// # Errors
    /// The engine's own fault.
    pub fn writer(&self) -> Result<Box<dyn Engine>, Fault> {
        Ok(match self {
            Place::Sqlite(path) => Box::new(Sqlite::open(path)?),
            Place::Postgres(config) => Box::new(Postgres::new(config)?),
        })
    }

    /// An engine for looking only; nothing is made. Use it on the thread that opens it.
    ///
    /// # Errors
    /// The engine's own fault.
    pub fn reader(&self) -> Result<Box<dyn Engine>, Fault> {
        Ok(match self {
            Place::Sqlite(path) => Box::new(Sqlite::open_reader(path)?),
            Place::Postgres(config) => Box::new(Postgres::new(config)?),
        })
    }

    /// Copies the state as it is at one moment into a new SQLite file, for a backup; writers go on
    /// meanwhile. Use it on a plain thread.
    ///
    /// # Errors
    /// The engine's own fault.
    pub fn copy_to(&self, file: &Path) -> Result<(), Fault> {
        match self {
            Place::Sqlite(path) => sqlite::copy(path, file),
            Place::Postgres(_) => copy::state(self, &Place::Sqlite(file.into())),
        }
    }

    /// Fills this place, which is empty, with the state of a SQLite file; all of it or nothing. Use it on a
    /// plain thread.
    ///
    /// # Errors
    /// The engine's own fault; this place is not empty.
    pub fn fill_from(&self, file: &Path) -> Result<(), Fault> {
        copy::state(&Place::Sqlite(file.into()), self)
    }
}

/// A transaction with the marks that group commit needs. Marks do not nest.
pub trait Batch: Tx {
    /// Sets a mark to come back to.
    ///
    /// # Errors
    /// A [`Fault`] of the engine; then the whole transaction is lost.
    fn mark(&mut self) -> Result<(), Fault>;

    /// Undoes everything since the mark, also after a statement failed.
    ///
    /// # Errors
    /// A [`Fault`] of the engine; then the whole transaction is lost.
    fn back(&mut self) -> Result<(), Fault>;

    /// Keeps what was done since the mark.
    ///
    /// # Errors
    /// A [`Fault`] of the engine; then the whole transaction is lost.
    fn keep(&mut self) -> Result<(), Fault>;

    /// Keeps every other process from changing tables until this transaction ends.
    ///
    /// # Errors
    /// A [`Fault`] of the engine.
    fn hold_tables(&mut self) -> Result<(), Fault>;

    /// Runs statements, each ended by `;`, in which `BYTEA` stands for bytes on both engines.
    ///
    /// # Errors
    /// A [`Fault`] of the engine.
    fn script(&mut self, sql: &str) -> Result<(), Fault>;
}

/// What runs inside a transaction.
pub type Body<'a> = &'a mut dyn FnMut(&mut dyn Batch) -> Result<(), Fault>;

/// A connection to where the state is. It lives and dies on one plain thread.
pub trait Engine {
    /// One transaction: the disk has it when this returns `Ok`, and nothing of it is kept when `body`
    /// or this returns a fault (but see [`fleet::tx::FaultKind::Unavailable`]: a connection that is
    /// lost while committing takes the answer with it).
    ///
    /// # Errors
    /// A fault of `body` or of the engine.
    fn batch(&mut self, body: Body) -> Result<(), Fault>;

    /// One view of the state as it is at one moment; nothing that `body` does is kept.
    ///
    /// # Errors
    /// A fault of `body` or of the engine.
    fn snapshot(&mut self, body: Body) -> Result<(), Fault>;
}
