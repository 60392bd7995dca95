"""Polls AI video APIs, stores the finished video and notifies every subscriber with one signed webhook."""

__version__ = "0.1.0"
