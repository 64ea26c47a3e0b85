//! Against the running kernel, each test in a network namespace of its own, with nft as an independent judge.

mod changes;
mod expressions;
mod sets;
mod support;
mod tracking;
mod watching;
