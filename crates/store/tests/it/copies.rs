//! A whole state as a SQLite file, and back into either engine.
use crate::support::{World, Writer, code, expect_device, on_both};
use fleet::tx::FaultKind;
use store::{Lane, Place};

/// A writer on what stands at `place`.
fn writer(place: &Place, of: &World) -> Writer {
    let mut engine = place.writer().expect("the engine");
    let lane = Lane::open(&mut *engine, 1).expect("the lane");
    Writer { engine, lane, ..of.writer_on(7) }
}

/// Devices, and enough of them that their tables are copied by several pages.
fn fill(writer: &mut Writer) {
    for batch in 0..10 {
        let asks: Vec<_> = (0..64).map(|n| expect_device(&format!("lamp-{batch}-{n}"))).collect();
        assert!(writer.commit(&asks).iter().all(Result::is_ok));
    }
    writer.write("device retire", r#"{"device":"lamp-3-3","why":"sold"}"#).expect("retired");
}

#[test]
fn a_state_goes_to_a_file_and_into_either_engine() {
    on_both("copies::a_state_goes_to_a_file_and_into_either_engine", |world| {
        let mut here = world.writer();
        fill(&mut here);
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("copy.db");
        world.place.copy_to(&file).expect("copied");
        // What comes later is not in it.
        here.commit(&[expect_device("later")]).remove(0).expect("written");
        let count = |writer: &mut Writer| writer.read("device count", "{}").expect("counted");
        let check = |place: &Place| {
            let mut there = writer(place, &world.another());
            there.sound();
            let found = count(&mut there);
            assert_eq!((&found["total"], &found["retired"]), (&640.into(), &1.into()), "{found}");
            // It goes on where it was.
            there.commit(&[expect_device("later")]).remove(0).expect("written");
            assert_eq!(code(&there.commit(&[expect_device("lamp-1-1")]).remove(0)), "device-known");
            there.sound();
        };
        let again = world.another();
        again.place.fill_from(&file).expect("filled");
        check(&again.place);
        let refused = again.place.fill_from(&file).expect_err("it is not empty");
        assert_eq!(refused.kind, FaultKind::Conflict, "{refused:?}");
        assert!(refused.detail.contains("not empty"), "{refused:?}");
        check(&Place::Sqlite(file));
        assert_eq!(count(&mut here)["total"], 641);
    });
}

#[test]
fn a_damaged_file_fills_nothing() {
    on_both("copies::a_damaged_file_fills_nothing", |world| {
        fill(&mut world.writer());
        let folder = tempfile::tempdir().expect("a folder");
        let (file, bad) = (folder.path().join("copy.db"), folder.path().join("bad.db"));
        world.place.copy_to(&file).expect("copied");
        let whole = std::fs::read(&file).expect("a file");
        std::fs::write(&bad, &whole[..whole.len() / 2]).expect("cut");
        let again = world.another();
        again.place.fill_from(&bad).expect_err("it is cut");
        again.place.fill_from(&file).expect("nothing was kept of the first try");
        writer(&again.place, world).sound();
    });
}
