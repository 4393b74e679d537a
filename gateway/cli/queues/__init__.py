"""What is typed about queues and events."""
