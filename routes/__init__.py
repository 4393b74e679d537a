"""Where an operation goes and how."""
