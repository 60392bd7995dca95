"""The sample provider and subscriber, which other tests and the demo rely on, do what they should."""

import base64
import contextlib
import functools
import hashlib
import hmac
import json
import secrets
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from tests.integration.test_command import KEYS as KEYS_OF_LINES
from vidhook.ask import Asked, ask_to_cancel
from vidhook.ask import ask as ask_as_vidhook
from vidhook.edges.http import Http
from vidhook.keys import Keys
from vidhook.providers.auth import Key
from vidhook.providers.created import created
from vidhook.providers.file import Provider, parse
from vidhook.providers.reading import Reading
from vidhook.providers.request import Request, create_request, find_request, task_request
from vidhook.task import ACCEPTED, REFUSED, Category, Snapshot, Status, Submission, Watch
from vidhook.times import Clock
from vidhook_sandbox import ROOT, media
from vidhook_sandbox.provider import (
    DIALECTS,
    KEYS,
    STATUSES,
    SampleProvider,
    SampleTask,
    provider_files,
)
from vidhook_sandbox.subscriber import SampleSubscriber

HTTP = Http(allowed_networks=["127.0.0.0/8"])
RECORDED = [
    (name, file.stem, json.loads(file.read_text(encoding="utf-8"))["reading"])
    for name in DIALECTS
    for file in sorted((ROOT / "events/providers" / name).glob("*.json"))
    if file.stem.startswith(STATUSES)
]


@pytest.fixture(scope="module")
def provider() -> Iterator[SampleProvider]:
    with SampleProvider() as running:
        yield running


@functools.cache
def file_of(provider: SampleProvider, name: str) -> Provider:
    """The bundled provider file, with the address of the sample provider."""
    return parse(provider_files(provider)[name], name)


def keys_of(key: str) -> Keys:
    secrets: Any = SimpleNamespace(provider_key=lambda name, fresh=False: key)
    return Keys(secrets, HTTP, Clock())


def edges(provider: SampleProvider, task: SampleTask, key: str | None = None) -> dict[str, Any]:
    """What a question to the provider needs; a wrong `key` if one is given."""
    ledger = SimpleNamespace(providers=SimpleNamespace(get=functools.partial(file_of, provider)))
    return {"ledger": ledger, "http": HTTP, "keys": keys_of(key or KEYS[task.provider]), "clock": Clock()}


def followed(task: SampleTask, **params: str) -> Watch:
    """The watch of a task that was submitted an hour ago."""
    submission = Submission(task.provider, task.task_id, params={**task.params, **params})
    return Watch(submission, time.time() - 3_600)


def asked(provider: SampleProvider, task: SampleTask, key: str | None = None, **params: str) -> Asked:
    """Polls a task as the stack does it, with its second request."""
    return ask_as_vidhook(followed(task, **params), **edges(provider, task, key))


def read(provider: SampleProvider, task: SampleTask, key: str | None = None, **params: str) -> Reading:
    reading = asked(provider, task, key, **params).reading
    assert reading is not None
    return reading


def snapshot(provider: SampleProvider, task: SampleTask) -> Snapshot:
    found = read(provider, task).snapshot
    assert found is not None
    return found


def sent(request: Request) -> requests.Response:
    return requests.request(request.method, request.url, data=request.body, headers=dict(request.headers), timeout=5)


def ask(provider: SampleProvider, task: SampleTask, suffix: str = "", key: str | None = None) -> requests.Response:
    """The answer to a poll itself."""
    file = file_of(provider, task.provider)
    known = keys_of(key or KEYS[task.provider]).of(file)
    request = task_request(file, task.task_id, known, task.params)
    return requests.get(request.url + suffix, headers=dict(request.headers), timeout=5)


def at_age(task: SampleTask, seconds: float) -> SampleTask:
    """The task as if it had been made `seconds` ago."""
    task.created = time.time() - seconds
    return task


def links(body: object) -> list[str]:
    """All links to files in an answer."""
    if isinstance(body, dict | list):
        return [link for value in (body.values() if isinstance(body, dict) else body) for link in links(value)]
    return [body] if isinstance(body, str) and "/files/" in body else []


def token(head: dict[str, str], claims: dict[str, Any], secret: str) -> str:
    """A JSON Web Token as RFC 7519 makes it."""

    def coded(raw: bytes) -> str:
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    signed = ".".join(coded(json.dumps(part).encode()) for part in (head, claims))
    return f"{signed}.{coded(hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest())}"


class TestProvider:
    @pytest.mark.parametrize("name", DIALECTS)
    def test_a_task_is_queued_then_runs_then_is_done(self, provider: SampleProvider, name: str) -> None:
        """A watch sees every phase that the documentation of the provider names, in words that are known."""
        task = provider.add(name, seconds=100)
        seen = [snapshot(provider, at_age(task, age)) for age in (1, 50, 101)]
        assert [each.status for each in seen] == [Status.PENDING, Status.PROCESSING, Status.COMPLETED]
        assert all(each.known_status and each.said for each in seen)
        assert [answer for _, answer in task.polls] == ["pending", "processing", "completed"]

    @pytest.mark.parametrize(("name", "sample", "reading"), RECORDED)
    def test_every_end_is_read_as_its_recorded_answer_is(
        self, provider: SampleProvider, name: str, sample: str, reading: dict[str, Any]
    ) -> None:
        """What is filled in changes the ids, times and links of an answer, and not what it says."""
        found = snapshot(provider, at_age(provider.add(name, seconds=1, ends=sample), 2))
        error = found.error and (found.error.category, found.error.provider_code, found.error.retryable)
        wanted = reading["error"] and tuple(reading["error"][key] for key in ("category", "provider_code", "retryable"))
        assert (found.status, found.said, error) == (reading["status"], not reading["inferred"], wanted)
        assert [each.role for each in found.sources] == [each["role"] for each in reading["urls"]]

    @pytest.mark.parametrize(("name", "field", "start"), [("alad", "progress", 50), ("infinityblue", "progress", 0)])
    def test_progress_grows_to_99(self, provider: SampleProvider, name: str, field: str, start: int) -> None:
        """Alad starts at 50 % as its documentation says, and no provider reaches 100 % before the end."""
        task = provider.add(name, seconds=100, queued_seconds=0)
        seen = []
        for age in (0, 30, 60, 99):
            body = ask(provider, at_age(task, age)).json()
            seen.append(int(str((body.get("data") or body)[field]).rstrip("%")))
        assert seen == sorted(set(seen))
        assert seen[0] == start
        assert seen[-1] <= 99

    @pytest.mark.parametrize("name", DIALECTS)
    def test_every_link_in_the_answer_gives_the_video_it_reports(self, provider: SampleProvider, name: str) -> None:
        """Stored videos are compared with the sha256 that GET /_sample/tasks reports."""
        task = at_age(provider.add(name, seconds=1, bytes=500_000), 2)
        reading = read(provider, task)
        (report,) = [
            entry
            for entry in requests.get(f"{provider.url}/_sample/tasks", timeout=5).json()
            if entry["task_id"] == task.task_id
        ]
        found = links(reading.document)
        assert reading.snapshot is not None
        assert {source.url for source in reading.snapshot.sources} <= set(found)
        for link in found:
            video = requests.get(link, timeout=5)
            assert video.headers["Content-Type"] == "video/mp4"
            assert len(video.content) == report["bytes"] == 500_000
            assert hashlib.sha256(video.content).hexdigest() == report["sha256"]

    @pytest.mark.parametrize(
        ("name", "ends", "roles"),
        [
            ("kling", "completed-two-videos", ["result", "result-2"]),
            ("kling", "completed-with-watermark", ["result", "watermarked"]),
            ("fal", "completed-images", ["result", "result-2"]),
            ("replicate", "completed-two-files", ["result", "result-2"]),
        ],
    )
    def test_each_file_of_a_task_is_another_one_and_has_the_hash_of_its_role(
        self, provider: SampleProvider, name: str, ends: str, roles: list[str]
    ) -> None:
        """What is stored as result-2 must not be the first file again."""
        task = at_age(provider.add(name, seconds=1, ends=ends), 2)
        files = {each.role: requests.get(each.url, timeout=5).content for each in snapshot(provider, task).sources}
        assert list(files) == roles
        assert len(set(files.values())) == len(roles)
        for role, content in files.items():
            assert hashlib.sha256(content).hexdigest() == task.media(role).sha256

    def test_a_task_id_may_hold_any_character(self, provider: SampleProvider) -> None:
        """A provider may choose any id, and a URL has it percent-encoded."""
        task = at_age(provider.add("vibepeak", task_id="a/b c%é", seconds=1), 2)
        url = provider.base_url("vibepeak") + "/v1/tasks/a%2Fb%20c%25%C3%A9"
        body = requests.get(url, headers={"Authorization": f"Bearer {KEYS['vibepeak']}"}, timeout=5).json()
        assert body["task_id"] == task.task_id
        assert requests.get(body["result"]["video_url"], timeout=5).status_code == 200

    def test_super_resolution_has_a_second_video(self, provider: SampleProvider) -> None:
        """The files of `original_result_url` and `result_url` differ."""
        task = at_age(provider.add("alad", seconds=1, ends="completed-super-resolution"), 2)
        data = ask(provider, task).json()["data"]
        result, original = (requests.get(data[key], timeout=5).content for key in ("result_url", "original_result_url"))
        assert result != original
        assert data["fail_reason"] == data["result_url"]

    def test_the_content_of_a_video_needs_the_key_and_a_finished_task(self, provider: SampleProvider) -> None:
        """InfinityBlue's content proxy needs the same key as its API."""
        done = at_age(provider.add("infinityblue", seconds=1), 2)
        assert ask(provider, done, "/content", key="wrong").status_code == 401
        assert ask(provider, done, "/content").content == b"".join(done.media().chunks())
        assert ask(provider, provider.add("infinityblue", seconds=100), "/content").status_code == 400

    @pytest.mark.parametrize("name", DIALECTS)
    def test_a_wrong_key_is_refused_and_an_unknown_task_is_not_found(self, provider: SampleProvider, name: str) -> None:
        """The documentation of every provider has these two refusals."""
        task = provider.add(name)
        assert read(provider, task, key="wrong").key_refused
        assert read(provider, task, key="sample-access:another-secret").key_refused
        assert [answer for _, answer in task.polls] == ["401", "401"]
        unknown = read(provider, SampleTask(name, task_id="nobody-made-it"))
        assert (unknown.outcome, unknown.key_refused) == ("permanent_error", False)
        assert unknown.error is not None
        assert unknown.error.category == Category.NOT_FOUND

    @pytest.mark.parametrize("name", DIALECTS)
    def test_a_link_expires_after_its_seconds_and_a_new_answer_has_a_new_link(
        self, provider: SampleProvider, name: str
    ) -> None:
        """A video must be stored before its link expires, or by a fresh link."""
        task = at_age(provider.add(name, seconds=1, link_seconds=-10), 2)
        dead = snapshot(provider, task).sources[0].url
        assert requests.get(dead, timeout=5).status_code == 403
        task.link_seconds = 60
        alive = snapshot(provider, task).sources[0].url
        assert requests.get(alive, timeout=5).status_code == 200
        assert requests.get(alive.replace("signature=", "signature=0"), timeout=5).status_code == 403

    @pytest.mark.parametrize("name", DIALECTS)
    def test_the_network_fails_as_scripted_whatever_the_provider(self, provider: SampleProvider, name: str) -> None:
        """A busy or broken provider says nothing of the task, and the next poll sees it."""
        faults = [{"kind": "429", "retry_after": 7}, "500", "html", "empty", {"kind": "slow", "seconds": 0}]
        task = at_age(provider.add(name, seconds=1, faults=["rate-limited", "key-refused", "drop", *faults]), 2)
        assert read(provider, task).outcome == "retry"
        assert read(provider, task).key_refused
        assert asked(provider, task).reading is None
        readings = [read(provider, task) for _ in range(5)]
        assert [each.outcome for each in readings] == ["retry"] * 4 + ["snapshot"]
        assert readings[0].retry_after_seconds == 7

    @pytest.mark.parametrize("name", ["fal", "minimax"])
    def test_the_link_comes_with_a_second_answer_when_the_task_is_completed(
        self, provider: SampleProvider, name: str
    ) -> None:
        """Who asks for it earlier gets an error, and its faults leave the polls alone."""
        fault = {"fal": "second-unavailable", "minimax": "second-busy"}[name]
        task = provider.add(name, seconds=100, faults=[fault])
        early = {"fal": f"/{task.params.get('model')}/requests/", "minimax": "/v1/files/retrieve?file_id=9"}[name]
        headers = dict(task_request(file_of(provider, name), "x", Key(KEYS[name]), task.params).headers)
        answer = requests.get(f"{provider.base_url(name)}{early}{task.task_id}", headers=headers, timeout=5)
        assert answer.status_code == 400
        at_age(task, 101)
        assert not asked(provider, task).ended
        assert snapshot(provider, task).sources[0].url.startswith(provider.url)
        assert [answer for _, answer in task.polls] == ["completed", "completed"]
        assert [answer for _, answer in task.second] == [fault, "completed"]

    @pytest.mark.parametrize("name", ["fal", "kling"])
    def test_a_task_is_known_only_under_its_own_parameters(self, provider: SampleProvider, name: str) -> None:
        """A poll of another model's or kind's path must not look as if it worked."""
        task = provider.add(name)
        (param,) = task.params
        other = {"model": "fal-ai/sora-2", "kind": "image2video"}[param]
        reading = read(provider, task, **{param: other})
        assert reading.error is not None
        assert reading.error.category == Category.NOT_FOUND
        assert read(provider, provider.add(name, params={param: other})).outcome == "snapshot"

    @pytest.mark.parametrize(
        ("head", "changed", "secret", "status"),
        [
            ({}, {}, "sample-secret", 200),
            ({"alg": "none"}, {}, "sample-secret", 401),
            ({}, {"iss": "another-access"}, "sample-secret", 401),
            ({}, {"exp": -1}, "sample-secret", 401),
            ({}, {"nbf": 60}, "sample-secret", 401),
            ({}, {"exp": None}, "sample-secret", 401),
            ({}, {}, "another-secret", 401),
        ],
    )
    def test_a_token_for_kling_must_be_signed_ours_and_good_now(
        self, provider: SampleProvider, head: dict[str, str], changed: dict[str, Any], secret: str, status: int
    ) -> None:
        """A server that took any token would not show that the stack makes good ones."""
        claims = {"iss": "sample-access", "exp": 1_800, "nbf": -5} | changed
        now = int(time.time())
        claims = {name: value + now if isinstance(value, int) else value for name, value in claims.items()}
        made = token({"alg": "HS256", "typ": "JWT"} | head, claims, secret)
        url = f"{provider.base_url('kling')}/v1/videos/text2video/{provider.add('kling').task_id}"
        for sent_, expected in ((f"Bearer {made}", status), (f"Basic {made}", 401), (f"Bearer {made}x.", 401)):
            assert requests.get(url, headers={"Authorization": sent_}, timeout=5).status_code == expected

    @pytest.mark.parametrize("name", DIALECTS)
    def test_a_task_is_created_as_its_file_says_and_follows_its_script(
        self, provider: SampleProvider, name: str
    ) -> None:
        """`sample` in the request has the script, so that a test needs no request of its own for it."""
        ends = next(sample for other, sample, _ in RECORDED if other == name and sample.startswith("failed"))
        file, body = file_of(provider, name), {"prompt": "a cat", "sample": {"seconds": 100, "ends": ends}}
        params = {"fal": {"model": "owner/app/fast"}, "kling": {"kind": "image2video"}}.get(name, {})
        for key, is_made in (("wrong:wrong", False), (KEYS[name], True)):
            answer = sent(create_request(file, body, "cre_7", keys_of(key).of(file), params))
            made = created(
                file, status=answer.status_code, headers=answer.headers, body=answer.content, now=time.time()
            )
            assert (made.task_id is not None) is is_made
        assert made.task_id is not None
        task = provider.find(name, made.task_id)
        assert task is not None
        assert (task.seconds, task.ends) == (100, ends)
        assert read(provider, task, **params).outcome == "snapshot"
        find = find_request(file, "cre_7", keys_of(KEYS[name]).of(file), params)
        assert find is None or made.task_id in sent(find).text  # only Kling finds a task by our own id

    @pytest.mark.parametrize(("name", "late"), [("fal", REFUSED), ("replicate", ACCEPTED)])
    def test_a_task_can_be_cancelled_until_it_has_ended(self, provider: SampleProvider, name: str, late: str) -> None:
        """fal refuses what comes too late, and Replicate shows the task as it is."""
        running, done = provider.add(name, seconds=100), at_age(provider.add(name, seconds=1), 2)
        assert ask_to_cancel(followed(running), **edges(provider, running))[0] == ACCEPTED
        assert ask_to_cancel(followed(done), **edges(provider, done))[0] == late
        cancelled = snapshot(provider, running)
        assert cancelled.error is not None
        assert (cancelled.status, cancelled.error.category) == (Status.FAILED, Category.CANCELLED)
        assert snapshot(provider, done).status is Status.COMPLETED
        assert ask_to_cancel(followed(done), **edges(provider, done, "wrong"))[0] == "key_refused"

    @pytest.mark.parametrize("name", DIALECTS)
    def test_with_any_task_an_unknown_one_begins_when_it_is_asked_about(self, name: str) -> None:
        """Whoever tries the sandbox has no task at a provider; the parameters are what the question has."""
        params = {"fal": {"model": "owner/app"}, "kling": {"kind": "lip-sync"}}.get(name, {})
        with SampleProvider(any_task=True) as knowing:
            assert snapshot(knowing, SampleTask(name, task_id="my-task", params=params)).status is Status.PENDING
            assert snapshot(knowing, SampleTask(name, task_id="my-task", params=params)).status is Status.PENDING
            (task,) = knowing.tasks()
        assert (task.task_id, task.params) == ("my-task", params)

    @pytest.mark.parametrize("name", DIALECTS)
    def test_with_any_task_the_beginning_of_an_id_chooses_how_it_goes(self, name: str) -> None:
        """Whoever tries the sandbox wants to see a failure, and a provider that is hard to talk to."""
        with SampleProvider(any_task=True) as knowing:
            for begin in ("succeeds-1", "fails-1", "stumbles-1"):
                ask(knowing, SampleTask(name, task_id=begin))
            succeeds, fails, stumbles = knowing.tasks()
        assert succeeds.ends == stumbles.ends == "completed"
        assert fails.ends.startswith("failed")
        assert succeeds.planned == fails.planned == []
        assert [stumbles.polls[0][1], *(fault.kind for fault in stumbles.planned)] == [
            "500",
            "html",
            "empty",
            "429",
            "drop",
        ]

    def test_faults_come_first_and_in_their_order(self, provider: SampleProvider) -> None:
        """The script of a task says exactly which answers a watch gets."""
        faults = [{"kind": "429", "times": 2, "retry_after": 7}, "500", "html", "empty", "rate-limited", "drop"]
        task = provider.add("vicsee", seconds=100, faults=faults)
        answers = [ask(provider, task) for _ in range(6)]
        with pytest.raises(requests.ConnectionError):
            ask(provider, task)
        assert [answer.status_code for answer in answers] == [429, 429, 500, 502, 200, 429]
        assert answers[0].headers["Retry-After"] == "7"
        assert answers[4].content == b""
        assert ask(provider, task).json()["data"]["status"] == "pending"
        answered = [answer for _, answer in task.polls]
        assert answered == ["429", "429", "500", "html", "empty", "rate-limited", "drop", "pending"]

    def test_a_cut_download_ends_early_once(self, provider: SampleProvider) -> None:
        """The first download breaks off half-way, and the next one is complete."""
        task = at_age(provider.add("vibepeak", seconds=1, bytes=2_000_000, faults=["cut"]), 2)
        (link,) = links(ask(provider, task).json())
        with pytest.raises(requests.RequestException):
            _ = requests.get(link, timeout=5).content
        assert len(requests.get(link, timeout=5).content) == 2_000_000

    @pytest.mark.parametrize(
        ("script", "field"),
        [
            ({"provider": "nobody"}, "provider"),
            ({"provider": "alad", "ends": "gloriously"}, "ends"),
            ({"provider": "alad", "fault": []}, "fault"),
            ({"provider": "alad", "seconds": "ten"}, "seconds"),
            ({"provider": "alad", "faults": ["gremlins"]}, "faults"),
            ({"provider": "fal", "params": "fal-ai/veo3"}, "params"),
            ({"provider": "fal", "params": {"modle": "fal-ai/veo3"}}, "params"),
        ],
    )
    def test_a_bad_script_is_refused_with_the_name_of_its_field(
        self, provider: SampleProvider, script: dict[str, Any], field: str
    ) -> None:
        """A spelling mistake in a script must not change what a test does."""
        answer = requests.post(f"{provider.url}/_sample/tasks", json=script, timeout=5)
        assert answer.status_code == 400
        assert answer.json()["error"]["message"].startswith(f"{field}:")


class TestMedia:
    @given(seed=st.text(), length=st.integers(0, 100_000))
    def test_a_video_is_a_complete_series_of_boxes(self, seed: str, length: int) -> None:
        """ISO/IEC 14496-12: each box follows another up to the last byte, and the index has the place of the sample."""
        video = media.video(seed, length)
        content = b"".join(video.chunks())
        boxes, at = {}, 0
        while at < len(content):
            size, kind = struct.unpack_from(">I4s", content, at)
            boxes[kind] = at
            at += struct.unpack_from(">Q", content, at + 8)[0] if size == 1 else size
        assert at == len(content) == video.length
        assert list(boxes) == [b"ftyp", b"moov", b"mdat"]
        offset = content.index(b"stco") + 12
        assert struct.unpack_from(">I", content, offset)[0] == boxes[b"mdat"] + 16
        assert video.sha256 == hashlib.sha256(content).hexdigest()

    def test_every_seed_has_a_video_of_its_own(self) -> None:
        """The hash of a video shows which task it belongs to."""
        assert len({media.video(f"task {n}").sha256 for n in range(50)}) == 50


def new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def signed(secret: str, body: bytes, event_id: str = "evt_1", at: float | None = None) -> dict[str, str]:
    moment = datetime.fromtimestamp(time.time() if at is None else at, UTC)
    signature = Webhook(secret).sign(event_id, moment, body.decode())
    stamp = str(int(moment.timestamp()))
    return {"webhook-id": event_id, "webhook-timestamp": stamp, "webhook-signature": signature}


class TestSubscriber:
    BODY = json.dumps({"id": "evt_1", "type": "video.completed"}).encode()

    def test_a_signed_webhook_verifies_and_its_repetition_is_a_duplicate(self) -> None:
        """Delivery is at least once, and a receiver knows a duplicate by its id."""
        secret = new_secret()
        with SampleSubscriber(secret) as subscriber:
            for _ in range(2):
                answer = requests.post(subscriber.url, self.BODY, headers=signed(secret, self.BODY), timeout=5)
                assert answer.status_code == 200
            first, second = subscriber.received
            assert first.verified
            assert first.event == json.loads(self.BODY)
            assert [first.duplicate, second.duplicate] == [False, True]

    @pytest.mark.parametrize("fault", ["tampered", "stale", "forged", "unsigned", "garbled"])
    def test_a_webhook_that_does_not_verify_is_refused_and_recorded_with_its_reason(self, fault: str) -> None:
        """A subscriber that accepts everything would test nothing."""
        secret = new_secret()
        headers = signed(
            new_secret() if fault == "forged" else secret, self.BODY, at=time.time() - 3600 * (fault == "stale")
        )
        if fault == "unsigned":
            headers = {}
        if fault == "garbled":
            headers["webhook-signature"] = "nonsense"
        body = self.BODY + b" " * (fault == "tampered")
        with SampleSubscriber(secret) as subscriber:
            assert requests.post(subscriber.url, body, headers=headers, timeout=5).status_code == 401
            (received,) = subscriber.received
            assert not received.verified
            assert received.problem

    def test_planned_answers_come_first_and_a_failed_attempt_makes_no_duplicate(self) -> None:
        """A webhook that was answered with 500 was not accepted, so the next attempt is no duplicate."""
        secret = new_secret()
        with SampleSubscriber(secret, answers=[500, (429, {"Retry-After": "3"})], status=204) as subscriber:
            headers = signed(secret, self.BODY)
            answers = [requests.post(subscriber.url, self.BODY, headers=headers, timeout=5) for _ in range(3)]
            assert [answer.status_code for answer in answers] == [500, 429, 204]
            assert answers[1].headers["Retry-After"] == "3"
            assert [received.duplicate for received in subscriber.received] == [False, False, False]

    def test_a_stopped_subscriber_answers_no_request(self) -> None:
        """As with a receiver that goes down, its open connections end too."""
        session = requests.Session()
        subscriber = SampleSubscriber(new_secret())
        assert session.post(subscriber.url, self.BODY, timeout=5).status_code == 401
        subscriber.stop()
        with pytest.raises(requests.ConnectionError):
            session.post(subscriber.url, self.BODY, timeout=5)


@contextlib.contextmanager
def running(*command: str) -> Iterator[dict[str, Any]]:
    """What a sample says when it is ready; at the end it is interrupted, and must end well."""
    run = [sys.executable, "-c", "from vidhook_cli.main import main; main()", *command, "--port", "0", "--json"]
    with subprocess.Popen(run, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            lines = map(json.loads, process.stdout)
            yield {**next(lines), "lines": lines}
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 0
        finally:
            process.kill()


def test_the_sample_provider_runs_as_a_command_until_it_is_interrupted() -> None:
    """Its line has all that a program needs to make a task and to ask for it."""
    with running("sample-provider") as ready:
        assert ready.keys() - {"lines"} == KEYS_OF_LINES["sample-provider"]
        task = requests.post(ready["tasks_url"], json={"provider": "alad", "seconds": 30}, timeout=5).json()
        alad = ready["providers"]["alad"]
        url = f"{alad['base_url']}/v1/video/generations/{task['task_id']}"
        assert requests.get(url, headers={"Authorization": f"Bearer {alad['key']}"}, timeout=5).status_code == 200


def test_the_sample_subscriber_runs_as_a_command_until_it_is_interrupted() -> None:
    """Each webhook is a line, one that is forged or repeated too."""
    secret, body = new_secret(), b'{"type": "video.completed"}'
    with running("sample-subscriber", "--secret", secret) as ready:
        for key in (secret, secret, new_secret()):
            requests.post(ready["url"], body, headers=signed(key, body), timeout=5)
        first, again, forged = (next(ready["lines"]) for _ in range(3))
    for line in (first, again, forged):
        assert line.keys() == KEYS_OF_LINES["sample-subscriber"]
        assert line["event"] == {"type": "video.completed"}
    assert [line["problem"] is None for line in (first, again, forged)] == [True, True, False]
    assert [line["duplicate"] for line in (first, again)] == [False, True]
