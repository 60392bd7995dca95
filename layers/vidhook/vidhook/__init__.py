"""Polls AI video APIs, keeps the finished video and tells every subscriber once, signed."""

__version__ = "0.1.0"
