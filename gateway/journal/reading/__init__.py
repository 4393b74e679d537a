"""What may be asked of the journal: by a step, of given messages, and in all of it."""
