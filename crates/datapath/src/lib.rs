//! What every switch must do: capabilities, read, plan, commit, counters; and faults to inject.
