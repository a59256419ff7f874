//! Migrations run once; a database of another program is refused in words.
use crate::support::{World, code, expect_device, on_both, read, write};
use fleet::tx::{FaultKind, Migration};
use store::migrate::migrate;
use store::{Place, Store};

const FIRST: Migration = Migration { room: "test", number: 1, sql: "CREATE TABLE one (a BIGINT, b BYTEA);" };
const SECOND: Migration =
    Migration { room: "test", number: 2, sql: "CREATE TABLE two (a TEXT); CREATE INDEX two_a ON two (a);" };
const EDITED: Migration = Migration { room: "test", number: 1, sql: "CREATE TABLE one (a BIGINT);" };
const WRONG: Migration =
    Migration { room: "test", number: 2, sql: "CREATE TABLE three (a BIGINT); CREATE nothing;" };

fn check(world: &World, known: &[Migration], expect: Result<(), &str>) {
    let found = migrate(&mut *world.engine(), &[known]).map_err(|why| why.detail);
    match expect {
        Ok(()) => assert_eq!(found, Ok(())),
        Err(words) => assert!(found.as_ref().is_err_and(|why| why.contains(words)), "{words}: {found:?}"),
    }
}

#[test]
fn migrations_run_once_and_are_not_edited() {
    on_both("migrations", |world| {
        check(world, &[FIRST], Ok(()));
        check(world, &[FIRST], Ok(()));
        check(world, &[FIRST, WRONG], Err("nothing"));
        check(world, &[FIRST, SECOND], Ok(()));
        check(world, &[EDITED, SECOND], Err("migration 1 of `test` was edited"));
        check(world, &[FIRST], Err("migration 2 of `test` is not known here"));
        check(world, &[FIRST, SECOND], Ok(()));
    });
}

#[test]
fn devices_of_before_their_places_were_kept_are_listed_as_people_count() {
    on_both("devices of before", |world| {
        let (first, devices) = (&fleet::device::store::MIGRATIONS[..1], 501);
        migrate(&mut *world.engine(), &[first]).expect("the tables of before");
        let insert = "INSERT INTO device (organisation, site, device, stage, name, maker, model, serial_number, \
                      attention, version) VALUES ('main', 'main', $1, 'expected', $1, '', '', $1, '', 1)";
        let filled = world.engine().batch(&mut |tx| {
            (1..=devices).try_for_each(|n| tx.exec(insert, &[format!("lamp-{n}").as_str().into()]).map(drop))
        });
        filled.expect("devices");
        let list = world.writer().read("device list", r#"{"limit":500,"after":"lamp-1"}"#).expect("a list");
        let names = list["items"].as_array().expect("items").iter().map(|it| it["name"].clone());
        assert!(names.eq((2..=devices).map(|n| format!("lamp-{n}"))), "in another order");
    });
}

#[test]
fn a_store_is_opened_again_with_what_it_holds() {
    on_both("a store is opened again", |world| {
        write(&world.store(), expect_device("a")).expect("expected");
        assert_eq!(read(&world.store(), "device count", "{}").expect("counts")["total"], 1);
    });
}

#[test]
fn looking_makes_nothing_and_refuses_what_it_does_not_know() {
    on_both("looking", |world| {
        let open = || Store::open_read_only(world.place.clone(), world.clock());
        let refused = open().err().expect("there is nothing to look at");
        assert!(matches!(refused.kind, FaultKind::Corrupt | FaultKind::Unavailable), "{refused:?}");
        if let Place::Sqlite(path) = &world.place {
            assert!(!path.exists(), "looking makes no file");
        }
        let serving = world.store();
        write(&serving, expect_device("a")).expect("expected");
        let looking = open().expect("a store");
        assert_eq!(read(&looking, "device count", "{}").expect("counts")["total"], 1);
        assert_eq!(code(&read(&looking, "audit verify", "{}")), "");
        assert_eq!(looking.write(expect_device("b")).err().map(|why| why.code), Some("read-only"));
        drop((serving, looking));
        world.writer().tamper(
            "INSERT INTO migration (room, number, digest) VALUES ('x', 9, $1)",
            &[[0; 32][..].into()],
        );
        let newer = "migration 9 of `x` is not known here";
        assert!(open().err().is_some_and(|why| why.detail.contains(newer)));
        assert!(Store::open(world.settings()).err().is_some_and(|why| why.detail.contains(newer)));
    });
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let world = World::sqlite();
    let Place::Sqlite(path) = &world.place else { return };
    std::fs::write(
        path,
        "a letter to a friend, and no database at all; it is long enough to be read as one\n".repeat(60),
    )
    .expect("written");
    let refused = Store::open(world.settings()).err().expect("refused");
    assert_eq!(refused.kind, FaultKind::Corrupt, "{refused:?}");
}

#[test]
fn the_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::sqlite();
    let store = world.store();
    write(&store, expect_device("a")).expect("expected");
    let Place::Sqlite(path) = &world.place else { return };
    for end in ["", "-wal", "-shm"] {
        let mut file = path.clone().into_os_string();
        file.push(end);
        let mode = std::fs::metadata(&file).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file:?}");
    }
}
