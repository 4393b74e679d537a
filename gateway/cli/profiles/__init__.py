"""Commands about document types: show them, check files against them."""
