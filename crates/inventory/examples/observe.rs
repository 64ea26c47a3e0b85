//! Prints the bridges of this host and what is in them, and how long asking took.

use std::time::Instant;

fn main() -> Result<(), inventory::ObserveError> {
    let start = Instant::now();
    let seen = inventory::observe()?;
    let took = start.elapsed();
    for (name, bridge) in &seen.bridges {
        println!(
            "{name} (index {}, VLAN filtering {})",
            bridge.ifindex, bridge.vlan_filtering
        );
        for (name, interface) in seen
            .interfaces
            .iter()
            .filter(|(_, port)| port.bridge == *name)
        {
            println!(
                "  {name} (index {}, pvid {:?})",
                interface.ifindex, interface.pvid
            );
        }
    }
    eprintln!("{} interfaces in {took:?}", seen.interfaces.len());
    Ok(())
}
