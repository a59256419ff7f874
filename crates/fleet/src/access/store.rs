//! Rows of access: its state, the plans by their digest, whose plan is to be made, whose address is whose.
use super::Access;
use super::compile::Surroundings;
use super::controller::store::member_list;
use super::rules::{self, Description, Location, Made, State};
use crate::room::{Change, Room, Subject};
use crate::tx::{Fault, Migration, Row, Tx, Value, any, many, one};
use std::fmt::Display;
use std::net::IpAddr;
use std::str::FromStr;
use wire::limits::PLAN_MEMBERS_MAX;
use wire::mud::{Direction, MudFile, authority};
use wire::plan::Level;

/// The tables of this room. `access_work` and `access_plan` are no part of the fold: what is to be made,
/// and what was made.
pub const MIGRATIONS: &[Migration] = &[FIRST, LEVEL];

const LEVEL: Migration = Migration {
    room: "access",
    number: 2,
    sql: "ALTER TABLE access ADD COLUMN level TEXT NOT NULL DEFAULT ''",
};

const FIRST: Migration = Migration {
    room: "access",
    number: 1,
    sql: "
CREATE TABLE access (
  organisation TEXT NOT NULL, site TEXT NOT NULL, device TEXT NOT NULL,
  macs TEXT NOT NULL, addresses TEXT NOT NULL, mud_url TEXT NOT NULL, authority TEXT NOT NULL,
  description TEXT NOT NULL, proposed_plan TEXT NOT NULL, proposed_description TEXT NOT NULL,
  active_plan TEXT NOT NULL, active_description TEXT NOT NULL, version BIGINT NOT NULL,
  PRIMARY KEY (organisation, site, device));
CREATE INDEX access_description ON access (organisation, description);
CREATE INDEX access_authority ON access (organisation, authority);
CREATE INDEX access_proposed ON access (organisation, proposed_plan);
CREATE INDEX access_active ON access (organisation, active_plan);
CREATE TABLE access_address (
  organisation TEXT NOT NULL, address TEXT NOT NULL, site TEXT NOT NULL, device TEXT NOT NULL,
  PRIMARY KEY (organisation, address));
CREATE INDEX access_address_device ON access_address (organisation, site, device);
CREATE TABLE access_work (
  organisation TEXT NOT NULL, site TEXT NOT NULL, device TEXT NOT NULL, ticket BIGINT NOT NULL,
  failure TEXT NOT NULL, PRIMARY KEY (organisation, site, device));
CREATE TABLE access_plan (
  organisation TEXT NOT NULL, digest TEXT NOT NULL, plan BYTEA NOT NULL, notes TEXT NOT NULL,
  PRIMARY KEY (organisation, digest));
",
};

/// Plans that are to be made, at most `limit`: the device, its description (empty where none counts) and
/// the ticket. Who is held back comes first, and then who has no plan yet. One that could not be made waits
/// for a change.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn work_list(
    tx: &mut dyn Tx,
    organisation: &str,
    limit: u16,
) -> Result<Vec<(Subject, String, i64)>, Fault> {
    many(
        tx,
        "SELECT w.organisation, w.site, w.device, \
         CASE WHEN a.level IN ('', 'watched') THEN a.description ELSE '' END, w.ticket FROM access_work w \
         JOIN access a ON a.organisation = w.organisation AND a.site = w.site AND a.device = w.device \
         WHERE w.organisation = $1 AND w.failure = '' \
         AND (a.description <> '' OR a.level NOT IN ('', 'watched')) \
         ORDER BY CASE WHEN a.level NOT IN ('', 'watched') THEN 0 WHEN a.active_plan = '' THEN 1 ELSE 2 END, \
         w.device LIMIT $2",
        &[organisation.into(), i64::from(limit).into()],
        |row| Ok((Subject::read(row, 0)?, row.text(3)?.into(), row.int(4)?)),
    )
}

/// The plan of every device that has a description or is held back is to be made again.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn work_add_all(tx: &mut dyn Tx, organisation: &str) -> Result<(), Fault> {
    tx.exec(
        "INSERT INTO access_work (organisation, site, device, ticket, failure) \
         SELECT organisation, site, device, 1, '' FROM access \
         WHERE organisation = $1 AND (description <> '' OR level NOT IN ('', 'watched')) \
         ON CONFLICT (organisation, site, device) \
         DO UPDATE SET ticket = access_work.ticket + 1, failure = ''",
        &[organisation.into()],
    )
    .map(drop)
}

fn work_add(tx: &mut dyn Tx, subject: &Subject) -> Result<(), Fault> {
    tx.exec(
        "INSERT INTO access_work (organisation, site, device, ticket, failure) VALUES ($1, $2, $3, 1, '') \
         ON CONFLICT (organisation, site, device) \
         DO UPDATE SET ticket = access_work.ticket + 1, failure = ''",
        &key(subject),
    )
    .map(drop)
}

/// What was asked for with this ticket is done.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn work_done(tx: &mut dyn Tx, subject: &Subject, ticket: i64) -> Result<(), Fault> {
    let mut row = key(subject).to_vec();
    row.push(ticket.into());
    tx.exec(
        "DELETE FROM access_work WHERE organisation = $1 AND site = $2 AND device = $3 AND ticket = $4",
        &row,
    )
    .map(drop)
}

/// What was asked for with this ticket cannot be done.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn work_fail(tx: &mut dyn Tx, subject: &Subject, ticket: i64, failure: &str) -> Result<(), Fault> {
    let mut row: Vec<Value> = vec![failure.into()];
    row.extend(key(subject));
    row.push(ticket.into());
    tx.exec(
        "UPDATE access_work SET failure = $1 \
         WHERE organisation = $2 AND site = $3 AND device = $4 AND ticket = $5",
        &row,
    )
    .map(drop)
}

/// Why no plan could be made for a device, if that is so.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn failure_find(tx: &mut dyn Tx, subject: &Subject) -> Result<Option<String>, Fault> {
    let failure = one(
        tx,
        "SELECT failure FROM access_work WHERE organisation = $1 AND site = $2 AND device = $3",
        &key(subject),
        |row| Ok(row.text(0)?.to_string()),
    )?;
    Ok(failure.filter(|failure| !failure.is_empty()))
}

/// Keeps a plan and what a person should know of it, a line each.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn plan_keep(
    tx: &mut dyn Tx,
    organisation: &str,
    digest: &str,
    plan: &[u8],
    notes: &str,
) -> Result<(), Fault> {
    tx.exec(
        "INSERT INTO access_plan (organisation, digest, plan, notes) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (organisation, digest) DO UPDATE SET notes = excluded.notes",
        &[organisation.into(), digest.into(), plan.into(), notes.into()],
    )
    .map(drop)
}

/// A kept plan and its notes.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn plan_find(
    tx: &mut dyn Tx,
    organisation: &str,
    digest: &str,
) -> Result<Option<(Vec<u8>, String)>, Fault> {
    one(
        tx,
        "SELECT plan, notes FROM access_plan WHERE organisation = $1 AND digest = $2",
        &[organisation.into(), digest.into()],
        |row| Ok((row.bytes(0)?.to_vec(), row.text(1)?.to_string())),
    )
}

/// Forgets a plan that no device has.
fn plan_forget(tx: &mut dyn Tx, organisation: &str, digest: &str) -> Result<(), Fault> {
    tx.exec(
        "DELETE FROM access_plan WHERE organisation = $1 AND digest = $2 AND NOT EXISTS \
         (SELECT 1 FROM access WHERE organisation = $1 AND proposed_plan = $2) AND NOT EXISTS \
         (SELECT 1 FROM access WHERE organisation = $1 AND active_plan = $2)",
        &[organisation.into(), digest.into()],
    )
    .map(drop)
}

/// Whether the description with this digest is some device's.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn holds(tx: &mut dyn Tx, organisation: &str, digest: &str) -> Result<bool, Fault> {
    any(
        tx,
        "SELECT device FROM access WHERE organisation = $1 AND description = $2 LIMIT 1",
        &[organisation.into(), digest.into()],
    )
}

/// Whose an address is.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn address_find(tx: &mut dyn Tx, organisation: &str, address: IpAddr) -> Result<Option<Subject>, Fault> {
    one(
        tx,
        "SELECT organisation, site, device FROM access_address WHERE organisation = $1 AND address = $2",
        &[organisation.into(), address.to_string().as_str().into()],
        |row| Subject::read(row, 0),
    )
}

/// What surrounds a device, as far as its description asks for it.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn surroundings(
    tx: &mut dyn Tx,
    subject: &Subject,
    file: Option<&MudFile>,
) -> Result<Surroundings, Fault> {
    let (state, _) = Access::load(tx, subject)?.unwrap_or_default();
    let organisation = subject.organisation.as_str();
    let Location { macs, addresses } = state.location;
    let mut around = Surroundings { macs, addresses, level: state.level, ..Surroundings::default() };
    around.update_hosts = member_list(tx, organisation, super::controller::UPDATE_HOSTS)?;
    for class in [wire::mud::DNS_CLASS, wire::mud::NTP_CLASS] {
        around.controllers.insert(class.into(), member_list(tx, organisation, class)?);
    }
    let Some(file) = file else { return Ok(around) };
    around.local_networks = member_list(tx, organisation, super::controller::LOCAL_NETWORKS)?;
    around.my_controllers = member_list(tx, organisation, &file.mud_url)?;
    let lists = Direction::ALL.into_iter().flat_map(|direction| file.lists(direction));
    for matches in lists.flat_map(|list| &list.entries).map(|ace| &ace.matches) {
        if let Some(class) = &matches.controller
            && !around.controllers.contains_key(class)
        {
            around.controllers.insert(class.clone(), member_list(tx, organisation, class)?);
        }
        for name in [&matches.source_dnsname, &matches.destination_dnsname].into_iter().flatten() {
            if !around.names.contains_key(name) {
                around.names.insert(name.clone(), member_list(tx, organisation, name)?);
            }
        }
        let same = matches.same_manufacturer.then(|| file.authority());
        for maker in matches.manufacturer.as_deref().into_iter().chain(same) {
            if !around.manufacturers.contains_key(maker) {
                around.manufacturers.insert(maker.into(), addresses_by_authority(tx, organisation, maker)?);
            }
        }
        if let Some(model) = &matches.model
            && !around.models.contains_key(model)
        {
            around.models.insert(model.clone(), addresses_by_model(tx, organisation, model)?);
        }
    }
    Ok(around)
}

/// At most as many as one condition of a plan may mean, and one more, which the plan then refuses.
const MOST: i64 = PLAN_MEMBERS_MAX as i64 + 1;

fn addresses_by_authority(tx: &mut dyn Tx, organisation: &str, maker: &str) -> Result<Vec<IpAddr>, Fault> {
    many(
        tx,
        "SELECT d.address FROM access a JOIN access_address d \
         ON d.organisation = a.organisation AND d.site = a.site AND d.device = a.device \
         WHERE a.organisation = $1 AND a.authority = $2 ORDER BY d.address LIMIT $3",
        &[organisation.into(), maker.into(), MOST.into()],
        |row| parsed(row.text(0)?),
    )
}

fn addresses_by_model(tx: &mut dyn Tx, organisation: &str, model: &str) -> Result<Vec<IpAddr>, Fault> {
    many(
        tx,
        "SELECT d.address FROM access a JOIN access_address d \
         ON d.organisation = a.organisation AND d.site = a.site AND d.device = a.device \
         WHERE a.organisation = $1 AND a.authority = $2 AND a.mud_url = $3 ORDER BY d.address LIMIT $4",
        &[organisation.into(), authority(model).unwrap_or_default().into(), model.into(), MOST.into()],
        |row| parsed(row.text(0)?),
    )
}

fn key(subject: &Subject) -> [Value; 3] {
    [subject.organisation.as_str().into(), subject.site.as_str().into(), subject.id.as_str().into()]
}

fn joined<T: Display>(all: &[T]) -> String {
    all.iter().map(T::to_string).collect::<Vec<_>>().join(",")
}

fn parsed<T: FromStr>(text: &str) -> Result<T, Fault>
where
    T::Err: Display,
{
    text.parse().map_err(|why: T::Err| Fault::corrupt(why.to_string()))
}

fn parted<T: FromStr>(text: &str) -> Result<Vec<T>, Fault>
where
    T::Err: Display,
{
    text.split(',').filter(|part| !part.is_empty()).map(parsed).collect()
}

fn made(row: &Row, i: usize) -> Result<Option<Made>, Fault> {
    let (plan, description) = (row.text(i)?.to_string(), row.text(i + 1)?.to_string());
    Ok((!plan.is_empty()).then_some(Made { plan, description }))
}

fn state(row: &Row) -> Result<(State, i64), Fault> {
    let location = Location { macs: parted(row.text(0)?)?, addresses: parted(row.text(1)?)? };
    let (mud_url, digest) = (row.text(2)?.to_string(), row.text(3)?.to_string());
    let description = (!digest.is_empty()).then_some(Description { mud_url, digest });
    let level = match row.text(9)? {
        "" => None,
        word => Some(Level::from_word(word).ok_or_else(|| Fault::corrupt(format!("no level: {word}")))?),
    };
    let (proposed, active) = (made(row, 4)?, made(row, 6)?);
    Ok((State { location, description, proposed, active, level }, row.int(8)?))
}

impl Room for Access {
    const NAME: &'static str = "access";
    crate::room::rules!();

    fn load(tx: &mut dyn Tx, subject: &Subject) -> Result<Option<(State, i64)>, Fault> {
        one(
            tx,
            "SELECT macs, addresses, mud_url, description, proposed_plan, proposed_description, active_plan, \
             active_description, version, level FROM access \
             WHERE organisation = $1 AND site = $2 AND device = $3",
            &key(subject),
            state,
        )
    }

    fn save(tx: &mut dyn Tx, subject: &Subject, change: &Change<State>) -> Result<bool, Fault> {
        let State { location, description, proposed, active, level } = change.new;
        let mud_url = description.as_ref().map_or("", |it| it.mud_url.as_str());
        let plan = |made: &Option<Made>| Value::from(made.as_ref().map_or("", |it| it.plan.as_str()));
        let of = |made: &Option<Made>| Value::from(made.as_ref().map_or("", |it| it.description.as_str()));
        let mut row = vec![
            joined(&location.macs).as_str().into(),
            joined(&location.addresses).as_str().into(),
            mud_url.into(),
            authority(mud_url).unwrap_or_default().into(),
            description.as_ref().map_or("", |it| it.digest.as_str()).into(),
            plan(proposed),
            of(proposed),
            plan(active),
            of(active),
            change.new_version.into(),
            level.map_or("", Level::word).into(),
        ];
        row.extend(key(subject));
        let saved = match change.old_version {
            0 => tx.exec(
                "INSERT INTO access (macs, addresses, mud_url, authority, description, proposed_plan, \
                 proposed_description, active_plan, active_description, version, level, organisation, site, \
                 device) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) \
                 ON CONFLICT DO NOTHING",
                &row,
            )?,
            old_version => {
                row.push(old_version.into());
                tx.exec(
                    "UPDATE access SET macs = $1, addresses = $2, mud_url = $3, authority = $4, \
                     description = $5, proposed_plan = $6, proposed_description = $7, active_plan = $8, \
                     active_description = $9, version = $10, level = $11 \
                     WHERE organisation = $12 AND site = $13 AND device = $14 AND version = $15",
                    &row,
                )?
            }
        };
        if saved == 1 {
            follow(tx, subject, change)?;
        }
        Ok(saved == 1)
    }

    fn count(tx: &mut dyn Tx) -> Result<i64, Fault> {
        Ok(one(tx, "SELECT count(*) FROM access", &[], |row| row.int(0))?.unwrap_or(0))
    }
}

/// What stands beside the row: its addresses, its plans, and whether one is to be made.
fn follow(tx: &mut dyn Tx, subject: &Subject, change: &Change<State>) -> Result<(), Fault> {
    let organisation = subject.organisation.as_str();
    let (old, new) = (change.old, change.new);
    for address in old.location.addresses.iter().filter(|it| !new.location.addresses.contains(it)) {
        tx.exec(
            "DELETE FROM access_address WHERE organisation = $1 AND address = $2",
            &[organisation.into(), address.to_string().as_str().into()],
        )?;
    }
    for address in new.location.addresses.iter().filter(|it| !old.location.addresses.contains(it)) {
        let mut row = vec![address.to_string().as_str().into()];
        row.extend(key(subject));
        tx.exec(
            "INSERT INTO access_address (address, organisation, site, device) VALUES ($1, $2, $3, $4)",
            &row,
        )?;
    }
    for made in [&old.proposed, &old.active].into_iter().flatten() {
        plan_forget(tx, organisation, &made.plan)?;
    }
    let changed =
        (&old.location, &old.description, old.level) != (&new.location, &new.description, new.level);
    match new.description.is_some() || rules::is_narrow(new) {
        true if changed => work_add(tx, subject),
        true => Ok(()),
        false => tx
            .exec(
                "DELETE FROM access_work WHERE organisation = $1 AND site = $2 AND device = $3",
                &key(subject),
            )
            .map(drop),
    }
}
