"""The process: what it is made of, what it watches, and what must be right before it starts."""
