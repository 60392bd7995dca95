"""`vidhook read` and `vidhook providers`, as a person or a script runs them."""

import inspect
import json
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner, Result

from vidhook.edges.ledger import Ledger
from vidhook.edges.ledger.providers import ProviderFiles
from vidhook.providers.file import BUNDLED, bundled_text
from vidhook.wiring import Edges
from vidhook_cli.main import main
from vidhook_cli.stack import Stack

# click 8.1 mixes standard error into `stdout` unless told not to; later ones never do and have no such option.
APART: dict[str, Any] = {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner).parameters else {}
RUNNING = {"id": "video_1", "object": "video", "status": "in_progress", "progress": 40}
ARN = "arn:aws:cloudformation:us-east-1:123456789012:stack/vidhook/1"
DONE = RUNNING | {"status": "completed"}


def run(*arguments: object, stdin: str | None = None) -> Result:
    return CliRunner(**APART).invoke(main, [str(argument) for argument in arguments], input=stdin)


def exchange(body: object = RUNNING, **more: Any) -> dict[str, Any]:
    return {"provider": "infinityblue", "status": 200, "body": body} | more


def one(recorded: object) -> dict[str, Any]:
    result = run("read", "-", stdin=json.dumps(recorded))
    assert result.exit_code == 0, result.output
    line: dict[str, Any] = json.loads(result.stdout)
    return line


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([exchange(), exchange(DONE)]),
        json.dumps([exchange(), exchange(DONE)], indent=2),
        json.dumps(exchange()) + "\n\n" + json.dumps(exchange(DONE)) + "\n",
        "\ufeff" + json.dumps({"exchange": exchange(), "reading": {}}) + "\r\n" + json.dumps(exchange(DONE)),
    ],
    ids=["array", "pretty array", "lines", "sample and line"],
)
def test_a_file_may_be_an_array_or_lines(text: str) -> None:
    """The command prints one JSON line for each exchange, in order and in ASCII."""
    result = run("read", "-", stdin=text)
    assert result.exit_code == 0
    assert [json.loads(line)["status"] for line in result.stdout.splitlines()] == ["processing", "completed"]
    assert result.stdout.isascii()


def test_several_files_are_read_in_order(tmp_path: Path) -> None:
    """The names of several files can be given, as a shell's * gives them."""
    for name, body in (("a", RUNNING), ("b", DONE)):
        (tmp_path / name).write_text(json.dumps(exchange(body), indent=2), "utf-8")
    result = run("read", tmp_path / "b", tmp_path / "a")
    assert [json.loads(line)["status"] for line in result.stdout.splitlines()] == ["completed", "processing"]


def test_every_line_has_the_same_keys() -> None:
    """A script need not check which keys exist."""
    keys = {"outcome", "status", "provider_status", "object", "url", "urls", "error", "progress", "model", "prompt"} | {
        *("created_at", "started_at", "completed_at", "expires_at", "estimated_completion", "queue_position"),
        *("usage", "upstream_id", "retry_after_seconds", "known_status", "key_refused", "inferred"),
    }
    for recorded in (
        exchange(),
        exchange(DONE),
        exchange(status=429),
        exchange(status=401),
        exchange({"status": "failed"}),
    ):
        assert set(one(recorded)) == keys


@pytest.mark.parametrize("more", [{"body": json.dumps(RUNNING)}, {"body": None, "text": json.dumps(RUNNING)}])
def test_a_body_may_be_json_or_text(more: dict[str, Any]) -> None:
    """Tools that record exchanges write the body in different forms."""
    assert one(exchange(**more))["progress"] == 40


def test_only_the_provider_and_the_body_are_needed() -> None:
    """A body that somebody copies from a terminal has no headers, no clock and no age."""
    assert one({"provider": "InfinityBlue", "body": RUNNING})["status"] == "processing"
    assert one({"provider": "alad", "status": 502, "text": "<html>", "headers": None})["outcome"] == "retry"


def test_headers_age_and_clock_are_used() -> None:
    """Headers may have any case, and the clock may be ISO 8601 or unix seconds."""
    dated = {"RETRY-AFTER": "Mon, 27 Apr 2026 11:22:00 GMT"}
    for now in ("2026-04-27T11:21:00Z", 1777288860, 1777288860000):
        assert one(exchange(status=429, headers=dated, now=now))["retry_after_seconds"] == 60
    assert one(exchange(status=404, task_age_seconds=5))["outcome"] == "retry"
    assert one(exchange(status=404, task_age_seconds=500))["outcome"] == "permanent_error"


@pytest.mark.parametrize(
    "headers",
    [
        {"retry-after": ["5", "6"]},
        {"Retry-After": 5},
        [["Retry-After", "5"], ["Retry-After", "6"]],
        [{"name": "Retry-After", "value": "5"}],
    ],
)
def test_headers_may_be_an_object_or_pairs(headers: object) -> None:
    """Tools record headers in different forms; of a repeated header the first value counts."""
    assert one(exchange(status=429, headers=headers))["retry_after_seconds"] == 5


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ({"status": "x"}, "status: 'x' is not an HTTP status; write it like 200"),
        ({"now": "soon"}, "now: 'soon' is not a time; write it like 2026-04-27T11:20:12Z"),
        ({"task_age_seconds": "young"}, "task_age_seconds: 'young' is not a number of seconds; write it like 85"),
        ({"headers": "Retry-After: 5"}, 'headers: they are not names with values; write {"Retry-After": "5"}'),
    ],
)
def test_a_field_that_cannot_be_read_is_named(more: dict[str, Any], complaint: str) -> None:
    """A field that is silently left out would change the result."""
    result = run("read", "-", stdin=json.dumps(exchange(**more)))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"-, exchange 1: {complaint}\n"


def test_a_file_without_an_exchange_is_an_error() -> None:
    """An empty file usually means that the recording went wrong."""
    result = run("read", "-", stdin="\n")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "exchange: there is none" in result.stderr


def test_a_line_ends_at_its_line_feed() -> None:
    """Texts may contain U+2028 and U+0085, which some tools treat as the end of a line."""
    lines = [json.dumps(exchange({**RUNNING, "prompt": "a\u2028b\x85c"}), ensure_ascii=False), json.dumps(exchange())]
    result = run("read", "-", stdin="\r\n".join(lines))
    assert [json.loads(line)["prompt"] for line in result.stdout.splitlines()] == ["a\u2028b\x85c", None]


def test_the_url_says_which_deployment_was_asked() -> None:
    """Another host with the same format serves /content too, under the id in the URL."""
    body = {"status": "completed"}
    read = one(exchange(body, url="https://relay.example/api/v1/videos/v%2F1?x=1"))
    assert read["url"] == "https://relay.example/api/v1/videos/v%2F1/content"
    assert one(exchange(body, url="https://elsewhere.example/x"))["status"] == "failed"


def test_a_bad_exchange_is_reported_and_the_others_are_read() -> None:
    """Each error is one clear line on stderr, and the exit code is 1."""
    lines = [
        json.dumps(exchange(provider="nobody")),
        "{oops",
        "[]",
        json.dumps(exchange(status="x")),
        json.dumps(exchange()),
    ]
    result = run("read", "-", stdin="\n".join(lines))
    assert result.exit_code == 1
    assert [json.loads(line)["outcome"] for line in result.stdout.splitlines()] == ["snapshot"]
    errors = result.stderr.splitlines()
    assert len(errors) == 4
    assert f'line 1: provider: there is no "nobody"; use one of {", ".join(BUNDLED)}, or' in errors[0]
    assert "line 2: exchange: this is not JSON" in errors[1]
    assert "line 3: exchange: this is not an object" in errors[2]
    assert "line 4: status: 'x' is not an HTTP status" in errors[3]


def test_a_new_file_is_tried_on_recorded_answers(tmp_path: Path) -> None:
    """A provider file can be tested before anything is deployed."""
    file = tmp_path / "kling.toml"
    file.write_text(
        'name = "kling"\nbase_url = "https://k.example"\npath = "/{task_id}"\n'
        '[answer]\nstatus = "data.task_status"\n[assets]\nresult = "data.task_result.videos"\n',
        "utf-8",
    )
    body = {
        "code": 0,
        "data": {"task_status": "succeed", "task_result": {"videos": [{"url": "https://c.example/v.mp4"}]}},
    }
    result = run("read", "--provider-file", file, "-", stdin=json.dumps({"provider": "kling", "body": body}))
    assert json.loads(result.stdout)["url"] == "https://c.example/v.mp4"
    file.write_text("name = 1", "utf-8")
    result = run("read", "--provider-file", file, "-", stdin="{}")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "name: it is a number, not text" in result.stderr


def test_check_prints_ok_or_the_mistake(tmp_path: Path) -> None:
    """There is one line for each file, and scripts can use the exit code."""
    good, bad, binary = tmp_path / "good.toml", tmp_path / "bad.toml", tmp_path / "binary.toml"
    good.write_text(bundled_text("alad"), "utf-8")
    bad.write_text(bundled_text("alad").replace("base_url", "base_ulr"), "utf-8")
    binary.write_bytes(b"\xff\xfe")
    assert run("providers", "check", good).exit_code == 0
    result = run("providers", "check", good, bad, binary)
    assert result.exit_code == 1
    first, second, third = map(json.loads, result.stdout.splitlines())
    assert first == {"file": str(good), "provider": "alad", "ok": True, "error": None, "warnings": []}
    assert second["error"] == 'provider "alad": base_ulr: there is no such key; did you mean "base_url"?'
    assert "it is not UTF-8" in third["error"]


class FakeFiles(ProviderFiles):
    """Remembers provider files, as the ledger does."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}

    def put(self, name: str, text: str) -> None:
        self.files[name] = text

    def texts(self) -> dict[str, str]:
        return self.files

    def text(self, name: str) -> str | None:
        return self.files.get(name)

    def remove(self, name: str) -> bool:
        return self.files.pop(name, None) is not None


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> FakeFiles:
    """The provider files of the stack that the command acts on."""
    edges = Edges({})
    edges.ledger = Ledger("ledger", client=cast(Any, object()))
    edges.ledger.providers = fake = FakeFiles()
    for module in ("stack", "providers"):
        monkeypatch.setattr(f"vidhook_cli.{module}.stack", lambda: Stack("vidhook", ARN, {}, edges))
    return fake


@pytest.mark.parametrize(
    "second", [None, {"status": 200, "body": {"file": {"download_url": "https://a.example/a.mp4"}}}]
)
def test_a_second_answer_that_would_be_asked_for_is_missed(second: dict[str, Any] | None) -> None:
    """Without it the line says that there is no link, as if the task had failed."""
    done = {"task_id": "t1", "status": "Success", "file_id": "7", "base_resp": {"status_code": 0}}
    given = {"provider": "minimax", "status": 200, "body": done} | ({"second": second} if second else {})
    result = run("read", "-", stdin=json.dumps(given))
    assert ('give its answer as "second"' in result.stderr) is (second is None)
    assert (json.loads(result.stdout)["status"], result.exit_code) == ("completed" if second else "failed", 0)


def test_the_stacks_own_file_wins_until_it_is_removed(tmp_path: Path, files: FakeFiles) -> None:
    """Putting a file sends a known format to another host, and removing the file undoes it."""
    own = bundled_text("alad").replace("https://ai.alad.com", "https://relay.example")
    file = tmp_path / "own.toml"
    file.write_text(own, "utf-8")
    assert run("providers", "show", "alad").stdout == bundled_text("alad")
    assert json.loads(run("providers", "put", file).stdout)["source"] == "stored in the stack"
    assert run("providers", "show", "alad").stdout == own
    listed = {row["provider"]: row for row in map(json.loads, run("providers", "list").stdout.splitlines())}
    able = {"can": ["create", "poster"], "params": []}
    assert listed["alad"] == able | {
        "provider": "alad",
        "base_url": "https://relay.example",
        "source": "stored in the stack",
    }
    assert (listed["vicsee"]["base_url"], listed["vicsee"]["source"]) == ("https://vicsee.com", "bundled")
    refused = run("providers", "remove", "alad")
    assert (refused.exit_code, "give --yes" in refused.stderr) == (2, True)
    assert json.loads(run("providers", "remove", "alad", "--yes").stdout) == {"provider": "alad", "bundled": True}
    assert run("providers", "show", "alad").stdout == bundled_text("alad")
    for command in ("remove", "show"):
        result = run("providers", command, "nobody")
        assert (result.exit_code, result.stdout) == (1, "")
        assert "`vidhook providers list` shows them" in result.stderr
    assert 'did you mean "vicsee"?' in run("providers", "show", "vicse").stderr


def test_the_list_says_what_each_provider_can_do(files: FakeFiles) -> None:
    """Whoever chooses one wants to know whether tasks are created and cancelled, and what has to be submitted."""
    listed = {row["provider"]: row for row in map(json.loads, run("providers", "list").stdout.splitlines())}
    assert listed["fal"]["can"] == ["create", "cancel", "poster", "several results", "own webhooks"]
    assert listed["fal"]["params"] == ["model"]
    assert listed["generic"]["can"] == listed["generic"]["params"] == []


def test_a_doubtful_file_is_put_with_the_warnings_of_check(tmp_path: Path, files: FakeFiles) -> None:
    """The file can be used, and whoever puts it should know what is likely wrong in it."""
    file = tmp_path / "own.toml"
    file.write_text(bundled_text("alad") + '\n[status]\ndone = "failed"\n', "utf-8")
    checked, put = run("providers", "check", file), run("providers", "put", file)
    assert (checked.exit_code, put.exit_code, list(files.files)) == (0, 0, ["alad"])
    warnings = json.loads(put.stdout)["warnings"]
    assert warnings == json.loads(checked.stdout)["warnings"]
    assert [warning.partition(" ")[0] for warning in warnings] == ['[status]."done"']


def test_a_bad_file_is_never_put(tmp_path: Path, files: FakeFiles) -> None:
    """With a bad file in the stack, every poll of this provider would fail."""
    file = tmp_path / "bad.toml"
    file.write_text(bundled_text("alad").replace("status =", "statos ="), "utf-8")
    result = run("providers", "put", file)
    assert (result.exit_code, files.files) == (1, {})
    assert 'did you mean "status"?' in result.stderr
