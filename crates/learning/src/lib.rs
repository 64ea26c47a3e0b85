//! Which addresses a port has shown to be its own, from the frames it sends and receives and the time.
//! A function of its inputs; catching frames and what an address permits are left to others.
