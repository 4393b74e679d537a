"""Commands that make a home, its mailboxes, and run it."""
