//! A clock that fell behind the journal: no issuing, no revoking; ordinary work goes on.
use crate::support::{NOW, code, on_both};
use fleet::time::Millis;

#[test]
fn nothing_is_issued_while_the_clock_is_behind() {
    on_both("the clock is behind", |world| {
        let mut writer = world.writer();
        writer.write("account add", r#"{"account":"alice","permission":"view"}"#).expect("added");
        let issue = r#"{"account":"alice","label":"report"}"#;
        writer.now = Millis(NOW - 2_001);
        assert_eq!(code(&writer.write("token issue", issue)), "clock-behind");
        assert_eq!(code(&writer.write("account disable", r#"{"account":"alice"}"#)), "clock-behind");
        // The same at a start: the newest entry is in the database.
        let mut restarted = world.writer();
        restarted.now = Millis(NOW - 2_001);
        assert_eq!(code(&restarted.write("token issue", issue)), "clock-behind");
        assert_eq!(code(&restarted.write("device expect", r#"{"serial_number":"a"}"#)), "");
        assert_eq!(code(&restarted.write("token issue", issue)), "clock-behind", "still behind");
        // A lane whose last entry is of a clock that is behind still has the newer one before it.
        let mut restarted = world.writer();
        restarted.now = Millis(NOW - 2_001);
        assert_eq!(code(&restarted.write("token issue", issue)), "clock-behind", "after another start");
        restarted.now = Millis(NOW - 2_000);
        assert_eq!(code(&restarted.write("token issue", issue)), "", "a small step is none");
        restarted.sound();
    });
}
