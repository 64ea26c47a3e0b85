//! Lowers a host program to one nftables table on a Linux bridge, reads it back and changes only the difference.

pub mod interpret;
