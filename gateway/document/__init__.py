"""How a document changes, what it adds to the statistics, and what is left of it: pure functions."""
