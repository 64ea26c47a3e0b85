//! Other people's formats as moat documents and claims. Knows what their words mean in moat's; reading
//! files and sockets, and doing something about it, are left to others.

pub mod hook;
pub mod libvirt;
pub mod nwfilter;
pub mod opennebula;
pub mod proxmox;
pub mod qemu;
pub mod xen;
