"""The work loop, and what keeps its threads going."""
