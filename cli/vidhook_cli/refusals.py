"""Says in one line what AWS refused, to whom, and what to do about it."""

import os

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectionError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    InvalidRegionError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
    ReadTimeoutError,
    SSOError,
)

from vidhook_cli.show import without_login

SIGN_IN = "sign in again (`aws sso login`, or new keys), or choose another identity with --profile"
REGION = "give --region, or set AWS_REGION, to the stack's region"
IDENTITY = "look at where the profile gets its credentials from, or choose another identity with --profile"
ENDPOINT = "write AWS_ENDPOINT_URL like http://127.0.0.1:4566, and so the endpoint of a single service"
NETWORK = "look at the network, and at AWS_ENDPOINT_URL if it is set"
# By the error codes of AWS's services: what is wrong, and the mend.
MENDS = {
    **dict.fromkeys(
        ("ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"),
        ("the credentials have expired", SIGN_IN),
    ),
    **dict.fromkeys(
        (
            "InvalidClientTokenId",
            "UnrecognizedClientException",
            "SignatureDoesNotMatch",
            "InvalidSignatureException",
            "InvalidAccessKeyId",
            "AuthFailure",
            "IncompleteSignature",
            "MissingAuthenticationToken",
        ),
        ("the credentials are not those of an account", SIGN_IN),
    ),
    **dict.fromkeys(
        (
            "AccessDenied",
            "AccessDeniedException",
            "UnauthorizedOperation",
            "AuthorizationError",
            "KMSAccessDeniedException",
            "NotAuthorized",
            "403",  # an answer to HEAD has no other code than its status
        ),
        ("not allowed", "give this identity the permission, or choose another identity with --profile"),
    ),
    **dict.fromkeys(
        ("OptInRequired", "SubscriptionRequiredException"),
        (
            "the account may not use this service here",
            "look at the region, and at the account's state in AWS's console",
        ),
    ),
    **dict.fromkeys(
        ("Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException"),
        ("too many requests", "try again in a minute"),
    ),
}
LOCAL: dict[type[BotoCoreError], str] = {
    NoCredentialsError: "give --profile, set AWS credentials, or AWS_ENDPOINT_URL for a sandbox",
    PartialCredentialsError: "set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give --profile",
    ProfileNotFound: "`aws configure list-profiles` shows the profiles there are",
    NoRegionError: REGION,
    InvalidRegionError: REGION,
    EndpointConnectionError: f"{REGION}; with AWS_ENDPOINT_URL, look whether the sandbox still runs",
    ConnectTimeoutError: NETWORK,
    ReadTimeoutError: f"{NETWORK}; else try again",
    ConnectionClosedError: NETWORK,
    CredentialRetrievalError: IDENTITY,
    SSOError: SIGN_IN,
    ConnectionError: NETWORK,  # what the lines above do not name
    HTTPClientError: NETWORK,
    ParamValidationError: "",  # an argument is wrong, no setting
    BotoCoreError: "look at AWS's settings: the profile in ~/.aws/config, and the variables that begin with AWS_",
}


def in_words(error: BaseException, profile: str | None = None) -> str:
    """Returns one line: what was asked, what AWS answered, who asked if that is known, and the mend."""
    return "; ".join(part for part in said_and_mend(error, profile) if part)


def said_and_mend(error: BaseException, profile: str | None = None) -> tuple[str, str]:
    """Returns the two halves of `in_words`: what is wrong, and the mend, which may be empty."""
    if isinstance(error, ClientError):
        answer = error.response.get("Error", {})
        code, said = answer.get("Code", "unknown error"), " ".join((answer.get("Message") or "").split())
        problem, mend = MENDS.get(code, ("", ""))
        profile = profile or os.environ.get("AWS_PROFILE")
        who = f" (profile {profile})" if profile and problem and "arn:" not in said else ""
        parts = [f"AWS refused {error.operation_name}{who}: {problem or code}", said.rstrip(".")]
        said = "; ".join(part for part in parts if part)
    elif "Invalid header value" in str(error):  # which it shows
        said, mend = "the credentials hold a line break, or another sign that they cannot have", "set them anew"
    else:
        said, mend = _met(error), _mend(error)
    return without_login(said), mend


def _met(error: BaseException) -> str:
    """Returns what the SDK met: in the network, in its settings, or on this machine."""
    said = str(error) or type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        said = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join(said.split()).rstrip(".")


def _mend(error: BaseException) -> str:
    if type(error).__name__ == "ResponseParserError":
        return "the answer is not AWS's: look at AWS_ENDPOINT_URL, and whether the network asks for a login"
    if not isinstance(error, BotoCoreError):
        return ENDPOINT if "endpoint" in str(error) else IDENTITY
    return next((mend for kind, mend in LOCAL.items() if isinstance(error, kind)), "")
