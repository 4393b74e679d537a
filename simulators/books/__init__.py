"""What an authority keeps, and the questions that are answered from it."""
