"""The authorities as others would run them."""
