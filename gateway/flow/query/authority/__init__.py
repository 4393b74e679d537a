"""Questions that an authority answers."""
