"""The TLS contexts of all connections, to AWS and to everybody else."""

import ssl
from functools import cache


@cache
def trusting(bundle: str) -> ssl.SSLContext:
    """Returns the one TLS context that trusts the authorities in this CA bundle, a file in PEM.

    To read a bundle takes longer than a handshake, and urllib3 does it again for every connection of botocore. So this
    context does not read its own bundle a second time.
    """
    context = ssl.create_default_context(cafile=bundle)
    load = context.load_verify_locations

    def load_others(cafile: str | None = None, capath: str | None = None, cadata: str | bytes | None = None) -> None:
        if (cafile, capath, cadata) != (bundle, None, None):
            load(cafile, capath, cadata)

    context.load_verify_locations = load_others  # type: ignore[assignment,method-assign]
    return context


def notice_cuts(context: ssl.SSLContext) -> None:
    """Makes connections of this context tell an end that the other side announced from one that it did not.

    Before Python 3.11.3 the `ssl` module has OpenSSL 3 report both alike (gh-95494), so that a body that was cut would
    pass as whole.
    """
    context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)


def is_cut(error: ssl.SSLError) -> bool:
    """Returns whether the connection ended without the announcement; older Pythons have no class for that."""
    return isinstance(error, ssl.SSLEOFError) or error.reason == "UNEXPECTED_EOF_WHILE_READING"
