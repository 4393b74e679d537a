"""What leaves through a broker: replies to those who submitted through a queue, and events for whoever listens."""
