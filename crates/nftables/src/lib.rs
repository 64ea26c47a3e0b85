//! nf_tables over netlink: typed expressions, batches, dumps and monitoring. Knows nothing of ports or policy.
