"""What must be right before a gateway starts, or takes up other settings."""
