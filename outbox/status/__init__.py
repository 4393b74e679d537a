"""What an enterprise sees of its messages: status files, index and answers, by one thread a mailbox."""
