"""Signs requests to the HTTP API of a stack with credentials of AWS (Signature Version 4), so that IAM decides."""

from collections.abc import Mapping
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import NoCredentialsError


def signed(
    method: str, url: str, *, region: str, credentials: Any, headers: Mapping[str, str], body: bytes = b""
) -> dict[str, str]:
    """Returns the headers of a request with those of its signature.

    `credentials` are botocore's, and are renewed by it where they have expired. Raises what botocore raises for
    credentials that are missing or cannot be renewed.
    """
    if credentials is None:
        raise NoCredentialsError
    request = AWSRequest(method, url, headers=dict(headers), data=body)
    # All three parts at once: another thread may be renewing them.
    SigV4Auth(credentials.get_frozen_credentials(), "execute-api", region).add_auth(request)
    return {name: str(value) for name, value in request.headers.items()}
