//! A lab that stays, for people to walk around in. Knows how to tell them the way.

use std::{env, thread};

use super::body::Body;
use super::site::Site;

/// Says how to get in, and stays until the process is ended; with it everything goes.
pub(super) fn stay(site: &Site) -> ! {
    let moat = env::current_exe().unwrap_or_else(|_| "moat".into());
    let moat = moat.display();
    println!("The lab stays until Ctrl-C. From other terminals, as root:");
    println!();
    for host in &site.hosts {
        let name = host.name.as_deref().unwrap_or("host");
        let path = host.switch().namespace().path();
        println!(
            "  {name:<10} nsenter --net={} {moat} status",
            path.display()
        );
    }
    for resident in &site.machines {
        let Body::Namespace(machine) = &resident.machine else {
            continue;
        };
        let path = machine.namespace().path();
        println!(
            "  {:<10} nsenter --net={} bash",
            resident.name(),
            path.display()
        );
    }
    println!();
    loop {
        thread::park();
    }
}
