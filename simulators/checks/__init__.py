"""What a document is held against before it is taken, or before a receipt is issued."""
