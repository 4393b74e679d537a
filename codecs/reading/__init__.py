"""What was sent, taken apart: XML, JSON, ZIP, their frames and attachments."""
