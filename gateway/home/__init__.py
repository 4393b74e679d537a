"""How homes are made."""
