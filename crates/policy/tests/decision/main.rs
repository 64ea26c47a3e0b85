//! What policies mean, by example: documents in, a frame in a line, a verdict and its reason out.

mod connections;
mod guards;
mod isolation;
mod learning;
mod levels;
mod rules;
mod world;
