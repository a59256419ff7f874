//! Rows of blobs on both engines: kept, found, swept when nobody holds them for a day.
use crate::support::{NOW, Writer, ask, code, on_both, own};
use fleet::blob::view::{Keep, Sweep};
use fleet::text::Digest;
use fleet::time::Millis;
use serde_json::json;

const DAY: i64 = 86_400_000;

fn digest(n: usize) -> Digest {
    format!("{n:064x}").parse().expect("a digest")
}

fn keep(writer: &mut Writer, n: usize) {
    let kept = writer.commit(&[ask(own(Keep { digest: digest(n), bytes: 7 }))]).remove(0);
    assert_eq!(kept, Ok(json!({"digest": digest(n).as_str(), "bytes": 7})));
}

fn swept(writer: &mut Writer) -> usize {
    let outcome = writer.commit(&[ask(own(Sweep { after: String::new() }))]).remove(0);
    outcome.expect("swept")["digests"].as_array().expect("digests").len()
}

#[test]
fn a_blob_that_nobody_holds_is_swept_after_a_day() {
    on_both("blobs are swept", |world| {
        let mut writer = world.writer();
        keep(&mut writer, 1);
        keep(&mut writer, 2);
        writer.now = Millis(NOW + DAY);
        assert_eq!(swept(&mut writer), 0);
        keep(&mut writer, 2);
        writer.now = Millis(NOW + DAY + 1);
        assert_eq!(swept(&mut writer), 1, "the other one was brought again meanwhile");
        assert_eq!(swept(&mut writer), 0);
        writer.now = Millis(NOW + 3 * DAY);
        writer.write("device expect", r#"{"serial_number":"A1"}"#).expect("a newer entry");
        writer.now = Millis(NOW + 2 * DAY + 1);
        let behind = writer.commit(&[ask(own(Sweep { after: String::new() }))]).remove(0);
        assert_eq!(code(&behind), "clock-behind", "a clock that is behind lets nothing go");
        writer.sound();
    });
}
