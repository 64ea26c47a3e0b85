//! OpenFlow as bytes, values and text, and the state of one connection. What flows mean is left to others.
