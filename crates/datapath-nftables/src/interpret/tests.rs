//! The interpreter against the kernel with random tables, and by itself where the kernel at hand cannot.

mod control;
mod expressions;
mod kernel;
mod random_set;
mod random_table;
mod tracked;
