"""A small pipeline under faults: what drives it, what writes into it, and what judges it."""
