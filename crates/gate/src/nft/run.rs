//! Running `nft`.
use super::{TABLE, comment};
use crate::limits::COMPLAINT_BYTES_MAX;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Output, Stdio};
use wire::plan::By;

/// The `nft` of this machine, or of one of its network namespaces.
#[derive(Clone, Debug)]
pub struct Nft {
    namespace: Option<String>,
}

impl Nft {
    /// In the namespace that we are in.
    pub fn here() -> Self {
        Self { namespace: None }
    }

    /// In the namespace of this name (`ip netns`).
    pub fn in_namespace(name: &str) -> Self {
        Self { namespace: Some(name.into()) }
    }

    /// Loads a ruleset: all of it, or nothing.
    ///
    /// # Errors
    /// [`NftFailed`], with the words of `nft`.
    pub fn load(&self, ruleset: &str) -> Result<(), NftFailed> {
        self.run(&["-f", "-"], ruleset).map(drop)
    }

    /// What the loaded rules counted.
    ///
    /// # Errors
    /// [`NftFailed`], also when nothing is loaded.
    pub fn counters(&self) -> Result<Counters, NftFailed> {
        let output = self.run(&["-j", "list", "table", "inet", TABLE], "")?;
        let listed: Value = serde_json::from_slice(&output.stdout)
            .map_err(|why| NftFailed::Refused(format!("its list is no JSON: {why}")))?;
        Ok(Counters::read(&listed))
    }

    /// The digests of the plans that are loaded, as the kernel keeps them, each once and in order.
    ///
    /// # Errors
    /// [`NftFailed`], also when nothing is loaded.
    pub fn digests(&self) -> Result<Vec<String>, NftFailed> {
        let output = self.run(&["-t", "list", "table", "inet", TABLE], "")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let found = text.lines().filter_map(|line| {
            let digest = line.trim().strip_prefix("comment \"plan ")?.strip_suffix('"')?;
            Some(digest.to_string())
        });
        let mut digests: Vec<String> = found.collect();
        digests.dedup();
        Ok(digests)
    }

    fn run(&self, arguments: &[&str], input: &str) -> Result<Output, NftFailed> {
        let mut command = match &self.namespace {
            None => Command::new("nft"),
            Some(namespace) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", namespace, "nft"]);
                command
            }
        };
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|why| NftFailed::NotRun(why.to_string()))?;
        // `nft` reads all of its input before it says anything; if it ends early, its own words tell why.
        let written = child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(input.as_bytes()));
        let output = child.wait_with_output().map_err(|why| NftFailed::NotRun(why.to_string()))?;
        if !output.status.success() {
            return Err(NftFailed::Refused(complaint(&output.stderr)));
        }
        written.map_err(|why| NftFailed::NotRun(why.to_string()))?;
        Ok(output)
    }
}

fn complaint(stderr: &[u8]) -> String {
    let kept = &stderr[..stderr.len().min(COMPLAINT_BYTES_MAX)];
    String::from_utf8_lossy(kept).trim().to_string()
}

/// How many packets the rules decided about, by their comments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters(BTreeMap<String, u64>);

impl Counters {
    /// How many packets `by` decided about for the device of the plan at `index`. Entries of the same
    /// id count together.
    pub fn of(&self, index: usize, by: &By) -> u64 {
        self.0.get(&comment(index, by)).copied().unwrap_or_default()
    }

    /// All of them together.
    pub fn sum(&self) -> u64 {
        self.0.values().sum()
    }

    fn read(listed: &Value) -> Self {
        let mut counters = BTreeMap::new();
        let items = listed["nftables"].as_array().into_iter().flatten();
        for rule in items.map(|item| &item["rule"]) {
            let Some(comment) = rule["comment"].as_str() else { continue };
            let expressions = rule["expr"].as_array().into_iter().flatten();
            let packets = expressions.filter_map(|it| it["counter"]["packets"].as_u64()).sum::<u64>();
            *counters.entry(comment.to_string()).or_default() += packets;
        }
        Self(counters)
    }
}

/// Why `nft` did not do what it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NftFailed {
    /// It could not be run: the environment lacks it.
    #[error("nft could not be run: {0}; install the package nftables, and be root")]
    NotRun(String),
    /// It refused: the kernel lacks something, we are not root, or the ruleset is wrong.
    #[error("nft refused: {0}")]
    Refused(String),
}
