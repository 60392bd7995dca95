"""What the names in an answer say of the links under them: a result, an input, a page, or something beside the film."""

import re

# The usual names of a link, those that are most likely a result's first; spelled as `names_in` does.
LINK_NAMES = (
    *("videourl", "videouri", "downloadurl", "fileurl", "mediaurl", "playurl", "signedurl", "mp4", "url", "uri"),
    *("download", "link", "src", "href", "file", "resource", "video", "sample"),
)
# Names of what holds results and nothing else. Beside them, the other names may stand for inputs.
RESULT_NAMES = (
    *("resulturl", "resulturls", "outputurl", "output", "outputs", "result", "results", "taskresult", "videoresult"),
    *("creations", "generation", "generations", "generatedvideos", "generatedsamples", "generatevideoresponse"),
    *("resultjson", "respdata", "works", "artifacts", "videos", "generated", "downloads", "unsignedurls"),
)
HOLDER_NAMES = (
    *("urls", "videourls", "videolist", "content", "assets", "files", "items", "list", "images", "image", "response"),
)
# In a task itself, a link under one of the first is its film, and what is under the others may then be its inputs.
FILM_NAMES = ("videourl", "videouri", "downloadurl", "playurl", "mp4")
FILES_NAMES = ("files", "assets", "content", "items", "list")
NAMES = (*LINK_NAMES, *RESULT_NAMES, *HOLDER_NAMES)
# In a task itself these may be its inputs, and `data` has a place of its own in a provider file.
UNCLEAR_NAMES, DATA = ("video", "images", "image"), "data"
LISTED = {*NAMES}
# The words of other names. Nothing is a result under a name with one of the first, nor a film with one of the second.
INPUTS = """input inputs request params parameters prompt options config settings source reference references ref refs
    webhook callback callbacks notify hook user driving init initial base guide template upload uploads uploaded
    mask control query body from background target pose parent tutorial example footage
    modify"""
INPUT_WORDS = frozenset(INPUTS.split())
# They say of a video or an image that it was there before, but nothing of a URL.
BEFORE_WORDS = frozenset({"src", "original", "first", "motion"})
PICTURE_WORDS = frozenset({"image", "images", "img", "imgs", "picture", "pictures", "photo", "photos", "gif"})
BESIDES = """thumb thumbs thumbnail thumbnails cover covers poster posters preview previews sprite sprites frame frames
    snapshot snapshots still audio music sound voice subtitle subtitles srt vtt caption captions lyrics avatar logo
    icon"""
BESIDE_WORDS = frozenset(BESIDES.split())
# What is under a name with one of these stands for the film in a list of films.
POSTER_WORDS = frozenset({"poster", "posters", "cover", "covers", "thumbnail", "thumbnails", "thumb", "thumbs"})
# A page for people, or an address of the API: the film only if its path ends as one.
OF_PAGES = """page pages web website share status cancel poll polling doc docs documentation log logs report dashboard
    console author profile error errors viewer embed player redirect editor display playground feedback license
    regenerate finalize retry get view"""
PAGE_WORDS = frozenset(OF_PAGES.split())
# A name with one of the first and one of the second is that of a result, such as `final_video_url`; one of the third
# needs a word of the fourth, as `generation_url` may be a page.
RESULT_WORDS = frozenset({"output", "outputs", "result", "results", "generated", "final", "edited", "rendered"})
OF_FILES = """video videos movie film clip clips mp4 media file files url urls uri link links path src asset assets
    download"""
FILE_WORDS = frozenset(OF_FILES.split())
# In a name with a film, these say that it was made from the one beside it, and so does any participle.
OF_MADE = """new final full complete best master hd uhd hq clean lipsync lip sync faceswap swap restyle cartoon anime ai
    talking dancing singing upscale remix translation dub reshoot"""
MADE_WORDS = frozenset(OF_MADE.split())
# Participles of a film that was there before, or is not all of it.
OF_GIVEN = """provided submitted requested received supplied attached imported selected referenced recorded captured
    filmed posted related recommended suggested featured archived cached compressed unedited unprocessed preprocessed
    failed rejected deleted expired blocked shared embed embedded masked muted streamed linked feed seed speed
    need speeded downsampled normalized segmented tracked cropped trimmed skipped"""
GIVEN_WORDS = frozenset(OF_GIVEN.split())
# A film under one of these may be the one that the task was given, if another one beside it was made.
BARE_NAMES = ("video", "videos", *FILM_NAMES, "videourls", "url", "uri", "link", "file", "fileurl", "mediaurl")
DONE_WORDS = frozenset({"generation", "processed", "finished", "completed", "produced"})
FILM_WORDS = frozenset({"video", "videos", "movie", "film", "clip", "clips", "mp4", "media", "file", "files"})
# A name that says of what is under it that it is the file, and one that may do so if the name of its holder does.
OF_TELLERS = """video videos movie movies film result results output outputs final generated generations download
    downloads mp4 media clip clips asset assets play signed presigned unsigned public"""
TELL_WORDS = frozenset(OF_TELLERS.split())
TELLS = re.compile("video|result|output|generat|download|mp4|media|asset|play")
TELLING = frozenset(name for name in LISTED if TELLS.search(name))
LINKISH = re.compile(r"(?:url|uri|link|path|addr|src|href|file|list|mp4)s?$")


def tells(name: str, words: frozenset[str] | None, holder_tells: bool) -> bool:
    """Returns whether a name says that a link under it is the film, although its path shows nothing.

    words: those of a name that is not listed. holder_tells: the name of the object around it says so.
    """
    if words is not None and PAGE_WORDS & words:
        return False
    own = name in TELLING if words is None else bool(TELL_WORDS & words)
    return own or (holder_tells and LINKISH.search(name) is not None)


def is_plain(words: frozenset[str]) -> bool:
    """Returns whether a name says only that a link to a film is under it, as the usual ones do: `mp4_url`."""
    return (
        len(words) > 1
        and words <= FILE_WORDS
        and bool(FILM_WORDS & words)
        and not words & {"path", "src", "asset", "assets"}
    )


def is_made(words: frozenset[str], kind: str) -> bool:
    """Returns whether a name's words say that its film was made from another one, such as `stylized_video_url`."""
    added = words - FILE_WORDS
    told = MADE_WORDS & added or "watermark" in added or any(word.endswith("ed") for word in added if len(word) > 4)
    return bool(told and FILM_WORDS & words) and not (GIVEN_WORDS | PAGE_WORDS) & words and may_hold(words, kind)


def is_result(words: frozenset[str], kind: str) -> bool:
    """Returns whether a name's words are those of a result, such as `final_video_url`."""
    pictures = frozenset[str]() if kind == "video" else PICTURE_WORDS
    named = (RESULT_WORDS & words and (words <= RESULT_WORDS or (FILE_WORDS | pictures) & words)) or (
        DONE_WORDS & words and (FILM_WORDS | pictures) & words
    )
    return bool(named) and not PAGE_WORDS & words and may_hold(words, kind)


def may_hold(words: frozenset[str], kind: str) -> bool:
    """Returns whether a result may be under a name with these words."""
    if INPUT_WORDS & words or BESIDE_WORDS & words or (kind == "video" and PICTURE_WORDS & words):
        return False
    if BEFORE_WORDS & words and words & (PICTURE_WORDS | {"video", "videos", "clip", "clips"}):
        return False
    marked = bool({"watermark", "watermarked"} & words) or {"water", "mark"} <= words
    return not marked or bool({"no", "non", "without", "free", "removed"} & words)
