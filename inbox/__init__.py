"""What comes in: drop folders, receipts from authorities, the calendar."""
