"""What a message is held against besides its own fields and rules."""
