"""What is read in a provider's answer, rule by rule; docs/providers.md explains the same rules."""

import json
import tomllib
from dataclasses import asdict, replace
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidhook import shapes
from vidhook.providers.file import bundled, bundled_text
from vidhook.providers.reading import Reading, read
from vidhook.providers.values import DEPTH, parsed
from vidhook.task import Category, Snapshot, Status
from vidhook_cli.read import reading_of

PROVIDERS = bundled()
# Files behind which a format stands: they read answers of other forms than the one they describe.
LENIENT = sorted(name for name in PROVIDERS if "format" in tomllib.loads(bundled_text(name)))
SAMPLES = sorted((Path(__file__).parents[2] / "events" / "providers").glob("*/*.json"))
NOW = 1_777_288_860.0  # 2026-04-27T11:21:00Z
OLD = 3_600.0
ESCAPES = [
    *(r"\ud83d", r"\ude00", r"\ud83d\ude00", r"\uDBFF\uDFFF", r"\\", r"\n", r"\u0041", "ud83d", "a", r"\"", "H"),
    *(r"\uc8ff", r"\uDd0D"),
]


def answer(body: object, name: str = "infinityblue", status: int = 200, **more: Any) -> Reading:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    known: dict[str, Any] = {"headers": {}, "age_seconds": OLD, "now": NOW, "task_id": "video_1"} | more
    return read(PROVIDERS[name], status=status, body=raw, **known)


def snapshot(body: object, name: str = "infinityblue", **more: Any) -> Snapshot:
    reading = answer(body, name, **more)
    assert reading.snapshot is not None, reading
    return reading.snapshot


def video(**fields: Any) -> dict[str, Any]:
    return {"id": "video_1", "object": "video", "status": "in_progress"} | fields


def relay(**fields: Any) -> dict[str, Any]:
    return {"code": "success", "message": "", "data": {"task_id": "asyntask_1", "status": "IN_PROGRESS"} | fields}


def done(**fields: Any) -> dict[str, Any]:
    return video(status="completed") | fields


def failed(error: object, **fields: Any) -> dict[str, Any]:
    return video(status="failed", error=error) | fields


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_recorded_answer_reads_as_written(path: Path) -> None:
    """Users, the documentation and the sample provider rely on the files in events/providers."""
    sample = json.loads(path.read_text("utf-8"))
    assert json.loads(json.dumps(shapes.reading(reading_of(sample["exchange"], None, PROVIDERS)))) == sample["reading"]


class TestHttpComesFirst:
    @pytest.mark.parametrize("status", [400, 405, 413, 422, 451])
    def test_other_4xx_with_an_error_is_permanent(self, status: int) -> None:
        """The provider refuses the request itself, so the same request will be refused again."""
        reading = answer({"error": {"code": "invalid_request", "message": "task_id is malformed"}}, status=status)
        assert (reading.outcome, reading.key_refused) == ("permanent_error", False)
        assert reading.error is not None
        assert not reading.error.retryable

    @pytest.mark.parametrize("body", [b"", b'{"error": "Forbidden"}'])
    @pytest.mark.parametrize("status", [401, 402, 403])
    def test_a_refused_key_is_permanent_and_marked_as_such(self, status: int, body: bytes) -> None:
        """A new key or a paid bill lets the same task go on, so the task must not be failed for a bad request."""
        reading = answer(body, status=status)
        assert (reading.outcome, reading.key_refused) == ("permanent_error", True)
        assert reading.error is not None
        assert reading.error.category == (Category.QUOTA if status == 402 else Category.AUTH)

    @pytest.mark.parametrize("body", [b"<html>Forbidden</html>", b"\xef\xbb\xbf\n<!DOCTYPE html>", b"<?xml?><Error/>"])
    @pytest.mark.parametrize("status", [401, 402, 403, 404, 410, 422, 502])
    def test_a_page_is_a_gateways_word_and_ends_nothing(self, status: int, body: bytes) -> None:
        """A challenge or the 404 page of a framework knows neither the key nor the task."""
        reading = answer(body, status=status)
        assert (reading.outcome, reading.inferred) == ("retry", False)

    @pytest.mark.parametrize("status", [402, 403, 404, 410])
    def test_plain_words_of_a_gateway_end_nothing(self, status: int) -> None:
        """Gateways answer `error code: 1020` or `404 page not found` as plain text too."""
        reading = answer(b"error code: 1020", status=status)
        assert (reading.outcome, reading.key_refused) == ("retry", False)

    def test_plain_words_with_a_401_are_about_the_key(self) -> None:
        """Only what checks credentials answers 401 (RFC 9110, 15.5.2)."""
        assert answer(b"Unauthorized", status=401).key_refused

    @pytest.mark.parametrize(
        "said", [b"error code: 1020", b"Request blocked. Ray ID 8f3a", b"Access denied by the proxy", b"no " * 100]
    )
    def test_but_not_the_words_of_a_gateway(self, said: bytes) -> None:
        """Its refusal has nothing to do with the key, and would ring the alarm of the key."""
        reading = answer(said, status=401)
        assert (reading.outcome, reading.key_refused) == ("retry", False)

    def test_a_task_that_is_not_ours_refuses_the_task_and_not_the_key(self) -> None:
        """VicSee answers FORBIDDEN for another user's task, and no other key of ours would change that."""
        body = {"success": False, "error": {"code": "FORBIDDEN", "message": "Task belongs to another user"}}
        for status in (200, 403):
            reading = answer(body, "vicsee", status=status)
            assert (reading.outcome, reading.key_refused) == ("permanent_error", False), status

    def test_refused_content_is_no_refused_key(self) -> None:
        """Some providers answer 403 for content that their moderation refuses."""
        reading = answer({"error": {"code": "content_policy_violation", "message": "x"}}, status=403)
        assert (reading.outcome, reading.key_refused) == ("permanent_error", False)

    def test_a_400_may_refuse_the_key(self) -> None:
        """The code in the body is as clear as the status 401 would be."""
        reading = answer({"error": {"code": "INVALID_API_KEY"}}, "vibepeak", status=400)
        assert (reading.outcome, reading.key_refused) == ("permanent_error", True)

    @pytest.mark.parametrize("status", [301, 302, 307, 408, 409, 423, 425, 429, 500, 502, 503, 504, 520, 529, 599, 999])
    @pytest.mark.parametrize("body", [b"", b"<html>", b'{"error": {"message": "no"}}', b'{"status": "failed"}'])
    def test_what_may_pass_is_asked_again(self, status: int, body: bytes) -> None:
        """A provider that is down or busy costs a pause and never the task, whatever its body contains."""
        reading = answer(body, status=status)
        assert reading.outcome == "retry"
        assert reading.error is not None
        assert reading.error.retryable

    @pytest.mark.parametrize("status", [200, 202, 204, 206, 400, 422])
    @pytest.mark.parametrize(
        "body", [b"", b" ", b"<html>oops</html>", b"[]", b"null", b'"completed"', b"7", b"{", b"\xff"]
    )
    def test_what_is_no_object_is_asked_again(self, status: int, body: bytes) -> None:
        """Such an answer often comes from a gateway in between, which knows nothing about the task."""
        assert answer(body, status=status).outcome == "retry"

    @pytest.mark.parametrize(
        ("name", "status", "body"),
        [
            ("vibepeak", 404, {"error": {"code": "TASK_NOT_FOUND", "message": "no"}}),
            ("alad", 400, {"code": "task_not_exist", "message": "task_not_exist", "data": None}),
            ("vicsee", 400, {"success": False, "error": {"code": "TASK_NOT_FOUND"}}),
            ("vicsee", 200, {"success": False, "error": {"code": "TASK_NOT_FOUND"}}),
            ("vicsee", 200, {"success": False, "data": None, "error": {"code": "TaskNotFound", "message": ""}}),
            ("alad", 200, {"code": 404, "message": "no such thing", "data": None}),
            ("alad", 200, {"code": 400, "message": "task not exist", "data": None}),
            ("infinityblue", 200, {"status": 404, "error": "Not Found"}),
            ("infinityblue", 200, {"message": "task not found"}),
            ("infinityblue", 200, {"result": None, "error": {"code": 404}}),
            ("infinityblue", 200, {"success": 0, "error": True, "message": "no such video"}),
            (
                "infinityblue",
                400,
                {"error": {"message": "The video 'v' does not exist", "type": "invalid_request_error"}},
            ),
            ("infinityblue", 400, {"error": {"type": "not_found_error", "message": "video_1"}}),
            ("alad", 400, {"code": "bad_request", "message": "未找到该任务"}),
            ("infinityblue", 404, {"detail": "Not Found"}),
            ("infinityblue", 410, {}),
            ("infinityblue", 200, {"id": "video_1", "status": "not_found"}),
        ],
    )
    def test_not_found_is_asked_again_while_the_task_is_young(self, name: str, status: int, body: object) -> None:
        """A provider may accept a task before all of its servers know it."""
        for age, outcome in ((None, "retry"), (119.9, "retry"), (120.0, "permanent_error")):
            reading = answer(body, name, status=status, age_seconds=age)
            assert reading.outcome == outcome
            assert reading.error is not None
            assert (reading.error.category, reading.key_refused) == (Category.NOT_FOUND, False)

    @pytest.mark.parametrize(
        ("more", "code", "message"),
        [
            ({}, "NOT_FOUND", "Not found"),
            ({"error": {"code": "GONE", "message": "Kept for a day"}}, "GONE", "Kept for a day"),
        ],
    )
    def test_a_status_word_that_says_not_found_is_its_own_reason(
        self, more: dict[str, Any], code: str, message: str
    ) -> None:
        """Otherwise the error would call an answer unreadable that said all there is to say."""
        error = answer({"id": "video_1", "status": "not_found", **more}).error
        assert error is not None
        assert (error.code, error.message) == (code, message)

    def test_a_word_that_the_file_calls_not_found_is_no_end_of_a_young_task(self) -> None:
        """As an HTTP 404: a file that lists the word must not lose tasks that not all servers know yet."""
        listed = replace(PROVIDERS["infinityblue"], statuses={"9": Status.FAILED}, implied={"9": Category.NOT_FOUND})
        for age, outcome in ((10.0, "retry"), (900.0, "permanent_error")):
            said = read(
                listed, status=200, headers={}, body=b'{"id": "video_1", "status": 9}', age_seconds=age, now=1e9
            )
            assert said.error is not None
            assert (said.outcome, said.error.category) == (outcome, Category.NOT_FOUND)

    @pytest.mark.parametrize("code", ["IMAGE_NOT_FOUND", "model_not_found"])
    def test_another_thing_not_found_is_no_missing_task(self, code: str) -> None:
        """A 400 about an image or a model is about the request, so the task is not missing."""
        assert answer({"error": {"code": code}}, status=400, age_seconds=1).outcome == "permanent_error"


class TestEnvelopes:
    @pytest.mark.parametrize(
        ("body", "outcome", "key_refused"),
        [
            (
                {"success": False, "error": {"code": "UNAUTHORIZED", "message": "Invalid API key"}},
                "permanent_error",
                True,
            ),
            ({"code": 401, "message": "who are you"}, "permanent_error", True),
            ({"code": "insufficient_user_quota", "message": "pay"}, "permanent_error", True),
            ({"code": "error", "message": "Invalid API key", "data": None}, "permanent_error", True),
            ({"error": {"code": "InvalidParameter", "message": "bad"}}, "permanent_error", False),
            ({"success": False, "error": {"code": "INTERNAL_ERROR", "message": "oops"}}, "retry", False),
            ({"code": 429, "message": "slow down"}, "retry", False),
            ({"code": "fail_to_fetch_task", "message": "connection reset", "data": None}, "retry", False),
            ({"success": False}, "retry", False),
            ({"success": "false", "message": "Invalid API key"}, "permanent_error", True),
            ({"error": True, "message": "Insufficient credits"}, "permanent_error", True),
            ({"code": "success", "message": "", "data": None}, "retry", False),
            ({"message": "some parameter is invalid, we think"}, "retry", False),
            ({"name": "Copyright", "type": "moderation"}, "retry", False),
            ({"success": False, "message": "无权进行此操作"}, "permanent_error", True),
            ({"base_resp": {"status_code": 1004, "status_msg": "authentication failed"}}, "permanent_error", True),
            ({"base_resp": {"status_code": 1002, "status_msg": "rate limit"}}, "retry", False),
            ({"status": "", "base_resp": {"status_code": 0, "status_msg": "success"}}, "retry", False),
            ({}, "retry", False),
        ],
    )
    def test_a_refusal_inside_a_200_is_what_it_would_be_outside(
        self, body: object, outcome: str, key_refused: bool
    ) -> None:
        """Without a status of the task, the envelope decides whether the answer is a refusal."""
        reading = answer(body, "alad")
        assert (reading.outcome, reading.key_refused) == (outcome, key_refused)

    def test_no_result_ends_the_task(self) -> None:
        """VicSee's NO_RESULT means completed without a result, whatever the HTTP status is."""
        body = {"success": False, "error": {"code": "NO_RESULT", "message": "Task completed but no result available"}}
        for status in (200, 400, 404, 409):
            got = snapshot(body, "vicsee", status=status)
            assert got.status == Status.FAILED
            assert got.error is not None
            assert (got.error.category, got.error.code) == (Category.NO_RESULT, "NO_RESULT")
        assert answer(body, "vicsee", status=429).outcome == "retry"

    def test_the_status_of_the_task_outweighs_the_envelope(self) -> None:
        """`success: false` is the reason of a failed task, and means nothing around a task that still runs."""
        body = {
            "success": False,
            "data": {"status": "failed"},
            "error": {"code": "GENERATION_FAILED", "message": "why"},
        }
        got = snapshot(body, "vicsee")
        assert got.error is not None
        assert (got.status, got.error.message) == (Status.FAILED, "why")
        assert snapshot({"success": False, "data": {"status": "processing"}}, "vicsee").status == Status.PROCESSING

    def test_the_task_is_found_in_and_out_of_its_envelope(self) -> None:
        """Deployments of one format wrap the task differently: not at all, in `data`, or in a list of one."""
        bare = {"task_id": "asyntask_1", "id": "asyntask_1", "status": "processing", "progress": 40}
        for name in LENIENT:
            for body in (bare, {"data": bare}, {"code": 0, "data": [bare]}, {"status": 200, "data": bare}):
                assert snapshot(body, name) == snapshot(bare, name), (name, body)

    def test_the_envelopes_status_is_not_the_tasks(self) -> None:
        """{"status": "success"} around a running task must not complete the task."""
        body = {"status": "success", "data": {"id": "v", "status": "running"}}
        assert snapshot(body).status == Status.PROCESSING

    def test_a_relay_behind_a_relay_wraps_twice(self) -> None:
        """The `data` inside of a task is the upstream's answer, which may be completed before the task is."""
        inner = {"task_id": "t", "status": "IN_PROGRESS"}
        for name in ("alad", "infinityblue"):
            assert snapshot({"code": "success", "data": {"data": inner}}, name) == snapshot(inner, name)
        upstream = {"status": "succeeded", "content": {"video_url": "https://cdn.example/low.mp4"}}
        running = relay(data=upstream)
        for body in (running, running["data"], {"id": "t", "status": "IN_PROGRESS", "data": upstream}):
            assert snapshot(body, "alad").status == Status.PROCESSING
        assert answer(relay(status="", data=upstream), "alad").outcome == "retry"

    @pytest.mark.parametrize("name", LENIENT)
    def test_an_envelopes_status_without_a_task_is_about_the_request(self, name: str) -> None:
        """{"status": "error"} around "task not found" or "slow down" must not end a task that still runs."""
        unknown = {"status": "error", "message": "Task not found"}
        assert answer(unknown, name, age_seconds=1).outcome == "retry"
        assert answer(unknown, name).outcome == "permanent_error"
        assert answer({"status": "error", "message": "Invalid API key"}, name).key_refused
        assert answer({"status": "fail", "message": "Rate limit exceeded"}, name).outcome == "retry"
        assert answer({"status": "success", "data": None}, name).outcome == "retry"
        with_its_id = {"status": "error", "id": "t", "task_id": "t"}
        assert snapshot(with_its_id, name, task_id="t").status == Status.FAILED
        assert answer(with_its_id, name, task_id="another").outcome == "retry"
        assert snapshot({"status": "success", "url": "https://cdn.example/v.mp4"}, name).status == Status.COMPLETED


WORDS = {
    Status.PENDING: "pending queued NOT_START SUBMITTED created waiting starting preparing in_queue dispatched"
    " TASK_STATUS_QUEUED JOB_STATE_PENDING",
    Status.PROCESSING: "processing in_progress IN-PROGRESS InProgress running generating rendering unknown banana 7up",
    Status.COMPLETED: "completed complete SUCCESS Succeeded succeed done finished TASK_STATUS_SUCCEED",
    Status.FAILED: "failed FAILURE fail error rejected cancelled canceled expired timeout blocked moderated nsfw"
    " content_filter incomplete interrupted deleted banned",
}


class TestStatusWords:
    @pytest.mark.parametrize(("status", "word"), [(status, word) for status in WORDS for word in WORDS[status].split()])
    def test_every_spelling_is_understood(self, status: Status, word: str) -> None:
        """Many deployments use these formats, each with its own status words."""
        body = video(status=word, metadata={"url": "https://cdn.example/v.mp4"})
        got = snapshot(body)
        assert (got.status, got.provider_status) == (status, word)

    @pytest.mark.parametrize("word", ["unknown", "UNKNOWN", "banana", "in retrograde"])
    def test_an_unknown_word_is_processing_and_counted(self, word: str) -> None:
        """A new word must not end a task that may still succeed, and operators must see it."""
        got = snapshot(video(status=word))
        assert (got.status, got.known_status) == (Status.PROCESSING, False)
        assert snapshot(video(status="queued")).known_status

    @pytest.mark.parametrize(
        ("word", "category"),
        [
            *(("cancelled", Category.CANCELLED), ("CANCELED", Category.CANCELLED), ("expired", Category.EXPIRED)),
            *(("timed_out", Category.TIMEOUT), ("moderated", Category.CONTENT_POLICY), ("failed", Category.PROVIDER)),
        ],
    )
    def test_a_status_word_may_give_the_reason_of_the_failure(self, word: str, category: Category) -> None:
        """Cancelled and expired tasks come without an error object."""
        got = snapshot(video(status=word))
        assert got.error is not None
        assert (got.error.category, got.error.code) == (category, category.upper())
        assert word in got.error.message

    def test_a_files_own_words_come_first(self) -> None:
        """A provider may use "ready" for a task that has not started, or numbers for its states."""
        own = replace(PROVIDERS["infinityblue"], statuses={"ready": Status.PENDING, "3": Status.PROCESSING})
        for word, status in (("Ready", Status.PENDING), (3, Status.PROCESSING)):
            got = read(own, status=200, headers={}, body=json.dumps(video(status=word)).encode(), now=NOW).snapshot
            assert got is not None
            assert (got.status, got.known_status) == (status, True)

    @pytest.mark.parametrize("word", [None, "", "  ", 200, True, [], {}, 1.5])
    def test_what_is_no_word_is_no_status(self, word: object) -> None:
        """An answer without a status has no news about the task."""
        assert answer(video(status=word)).outcome == "retry"


class TestTheStatusGatesTheRest:
    LINK = "https://cdn.example/v.mp4?sig=1"

    @pytest.mark.parametrize("word", ["queued", "in_progress", "unknown"])
    def test_a_link_or_an_error_of_a_running_task_is_ignored(self, word: str) -> None:
        """The link may lead to an unfinished file, and the error may be about a try that is repeated."""
        got = snapshot(
            video(status=word, url=self.LINK, metadata={"url": self.LINK}, error={"code": "x", "message": "y"})
        )
        assert (got.sources, got.error) == ((), None)

    def test_a_failed_task_with_a_link_stays_failed(self) -> None:
        """The link may lead to a preview, which is not a result."""
        got = snapshot(failed({"code": "X", "message": "broken"}, metadata={"url": self.LINK}))
        assert (got.status, got.sources) == (Status.FAILED, ())

    def test_a_completed_task_with_an_error_stays_completed(self) -> None:
        """Alad repeats the link in fail_reason, and other providers send an error full of zeros."""
        got = snapshot(relay(status="SUCCESS", result_url=self.LINK, fail_reason=self.LINK), "alad")
        assert (got.status, got.error, got.sources[0].url) == (Status.COMPLETED, None, self.LINK)

    def test_a_link_is_no_reason(self) -> None:
        """The fail_reason of a failed task may contain a link that never worked."""
        got = snapshot(relay(status="FAILURE", fail_reason=self.LINK), "alad")
        assert got.error is not None
        assert "http" not in got.error.message

    @pytest.mark.parametrize("name", ["vicsee", "vibepeak", "alad"])
    def test_completed_without_a_result_is_failed(self, name: str) -> None:
        """A completed task without a file is of no use to a subscriber."""
        empty: tuple[object, ...] = (None, "", {}, [], {"url": None}, {"url": ""}, {"url": "not a link"}, 7)
        for result in empty:
            got = snapshot({"task_id": "t", "status": "completed", "result": result}, name)
            assert got.error is not None
            assert (got.status, got.error.category, got.error.code) == (Status.FAILED, Category.NO_RESULT, "NO_RESULT")
            assert got.provider_status == "completed"

    def test_completed_without_a_link_is_fetched_from_the_content_path(self) -> None:
        """InfinityBlue serves every finished video at /content, with the key."""
        source = snapshot(done(), task_id="a/b").sources[0]
        assert source.url == "https://api.getinfinityblue.com/v1/videos/a%2Fb/content"
        assert source.needs_key
        assert snapshot(done(id="v_9"), task_id=None).sources[0].url.endswith("/v1/videos/v_9/content")
        assert snapshot(done(id=".."), task_id=None).status == Status.FAILED


class TestLinks:
    GOOD = "https://cdn.example/v.mp4"

    @pytest.mark.parametrize(
        "fields",
        [
            *({"metadata": {"url": GOOD}}, {"metadata": {"urls": [GOOD]}}, {"url": GOOD}, {"video_url": GOOD}),
            *(
                {"urls": [GOOD, "https://b.example"]},
                {"output": [GOOD]},
                {"output": {"url": GOOD}},
                {"data": [{"url": GOOD}]},
            ),
            *({"result": {"video_url": GOOD}}, {"task_result": {"videos": [{"id": "1", "url": GOOD}]}}),
            *({"video": {"url": GOOD}}, {"results": [{"video": GOOD}]}, {"metadata": {"video": {"url": GOOD}}}),
            *(
                {"metadata": {"url": ""}, "url": GOOD},
                {"metadata": None, "video_url": f" {GOOD}\n"},
                {"result_url": GOOD},
            ),
            *({"content": {"video_url": GOOD}}, {"metadata": {"url": "/v1/videos/x/content"}, "url": GOOD}),
            *({"metadata": {"result_urls": [GOOD]}}, {"metadata": {"output": {"url": GOOD}}}),
            *({"videoUrl": GOOD}, {"resultUrl": GOOD}, {"data": {"outputs": [GOOD]}}),
            *({"outputs": {"cost": 1, "video_url": GOOD}}, {"result": {"videos": [{"url": [GOOD]}]}}),
            {
                "metadata": {"video_url": "https://input.example/v.mp4"},
                "video_url": GOOD,
            },  # metadata may be the caller's
        ],
        ids=str,
    )
    def test_a_link_is_found_where_deployments_put_it(self, fields: dict[str, Any]) -> None:
        """Deployments of one format put the link in different fields."""
        assert [source.url for source in snapshot(done(**fields)).sources] == [self.GOOD]

    @pytest.mark.parametrize(
        "junk",
        [
            *(
                "",
                " ",
                "x",
                "ftp://a/b",
                "s3://a/b",
                "//a/b",
                "/a/b",
                "data:video/mp4;base64,AA",
                "https://",
                "http:/a",
            ),
            *(
                "https://a b/c",
                "https://a/b c",
                "https://a/\nb",
                "https:///c",
                "https://[bad/c",
                "https://a:99999999/c",
            ),
            *("javascript:alert(1)", "https://a\\b", 5, True, None, [], {}, [[]], {"url": {"url": None}}),
        ],
        ids=repr,
    )
    def test_what_is_no_link_is_skipped(self, junk: object) -> None:
        """The next field may contain a valid link."""
        assert snapshot(done(metadata={"url": junk}, url=self.GOOD)).sources[0].url == self.GOOD

    def test_an_input_image_is_no_result(self) -> None:
        """Answers repeat the input, so only links in the fields of a result count."""
        got = snapshot(
            {"task_id": "t", "status": "completed", "result": {"image_url": self.GOOD, "thumbnail": self.GOOD}}, "alad"
        )
        assert got.status == Status.FAILED

    def test_the_key_goes_to_the_providers_own_host_only(self) -> None:
        """A link to the provider's API needs the key, and no other host may get it."""
        for url, needs_key in {
            "https://api.getinfinityblue.com/v1/videos/v/content": True,
            "https://API.getinfinityblue.com:443/v1/videos/v/content": True,
            "http://api.getinfinityblue.com/v1/videos/v/content": False,
            "https://api.getinfinityblue.com.evil.example/v": False,
            "https://api.getinfinityblue.com@evil.example/v": False,
            "https://cdn.getinfinityblue.com/v": False,
        }.items():
            assert snapshot(done(url=url)).sources[0].needs_key is needs_key, url

    @pytest.mark.parametrize(
        "upstream",
        [
            {"code": 0, "data": {"task_status": "succeed", "task_result": {"videos": [{"id": "1", "url": GOOD}]}}},
            {"code": 10000, "data": {"status": "done", "video_url": GOOD}, "message": "Success"},
            {"state": "success", "creations": [{"id": "1", "url": GOOD, "cover_url": "https://cdn.example/c.jpg"}]},
            {"request_id": "r", "output": {"task_status": "SUCCEEDED", "video_url": GOOD}},
            {
                "id": "cgt-1",
                "status": "succeeded",
                "content": {"video_url": GOOD, "last_frame_url": "https://c.example"},
            },
        ],
        ids=["Kling", "Jimeng", "Vidu", "Wan", "Ark"],
    )
    def test_an_upstreams_answer_is_read_within_the_relays_and_by_itself(self, upstream: dict[str, Any]) -> None:
        """Some relays put their upstream's answer inside of their own, and others pass it on as it is."""
        within = relay(status="SUCCESS", fail_reason="", data=upstream)
        for body in (within, upstream):
            assert snapshot(body, "alad").sources[0].url == self.GOOD

    def test_super_resolution_gives_the_original_too(self) -> None:
        """The customer paid for two files, and a link that appears twice is one file."""
        fields = {"status": "SUCCESS", "result_url": self.GOOD, "original_result_url": "https://cdn.example/low.mp4"}
        roles = [(source.role, source.url) for source in snapshot(relay(**fields), "alad").sources]
        assert roles == [("result", self.GOOD), ("original", "https://cdn.example/low.mp4")]
        assert len(snapshot(relay(**fields | {"original_result_url": self.GOOD}), "alad").sources) == 1

    def test_older_relays_give_the_link_in_fail_reason_alone(self) -> None:
        """new-api used this field before result_url existed, and Alad's documentation calls it legacy."""
        assert snapshot(relay(status="SUCCESS", fail_reason=self.GOOD), "alad").sources[0].url == self.GOOD
        low = {"content": {"video_url": "https://cdn.example/low.mp4"}}
        assert snapshot(relay(status="SUCCESS", fail_reason=self.GOOD, data=low), "alad").sources[0].url == self.GOOD

    @pytest.mark.parametrize(
        ("word", "object_"), [("image", "image"), ("IMAGE", "image"), ("video", "video"), (None, "video"), (7, "video")]
    )
    def test_images_are_distinguished_from_videos(self, word: object, object_: str) -> None:
        """VicSee makes both."""
        task = {"status": "completed", "mediaType": word, "result": {"url": self.GOOD}}
        got = snapshot({"success": True, "data": task}, "vicsee")
        assert (got.object, got.sources[0].type) == (object_, object_)


class TestExpiry:
    @pytest.mark.parametrize(
        ("query", "expires"),
        [
            ("X-Amz-Date=20260427T112000Z&X-Amz-Expires=3600", 1777292400),
            ("X-Tos-Date=20260427T112000Z&X-Tos-Expires=86400", 1777375200),
            ("x-goog-date=20260427T112000Z&x-goog-expires=60", 1777288860),
            ("Expires=1777292400&Signature=x", 1777292400),
            ("se=2026-04-27T12%3A20%3A00Z&sig=x", 1777292400),
        ],
    )
    def test_a_signed_link_shows_when_it_expires(self, query: str, expires: float) -> None:
        """The video must be stored before that time."""
        assert snapshot(done(url=f"https://cdn.example/v?{query}")).sources[0].expires_at == expires

    @pytest.mark.parametrize("query", ["", "expires=never", "X-Amz-Date=x&X-Amz-Expires=y", "se=1", "Expires="])
    def test_an_unreadable_signature_gives_no_expiry(self, query: str) -> None:
        """A date is read or null, and never guessed."""
        assert snapshot(done(url=f"https://cdn.example/v?{query}")).sources[0].expires_at is None

    def test_a_given_expiry_is_used_before_a_signed_and_a_usual_one(self) -> None:
        """The order is expires_at, the link's own values, then link_lives_seconds after completion or now."""
        signed = "https://cdn.example/v?Expires=1777292400"
        task = {"task_id": "t", "status": "completed", "completed_at": "2026-04-27T11:00:00Z"}
        sent = task | {"result": {"video_url": signed, "expires_at": "2026-05-01T00:00:00Z"}}
        assert snapshot(sent, "vibepeak").sources[0].expires_at == 1777593600
        assert snapshot(task | {"result": {"video_url": signed}}, "vibepeak").sources[0].expires_at == 1777292400
        plain = {"result": {"video_url": "https://cdn.example/v"}}
        assert snapshot(task | plain, "vibepeak").sources[0].expires_at == 1777287600 + 604_800
        assert snapshot(task | plain | {"completed_at": None}, "vibepeak").sources[0].expires_at == NOW + 604_800


class TestErrors:
    @pytest.mark.parametrize(
        ("error", "code", "message"),
        [
            ("out of luck", None, "out of luck"),
            (
                "task failed, code: InvalidParameter, message: img_url must be set",
                "InvalidParameter",
                "img_url must be set",
            ),
            ("code=1301; msg=sensitive", "1301", "sensitive"),
            ({"code": "X_1", "message": "why"}, "X_1", "why"),
            ({"code": "X_1", "message": None}, "X_1", "X 1"),
            ({"code": "GENERATION_FAILED", "key": "generic"}, "GENERATION_FAILED", "Generation failed"),
            ({"key": "image_too_large"}, "image_too_large", "Image too large"),
            ({"code": 0, "message": "why"}, None, "why"),
            ({"code": 1301, "message": "why"}, "1301", "why"),
            ({"error_code": "X_1", "error_message": "why"}, "X_1", "why"),
            ({"errorCode": "X_1", "errorMessage": "why"}, "X_1", "why"),
            ({"type": "server_error", "code": None, "message": "why"}, "server_error", "why"),
            ({"type": "invalid_request_error", "code": None, "message": "why"}, None, "why"),
            ({"type": "error", "error": {"type": "bad_request_error", "message": "why"}}, None, "why"),
            ({"error": {"code": "X_1", "message": "why"}}, "X_1", "why"),
            ({"code": 400, "message": "Bad", "error": {"code": "X_1", "message": "why"}}, "X_1", "why"),
            ({"code": "X_1", "message": {"text": 1, "message": "why"}}, "X_1", "why"),
            ({"code": "X_1", "message": '{"error": {"code": "Y_2", "message": "why"}}'}, "X_1", "why"),
            ({"code": "upstream_error", "message": '{"error": {"code": "Y_2", "message": "why"}}'}, "Y_2", "why"),
            ("task failed, code: , message: why", None, "why"),
            ({"message": 'upstream 400: {"error": {"code": "Y_2", "message": "why"}}'}, "Y_2", "why"),
            ('{"code": "X_1", "message": "why"}', "X_1", "why"),
            ('400: {"code": "X_1", "message": "why"} (request id: 7)', "X_1", "why"),
            ({"type": "server_error", "message": '{"error": {"code": "Y_2", "message": "why"}}'}, "Y_2", "why"),
            ({"type": "about:blank", "title": "Bad", "status": 400, "detail": "why"}, None, "why"),
            ({"error": "invalid_scope", "error_description": "why"}, "invalid_scope", "why"),
            ([{"code": "X_1", "message": "why"}], "X_1", "why"),
            ([None, "", "why"], None, "why"),
            ({"detail": [{"loc": ["path"], "msg": "why", "type": "missing"}]}, "missing", "why"),
            ("CONTENT_BLOCKED", "CONTENT_BLOCKED", "CONTENT_BLOCKED"),
            ("  why  ", None, "why"),
        ],
        ids=str,
    )
    def test_every_shape_of_error_is_read(self, error: object, code: str | None, message: str) -> None:
        """Providers send strings, objects, nested objects, lists and JSON inside of strings."""
        got = snapshot(failed(error)).error
        assert got is not None
        assert (got.provider_code, got.message) == (code, message)

    @pytest.mark.parametrize(
        ("upstream", "code", "message"),
        [
            (
                {"code": 0, "message": "SUCCEED", "data": {"task_status": "failed", "task_status_msg": "risk control"}},
                None,
                "risk control",
            ),
            ({"code": 50411, "data": None, "message": "Pre Img Risk Not Pass"}, "50411", "Pre Img Risk Not Pass"),
            ({"state": "failed", "err_code": "AuditSubmitIllegal"}, "AuditSubmitIllegal", "Audit submit illegal"),
            ({"base_resp": {"status_code": 1027, "status_msg": "sensitive content"}}, "1027", "sensitive content"),
            ({"output": {"code": "DataInspectionFailed", "message": "no"}}, "DataInspectionFailed", "no"),
            ({"error": {"code": "OutputVideoSensitive", "message": "no"}}, "OutputVideoSensitive", "no"),
        ],
        ids=["Kling", "Jimeng", "Vidu", "Hailuo", "Wan", "Ark"],
    )
    def test_an_upstreams_reason_is_found_where_the_relay_gives_none(
        self, upstream: dict[str, Any], code: str | None, message: str
    ) -> None:
        """All of these are refusals by moderation, and a subscriber should see that."""
        got = snapshot(relay(status="FAILURE", fail_reason="", data=upstream), "alad").error
        assert got is not None
        assert (got.category, got.provider_code, got.message) == (Category.CONTENT_POLICY, code, message)

    NOTHING: tuple[object, ...] = (
        None,
        "",
        " ",
        {},
        [],
        0,
        False,
        True,
        "null",
        {"code": "", "message": "", "param": None},
        {"code": 0},
        *("0", "{}", "N/A"),
    )

    @pytest.mark.parametrize(
        "error", [*NOTHING, {"code": 0, "message": "success"}, {"code": "generic"}, [{}], [[]]], ids=repr
    )
    def test_an_empty_error_still_gives_a_message(self, error: object) -> None:
        """A subscriber needs a message that it can show."""
        got = snapshot(failed(error)).error
        assert got is not None
        assert (got.category, got.code, got.provider_code) == (Category.PROVIDER, "PROVIDER", None)
        assert got.message == 'infinityblue says "failed" and gives no reason'

    @pytest.mark.parametrize(
        ("code", "ours"),
        [
            ("InvalidParameter", "INVALID_PARAMETER"),
            (
                "InputTextSensitiveContentDetected.PolicyViolation",
                "INPUT_TEXT_SENSITIVE_CONTENT_DETECTED_POLICY_VIOLATION",
            ),
            ("HTTPError", "HTTP_ERROR"),
            ("image-too large", "IMAGE_TOO_LARGE"),
            ("IMAGE_TOO_LARGE", "IMAGE_TOO_LARGE"),
            ("7301", "PROVIDER"),
            ("参数", "PROVIDER"),
        ],
    )
    def test_the_code_is_screaming_snake(self, code: str, ours: str) -> None:
        """Subscribers get codes in one style, and the provider's own code beside it, unchanged."""
        got = snapshot(failed({"code": code, "message": "?"})).error
        assert got is not None
        assert (got.code, got.provider_code) == (ours, code)

    @pytest.mark.parametrize(
        "fields",
        [
            *({"error": {"code": "E1"}, "message": "why"}, {"error": "E1", "message": "why"}),
            *({"error_code": "E1", "error_message": "why"}, {"error": {"code": "E1"}, "fail_reason": "why"}),
        ],
    )
    def test_code_and_message_may_stand_apart(self, fields: dict[str, Any]) -> None:
        """Some providers put the code and the message into different fields."""
        got = snapshot(video(status="failed", **fields)).error
        assert got is not None
        assert (got.code, got.message) == ("E1", "why")

    def test_a_number_without_a_message_is_told_as_one(self) -> None:
        """People read the message first, and a number has no words of its own."""
        task = {"id": "task_1", "model": "wan", "created_at": "2026-01-01T12:00:00Z", "code": 5000}
        got = answer({"code": 200, "message": "success", "data": task}, "wavespeed").error
        assert got is not None
        assert (got.provider_code, got.message) == ("5000", "the provider gave the code 5000")

    def test_a_message_never_carries_a_signature(self) -> None:
        """Messages go to logs and subscribers, and the query of a URL may be a credential."""
        got = snapshot(failed("cannot load https://cdn.example/a.png?X-Amz-Signature=secret, sorry")).error
        assert got is not None
        assert got.message == "cannot load https://cdn.example/a.png?... sorry"

    def test_a_long_message_is_cut(self) -> None:
        """A message may contain the whole HTML page of an upstream."""
        got = snapshot(failed("why " * 100_000)).error
        assert got is not None
        assert len(got.message) == 2_000


class TestValues:
    @pytest.mark.parametrize(
        ("sent", "read_"),
        [
            *(
                (50, 50),
                ("50", 50),
                ("50%", 50),
                ("50 %", 50),
                (0.5, 50),
                ("0.5", 50),
                (0.29, 29),
                (50.4, 50),
                ("0%", 0),
                (0, 0),
            ),
            *((1, 1), ("1", 1), (1.0, 100), ("1.0", 100), ("1%", 1), ("0.5%", 0), (100, 100), ("100%", 100)),
            *((150, 100), ("150%", 100), (-1, 0), ("-3%", 0), (10**30, 100), (True, None), (False, None), ("", None)),
            *(
                ("half", None),
                (None, None),
                ([], None),
                ({}, None),
                ("NaN", None),
                ("\u0661", None),
                ("1_0", None),
                ("%", None),
            ),
        ],
        ids=repr,
    )
    def test_progress_is_percent_or_null(self, sent: object, read_: int | None) -> None:
        """A decimal number up to 1.0 is a fraction, another number is percent, and anything else is null."""
        assert snapshot(video(progress=sent)).progress == read_

    def test_progress_is_never_invented(self) -> None:
        """The schedule learns from these numbers, so completed does not mean 100 and failed changes nothing."""
        assert snapshot(done()).progress is None
        assert snapshot(done(progress=99)).progress == 99
        assert snapshot(relay(status="FAILURE", progress="100%"), "alad").progress == 100

    @pytest.mark.parametrize(
        "sent", [1764347090, 1764347090000, 1764347090000000, 1764347090000000000, "1764347090", 1764347090.0]
    )
    def test_the_unit_of_a_time_shows_in_its_magnitude(self, sent: object) -> None:
        """InfinityBlue sends milliseconds in a format in which OpenAI sends seconds."""
        assert snapshot(video(created_at=sent)).created_at == 1764347090

    @pytest.mark.parametrize(
        "sent",
        [
            *("2025-11-28T16:24:50Z", "2025-11-28T16:24:50", "2025-11-28 16:24:50", "2025-11-28T16:24:50.000Z"),
            *(
                "2025-11-28T16:24:50.000000000Z",
                "2025-11-28T18:24:50+02:00",
                "2025-11-28T10:54:50-0530",
                "20251128T162450Z",
            ),
            *(
                "2025-11-28 16:24:50 +0000 UTC",
                "2025-11-28t16:24:50z",
                "2025/11/28 16:24:50",
                "Fri, 28 Nov 2025 16:24:50 GMT",
            ),
            *("2025-11-28 16:24:50 UTC", " 2025-11-28T16:24:50Z "),
        ],
    )
    def test_a_written_time_is_read_in_every_usual_form(self, sent: str) -> None:
        """A time without a zone is in UTC."""
        assert snapshot(video(created_at=sent)).created_at == 1764347090

    @pytest.mark.parametrize(
        "sent",
        [
            0,
            "0",
            "",
            None,
            False,
            True,
            "soon",
            -5,
            7,
            10**11,
            10**30,
            "0001-01-01T00:00:00Z",
            "9999-12-31",
            [],
            {},
            1e300,
        ],
    )
    def test_a_time_that_makes_no_sense_is_null(self, sent: object) -> None:
        """0 means "not yet", and the year 1 is an empty time in Go."""
        assert snapshot(video(created_at=sent)).created_at is None

    def test_fractions_of_a_second_are_not_lost(self) -> None:
        """The schedule measures with them."""
        assert snapshot(video(created_at=1764347090922)).created_at == pytest.approx(1764347090.922)

    @pytest.mark.parametrize(
        ("sent", "position"), [(2, 2), ("2", 2), (0, 0), (2.0, 2), (-1, None), (1.5, None), (True, None)]
    )
    def test_a_place_in_the_queue_is_a_whole_number(self, sent: object, position: int | None) -> None:
        """Any other value is read as null."""
        assert snapshot(video(status="queued", queue_position=sent)).queue_position == position


class TestWhenToAskAgain:
    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            ({"Retry-After": "7"}, 7),
            ({"RETRY-AFTER": " 7 "}, 7),
            ({"retry-after": "1.2"}, 2),
            ({"retry-after": "Mon, 27 Apr 2026 11:22:00 GMT"}, 60),
            ({"retry-after": "Mon, 27 Apr 2026 11:00:00 GMT"}, 0),
            *(({"retry-after": junk}, None) for junk in ("-5", "soon", "", "NaN", "1e999", "9" * 5000)),
            ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1777288890"}, 30),
            ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1777288890000"}, 30),
            ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "30"}, 30),
            ({"RateLimit-Remaining": "0", "RateLimit-Reset": "30"}, 30),
            ({"X-RateLimit-Remaining": "3", "X-RateLimit-Reset": "30"}, None),
            ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "2026-04-27T11:21:30Z"}, 30),
            ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1777288800"}, 0),
            ({"X-RateLimit-Reset": "30"}, None),
            ({"Retry-After": "7", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "30"}, 7),
        ],
        ids=lambda value: str(value)[:60],
    )
    def test_the_provider_may_say_when_to_ask_again(self, headers: dict[str, str], seconds: int | None) -> None:
        """Retry-After has two forms, and the reset of a rate limit counts when nothing of the limit remains."""
        assert answer(video(), headers=headers).retry_after_seconds == seconds

    def test_a_429_has_nothing_remaining(self) -> None:
        """Its headers need not say so; a limit with something remaining did not cause the 429."""
        assert answer({}, status=429, headers={"x-ratelimit-reset": "30"}).retry_after_seconds == 30
        assert answer({}, status=429, headers={"x-ratelimit-reset": "30", "x-ratelimit-remaining": "3"}) == answer(
            {}, status=429
        )

    def test_a_refusal_may_say_when_in_its_body(self) -> None:
        """The provider's file names the field."""
        assert answer({"error": {"retry_after": 9}}, status=429).retry_after_seconds == 9


class TestHostileBytes:
    @pytest.mark.parametrize(
        "body",
        [
            b'\xef\xbb\xbf{"id": "v", "status": "in_progress"}',
            b'{"id": "v", "status": "in_progress", "x": NaN, "y": -Infinity, "z": 1e999}',
            b'{"id": "v", "status": "in_progress", "progress": ' + b"9" * 6000 + b"}",
            b'{"id": "v", "status": "failed", "status": "in_progress"}',
            b'{"id": "v", "status": "in_progress", "x": ' + b'{"a":' * 200 + b"1" + b"}" * 201,
            b'{"id": "v", "status": "in_progress", "x": "\xff\xfe"}',
        ],
        ids=["byte order mark", "not a number", "huge integer", "key twice", "deep", "broken UTF-8"],
    )
    def test_odd_json_around_the_status_does_not_matter(self, body: bytes) -> None:
        """A task goes on when its status can be read, whatever else the answer contains."""
        assert snapshot(body).status == Status.PROCESSING

    @pytest.mark.parametrize(
        "body", [b"[" * 100_000, b'{"a":' * 100_000, b'{"status": "in_progress"', b"\x00", b"\xff\xfe{"]
    )
    def test_what_cannot_be_parsed_is_asked_again(self, body: bytes) -> None:
        """A RecursionError would fail every poll of that task."""
        assert answer(body).outcome == "retry"

    def test_a_chain_of_wrapped_errors_ends(self) -> None:
        """A provider decides how deep its errors are nested, so reading them must have a limit."""
        got = snapshot(failed("code: a, message: " * 50_000 + "end")).error
        assert got is not None
        assert got.message

    @pytest.mark.parametrize(
        "text", [" " * 300_000 + "x", "code:" + " " * 300_000, "http://" * 40_000, "task " * 60_000, "Aa" * 150_000]
    )
    def test_no_text_makes_reading_slow(self, text: str) -> None:
        """A slow regular expression on an answer of 1 MB would block every poll until its timeout."""
        began = process_time()
        task = {
            "error": {"code": text[:200], "message": text},
            "progress": text,
            "created_at": f"2026{text}",
            "url": text,
        }
        assert snapshot(video(status="failed", **task)).status == Status.FAILED
        assert process_time() - began < 2

    @given(st.lists(st.sampled_from(ESCAPES), min_size=1, max_size=12).map("".join))
    def test_every_mix_of_escapes_is_read_as_the_text_that_it_can_be(self, escaped: str) -> None:
        """Halves of pairs become U+FFFD; pairs, and what only looks like a half, stay."""
        whole = json.loads(f'"{escaped}"')
        assert parsed(f'"{escaped}"') == whole.encode("utf-16", "surrogatepass").decode("utf-16", "replace")

    @pytest.mark.parametrize("deep", [DEPTH - 1, DEPTH + 1, 3 * DEPTH])
    @pytest.mark.parametrize(("opens", "closes"), [("[", "]"), ('{"a":', "}")])
    def test_what_is_nested_too_deep_is_emptied(self, deep: int, opens: str, closes: str) -> None:
        """Whatever walks through an answer ends, and a flat answer with many brackets is not touched."""
        value = parsed(opens * deep + "1" + closes * deep)
        levels = 0
        while isinstance(value, dict | list) and value:
            value, levels = next(iter(value.values() if isinstance(value, dict) else value)), levels + 1
        assert (levels, value == 1) == ((deep, True) if deep < DEPTH else (DEPTH, False))
        assert parsed(json.dumps([{"a": ["[" * 99]}] * 99)) == [{"a": ["[" * 99]}] * 99

    def test_lone_surrogates_are_replaced(self) -> None:
        """Every text that we pass on must be valid UTF-8."""
        got = snapshot(b'{"id": "v", "status": "failed", "error": "\\ud800 why \\ud83d\\ude00"}')
        assert got.error is not None
        assert got.error.message == "\ufffd why 😀"


NAMES = st.sampled_from(sorted(PROVIDERS))
WORD = st.sampled_from([word for words in WORDS.values() for word in words.split()])
JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["https://a.example/v", "0"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
# Real field names with junk in them find more than random names would.
FIELDS = (
    *(
        "data",
        "status",
        "error",
        "result",
        "metadata",
        "url",
        "result_url",
        "fail_reason",
        "progress",
        "created_at",
        "id",
    ),
    *("code", "message", "success", "task_id", "usage", "expires_at", "queue_position", "mediaType", "retry_after"),
)
TASKS = st.dictionaries(st.sampled_from(FIELDS), JUNK | WORD, max_size=10)
BODIES = TASKS | TASKS.map(lambda task: {"code": "success", "data": task}) | JUNK
HEADERS = st.dictionaries(
    st.sampled_from(["Retry-After", "X-RateLimit-Remaining", "X-RateLimit-Reset"]), st.text(max_size=20)
)


def check(reading: Reading) -> None:
    """Checks what must be true of every reading."""
    assert (reading.outcome == "snapshot") == (reading.snapshot is not None)
    assert reading.snapshot is not None or reading.error is not None
    assert reading.retry_after_seconds is None or reading.retry_after_seconds >= 0
    if reading.snapshot is not None:
        got = reading.snapshot
        assert (got.status == Status.COMPLETED) == bool(got.sources)
        assert (got.status == Status.FAILED) == (got.error is not None)
        assert got.error == reading.error
        assert got.progress is None or 0 <= got.progress <= 100
    if reading.error is not None:
        assert reading.error.message.strip()
        assert reading.error.code == reading.error.code.upper()
    json.dumps(asdict(reading), allow_nan=False, ensure_ascii=False).encode()


class TestProperties:
    @given(NAMES, st.integers(100, 600), HEADERS, BODIES)
    def test_any_json_is_read(self, name: str, status: int, headers: dict[str, str], body: object) -> None:
        """Completed has files, failed has a message, and no answer raises an exception."""
        check(answer(body, name, status=status, headers=headers))

    @given(NAMES, st.integers(100, 600), st.binary(max_size=60))
    def test_any_bytes_are_read(self, name: str, status: int, body: bytes) -> None:
        """An answer may contain any bytes at all."""
        check(answer(body, name, status=status))

    @given(
        NAMES, TASKS, st.dictionaries(st.text(min_size=1, max_size=8).map(lambda key: f"new_{key}"), JUNK, max_size=4)
    )
    def test_unknown_fields_change_nothing(self, name: str, task: dict[str, Any], more: dict[str, Any]) -> None:
        """Providers add fields without notice."""
        assert answer(more | task, name) == answer(task, name)

    @given(
        st.sampled_from(LENIENT),
        WORD,
        st.lists(st.booleans(), min_size=30, max_size=30),
        st.sampled_from(["_", "-", " "]),
    )
    def test_the_case_and_separators_of_a_status_change_nothing(
        self, name: str, word: str, upper: list[bool], joint: str
    ) -> None:
        """IN_PROGRESS, in-progress and "In Progress" are one word."""
        other = "".join(c.upper() if up else c.lower() for c, up in zip(word, upper, strict=False)).replace("_", joint)
        task = {"id": "t", "task_id": "t", "url": "https://a.example/v"}
        assert snapshot(task | {"status": other}, name).status == snapshot(task | {"status": word}, name).status
