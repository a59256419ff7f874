//! The book and the pages beside it stay true: every command line in them is understood, every link leads
//! somewhere, and the words that they explain are those of the program.
use crate::cli::command;
use fleet::device::rules::Stage;
use fleet::device::view::Condition;
use fleet::discovery::rules::Assurance;
use fleet::permission::Permission;
use fleet::posture::attention::view as attention;
use fleet::quarantine::rules::Level;
use fleet::{control, upgrade};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What stands for something that only the reader knows.
const PLACEHOLDER: char = '$';

fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The files under `folder` that end like this, by their paths from the checkout.
fn files(folder: &str, ending: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(checkout().join(&folder)).expect("a folder") {
            let entry = entry.expect("an entry");
            let path = format!("{folder}/{}", entry.file_name().to_str().expect("text"));
            match entry.file_type().expect("a type").is_dir() {
                true => folders.push(path),
                false if path.ends_with(ending) => found.push(path),
                false => {}
            }
        }
    }
    found.sort();
    found
}

fn read(path: &str) -> String {
    std::fs::read_to_string(checkout().join(path)).unwrap_or_else(|why| panic!("{path}: {why}"))
}

/// Every page that a newcomer reads, with its text.
fn pages() -> Vec<(String, String)> {
    let beside = ["README", "ARCHITECTURE", "CONTRIBUTING", "SECURITY", "CHANGELOG"];
    let beside = beside.into_iter().map(|name| format!("{name}.md"));
    beside.chain(files("docs", ".md")).map(|path| (path.clone(), read(&path))).collect()
}

/// The lines of a page's blocks of shell, with their places. In `console` a command begins with `$ `; a line
/// that ends with a backslash goes on.
fn shell_lines(text: &str) -> Vec<(usize, String)> {
    let (mut lines, mut block, mut open) = (Vec::new(), "", None::<(usize, String)>);
    for (place, line) in text.lines().enumerate() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            block = if block.is_empty() { if language.is_empty() { "text" } else { language } } else { "" };
            continue;
        }
        let command = match (block, &open) {
            ("sh" | "console", Some(_)) | ("sh", None) => Some(line),
            ("console", None) => line.strip_prefix("$ "),
            _ => None,
        };
        let Some(command) = command else { continue };
        let (begun, mut whole) = open.take().unwrap_or((place + 1, String::new()));
        whole.push_str(command.strip_suffix('\\').unwrap_or(command));
        match command.ends_with('\\') {
            true => open = Some((begun, whole)),
            false => lines.push((begun, whole)),
        }
    }
    lines
}

/// The commands of a line as a shell would split it, without what they are redirected to.
fn commands(line: &str) -> Vec<Vec<String>> {
    let (mut all, mut words) = (Vec::new(), Vec::new());
    let (mut word, mut quote, mut is_word) = (String::new(), None, false);
    for letter in line.chars() {
        match (quote, letter) {
            (Some(end), _) if letter == end => quote = None,
            (Some(_), _) => word.push(letter),
            (None, '\'' | '"') => (quote, is_word) = (Some(letter), true),
            (None, '#') if word.is_empty() => break,
            (None, ' ' | '|' | '&' | ';' | '>' | '(' | ')') => {
                if is_word || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                is_word = false;
                match letter {
                    // Where it goes is no word of the command.
                    '>' => words.push(">".into()),
                    ' ' => {}
                    _ => all.push(std::mem::take(&mut words)),
                }
            }
            (None, _) => word.push(letter),
        }
    }
    if is_word || !word.is_empty() {
        words.push(word);
    }
    all.push(words);
    all.into_iter().map(|words| words.into_iter().take_while(|word| word != ">").collect()).collect()
}

/// The words from `steward` on, if the command is one of ours: variables and who it runs as may stand before it.
fn ours(words: &[String]) -> Option<Vec<String>> {
    let is_before =
        |word: &&String| word.contains('=') || ["sudo", "-u", "operator"].contains(&word.as_str());
    let rest: Vec<&String> = words.iter().skip_while(is_before).collect();
    let (program, mut rest) = rest.split_first()?;
    if *program == "cargo" && rest.first().is_some_and(|word| *word == "run") {
        rest = &rest[rest.iter().position(|word| *word == "--")? + 1..];
    } else if *program != "steward" && !program.ends_with("/steward") {
        return None;
    }
    Some(std::iter::once("steward".to_owned()).chain(rest.iter().map(|word| (*word).clone())).collect())
}

/// Whether the program takes these words, and an operation its arguments.
fn understood(words: &[String]) -> Result<(), String> {
    let matches = match command().try_get_matches_from(words) {
        Ok(matches) => matches,
        Err(error) if !error.use_stderr() => return Ok(()),
        Err(error) => return Err(error.to_string()),
    };
    let Some((noun, inner)) = matches.subcommand() else { return Ok(()) };
    let Some((verb, given)) = inner.subcommand() else { return Ok(()) };
    let Some(row) = fleet::operation(noun, verb) else { return Ok(()) };
    if words.iter().any(|word| word.contains(PLACEHOLDER) || word.starts_with('@')) {
        return Ok(());
    }
    let text = |name: &str| given.get_one::<String>(name).cloned();
    let pairs = row.fields().into_iter().filter_map(|field| Some((field.name.clone(), text(&field.name)?)));
    (row.parse)(row.coerce(pairs)).map(drop).map_err(|refusal| refusal.detail)
}

#[test]
fn every_command_line_is_understood() {
    let mut count = 0;
    let mut wrong = String::new();
    for (path, text) in pages() {
        for (place, line) in shell_lines(&text) {
            for words in commands(&line).iter().filter_map(|words| ours(words)) {
                count += 1;
                if let Err(why) = understood(&words) {
                    wrong.push_str(&format!("{path}:{place}: {line}\n{why}\n"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(count > 60, "only {count} command lines were found: the blocks are not read any more");
}

/// What stands between backticks and begins with `steward`, or with a noun and another word, names a noun and a
/// verb that there are.
#[test]
fn every_word_between_backticks_is_understood() {
    let known: BTreeSet<String> = command().get_subcommands().fold(BTreeSet::new(), |mut known, noun| {
        known.insert(noun.get_name().to_owned());
        known.extend(noun.get_subcommands().map(|verb| format!("{} {}", noun.get_name(), verb.get_name())));
        known
    });
    let has_verbs = |noun: &str| known.iter().any(|one| one.starts_with(&format!("{noun} ")));
    let check = |code: &str| {
        let rest = code.strip_prefix("steward ");
        let mut words =
            rest.unwrap_or(code).split(' ').take_while(|word| !word.starts_with(['-', PLACEHOLDER]));
        let Some(noun) = words.next() else { return true };
        match words.next() {
            Some(verb) if has_verbs(noun) => known.contains(&format!("{noun} {verb}")),
            _ => rest.is_none() || known.contains(noun),
        }
    };
    for good in ["steward device list", "steward serve --data x", "device list", "device", "kept: true"] {
        assert!(check(good), "{good}");
    }
    for bad in ["steward device lst", "steward srve", "device lst --limit 1"] {
        assert!(!check(bad), "{bad}");
    }
    // Decisions and changes also name what is the program's own, or was once.
    let of_now = |path: &str| !path.contains("/decisions/") && path != "CHANGELOG.md";
    for (path, text) in pages().into_iter().filter(|(path, _)| of_now(path)) {
        let prose: String = text.split("```").step_by(2).collect();
        for code in prose.split('`').skip(1).step_by(2) {
            assert!(check(code), "{path}: `{code}`");
        }
    }
}

/// A heading as a forge makes an anchor of it.
fn anchor(heading: &str) -> String {
    let plain = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = plain.chars().filter(|letter| letter.is_alphanumeric() || [' ', '-', '_'].contains(letter));
    kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let mut linked = BTreeSet::new();
    for (path, text) in pages() {
        let prose: String = text.split("```").step_by(2).collect();
        let folder = Path::new(&path).parent().expect("a folder");
        for rest in prose.split("](").skip(1) {
            let target = rest.split(')').next().unwrap_or_default();
            if target.contains("://") {
                continue;
            }
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let place = match file {
                "" => PathBuf::from(&path),
                file => folder.join(file),
            };
            let whole = checkout().join(&place);
            assert!(whole.exists(), "{path}: {target} leads nowhere");
            if !heading.is_empty() {
                let page = std::fs::read_to_string(&whole).expect("a page");
                let has =
                    page.lines().filter(|line| line.starts_with('#')).any(|line| anchor(line) == heading);
                assert!(has, "{path}: {target}: no such heading");
            }
            linked.insert(whole.canonicalize().expect("a path"));
        }
    }
    for path in files("docs", ".md").into_iter().filter(|path| !path.contains("/decisions/")) {
        let whole = checkout().join(&path).canonicalize().expect("a path");
        assert!(linked.contains(&whole), "no page leads to {path}");
    }
}

/// The first cell of every row of a page's tables, where it is between backticks.
fn first_cells(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect()
}

#[test]
fn every_code_is_one_of_the_program() {
    let sources: String = files("crates", ".rs")
        .iter()
        .filter(|path| path.contains("/src/") && !path.ends_with("book.rs"))
        .map(|path| read(path))
        .collect();
    let page = read("docs/operator/refusals.md");
    let codes = first_cells(&page);
    assert!(codes.len() > 40, "{}", codes.len());
    for code in codes {
        assert!(sources.contains(&format!("\"{code}\"")), "nothing refuses with `{code}`");
    }
}

#[test]
fn every_word_of_a_devices_life_is_explained() {
    let page = read("docs/terminology.md");
    let explained: BTreeSet<&str> = page.split('`').skip(1).step_by(2).collect();
    let words = (Stage::ALL.iter().map(|word| word.as_str()))
        .chain(Condition::ALL.iter().map(|word| word.as_str()))
        .chain(Assurance::ALL.iter().map(|word| word.as_str()))
        .chain(Level::ALL.iter().map(|word| word.as_str()))
        .chain(attention::Kind::ALL.iter().map(|word| word.as_str()))
        .chain(Permission::ALL.iter().map(|word| word.as_str()))
        .chain(control::rules::Phase::ALL.iter().map(|word| word.as_str()))
        .chain(upgrade::rules::Phase::ALL.iter().map(|word| word.as_str()));
    for word in words {
        assert!(explained.contains(word), "docs/terminology.md does not explain `{word}`");
    }
}
