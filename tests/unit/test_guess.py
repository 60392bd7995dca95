"""What `vidhook providers guess` proposes from recorded answers."""

import base64
import json
import re
from dataclasses import replace
from pathlib import Path
from textwrap import dedent
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.test_read_command import run
from vidhook import shapes
from vidhook.errors import BadInput
from vidhook.providers.file import Provider, bundled, parse
from vidhook.providers.places import walk
from vidhook.providers.reading import inline_in
from vidhook.providers.statuses import meaning_of
from vidhook.providers.values import document, text
from vidhook.task import Status
from vidhook_cli.exchanges import Answer, answer_in
from vidhook_cli.guessing.proposal import Proposal, guess
from vidhook_cli.guessing.task import BARE
from vidhook_cli.read import reading_of

SAMPLES = Path(__file__).parents[2] / "events" / "providers"
COMPLETED = sorted(SAMPLES.glob("*/completed*.json"))
LINK, PICTURE = "https://cdn.mine.example/a.mp4", "https://cdn.mine.example/a.png"


def answer(body: object, name: str = "done.json", **more: Any) -> Answer:
    return recorded({"body": body} | more, name)


def recorded(exchange: dict[str, Any], name: str = "done.json") -> Answer:
    found = document(json.dumps(exchange["body"]).encode())
    assert found is not None
    return answer_in(exchange, name, found)


def proposed(*bodies: object, **more: Any) -> Proposal:
    return guess([answer(body, f"{place}.json", **more) for place, body in enumerate(bodies)])


def line(proposal: Proposal, key: str) -> str:
    """The line of a key, with its comment."""
    (found,) = (each for each in proposal.text.splitlines() if each.startswith(f"{key} = "))
    return found


def value(proposal: Proposal, key: str) -> str:
    return line(proposal, key).partition(" = ")[2].partition("  #")[0].strip().strip("\"'")


def places(proposal: Proposal) -> dict[str, str]:
    """The places of [answer] and [assets]."""
    provider = proposal.provider
    return {
        name: " | ".join(path.expression for path in paths)
        for name, paths in {**provider.answer, **provider.assets}.items()
    }


def taught(proposal: Proposal, by_hand: Provider) -> Provider:
    """The proposed file with the [status] and [errors] of the bundled one.

    No answer shows what a word or a code means, so what the engine does not know is a person's knowledge.
    """
    mine = proposal.provider
    statuses, implied = {**by_hand.statuses, **mine.statuses}, {**by_hand.implied, **mine.implied}
    return replace(mine, statuses=statuses, implied=implied, codes=by_hand.codes)


def left_to_a_person(proposal: Proposal) -> set[str]:
    """The words whose lines in [status] are commented out."""
    return set(re.findall(r'(?m)^# (\S+) = "\w+" +# EDIT: vidhook does not know the word', proposal.text))


def agrees_but_for_unknown_words(proposal: Proposal) -> bool:
    left = left_to_a_person(proposal)
    return proposal.agrees == (not left) and not any(meaning_of(BARE, word).known for word in left)


def stands_in(word: str, exchange: dict[str, Any]) -> bool:
    """Whether an answer has a word; else the bundled file has made it of other values."""
    return any(text(each) == word for _, each in walk(exchange["body"]))


def films(exchange: dict[str, Any], by_hand: Provider) -> set[str | None]:
    """The link at each of the places that the bundled file names: whichever is read leads to the film."""
    each_alone = [{**by_hand.assets, "result": (path,)} for path in by_hand.assets["result"]]
    return {
        shapes.reading(reading_of(exchange, replace(by_hand, assets=assets, results=()), {}))["url"]
        for assets in each_alone
    }


@pytest.mark.parametrize("file", COMPLETED, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_a_guessed_file_reads_what_the_bundled_one_reads(file: Path) -> None:
    """A file that was made from one answer is as good for it as one that was written by hand."""
    exchange = json.loads(file.read_text("utf-8"))["exchange"]
    provider = bundled()[exchange["provider"]]
    by_hand = shapes.reading(reading_of(exchange, provider, {}))
    proposal = guess([recorded(exchange, file.name)])
    by_guess = shapes.reading(reading_of(exchange, taught(proposal, provider), {}))
    assert agrees_but_for_unknown_words(proposal)
    assert (by_guess["outcome"], by_guess["status"]) == (by_hand["outcome"], by_hand["status"])
    assert by_guess["url"] in films(exchange, provider)
    if stands_in(by_hand["provider_status"], exchange):
        assert by_guess["provider_status"] == by_hand["provider_status"]


@pytest.mark.parametrize("file", COMPLETED, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_the_link_in_an_answer_is_found_without_its_url(file: Path) -> None:
    """Whoever has only the JSON edits the address, and nothing else."""
    exchange = json.loads(file.read_text("utf-8"))["exchange"]
    provider = bundled()[exchange["provider"]]
    by_hand = shapes.reading(reading_of(exchange, provider, {}))
    if by_hand["url"] and by_hand["url"] in json.dumps(exchange["body"]):
        by_guess = shapes.reading(reading_of(exchange, taught(proposed(exchange["body"]), provider), {}))
        assert by_guess["status"] == by_hand["status"]
        assert by_guess["url"] in films(exchange, provider)


@pytest.mark.parametrize("name", sorted(bundled()))
def test_all_answers_of_a_provider_together_give_one_file_that_reads_them_all(name: str) -> None:
    """The more kinds of answers there are, the more places are known: also those of a failed task.

    But a failure that the bundled file tells by other values than the status is a person's knowledge: its word stands
    in no answer.
    """
    provider, exchanges = bundled()[name], answers_of(name)
    proposal = guess([recorded(each) for each in exchanges if isinstance(each.get("body"), dict)])
    assert agrees_but_for_unknown_words(proposal)
    assert "error" in proposal.provider.answer
    for each in exchanges:
        by_hand, by_guess = (
            shapes.reading(reading_of(each, file, {})) for file in (provider, taught(proposal, provider))
        )
        word = by_hand["provider_status"]
        if word is None or (by_hand["error"] and word not in [*Status] and not stands_in(word, each)):
            continue
        assert by_guess["status"] == by_hand["status"]
        assert by_guess["url"] in films(each, provider)
        assert (by_guess["error"] or {}).get("category") == (by_hand["error"] or {}).get("category")


@pytest.mark.parametrize(
    ("name", "head", "kind"),
    [("bytesBase64Encoded", b"\0\0\0\x20ftypisom", "video/mp4"), ("b64_json", b"\x89PNG\r\n\x1a\n", "image/png")],
)
def test_a_file_that_stands_in_an_answer_itself_is_proposed_with_its_type(name: str, head: bytes, kind: str) -> None:
    """Nobody sees from the text what it is; an input in the same form is none."""
    made, brought = (base64.b64encode(head + bytes([fill]) * 200).decode() for fill in (1, 2))
    body = {"id": "t1", "status": "completed", "input": {name: brought}, "response": {"videos": [{name: made}]}}
    provider = proposed(body).provider
    assert dict(provider.base64) == {"result": kind}
    exchange = {"provider": "mine", "body": body}
    assert shapes.reading(reading_of(exchange, provider, {}))["url"] == f"data:{kind};base64"
    assert inline_in(provider, json.dumps(body).encode(), "result", "t1") == f"data:{kind};base64,{made}"


def answers_of(name: str) -> list[dict[str, Any]]:
    return [json.loads(file.read_text("utf-8"))["exchange"] for file in sorted((SAMPLES / name).glob("*.json"))]


def statuses_of(name: str) -> set[str]:
    """The status words in the recorded answers of a provider, as its bundled file reads them."""
    words = (shapes.reading(reading_of(each, bundled()[name], {}))["provider_status"] for each in answers_of(name))
    return {word for word in words if word is not None}


NUMBERED = [name for name in bundled() if any(word.isdecimal() for word in statuses_of(name))]


@pytest.mark.parametrize("name", NUMBERED)
def test_every_number_that_is_a_status_is_left_to_a_person(name: str) -> None:
    """No number says by itself what it means; the place of it is proposed all the same."""
    proposal = guess([recorded(each) for each in answers_of(name)])
    assert left_to_a_person(proposal) == {word for word in statuses_of(name) if word.isdecimal()}
    assert not proposal.agrees
    assert any(path.expression == value(proposal, "status") for path in bundled()[name].answer["status"])


# Answers of other kinds of APIs, and where their facts stand.
KINDS: list[tuple[str, dict[str, Any], dict[str, str]]] = [
    (
        "JSON in a string",
        {"code": 200, "data": {"taskId": "k9", "state": "success", "resultJson": json.dumps({"resultUrls": [LINK]})}},
        {"task": "data", "id": "taskId", "status": "state", "result": "resultJson"},
    ),
    (
        "an unusual name in JSON in a string",
        {"id": "k9", "state": "success", "blob": json.dumps({"deep": {"clip_href": LINK}})},
        {"id": "id", "status": "state", "result": "from_json(blob).deep.clip_href"},
    ),
    (
        "a list with a thumbnail first",
        {"id": "r3", "status": "SUCCEEDED", "output": ["https://cdn.mine.example/thumb.jpg", LINK]},
        {"id": "id", "status": "status", "result": "output", "poster": "output[]"},
    ),
    (
        "a list of results with a cover",
        {
            "id": "9",
            "state": "success",
            "err_code": "",
            "creations": [{"id": "c", "url": LINK, "cover_url": f"{LINK}.jpg"}],
        },
        {"id": "id", "status": "state", "error": "err_code", "result": "creations", "poster": "creations[].cover_url"},
    ),
    (
        "a task in a list",
        {"operations": [{"operation": {"name": "op1", "video": {"fifeUrl": LINK}}, "status": "GEN_STATUS_SUCCESSFUL"}]},
        {"task": "operations", "id": "operation.name", "status": "status", "result": "operation.video.fifeUrl"},
    ),
    (
        "done as true",
        {"name": "models/veo/operations/o", "done": True, "response": {"generatedSamples": [{"video": {"uri": LINK}}]}},
        {
            "id": "name",
            "status": "name && (done && (error && 'failed' || 'completed') || 'processing')",
            "result": "response.generatedSamples",
        },
    ),
    (
        "the id around the status",
        {"request_id": "r1", "taskId": "t1", "data": {"task_status": "SUCCESS", "video_url": LINK}},
        {"id": "taskId", "status": "data.task_status", "result": "data.video_url"},
    ),
    (
        "a status of the upstream within the task",
        {"task_id": "t1", "status": "SUCCESS", "result_url": LINK, "data": {"id": "u1", "status": "succeeded"}},
        {"id": "task_id", "status": "status", "result": "result_url"},
    ),
    (
        "names that JMESPath has to quote",
        {"task-id": "t1", "job": {"uuid": "t1", "job-state": "finished", "the film": {"url": LINK}}},
        {"task": "job", "id": "uuid", "status": '"job-state"', "result": '"the film".url'},
    ),
    (
        "code and message of the failure apart",
        {"id": "r1", "status": "FAILED", "failureCode": "SAFETY.INPUT", "failure": "It was refused."},
        {"id": "id", "status": "status", "error": "{code: failureCode, message: failure}", "result": "@"},
    ),
    (
        "the status in an object, and the links beside it",
        {"task": {"task_id": "t1", "status": "TASK_STATUS_SUCCEED", "reason": ""}, "videos": [{"video_url": LINK}]},
        {"id": "task.task_id", "status": "task.status", "result": "videos"},
    ),
    (
        "an image, without a word that it is one",
        {"id": "t1", "status": "done", "image_result": [{"url": PICTURE}]},
        {"id": "id", "status": "status", "result": "image_result"},
    ),
    (
        "an image where an input may stand too",
        {"id": "t1", "status": "done", "images": [{"image_url": PICTURE}], "reference": {"image_url": f"{LINK}.png"}},
        {"id": "id", "status": "status", "result": "images[].image_url"},
    ),
    (
        "a film without a status",
        {"model": "m1", "video": {"url": LINK, "duration": 6}},
        {"model": "model", "status": "video.url && 'completed'", "result": "video.url"},
    ),
    (
        "the reason in an object of the result",
        {"id": "t1", "status": "FAILED", "response": {"made": {"filteredReasons": ["It depicts real people."]}}},
        {"id": "id", "status": "status", "error": "response.made.filteredReasons", "result": "@"},
    ),
    (
        "the reason within a result",
        {"id": "r1", "status": "FAILED", "output": {"error": {"code": "E7", "message": "nsfw content"}}},
        {"id": "id", "status": "status", "error": "output.error", "result": "@"},
    ),
    (
        "times, queue and progress under names of the same words",
        {
            "id": "1",
            "status": "queued",
            "createTime": 1777288506,
            "submitTime": "",
            "queuePosition": 3,
            "progressPercent": 7,
        },
        {
            "id": "id",
            "status": "status",
            "created_at": "createTime",
            "queue_position": "queuePosition",
            "progress": "progressPercent",
            "result": "@",
        },
    ),
]


@pytest.mark.parametrize(("body", "expected"), [kind[1:] for kind in KINDS], ids=[kind[0] for kind in KINDS])
def test_the_places_are_found(body: dict[str, Any], expected: dict[str, str]) -> None:
    """In the forms that known APIs have."""
    proposal = proposed(body)
    assert places(proposal) == expected
    assert proposal.agrees


def test_several_answers_of_a_task_complete_each_other() -> None:
    """The completed one has the link, the failed one the reason, the running one what it took to get there."""
    task = {"jobId": "j-1", "phase": "RUNNING"}
    proposal = proposed(
        {"job": task | {"queue_position": 2}},
        {"job": task | {"phase": "FINISHED", "video_url": LINK}},
        {"job": task | {"phase": "FAILED", "errorMessage": "nsfw content"}},
    )
    assert places(proposal) == {
        "task": "job",
        "id": "jobId",
        "status": "phase",
        "queue_position": "queue_position",
        "error": "errorMessage",
        "result": "video_url",
    }


def test_links_of_two_places_are_two_candidates() -> None:
    """An API that gives the link here or there."""
    done = {"id": "1", "status": "completed"}
    proposal = proposed(done | {"video_url": LINK}, done | {"output": {"clips": [{"link": LINK}]}})
    assert places(proposal)["result"] == "video_url | output.clips"
    assert proposal.agrees


class TestTheAddress:
    BODY: ClassVar = {"id": "video/1 a", "task_id": "t-77", "name": "models/v3/operations/o7", "status": "queued"}

    @pytest.mark.parametrize(
        ("url", "base_url", "path"),
        [
            ("https://api.mine.example/v1/tasks/t-77", "https://api.mine.example", "/v1/tasks/{task_id}"),
            ("https://api.mine.example/q?task=t-77&v=2", "https://api.mine.example", "/q?task={task_id}&v=2"),
            ("http://127.0.0.1:8080/t-77/status", "http://127.0.0.1:8080", "/{task_id}/status"),
            ("https://api.mine.example/v1/video%2F1%20a", "https://api.mine.example", "/v1/{task_id}"),
            ("https://api.mine.example/v1/video/1%20a", "https://api.mine.example", "/v1/{task_id:path}"),
            ("https://api.mine.example/v1/models/v3/operations/o7", "https://api.mine.example", "/v1/{task_id:path}"),
            ("https://api.mine.example/v1/tasks/other-12", "https://api.mine.example", "/v1/tasks/{task_id}"),
            ("https://api.mine.example/v1/{task_id}/get", "https://api.mine.example", "/v1/{task_id}/get"),
        ],
    )
    def test_the_id_is_found_in_the_url(self, url: str, base_url: str, path: str) -> None:
        """Percent-encoded or not, in the path or in the query; else it is what looks like an id."""
        proposal = proposed(self.BODY, url=url)
        assert (proposal.provider.base_url, proposal.provider.poll.path) == (base_url, path)

    @pytest.mark.parametrize("url", [None, "nonsense", "https://api.mine.example/status"])
    def test_what_is_not_known_is_marked(self, url: str | None) -> None:
        """A file with an invented address would be worse than none."""
        proposal = proposed(self.BODY, url=url)
        assert "# EDIT" in line(proposal, "path")

    def test_a_path_of_a_known_format_brings_the_format(self) -> None:
        """With it the file is downloaded where such APIs serve it."""
        done = {"id": "video_1", "status": "completed"}
        proposal = proposed(done, url="https://relay.example/api/v1/videos/video_1")
        assert (proposal.provider.base_url, proposal.provider.poll.path) == (
            "https://relay.example/api",
            "/v1/videos/{task_id}",
        )
        assert proposal.provider.content_path is not None

    def test_the_id_in_the_url_tells_which_object_is_the_task(self) -> None:
        """Some answers have more than one."""
        body = {
            "user": {"id": "u1", "status": "active"},
            "batch": {"id": "b7", "status": "done"},
            "job": {"id": "j7", "status": "ok"},
        }
        assert places(proposed(body, url="https://api.mine.example/jobs/j7"))["task"] == "job"
        assert places(proposed(body, url="https://api.mine.example/jobs/b7"))["task"] == "batch"


class TestTheKey:
    BODY: ClassVar = {"id": "t-77", "status": "queued"}
    URL = "https://api.mine.example/v1/tasks/t-77"

    @pytest.mark.parametrize(
        ("headers", "header", "put"),
        [
            ({}, "Authorization", "Bearer {key}"),
            ({"authorization": "Key k3y-s3cr3t"}, "authorization", "Key {key}"),
            ({"Authorization": "k3y-s3cr3t"}, "Authorization", "{key}"),
            ({"Accept": "*/*", "X-Goog-Api-Key": "k3y-s3cr3t"}, "X-Goog-Api-Key", "{key}"),
            ([{"name": "API-KEY", "value": "k3y-s3cr3t"}], "API-KEY", "{key}"),
        ],
    )
    def test_the_request_shows_how_the_key_is_sent(self, headers: object, header: str, put: str) -> None:
        """Recorders keep the headers of the request too."""
        proposal = proposed(self.BODY, request={"url": self.URL, "headers": headers})
        assert proposal.provider.auth.headers == {header: put}
        assert "k3y-s3cr3t" not in proposal.text

    def test_a_key_in_the_query_is_asked_for_there(self) -> None:
        """And its value is in no place of the file."""
        proposal = proposed(self.BODY, url=f"{self.URL}?v=2&key=k3y-s3cr3t")
        assert (proposal.provider.poll.path, proposal.provider.auth.query) == (
            "/v1/tasks/{task_id}?v=2",
            {"key": "{key}"},
        )
        assert proposal.provider.auth.headers == {}
        assert "k3y-s3cr3t" not in proposal.text

    def test_a_posted_list_becomes_the_body(self) -> None:
        """Some APIs take several questions at once."""
        request = {
            "method": "POST",
            "url": "https://api.mine.example/v1",
            "body": [{"type": "get", "uuid": "t-77", "n": 1}],
        }
        assert proposed(self.BODY, request=request).provider.poll.body == [{"type": "get", "uuid": "{task_id}", "n": 1}]

    def test_an_answer_may_say_which_scheme_it_wants(self) -> None:
        """A 401 has a WWW-Authenticate."""
        refused = answer(
            {"detail": "no key"}, "401.json", status=401, headers={"WWW-Authenticate": 'Token realm="api"'}
        )
        assert guess([refused, answer(self.BODY)]).provider.auth.headers == {"Authorization": "Token {key}"}

    def test_a_fixed_header_of_the_version_is_kept(self) -> None:
        """Runway answers nothing without it."""
        proposal = proposed(
            self.BODY, request={"headers": {"X-Runway-Version": "2024-11-06", "Cookie": "version=1; a"}}
        )
        assert proposal.provider.headers == {"X-Runway-Version": "2024-11-06"}

    def test_a_posted_question_becomes_the_body(self) -> None:
        """Its id is replaced, its key left out."""
        posted = {"requestId": "t-77", "lang": "en", "api_key": "k3y-s3cr3t"}
        request = {"method": "post", "url": "https://api.mine.example/v1/status", "body": posted}
        proposal = proposed(self.BODY, request=request)
        assert (proposal.provider.poll.method, proposal.provider.poll.path) == ("POST", "/v1/status")
        assert proposal.provider.poll.body == {"requestId": "{task_id}", "lang": "en"}
        assert "k3y-s3cr3t" not in proposal.text

    def test_neither_a_key_nor_a_signature_is_shown(self) -> None:
        """The file goes into a repository."""
        secret = "s3cr3tSignature"
        body = {
            "id": "t-77",
            "status": "completed",
            "prompt": f"like https://u:{secret}@in.example/a.mp4?sig={secret}",
            "video_url": f"https://cdn.example/{secret}/sign={secret}/a.mp4?X-Amz-Signature={secret}",
            "cover_url": f"https://cdn.example/a.jpg?sig={secret}",
            "error": {"message": f"Incorrect API key provided: sk-{secret}"},
        }
        failed = body | {"status": "failed"}
        proposal = proposed(
            body, failed, url=f"https://u:{secret}@api.mine.example/v1/tasks/t-77?api_key={secret}&key={secret}"
        )
        assert secret not in proposal.text
        assert not any(secret in said for said in proposal.readings)
        assert proposal.provider.poll.path == "/v1/tasks/{task_id}"


class TestTheSecondRequest:
    """The link comes with another answer, as at fal and MiniMax."""

    URL = "https://api.mine.example/v1/query?task_id=1069161122"
    DONE: ClassVar = {"task_id": "1069161122", "status": "Success", "file_id": "2052585263"}
    FILE: ClassVar = {"file": {"file_id": 2052585263, "download_url": LINK}}

    def proposed(self, body: object, second_url: str | None) -> Proposal:
        second = {"url": second_url, "body": self.FILE}
        proposal = proposed(body, url=self.URL, second=second)
        assert places(proposal)["result"] == "file.download_url"
        exchange = {"url": self.URL, "body": body, "second": second}
        assert shapes.reading(reading_of(exchange, proposal.provider, {}))["url"] == LINK
        assert proposal.readings == (f'0.json: completed ("Success"), {LINK}',)
        return proposal

    @pytest.mark.parametrize(
        ("asked", "path"),
        [
            ("/v1/files?id=2052585263&group=1", "/v1/files?id={file_id}&group=1"),
            ("/v1/files/2052585263/get", "/v1/files/{file_id}/get"),
        ],
    )
    def test_a_value_of_the_first_answer_is_found_in_the_second_url(self, asked: str, path: str) -> None:
        """It becomes a field."""
        result = self.proposed(self.DONE, f"https://api.mine.example{asked}").provider.result
        assert result is not None
        assert result.call is not None
        assert result.call.path == path
        assert {name: [each.expression for each in paths] for name, paths in result.fields.items()} == {
            "file_id": ["file_id"]
        }

    def test_the_id_of_the_task_may_be_all_that_the_second_url_has(self) -> None:
        """It needs no field."""
        result = self.proposed(self.DONE, "https://api.mine.example/v1/results/1069161122").provider.result
        assert result is not None
        assert (result.call and result.call.path, result.fields) == ("/v1/results/{task_id}", {})

    @pytest.mark.parametrize("told", [True, False])
    def test_a_url_in_the_first_answer_is_asked(self, told: bool) -> None:
        """Whether the second URL is known, or only that such a link is there."""
        link = "https://queue.mine.example/requests/9"
        result = self.proposed(self.DONE | {"response_url": link}, link if told else None).provider.result
        assert result is not None
        assert [each.expression for each in result.url] == ["response_url"]

    def test_the_status_of_a_second_answer_that_ends_the_task_is_listed(self) -> None:
        """A 422 would be said again; after a 429 or a 503 the link is asked for again."""
        seconds = [{"status": status, "body": {"detail": "nsfw content"}} for status in (422, 429, 503)]
        proposal = guess([answer(self.DONE, second=each) for each in ({"body": self.FILE}, *seconds)])
        assert proposal.agrees
        assert proposal.provider.result is not None
        assert proposal.provider.result.failed == {422}

    def test_another_host_is_told(self) -> None:
        """It gets the key only if the file says so."""
        text = self.proposed(self.DONE, "https://files.mine.example/v1/files/2052585263").text
        assert "EDIT: it was asked at" in text.partition("[result]")[2].splitlines()[1]

    def test_a_second_answer_that_is_not_needed_is_refused(self) -> None:
        """Most likely the answers were mixed up."""
        with pytest.raises(BadInput, match="no answer of a completed task lacks the link"):
            proposed({"id": "1", "status": "done", "video_url": LINK}, second={"body": self.FILE})


class TestWords:
    def test_an_unknown_word_is_left_to_the_person(self) -> None:
        """A guess at it could tell a failed task as completed; with its line the file reads the answer."""
        body = {"id": "t1", "status": "WRAPPED_UP", "video_url": LINK}
        proposal = proposed(body)
        assert not proposal.agrees
        assert '# WRAPPED_UP = "completed"' in proposal.text
        assert proposal.provider.statuses == {}
        edited = proposal.text.replace("# WRAPPED_UP", "WRAPPED_UP")
        assert shapes.reading(reading_of({"body": body}, parse(edited), {}))["url"] == LINK

    @pytest.mark.parametrize(("number", "hint"), [(1, "completed"), (-1, "failed")])
    def test_a_number_is_left_to_the_person_too(self, number: int, hint: str) -> None:
        """And a number below zero is no good news, whatever stands beside it."""
        body = {"status": 200, "message": "success", "data": {"task_id": "t1", "state": number, "videos": [LINK]}}
        proposal = proposed(body)
        assert places(proposal)["task"] == "data"
        assert f'# {number} = "{hint}"' in proposal.text
        assert "EDIT" in proposal.readings[0]

    FAIL: ClassVar = {"request_id": "r9", "task_status": "FAIL", "error": "nsfw content"}
    URL = "https://api.mine.example/v1/tasks/task-7712"

    def test_a_word_that_requests_have_too_is_the_tasks_beside_other_words_of_it(self) -> None:
        """Without the task's id beside it the engine would take it for the request's."""
        running = {"request_id": "r9", "task_status": "PROCESSING"}
        proposal = proposed(self.FAIL, running, url=self.URL)
        assert proposal.provider.statuses == {"fail": Status.FAILED}
        assert proposal.agrees

    def test_a_word_that_requests_have_too_is_left_to_a_person_alone(self) -> None:
        """It may well be the request's."""
        proposal = proposed(self.FAIL, url=self.URL)
        assert '# FAIL = "failed"' in proposal.text
        assert (proposal.provider.statuses, proposal.agrees) == ({}, False)

    def test_a_refusal_is_no_running_task_although_it_is_not_done(self) -> None:
        """A task that goes on has its id where it has no flag yet."""
        going, refused = {"name": "models/v3/operations/o7"}, {"error": {"code": 404, "message": "There is none."}}
        proposal = guess([answer(going | {"done": True}), answer(going), answer(refused, status=404)])
        assert proposal.agrees
        assert [said.split()[1] for said in proposal.readings] == ["failed", "processing", "retry"]

    @pytest.mark.parametrize("body", [{"image_url": PICTURE}, {"video": "https://api.mine.example/v1/videos/7"}])
    def test_a_link_that_is_not_surely_a_film_shows_no_completed_task(self, body: dict[str, Any]) -> None:
        """It may be the question, or where to ask."""
        with pytest.raises(BadInput, match="no status of a task stands in it"):
            proposed(body)

    def test_a_film_without_a_status_counts_where_other_answers_have_one(self) -> None:
        """And not before: a running task may show a part of its film."""
        done = {"request_id": "r9", "video": {"url": LINK}}
        proposal = proposed(done, {"request_id": "r9", "state": "pending"})
        told = [{"body": done | state} for state in ({}, {"state": "pending"}, {"state": "SHOWING"})]
        read = [shapes.reading(reading_of(each, proposal.provider, {}))["status"] for each in told]
        assert read == ["completed", "pending", "processing"]

    @pytest.mark.parametrize("code", [200, 0, 404])
    def test_the_code_of_an_envelope_is_no_status(self, code: int) -> None:
        """Its word is none either."""
        proposal = proposed({"status": "success", "code": code, "data": {"id": "1", "state": "rendering"}})
        assert (places(proposal)["task"], places(proposal)["status"]) == ("data", "state")


@pytest.mark.parametrize(
    ("progress", "scale"), [([0, 1], 1), ([0.4], 1), ([40, 100], None), ([1, 50], None), (["40%"], None), ([0], None)]
)
def test_progress_up_to_one_is_told_from_percent(progress: list[object], scale: float | None) -> None:
    """A completed task whose progress is 1 would be at 1 %."""
    last = len(progress) - 1
    tasks = [
        {"id": "1", "status": "done" if at == last else "running", "progress": each} for at, each in enumerate(progress)
    ]
    assert proposed(*tasks).provider.progress_scale == scale


def test_several_films_are_pointed_out() -> None:
    """Without `results` only one of them is stored."""
    clips = {"id": "1", "status": "done", "clips": [{"url": LINK}, {"url": f"{LINK}?2"}]}
    assert "# results = " in proposed(clips).text
    assert (
        "# results = " not in proposed(clips | {"clips": [{"url": LINK}, {"url": "https://c.example/cover.jpg"}]}).text
    )


def test_several_films_at_the_api_itself_are_pointed_out_too() -> None:
    """Links that need the key stand there."""
    contents = [f"https://api.mine.example/v1/videos/t-7/content?index={index}" for index in (0, 1)]
    done = {"id": "t-7", "status": "done", "unsigned_urls": contents}
    assert "# results = " in proposed(done, url="https://api.mine.example/v1/videos/t-7").text


def test_how_long_a_task_takes_is_that_of_the_answer() -> None:
    """One task is better than no idea."""
    done = {"id": "1", "status": "done", "created_at": 1777288506, "finished_at": "2026-04-27T11:20:00Z"}
    assert proposed(done).provider.expected_seconds == 1777288800 - 1777288506
    assert "# EDIT" in proposed({"id": "1", "status": "done"}).text.partition("# expected_seconds")[2].splitlines()[0]


def test_a_status_is_needed() -> None:
    """A file without one could not be used, and one with an invented one would never see the end of a task."""
    with pytest.raises(BadInput, match=r"done\.json: nothing can be proposed: no status of a task stands in it"):
        guess([answer({"code": 500, "message": "busy"})])


def test_a_file_without_an_answer_is_named_as_that() -> None:
    """An empty list of answers has no name that could be told."""
    with pytest.raises(BadInput, match=r"^no answer: nothing can be proposed"):
        guess([])


# Answers of nobody.

ODD = ["odd\"'", "a b", "é", "", "\x7f", "x[", "status.x"]
USUAL = ["status", "state", "id", "task_id", "data", "output", "result", "video_url", "url", "error", "code", "message"]
NAMES = st.sampled_from([*ODD, *USUAL, "done", "progress", "created_at", "operations", "name", "input", "failCode"])
NAMES |= st.text(max_size=6)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(
        ["succeeded", "FAILED", "running", LINK, "task-12345", 1, -1, '{"status": "done", "a": [1]}', f'["{LINK}"]']
    )
)
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=6), max_leaves=20
)
URLS = (
    st.none()
    | st.text(max_size=20)
    | st.sampled_from(
        ["https://h.example/v1/tasks/task-12345?v={x}", "http://[::1]:80/a?id={task_id}", "https://e.example/\\"]
    )
)


BODIES = st.dictionaries(NAMES, JSON, max_size=6)
TASKS = st.builds(lambda body, status: body | {"status": status}, BODIES, st.sampled_from(["done", "failed", "odd", 3]))
REQUESTS = st.fixed_dictionaries(
    {}, optional={"method": st.just("POST"), "body": JSON, "url": URLS, "headers": st.dictionaries(NAMES, LEAVES)}
)
EXCHANGES = st.fixed_dictionaries(
    {"body": TASKS | BODIES, "url": URLS, "status": st.sampled_from([200, 200, 404, 500])},
    optional={"request": REQUESTS, "second": st.fixed_dictionaries({"body": BODIES, "url": URLS})},
)


@given(st.lists(EXCHANGES, min_size=1, max_size=3))
def test_any_answer_gives_a_file_that_parses_or_one_line_why_not(exchanges: list[dict[str, Any]]) -> None:
    """Whatever somebody has recorded."""
    answers = [recorded(exchange) for exchange in exchanges]
    told = "nothing can be proposed"
    try:
        proposal = guess(answers)
    except BadInput as error:
        told = str(error)
    else:
        parse(proposal.text)
        assert proposal.agrees or any("EDIT" in said for said in proposal.readings)
    assert "nothing can be proposed" in told or "lacks the link" in told
    assert len(told.splitlines()) == 1


class TestTheCommand:
    def test_the_worked_example_of_the_docs_is_what_is_printed(self, tmp_path: Path) -> None:
        """People compare what they get with the page."""
        page = (Path(__file__).parents[2] / "docs" / "providers.md").read_text("utf-8")
        body = page.split("/v1/videos/text2video/{id}`:\n")[1].split("\nWrite an answer")[0]
        shown = dedent(
            page.split("let vidhook propose the provider file:\n")[1].split("\nWhat no answer shows")[0]
        ).strip()
        command, _, printed = shown.partition("\n")
        done = tmp_path / "done.json"
        done.write_text(body, "utf-8")
        words = [str(done) if word == "done.json" else word for word in command.split()[2:]]
        assert run(*words).stdout.strip() == printed

    def test_the_file_is_printed_and_can_be_used(self, tmp_path: Path) -> None:
        """`vidhook providers guess done.json > mine.toml`."""
        done = tmp_path / "done.json"
        done.write_text(json.dumps({"id": "t-77", "status": "succeeded", "output": [LINK]}), "utf-8")
        result = run("providers", "guess", done, "--name", "mine", "--url", "https://api.mine.example/v1/tasks/t-77")
        assert result.exit_code == 0
        assert f'done.json: completed ("succeeded"), {LINK}' in result.stderr
        file = tmp_path / "mine.toml"
        file.write_text(result.stdout, "utf-8")
        assert json.loads(run("providers", "check", file).stdout)["provider"] == "mine"
        read = run("read", "--provider-file", file, "-", stdin=json.dumps({"body": {"id": "1", "status": "failed"}}))
        assert json.loads(read.stdout)["status"] == "failed"

    def test_answers_may_be_bodies_exchanges_and_samples(self) -> None:
        """What curl prints, what was recorded, and what `vidhook task --answer` prints."""
        body = {"id": "t-77", "status": "succeeded", "video_url": LINK}
        told = {
            "at": "2026-04-27T11:20:12Z",
            "status": 200,
            "headers": {},
            "body": body,
            "truncated": False,
            "read": {},
        }
        for recorded in (body, {"body": json.dumps(body)}, {"exchange": {"body": body}, "reading": {}}, told):
            row = json.loads(run("providers", "guess", "-", "--json", stdin=json.dumps(recorded)).stdout)
            assert (row["agrees"], row["read"]) == (True, [f'-: completed ("succeeded"), {LINK}'])
            assert parse(row["toml"]).name == row["provider"]

    @pytest.mark.parametrize(
        ("stdin", "complaint"),
        [
            ("<html>", "this is not JSON"),
            ("", "there is none"),
            ("[1]", "this is no JSON object"),
            ('{"body": "<html>"}', "this is no JSON object"),
            ('{"message": "busy"}', "nothing can be proposed"),
        ],
    )
    def test_what_is_no_answer_of_a_task_is_told_in_one_line(self, stdin: str, complaint: str) -> None:
        """A person has to find another answer then."""
        result = run("providers", "guess", "-", stdin=stdin)
        assert (result.exit_code, result.stdout) == (1, "")
        assert complaint in result.stderr
        assert len(result.stderr.splitlines()) == 1

    def test_a_name_that_no_provider_can_have_is_refused(self) -> None:
        """The file would be refused later."""
        result = run("providers", "guess", "-", "--name", "My API", stdin='{"id": "1", "status": "done"}')
        assert result.exit_code == 1
        assert "name:" in result.stderr
