"""What authorities say: who may say it, what it speaks of, what it moves."""
