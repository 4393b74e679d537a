"""What comes and what is said: packages, signatures, receipts, and faults on demand."""
