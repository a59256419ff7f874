//! PostgreSQL goes away and comes back.
use crate::operations::{ExpectThen, Then};
use crate::support::{World, ask, code, expect_device, on_postgres, own, read, write};
use store::Place;

/// Ends every connection of `world`, as a restart of the server would.
fn disconnect(world: &World) {
    let Place::Postgres(config) = &world.place else { return };
    let mut client = postgres::Client::connect(config, postgres::NoTls).expect("the server");
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE application_name = current_setting('application_name') AND pid <> pg_backend_pid()";
    client.batch_execute(end).expect("ended");
}

#[test]
fn connections_that_were_lost_while_idle_are_opened_anew() {
    on_postgres("idle connections", |world| {
        let store = world.store();
        write(&store, expect_device("a")).expect("expected");
        read(&store, "device count", "{}").expect("counts");
        disconnect(world);
        write(&store, expect_device("b")).expect("expected");
        for _ in 0..8 {
            assert_eq!(read(&store, "device count", "{}").expect("counts")["total"], 2);
        }
    });
}

#[test]
fn a_batch_whose_connection_is_lost_is_unavailable_and_the_next_one_passes() {
    on_postgres("a batch loses its connection", |world| {
        let mut writer = world.writer();
        writer.write("device expect", r#"{"serial_number":"a"}"#).expect("expected");
        let lost = ask(own(ExpectThen { name: "c".into(), then: Then::Disconnect }));
        let outcomes = writer.commit(&[expect_device("b"), lost, expect_device("d")]);
        assert_eq!(outcomes.iter().map(code).collect::<Vec<_>>(), ["store-unavailable"; 3], "{outcomes:?}");
        writer.write("device expect", r#"{"serial_number":"e"}"#).expect("the next one passes");
        assert_eq!(writer.read("device count", "{}").expect("counts")["total"], 2);
        writer.sound();
    });
}

#[test]
fn a_server_that_is_not_there_is_unavailable() {
    let world = World::sqlite();
    let mut settings = world.settings();
    settings.place = Place::Postgres("host=/nowhere user=nobody dbname=nothing".into());
    let refused = store::Store::open(settings).err().expect("refused");
    assert_eq!(refused.kind, fleet::tx::FaultKind::Unavailable, "{refused:?}");
}

#[test]
fn nothing_goes_over_a_network_unless_the_operator_says_that_it_may() {
    let check = |config: &str, refused: bool| {
        let opened = Place::Postgres(config.into()).writer().map(drop);
        let is_told = opened.err().is_some_and(|fault| fault.detail.contains("sslmode=disable"));
        assert_eq!(is_told, refused, "{config}");
    };
    check("host=db.example dbname=steward", true);
    check("host=192.0.2.1 sslmode=prefer", true);
    check("host=db.example sslmode=require", true);
    check("host=localhost,db.example", true);
    check("host=localhost hostaddr=192.0.2.1", true);
    check("host=db.example sslmode=disable", false);
    check("host=/run/postgresql", false);
    check("host=localhost", false);
    check("host=127.0.0.1", false);
    check("host=db.example hostaddr=::1", false);
}
