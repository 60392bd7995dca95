"""`vidhook trigger` against real receivers: what arrives is a webhook of vidhook, and the exit code says whether it was
accepted.
"""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from standardwebhooks import Webhook

from tests.integration.test_command import KEYS
from tests.integration.test_command_fuzz import WRONG, check
from tests.integration.world import Answer, Web
from vidhook import __version__
from vidhook.signature import new_secret
from vidhook_cli import show
from vidhook_cli.main import main
from vidhook_cli.trigger import TYPES

SAMPLES = Path(__file__).parents[2] / "events" / "webhooks"


@pytest.fixture
def url(web: Web) -> str:
    """Accepts everything."""
    return web.script("/hook", Answer(200, b"thank you"))


def run(*words: str, secret: str | None = None) -> Result:
    return CliRunner().invoke(main, ["trigger", *words], env={"VIDHOOK_SECRET": secret or new_secret()})


@pytest.mark.parametrize("event_type", TYPES)
def test_a_sample_of_every_type_arrives_signed_and_accepted(web: Web, url: str, event_type: str) -> None:
    """A receiver that verifies with the reference implementation cannot tell it from a real webhook."""
    secret = new_secret()
    result = run(event_type, url, secret=secret)
    assert result.exit_code == 0, result.output
    [asked] = web.asked
    event = Webhook(secret).verify(asked.body, asked.headers)
    assert event["type"] == event_type
    assert event["id"] == asked.headers["webhook-id"]
    assert asked.headers["user-agent"] == f"vidhook/{__version__}"
    assert asked.headers["content-type"] == "application/json"
    printed = json.loads(result.output)
    assert (printed["status"], printed["accepted"], printed["body"]) == (200, True, "thank you")
    assert printed["event_id"] == event["id"]
    assert printed["ms"] >= 0
    assert set(printed) == KEYS["trigger"]


@pytest.mark.parametrize(
    ("event_type", "known"),
    [
        ("video.completed", "video.completed-alad"),
        ("image.completed", "image.completed"),
        ("video.failed", "video.failed"),
        ("video.progress", "video.progress"),
        ("endpoint.test", "endpoint.test"),
    ],
)
def test_a_sample_has_the_keys_of_a_real_webhook(web: Web, url: str, event_type: str, known: str) -> None:
    """Code that is written with the samples must find the same in earnest."""
    run(event_type, url)
    real = json.loads((SAMPLES / known / "body.json").read_bytes())
    made = json.loads(web.asked[0].body)
    assert list(made) == list(real)
    assert list(made["data"]) == list(real["data"])
    for name in ("error", "watch"):
        assert list(made["data"].get(name) or {}) == list(real["data"].get(name) or {})
    for mine, theirs in zip(made["data"].get("assets", []), real["data"].get("assets", []), strict=True):
        assert list(mine) == list(theirs)


@pytest.mark.parametrize("event_type", TYPES)
def test_each_sample_has_an_id_of_its_own(web: Web, url: str, event_type: str) -> None:
    """A receiver deduplicates by the id, so a second try with the same one would do nothing."""
    run(event_type, url)
    run(event_type, url)
    assert len({asked.headers["webhook-id"] for asked in web.asked}) == 2


def test_metadata_is_in_the_event(web: Web, url: str) -> None:
    """A receiver finds its own record by the metadata."""
    assert run("video.completed", url, "--metadata", '{"order": "17"}').exit_code == 0
    assert json.loads(web.asked[0].body)["data"]["metadata"] == {"order": "17"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["video.complete"], 'did you mean "video.completed"?'),
        (["qqq"], "is not one of video.completed, video.failed"),
        (["video.failed", "--metadata", "{"], "is not JSON"),
        (["video.failed", "--metadata", "[1]"], "metadata: "),
        (["video.failed", "--metadata", '{"a": NaN}'], "NaN"),
        (["endpoint.test", "--metadata", "{}"], "has no metadata"),
        (["video.failed", "--allow", "10.0.0.0/99"], "--allow"),
        (["video.failed", "--ca-file", "/etc/hostname"], "only https has certificates"),
        (["video.failed", "--secret", "whsec_x"], "--secret"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else "",
)
def test_wrong_input_is_told_and_nothing_is_sent(web: Web, url: str, words: list[str], said: str) -> None:
    """The message names what is wrong, and how it should be."""
    result = run(words[0], url, *words[1:])
    assert result.exit_code in (1, 2)
    assert isinstance(result.exception, SystemExit)
    assert said in result.output
    assert web.asked == []


def test_a_file_without_certificates_is_told() -> None:
    """OpenSSL's own words name no file."""
    result = run("video.failed", "https://localhost:9/", "--ca-file", "/etc/hostname")
    assert result.exit_code == 2
    assert "/etc/hostname holds no certificates" in result.output


@pytest.mark.parametrize("option", ["--secret", "--metadata", "--allow", "--ca-file"])
def test_no_value_of_an_option_ends_in_a_traceback(option: str) -> None:
    """The fuzz over all commands stops at the type, which must be one of few."""
    for value in WRONG:
        words = ["video.failed", "http://127.0.0.1:9/", option, value]
        check(run(*words), words)


@pytest.mark.parametrize("status", [308, 401, 410, 500])
def test_an_answer_that_is_not_2xx_exits_with_1(web: Web, status: int) -> None:
    """A script learns from the exit code whether the endpoint took the event."""
    url = web.script("/hook", Answer(status, b"no\nthank you", {"location": "/elsewhere"}))
    result = run("video.completed", url)
    assert result.exit_code == 1
    printed = json.loads(result.output)
    assert (printed["status"], printed["accepted"], printed["body"]) == (status, False, "no thank you")
    assert len(web.asked) == 1


def test_an_endpoint_that_cannot_be_reached_is_told_with_the_reason() -> None:
    """The reason is that of the delivery log."""
    result = run("video.completed", "http://127.0.0.1:9/hook")
    assert result.exit_code == 1
    printed = json.loads(result.output)
    assert (printed["accepted"], printed["status"], printed["kind"]) == (False, None, "connect")
    assert "refused" in printed["detail"]


@pytest.mark.parametrize(
    "url", ["http://10.1.2.3/hook", "https://10.1.2.3/hook", "ftp://127.0.0.1/", "", "localhost:3000"]
)
def test_a_url_that_no_subscriber_may_have_is_refused_with_the_way_out(url: str) -> None:
    """A private network must be allowed, as for a deployed stack."""
    result = run("video.completed", url)
    assert result.exit_code == 2
    assert "--allow CIDR" in result.output


def test_the_secret_is_asked_for_and_never_shown(web: Web, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal it stays out of the shell's history and off the screen."""
    monkeypatch.setattr(show, "wants_json", lambda _: False)
    monkeypatch.delenv("VIDHOOK_SECRET", raising=False)
    secret = new_secret()
    result = CliRunner().invoke(main, ["trigger", "video.failed", url], input=f"{secret}\n")
    assert (result.exit_code, secret.removeprefix("whsec_") in result.output) == (0, False)
    assert Webhook(secret).verify(web.asked[0].body, web.asked[0].headers)
    assert "\n200 in " in result.output
    assert result.output.endswith(" ms: thank you\n")
