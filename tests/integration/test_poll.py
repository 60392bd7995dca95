"""One question to the provider: what settles a watch, what only costs a pause, and what is news on the way."""

import base64
import json
from typing import Any
from urllib.parse import quote

import boto3
import pytest

from tests.integration.world import KEY, Answer, Web, World, error_of, event_of, says, snapshot_of
from vidhook.poll import LONGEST_EXECUTION
from vidhook.sweep import sweep
from vidhook.task import Category, Poll, Snapshot, Status

SLASHED = "sk/5f0c8a+D2=="  # a key that many escape
DOWN = Answer(500, b"<html>oops</html>", {"content-type": "text/html"})


@pytest.fixture
def watch(world: World) -> str:
    return world.submit().watch.id


def ask(world: World, watch: str, *answers: Answer) -> Any:
    """Polls once for each answer, with the pauses between; the last poll."""
    world.web.script("/tasks/t1", *answers)
    polled = None
    for _ in answers:
        world.wait(polled.pause if polled else 20)
        polled = world.poll(watch)
    return polled


def test_a_finished_task_settles_its_watch(world: World, watch: str) -> None:
    """And the ledger knows, so any execution goes on to publish."""
    polled = ask(world, watch, says("completed", url="https://cdn.example/v.mp4"))
    assert (polled.settled, polled.pause) == (True, 0)
    noted = world.ledger.tasks.watch(watch)
    assert (snapshot_of(noted).status, noted.detected_at, noted.polls) == (Status.COMPLETED, world.now, 1)


def test_a_failed_task_settles_its_watch(world: World, watch: str) -> None:
    """With the provider's own reason."""
    polled = ask(world, watch, says("failed", error={"code": "moderated", "message": "content policy violation"}))
    error = error_of(polled.watch)
    assert (polled.settled, error.category) == (True, Category.CONTENT_POLICY)


def test_a_settled_watch_is_not_asked_about_again(world: World, watch: str) -> None:
    """A retried Lambda must not turn an answer around."""
    ask(world, watch, says("completed", url="https://cdn.example/v.mp4"))
    asked = len(world.web.asked)
    world.web.script("/tasks/t1", says("failed"))
    assert world.poll(watch).settled
    assert len(world.web.asked) == asked


def test_the_key_goes_to_the_provider_as_its_file_says(world: World, watch: str) -> None:
    """And into no place that is kept."""
    ask(world, watch, says("queued"))
    assert world.web.to("/tasks/t1")[0].headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in repr(world.ledger.tasks.watch(watch))


@pytest.mark.parametrize(
    "trouble",
    [DOWN, Answer(200, b""), Answer(200, b"[]"), Answer(200, b'{"stat', cut=4), Answer(404), Answer(429), Answer(502)],
    ids=["500", "empty", "list", "cut", "404 young", "429", "502"],
)
def test_a_provider_in_trouble_costs_a_pause_and_never_the_watch(world: World, watch: str, trouble: Answer) -> None:
    """The render goes on behind a broken front door."""
    polled = ask(world, watch, trouble)
    assert not polled.settled
    assert polled.pause >= 12
    assert ask(world, watch, says("completed", url="https://cdn.example/v.mp4")).settled


def test_a_provider_that_is_down_costs_a_pause(world: World, watch: str) -> None:
    """Nobody listens at all."""
    world.web.close()
    polled = world.poll(watch)
    assert (polled.settled, polled.broken) == (False, "connect")
    assert world.ledger.tasks.watch(watch).history[-1].answer == "connect"


def test_what_was_known_outlives_trouble(world: World, watch: str) -> None:
    """A 500 has not taken back the model and the progress."""
    polled = ask(world, watch, says("processing", progress=40, model="m1"), DOWN)
    assert (snapshot_of(polled.watch).progress, snapshot_of(polled.watch).model) == (40, "m1")


def test_retry_after_is_obeyed(world: World, watch: str) -> None:
    """Asking sooner would be refused, and may ban the key."""
    assert ask(world, watch, says("slow down", 429, {"retry-after": "123"})).pause == 123


class TestDoubtfulEnds:
    """An end that the provider does not say in so many words."""

    DOUBTS = (
        Answer(404),
        Answer(410, b'{"error": {"message": "no such task"}}', {"content-type": "application/json"}),
        says("completed"),
        says("", 422, error={"message": "the prompt is too long"}),
    )

    @pytest.mark.parametrize("doubt", DOUBTS, ids=["404", "410", "no link", "422"])
    def test_it_is_told_when_it_was_read_for_ten_minutes(self, world: World, watch: str, doubt: Answer) -> None:
        """One odd answer must not lose a paid render; the same one for ten minutes is an end."""
        world.wait(300)
        world.web.script("/tasks/t1", doubt)
        began, polled = world.now, world.poll(watch)
        pauses = []
        while not polled.settled:
            pauses.append(polled.pause)
            assert world.ledger.tasks.watch(watch).history[-1].why == "doubt"
            world.wait(polled.pause)
            polled = world.poll(watch)
        assert 600 <= world.now - began <= 660
        assert pauses == sorted(pauses[:-1]) + pauses[-1:]
        assert len(pauses) <= 7
        snapshot = snapshot_of(polled.watch)
        assert (snapshot.status, snapshot.said) == (Status.FAILED, False)

    def test_a_step_that_failed_beside_the_film_is_told_as_completed_then(self, world: World, watch: str) -> None:
        """The film is there, and the word says only that something else is not."""
        world.wait(300)
        polled = ask(world, watch, says("watermark_failed", url="https://cdn.example/v.mp4"))
        while not polled.settled:
            world.wait(polled.pause)
            polled = world.poll(watch)
        snapshot = snapshot_of(polled.watch)
        assert (snapshot.status, snapshot.said, snapshot.sources[0].url) == (
            Status.COMPLETED,
            False,
            "https://cdn.example/v.mp4",
        )

    @pytest.mark.parametrize(
        "doubt",
        [Answer(404), says("completed"), says("", 400, error={"message": "the task record expired"})],
        ids=["404", "no link", "expired"],
    )
    def test_a_link_that_was_seen_outlives_its_task(self, world: World, watch: str, doubt: Answer) -> None:
        """Some providers forget a task as soon as it is done."""
        world.wait(300)
        polled = ask(world, watch, says("baked", url="https://cdn.example/v.mp4"), doubt)
        while not polled.settled:
            world.wait(polled.pause)
            polled = world.poll(watch)
        snapshot = snapshot_of(polled.watch)
        assert (snapshot.status, snapshot.sources[0].url) == (Status.COMPLETED, "https://cdn.example/v.mp4")

    @pytest.mark.parametrize("doubt", DOUBTS, ids=["404", "410", "no link", "422"])
    @pytest.mark.parametrize("between", [says("processing"), DOWN, Answer(429)], ids=["status", "500", "429"])
    def test_any_other_answer_ends_the_doubt(self, world: World, watch: str, doubt: Answer, between: Answer) -> None:
        """A provider that deploys a new version answers 404, 502 and the truth in turn."""
        world.wait(300)
        for _ in range(4):
            polled = ask(world, watch, *[doubt] * 4, between)
            assert not polled.settled
            assert polled.watch.doubted_at is None
        polled = ask(world, watch, doubt, says("completed", url="https://cdn.example/v.mp4"))
        assert (polled.settled, snapshot_of(polled.watch).status) == (True, Status.COMPLETED)

    def test_no_answer_at_all_says_nothing_about_the_doubt(self, world: World, watch: str) -> None:
        """Neither for nor against it."""
        world.wait(300)
        doubted = ask(world, watch, Answer(404)).watch.doubted_at
        world.web.close()
        assert world.poll(watch).broken == "connect"
        assert world.ledger.tasks.watch(watch).doubted_at == doubted

    def test_the_deadline_bounds_it(self, world: World) -> None:
        """The reason that was read is given, and not only that time was over."""
        watch = world.submit(task_id="t1", deadline_seconds=330).watch.id
        world.wait(300)
        polled = ask(world, watch, Answer(404))
        while not polled.settled:
            world.wait(polled.pause)
            polled = world.poll(watch)
        assert polled.watch.age(world.now) < 400
        assert error_of(polled.watch).category == Category.NOT_FOUND

    def test_a_young_task_may_be_unknown(self, world: World, watch: str) -> None:
        """Its provider may have accepted it on another server."""
        assert ask(world, watch, Answer(404)).watch.doubted_at is None

    def test_nothing_is_learned_from_it(self, world: World, watch: str) -> None:
        """How long a missing task took says nothing about others."""
        world.wait(300)
        polled = ask(world, watch, Answer(404))
        while not polled.settled:
            world.wait(polled.pause)
            polled = world.poll(watch)
        assert world.ledger.paces.kinds("acme") == {}


class TestWhatWasSeenCountsAtTheDeadline:
    @pytest.fixture
    def short(self, world: World) -> str:
        return world.submit(task_id="t1", deadline_seconds=120).watch.id

    @pytest.mark.parametrize(
        "last", [DOWN, Answer(404), Answer(401), says("processing")], ids=["500", "404", "401", "later word"]
    )
    def test_a_link_beside_an_unknown_word_is_told(self, world: World, short: str, last: Answer) -> None:
        """The render is there, and only its word was not understood."""
        polled = ask(world, short, says("baked", url="https://cdn.example/v.mp4"))
        assert (polled.settled, polled.watch.snapshot.status) == (False, Status.PROCESSING)
        world.wait(200)
        world.web.script("/tasks/t1", last)
        snapshot = snapshot_of(world.poll(short).watch)
        assert (snapshot.status, snapshot.sources[0].url) == (Status.COMPLETED, "https://cdn.example/v.mp4")
        assert (snapshot.error, snapshot.said) == (None, False)

    def test_a_reason_beside_an_unknown_word_is_told(self, world: World, short: str) -> None:
        """It is better than a bare timeout."""
        world.web.script("/tasks/t1", says("burnt", error={"code": "E1", "message": "content policy violation"}))
        world.wait(200)
        error = error_of(world.poll(short).watch)
        assert (error.category, error.message) == (Category.CONTENT_POLICY, "content policy violation")

    def test_a_link_of_a_task_that_still_works_is_not(self, world: World, short: str) -> None:
        """It may be a preview, and the provider says in so many words that it is not done."""
        world.web.script("/tasks/t1", says("processing", url="https://cdn.example/v.mp4"))
        world.wait(200)
        assert error_of(world.poll(short).watch).code == "DEADLINE_REACHED"


def test_a_provider_file_that_is_gone_costs_pauses_until_it_is_back(world: World, watch: str) -> None:
    """Whoever removed it by mistake loses no task."""
    text = world.ledger.providers.text("acme") or ""
    world.ledger.providers.remove("acme")
    polled = world.poll(watch)
    assert (polled.settled, polled.broken) == (False, "no_provider_file")
    world.ledger.providers.put("acme", text)
    assert ask(world, watch, says("completed", url="https://cdn.example/v.mp4")).settled


class TestRefusedKey:
    def test_a_key_that_was_replaced_is_used_at_once(self, world: World, watch: str) -> None:
        """The one we remember may be the old one."""
        world.poll(watch)
        world.put_key("key-new")
        world.web.script("/tasks/t1", says("no", 401), says("processing"))
        polled = world.poll(watch)
        assert polled.reading is not None
        assert (polled.settled, polled.reading.key_refused) == (False, False)
        assert [asked.headers["authorization"] for asked in world.web.to("/tasks/t1")][-2:] == [
            f"Bearer {KEY}",
            "Bearer key-new",
        ]

    def test_a_key_that_stays_refused_is_asked_about_slowly(self, world: World, watch: str) -> None:
        """Every 15 minutes, until a person mends it; then every task goes on by itself."""
        polled = ask(world, watch, Answer(401, b'{"error":"bad key"}'))
        assert (polled.settled, polled.pause, polled.reading.key_refused) == (False, 900, True)
        world.wait(polled.pause)
        world.put_key("key-new")
        assert ask(world, watch, says("completed", url="https://cdn.example/v.mp4")).settled

    def test_a_key_refused_to_the_end_is_told_as_such(self, world: World) -> None:
        """Not as a timeout of the task: the mend is another."""
        watch = world.settle(Answer(401, b'{"error":"bad key"}'), deadline_seconds=3_600)
        assert error_of(world.ledger.tasks.watch(watch)).category is Category.AUTH

    def test_a_key_that_the_provider_quotes_goes_no_further(self, world: World, watch: str) -> None:
        """Errors travel into events, logs and other people's systems."""
        polled = ask(world, watch, says("failed", error=f"the key {KEY} may not make videos"))
        assert error_of(polled.watch).message == "the key [key] may not make videos"

    @pytest.mark.parametrize(
        "spelled",
        [
            r"sk\/5f0c8a+D2==",
            r"sk\u002f5f0c8a\u002bD2==",
            "sk%2F5f0c8a%2BD2%3D%3D",
            "sk&#x2F;5f0c8a&plus;D2==",
            base64.b64encode(f"acme:{SLASHED}".encode()).decode(),
        ],
    )
    def test_a_key_that_is_quoted_with_escapes_goes_no_further(self, world: World, watch: str, spelled: str) -> None:
        """JSON in PHP escapes slashes, and a page of an error what HTML escapes."""
        world.put_key(SLASHED)
        said = (
            f'{{"status": "failed", "model": "{spelled}", "error": {{"code": "{spelled}", "message": "no {spelled}"}}}}'
        )
        polled = ask(world, watch, Answer(200, said.encode(), {"content-type": "application/json"}))
        assert error_of(polled.watch).message.startswith("no ")
        published = world.publish(watch)
        places = [
            event_of(published).body,
            str(boto3.client("dynamodb").scan(TableName=world.ledger.table.name)["Items"]),
        ]
        for place in places:
            assert "[key]" in place
            assert not [part for part in ("5f0c8a", spelled, base64.b64encode(b"5f0c8a").decode()) if part in place]

    def test_a_link_with_the_key_is_stored_by_and_is_told_without_it(self, world: World, watch: str) -> None:
        """Subscribers get the event, and only the provider's own host may see the key."""
        world.put_key(SLASHED)
        link = world.video() + "?alt=media&key=" + quote(SLASHED, safe="")
        ask(world, watch, says("completed", url=link))
        event = event_of(world.publish(watch))
        (asset,) = event.data["data"]["assets"]
        assert asset["stored"]
        assert asset["source_url"] == world.video() + "?alt=media&key=[key]"
        assert [asked.path for asked in world.web.asked if asked.path.startswith("/files/")] == [
            link.removeprefix(world.web.url)
        ]
        assert "5f0c8a" not in str(boto3.client("dynamodb").scan(TableName=world.ledger.table.name)["Items"])

    def test_a_link_of_another_host_never_gets_the_key(self, world: World, watch: str) -> None:
        """It may be chosen by whoever made the task."""
        world.put_key(SLASHED)
        host = Web()
        ask(world, watch, says("completed", url=host.script("/v.mp4", Answer(404)) + "?key=[key]"))
        world.publish(watch)
        assert {asked.path for asked in host.asked} == {"/v.mp4?key=[key]"}
        host.close()

    def test_a_provider_without_a_key_is_asked_without_one(self, world: World, watch: str) -> None:
        """Some providers want none; the others say so."""
        world.put_key("")
        ask(world, watch, says("processing"))
        assert "authorization" not in world.web.to("/tasks/t1")[0].headers


class TestDeadline:
    def test_the_last_poll_falls_on_the_deadline_and_settles(self, world: World) -> None:
        """A watch ends, whatever the provider does."""
        began = world.now
        watch = world.settle(says("processing", progress=99), deadline_seconds=600)
        noted = world.ledger.tasks.watch(watch)
        assert noted.detected_at == began + 600
        error = error_of(noted)
        assert (error.category, error.code, error.retryable) == (Category.TIMEOUT, "DEADLINE_REACHED", None)
        assert "still processing" in error.message
        assert snapshot_of(noted).progress == 99

    def test_a_result_at_the_deadline_still_counts(self, world: World) -> None:
        """It is there and was paid for."""
        world.submit(deadline_seconds=20)
        world.wait(20)
        world.web.script("/tasks/t1", says("completed", url="https://cdn.example/v.mp4"))
        polled = world.poll(world.submit().watch.id)
        assert snapshot_of(polled.watch).status is Status.COMPLETED

    @pytest.mark.parametrize(("answer", "why"), [(DOWN, "500"), (Answer(200, b'{"a', cut=2), "protocol")])
    def test_a_deadline_in_trouble_says_what_the_provider_said_last(
        self, world: World, answer: Answer, why: str
    ) -> None:
        """Whoever reads it must not look for the fault in the task."""
        watch = world.settle(answer, deadline_seconds=60)
        message = error_of(world.ledger.tasks.watch(watch)).message
        assert "never gave a status" in message
        assert why in message

    def test_a_second_execution_makes_no_task_older(self, world: World) -> None:
        """A task that is submitted in two ways is followed twice; its deadline must not come twice as soon."""
        watch = world.submit().watch
        world.web.script("/tasks/t1", says("processing"))
        world.wait(watch.paused)
        for _ in range(30):
            polls = [world.poll(watch.id, execution=name) for name in (watch.execution, "another")]
            world.wait(polls[0].pause)
        followed = world.ledger.tasks.watch(watch.id)
        assert followed.age(world.now) == world.now - followed.submitted_at


class TestHostileAnswers:
    def test_words_without_end_do_not_outgrow_the_ledger(self, world: World, watch: str) -> None:
        """An item ends at 400 KB; a poll that cannot be written would be repeated for ever."""
        endless = "\u20ac" * 30_000
        polled = ask(world, watch, says(endless, model=endless, prompt=endless, usage={"a": endless}))
        noted = world.ledger.tasks.watch(watch)
        assert noted == polled.watch
        assert len(json.dumps([snapshot_of(noted).model, snapshot_of(noted).prompt])) < 20_000

    def test_an_answer_above_16_mebibytes_is_trouble(self, world: World, watch: str) -> None:
        """No status needs that much, and no film fits into an answer."""
        polled = ask(world, watch, Answer(200, b" " * 17_000_000))
        assert (polled.settled, polled.broken) == (False, "too_large")


class TestProgress:
    def news(self, world: World, *steps: tuple[str, int | None, float]) -> list[bool]:
        """Whether each step (status word, progress, seconds since the one before) is news."""
        watch = world.submit(progress=True).watch.id
        told = []
        for word, progress, seconds in steps:
            world.wait(seconds)
            world.web.script("/tasks/t1", says(word, progress=progress))
            told.append(world.poll(watch).progress)
        return told

    def test_the_first_sign_a_beginning_and_ten_points_are_news(self, world: World) -> None:
        """Nine points are not."""
        steps = [
            ("queued", None, 20),
            ("queued", None, 20),
            ("running", 0, 20),
            ("running", 9, 20),
            ("running", 10, 20),
        ]
        assert self.news(world, *steps) == [True, False, True, False, True]

    def test_news_keeps_15_seconds_apart(self, world: World) -> None:
        """And what was not told then is told later."""
        steps = [("queued", None, 20), ("running", 50, 14), ("running", 50, 1)]
        assert self.news(world, *steps) == [True, False, True]

    def test_a_provider_that_goes_back_and_forth_makes_no_news(self, world: World) -> None:
        """Each news costs history events, and an execution has 25,000 of them."""
        there_and_back = [("queued", 0, 20), ("running", 5, 20)] * 10
        assert self.news(world, *there_and_back).count(True) == 2

    def test_nobody_is_told_who_did_not_ask(self, world: World) -> None:
        """Progress is asked for with the submission."""
        watch = world.submit().watch.id
        assert ask(world, watch, says("queued"), says("running", progress=50)).progress is False

    def test_the_end_is_no_progress(self, world: World) -> None:
        """The terminal event says it."""
        watch = world.submit(progress=True).watch.id
        assert ask(world, watch, says("completed", url="https://cdn.example/v.mp4")).progress is False


def test_a_poll_that_comes_late_does_not_undo_the_end(world: World, watch: str) -> None:
    """Two executions may follow one task, when it was submitted in two ways."""
    world.web.script("/tasks/t1", says("processing"))
    stale = world.ledger.tasks.watch(watch)
    done = Snapshot(Status.COMPLETED, sources=())
    world.ledger.tasks.note_poll(stale, Poll(world.now, "completed"), done, settled=True)
    assert world.poll(watch).settled


@pytest.fixture
def lasting(world: World) -> str:
    """A watch that may last for a week."""
    return world.submit(deadline_seconds=604_800).watch.id


def test_an_execution_that_is_too_old_is_followed_by_another(world: World, lasting: str) -> None:
    """Its history would be full one day, and a task that its provider works on would be told as failed."""
    started_at = world.now
    ask(world, lasting, says("processing"))
    world.web.script("/tasks/t1", says("processing"))
    assert world.poll(lasting, lasting, started_at).successor is None
    world.wait(LONGEST_EXECUTION)
    polled = world.poll(lasting, lasting, started_at)
    assert (polled.settled, polled.successor) == (False, world.ledger.tasks.watch(lasting).execution)
    assert polled.successor not in {None, lasting}
    # The new one is the watch's own: it is not told as failed when the old one ends, and goes on as one that is young.
    assert world.poll(lasting, polled.successor, world.now).successor is None


def test_an_old_execution_ends_its_task_itself_if_it_can(world: World, lasting: str) -> None:
    """Nothing is left to go on with."""
    started_at = world.now
    world.wait(LONGEST_EXECUTION)
    world.web.script("/tasks/t1", says("completed", url="https://cdn.example/v.mp4"))
    polled = world.poll(lasting, lasting, started_at)
    assert (polled.settled, polled.successor) == (True, None)


def test_a_successor_that_never_began_is_started_by_the_sweeper(world: World, lasting: str) -> None:
    """The old execution may be stopped at the very moment at which it should start the new one."""
    started_at = world.now
    world.web.script("/tasks/t1", says("processing"))
    world.wait(LONGEST_EXECUTION)
    polled = world.poll(lasting, lasting, started_at)
    world.wait(polled.pause + 3_600)
    assert sweep(world.runs, world.secrets).watches == 1
    assert world.ledger.tasks.watch(lasting).execution in world.machines.started
