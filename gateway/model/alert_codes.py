"""What alerts there are, by the codes under which the heartbeat, the alert file and people know them."""

_CODES = """
GW-A01 GW-A02 GW-A03 backlog broker business-clock calendar card certificate channel clock contradicted dead deadline disk
event-queue events held lane listener log mailbox month pressure process quarantined receipts replies reply-queue settings sms
station tables thread unknown-code
"""
ALERT_CODES = frozenset(_CODES.split())
