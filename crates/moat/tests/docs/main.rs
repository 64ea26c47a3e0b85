//! The documentation is true: links lead somewhere, examples load, the ruleset that is explained is
//! the one that the kernel gets, and what is said to be tested is. Knows Markdown only as far as needed.

mod commands;
mod examples;
mod guarantees;
mod pages;
mod ruleset;
mod tables;
