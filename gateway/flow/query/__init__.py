"""Questions, answered here or by an authority, and their results."""
