"""The table of moves: which step takes a message from which state, in which lane.

```
            read            seal            send             settle
 received ─────▶ checked ─────▶ sealed ─────▶ sent ─────▶ accepted | rejected
     │              └──── ask (a question to the authority) ────▶ accepted | rejected
     ├──────────── desk operation (no card, no wire) ───────────▶ accepted
     ├─▶ refused, held, stopped
 a receipt:  received ──verify──▶ verified ──settle──▶ settled | unmatched | quarantined
```
"""
