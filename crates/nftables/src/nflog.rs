//! Packets that rules log to a netlink group: binds a group and reads what comes. Knows nothing of who logged.
