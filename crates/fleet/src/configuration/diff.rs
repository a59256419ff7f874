//! The difference of two texts, line by line. Pure.
use crate::limits::DIFF_LINES_MAX;

/// What leads from `old` to `new`: every line, after ` `, `-` or `+`; empty when they are equal. Of lines
/// that stay, at most three are shown beside a change.
///
/// Texts of very many lines are not compared but shown whole, the old one first.
pub fn diff(old: &str, new: &str) -> String {
    if old == new {
        return String::new();
    }
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let before = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let room = old.len().min(new.len()) - before;
    let after = old.iter().rev().zip(new.iter().rev()).take(room).take_while(|(a, b)| a == b).count();
    let changed = compared(&old[before..old.len() - after], &new[before..new.len() - after]);
    let stays = |lines: &[&'_ str]| lines.iter().map(|line| (' ', (*line).to_owned())).collect::<Vec<_>>();
    let lines = [stays(&old[..before]), changed, stays(&old[old.len() - after..])].concat();
    shown(&lines)
}

/// By the longest common subsequence.
fn compared(old: &[&str], new: &[&str]) -> Vec<(char, String)> {
    if old.len().max(new.len()) > DIFF_LINES_MAX {
        let all = |mark, lines: &[&str]| lines.iter().map(|l| (mark, (*l).to_owned())).collect::<Vec<_>>();
        return [all('-', old), all('+', new)].concat();
    }
    // common[i][j]: how many lines old[i..] and new[j..] have in common.
    let mut common = vec![vec![0_u16; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i][j] = match old[i] == new[j] {
                true => common[i + 1][j + 1] + 1,
                false => common[i + 1][j].max(common[i][j + 1]),
            };
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            lines.push((' ', old[i].to_owned()));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || i < old.len() && common[i + 1][j] >= common[i][j + 1] {
            lines.push(('-', old[i].to_owned()));
            i += 1;
        } else {
            lines.push(('+', new[j].to_owned()));
            j += 1;
        }
    }
    lines
}

/// Lines beside a change that are shown.
const CONTEXT: usize = 3;

fn shown(lines: &[(char, String)]) -> String {
    let near = |at: usize| {
        let around = &lines[at.saturating_sub(CONTEXT)..lines.len().min(at + CONTEXT + 1)];
        around.iter().any(|(mark, _)| *mark != ' ')
    };
    let mut text = String::new();
    let mut gap = false;
    for (at, (mark, line)) in lines.iter().enumerate() {
        if near(at) {
            text.push_str(if gap { "...\n" } else { "" });
            text.extend([*mark, ' ']);
            text.push_str(line);
            text.push('\n');
        }
        gap = !near(at);
    }
    text
}

/// A document as it is compared: pretty, if it is JSON.
pub fn readable(document: &[u8]) -> String {
    let json = serde_json::from_slice::<serde_json::Value>(document).ok();
    let pretty = json.and_then(|json| serde_json::to_string_pretty(&json).ok());
    pretty.unwrap_or_else(|| String::from_utf8_lossy(document).into_owned())
}

/// The difference of two documents: of what they say, or else of how they are written.
pub fn documents(old: &[u8], new: &[u8]) -> String {
    let said = diff(&readable(old), &readable(new));
    if said.is_empty() { diff(&String::from_utf8_lossy(old), &String::from_utf8_lossy(new)) } else { said }
}
