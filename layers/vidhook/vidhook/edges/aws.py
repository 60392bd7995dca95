"""Makes the clients of AWS's services: with botocore, which boto3 brings, from one session.

boto3.client makes the same clients. But to import boto3 takes longer, for what no function uses: s3transfer,
multiprocessing, resources.
"""

from contextlib import suppress
from functools import cache
from threading import Lock
from typing import Any

import botocore
import botocore.session
from botocore.config import Config
from botocore.httpsession import get_cert_path

from vidhook import __version__
from vidhook.edges.tls import trusting

# botocore's sessions are not for several threads, and a client may be made when a thread first needs it.
# https://docs.aws.amazon.com/boto3/latest/guide/session.html#multithreading-or-multiprocessing-with-sessions
ONE_AT_A_TIME = Lock()
USER_AGENT = f"vidhook/{__version__} Botocore/{botocore.__version__}"


def client(service: str, **config: Any) -> Any:
    """Returns the client of an AWS service, from the usual settings; `config` are fields of botocore's Config."""
    # A quarter of what botocore does for a request is to check its parameters, as AWS does too, and to describe this
    # machine anew.
    lighter = Config(parameter_validation=False, user_agent=USER_AGENT)
    with ONE_AT_A_TIME:
        made: Any = session().create_client(service, config=lighter.merge(Config(**config)))
        # A client makes the classes of its errors when it first needs them. Two threads would make two of each, and an
        # `except` of the one would not catch the other.
        _ = made.exceptions
    # botocore has no setting for this. In a version without these names, or with a CA bundle of the user's own, each
    # client has a context of its own, which reads the bundle for each connection: slower, and as safe.
    with suppress(AttributeError):
        http = made._endpoint.http_session
        if http._verify is True:
            http._manager.connection_pool_kw["ssl_context"] = trusting(get_cert_path(True))
    return made


@cache
def session() -> botocore.session.Session:
    """Returns the one session of this process: it reads AWS's endpoints and finds the credentials only once."""
    return botocore.session.get_session()
