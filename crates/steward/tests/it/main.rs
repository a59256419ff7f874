//! The program as its users meet it: processes, TLS, exit codes, pages in a browser.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper that fails is a test that fails")]

mod ahead;
mod api;
mod backup;
mod book;
mod browser;
mod brski;
mod control;
mod demo;
mod document;
mod fleet_pages;
mod full_disk;
mod gate;
mod help;
mod lab;
mod nat;
mod pages;
mod serve;
mod support;
mod words;
