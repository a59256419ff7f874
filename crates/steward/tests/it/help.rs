//! The help texts, as they are printed.

use crate::support::run;
use expect_test::{ExpectFile, expect_file};

fn check(words: &[&str], expect: ExpectFile) {
    expect.assert_eq(&run(words).exits(0).out);
}

#[test]
fn the_program() {
    check(&["--help"], expect_file!["help/steward.txt"]);
}

#[test]
fn a_noun() {
    check(&["device", "--help"], expect_file!["help/device.txt"]);
}

#[test]
fn a_verb_that_writes() {
    check(&["device", "expect", "--help"], expect_file!["help/device-expect.txt"]);
}

#[test]
fn a_verb_that_reads() {
    check(&["device", "list", "--help"], expect_file!["help/device-list.txt"]);
}

#[test]
fn the_fixed_words() {
    check(&["serve", "--help"], expect_file!["help/serve.txt"]);
    check(&["agent", "--help"], expect_file!["help/agent.txt"]);
    check(&["simulate", "--help"], expect_file!["help/simulate.txt"]);
    check(&["demo", "--help"], expect_file!["help/demo.txt"]);
}
