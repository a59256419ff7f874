//! A whole state from one engine into the other, row by row: a backup of a PostgreSQL is a SQLite file, so
//! that one form of backup serves both, and is restored into either.
//!
//! The tables are those that the SQLite side has: the migrations make the same ones on both. Rows are taken
//! by their primary key, a page at a time, within one snapshot, and are kept in one transaction.
use crate::engine::{Batch, Place};
use crate::limits::COPY_ROWS_MAX;
use crate::migrate;
use fleet::tx::{Fault, FaultKind, Row, Tx, many, one};

/// Copies the state at `from` as it is at one moment into the empty place `to`. One of them is SQLite. A
/// SQLite source is brought up to date first.
///
/// # Errors
/// A fault of either engine, or `to` is not empty; then nothing is kept but empty tables.
pub fn state(from: &Place, to: &Place) -> Result<(), Fault> {
    let (mut source, mut target) = (from.writer()?, to.writer()?);
    if matches!(from, Place::Sqlite(_)) {
        migrate::migrate(&mut *source, fleet::MIGRATIONS)?;
    }
    migrate::migrate(&mut *target, fleet::MIGRATIONS)?;
    let mut tables = Vec::new();
    let sqlite = if matches!(from, Place::Sqlite(_)) { &mut source } else { &mut target };
    sqlite.snapshot(&mut |tx| {
        tables = self::tables(tx)?;
        Ok(())
    })?;
    source.snapshot(&mut |there| {
        migrate::look(there, fleet::MIGRATIONS)?;
        target.batch(&mut |here| {
            here.hold_tables()?;
            tables.iter().try_for_each(|table| table.copy(there, here))
        })
    })
}

/// A table, with the statements that its copying takes. They are made once for each table of a process
/// that does nothing else, so their texts may stay for its life.
struct Table {
    name: String,
    /// The places of the columns of its primary key.
    key: Vec<usize>,
    first: &'static str,
    next: &'static str,
    insert: &'static str,
    any: &'static str,
}

/// The tables of a SQLite, but for those that SQLite and the migrations keep for themselves.
fn tables(tx: &mut dyn Tx) -> Result<Vec<Table>, Fault> {
    let names = many(
        tx,
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' \
         AND name <> 'migration' ORDER BY name",
        &[],
        |row| Ok(row.text(0)?.to_owned()),
    )?;
    names.into_iter().map(|name| Table::read(tx, name)).collect()
}

impl Table {
    fn read(tx: &mut dyn Tx, name: String) -> Result<Self, Fault> {
        let columns = many(
            tx,
            "SELECT name, pk FROM pragma_table_info($1) ORDER BY cid",
            &[name.as_str().into()],
            |row| Ok((row.text(0)?.to_owned(), row.int(1)?)),
        )?;
        let mut key: Vec<(i64, usize)> =
            columns.iter().enumerate().filter(|(_, (_, pk))| *pk > 0).map(|(i, (_, pk))| (*pk, i)).collect();
        key.sort_unstable();
        let key: Vec<usize> = key.into_iter().map(|(_, place)| place).collect();
        if key.is_empty() {
            return Err(Fault::corrupt(format!("the table {name} has no primary key to copy it by")));
        }
        let all = columns.iter().map(|(column, _)| column.as_str()).collect::<Vec<_>>().join(", ");
        let by = key.iter().map(|place| columns[*place].0.as_str()).collect::<Vec<_>>().join(", ");
        let numbers = |count: usize| (1..=count).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ");
        let (after, values) = (numbers(key.len()), numbers(columns.len()));
        let page = format!("ORDER BY {by} LIMIT {COPY_ROWS_MAX}");
        Ok(Table {
            first: format!("SELECT {all} FROM {name} {page}").leak(),
            next: format!("SELECT {all} FROM {name} WHERE ({by}) > ({after}) {page}").leak(),
            insert: format!("INSERT INTO {name} ({all}) VALUES ({values})").leak(),
            any: format!("SELECT CAST(1 AS BIGINT) FROM {name} LIMIT 1").leak(),
            key,
            name,
        })
    }

    fn copy(&self, there: &mut dyn Batch, here: &mut dyn Batch) -> Result<(), Fault> {
        if one(here, self.any, &[], |row| row.int(0))?.is_some() {
            let detail = format!("the place to restore into is not empty: its table {} has rows", self.name);
            return Err(Fault::new(FaultKind::Conflict, detail));
        }
        let mut last = None;
        loop {
            let mut page: Vec<Row> = Vec::new();
            let (sql, after) = match &last {
                None => (self.first, Vec::new()),
                Some(Row(last)) => (self.next, self.key.iter().map(|place| last[*place].clone()).collect()),
            };
            there.rows(sql, &after, &mut |row| {
                page.push(row);
                Ok(())
            })?;
            for row in &page {
                here.exec(self.insert, &row.0)?;
            }
            if page.len() < COPY_ROWS_MAX {
                return Ok(());
            }
            last = page.pop();
        }
    }
}
