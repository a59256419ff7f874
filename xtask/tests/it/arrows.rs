//! Who may import whom (design section 2), read from the manifests.

use toml::{Table, Value};

use crate::tree::{Finding, TextFile, Tree};

/// A crate, the crates of ours that it may import, and those of others that it may not.
struct Arrows {
    name: &'static str,
    may_import: &'static [&'static str],
    forbidden: &'static [&'static str],
}

const ARROWS: &[Arrows] = &[
    Arrows {
        name: "wire",
        may_import: &[],
        forbidden: &[
            "tokio",
            "tokio-rustls",
            "rustls",
            "hyper",
            "axum",
            "rusqlite",
            "postgres",
            "rustix",
            "clap",
        ],
    },
    Arrows {
        name: "io",
        may_import: &["wire"],
        forbidden: &["axum", "askama", "serde_json", "rusqlite", "postgres", "clap"],
    },
    Arrows {
        name: "fleet",
        may_import: &["wire"],
        forbidden: &[
            "tokio",
            "tokio-rustls",
            "rustls",
            "hyper",
            "axum",
            "rusqlite",
            "postgres",
            "rustix",
            "clap",
        ],
    },
    Arrows {
        name: "store",
        may_import: &["wire", "fleet"],
        forbidden: &["axum", "askama", "hyper", "tokio-rustls", "rustls", "clap"],
    },
    Arrows {
        name: "hub",
        may_import: &["wire", "io", "fleet", "store"],
        forbidden: &["rusqlite", "postgres", "tokio-rustls", "clap"],
    },
    Arrows {
        name: "gate",
        may_import: &["wire", "io"],
        forbidden: &["axum", "rusqlite", "postgres", "clap"],
    },
    Arrows {
        name: "agent",
        may_import: &["wire", "io"],
        forbidden: &["axum", "rusqlite", "postgres", "clap"],
    },
    Arrows {
        name: "sim",
        may_import: &["wire", "fleet", "store", "agent"],
        forbidden: &["tokio", "hyper", "axum", "rustls", "tokio-rustls", "rustix", "clap"],
    },
    Arrows {
        name: "steward",
        may_import: &["wire", "io", "fleet", "store", "hub", "gate", "agent", "sim"],
        forbidden: &["rusqlite", "postgres", "axum"],
    },
    Arrows {
        name: "fuzz",
        may_import: &["wire", "io", "fleet", "agent"],
        forbidden: &["tokio", "hyper", "axum", "rusqlite", "postgres", "clap"],
    },
    Arrows { name: "xtask", may_import: &[], forbidden: &["tokio", "hyper", "clap"] },
];

/// Arrows that only tests have: crate, what it imports, why.
const TEST_ARROWS: &[(&str, &str, &str)] = &[];

/// The tables of a manifest that name dependencies, and whether they are the tests' alone.
const DEPENDENCY_TABLES: [(&str, bool); 3] =
    [("dependencies", false), ("build-dependencies", false), ("dev-dependencies", true)];

struct Dependency<'a> {
    name: &'a str,
    value: &'a Value,
    of_tests: bool,
}

/// Every manifest follows the table.
pub fn arrows(tree: &Tree) -> Vec<Finding> {
    let is_manifest = |file: &&TextFile| is_crate_manifest(&file.path);
    tree.texts.iter().filter(is_manifest).flat_map(manifest_findings).collect()
}

fn is_crate_manifest(path: &str) -> bool {
    matches!(path, "xtask/Cargo.toml" | "fuzz/Cargo.toml")
        || path.starts_with("crates/") && path.ends_with("/Cargo.toml")
}

fn manifest_findings(file: &TextFile) -> Vec<Finding> {
    let manifest: Table = match file.text.parse() {
        Ok(manifest) => manifest,
        Err(error) => return vec![Finding::new(&file.path, 1, format!("no manifest: {error}"))],
    };
    let name = manifest.get("package").and_then(|package| package.get("name")).and_then(Value::as_str);
    let name = name.unwrap_or_default();
    let Some(arrows) = ARROWS.iter().find(|arrows| arrows.name == name) else {
        return vec![Finding::new(&file.path, 1, format!("crate `{name}` is not in the table of arrows"))];
    };
    let mut findings = Vec::new();
    if !is_inherited(manifest.get("lints")) {
        findings.push(Finding::new(&file.path, 1, "it does not take the workspace's lints"));
    }
    for dependency in dependencies(&manifest) {
        let say = |message| Finding::new(&file.path, line_of(file, dependency.name), message);
        findings.extend(dependency_findings(arrows, &dependency).into_iter().map(say));
    }
    findings
}

fn dependency_findings(arrows: &Arrows, dependency: &Dependency<'_>) -> Vec<String> {
    let name = dependency.name;
    let mut messages = Vec::new();
    let is_ours = ARROWS.iter().any(|ours| ours.name == name);
    let for_tests =
        dependency.of_tests && TEST_ARROWS.iter().any(|(from, to, _)| (*from, *to) == (arrows.name, name));
    if is_ours && !arrows.may_import.contains(&name) && !for_tests {
        messages.push(format!("`{}` may not import `{name}`", arrows.name));
    }
    if arrows.forbidden.contains(&name) {
        messages.push(format!("`{name}` has no place in `{}`", arrows.name));
    }
    if !is_inherited(Some(dependency.value)) {
        messages.push(format!("`{name}` gives its own version or features: write `{name}.workspace = true`"));
    }
    messages
}

/// Whether a value is `workspace = true` and nothing else (`optional` aside).
fn is_inherited(value: Option<&Value>) -> bool {
    let Some(table) = value.and_then(Value::as_table) else { return false };
    table.get("workspace") == Some(&Value::Boolean(true))
        && table.keys().all(|key| matches!(key.as_str(), "workspace" | "optional"))
}

/// Every dependency, also those of `[target.'cfg(...)']`.
fn dependencies(manifest: &Table) -> Vec<Dependency<'_>> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let targets = targets.into_iter().flat_map(Table::values).filter_map(Value::as_table);
    let mut found = Vec::new();
    for table in targets.chain([manifest]) {
        for (key, of_tests) in DEPENDENCY_TABLES {
            let entries = table.get(key).and_then(Value::as_table).into_iter().flatten();
            found.extend(entries.map(|(name, value)| Dependency { name, value, of_tests }));
        }
    }
    found
}

fn line_of(file: &TextFile, name: &str) -> usize {
    let begins = |line: &str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['.', ' ', '=']));
    file.lines().find(|(_, line)| begins(line)).map_or(1, |(number, _)| number)
}
