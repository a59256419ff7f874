//! `cargo xtask bench house`: figures of the whole, each with how often it was measured. No test.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::folder::Folder;
use crate::{demo, licences, postgres, programs, usage_error};

/// Devices of the hub that is asked.
const DEVICES: u32 = 100_000;

/// How often a page or a count is asked for.
const REQUESTS: usize = 500;

/// How often a hub is started, and the demo of each size is played.
const STARTS: usize = 5;
const DEMOS: usize = 3;

/// How long after its start an idle hub's memory is read.
const IDLE_SECONDS: u64 = 5;

/// The word `bench`.
pub fn main(arguments: &[String]) -> ExitCode {
    match arguments {
        [name] if name == "house" => {}
        _ => return usage_error("bench knows `house`"),
    }
    match house() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn house() -> Result<(), String> {
    let root = programs::workspace_root()?;
    std::env::set_current_dir(&root).map_err(|error| format!("{}: {error}", root.display()))?;
    print_load("at the start");
    licences::check()?;
    transitions()?;
    print_load("after the transitions");
    let target = Folder::new("bench-target")?;
    let steward = build(&target.0)?;
    large_hub(&steward)?;
    print_load("before the demos");
    for devices in [20, 200] {
        let mut walls = Vec::new();
        for _ in 0..DEMOS {
            let mut command = demo::command(&steward, &["--devices", &devices.to_string()]);
            let summary = demo::play(command.stderr(Stdio::null()), devices)?;
            walls.push(summary["wall_s"].as_f64().unwrap_or(f64::NAN));
        }
        println!("headless demo of {devices} devices: {}", told(walls, "s"));
    }
    print_load("at the end");
    Ok(())
}

/// What else the machine had to do: its load of one, five and fifteen minutes.
fn print_load(when: &str) {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load {when}: {}", load.trim());
}

/// Figures in words. A p99 of fewer than a hundred is the worst of them.
fn told(mut figures: Vec<f64>, unit: &str) -> String {
    figures.sort_by(f64::total_cmp);
    let at = |percent: usize| figures.get(figures.len() * percent / 100).copied().unwrap_or(f64::NAN);
    format!("median {:.2} {unit}, p99 {:.2} {unit} (n={})", at(50), at(99), figures.len())
}

/// Builds the program from nothing but what cargo has downloaded.
fn build(target: &Path) -> Result<PathBuf, String> {
    let begin = Instant::now();
    let mut command = programs::cargo();
    programs::run(command.args(["build", "--release", "-q"]).env("CARGO_TARGET_DIR", target))?;
    println!("clean release build: {:.0} s (n=1)", begin.elapsed().as_secs_f64());
    Ok(target.join("release").join("steward"))
}

fn bench(words: &[&str]) -> Command {
    let mut command = programs::cargo();
    command.args(["bench", "-q", "-p", "store", "--bench", "transitions", "--"]).args(words);
    command
}

fn transitions() -> Result<(), String> {
    let server = programs::find("initdb").map(|_| postgres::Server::start_durable()).transpose()?;
    let mut command = bench(&[]);
    if let Some(server) = &server {
        command.env("STEWARD_BENCH_POSTGRES", server.connection());
    }
    for line in programs::output(&mut command)?.lines() {
        let figure: Value = serde_json::from_str(line).map_err(|error| format!("{line}: {error}"))?;
        println!(
            "journalled transitions, {}, batches of {}: {}/s; bare inserts {}/s; ratio {} (medians of {} turns, n={}); \
             a batch: median {:.2} ms, p99 {:.2} ms",
            figure["engine"].as_str().unwrap_or_default(),
            figure["batch"],
            figure["transitions_per_s"],
            figure["bare_inserts_per_s"],
            figure["ratio"],
            figure["rounds"],
            figure["n"],
            figure["batch_ms_median"].as_f64().unwrap_or(f64::NAN),
            figure["batch_ms_p99"].as_f64().unwrap_or(f64::NAN),
        );
    }
    Ok(())
}

fn large_hub(steward: &Path) -> Result<(), String> {
    let folder = Folder::new("bench-hub")?;
    let database = folder.0.join("state.db").display().to_string();
    programs::run(&mut bench(&["fill", &database, &DEVICES.to_string()]))?;
    let (mut starts, mut memory) = (Vec::new(), Vec::new());
    let mut hub = loop {
        let begin = Instant::now();
        let mut hub = Hub::start(steward, &folder.0)?;
        starts.push(begin.elapsed().as_secs_f64() * 1000.0);
        std::thread::park_timeout(Duration::from_secs(IDLE_SECONDS));
        memory.push(hub.rss_bytes()? as f64 / 1e6);
        if starts.len() == STARTS {
            break hub;
        }
        hub.end()?;
    };
    println!("start of a hub with {DEVICES} devices to its first answer: {}", told(starts, "ms"));
    println!("its memory, idle: {}", told(memory, "MB"));
    for (what, target) in [("list page of 50", "device/list?limit=50"), ("count by stage", "device/count")] {
        println!("{what} at {DEVICES} devices, one connection: {}", told(hub.times(target)?, "ms"));
    }
    hub.end()
}

/// A hub that is asked by curl.
struct Hub {
    child: Child,
    ready: Value,
    folder: PathBuf,
}

impl Hub {
    fn start(steward: &Path, folder: &Path) -> Result<Self, String> {
        let mut child = Command::new(steward)
            .args(["serve", "--until-input-ends", "--data"])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{}: {error}", steward.display()))?;
        let mut line = String::new();
        // The hub announces itself when it has answered its own first request.
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut line).map_err(|error| error.to_string())?;
        }
        let ready =
            fs::read_to_string(folder.join("ready.json")).map_err(|error| format!("no ready-file: {error}"));
        let ready = ready.and_then(|text| serde_json::from_str(&text).map_err(|error| error.to_string()));
        match ready {
            Ok(ready) => Ok(Hub { child, ready, folder: folder.to_owned() }),
            Err(error) => {
                let _ = child.kill();
                Err(error)
            }
        }
    }

    fn rss_bytes(&self) -> Result<u64, String> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.map_err(|error| error.to_string())?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        let kilobytes: u64 =
            line.trim().trim_end_matches(" kB").parse().map_err(|_| "no VmRSS".to_owned())?;
        Ok(kilobytes * 1024)
    }

    /// How long each of [`REQUESTS`] requests took, in milliseconds.
    fn times(&self, target: &str) -> Result<Vec<f64>, String> {
        let text = |key: &str| self.ready[key].as_str().unwrap_or_default().to_owned();
        let url = format!("{}/api/v1/{target}", text("people"));
        let mut config =
            format!("cacert = \"{}\"\nheader = \"Authorization: Bearer {}\"\n", text("ca"), text("token"));
        config.push_str("silent\nfail\nwrite-out = \"%{stderr}%{time_total}\\n\"\n");
        config.push_str(&format!("url = \"{url}\"\n").repeat(REQUESTS));
        let file = self.folder.join("curl.config");
        fs::write(&file, config).map_err(|error| error.to_string())?;
        let output = Command::new("curl").arg("-K").arg(&file).output().map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(format!("curl ended with {}", output.status));
        }
        let times = String::from_utf8_lossy(&output.stderr);
        Ok(times
            .lines()
            .filter_map(|line| line.parse::<f64>().ok())
            .map(|seconds| seconds * 1000.0)
            .collect())
    }

    fn end(&mut self) -> Result<(), String> {
        drop(self.child.stdin.take());
        let status = self.child.wait().map_err(|error| error.to_string())?;
        if status.success() { Ok(()) } else { Err(format!("the hub ended with {status}")) }
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        // It has usually ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
