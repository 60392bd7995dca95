"""Problem documents (RFC 9457) for the errors of the HTTP API, and the parsing of request bodies."""

import json
from http import HTTPStatus
from typing import Any

from vidhook.errors import BadInput, Conflict, Erased, NotFound, Refused, RequestFailed

# The largest submission is smaller.
BODY_BYTES = 131_072


def problem(error: Exception) -> dict[str, Any]:
    """Returns the problem document of an error. An unexpected error becomes a 500 without internal details.

    `about:blank` is RFC 9457's type for a problem that its status describes fully.
    """
    members: dict[str, Any]
    match error:
        case Refused():
            status, members = error.status, {"detail": error.detail, "hint": error.hint}
        case BadInput():
            members = {"detail": f"{error.field}: {error.problem}", "field": error.field, "hint": error.hint}
            status = HTTPStatus.UNPROCESSABLE_ENTITY
            if isinstance(error, Conflict):
                status, members["differences"] = HTTPStatus.CONFLICT, error.differences
        case Erased():
            status, members = HTTPStatus.GONE, {"detail": str(error), "hint": "nothing of it can be had again"}
        case NotFound():
            status, members = HTTPStatus.NOT_FOUND, {"detail": str(error)}
        case RequestFailed():
            # Not a 5xx, which is our own fault and raises an alarm.
            hint = "try again later" if error.kind not in ("blocked", "redirect") else "look at the provider's file"
            status, members = HTTPStatus.FAILED_DEPENDENCY, {"detail": str(error), "kind": error.kind, "hint": hint}
        case _:
            status = HTTPStatus.INTERNAL_SERVER_ERROR
            members = {"detail": "vidhook failed to handle the request", "hint": "send the request again"}
    return {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": int(status), **members}


def parsed(text: str | None, content_type: str | None) -> Any:
    """Returns the JSON of a request. Raises Refused if it is not JSON, is not declared as JSON, or is too large."""
    if text is not None and len(text.encode("utf-8", "surrogatepass")) > BODY_BYTES:
        raise Refused(413, f"the body is over {BODY_BYTES} bytes", "store large values elsewhere and send a reference")
    if (content_type or "").partition(";")[0].strip().lower() != "application/json":
        raise Refused(415, "the body is not declared as JSON", "send content-type: application/json")
    try:
        value = json.loads(text or "")
        # Raises for what JSON cannot express (NaN, 1e999), so that it is never stored.
        json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError):
        raise Refused(400, "the body is not JSON", "send one JSON object in UTF-8") from None
    return value
