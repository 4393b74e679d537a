"""What a gateway watches while it runs: lanes, receipts, deadlines, room, and what was replaced beside it."""
