"""Cards, signatures and their verification; the only place with keys."""
