"""A completed task whose link a second request brings, several results of one task, and films in base64."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidhook.media import inline_file
from vidhook.providers.file import parse
from vidhook.providers.reading import MOST_RESULTS, Reading, inline_in, read
from vidhook.task import Category, Snapshot, Status

FAL = parse("""
name = "fal"
base_url = "https://queue.fal.example"
path = "/{model[0]}/{model[1]}/requests/{task_id}/status"
params = ["model"]
[answer]
id = "request_id"
status = "error && 'FAILED' || status"
error = "{code: error_type, message: error || detail[0].msg || detail}"
queue_position = "queue_position"
[assets]
result = "video"
[result]
url = "response_url"
failed = [422]
""")
MINIMAX = parse("""
name = "minimax"
base_url = "https://api.minimax.example"
path = "/v1/query/video_generation?task_id={task_id}"
[answer]
id = "task_id"
status = "status"
error = "base_resp"
[assets]
result = "file.download_url"
[result]
path = "/v1/files/retrieve?file_id={file_id}"
[result.fields]
file_id = "file_id"
[status]
Preparing = "pending"
""")
FILM = "https://cdn.example/film.mp4"
PARAMS = {"model": "fal-ai/veo3"}


def first(provider: Any, body: dict[str, Any], age: float = 900.0) -> Reading:
    return read(
        provider,
        status=200,
        headers={},
        body=json.dumps(body).encode(),
        task_id="t1",
        age_seconds=age,
        now=1_777_288_860.0,
        params=PARAMS,
    )


def second(provider: Any, body: object, status: int = 200, age: float = 900.0, begun: Any = None) -> Reading:
    begun = begun or first(provider, {"status": "COMPLETED", "response_url": "/r", "file_id": 7})
    assert begun.unlinked is not None
    return read(
        provider,
        unlinked=begun.unlinked,
        status=status,
        headers={"retry-after": "7"} if status == 429 else {},
        body=body if isinstance(body, bytes) else json.dumps(body).encode(),
        task_id="t1",
        age_seconds=age,
        now=1_777_288_860.0,
        params=PARAMS,
    )


def snapshot(reading: Reading) -> Snapshot:
    assert reading.snapshot is not None
    return reading.snapshot


class TestWhenItIsAskedFor:
    def test_a_completed_task_without_a_link_wants_it(self) -> None:
        """At once, also while the task is young: the provider has said that it is done."""
        for age in (0.0, 900.0):
            begun = first(FAL, {"status": "COMPLETED", "response_url": "https://queue.fal.example/r"}, age)
            assert begun.unlinked is not None
            assert dict(begun.unlinked.fields) == {"url": "https://queue.fal.example/r"}
        begun = first(MINIMAX, {"status": "Success", "file_id": 176_844_028_768_320})
        assert begun.unlinked is not None
        assert dict(begun.unlinked.fields) == {"file_id": "176844028768320"}

    @pytest.mark.parametrize(
        "body",
        [
            {"status": "IN_PROGRESS", "response_url": "https://queue.fal.example/r"},
            {"status": "COMPLETED", "response_url": "https://queue.fal.example/r", "video": {"url": FILM}},
            {"status": "COMPLETED", "response_url": "https://queue.fal.example/r", "error": "bad prompt"},
            {"status": "COMPLETED"},
            {"detail": "no such request"},
        ],
        ids=["running", "linked", "failed", "without a place", "no status"],
    )
    def test_nobody_asks_where_there_is_nothing_to_get(self, body: dict[str, Any]) -> None:
        """A request more costs a poll of the provider's budget."""
        assert first(FAL, body).unlinked is None

    def test_a_failure_beside_the_word_completed_is_final(self) -> None:
        """fal completes requests that failed, and says so beside it."""
        said = first(
            FAL,
            {"status": "COMPLETED", "error": "flagged by the safety checker", "error_type": "content_policy_violation"},
        )
        assert (snapshot(said).status, snapshot(said).said) == (Status.FAILED, True)
        assert snapshot(said).error is not None
        assert snapshot(said).error.category is Category.CONTENT_POLICY  # type: ignore[union-attr]


class TestWhatItSays:
    def test_its_link_completes_the_task_with_what_the_first_answer_said(self) -> None:
        """The second answer has no status, no model and no times."""
        begun = first(FAL, {"status": "COMPLETED", "response_url": "/r", "request_id": "t1"})
        done = snapshot(second(FAL, {"video": {"url": FILM, "content_type": "video/mp4"}, "seed": 7}, begun=begun))
        assert (done.status, done.said, done.provider_status) == (Status.COMPLETED, True, "COMPLETED")
        assert [each.url for each in done.sources] == [FILM]

    def test_a_status_that_the_file_lists_is_a_failure_with_its_reason(self) -> None:
        """The render was refused, and asking again brings nothing else."""
        said = second(
            FAL, {"detail": [{"msg": "the prompt violates the content policy", "type": "content_policy"}]}, 422
        )
        failed = snapshot(said)
        assert failed.error is not None
        assert (failed.status, failed.said, failed.error.category) == (Status.FAILED, True, Category.CONTENT_POLICY)

    @pytest.mark.parametrize(
        ("status", "body", "outcome", "key_refused"),
        [
            (429, {"detail": "slow down"}, "retry", False),
            (500, {"detail": "oops"}, "retry", False),
            (502, b"<html>", "retry", False),
            (401, {"detail": "Cannot access application"}, "permanent_error", True),
            (404, {"detail": "Not found"}, "permanent_error", False),
        ],
    )
    def test_trouble_with_the_second_request_ends_no_task(
        self, status: int, body: Any, outcome: str, key_refused: bool
    ) -> None:
        """The render exists and was paid for."""
        said = second(FAL, body, status)
        assert (said.outcome, said.key_refused, said.snapshot) == (outcome, key_refused, None)
        assert said.retry_after_seconds == (7 if status == 429 else None)

    @pytest.mark.parametrize("detail", ["Request is still in progress", [{"msg": "still processing", "type": "wait"}]])
    def test_a_listed_status_ends_no_task_whose_reason_says_that_it_goes_on(self, detail: object) -> None:
        """fal answers 400 where the result is not there yet, as where its model refused the input."""
        said = second(FAL, {"detail": detail}, 422)
        assert (said.outcome, said.snapshot) == ("retry", None)

    @pytest.mark.parametrize(
        ("code", "said", "outcome", "key_refused"),
        [
            (1002, "rate limit exceeded", "retry", False),
            (1004, "login fail: API secret key is wrong", "permanent_error", True),
            (1008, "insufficient balance", "permanent_error", True),
        ],
    )
    def test_a_refusal_of_the_request_inside_a_200_ends_no_task(
        self, code: int, said: str, outcome: str, key_refused: bool
    ) -> None:
        """MiniMax answers so to everything; the film is there, and is had later."""
        begun = first(MINIMAX, {"status": "Success", "file_id": "f1"})
        refused = second(MINIMAX, {"base_resp": {"status_code": code, "status_msg": said}}, begun=begun)
        assert (refused.outcome, refused.key_refused) == (outcome, key_refused)

    def test_without_a_link_it_may_follow_and_is_only_inferred_later(self) -> None:
        """As with one request."""
        begun = first(MINIMAX, {"status": "Success", "file_id": "f1"})
        empty = {"file": {"file_id": "f1"}, "base_resp": {"status_code": 0, "status_msg": "success"}}
        assert second(MINIMAX, empty, age=10.0, begun=begun).outcome == "retry"
        failed = snapshot(second(MINIMAX, empty, begun=begun))
        assert failed.error is not None
        assert (failed.status, failed.said, failed.error.category) == (Status.FAILED, False, Category.NO_RESULT)

    @given(
        body=st.recursive(
            st.none() | st.booleans() | st.floats() | st.text() | st.sampled_from([FILM, "failed", "success"]),
            lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["video", "url", "detail", "file"]), inner),
        ),
        status=st.sampled_from([200, 202, 400, 401, 404, 422, 429, 500]),
    )
    def test_any_second_answer_is_read(self, body: Any, status: int) -> None:
        """And is completed with a link, failed with a reason, or no end."""
        for provider in (FAL, MINIMAX):
            said = second(provider, body, status).snapshot
            assert said is None or bool(said.sources) is (said.status is Status.COMPLETED)
            assert said is None or bool(said.error) is (said.status is Status.FAILED)


MANY = parse("""
name = "many"
base_url = "https://api.many.example"
path = "/tasks/{task_id}"
progress_scale = 1
[answer]
status = "status"
progress = "progress"
[assets]
results = "outputs"
cover = "cover"
""")


class TestSeveralResults:
    def test_each_is_a_file_of_its_own_and_the_first_is_the_result(self) -> None:
        """Whoever wants one film takes the result; nobody loses the others, which were paid for."""
        links = [f"https://cdn.example/{number}.mp4" for number in range(3)]
        outputs = [{"url": links[0], "id": "a"}, links[1], {"video": {"url": links[2]}}, {"url": links[0]}, None, 7]
        done = snapshot(first(MANY, {"status": "done", "outputs": outputs, "cover": "https://cdn.example/c.jpg"}))
        assert [(each.role, each.type, each.url) for each in done.sources] == [
            ("result", "video", links[0]),
            ("result-2", "video", links[1]),
            ("result-3", "video", links[2]),
            ("cover", "image", "https://cdn.example/c.jpg"),
        ]

    def test_lists_in_lists_are_results_too(self) -> None:
        """A film for each prompt, and several for each of them."""
        links = [f"https://cdn.example/{number}.mp4" for number in range(4)]
        outputs = [links[:2], [[links[2]]], json.dumps(links[3:])]
        done = snapshot(first(MANY, {"status": "done", "outputs": outputs}))
        assert [each.url for each in done.sources] == links

    def test_there_is_an_end_to_them(self) -> None:
        """Each is stored, and an answer may hold any number."""
        links = [f"https://cdn.example/{number}.mp4" for number in range(100)]
        assert len(snapshot(first(MANY, {"status": "done", "outputs": links})).sources) == MOST_RESULTS

    def test_one_result_that_is_no_list_is_the_result(self) -> None:
        """Some give a list only where there are several."""
        assert [each.role for each in snapshot(first(MANY, {"status": "done", "outputs": FILM})).sources] == ["result"]


@pytest.mark.parametrize(
    ("told", "percent"), [(1, 100), (0.5, 50), ("0.25", 25), (0, 0), (2, 100), ("x", None), ("50%", 50)]
)
def test_progress_may_have_a_scale_of_its_own(told: object, percent: int | None) -> None:
    """Without it a 1 is 1 percent, which it is elsewhere."""
    assert snapshot(first(MANY, {"status": "running", "progress": told})).progress == percent


INLINE = parse("""
name = "inline"
base_url = "https://api.inline.example"
path = "/tasks/{task_id}"
[answer]
status = "status"
[assets]
result = ["videos[0].url", "videos[0].bytesBase64Encoded"]
[base64]
result = "video/mp4"
""")


class TestBase64:
    CODED = base64.b64encode(b"\0\0\0\x18ftypmp42" + bytes(300)).decode()

    def test_a_film_in_base64_is_a_file_in_the_answer(self) -> None:
        """It is asked for again when it is stored, as any that stands in an answer."""
        body = {"status": "completed", "videos": [{"bytesBase64Encoded": self.CODED}]}
        [source] = snapshot(first(INLINE, body)).sources
        assert (source.inline, source.url, source.type) == (True, "data:video/mp4;base64", "video")
        whole = inline_in(INLINE, json.dumps(body).encode(), "result", "t1")
        assert whole == f"data:video/mp4;base64,{self.CODED}"

    def test_a_link_comes_before_it_and_other_text_is_none(self) -> None:
        """A word is no film."""
        both = {"status": "completed", "videos": [{"url": FILM, "bytesBase64Encoded": self.CODED}]}
        assert snapshot(first(INLINE, both)).sources[0].url == FILM
        words = {"status": "completed", "videos": [{"bytesBase64Encoded": "not yet there, " * 9}]}
        assert not snapshot(first(INLINE, words)).sources

    @pytest.mark.parametrize("written", ["wrapped", "in a list", "for URLs", "without padding"])
    def test_however_it_is_written(self, written: str) -> None:
        """Encoders break lines after 76 characters, and leave out what a decoder does not need."""
        lines = "\r\n".join(self.CODED[at : at + 76] for at in range(0, len(self.CODED), 76))
        value = {
            "wrapped": lines,
            "in a list": ["", self.CODED],
            "for URLs": self.CODED.translate(str.maketrans("+/", "-_")),
            "without padding": self.CODED.rstrip("="),
        }[written]
        body = {"status": "completed", "videos": [{"bytesBase64Encoded": value}]}
        assert snapshot(first(INLINE, body)).sources[0].inline
        whole = inline_in(INLINE, json.dumps(body).encode(), "result", "t1") or ""
        assert inline_file(whole) == ("video/mp4", base64.b64decode(self.CODED))

    @pytest.mark.parametrize("text", ["processing" * 60, "a1b2c3d4" * 16, base64.b64encode(b"<html>" * 400).decode()])
    def test_an_id_and_an_error_page_are_no_film(self, text: str) -> None:
        """They would be told as the result of a task that was paid for."""
        assert not snapshot(first(INLINE, {"status": "completed", "videos": [{"bytesBase64Encoded": text}]})).sources

    def test_so_is_one_in_the_second_answer(self) -> None:
        """The reader of links does not ask which answer it has."""
        both = parse("""
name = "both"
base_url = "https://api.both.example"
path = "/tasks/{task_id}"
[answer]
status = "status"
[assets]
result = "bytes"
[base64]
result = "video/mp4"
[result]
path = "/tasks/{task_id}/result"
""")
        begun = first(both, {"status": "completed"})
        done = snapshot(second(both, {"bytes": self.CODED}, begun=begun))
        assert done.sources[0].inline
        body = json.dumps({"bytes": self.CODED}).encode()
        assert inline_in(both, body, "result", "t1", second=True) == f"data:video/mp4;base64,{self.CODED}"
