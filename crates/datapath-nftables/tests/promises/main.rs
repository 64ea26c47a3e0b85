//! The promises of the design, each with the tests that hold it to its word.
//!
//! | promise | tests |
//! |---|---|
//! | 1 fail closed | `atomicity::*`, `closed::*`; `differential` (every verdict) |
//! | 2 atomic | `atomicity::no_frame_gets_a_verdict_that_neither_version_gives`, `atomicity::killed_*` |
//! | 3 only the difference | `costs::a_change_costs_what_it_changes`; `roundtrip`, `differential` (second plans are empty) |
//! | 4 ours only | `atomicity::foreign_hands_are_noticed_and_mended` |
//! | 5 the switch is the truth | `atomicity::foreign_hands_are_noticed_and_mended`, `atomicity::killed_*` |
//! | 6 explain everything | `told::*`; `differential` (counters name what the evaluator says decided) |
//! | 7 nothing silently dropped | `told::what_the_kernel_lacks_is_refused_before_anything_changes` |

mod atomicity;
mod closed;
mod costs;
mod host;
mod learning;
mod told;
