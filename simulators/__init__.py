"""The authorities as others would run them: MOFCOM and customs, each a server of its own with its own books.

They import nothing of the gateway, so that they cannot share its mistakes; what belongs to a document type they read as data
from ``replies.toml`` of its profile folder.
"""
