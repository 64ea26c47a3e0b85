//! Ethernet frames as bytes: reads them as the kernel does and builds them. Knows nothing of policy.
