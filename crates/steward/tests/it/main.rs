//! The program as its users meet it: processes, TLS, exit codes, pages in a browser.
mod api;
mod browser;
mod demo;
mod document;
mod help;
mod pages;
mod serve;
mod support;
mod words;
