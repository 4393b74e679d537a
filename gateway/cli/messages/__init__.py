"""Commands about messages, documents and receipts: look at them, order what becomes of them."""
