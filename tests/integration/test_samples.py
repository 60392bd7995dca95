"""The sample provider and subscriber are what tests and the demo trust: here they are measured themselves."""

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
    url = provider.base_url(task.provider) + PATHS[task.provider] + task.task_id + suffix
    return requests.get(url, headers={"Authorization": f"Bearer {key or KEYS[task.provider]}"}, timeout=5)


def at_age(task: SampleTask, seconds: float) -> SampleTask:
    """The task as if it had been made `seconds` ago."""
    task.created = time.time() - seconds
    return task


def links(body: object) -> list[str]:
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
        """A watch must see every phase that the documents name."""
        body = ask(provider, at_age(provider.add(name, seconds=100), age)).json()
        assert (body.get("data") or body)["status"] in words

    @pytest.mark.parametrize(("name", "field", "start"), [("alad", "progress", 50), ("infinityblue", "progress", 0)])
    def test_progress_grows_to_99(self, provider: SampleProvider, name: str, field: str, start: int) -> None:
        """Alad starts at 50 % as its document says; nobody says 100 before the end."""
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
        """The sha256 of GET /_sample/tasks is what copies are compared with."""
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
        """Ids are the provider's own business; they travel percent-encoded."""
        task = at_age(provider.add("vibepeak", task_id="a/b c%é", seconds=1), 2)
        url = provider.base_url("vibepeak") + PATHS["vibepeak"] + "a%2Fb%20c%25%C3%A9"
        body = requests.get(url, headers={"Authorization": f"Bearer {KEYS['vibepeak']}"}, timeout=5).json()
        assert body["task_id"] == task.task_id
        assert requests.get(body["result"]["video_url"], timeout=5).status_code == 200

    def test_super_resolution_has_a_second_video(self, provider: SampleProvider) -> None:
        """`original_result_url` is another file than `result_url`."""
        task = at_age(provider.add("alad", seconds=1, ends="completed-super-resolution"), 2)
        data = ask(provider, task).json()["data"]
        result, original = (requests.get(data[key], timeout=5).content for key in ("result_url", "original_result_url"))
        assert result != original
        assert data["fail_reason"] == data["result_url"]

    def test_content_needs_the_key_and_a_finished_task(self, provider: SampleProvider) -> None:
        """InfinityBlue's proxy download is behind the same key as its API."""
        done = at_age(provider.add("infinityblue", seconds=1), 2)
        assert ask(provider, done, "/content", key="wrong").status_code == 401
        assert ask(provider, done, "/content").content == b"".join(done.media().chunks())
        assert ask(provider, provider.add("infinityblue", seconds=100), "/content").status_code == 400

    @pytest.mark.parametrize("name", DIALECTS)
    def test_a_wrong_key_is_refused_and_an_unknown_task_is_not_found(self, provider: SampleProvider, name: str) -> None:
        """The two refusals that every document has."""
        assert ask(provider, provider.add(name), key="wrong").status_code == 401
        unknown = ask(provider, SampleTask(name, task_id="nobody-made-it"))
        assert (unknown.status_code == 404) or (unknown.json()["code"] == "task_not_exist")

    def test_a_link_dies_when_its_seconds_have_passed(self, provider: SampleProvider) -> None:
        """A video must be copied while its link lives; a new answer has a new link."""
        task = at_age(provider.add("alad", seconds=1, link_seconds=-10), 2)
        (dead, *_) = links(ask(provider, task).json())
        assert requests.get(dead, timeout=5).status_code == 403
        task.link_seconds = 60
        (alive, *_) = links(ask(provider, task).json())
        assert requests.get(alive, timeout=5).status_code == 200
        assert requests.get(alive.replace("signature=", "signature=0"), timeout=5).status_code == 403

    def test_faults_come_first_and_in_their_order(self, provider: SampleProvider) -> None:
        """A script says exactly what a watch has to go through."""
        faults = [{"kind": "429", "times": 2, "retry_after": 7}, "500", "html", "empty", "rate-limited", "drop"]
        task = provider.add("vicsee", seconds=100, faults=faults)
        answers = [ask(provider, task) for _ in range(6)]
        with pytest.raises(requests.ConnectionError):
            ask(provider, task)
        assert [answer.status_code for answer in answers] == [429, 429, 500, 502, 200, 429]
        assert answers[0].headers["Retry-After"] == "7"
        assert answers[4].content == b""
        assert ask(provider, task).json()["data"]["status"] == "pending"
        told = [told for _, told in task.polls]
        assert told == ["429", "429", "500", "html", "empty", "rate-limited", "drop", "pending"]

    def test_a_cut_download_ends_early_once(self, provider: SampleProvider) -> None:
        """Half a video is what a broken connection leaves; the next try has it whole."""
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
    def test_a_script_that_cannot_be_played_names_its_field(
        self, provider: SampleProvider, script: dict[str, Any], field: str
    ) -> None:
        """A typing error in a test's script must not make another test of it."""
        answer = requests.post(f"{provider.url}/_sample/tasks", json=script, timeout=5)
        assert answer.status_code == 400
        assert answer.json()["error"]["message"].startswith(f"{field}:")


class TestMedia:
    @given(seed=st.text(), length=st.integers(0, 100_000))
    def test_a_video_is_a_whole_chain_of_boxes(self, seed: str, length: int) -> None:
        """ISO/IEC 14496-12: box follows box to the last byte, and the sample is where the index says."""
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
        """Mixed-up videos must show in their hashes."""
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

    def test_a_signed_webhook_verifies_and_its_repeat_is_a_duplicate(self) -> None:
        """At-least-once delivery: the receiver tells the second from the first by its id."""
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
    def test_what_does_not_verify_is_refused_and_remembered_with_its_reason(self, fault: str) -> None:
        """A subscriber that accepts anything proves nothing."""
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

    def test_planned_answers_come_first_and_a_failed_one_makes_no_duplicate(self) -> None:
        """What was answered with 500 was not taken, so its next attempt is the first."""
        secret = new_secret()
        with SampleSubscriber(secret, answers=[500, (429, {"Retry-After": "3"})], status=204) as subscriber:
            headers = signed(secret, self.BODY)
            answers = [requests.post(subscriber.url, self.BODY, headers=headers, timeout=5) for _ in range(3)]
            assert [answer.status_code for answer in answers] == [500, 429, 204]
            assert answers[1].headers["Retry-After"] == "3"
            assert [received.duplicate for received in subscriber.received] == [False, False, False]

    def test_a_stopped_one_answers_nobody(self) -> None:
        """Stopping stands for a receiver that goes down: kept connections die too."""
        session = requests.Session()
        subscriber = SampleSubscriber(new_secret())
        assert session.post(subscriber.url, self.BODY, timeout=5).status_code == 401
        subscriber.stop()
        with pytest.raises(requests.ConnectionError):
            session.post(subscriber.url, self.BODY, timeout=5)


@pytest.mark.parametrize("command", [["sample-provider"], ["sample-subscriber", "--secret", "whsec_AAAA"]])
def test_a_sample_runs_as_a_command_until_it_is_interrupted(command: list[str]) -> None:
    """`vidhook sample-provider` and `vidhook sample-subscriber` say where they listen and end on Ctrl-C."""
    run = [sys.executable, "-c", "from vidhook_cli.main import main; main()", *command, "--port", "0"]
    with subprocess.Popen(run, stdout=subprocess.PIPE, text=True, env={"PYTHONUNBUFFERED": "1"}) as process:
        assert process.stdout
        try:
            assert "http://127.0.0.1:" in process.stdout.readline()
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 0
        finally:
            process.kill()
