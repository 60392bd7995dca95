"""The console: a page to look at a stack and act on it, and the server on this machine that it comes from."""
