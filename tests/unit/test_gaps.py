"""What `vidhook providers check` warns of in a file that can be used, and what it does not."""

import pytest

from vidhook.providers import gaps as checked
from vidhook.providers.file import BUNDLED, FORMATS, bundled_text
from vidhook.providers.statuses import FINAL_WORDS, WORDS

WHOLE = """
name = "mine"
base_url = "https://api.mine.example"
path = "/v1/videos/{task_id}"
link_lives_seconds = 86_400
expected_seconds = 120

[answer]
id = "id"
status = "status"
error = "error"

[assets]
result = "video.url"
"""


def gaps(text: str) -> list[str]:
    return [gap.text for gap in checked.gaps(text)]


def without(*lines: str) -> str:
    kept = [line for line in WHOLE.splitlines() if not line.startswith(lines)]
    assert len(kept) == len(WHOLE.splitlines()) - len(lines)
    return "\n".join(kept)


def with_word(line: str, file: str = WHOLE) -> list[str]:
    return gaps(f"{file}\n[status]\n{line}\n")


@pytest.mark.parametrize("name", BUNDLED)
def test_the_files_that_ship_with_vidhook_give_no_warning(name: str) -> None:
    """People learn from them how a file is written."""
    assert gaps(bundled_text(name)) == []


def test_a_whole_file_gives_no_warning() -> None:
    """A warning that every file gets is one that nobody reads."""
    assert gaps(WHOLE) == []


@pytest.mark.parametrize(
    ("left_out", "named"),
    [
        ("id =", "[answer].id"),
        ("error =", "[answer].error"),
        ("expected_seconds", "expected_seconds"),
        ("link_lives_seconds", "link_lives_seconds"),
    ],
)
def test_what_a_file_lacks_is_named_with_the_mend(left_out: str, named: str) -> None:
    """It works without, but worse, and nobody sees it."""
    (warning,) = gaps(without(left_out))
    assert warning.startswith(f"{named} is missing")
    assert "; add " in warning


def test_a_parameter_that_no_request_has_is_named() -> None:
    """Submissions would bring it for nothing, or its place was forgotten."""
    declared = WHOLE.replace("link_lives", 'params = ["model", "region"]\nlink_lives').replace("/videos/", "/{model}/")
    (warning,) = gaps(declared)
    assert warning == "params: region stands in no request; put {region} where it belongs, or leave it out"


@pytest.mark.parametrize(("scheme", "warned"), [("http", True), ("https", False)])
def test_a_token_server_without_tls_is_named(scheme: str, warned: bool) -> None:
    """The secret itself is sent there."""
    auth = f'[auth]\ntype = "oauth-client-credentials"\ntoken_url = "{scheme}://auth.mine.example/token"\n'
    assert [each.split()[0] for each in gaps(f"{WHOLE}{auth}")] == ["[auth].token_url"] * warned


def test_the_place_of_the_time_when_links_die_is_as_good_as_how_long_they_live() -> None:
    """One of the two is enough."""
    assert gaps(without("link_lives_seconds").replace("[assets]", 'expires_at = "expires"\n[assets]')) == []


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_gives_the_places_that_a_file_leaves_out(name: str) -> None:
    """Three lines are a file; how long a task takes is not for a format to say."""
    warnings = gaps(f'name = "mine"\nbase_url = "https://relay.example"\nformat = "{name}"\n')
    assert [warning.split()[0] for warning in warnings] == ["expected_seconds"]


@pytest.mark.parametrize(
    ("base_url", "warned"),
    [
        ("http://api.mine.example", True),
        ("http://10.0.0.7:8080", True),
        ("http://127.0.0.1:8080", False),
        ("http://[::1]:8080", False),
        ("http://localhost", False),
        ("https://api.mine.example", False),
    ],
)
def test_a_key_that_can_be_read_on_the_way_is_warned_of(base_url: str, warned: bool) -> None:
    """Only on one's own machine is plain http as good."""
    warnings = gaps(WHOLE.replace("https://api.mine.example", base_url))
    assert [warning.split()[0] for warning in warnings] == (["base_url"] if warned else [])


class TestIdOfACreatedTask:
    CREATE = '\n[create]\npath = "/v1/videos"\n'

    @pytest.mark.parametrize("name", ["id", "task_id", "jobId", "data.generation_id"])
    def test_a_usual_name_is_found_without_its_place(self, name: str) -> None:
        """Most files need not say where it stands."""
        assert gaps(WHOLE.replace('id = "id"', f'id = "{name}"') + self.CREATE) == []

    def test_an_unusual_name_needs_its_place(self) -> None:
        """Without the id the task would be paid for and never followed."""
        odd = WHOLE.replace('id = "id"', 'id = "vorgang"') + self.CREATE
        (warning,) = gaps(odd)
        assert warning.startswith("[create].id is missing")
        assert gaps(odd + 'id = "vorgang"\n') == []


class TestStatusWords:
    def test_a_word_that_is_known_anyway_is_superfluous(self) -> None:
        """A list of what vidhook knows hides the words that it does not know."""
        words = [(word, str(status)) for status, known in WORDS.items() for word in known.split()]
        words += [(word, "failed") for known in FINAL_WORDS.values() for word in known.split()]
        counted = {"success", "fail", "error", "ok"}  # those mean more when they are listed
        for word, meant in words:
            warnings = with_word(f'"{word}" = "{meant}"')
            assert len(warnings) == (word not in counted)
            assert all("changes nothing" in warning and f'"{word}"' in warning for warning in warnings)

    def test_a_known_word_counts_for_more_where_no_id_stands_beside_it(self) -> None:
        """In a 4xx only the words of the file count then."""
        file = without("id =")
        assert len(with_word('failed = "failed"', file)) == len(gaps(file))

    @pytest.mark.parametrize(
        "line",
        ['done = "failed"', 'FAILED = "completed"', 'queued = "completed"', 'ready = "pending"', 'done = "timeout"'],
    )
    def test_a_word_that_says_the_opposite_is_warned_of(self, line: str) -> None:
        """A video that is told as lost, or the other way round, is the worst mistake of all."""
        (warning,) = with_word(line)
        word, _, meant = line.partition(" = ")
        assert warning.startswith(f'[status]."{word}" = {meant} is the opposite')

    @pytest.mark.parametrize(
        "line",
        [
            'wrapping_up = "processing"',
            '7 = "content_policy"',
            '1 = "completed"',
            'submitted = "processing"',
            'aborted = "cancelled"',
            'watermark_failed = "failed"',
        ],
    )
    def test_what_only_the_file_can_say_is_no_mistake(self, line: str) -> None:
        """Words that are unknown, numbers, and more than the word says itself."""
        assert with_word(line) == []


class TestInputs:
    @pytest.mark.parametrize("path", ["input.video_url", "request.video", "params.image_url", "webhook"])
    def test_the_place_of_an_input_is_no_result(self, path: str) -> None:
        """Subscribers would get the video that they sent in."""
        (warning,) = gaps(WHOLE.replace("video.url", path))
        assert warning.startswith(f'[assets].result: "{path}"')

    @pytest.mark.parametrize("path", ["output", "data.video", "request.output.url", "@", "body.results[0]"])
    def test_a_place_of_results_is_one_wherever_it_stands(self, path: str) -> None:
        """Some APIs put all of an answer under the name of the request."""
        assert gaps(WHOLE.replace("video.url", path)) == []
