"""From a file to a message."""
