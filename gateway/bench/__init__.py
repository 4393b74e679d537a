"""This machine's rates."""
