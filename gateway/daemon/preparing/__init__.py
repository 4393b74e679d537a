"""Processes that decide hands of files beside the gateway's own."""
