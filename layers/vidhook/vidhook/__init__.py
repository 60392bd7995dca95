"""Polls AI video APIs, stores the finished video and notifies every subscriber with one signed webhook."""

import gc
import os

__version__ = "0.1.0"
# What the servers that it asks and notifies see of it.
USER_AGENT = f"vidhook/{__version__}"

if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    # While a function loads nothing is garbage, and to look for it takes a seventh of the time. wiring.warm ends this.
    gc.disable()
