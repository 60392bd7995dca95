"""Our links to stored videos: only we can make one, and each link is for one key."""

import string

from hypothesis import given
from hypothesis import strategies as st

from vidhook.links import video_key, video_link, video_token

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
URL_SAFE = set(string.ascii_letters + string.digits + "-_")

keys = st.text(min_size=1).filter(lambda key: key.isprintable())


@given(key=keys)
def test_a_token_stands_for_its_key(key: str) -> None:
    """A link contains everything that is needed to find the video; no table is read for it."""
    assert video_key(SECRET, video_token(SECRET, key)) == key


@given(key=keys)
def test_a_token_needs_no_escaping_in_a_url(key: str) -> None:
    """People paste links into chats and databases."""
    assert set(video_token(SECRET, key)) <= URL_SAFE


@given(key=keys, other=st.text(min_size=1))
def test_another_secret_makes_another_token(key: str, other: str) -> None:
    """Nobody can make a link without the secret of the stack."""
    assert (video_key(SECRET, video_token(other, key)) == key) == (other == SECRET)


@given(key=keys, data=st.data())
def test_a_changed_token_stands_for_no_other_key(key: str, data: st.DataObject) -> None:
    """Nobody can reach another video by changing a link."""
    token = video_token(SECRET, key)
    at = data.draw(st.integers(0, len(token) - 1))
    changed = token[:at] + data.draw(st.sampled_from(sorted(URL_SAFE))) + token[at + 1 :]
    assert video_key(SECRET, changed) in (None, key)


@given(token=st.text())
def test_any_other_text_stands_for_no_key(token: str) -> None:
    """The route of the links is public, so anybody can call it with any text."""
    assert video_key(SECRET, token) is None


def test_a_link_is_the_base_and_the_token() -> None:
    """A slash at the end of the base URL makes no difference."""
    token = video_token(SECRET, "a/b.mp4")
    assert video_link("https://x.example/v1/videos", SECRET, "a/b.mp4") == f"https://x.example/v1/videos/{token}"
    assert video_link("https://x.example/v1/videos/", SECRET, "a/b.mp4") == f"https://x.example/v1/videos/{token}"
