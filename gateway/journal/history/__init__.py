"""The history that proves every row, its anchor, and how both are verified."""
