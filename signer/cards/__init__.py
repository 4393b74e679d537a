"""Cards: digests in, signatures out; a token works in a process of its own."""
