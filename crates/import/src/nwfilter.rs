//! libvirt filters as profiles.
