"""The gateway: work loop, flow table, daemon, command line."""
