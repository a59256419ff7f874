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
