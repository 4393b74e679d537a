"""The demo: simulators and gateway beside it, every example through the drop folder."""
