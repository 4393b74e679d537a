"""Tongguan 通关: a headless gateway between enterprises and the Single Window's authorities."""

__version__ = "0.1.0"
