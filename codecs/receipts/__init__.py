"""Receipts taken apart, and what they do to a document."""
