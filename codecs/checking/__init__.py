"""A document type made ready to run, and messages held against it."""
