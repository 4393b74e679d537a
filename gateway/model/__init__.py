"""What everything speaks of: messages, documents, outcomes, and what can go wrong. Knows no other part."""
