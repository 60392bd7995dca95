"""`vidhook keys` on Secrets Manager (moto): keys are added and removed one by one, and never shown."""

import json
from typing import Any, cast

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.test_command import KEYS
from tests.integration.test_command_fuzz import ARN
from tests.integration.world import KEY, World
from vidhook_cli import keys, stack
from vidhook_cli.main import main
from vidhook_cli.stack import Stack

SECRET = "ledger/keys"


@pytest.fixture
def here(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world that is the stack which the command finds. Its secret has the key of "acme"."""
    found = Stack("vidhook", ARN, {"ProviderSecret": SECRET}, world)
    for module in (keys, stack):
        monkeypatch.setattr(module, "stack", lambda: found)
    return world


def run(*words: str, key: str = "") -> Result:
    result = CliRunner().invoke(main, ["keys", *words], input=key)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def stored() -> Any:
    """What the secret holds. moto needs the label: without it, it gives the version that was put last as current."""
    return json.loads(
        boto3.client("secretsmanager").get_secret_value(SecretId=SECRET, VersionStage="AWSCURRENT")["SecretString"]
    )


def put(text: str) -> None:
    """Makes the secret anew: moto has two current versions when one is put after the label was moved."""
    client = boto3.client("secretsmanager")
    client.delete_secret(SecretId=SECRET, ForceDeleteWithoutRecovery=True)
    client.create_secret(Name=SECRET, SecretString=text)


def test_a_key_is_added_to_those_of_the_others(here: World) -> None:
    """The tasks of other providers go on."""
    result = run("set", "alad", key="sk-1234\n")
    assert (result.exit_code, stored()) == (0, {"acme": KEY, "alad": "sk-1234"})
    assert "sk-1234" not in result.output
    assert set(json.loads(result.output)) == KEYS["keys set"]


def test_the_first_key_is_added_to_what_the_template_makes(here: World) -> None:
    """A new stack has an empty object."""
    put("{}")
    assert run("set", "vicsee", key="vs_1\r\nmore").exit_code == 0
    assert stored() == {"vicsee": "vs_1"}


def test_a_key_is_replaced_and_set_twice_without_harm(here: World) -> None:
    """Rotating is setting the new one."""
    for key in ("new", "new", "newer"):
        assert run("set", "acme", key=key).exit_code == 0
        assert stored() == {"acme": key}


def test_the_version_before_can_be_brought_back(here: World) -> None:
    """Secrets Manager has the label AWSPREVIOUS for that."""
    run("set", "acme", key="new")
    before = boto3.client("secretsmanager").get_secret_value(SecretId=SECRET, VersionStage="AWSPREVIOUS")
    assert json.loads(before["SecretString"]) == {"acme": KEY}


@pytest.mark.parametrize(
    "key",
    ["", "\n", " ", "sk 1", " sk", "sk ", "sk\t1", "sk\x00", "sk\x7f", "schlüssel", '"sk-1"', "'sk-1'", "s" * 4097],
)
def test_what_cannot_be_a_key_is_refused_and_not_repeated(here: World, key: str) -> None:
    """Most often it is a copy of too much, or of nothing."""
    result = run("set", "alad", key=key)
    assert (result.exit_code, stored()) == (1, {"acme": KEY})
    assert result.output.startswith("Error: the key ")
    assert len(key) < 4 or key not in result.output


def test_a_key_in_the_command_line_is_refused_and_not_repeated(here: World) -> None:
    """It is in the shell's history already; at least nothing is stored as if that was the way."""
    result = run("set", "alad", "sk-typed", key="")
    assert (result.exit_code, stored()) == (2, {"acme": KEY})
    assert "stays in the shell's history" in result.output
    assert "sk-typed" not in result.output


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("alat", 'did you mean "alad"?'),
        ("acm", 'did you mean "acme"?'),
        ("qqq", "`vidhook providers list`"),
        ("A B", "list"),
    ],
)
def test_a_key_of_an_unknown_provider_is_refused_with_the_nearest(here: World, name: str, said: str) -> None:
    """Nobody would read it, and the right provider would have none."""
    result = run("set", name, key="sk-1")
    assert (result.exit_code, stored()) == (1, {"acme": KEY})
    assert said in result.output


def test_a_key_of_two_halves_has_both(here: World) -> None:
    """Of one half no token can be made, and its provider would refuse each poll."""
    text = 'name = "pair"\nbase_url = "https://pair.example"\nformat = "generic"\n[auth]\ntype = "jwt-hs256"\n'
    here.ledger.providers.put("pair", text)
    refused = run("set", "pair", key="s3cret-half\n")
    assert (refused.exit_code, stored()) == (1, {"acme": KEY})
    assert "the key of pair has two halves; give both as ID:SECRET" in refused.output
    assert "s3cret" not in refused.output
    assert run("set", "pair", key="id:s3cret\n").exit_code == 0


def test_a_terminal_is_asked_without_an_echo(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key is on no screen and in no history."""
    asked: list[bool] = []

    def prompt(_: str, *, hide_input: bool) -> str:
        asked.append(hide_input)
        return "sk-1"

    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda _: True, raising=False)
    monkeypatch.setattr("click.prompt", prompt)
    assert run("set", "alad").exit_code == 0
    assert (asked, stored()["alad"]) == ([True], "sk-1")


def test_a_key_that_another_one_sets_meanwhile_is_not_lost(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two people set keys at once: between the reading of one and its writing comes all of the other."""
    real: Any = vars(BaseClient)["_make_api_call"]
    others = ["vicsee", "vibepeak"]

    def call(client: BaseClient, name: str, given: dict[str, Any]) -> Any:
        if name in ("PutSecretValue", "UpdateSecretVersionStage") and others:
            other = others.pop()
            assert run("set", other, key=f"key-of-{other}").exit_code == 0
        return real(client, name, given)

    monkeypatch.setattr(BaseClient, "_make_api_call", call)
    assert run("set", "alad", key="sk-1").exit_code == 0
    assert stored() == {"acme": KEY, "alad": "sk-1", "vicsee": "key-of-vicsee", "vibepeak": "key-of-vibepeak"}


def test_it_gives_up_when_others_never_stop(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the error says that nothing was changed."""
    real: Any = vars(BaseClient)["_make_api_call"]
    numbers = iter(range(100))

    def call(client: BaseClient, name: str, given: dict[str, Any]) -> Any:
        if name == "UpdateSecretVersionStage":
            real(client, "PutSecretValue", {"SecretId": SECRET, "SecretString": f'{{"acme": "{next(numbers)}"}}'})
        return real(client, name, given)

    monkeypatch.setattr(BaseClient, "_make_api_call", call)
    result = run("set", "alad", key="sk-1")
    assert (result.exit_code, "alad" in stored()) == (1, False)
    assert "nothing was changed" in result.output


def test_a_refusal_of_another_kind_is_told(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not taken for somebody else's change."""
    real: Any = vars(BaseClient)["_make_api_call"]
    calls: list[str] = []

    def call(client: BaseClient, name: str, given: dict[str, Any]) -> Any:
        calls.append(name)
        if name == "UpdateSecretVersionStage":
            raise cast(Any, client).exceptions.InvalidParameterException(
                {"Error": {"Code": "InvalidParameterException"}}, name
            )
        return real(client, name, given)

    monkeypatch.setattr(BaseClient, "_make_api_call", call)
    result = run("set", "alad", key="sk-1")
    assert (result.exit_code, calls.count("UpdateSecretVersionStage")) == (1, 1)
    assert result.output.startswith("Error: AWS refused UpdateSecretVersionStage")
    assert "sk-1" not in result.output


@pytest.mark.parametrize("words", [("set", "alad"), ("list",), ("remove", "acme", "--yes")], ids=" ".join)
@pytest.mark.parametrize("text", ["sk-the-key", "", "[1]", '"sk-the-key"', "null", "{", "[" * 100_000])
def test_a_secret_of_another_form_is_told_and_left_as_it_is(here: World, words: tuple[str, ...], text: str) -> None:
    """Somebody put a bare key there; the error says what to do, and repeats nothing."""
    put(text or " ")
    result = run(*words, key="sk-1")
    assert result.exit_code == 1
    assert "holds no JSON object" in result.output
    assert "aws secretsmanager put-secret-value --secret-id ledger/keys" in result.output
    assert "sk-the-key" not in result.output
    assert boto3.client("secretsmanager").get_secret_value(SecretId=SECRET)["SecretString"] == (text or " ")


def test_a_refused_reading_is_one_line(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator without the permission."""

    def call(_: BaseClient, name: str, __: dict[str, Any]) -> Any:
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, name)

    monkeypatch.setattr(BaseClient, "_make_api_call", call)
    result = run("list")
    assert result.output.startswith("Error: AWS refused GetSecretValue")
    assert result.output.count("\n") == 1


class TestList:
    def test_it_shows_names_and_no_part_of_a_key(self, here: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """In both forms of the output, whatever the key is."""
        put(
            json.dumps(
                {
                    "alad": "sk-abcdef",
                    "acme": "0123456789",
                    "alat": "qwertyuiop",
                    "vicsee": "",
                    "vibepeak": {"a": "zzzz"},
                }
            )
        )
        found = {row["provider"]: row for row in map(json.loads, run("list").output.splitlines())}
        assert {name: row["detail"] for name, row in found.items()} == {
            "acme": "",
            "alad": "",
            "alat": "there is no provider of this name",
            "vibepeak": "not usable: it is no text",
            "vicsee": "not usable: it is empty",
        }
        assert found["alad"]["secret_changed_at"].endswith("Z")
        assert set(found["alad"]) == KEYS["keys list"]
        monkeypatch.setattr(keys, "wants_json", lambda _: False)
        for text in (str(found), run("list").output):
            assert not any(part in text for part in ("sk-", "abc", "0123456789", "qwert", "zzzz"))

    def test_an_empty_secret_says_how_to_begin(self, here: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """A new stack has no key."""
        put("{}")
        assert run("list").output == ""
        monkeypatch.setattr(keys, "wants_json", lambda _: False)
        assert run("list").output.startswith("there are no keys yet: vidhook keys set PROVIDER\n")


class TestRemove:
    def test_it_removes_one_key_and_no_other(self, here: World) -> None:
        """Also one of a provider that there is no longer."""
        put(json.dumps({"acme": KEY, " old ": 1}))
        assert run("remove", " old ", "--yes").exit_code == 0
        assert stored() == {"acme": KEY}

    def test_it_asks_first(self, here: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """The key may be nowhere else."""
        refused = run("remove", "acme")
        assert (refused.exit_code, stored()) == (2, {"acme": KEY})
        assert "give --yes" in refused.output
        monkeypatch.setattr(stack, "_asks", lambda: True)
        assert run("remove", "acme", key="n\n").exit_code == 1
        assert stored() == {"acme": KEY}
        assert run("remove", "acme", key="y\n").exit_code == 0
        assert stored() == {}

    @pytest.mark.parametrize(("name", "said"), [("acm", 'did you mean "acme"?'), ("alad", "`vidhook keys list`")])
    def test_a_key_that_is_not_there_is_an_error(self, here: World, name: str, said: str) -> None:
        """Whoever removes it expects that it was there."""
        result = run("remove", name, "--yes")
        assert (result.exit_code, stored()) == (1, {"acme": KEY})
        assert said in result.output


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["acme", "alad", "vicsee"]), st.none() | st.from_regex(r"[!-~]{1,20}", fullmatch=True)
        ),
        max_size=6,
    )
)
def test_after_any_changes_each_provider_has_the_key_that_was_set_last(
    here: World, changes: list[tuple[str, str | None]]
) -> None:
    """Setting and removing in any order, each by a command of its own; None removes."""
    put("{}")
    expected: dict[str, str] = {}
    for name, key in changes:
        if key is None:
            assert run("remove", name, "--yes").exit_code == int(name not in expected)
            expected.pop(name, None)
        else:
            assert run("set", name, key=key).exit_code == 0
            expected[name] = key
    assert stored() == expected
