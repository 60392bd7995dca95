"""The providers in the HTTP API: their files, and what was learned of their tasks."""

import json
from typing import Any

import boto3
import pytest
from werkzeug.test import Client

from tests.integration.gateway import served
from tests.integration.test_api import answer_of, problem
from tests.integration.world import KEY, World, says
from vidhook.edges.ledger.paces import PACE_SECONDS
from vidhook.providers.file import BUNDLED, bundled_text

FILM = "https://cdn.example/v.mp4?signature=abc"
OWN = """
name = "mine"
base_url = "https://api.mine.example"
path = "/v1/videos/{task_id}"
format = "generic"
"""


@pytest.fixture
def api(world: World, monkeypatch: pytest.MonkeyPatch) -> Client:
    return served(world, monkeypatch)


def put(api: Client, name: str, toml: str) -> Any:
    return api.put(f"/v1/providers/{name}", json={"toml": toml})


class TestFiles:
    def test_all_providers_are_listed_with_what_they_can(self, api: Client) -> None:
        """One that ships with vidhook, one of the stack's own, and the sample, which nobody is asked about."""
        items = {each["provider"]: each for each in answer_of(api.get("/v1/providers"))["items"]}
        assert items.keys() == {*BUNDLED, "acme", "sample"}
        assert (items["alad"]["source"], items["acme"]["source"]) == ("bundled", "stored")
        assert items["acme"]["can"] == ["create"]
        assert items["fal"]["params"] == ["model"]
        assert (items["sample"]["source"], items["sample"]["base_url"]) == ("built_in", None)

    def test_a_file_that_can_no_longer_be_used_is_listed_too(self, api: Client, world: World) -> None:
        """It is found and mended there, and must not hide all others."""
        world.ledger.providers.put("broken", 'name = "broken"')
        items = {each["provider"]: each for each in answer_of(api.get("/v1/providers"))["items"]}
        assert (items["broken"]["base_url"], items["broken"]["can"]) == (None, [])
        assert "it is missing" in answer_of(api.get("/v1/providers/broken"))["warnings"][0]

    def test_the_file_in_use_is_shown_beside_the_bundled_one(self, api: Client, world: World) -> None:
        """Whoever has a file of their own sees what a new version of vidhook changed."""
        shown = answer_of(api.get("/v1/providers/alad"))
        assert (shown["source"], shown["toml"], shown["bundled_toml"]) == ("bundled", *[bundled_text("alad")] * 2)
        own = bundled_text("alad") + "# mine\n"
        world.ledger.providers.put("alad", own)
        shown = answer_of(api.get("/v1/providers/alad"))
        assert (shown["source"], shown["toml"], shown["bundled_toml"]) == ("stored", own, bundled_text("alad"))
        assert answer_of(api.get("/v1/providers/acme"))["bundled_toml"] is None
        assert answer_of(api.get("/v1/providers/sample"))["source"] == "built_in"

    def test_a_misspelled_provider_is_answered_with_the_nearest(self, api: Client) -> None:
        """People type names."""
        for path in ("acne", "acne/pace"):
            assert 'did you mean "acme"?' in problem(api.get(f"/v1/providers/{path}"), 404)["detail"]

    def test_a_file_that_is_put_is_used_until_it_is_removed(self, api: Client, world: World) -> None:
        """The same shape is answered as by GET, so the caller need not ask again."""
        made = answer_of(put(api, "mine", OWN))
        assert made == answer_of(api.get("/v1/providers/mine"))
        assert (made["source"], made["toml"]) == ("stored", OWN)
        assert any("expected_seconds is missing" in each for each in made["warnings"])
        assert world.ledger.providers.get("mine").base_url == "https://api.mine.example"
        assert api.delete("/v1/providers/mine").status_code == 204
        for method in ("GET", "DELETE"):
            problem(api.open("/v1/providers/mine", method=method), 404)

    def test_a_bundled_file_cannot_be_removed(self, api: Client) -> None:
        """There is none of the stack's own."""
        assert "no file of its own" in problem(api.delete("/v1/providers/alad"), 404)["detail"]
        assert answer_of(api.get("/v1/providers/alad"))["source"] == "bundled"

    @pytest.mark.parametrize(
        ("toml", "said"),
        [
            (OWN.replace('"mine"', '"other"'), '"other" is not "mine"'),
            ("name = ", "this is not TOML"),
            (OWN.replace("{task_id}", "1"), "does not say which task"),
            (OWN + "#" * 65_000 + "\u00e9" * 400, "longer than 64 KiB"),
            ("#" * 65_537, "toml"),
        ],
    )
    def test_a_file_that_cannot_be_used_is_refused_and_not_stored(
        self, api: Client, world: World, toml: str, said: str
    ) -> None:
        """Tasks that are followed now must not stop."""
        refused = problem(put(api, "mine", toml), 422)
        assert refused["field"] == "toml"
        assert said in refused["detail"]
        assert "mine" not in world.ledger.providers.texts()

    @pytest.mark.parametrize(
        "change",
        [
            ('base_url = "http', 'base_url = "https://evil.example" # '),
            ("[answer]", 'hosts = ["*.evil.example"]\n[answer]'),
            ("[answer]", '[auth]\ntype = "oauth-client-credentials"\ntoken_url = "https://evil.example/t"\n[answer]'),
        ],
    )
    def test_a_key_is_not_sent_to_another_server(self, api: Client, world: World, change: tuple[str, str]) -> None:
        """Whoever may change a file could read it there."""
        known = world.ledger.providers.text("acme")
        assert known
        refused = problem(put(api, "acme", known.replace(*change, 1)), 409)
        assert "evil.example" in refused["detail"]
        assert KEY not in str(refused)
        assert world.ledger.providers.text("acme") == known
        assert answer_of(put(api, "acme", known.replace("/tasks/", "/v2/tasks/")))["source"] == "stored"
        assert api.delete("/v1/providers/acme").status_code == 204
        problem(put(api, "acme", known.replace(*change, 1)), 409)

    def test_nor_does_it_go_elsewhere_when_a_file_is_removed(self, api: Client, world: World) -> None:
        """The bundled file would send the key of a gateway of one's own to the provider."""
        own = bundled_text("alad").replace("https://ai.alad.com", "https://gateway.example")
        assert own != bundled_text("alad")
        world.ledger.providers.put("alad", own)
        keys = json.dumps({"alad": KEY})
        boto3.client("secretsmanager").put_secret_value(SecretId=world.settings["PROVIDER_SECRET"], SecretString=keys)
        problem(api.delete("/v1/providers/alad"), 409)
        assert world.ledger.providers.text("alad") == own
        world.ledger.providers.put("alad", bundled_text("alad"))
        assert api.delete("/v1/providers/alad").status_code == 204


class TestPace:
    def test_what_was_learned_is_shown_with_its_durations(self, api: Client, world: World) -> None:
        """A page draws them."""
        assert answer_of(api.get("/v1/providers/acme/pace")) == {"items": []}
        world.completed()
        [kind] = answer_of(api.get("/v1/providers/acme/pace"))["items"]
        assert (kind["object"], kind["tasks"]) == ("video", 1)
        assert sum(each["weight"] for each in kind["durations"]) == pytest.approx(1, abs=0.01)
        assert all(each["from"] < each["to"] for each in kind["durations"])
        assert kind["next_task_polled_at"] == sorted(kind["next_task_polled_at"])
        assert kind["polls_per_day"] is None


class TestAsk:
    def test_what_is_asked_answered_and_read_is_shown_without_the_key(self, api: Client, world: World) -> None:
        """Whoever writes a file needs a real answer, and must not see the key."""
        world.web.script("/tasks/t1", says("completed", url=FILM, echo=f"your key is {KEY}"))
        response = api.post("/v1/providers/acme/ask", json={"task_id": "t1"})
        [exchange] = answer_of(response)["exchanges"]
        assert exchange["request"]["headers"]["Authorization"] == "Bearer [key]"
        assert world.web.asked[0].headers["authorization"] == f"Bearer {KEY}"
        assert exchange["answer"]["body"]["echo"] == "your key is [key]"
        assert (exchange["read"]["status"], exchange["read"]["url"]) == ("completed", FILM)
        assert KEY not in response.text

    def test_the_file_is_always_the_one_in_use(self, api: Client, world: World) -> None:
        """One of the caller's could send the key anywhere."""
        asked = {"task_id": "t1", "toml": OWN}
        assert problem(api.post("/v1/providers/acme/ask", json=asked), 422)["field"] == "toml"
        assert world.web.asked == []

    def test_the_sample_answers_itself(self, api: Client, world: World) -> None:
        """The page can be tried without an account at a provider."""
        [exchange] = answer_of(api.post("/v1/providers/sample/ask", json={"task_id": "hello"}))["exchanges"]
        assert (exchange["read"]["status"], exchange["read"]["urls"][0]["inline"]) == ("completed", True)
        assert world.web.asked == []

    def test_a_provider_that_is_down_is_said_with_what_broke(self, api: Client, world: World) -> None:
        """It is no fault of vidhook: a 5xx would raise the alarm of the API."""
        world.web.close()
        said = problem(api.post("/v1/providers/acme/ask", json={"task_id": "t1"}), 424)
        assert said["kind"] == "connect"
        assert said["hint"] == "try again later"

    @pytest.mark.parametrize(
        ("asked", "field"),
        [({"task_id": ".."}, "task_id"), ({"task_id": "t", "params": {"model": "x"}}, "params.model"), ({}, "task_id")],
    )
    def test_what_cannot_be_asked_is_refused(
        self, api: Client, world: World, asked: dict[str, Any], field: str
    ) -> None:
        """And nothing is sent."""
        assert problem(api.post("/v1/providers/acme/ask", json=asked), 422)["field"] == field
        assert world.web.asked == []

    def test_a_file_that_cannot_be_used_is_not_asked_with(self, api: Client, world: World) -> None:
        """An earlier version may have taken it."""
        world.ledger.providers.put("broken", 'name = "broken"')
        refused = problem(api.post("/v1/providers/broken/ask", json={"task_id": "t1"}), 409)
        assert "it is missing" in refused["hint"]


class TestReadings:
    def test_a_file_is_tried_on_an_answer_and_nothing_is_sent_or_stored(self, api: Client, world: World) -> None:
        """A draft may name any server, and must never get the key."""
        table = boto3.client("dynamodb")
        before = table.scan(TableName=world.ledger.table.name)["Items"]
        answer = {"body": {"id": "t1", "status": "completed", "url": FILM, "video_url": FILM}}
        draft = OWN.replace("mine", "acme")
        response = api.post("/v1/readings", json={"toml": draft, "answer": answer, "task_id": "t1"})
        found = answer_of(response)
        assert (found["ok"], found["reading"]["status"], found["reading"]["url"]) == (True, "completed", FILM)
        assert {"field": "provider_status", "value": "completed", "path": "status"} in found["fields"]
        assert found["next"]["seconds"] is None
        assert world.web.asked == []
        assert table.scan(TableName=world.ledger.table.name)["Items"] == before
        assert KEY not in response.text

    def test_what_was_learned_counts_for_what_comes_next(self, api: Client, world: World) -> None:
        """The page shows when a real task would be asked about."""
        asked = {"provider": "acme", "answer": {"body": {"status": "processing"}}, "age_seconds": 1}
        assert answer_of(api.post("/v1/readings", json=asked))["next"]["why"] == "expected"
        world.completed()
        world.wait(PACE_SECONDS)
        assert answer_of(api.post("/v1/readings", json=asked))["next"]["why"] == "learned"

    def test_a_file_that_is_stored_and_broken_can_be_mended(self, api: Client, world: World) -> None:
        """The editor is where that is done."""
        world.ledger.providers.put("mine", 'name = "mine"')
        stored = answer_of(api.post("/v1/readings", json={"provider": "mine", "answer": {"body": {}}}))
        assert (stored["ok"], stored["problems"][0]["field"]) == (False, "[answer].status")
        asked = {"toml": OWN, "answer": {"body": {"id": "t", "status": "queued"}}}
        assert answer_of(api.post("/v1/readings", json=asked))["next"]["seconds"] > 0

    @pytest.mark.parametrize(
        ("asked", "status", "field"),
        [
            ({}, 422, "toml"),
            ({"toml": OWN, "provider": "acme"}, 422, "toml"),
            ([], 422, "trial"),
            ({"provider": "acne"}, 404, None),
            ({"toml": 1}, 422, "toml"),
            ({"toml": OWN, "answer": {"status": 1}}, 422, "answer"),
            ({"toml": OWN, "answer": {"header": {}}}, 422, "answer"),
            ({"toml": OWN, "answer": {"second": {"second": {}}}}, 422, "answer"),
            ({"toml": OWN, "age_seconds": -1}, 422, "age_seconds"),
            ({"toml": OWN, "params": {"A": "x"}}, 422, "params"),
            ({"toml": "#" * 140_000}, 413, None),
        ],
    )
    def test_a_bad_trial_is_answered_with_its_field(
        self, api: Client, asked: Any, status: int, field: str | None
    ) -> None:
        """A fault of the request, not of the file."""
        assert problem(api.post("/v1/readings", json=asked), status).get("field") == field
