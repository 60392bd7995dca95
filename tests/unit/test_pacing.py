"""What is made of a provider's answers: hints, durations, and how much older a task is than its watch."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidhook.budget import Budget
from vidhook.pace import Ended, Kind, Outlook, Pace
from vidhook.pacing import Pacer, hints_in, kind_of
from vidhook.providers.reading import Reading
from vidhook.schedule import shortest_pause
from vidhook.task import Poll, Snapshot, Status, Submission, Watch
from vidhook.times import Clock

SUBMITTED = 1_777_287_600.0
PROCESSING = Status.PROCESSING


class FakeLedger:
    """A ledger, and its parts: it knows one provider, has learned nothing, and keeps what is to be learned."""

    def __init__(self, expected: float | None = None) -> None:
        self.expected_seconds = expected
        self.budget = Budget()
        self.ended: list[tuple[Kind, Ended]] = []
        self.providers = self.paces = self

    def get(self, name: str) -> "FakeLedger":
        return self

    def of(self, provider: str, kind: Kind | None, now: float) -> tuple[Pace, Pace]:
        return Pace(), Pace()

    def learn(self, watch: Watch, kind: Kind, ended: Ended, outlook: Outlook, now: float) -> bool:
        self.ended.append((kind, ended))
        return True


def watch_of(*polls: tuple[float, str], paused: int = 0, **fields: float) -> Watch:
    """A watch whose polls were made at these ages."""
    history = tuple(Poll(SUBMITTED + age, answer) for age, answer in polls)
    return Watch(
        Submission("acme", "t1", **fields),  # type: ignore[arg-type]
        SUBMITTED,
        polls=len(polls),
        paused=paused,
        history=history,
    )


def learned(watch: Watch, snapshot: Snapshot, age: float) -> Ended:
    """What the end of a task at an age, by our clock, teaches."""
    ledger = FakeLedger()
    Pacer(ledger, Clock()).learn(watch, snapshot, SUBMITTED + age)  # type: ignore[arg-type]
    return ledger.ended[0][1]


def hints(age: float, watch: Watch | None = None, **fields: float) -> dict[str, float]:
    status = Status.PENDING if "queue_position" in fields else PROCESSING
    return hints_in(watch or watch_of(), Snapshot(status, **fields), SUBMITTED + age)  # type: ignore[arg-type]


def test_an_eta_is_the_time_from_creation_to_the_expected_end() -> None:
    """It has a stage, as an ETA given late is better than one given early."""
    assert hints(10, estimated_completion=SUBMITTED + 100) == {"eta:0": 100}
    assert hints(60, estimated_completion=SUBMITTED + 100) == {"eta:2": 100}
    assert hints(500, estimated_completion=SUBMITTED + 100) == {"eta:4": 100}


def test_a_progress_says_how_long_the_task_takes_in_all() -> None:
    """Half done after a minute is two minutes; nothing and all say nothing."""
    assert hints(60, progress=50) == {"progress:5": 120}
    assert hints(60, progress=0) == hints(60, progress=100) == {}


def test_a_place_in_the_queue_is_a_hint_while_it_lasts() -> None:
    """How long a place takes is learned; the further back, the longer."""
    first, tenth = (hints(5, queue_position=place)["queue"] for place in (1, 10))
    assert 5 < first < tenth


def test_the_time_in_the_queue_is_a_hint_once_it_is_over() -> None:
    """Some providers tell nothing but pending and processing."""
    assert hints(30, watch_of((10, "pending"))) == {"started": 20}
    assert hints(90, watch_of((10, "pending"), (30, "processing"), (60, "processing"))) == {"started": 20}
    assert hints(30, started_at=SUBMITTED + 7) == {"started": 7}
    assert hints(30) == {}


def test_an_end_holds_no_hints() -> None:
    """What a finished task says of its progress is no guess."""
    done = Snapshot(Status.FAILED, progress=40, estimated_completion=SUBMITTED + 50)
    assert hints_in(watch_of(), done, SUBMITTED + 60) == {}


def test_the_providers_own_times_say_how_long_a_task_took() -> None:
    """They are exact, wherever our polls fell."""
    done = Snapshot(Status.COMPLETED, created_at=SUBMITTED - 2, completed_at=SUBMITTED + 70)
    ended = learned(watch_of((40, "processing")), done, 90)
    assert (ended.longer_than, ended.seconds) == (72, 72)
    assert ended.delay == pytest.approx(18)


@pytest.mark.parametrize(
    "done",
    [
        Snapshot(Status.COMPLETED),
        Snapshot(Status.COMPLETED, created_at=SUBMITTED, completed_at=SUBMITTED - 5),
        Snapshot(Status.COMPLETED, created_at=SUBMITTED, completed_at=SUBMITTED + 9_000),
    ],
)
def test_without_credible_times_a_task_took_until_one_of_two_polls(done: Snapshot) -> None:
    """A provider whose clock goes backwards, or ahead, is not believed."""
    ended = learned(watch_of((40, "processing"), (60, "timeout")), done, 90)
    assert (ended.longer_than, ended.seconds) == (40, 90)


def test_a_sandbox_that_shortens_pauses_learns_in_the_time_of_its_pauses() -> None:
    """The sample provider's clock runs in real time, and the pauses do not."""
    done = Snapshot(Status.COMPLETED, created_at=SUBMITTED, completed_at=SUBMITTED + 3)
    assert learned(watch_of((2, "processing"), paused=60), done, 4).seconds == 60


def test_a_failure_is_learned_as_one() -> None:
    """Failures come sooner, and say nothing about the time that a video takes."""
    assert learned(watch_of(), Snapshot(Status.FAILED), 9).failed
    assert not learned(watch_of(), Snapshot(Status.COMPLETED), 9).failed


def test_a_task_that_was_submitted_late_is_as_old_as_its_provider_says() -> None:
    """Else it is learned that tasks are quick, and an hour's task is expected to take another hour."""
    ended = learned(watch_of(), Snapshot(Status.COMPLETED, created_at=SUBMITTED - 600), 30)
    assert ended.seconds == 630


@pytest.mark.parametrize("hours", [-8, -0.5, 0.5, 1, 5.5, 8, 400])
def test_a_clock_in_another_time_zone_makes_no_task_older(hours: float) -> None:
    """Providers write local times without a zone; a task of a minute is not eight hours old."""
    answer = Snapshot(PROCESSING, created_at=SUBMITTED - 3_600 * hours)
    pacer = Pacer(FakeLedger(90), Clock(jitter=lambda: 0.5))  # type: ignore[arg-type]
    plain, shifted = (
        pacer.pause(watch_of((20, "processing")), Reading("snapshot", each), SUBMITTED + 20, {})
        for each in (Snapshot(PROCESSING), answer)
    )
    assert plain == shifted


@given(model=st.none() | st.text(max_size=2_000))
def test_any_model_is_a_kind(model: str | None) -> None:
    """A key of the ledger takes 1,024 bytes, and a provider may call a model what it likes."""
    name, of_what = kind_of(Snapshot(PROCESSING, model=model))
    assert len(name.encode()) <= 256
    assert (model or "").startswith(name)
    assert of_what == "video"


@given(
    eta=st.none() | st.floats(9e8, 4e9),
    progress=st.none() | st.integers(0, 100),
    place=st.none() | st.integers(0, 10**9),
    created=st.none() | st.floats(9e8, 4e9),
    age=st.floats(0, 1e6),
)
def test_whatever_a_provider_says_the_pause_is_sane(
    eta: float | None, progress: int | None, place: int | None, created: float | None, age: float
) -> None:
    """No number of a provider makes us ask every second for long, or not at all."""
    said = Snapshot(PROCESSING, estimated_completion=eta, progress=progress, queue_position=place, created_at=created)
    pacer = Pacer(FakeLedger(90), Clock())  # type: ignore[arg-type]
    watch, at = watch_of(deadline_seconds=604_800), SUBMITTED + age
    found = pacer.hints(watch, said, at)
    assert all(seconds > 0 and math.isfinite(seconds) for seconds in found.values())
    pause = pacer.pause(watch, Reading("snapshot", said), at, found)
    assert min(300, shortest_pause(age)) <= pause.seconds <= 300 or pause.why == "deadline"
