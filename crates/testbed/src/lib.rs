//! For tests only: namespaces, raw frames, throw-away bridges and guests.
