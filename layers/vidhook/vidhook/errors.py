"""Every error vidhook raises. What a provider or a subscriber answers is data, not one of these.

VidhookError
  BadInput            correct the input: `field`, `problem` and `hint` say how
    BadSubmission     ... what was handed to submit_task
    BadProviderFile   ... a provider's TOML file
    BadSubscriber     ... a subscriber's URL, filter or secret
  Refused             an HTTP request that HTTP itself, or the state of things, forbids
  NotFound            it is not in the ledger (any more)
  LostRace            a conditional write found that another execution wrote first
  RequestFailed       an outbound request got no whole answer; try again later, `kind` says what broke
    DnsFailed ConnectFailed TimedOut TlsFailed ConnectionReset ProtocolBroken TooLarge
    Blocked           never try again as it is: the address or the scheme is not allowed
    BadRedirect       a redirect that may not be followed
  BrokenDownload      the video that arrived is not the video that was announced; store it again
"""

from typing import ClassVar


class VidhookError(Exception):
    """The root: catch this to catch all of ours."""


class BadInput(VidhookError):
    """Somebody's input is wrong. The text names the field, the value's problem and a hint."""

    def __init__(self, field: str, problem: str, hint: str = "") -> None:
        self.field, self.problem, self.hint = field, problem, hint
        super().__init__(f"{field}: {problem}" + (f"; {hint}" if hint else ""))


class BadSubmission(BadInput):
    """What was handed to submit_task cannot become a watch."""


class BadProviderFile(BadInput):
    """A provider's TOML file cannot be used."""


class BadSubscriber(BadInput):
    """A subscriber cannot be added or changed like this."""


class Refused(VidhookError):
    """An HTTP request that HTTP itself, or the state of things, forbids: the status, why, and a hint."""

    def __init__(self, status: int, detail: str, hint: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.hint, self.headers = status, detail, hint, headers or {}


class NotFound(VidhookError):
    """It is not in the ledger, or no longer."""


class LostRace(VidhookError):
    """The condition of a write did not hold: another execution wrote first."""


class RequestFailed(VidhookError):
    """An outbound request that got no whole answer. `kind` is its value of `AttemptKind` in the delivery log.

    The text is safe to show to whoever owns the URL: it names no address that a name resolved to and no query string.
    `detail` is for the operator alone. `address`, `tls_version` and `timings` (milliseconds) say how far it got.
    """

    kind: ClassVar[str] = "protocol"

    def __init__(self, message: str, *, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail
        self.address: str | None = None
        self.tls_version: str | None = None
        self.timings: dict[str, float] = {}


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
    """What was downloaded is shorter, longer or of another type than its source said."""
