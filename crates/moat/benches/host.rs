//! One host's speed: control plane, frames, broadcasts and memory, beside what people use today,
//! measured in the same run. `make bench` builds it, installs what it calls, and runs it as root.
//!
//! Nothing here asserts a time: bars that are missed are named at the end. What is counted instead of
//! timed (a reconcile with nothing to do writes nothing, one port sends its own elements) is asserted.

#[path = "host/broadcasts.rs"]
mod broadcasts;
#[path = "host/control.rs"]
mod control;
#[path = "host/documents.rs"]
mod documents;
#[path = "host/frames.rs"]
mod frames;
#[path = "host/life.rs"]
mod life;
#[path = "host/memory.rs"]
mod memory;
#[path = "host/peers.rs"]
mod peers;
#[path = "host/start.rs"]
mod start;
#[path = "host/table.rs"]
mod table;

use table::Table;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let asked: Vec<String> = arguments.by_ref().filter(|one| one != "--bench").collect();
    if let [word, folder] = asked.as_slice()
        && word == memory::CHILD
    {
        return memory::child(folder);
    }
    let wanted = |part: &str| asked.is_empty() || asked.iter().any(|one| one == part);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    println!("Linux {}, {cpus} CPUs", kernel.trim());
    let mut table = Table::default();
    if wanted("control") {
        control::measure(&mut table);
    }
    if wanted("processes") {
        memory::measure(&mut table);
    }
    if wanted("frames") {
        frames::measure(&mut table);
    }
    if wanted("broadcasts") {
        broadcasts::measure(&mut table);
    }
    if wanted("life") {
        life::measure(&mut table);
    }
    if wanted("start") {
        start::measure(&mut table);
    }
    println!();
    for missed in &table.missed {
        println!("missed: {missed}");
    }
}
