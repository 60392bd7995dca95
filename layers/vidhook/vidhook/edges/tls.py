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
