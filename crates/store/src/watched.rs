//! What one command does to the transaction of its batch.
use crate::engine::Batch;
use fleet::tx::{Each, Fault, FaultKind, Tx, Value};

/// A transaction as one command sees it.
pub(crate) struct Watched<'a> {
    tx: &'a mut dyn Batch,
    wrote: bool,
    /// The first statement that failed.
    failed: Option<Fault>,
}

impl<'a> Watched<'a> {
    pub(crate) fn new(tx: &'a mut dyn Batch) -> Self {
        Watched { tx, wrote: false, failed: None }
    }

    /// Whether every statement was done: a command may go on after one that was not, and then
    /// PostgreSQL would keep nothing of it, SQLite half.
    pub(crate) fn checked(&self) -> Result<(), Fault> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    /// Whether the transaction is as it was before the command, so that there is nothing to undo.
    pub(crate) fn untouched(&self) -> Result<(), Fault> {
        self.checked()?;
        match self.wrote {
            true => Err(Fault::new(FaultKind::Conflict, "a command wrote before it was refused")),
            false => Ok(()),
        }
    }

    fn noticed<T>(&mut self, done: Result<T, Fault>) -> Result<T, Fault> {
        if let Err(why) = &done {
            self.failed.get_or_insert_with(|| why.clone());
        }
        done
    }
}

impl Tx for Watched<'_> {
    fn exec(&mut self, sql: &'static str, args: &[Value]) -> Result<u64, Fault> {
        let done = self.tx.exec(sql, args);
        self.wrote |= done.as_ref().is_ok_and(|touched| *touched > 0);
        self.noticed(done)
    }

    fn rows(&mut self, sql: &'static str, args: &[Value], each: Each) -> Result<(), Fault> {
        let done = self.tx.rows(sql, args, each);
        self.noticed(done)
    }
}
