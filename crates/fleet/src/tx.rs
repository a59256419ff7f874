//! The only words that the rules know of a database.

/// A value in a column: `BIGINT`, `TEXT` or `BYTEA`, nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// SQL NULL.
    Null,
    /// A BIGINT.
    Int(i64),
    /// A TEXT.
    Text(String),
    /// A BYTEA.
    Bytes(Vec<u8>),
}

impl From<i64> for Value {
    fn from(v: i64) -> Self {
        Value::Int(v)
    }
}
impl From<&str> for Value {
    fn from(v: &str) -> Self {
        Value::Text(v.into())
    }
}
impl From<&[u8]> for Value {
    fn from(v: &[u8]) -> Self {
        Value::Bytes(v.into())
    }
}

/// What sort of fault a [`Fault`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// No space, quota or file size left.
    DiskFull,
    /// Another writer was there first: a version, a lane's head, a serialization failure.
    Conflict,
    /// The database does not answer.
    Unavailable,
    /// A row is not what our SQL wrote.
    Corrupt,
    /// The engine refused our SQL: a fault of ours.
    Sql,
}

/// The store could not do it. Nothing of the command was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What sort of fault it is.
    pub kind: FaultKind,
    /// The engine's own words.
    pub detail: String,
}

impl Fault {
    /// A fault of `kind`.
    pub fn new(kind: FaultKind, detail: impl Into<String>) -> Self {
        Fault { kind, detail: detail.into() }
    }

    /// A row that our SQL did not write.
    pub fn corrupt(detail: impl Into<String>) -> Self {
        Fault::new(FaultKind::Corrupt, detail)
    }
}

/// One row of an answer.
#[derive(Clone, Debug)]
pub struct Row(pub Vec<Value>);

impl Row {
    /// Column `i` as a number.
    ///
    /// # Errors
    /// [`FaultKind::Corrupt`] when something else is stored there.
    pub fn int(&self, i: usize) -> Result<i64, Fault> {
        match self.0.get(i) {
            Some(Value::Int(v)) => Ok(*v),
            other => Err(Fault::corrupt(format!("column {i}: a number is expected, {other:?} is stored"))),
        }
    }

    /// Column `i` as text.
    ///
    /// # Errors
    /// [`FaultKind::Corrupt`] when something else is stored there.
    pub fn text(&self, i: usize) -> Result<&str, Fault> {
        match self.0.get(i) {
            Some(Value::Text(v)) => Ok(v),
            other => Err(Fault::corrupt(format!("column {i}: text is expected, {other:?} is stored"))),
        }
    }

    /// Column `i` as a word, an id or a text type: anything with `FromStr`.
    ///
    /// # Errors
    /// [`FaultKind::Corrupt`] when something else is stored there.
    pub fn parsed<T: std::str::FromStr<Err = String>>(&self, i: usize) -> Result<T, Fault> {
        self.text(i)?.parse().map_err(|why| Fault::corrupt(format!("column {i}: {why}")))
    }

    /// Column `i` as bytes.
    ///
    /// # Errors
    /// [`FaultKind::Corrupt`] when something else is stored there.
    pub fn bytes(&self, i: usize) -> Result<&[u8], Fault> {
        match self.0.get(i) {
            Some(Value::Bytes(v)) => Ok(v),
            other => Err(Fault::corrupt(format!("column {i}: bytes are expected, {other:?} is stored"))),
        }
    }

    /// Column `i` as exactly 32 bytes: a SHA-256.
    ///
    /// # Errors
    /// [`FaultKind::Corrupt`] when something else is stored there.
    pub fn digest(&self, i: usize) -> Result<[u8; 32], Fault> {
        let bytes = self.bytes(i)?;
        bytes.try_into().map_err(|_| Fault::corrupt(format!("column {i}: {} bytes, not 32", bytes.len())))
    }
}

/// What is done with each row of an answer.
pub type Each<'a> = &'a mut dyn FnMut(Row) -> Result<(), Fault>;

/// A transaction. One SQL text serves both engines: `$1` in order of first appearance, BIGINT, TEXT
/// and BYTEA only, `ON CONFLICT`, and no arithmetic on a bare parameter (PostgreSQL would take it for
/// a 4-byte integer).
pub trait Tx {
    /// Runs a statement that may change something; returns how many rows it touched.
    ///
    /// # Errors
    /// A [`Fault`] of the engine.
    fn exec(&mut self, sql: &'static str, args: &[Value]) -> Result<u64, Fault>;

    /// Runs a query, which changes nothing, and hands each row to `each`.
    ///
    /// # Errors
    /// A [`Fault`] of the engine or of `each`.
    fn rows(&mut self, sql: &'static str, args: &[Value], each: Each) -> Result<(), Fault>;
}

/// The first row of a query, read by `read`.
///
/// # Errors
/// A [`Fault`] of the engine or of `read`.
pub fn one<T>(
    tx: &mut dyn Tx,
    sql: &'static str,
    args: &[Value],
    read: impl Fn(&Row) -> Result<T, Fault>,
) -> Result<Option<T>, Fault> {
    Ok(many(tx, sql, args, read)?.into_iter().next())
}

/// Whether a query has a row.
///
/// # Errors
/// A [`Fault`] of the engine.
pub fn any(tx: &mut dyn Tx, sql: &'static str, args: &[Value]) -> Result<bool, Fault> {
    Ok(one(tx, sql, args, |_| Ok(()))?.is_some())
}

/// All rows of a query, read by `read`. The query itself carries the `LIMIT`.
///
/// # Errors
/// A [`Fault`] of the engine or of `read`.
pub fn many<T>(
    tx: &mut dyn Tx,
    sql: &'static str,
    args: &[Value],
    read: impl Fn(&Row) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    let mut found = Vec::new();
    tx.rows(sql, args, &mut |row| {
        found.push(read(&row)?);
        Ok(())
    })?;
    Ok(found)
}

/// A numbered change of the tables. *Stored* by its room and number: never edit one that has been
/// released, add the next.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// The room whose tables it makes.
    pub room: &'static str,
    /// 1, 2, 3 … within the room.
    pub number: i64,
    /// Statements, each ended by `;`. SQLite reads BYTEA as BLOB.
    pub sql: &'static str,
}

/// What a migration cannot say in SQL. It is run right after it, once, in the same transaction.
#[derive(Clone, Copy)]
pub struct Fill {
    /// The migration's room.
    pub room: &'static str,
    /// The migration's number.
    pub number: i64,
    /// What is done.
    pub run: fn(&mut dyn Tx) -> Result<(), Fault>,
}
