"""Every error that vidhook raises. The answers of providers and subscribers are data, not errors.

VidhookError
  BadInput            correct the input: `field`, `problem` and `hint` say how
    BadSubmission     ... a submission
      Conflict        ... that contradicts the first submission of the same task
    BadProviderFile   ... a provider's TOML file
    BadSubscriber     ... a subscriber's URL, filter or secret
  Refused             a request cannot be taken: its form is wrong, or the current state does not allow it
  NotFound            it is not in the ledger (any more)
    Erased            ... since somebody has erased the task
  LostRace            a conditional write found that another execution wrote first
  RequestFailed       an outbound request got no complete answer; try again later, `kind` says what broke
    DnsFailed ConnectFailed TimedOut TlsFailed ConnectionReset ProtocolBroken TooLarge
    Blocked           do not try the same URL again: its address or its scheme is not allowed
    BadRedirect       a redirect that may not be followed
  BrokenDownload      the file that arrived is not the file that was announced; store it again
    BadStatus         ... the source's host refuses it
    StoreFault        ... vidhook itself could not store it
    NotTheFile        ... not the video or the image: an error page, a placeholder
      Playlist        ... a list of pieces; it will be so again, so do not try again
    SourceChanged     ... another file than the one whose beginning is stored; begin anew
  OutOfTime           the time is spent; what is stored so far is kept, so go on in the next invocation
"""

from typing import Any, ClassVar

from vidhook.texts import shown

# The most bytes of each part of an input's error. Others choose the names of fields, and values are repeated.
FIELD_BYTES, PROBLEM_BYTES, HINT_BYTES = 200, 4_096, 2_048


class VidhookError(Exception):
    """The base class of all errors of vidhook."""


class BadInput(VidhookError):
    """An input is wrong. The text names the field, the value's problem and a hint.

    What the input's author wrote is escaped and cut, so that logs, queues, terminals and JSON take the text.
    """

    def __init__(self, field: str, problem: str, hint: str = "") -> None:
        self.field, self.problem = shown(field, FIELD_BYTES), shown(problem, PROBLEM_BYTES)
        self.hint = shown(hint, HINT_BYTES)
        super().__init__(f"{self.field}: {self.problem}" + (f"; {self.hint}" if hint else ""))


class BadSubmission(BadInput):
    """A submission cannot be accepted."""


class Conflict(BadSubmission):
    """A submission contradicts the first one of its task. `differences`: each `field`, with its `known` and `given`."""

    def __init__(self, field: str, problem: str, hint: str, differences: list[dict[str, Any]]) -> None:
        super().__init__(field, problem, hint)
        self.differences = differences


class BadProviderFile(BadInput):
    """A provider's TOML file cannot be used.

    place: the key, such as `[answer].status`, empty where it is about the whole file; path: the keys that lead to it.
    """

    def __init__(
        self, where: str, problem: str, hint: str = "", *, place: str = "", path: tuple[str, ...] = ()
    ) -> None:
        super().__init__(f"{where}: {place}" if place else where, problem, hint)
        self.place, self.path = shown(place, FIELD_BYTES), path


class BadSubscriber(BadInput):
    """A subscriber cannot be added or changed like this."""


class Refused(VidhookError):
    """A request cannot be taken, for its form or in the current state: the HTTP status, the reason and a hint."""

    def __init__(self, status: int, detail: str, hint: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(f"{detail}; {hint}")
        self.status, self.detail, self.hint, self.headers = status, detail, hint, headers or {}


class NotFound(VidhookError):
    """It does not exist, or no longer."""


class Erased(NotFound):
    """The task of this id was erased at this instant, which the text gives too."""

    def __init__(self, text: str, task: str, at: float) -> None:
        super().__init__(text)
        self.task, self.at = task, at


class LostRace(VidhookError):
    """The condition of a write did not hold: another execution wrote first."""


class RequestFailed(VidhookError):
    """An outbound request got no complete answer. `kind` is its value of `AttemptKind` in the delivery log.

    The text is safe to show to the owner of the URL: it contains no query string and no address that a name resolved
    to. `detail` is for operators only. `status`, `address`, `tls_version` and `timings` (milliseconds) say how far it
    got, `sent` whether the server may have received anything of the request.
    """

    kind: ClassVar[str] = "protocol"

    def __init__(self, message: str, *, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail
        self.status: int | None = None
        self.sent = False
        self.address: str | None = None
        self.tls_version: str | None = None
        self.timings: dict[str, float] = {}


class TokenFailed(RequestFailed):
    """The server that makes tokens of a provider's key is down, so nothing was sent to the provider."""

    kind = "token"


class DnsFailed(RequestFailed):
    kind = "dns"


class ConnectFailed(RequestFailed):
    kind = "connect"


class TimedOut(RequestFailed):
    kind = "timeout"


class TlsFailed(RequestFailed):
    kind = "tls"


class ConnectionReset(RequestFailed):
    kind = "reset"


class ProtocolBroken(RequestFailed):
    kind = "protocol"


class TooLarge(RequestFailed):
    kind = "too_large"


class Blocked(RequestFailed):
    kind = "blocked"


class BadRedirect(RequestFailed):
    kind = "redirect"


class BrokenDownload(VidhookError):
    """A downloaded file is shorter, longer or of another type than its source said.

    As that of RequestFailed, the text is safe to show to everybody, and `kind` says what was wrong.
    """

    kind: ClassVar[str] = "broken"


class BadStatus(BrokenDownload):
    """The link answers with a status that gives no file."""

    kind = "status"


class StoreFault(BrokenDownload):
    """Vidhook itself could not store a file, such as for an error of S3."""

    kind = "fault"


class NotTheFile(BrokenDownload):
    """The link gives a file, but not the video or the image that was made."""

    kind = "content"


class Playlist(NotTheFile):
    """The link gives a playlist of HLS or DASH, which is no film."""

    kind = "playlist"


class SourceChanged(BrokenDownload):
    """The source is no longer the file whose beginning was read, or gives no part of it any more."""


class OutOfTime(VidhookError):
    """The time is spent before all was done; what was done counts. The next invocation goes on storing a file there."""
