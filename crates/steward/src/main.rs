//! The one binary: a hub, the command line, the demo, and local tools that need no hub.
//!
//! `cli.rs` turns the table of operations into words; `call.rs` asks a hub (`remote.rs`) or a folder
//! (`local.rs`) and `print.rs` shows the answer; `serve.rs` is the hub's process, `backup.rs` its folder
//! as one file, `agent.rs` a device's process, `simulate.rs` worlds; `demo/` plays the story. Absent: rules, SQL, any room's name outside of `demo/`.
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod agent;
mod backup;
mod blob;
#[cfg(test)]
mod book;
mod call;
mod cli;
mod demo;
mod failure;
mod kill;
mod limits;
mod local;
mod log;
mod print;
mod remote;
mod serve;
mod settings;
mod simulate;
mod stop;
mod target;

fn main() -> std::process::ExitCode {
    cli::run()
}
