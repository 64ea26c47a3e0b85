//! The life of real guests on real hypervisors under `moat agent`: what they send before, while and after they run, and
//! what of it anybody else gets to see.

mod cost;
mod demo;
mod documents;
mod ending;
mod host;
mod identity;
mod migrating;
mod running;
mod start;
mod travelling;
