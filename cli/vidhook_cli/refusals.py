"""Says in one line what AWS refused, to whom, and what to do about it."""

import os

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    ReadTimeoutError,
)

SIGN_IN = "sign in again (`aws sso login`, or new keys), or choose another profile with AWS_PROFILE"
REGION = "set AWS_REGION to the stack's region"
# By the error codes of AWS's services: what is wrong, and the mend.
MENDS = {
    **dict.fromkeys(
        ("ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"),
        ("the credentials have expired", SIGN_IN),
    ),
    **dict.fromkeys(
        ("InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "InvalidSignatureException"),
        ("the credentials are not those of an account", SIGN_IN),
    ),
    **dict.fromkeys(
        ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"),
        ("not allowed", "give this identity the permission, or choose another profile with AWS_PROFILE"),
    ),
    **dict.fromkeys(
        ("Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException"),
        ("too many requests", "try again in a minute"),
    ),
}
LOCAL: dict[type[BotoCoreError], str] = {
    NoCredentialsError: "set AWS_PROFILE or AWS credentials, or AWS_ENDPOINT_URL for a sandbox",
    PartialCredentialsError: "set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
    ProfileNotFound: "`aws configure list-profiles` shows the profiles there are",
    NoRegionError: REGION,
    EndpointConnectionError: f"{REGION}; with AWS_ENDPOINT_URL, look whether the sandbox still runs",
    ConnectTimeoutError: "look at the network, and at AWS_ENDPOINT_URL if it is set",
    ReadTimeoutError: "try again",
}


def in_words(error: BaseException) -> str:
    """Returns one line: what was asked, what AWS answered, who asked if that is known, and the mend."""
    if isinstance(error, ClientError):
        answer = error.response.get("Error", {})
        code, said = answer.get("Code", "unknown error"), " ".join(answer.get("Message", "").split())
        problem, mend = MENDS.get(code, ("", ""))
        profile = os.environ.get("AWS_PROFILE", "default")
        who = "" if "arn:" in said or not problem else f" (profile {profile})"
        parts = [f"AWS refused {error.operation_name}{who}: {problem or code}", said, mend]
    else:
        mend = next((mend for kind, mend in LOCAL.items() if isinstance(error, kind)), "")
        parts = [" ".join(str(error).split()).rstrip("."), mend]
    return "; ".join(part for part in parts if part)
