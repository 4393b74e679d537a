"""What leaves, as bytes: the wire form, results, schemas."""
