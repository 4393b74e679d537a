"""The connection to the broker: the only place that knows the library behind it (kombu), its errors and its traps.

Promises: what `publish` says is confirmed the broker has for good; a message stays the broker's until it is acknowledged; a broker that
falls silent is noticed after two heartbeats, one that hangs in an answer after `[broker] timeout`, and neither is waited for to say
good-bye; no text and no log shows a password.
"""
