"""From a message to the authority: checked, signed, sent."""
