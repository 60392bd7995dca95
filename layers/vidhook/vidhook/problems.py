"""What goes wrong with a request of the HTTP API, as a problem document (RFC 9457), and the reading of its body."""

import json
from http import HTTPStatus
from typing import Any

from vidhook.errors import BadInput, NotFound, Refused

# A submission with all its metadata is smaller.
BODY_BYTES = 65_536


def problem(error: Exception) -> dict[str, Any]:
    """The problem document of an error. What is none of ours is a 500 that says nothing of our insides.

    `about:blank` is RFC 9457's word for a problem that its status says all of.
    """
    match error:
        case Refused():
            status, said = error.status, {"detail": error.detail, "hint": error.hint}
        case BadInput():
            said = {"detail": f"{error.field}: {error.problem}", "field": error.field, "hint": error.hint}
            status = HTTPStatus.UNPROCESSABLE_ENTITY
        case NotFound():
            status, said = HTTPStatus.NOT_FOUND, {"detail": str(error)}
        case _:
            status = HTTPStatus.INTERNAL_SERVER_ERROR
            said = {"detail": "this is our fault", "hint": "send the request again"}
    return {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": int(status), **said}


def parsed(text: str | None, content_type: str | None) -> Any:
    """A request's JSON. Raises Refused for what is no JSON, is not declared as such, or is too large."""
    if text is not None and len(text.encode("utf-8", "surrogatepass")) > BODY_BYTES:
        raise Refused(413, f"the body is over {BODY_BYTES} bytes", "store large values elsewhere and send a reference")
    if (content_type or "").partition(";")[0].strip().lower() != "application/json":
        raise Refused(415, "the body is not declared as JSON", "send content-type: application/json")
    try:
        value = json.loads(text or "")
        # What neither JSON nor UTF-8 can say (NaN, 1e999, half a surrogate pair) ends here, and is stored nowhere.
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        raise Refused(400, "the body is not JSON", "send one JSON object in UTF-8") from None
    return value
