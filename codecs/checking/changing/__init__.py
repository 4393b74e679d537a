"""What a message changes of a document that is there."""
