"""The audit log: append-only rows, each with a hash over itself and the hash of the row before it."""
