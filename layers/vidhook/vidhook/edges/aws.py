"""Makes the clients of AWS's services: with botocore, which boto3 brings, from one session.

boto3.client makes the same clients. But to import boto3 takes longer, for what no function uses: s3transfer,
multiprocessing, resources.
"""

import ssl
from contextlib import suppress
from functools import cache
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.httpsession import create_urllib3_context, get_cert_path


def client(service: str, **config: Any) -> Any:
    """Returns the client of an AWS service, from the usual settings; `config` are fields of botocore's Config."""
    made: Any = session().create_client(service, config=Config(**config))
    # botocore has no setting for this. In a version without these names each client has a context of its own:
    # slower, and as safe.
    with suppress(AttributeError):
        http = made._endpoint.http_session
        if http._verify:
            http._manager.connection_pool_kw["ssl_context"] = _tls(get_cert_path(http._verify))
    return made


@cache
def session() -> botocore.session.Session:
    """Returns the one session of this process: it reads AWS's endpoints and finds the credentials only once."""
    return botocore.session.get_session()


@cache
def _tls(bundle: str) -> ssl.SSLContext:
    """Returns botocore's usual TLS context, which has read this CA bundle and does not read it again.

    botocore makes one for each client, and for each connection has it read the bundle, which takes longer than the
    handshake.
    """
    context: ssl.SSLContext = create_urllib3_context()
    context.load_verify_locations = cache(context.load_verify_locations)  # type: ignore[assignment,method-assign]
    context.load_verify_locations(bundle, None, None)  # in the words of urllib3, so that it is the same call
    return context
