//! PostgreSQL by the synchronous client. It runs a loop of its own inside, so it is opened, used and
//! dropped on a plain thread, never within tokio.
use crate::engine::{Batch, Body, Engine};
use crate::limits::{POSTGRES_CONNECT_SECONDS_MAX, POSTGRES_SILENT_SECONDS_MAX};
use bytes::BytesMut;
use fleet::tx::{Each, Fault, FaultKind, Row, Tx, Value};
use postgres::config::{Host, SslMode};
use postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use postgres::{Client, Config, Error, NoTls, Statement};
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

/// A commit waits for the disk, whatever the server's setting: `off` would answer before. Anything
/// stronger than `on` is left as it is.
const WAIT_FOR_THE_DISK: &str = "SELECT set_config('synchronous_commit', 'on', false) \
                                 WHERE current_setting('synchronous_commit') = 'off'";

/// Held while tables are made. The number is the bytes of `steward` and a zero.
const HOLD_TABLES: &str = "SELECT pg_advisory_xact_lock(8319395793567052800)";

/// A connection to a server, opened when it is first needed and again when it was lost.
pub struct Postgres {
    config: Config,
    link: Option<Link>,
}

impl Postgres {
    /// Reads `config`, in the words of libpq. Nothing is opened yet.
    ///
    /// # Errors
    /// `config` is not understood, or leads over a network without saying that it may be read there.
    pub fn new(config: &str) -> Result<Self, Fault> {
        let unclear =
            |e: Error| Fault::new(FaultKind::Unavailable, format!("the setting of PostgreSQL: {e}"));
        let mut config: Config = config.parse().map_err(unclear)?;
        if leads_elsewhere(&config) && config.get_ssl_mode() != SslMode::Disable {
            let detail = "the setting of PostgreSQL: its server is on another machine, and Steward speaks no TLS \
                          with it; lead there through a tunnel, or write `sslmode=disable` if nobody else can \
                          read that network";
            return Err(Fault::new(FaultKind::Unavailable, detail));
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(POSTGRES_CONNECT_SECONDS_MAX));
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(Duration::from_secs(POSTGRES_SILENT_SECONDS_MAX));
        }
        Ok(Postgres { config, link: None })
    }

    /// Begins a transaction; a connection that was lost while idle is opened anew.
    fn begin(&mut self, sql: &str) -> Result<&mut Link, Fault> {
        let old = self.link.take().and_then(|mut link| link.begin(sql).is_ok().then_some(link));
        let link = match old {
            Some(link) => link,
            None => {
                let mut link = Link::open(&self.config)?;
                link.begin(sql)?;
                link
            }
        };
        Ok(self.link.insert(link))
    }

    fn undo(&mut self) {
        if self.link.as_mut().is_some_and(|link| link.run("ROLLBACK").is_err()) {
            self.link = None;
        }
    }
}

impl Engine for Postgres {
    fn batch(&mut self, body: Body) -> Result<(), Fault> {
        let link = self.begin("BEGIN")?;
        let done = body(link).and_then(|()| link.run("COMMIT"));
        if done.is_err() {
            self.undo();
        }
        done
    }

    fn snapshot(&mut self, body: Body) -> Result<(), Fault> {
        let link = self.begin("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
        let done = body(link);
        self.undo();
        done
    }
}

/// Whether a server is reached over more than this machine.
fn leads_elsewhere(config: &Config) -> bool {
    let named = config.get_hosts().iter().any(|host| match host {
        Host::Tcp(name) => name != "localhost" && !name.parse().is_ok_and(|it: IpAddr| it.is_loopback()),
        Host::Unix(_) => false,
    });
    // Where there are addresses, the names are not asked.
    match config.get_hostaddrs() {
        [] => named,
        addresses => addresses.iter().any(|address| !address.is_loopback()),
    }
}

/// An open connection, with the statements it has prepared. Their texts are constants of the
/// program, so there is an end to them.
struct Link {
    client: Client,
    prepared: HashMap<&'static str, Statement>,
    /// Transactions begun.
    begun: u64,
}

impl Link {
    fn open(config: &Config) -> Result<Self, Fault> {
        let unavailable = |e: Error| Fault::new(FaultKind::Unavailable, words(&e));
        let mut client = config.connect(NoTls).map_err(unavailable)?;
        client.batch_execute(WAIT_FOR_THE_DISK).map_err(unavailable)?;
        Ok(Link { client, prepared: HashMap::new(), begun: 0 })
    }

    /// Begins a transaction. As often as their number doubles, the server is told to plan anew: a plan
    /// that was made while a table was empty may walk all of it, and is kept until a vacuum comes by.
    fn begin(&mut self, sql: &str) -> Result<(), Fault> {
        self.begun += 1;
        self.run(sql)?;
        if self.begun.is_power_of_two() { self.run("DISCARD PLANS") } else { Ok(()) }
    }

    fn run(&mut self, sql: &str) -> Result<(), Fault> {
        self.client.batch_execute(sql).map_err(fault)
    }

    fn statement(&mut self, sql: &'static str) -> Result<Statement, Fault> {
        if let Some(statement) = self.prepared.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql).map_err(fault)?;
        self.prepared.insert(sql, statement.clone());
        Ok(statement)
    }
}

impl Tx for Link {
    fn exec(&mut self, sql: &'static str, args: &[Value]) -> Result<u64, Fault> {
        let statement = self.statement(sql)?;
        let args: Vec<Arg> = args.iter().map(Arg).collect();
        self.client.execute(&statement, &references(&args)).map_err(fault)
    }

    fn rows(&mut self, sql: &'static str, args: &[Value], each: Each) -> Result<(), Fault> {
        let statement = self.statement(sql)?;
        let args: Vec<Arg> = args.iter().map(Arg).collect();
        for row in self.client.query(&statement, &references(&args)).map_err(fault)? {
            let values = (0..row.len()).map(|i| value(&row, i));
            each(Row(values.collect::<Result<_, _>>()?))?;
        }
        Ok(())
    }
}

impl Batch for Link {
    fn mark(&mut self) -> Result<(), Fault> {
        self.run("SAVEPOINT command")
    }

    fn back(&mut self) -> Result<(), Fault> {
        self.run("ROLLBACK TO command; RELEASE command")
    }

    fn keep(&mut self) -> Result<(), Fault> {
        self.run("RELEASE command")
    }

    fn hold_tables(&mut self) -> Result<(), Fault> {
        self.run(HOLD_TABLES)
    }

    fn script(&mut self, sql: &str) -> Result<(), Fault> {
        self.run(sql)
    }
}

#[derive(Debug)]
struct Arg<'a>(&'a Value);

impl ToSql for Arg<'_> {
    fn to_sql(
        &self,
        of: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        // The checked forms refuse a parameter whose column has another type.
        match self.0 {
            Value::Null => Ok(IsNull::Yes),
            Value::Int(v) => v.to_sql_checked(of, out),
            Value::Text(v) => v.to_sql_checked(of, out),
            Value::Bytes(v) => v.to_sql_checked(of, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

fn references<'a>(args: &'a [Arg<'a>]) -> Vec<&'a (dyn ToSql + Sync)> {
    args.iter().map(|arg| arg as &(dyn ToSql + Sync)).collect()
}

fn value(row: &postgres::Row, i: usize) -> Result<Value, Fault> {
    let read = match *row.columns()[i].type_() {
        Type::INT8 => row.try_get::<_, Option<i64>>(i).map(|v| v.map(Value::Int)),
        Type::TEXT => row.try_get::<_, Option<String>>(i).map(|v| v.map(Value::Text)),
        Type::BYTEA => row.try_get::<_, Option<Vec<u8>>>(i).map(|v| v.map(Value::Bytes)),
        ref other => {
            let detail = format!("column {i} is {other}; BIGINT, TEXT and BYTEA are what both engines have");
            return Err(Fault::new(FaultKind::Sql, detail));
        }
    };
    Ok(read.map_err(fault)?.unwrap_or(Value::Null))
}

fn fault(error: Error) -> Fault {
    let detail = words(&error);
    let kind = match error.code() {
        Some(state) => kind(state.code()),
        None if error.is_closed() || is_io(&error) => FaultKind::Unavailable,
        None => FaultKind::Sql,
    };
    Fault::new(kind, detail)
}

fn is_io(error: &Error) -> bool {
    std::error::Error::source(error).is_some_and(|source| source.is::<std::io::Error>())
}

fn words(error: &Error) -> String {
    match (error.as_db_error(), std::error::Error::source(error)) {
        (Some(said), _) => said.to_string(),
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    }
}

/// What an SQLSTATE means to us (PostgreSQL manual, appendix A).
fn kind(state: &str) -> FaultKind {
    match state {
        "53100" => FaultKind::DiskFull,
        // unique_violation, serialization_failure, deadlock_detected, lock_not_available.
        "23505" | "40001" | "40P01" | "55P03" => FaultKind::Conflict,
        // data_corrupted, index_corrupted.
        "XX001" | "XX002" => FaultKind::Corrupt,
        // Connection exceptions, lack of memory or connections, operator intervention, system errors.
        _ if ["08", "53", "57P", "58"].iter().any(|class| state.starts_with(class)) => FaultKind::Unavailable,
        _ => FaultKind::Sql,
    }
}
