"""The sample provider and subscriber, which other tests and the demo rely on, do what they should."""

import base64
import hashlib
import json
import secrets
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from vidhook_sandbox import media
from vidhook_sandbox.provider import DIALECTS, KEYS, SampleProvider, SampleTask
from vidhook_sandbox.subscriber import SampleSubscriber

PATHS = {
    "vicsee": "/api/v1/tasks/",
    "vibepeak": "/v1/tasks/",
    "infinityblue": "/v1/videos/",
    "alad": "/v1/video/generations/",
}


@pytest.fixture(scope="module")
def provider() -> Iterator[SampleProvider]:
    with SampleProvider() as running:
        yield running


def ask(provider: SampleProvider, task: SampleTask, suffix: str = "", key: str | None = None) -> requests.Response:
    """Polls a task as vidhook does it."""
    url = provider.base_url(task.provider) + PATHS[task.provider] + task.task_id + suffix
    return requests.get(url, headers={"Authorization": f"Bearer {key or KEYS[task.provider]}"}, timeout=5)


def at_age(task: SampleTask, seconds: float) -> SampleTask:
    """The task as if it had been made `seconds` ago."""
    task.created = time.time() - seconds
    return task


def links(body: object) -> list[str]:
    """All links in an answer."""
    if isinstance(body, dict):
        return [link for value in body.values() for link in links(value)]
    return [body] if isinstance(body, str) and body.startswith("http") else []


class TestProvider:
    @pytest.mark.parametrize("name", DIALECTS)
    @pytest.mark.parametrize(
        ("age", "words"),
        [
            (1, {"pending", "queued", "QUEUED"}),
            (50, {"processing", "in_progress", "IN_PROGRESS"}),
            (101, {"completed", "SUCCESS"}),
        ],
    )
    def test_a_task_is_queued_then_runs_then_is_done(
        self, provider: SampleProvider, name: str, age: float, words: set[str]
    ) -> None:
        """A watch must see every phase that the documentation of the provider names."""
        body = ask(provider, at_age(provider.add(name, seconds=100), age)).json()
        assert (body.get("data") or body)["status"] in words

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
        found = links(ask(provider, task).json())
        (report,) = [
            entry
            for entry in requests.get(f"{provider.url}/_sample/tasks", timeout=5).json()
            if entry["task_id"] == task.task_id
        ]
        assert found
        for link in found:
            video = requests.get(link, timeout=5)
            assert video.headers["Content-Type"] == "video/mp4"
            assert len(video.content) == report["bytes"] == 500_000
            assert hashlib.sha256(video.content).hexdigest() == report["sha256"]

    def test_a_task_id_may_hold_any_character(self, provider: SampleProvider) -> None:
        """A provider may choose any id, and a URL has it percent-encoded."""
        task = at_age(provider.add("vibepeak", task_id="a/b c%é", seconds=1), 2)
        url = provider.base_url("vibepeak") + PATHS["vibepeak"] + "a%2Fb%20c%25%C3%A9"
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
        assert ask(provider, provider.add(name), key="wrong").status_code == 401
        unknown = ask(provider, SampleTask(name, task_id="nobody-made-it"))
        assert (unknown.status_code == 404) or (unknown.json()["code"] == "task_not_exist")

    def test_a_link_expires_after_its_seconds_and_a_new_answer_has_a_new_link(self, provider: SampleProvider) -> None:
        """A video must be stored before its link expires, or by a fresh link."""
        task = at_age(provider.add("alad", seconds=1, link_seconds=-10), 2)
        (dead, *_) = links(ask(provider, task).json())
        assert requests.get(dead, timeout=5).status_code == 403
        task.link_seconds = 60
        (alive, *_) = links(ask(provider, task).json())
        assert requests.get(alive, timeout=5).status_code == 200
        assert requests.get(alive.replace("signature=", "signature=0"), timeout=5).status_code == 403

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
            ({"provider": "kling"}, "provider"),
            ({"provider": "alad", "ends": "gloriously"}, "ends"),
            ({"provider": "alad", "fault": []}, "fault"),
            ({"provider": "alad", "seconds": "ten"}, "seconds"),
            ({"provider": "alad", "faults": ["gremlins"]}, "faults"),
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
        assert list(boxes)[:3] == [b"ftyp", b"moov", b"mdat"]
        offset = content.index(b"stco") + 12
        assert struct.unpack_from(">I", content, offset)[0] == boxes[b"mdat"] + 8
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


@pytest.mark.parametrize("command", [["sample-provider"], ["sample-subscriber", "--secret", "whsec_AAAA"]])
def test_a_sample_runs_as_a_command_until_it_is_interrupted(command: list[str]) -> None:
    """`vidhook sample-provider` and `vidhook sample-subscriber` print where they listen and end on Ctrl-C."""
    run = [sys.executable, "-c", "from vidhook_cli.main import main; main()", *command, "--port", "0"]
    with subprocess.Popen(run, stdout=subprocess.PIPE, text=True, env={"PYTHONUNBUFFERED": "1"}) as process:
        assert process.stdout
        try:
            assert "http://127.0.0.1:" in process.stdout.readline()
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 0
        finally:
            process.kill()
