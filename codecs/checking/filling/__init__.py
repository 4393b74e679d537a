"""What the system sets of a content, and what a sender may leave out."""
