"""What comes through the queues of a broker."""
