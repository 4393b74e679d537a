"""Questions that are answered from here: the journal, the code tables, what was counted."""
