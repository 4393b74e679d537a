"""What lies on the disk: files that are whole at every moment, folders held open, names, rights, room, and who is alone in a home."""
