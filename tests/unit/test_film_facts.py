"""How long a film is, how large, and whether it has sound, is read from its bytes as they pass, whatever they are.

The files of `films` are real ones of a second or two, made with ffmpeg.
"""

import struct
import tracemalloc
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidhook import film
from vidhook.film import HELD, FilmReader, bytes_told
from vidhook.task import Film
from vidhook_sandbox import media

FILES = {path.name: path.read_bytes() for path in (Path(__file__).parent / "films").iterdir()}
IMAGE = Film(width=70, height=50)
SILENT = Film(1_400, 64, 48, has_audio=False)
TRUE = {
    "moov-last.mp4": Film(1_400, 64, 48, has_audio=True),
    "moov-first.mp4": Film(1_400, 64, 48, has_audio=True),
    "no-sound.mp4": SILENT,
    "hevc.mp4": SILENT,
    "uneven.mp4": Film(1_900, 64, 48, has_audio=False),  # no two frames last as long
    "fragmented.mp4": Film(2_328, 64, 48, has_audio=True),  # its sound is longer by the silence that AAC begins with
    "first-part-in-moov.mp4": Film(2_200, 64, 48, has_audio=False),
    "turned.mov": Film(1_400, 48, 64, has_audio=True),
    "upside-down.mp4": SILENT,
    "wide-pixels.mp4": Film(1_400, 128, 48, has_audio=False),
    "wide-pixels.mkv": Film(1_400, 128, 48, has_audio=False),
    "sound-alone.mp4": Film(1_400, has_audio=True),
    "stated.webm": Film(1_408, 64, 48, has_audio=True),
    "not-stated.webm": Film(1_408, 64, 48, has_audio=True),
    "live.webm": Film(1_408, 64, 48, has_audio=True),  # nothing in it says how long it is itself
    "no-sound.webm": SILENT,
    "turned.webm": Film(1_400, 48, 64, has_audio=False),
    **dict.fromkeys(("image.png", "image.jpg", "image.gif", "image.webp", "lossless.webp", "moving.webp"), IMAGE),
    "image.avif": IMAGE,
}
names = st.sampled_from(sorted(FILES))


def facts(content: bytes, *cuts: int) -> Film:
    """What is read of a file that comes in pieces with these borders."""
    reader = FilmReader()
    for start, end in pairwise([0, *sorted(cuts), len(content)]):
        reader.feed(content[start:end])
    return reader.film


def box(kind: bytes, *parts: bytes, size: int | None = None) -> bytes:
    payload = b"".join(parts)
    return struct.pack(">I4s", len(payload) + 8 if size is None else size, kind) + payload


class TestBytesTold:
    def test_a_film_with_its_index_first_tells_its_length(self) -> None:
        """Of the others only the end tells."""
        first = {name for name, content in FILES.items() if bytes_told(content[:4_096]) is not None}
        assert {"moov-first.mp4"} <= first <= {name for name in FILES if name.endswith((".mp4", ".mov"))}

    @pytest.mark.parametrize("name", [name for name, content in FILES.items() if b"mvex" in content])
    def test_of_a_film_in_fragments_only_the_end_tells(self, name: str) -> None:
        """Its first fragment may stand in the index, with its pictures behind it as in any other film."""
        assert {bytes_told(FILES[name][:cut]) for cut in range(0, 4_096, 8)} == {None}

    @given(names, st.integers(0, 100_000))
    def test_what_is_told_is_right_wherever_the_beginning_ends(self, name: str, cut: int) -> None:
        """A wrong length costs another copy."""
        assert bytes_told(FILES[name][:cut]) in (None, len(FILES[name]))

    @given(st.binary(max_size=200) | st.binary(max_size=60).map(lambda rest: b"\0\0\0\x18ftyp" + rest))
    def test_no_bytes_are_too_odd(self, content: bytes) -> None:
        """Boxes of no size, of every size, and none at all."""
        told = bytes_told(content)
        assert told is None or told > 16


def element(code: int, content: bytes) -> bytes:
    size = (1 << 56 | len(content)).to_bytes(8, "big")
    return code.to_bytes(-(-code.bit_length() // 8), "big") + size + content


FTYP = box(b"ftyp", b"isom", bytes(4))


class TestWhatIsRead:
    @pytest.mark.parametrize("name", sorted(TRUE))
    def test_real_files_are_read_as_players_show_them(self, name: str) -> None:
        """A receiver lays out its page and sorts its films by these values, before it has loaded one."""
        assert facts(FILES[name]) == TRUE[name]

    def test_every_real_file_has_its_truth(self) -> None:
        assert FILES.keys() == TRUE.keys()

    def test_the_films_of_the_sandbox_are_read_whatever_their_padding(self) -> None:
        """Their padding has a size of 64 bits."""
        for length in (0, 300_000):
            content = b"".join(media.video("a seed", length).chunks())
            assert facts(content) == Film(media.SECONDS * 1000, media.WIDTH, media.HEIGHT, has_audio=False)

    @pytest.mark.parametrize("content", [b"", b"\0" * 99, b"<html>", b"RIFF\0\0\0\0AVI LIST" + bytes(99), FTYP])
    def test_what_no_file_says_is_not_known(self, content: bytes) -> None:
        assert facts(content) == Film()

    def test_an_mp4_is_read_behind_any_number_of_bytes(self) -> None:
        """Its facts may be at its end, behind gigabytes of pictures of which none is looked at."""
        head = box(b"mdat", struct.pack(">Q", 2**33 + 16), size=1)
        reader, zeros = FilmReader(), bytes(2**20)
        reader.feed(FTYP + head)
        for _ in range(2**13):
            reader.feed(zeros)
        reader.feed(FILES["no-sound.mp4"][FILES["no-sound.mp4"].index(b"moov") - 4 :])
        assert reader.film == SILENT

    def test_boxes_with_64_bit_times_are_read(self) -> None:
        """Version 1 of these boxes is for long films, and many writers always use it."""
        mvhd = box(b"mvhd", b"\1" + bytes(19), struct.pack(">IQ", 90_000, 450_045))
        tkhd = box(b"tkhd", b"\1\0\0\1" + bytes(84), struct.pack(">II", 1920 << 16, 1080 << 16))
        mdia = box(b"mdia", box(b"hdlr", bytes(8), b"vide"))
        assert facts(FTYP + box(b"moov", mvhd, box(b"trak", tkhd, mdia))) == Film(5_001, 1920, 1080, has_audio=False)

    @pytest.mark.parametrize("order", ["<", ">"])
    @pytest.mark.parametrize("orientation", range(10))
    def test_a_picture_that_exif_turns_is_as_it_is_shown(self, order: str, orientation: int) -> None:
        """A poster that a camera's file was taken for stands upright in every browser."""
        tags = [(0x010F, 2, 4, 0x41424300), (0x0112, 3, 1, orientation), (0x0128, 3, 1, 6)]
        entries = b"".join(
            struct.pack(order + ("HHIHxx" if kind == 3 else "HHII"), tag, kind, count, value)
            for tag, kind, count, value in tags
        )
        begin = struct.pack(order + "2sHIH", b"II" if order == "<" else b"MM", 42, 8, len(tags))
        exif = b"Exif\0\0" + begin + entries + bytes(4)
        photo = FILES["image.jpg"]
        photo = photo[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + photo[2:]
        assert facts(photo) == (Film(width=50, height=70) if orientation in (5, 6, 7, 8) else IMAGE)

    @pytest.mark.parametrize(("scale", "duration"), [(0, 5), (1000, 0), (1000, 2**32 - 1), (1, 2**31)])
    def test_a_duration_that_cannot_be_is_not_told(self, scale: int, duration: int) -> None:
        """Some writers leave it out, and one of only ones says that it is not known."""
        told = facts(FTYP + box(b"moov", box(b"mvhd", bytes(12), struct.pack(">II", scale, duration))))
        assert told.duration_ms is None

    @pytest.mark.parametrize("samples", [9, HELD], ids=["cut short", "too long to hold"])
    def test_a_fragment_that_cannot_be_counted_leaves_the_duration_unknown(self, samples: int) -> None:
        """The sum of the others would be too short."""
        begun = FILES["fragmented.mp4"]
        begun = begun[: begun.index(b"moof", begun.index(b"moof") + 4) - 4]
        run = box(b"trun", b"\0\0\1\0", struct.pack(">I", samples), bytes(HELD if samples == HELD else 8))
        moof = box(b"moof", box(b"traf", box(b"tfhd", bytes(4), struct.pack(">I", 1)), run))
        assert facts(begun).duration_ms == 1_152
        assert facts(begun + moof + begun[begun.index(b"moof") - 4 :]) == Film(None, 64, 48, has_audio=True)

    @pytest.mark.parametrize("duration", [float("nan"), float("inf"), -5.0, 1e300])
    def test_so_is_one_of_matroska(self, duration: float) -> None:
        info = element(0x1549A966, element(0x4489, struct.pack(">d", duration)))
        assert facts(element(0x1A45DFA3, b"") + element(0x18538067, info + element(0x1F43B675, b""))) == Film()


class TestWhateverComes:
    @given(name=names, cuts=st.lists(st.integers(0, 8_000), max_size=30))
    def test_the_pieces_make_no_difference(self, name: str, cuts: list[int]) -> None:
        """Bytes come as the network brings them."""
        content = FILES[name]
        assert facts(content, *(cut % len(content) for cut in cuts)) == TRUE[name]

    @settings(max_examples=25)
    @given(name=names)
    def test_single_bytes_make_no_difference(self, name: str) -> None:
        content = FILES[name]
        assert facts(content, *range(1, len(content))) == TRUE[name]

    @given(name=names, share=st.floats(0, 1))
    def test_a_file_that_breaks_off_tells_nothing_wrong(self, name: str, share: float) -> None:
        """What it tells is what the whole file tells; only a film that is counted may be shorter."""
        told, true = facts(FILES[name][: int(len(FILES[name]) * share)]), TRUE[name]
        assert told.duration_ms is None or told.duration_ms <= (true.duration_ms or 0)
        assert (told.width, told.height) in ((None, None), (true.width, true.height))
        assert told.has_audio in (None, true.has_audio)

    @settings(max_examples=300)
    @given(name=names, changes=st.lists(st.tuples(st.integers(0, 8_000), st.binary(max_size=5), st.integers(0, 5))),
           cuts=st.lists(st.integers(0, 8_000), max_size=5))  # fmt: skip
    def test_damage_is_read_without_an_error(
        self, name: str, changes: list[tuple[int, bytes, int]], cuts: list[int]
    ) -> None:
        """A fault here would lose a film that was paid for."""
        content = FILES[name]
        for at, new, gone in changes:
            at %= len(content) + 1
            content = content[:at] + new + content[at + gone :]
        told = facts(content, *(min(cut, len(content)) for cut in cuts))
        assert told == facts(content)
        assert all(value is None or value > 0 for value in (told.duration_ms, told.width, told.height))

    @given(start=st.sampled_from([b"", FTYP, b"\x1aE\xdf\xa3", b"\xff\xd8\xff", b"RIFF", b"\x89PNG", b"GIF8"]),
           rest=st.binary(), at=st.integers(0, 200))  # fmt: skip
    def test_any_bytes_are_read_without_an_error(self, start: bytes, rest: bytes, at: int) -> None:
        content = start + rest
        assert facts(content, min(at, len(content))) == facts(content)


ENDLESS = b"\1" + b"\xff" * 7
SEGMENT = b"\x1aE\xdf\xa3\x80" + b"\x18\x53\x80\x67" + ENDLESS
TRUN = box(b"trun", b"\0\0\1\0", struct.pack(">I", 32_000), bytes(128_000))
HOSTILE = {
    "tiny boxes": (FTYP, box(b"free")),
    "tracks": (FTYP + box(b"moov", size=2**31), box(b"trak")),
    "nesting": (FTYP, box(b"moov", size=2**31 - 1)),
    "fragments": (FTYP, box(b"moof", box(b"traf", box(b"tfhd", bytes(8))))),
    "samples": (FTYP, box(b"moof", box(b"traf", TRUN))),
    "elements": (SEGMENT, b"\xec\x80"),
    "entries": (SEGMENT + b"\x16\x54\xae\x6b" + ENDLESS, b"\xae\x80"),
    "blocks": (SEGMENT + b"\x1f\x43\xb6\x75" + ENDLESS, b"\xa3\x84\x81\0\0\0"),
    "segments": (b"\xff\xd8", b"\xff\xe0\0\2"),
    "exif": (b"\xff\xd8", b"\xff\xe1\0\x16Exif\0\0MM\0*\0\0\0\x08\xff\xff" + bytes(4)),
}


@pytest.mark.parametrize("kind", sorted(HOSTILE))
def test_a_file_of_endless_pieces_is_given_up(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the millions would cost a microsecond and some memory, and the film has to be stored in time."""
    effort = 2**19
    monkeypatch.setattr(film, "EFFORT", effort)
    start, piece = HOSTILE[kind]
    content = start + piece * (4 * effort // len(piece))
    reader = FilmReader()
    tracemalloc.start()
    reader.feed(content)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert reader._wants <= 0  # it asks for nothing more, or passes over the rest
    assert reader.film.duration_ms is None
    assert peak < 8 * HELD
