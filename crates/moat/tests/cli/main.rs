//! The real binary, run as people run it: in network namespaces with bridges and ports of their own.

mod applying;
mod certificates;
mod confirming;
mod documents;
mod drivers;
mod hooks;
mod host;
mod importing;
mod keeping;
mod openflow;
mod openvswitch;
mod resuming;
mod serving;
mod tracing;
mod vlans;
