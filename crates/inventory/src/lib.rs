//! Which ports exist on this host right now, as the kernel sees them.
