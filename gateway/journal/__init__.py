"""The one durable truth."""
