"""`vidhook providers try` asks a real task once, and shows what is read in the answer."""

import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result

from tests.integration.test_command import KEYS
from tests.integration.test_command_fuzz import ARN
from tests.integration.world import KEY, Answer, World, says
from vidhook_cli import providers, stack
from vidhook_cli.main import main
from vidhook_cli.stack import Stack

FILM = "https://cdn.example/v.mp4?signature=abc"


@pytest.fixture
def here(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world that is the stack which the command finds. Its secret has the key of "acme"."""
    found = Stack("vidhook", ARN, {"ProviderSecret": world.settings["PROVIDER_SECRET"]}, world)
    for module in (providers, stack):
        monkeypatch.setattr(module, "stack", lambda: found)
    return world


def run(*words: str, columns: int | None = None, monkeypatch: pytest.MonkeyPatch | None = None) -> Result:
    if monkeypatch is not None:
        monkeypatch.setattr("vidhook_cli.providers.wants_json", lambda as_json: as_json)
    environment = {} if columns is None else {"COLUMNS": str(columns)}
    result = CliRunner().invoke(main, ["providers", "try", *words], env=environment)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def rows(*words: str) -> list[dict[str, Any]]:
    result = run(*words)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_it_shows_the_request_the_answer_and_what_is_read(here: World) -> None:
    """Who writes a file sees at once whether it is right."""
    here.web.script("/tasks/t1", says("completed", url=FILM, echo=f"your key is {KEY}"))
    [row] = rows("acme", "t1")
    assert set(row) == KEYS["providers try"]
    assert row["request"]["url"] == f"{here.web.url}/tasks/t1"
    assert row["request"]["headers"]["Authorization"] == "Bearer [key]"
    assert here.web.asked[0].headers["authorization"] == f"Bearer {KEY}"
    assert (row["answer"]["status"], row["answer"]["body"]["echo"]) == (200, "your key is [key]")
    assert (row["read"]["status"], row["read"]["url"]) == ("completed", FILM)
    assert KEY not in json.dumps(row)


def test_it_stores_nothing(here: World) -> None:
    """It is a question, and no submission."""
    here.web.script("/tasks/t1", says("completed", url=FILM))
    count = boto3.client("dynamodb").scan(TableName=here.ledger.table.name)["Count"]
    rows("acme", "t1")
    assert boto3.client("dynamodb").scan(TableName=here.ledger.table.name)["Count"] == count
    assert here.bus.events == []
    assert here.machines.started == {}


def test_a_file_is_tried_before_it_is_in_the_stack_and_its_second_request_too(here: World, tmp_path: Path) -> None:
    """Both exchanges are shown, the token as a mask."""
    file = tmp_path / "two.toml"
    file.write_text(
        f'name = "acme"\nbase_url = "{here.web.url}"\npath = "/{{kind}}/{{task_id}}"\nparams = ["kind"]\n'
        'format = "generic"\n[auth]\ntype = "jwt-hs256"\n[result]\npath = "/files/{file_id}"\n'
        '[result.fields]\nfile_id = "file_id"\n'
    )
    here.put_key("access:s3cr3t-half")
    here.web.script("/clips/t1", says("completed", id="t1", file_id="f1"))
    here.web.script("/files/f1", Answer(200, json.dumps({"url": FILM}).encode(), {"content-type": "application/json"}))
    first, second = rows("acme", "t1", "--file", str(file), "--param", "kind=clips")
    assert first["request"]["headers"]["Authorization"] == "Bearer [token]"
    assert (second["request"]["url"], second["read"]["url"]) == (f"{here.web.url}/files/f1", FILM)
    assert "s3cr3t" not in json.dumps([first, second])


@pytest.mark.parametrize("columns", [50, 80, 120])
def test_on_a_terminal_the_answer_stands_beside_what_is_read(
    here: World, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    """On a narrow one below it; no line is longer than the terminal, and no text of others moves the cursor."""
    here.web.script("/tasks/t1", says("completed", url=FILM, note="a\x1b[2J " + "long words " * 30))
    result = run("acme", "t1", columns=columns, monkeypatch=monkeypatch)
    assert result.exit_code == 0
    head, _, body = result.output.partition("\n\n")
    assert f"GET {here.web.url}/tasks/t1" in head
    assert "Authorization: Bearer [key]" in head
    assert any("HTTP 200" in line and "what is read" in line for line in body.splitlines()) is (columns > 60)
    assert "\x1b[2J" not in result.output
    if columns > 60:
        assert max(map(len, body.splitlines())) <= columns


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["acm", "t1"], 'there is no provider "acm"; did you mean "acme"?'),
        (["acme", ".."], "task_id: '..' cannot be part of a URL"),
        (["acme", "t1", "--param", "model=x"], "params.model: means nothing to acme"),
        (["acme", "t1", "--param", "model"], "is not NAME=VALUE"),
        (["acme", "t1", "--param", "model=x", "--param", "model=y"], "gives model twice"),
    ],
)
def test_what_cannot_be_asked_is_one_clear_line(here: World, words: list[str], said: str) -> None:
    """And nothing is sent."""
    result = run(*words)
    assert result.exit_code != 0
    assert said in result.output
    assert here.web.asked == []


def test_a_provider_that_is_down_and_a_key_that_is_missing_are_said(here: World) -> None:
    """Each with what to do next."""
    boto3.client("secretsmanager").put_secret_value(SecretId=here.settings["PROVIDER_SECRET"], SecretString="{}")
    here.web.close()
    result = run("acme", "t1")
    assert result.exit_code == 1
    assert "there is no key of acme, so none is sent: vidhook keys set acme" in result.output
    assert "acme gave no answer: " in result.output
