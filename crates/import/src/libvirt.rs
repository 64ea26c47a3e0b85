//! libvirt domains and networks as claims.
