"""How cards are, and what is told of them."""
