//! A guest that invents addresses while others come and go.
