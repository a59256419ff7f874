//! SQLite, the embedded default: one file, write-ahead log, answers after the disk has them.
use crate::engine::{Batch, Body, Engine};
use crate::limits::{SQLITE_BUSY_MILLIS_MAX, SQLITE_STATEMENTS_MAX};
use fleet::tx::{Each, Fault, FaultKind, Row, Tx, Value};
use rusqlite::types::{ToSqlOutput, Value as Owned, ValueRef};
use rusqlite::{Connection, Error, ErrorCode, OpenFlags, ffi, params_from_iter};
use rustix::io::Errno;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

/// What every connection is told. `FULL` waits for the disk at every commit, also in WAL mode.
const SETTINGS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;";

/// A connection to a file.
pub struct Sqlite {
    link: Link,
}

impl Sqlite {
    /// Opens the file at `path`, or makes it, readable by its owner alone: credentials' hashes are
    /// in it.
    ///
    /// # Errors
    /// The folder is missing, the file is no database, or the disk says no.
    pub fn open(path: &Path) -> Result<Self, Fault> {
        make(path).map_err(|e| Fault::new(FaultKind::Unavailable, format!("{}: {e}", path.display())))?;
        let connection = connect(path)?;
        connection.execute_batch(SETTINGS).map_err(fault)?;
        Ok(Sqlite { link: Link::new(connection) })
    }

    /// Opens the file at `path` for looking only.
    ///
    /// # Errors
    /// The file is missing or no database, or the disk says no.
    pub fn open_reader(path: &Path) -> Result<Self, Fault> {
        let connection = connect(path)?;
        connection.execute_batch("PRAGMA query_only = ON;").map_err(fault)?;
        Ok(Sqlite { link: Link::new(connection) })
    }
}

/// Copies the database at `from`, as it is at one moment, into the new file `to`.
pub fn copy(from: &Path, to: &Path) -> Result<(), Fault> {
    make(to).map_err(|e| Fault::new(FaultKind::Unavailable, format!("{}: {e}", to.display())))?;
    let to = to.to_str().ok_or_else(|| Fault::new(FaultKind::Unavailable, "the path is no UTF-8"))?;
    connect(from)?.execute("VACUUM INTO ?1", [to]).map(drop).map_err(fault)
}

/// Makes an empty file unless there is one. SQLite gives the files beside it the same permissions.
fn make(path: &Path) -> std::io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.sync_all()?;
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

fn connect(path: &Path) -> Result<Connection, Fault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let named = |e| {
        let Fault { kind, detail } = fault(e);
        Fault::new(kind, format!("{}: {detail}", path.display()))
    };
    let connection = Connection::open_with_flags(path, flags).map_err(named)?;
    connection.busy_timeout(Duration::from_millis(SQLITE_BUSY_MILLIS_MAX)).map_err(named)?;
    connection.set_prepared_statement_cache_capacity(SQLITE_STATEMENTS_MAX);
    Ok(connection)
}

impl Engine for Sqlite {
    fn batch(&mut self, body: Body) -> Result<(), Fault> {
        self.link.begin("BEGIN IMMEDIATE")?;
        let done = body(&mut self.link).and_then(|()| self.link.exec("COMMIT", &[]));
        if done.is_err() {
            self.link.undo();
        }
        done.map(drop)
    }

    fn snapshot(&mut self, body: Body) -> Result<(), Fault> {
        self.link.begin("BEGIN")?;
        let done = body(&mut self.link);
        self.link.undo();
        done
    }
}

/// The connection within a transaction.
struct Link {
    connection: Connection,
    /// Why SQLite ended the transaction by itself, as it may when the disk is full. What followed
    /// would otherwise be committed statement by statement.
    ended: Option<Fault>,
}

impl Link {
    fn new(connection: Connection) -> Self {
        Link { connection, ended: None }
    }

    fn begin(&mut self, sql: &str) -> Result<(), Fault> {
        self.ended = None;
        self.connection.prepare_cached(sql).and_then(|mut s| s.execute([])).map(drop).map_err(fault)
    }

    fn undo(&mut self) {
        // When SQLite has ended the transaction already there is nothing to undo, and it says so.
        let _ = self.connection.execute_batch("ROLLBACK");
    }

    /// Runs `work` unless the transaction has ended, and notices when it does.
    fn guarded<T>(&mut self, work: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T, Fault> {
        if let Some(why) = &self.ended {
            return Err(why.clone());
        }
        let done = work(&self.connection);
        if let Err(why) = &done
            && self.connection.is_autocommit()
        {
            self.ended = Some(why.clone());
        }
        done
    }
}

impl Tx for Link {
    fn exec(&mut self, sql: &'static str, args: &[Value]) -> Result<u64, Fault> {
        self.guarded(|connection| {
            let mut statement = connection.prepare_cached(sql).map_err(fault)?;
            let touched = statement.execute(params_from_iter(args.iter().map(Arg))).map_err(fault)?;
            Ok(touched as u64)
        })
    }

    fn rows(&mut self, sql: &'static str, args: &[Value], each: Each) -> Result<(), Fault> {
        self.guarded(|connection| {
            let mut statement = connection.prepare_cached(sql).map_err(fault)?;
            let columns = statement.column_count();
            let mut rows = statement.query(params_from_iter(args.iter().map(Arg))).map_err(fault)?;
            while let Some(row) = rows.next().map_err(fault)? {
                let values = (0..columns).map(|i| value(i, row.get_ref(i).map_err(fault)?));
                each(Row(values.collect::<Result<_, _>>()?))?;
            }
            Ok(())
        })
    }
}

impl Batch for Link {
    fn mark(&mut self) -> Result<(), Fault> {
        self.exec("SAVEPOINT command", &[]).map(drop)
    }

    fn back(&mut self) -> Result<(), Fault> {
        self.exec("ROLLBACK TO command", &[])?;
        self.exec("RELEASE command", &[]).map(drop)
    }

    fn keep(&mut self) -> Result<(), Fault> {
        self.exec("RELEASE command", &[]).map(drop)
    }

    fn hold_tables(&mut self) -> Result<(), Fault> {
        // BEGIN IMMEDIATE did.
        Ok(())
    }

    fn script(&mut self, sql: &str) -> Result<(), Fault> {
        let sql = sql.replace("BYTEA", "BLOB");
        self.guarded(|connection| connection.execute_batch(&sql).map_err(fault))
    }
}

struct Arg<'a>(&'a Value);

impl rusqlite::ToSql for Arg<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            Value::Null => ToSqlOutput::Owned(Owned::Null),
            Value::Int(v) => ToSqlOutput::Owned(Owned::Integer(*v)),
            Value::Text(v) => ToSqlOutput::Borrowed(ValueRef::Text(v.as_bytes())),
            Value::Bytes(v) => ToSqlOutput::Borrowed(ValueRef::Blob(v)),
        })
    }
}

fn value(i: usize, stored: ValueRef) -> Result<Value, Fault> {
    match stored {
        ValueRef::Null => Ok(Value::Null),
        ValueRef::Integer(v) => Ok(Value::Int(v)),
        ValueRef::Text(v) => match std::str::from_utf8(v) {
            Ok(text) => Ok(Value::Text(text.into())),
            Err(why) => Err(Fault::corrupt(format!("column {i}: {why}"))),
        },
        ValueRef::Blob(v) => Ok(Value::Bytes(v.into())),
        ValueRef::Real(v) => Err(Fault::corrupt(format!("column {i}: {v} is no whole number"))),
    }
}

fn fault(error: Error) -> Fault {
    let kind = match &error {
        Error::SqliteFailure(failed, _) => kind(failed),
        _ => FaultKind::Sql,
    };
    Fault::new(kind, error.to_string())
}

fn kind(failed: &ffi::Error) -> FaultKind {
    match failed.code {
        ErrorCode::DiskFull => FaultKind::DiskFull,
        ErrorCode::SystemIoFailure if out_of_space(failed.extended_code) => FaultKind::DiskFull,
        ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::ReadOnly => FaultKind::Unavailable,
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => FaultKind::Conflict,
        ErrorCode::ConstraintViolation => match failed.extended_code {
            ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY => FaultKind::Conflict,
            _ => FaultKind::Sql,
        },
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => FaultKind::Corrupt,
        _ => FaultKind::Sql,
    }
}

/// Whether a failed write met a limit of space. SQLite itself tells ENOSPC from other errors; for a
/// quota or a limit of file size it says only "I/O error", and the reason is still in this thread's
/// errno, because a call that succeeds leaves that alone.
fn out_of_space(extended_code: i32) -> bool {
    const WRITES: [i32; 4] = [
        ffi::SQLITE_IOERR_WRITE,
        ffi::SQLITE_IOERR_SHMSIZE,
        ffi::SQLITE_IOERR_FSYNC,
        ffi::SQLITE_IOERR_TRUNCATE,
    ];
    let reason = Errno::from_io_error(&std::io::Error::last_os_error());
    WRITES.contains(&extended_code) && matches!(reason, Some(Errno::NOSPC | Errno::FBIG | Errno::DQUOT))
}
