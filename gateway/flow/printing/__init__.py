"""Forms and results on paper."""
