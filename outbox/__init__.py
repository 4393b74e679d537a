"""What leaves for the enterprise: answers, status files, alerts."""
