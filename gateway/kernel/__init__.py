"""The nouns and the one truth."""
