//! The first command lines that a newcomer types, typed into a shell beside a hub.

use crate::support::{Done, Hub};
use std::path::Path;
use std::process::Command;

/// Lines for which a device has to do something: what a hub without one says of them.
const WAITS: [(&str, &str); 1] = [("steward onboarding admit", "not-introduced")];
/// The authority of a maker, as a maker hands it over.
const MAKER: &str = include_str!("../../../fleet/src/onboarding/anchor/example.pem");

/// The lines of a page's blocks of shell that begin with the program's name, but for the one that starts the hub.
fn lines(page: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(page);
    let text = std::fs::read_to_string(path).expect("a page");
    let blocks = text.split("```sh\n").skip(1).filter_map(|rest| rest.split_once("```"));
    let lines = blocks.flat_map(|(block, _)| block.lines());
    lines.filter(|it| it.starts_with("steward ") && !it.contains(" serve ")).map(String::from).collect()
}

fn check(page: &str) {
    let hub = Hub::start();
    let folder = hub.folder.path();
    let bin = folder.join("bin");
    std::fs::create_dir(&bin).expect("a folder");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_steward"), bin.join("steward")).expect("a link");
    for file in ["maker.pem", "maker-servers.pem"] {
        std::fs::write(folder.join(file), MAKER).expect("written");
    }
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").expect("a path"));
    let lines = lines(page);
    assert!(lines.len() > 5, "{page}: {lines:?}");
    for line in lines {
        let mut shell = Command::new("sh");
        shell.args(["-c", &line]).current_dir(folder).env("PATH", &path).env("STEWARD_HUB", hub.ready_file());
        let done = Done::of(shell.output().expect("a shell"));
        match WAITS.iter().find(|(begins, _)| line.starts_with(begins)) {
            Some((_, code)) => {
                assert!(done.err.starts_with(&format!("refused: {code}: ")), "{page}: {line}: {}", done.err);
            }
            None => assert_eq!(done.code, 0, "{page}: {line}: {}{}", done.out, done.err),
        }
    }
}

#[test]
fn the_lines_of_the_readme_work() {
    check("README.md");
}

#[test]
fn the_lines_of_the_first_day_work() {
    check("docs/operator/first-day.md");
}
