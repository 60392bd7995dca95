"""The reason of a failure: its category, whether asking again may help, and how much work it may be to find."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.test_reading import LENIENT
from vidhook.errors import BadProviderFile
from vidhook.providers.codes import BUSY, UPSTREAMS, meanings_of_word, numbers_of
from vidhook.providers.file import Provider, bundled, bundled_text, parse
from vidhook.providers.reading import read
from vidhook.providers.reasons import REFUSALS, Reason, category, find_reason, merge_reasons, task_error
from vidhook.task import Category, TaskError

PROVIDERS = bundled()
OWN = PROVIDERS["infinityblue"]


def samples(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(__file__).with_name(name).read_text("utf-8").splitlines()]


# Codes and messages in the style of many APIs, and the categories that are right for them.
SAMPLES = samples("reasons.jsonl")
# From bug reports, documents and code of public APIs, labelled before the engine read them. Some are read wrong.
MET = samples("reasons_met.jsonl")
REFUSED = [sample for sample in SAMPLES if set(sample["categories"]) <= REFUSALS]
INVITATIONS = [
    *("Try later.", "Please retry.", "Please try again later.", "Try again in a few minutes.", "Retry in 30 seconds."),
    *("Check back soon.", "Come back later", "Please wait a moment and retry.", "Please resubmit."),
    *("Feel free to try again!", "稍后再试", "请稍后重试。", "请重试", "请再试一次", "もう一度お試しください"),
    *("しばらくしてから再度お試しください。", "잠시 후 다시 시도해 주세요.", "Inténtelo de nuevo más tarde."),
    *("Veuillez réessayer plus tard.", "Bitte versuchen Sie es später erneut.", "Tente novamente mais tarde."),
    "Попробуйте позже.",
]
NOW = 1_777_288_860.0


def check_polite(sample: dict[str, Any], invitation: str, before: bool) -> None:
    message = sample["message"] or ""
    said = f"{invitation} {message}" if before else f"{message} {invitation}"
    got = failure({"code": sample["code"], "message": said} if sample["code"] is not None else {"message": said})
    assert (got.category in sample["categories"], bool(got.retryable)) == (True, False), said


def failure(error: object, provider: Provider = OWN, **fields: Any) -> TaskError:
    body = json.dumps({"id": "v", "status": "failed", "error": error} | fields).encode()
    got = read(provider, status=200, headers={}, body=body, now=NOW).error
    assert got is not None
    return got


def as_object(sample: dict[str, Any]) -> TaskError:
    return failure({key: sample[key] for key in ("code", "message") if sample[key] is not None})


def as_text(sample: dict[str, Any]) -> TaskError:
    code, message = sample["code"], sample["message"] or ""
    text = message if code is None else f"task failed, code: {code} , message: {message}"
    body = {"code": "success", "data": {"task_id": "v", "status": "FAILURE", "fail_reason": text}}
    got = read(PROVIDERS["alad"], status=200, headers={}, body=json.dumps(body).encode(), now=NOW).error
    assert got is not None
    return got


class TestCategory:
    @pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: f"{sample['code']}-{sample['message']}"[:70])
    def test_a_reason_has_the_category_that_people_would_give_it(self, sample: dict[str, Any]) -> None:
        """Subscribers can decide by the category, whatever the provider is and however its relay wraps the error."""
        for got in (as_object(sample), as_text(sample)):
            assert got.category in sample["categories"]
            assert not (got.retryable and set(sample["categories"]) <= REFUSALS)

    def test_messages_that_nobody_had_in_mind_are_read_right_too(self) -> None:
        """A provider words its failures as it likes: the rules are to fit what was not before their authors."""
        read_as = [(sample, got) for sample in MET for got in (as_object(sample), as_text(sample))]
        wrong = [(sample, got.category) for sample, got in read_as if got.category not in sample["categories"]]
        assert len(wrong) <= 0.05 * len(read_as), wrong
        paid_twice = [sample for sample, got in read_as if got.retryable and set(sample["categories"]) <= REFUSALS]
        assert paid_twice == []

    @pytest.mark.parametrize(
        ("category", "code", "message"),
        [
            ("content_policy", "moderation_blocked", "Your request was blocked by our moderation system."),
            ("content_policy", "invalid_request_error", "The prompt violates our content policy"),
            ("content_policy", "", "Potential copyright infringement"),
            ("content_policy", "OutputVideoSensitiveContentDetected", "x"),
            ("content_policy", "NSFW_CONTENT", ""),
            ("content_policy", "1301", "输入内容包含敏感信息"),
            ("content_policy", "generation_failed", "视频生成失败: 内容不符合规范"),
            ("content_policy", "InputImageRiskDetection", "x"),
            ("content_policy", "", "The image contains real human faces which is not allowed"),
            ("content_policy", "", "提示词违禁"),
            ("content_policy", "PROMPT_REJECTED", "x"),
            ("content_policy", "", "Your prompt contains restricted terms"),
            ("invalid_input", "", "No human face detected in the image"),
            ("invalid_input", "", "No images provided"),
            ("invalid_input", "", "Your image is too large. Please resize it and try again."),
            ("invalid_input", "IMAGE_DOWNLOAD_FAILED", "x"),
            ("invalid_input", "", "图片尺寸过大"),
            ("invalid_input", "", "Only JPEG and PNG are supported"),
            ("invalid_input", "InvalidParameter", "img_url must be set for image to video method"),
            ("invalid_input", "IMAGE_TOO_LARGE", "Please resize"),
            ("invalid_input", "", "Unsupported aspect ratio"),
            ("quota", "InsufficientBalance", "x"),
            ("quota", "invalid_request", "You do not have enough credits"),
            ("quota", "insufficient_user_quota", ""),
            ("quota", "SetLimitExceeded", "Your account has reached the set inference limit"),
            ("quota", "", "积分不足"),
            ("quota", "", "Monthly limit reached"),
            ("provider", "", "Maximum retries exceeded"),
            ("provider", "", "The upstream's response is empty"),
            ("provider", "PROCESSING_ERROR", "Failed to process images"),
            ("provider", "GENERATION_FAILED", "We could not generate your video. Your credits have been refunded."),
            ("content_policy", "", "Flagged by moderation; credits refunded"),
            ("quota", "INSUFFICIENT_CREDITS", "Your deposit was refunded"),
            ("provider", "", "It failed, no reason given"),
            ("provider", "", "任务失败 额度已返还"),
            ("auth", "", "Invalid API key"),
            ("timeout", "", "The upstream timed out"),
            ("timeout", "TaskTimeout", ""),
            ("timeout", "", "Job exceeded maximum runtime"),
            ("cancelled", "", "Cancelled by user"),
            ("cancelled", "", "Aborted by user"),
            ("expired", "TASK_EXPIRED", ""),
            ("provider", "InternalServiceError", "The request is invalid somehow"),
            ("provider", "RateLimitExceeded", "quota of requests"),
            ("provider", "GENERATION_FAILED", "Something went wrong"),
            ("provider", "", "out of luck"),
        ],
    )
    def test_the_category_follows_from_the_words(self, category: str, code: str, message: str) -> None:
        """Subscribers can decide by the category, whatever the provider is."""
        assert failure({"code": code, "message": message}).category == category

    def test_a_files_own_codes_come_first(self) -> None:
        """A number has no meaning without the provider's file, and its author knows the provider best."""
        own = replace(OWN, codes={"1301": Category.QUOTA, "moderationblocked": Category.EXPIRED})
        assert failure({"code": 1301, "message": "sensitive"}, own).category == Category.QUOTA
        assert failure({"code": "moderation_blocked", "message": "sensitive"}, own).category == Category.EXPIRED

    def test_a_file_that_says_only_provider_leaves_the_rest_to_the_words(self) -> None:
        """GENERATION_FAILED may stand beside any reason, and a refusal must not look like a fault that passes."""
        vicsee = PROVIDERS["vicsee"]
        for message, kind in {
            "The prompt was flagged": Category.CONTENT_POLICY,
            "out of luck": Category.PROVIDER,
        }.items():
            found = Reason("GENERATION_FAILED", message)
            got = task_error(vicsee, found, category(vicsee, found) or Category.AUTH, "")
            assert (got.category, bool(got.retryable)) == (kind, False)

    def test_a_file_may_map_fragments_of_messages(self) -> None:
        """They are whole words in any case, so that "art" is not found in "start"."""
        own = replace(OWN, messages={"art": Category.EXPIRED, "gone fishing": Category.TIMEOUT})
        for message, kind in {
            "No ART today": Category.EXPIRED,
            "we have Gone\n Fishing": Category.TIMEOUT,
            "could not start": Category.PROVIDER,
            "no 艺术 art 今天": Category.EXPIRED,
        }.items():
            assert failure({"message": message}, own).category == kind, message
        assert failure({"code": "insufficient_quota", "message": "art"}, own).category == Category.EXPIRED

    def test_a_number_counts_only_where_the_file_names_its_api(self) -> None:
        """1301 is a refusal at Kling; another API may count its queues in the same numbers."""
        assert failure({"code": 1301, "message": "x"}).category == Category.CONTENT_POLICY
        assert failure({"code": 1301, "message": "x"}, replace(OWN, numbers={})).category == Category.PROVIDER

    @pytest.mark.parametrize(
        ("code", "message", "kind"),
        [
            (1304, "x", Category.AUTH),
            (1304, "daily call limit reached", Category.QUOTA),
            (1000, "x", Category.AUTH),
            (1000, "unknown error", Category.PROVIDER),
            (1200, "x", Category.INVALID_INPUT),
            (1200, "The content contains sensitive information", Category.CONTENT_POLICY),
            (1301, "Please adjust the parameter", Category.CONTENT_POLICY),
            (50411, "internal error", Category.CONTENT_POLICY),
        ],
    )
    def test_clear_words_decide_what_a_number_means(self, code: int, message: str, kind: Category) -> None:
        """APIs use the same numbers for different things, and a relay does not say which of them it asked."""
        assert failure({"code": code, "message": message}).category == kind

    @pytest.mark.parametrize(
        ("code", "message", "kind"),
        [
            ("SAFETY.INPUT.IMAGE", "An unexpected error occurred.", Category.CONTENT_POLICY),
            ("safety.input.image", None, Category.CONTENT_POLICY),
            ("bad_request_body", "Flagged by moderation", Category.CONTENT_POLICY),
            ("InternalServiceError", "Insufficient balance", Category.QUOTA),
            ("RateLimitExceeded", "quota of requests", Category.PROVIDER),
            ("InvalidParameter", "余额不足", Category.QUOTA),
            ("invalid-argument", "Incorrect API key provided: xa***yz.", Category.AUTH),
            ("Client specified an invalid argument", "Incorrect API key provided: xa***yz.", Category.AUTH),
            ("INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", Category.AUTH),
            ("INVALID_ARGUMENT", "The image is forbidden by its host", Category.INVALID_INPUT),
            (402, "x", Category.QUOTA),
            (403, "x", Category.AUTH),
            (422, "x", Category.INVALID_INPUT),
            (504, "x", Category.TIMEOUT),
            (418, "x", Category.PROVIDER),
        ],
    )
    def test_a_code_that_says_little_leaves_the_rest_to_the_message(
        self, code: object, message: str | None, kind: Category
    ) -> None:
        """Relays wrap refusals in codes such as bad_request and internal_error."""
        assert failure({"code": code, "message": message}).category == kind

    def test_nothing_has_no_category(self) -> None:
        """Whoever reads the answer knows better what a failure without any reason means."""
        assert category(OWN, None) is None
        assert category(OWN, Reason(None, "out of luck")) is None


class TestWhereAReasonStands:
    @pytest.mark.parametrize("name", LENIENT)
    @pytest.mark.parametrize(
        "place",
        [
            *("failReason", "failureReason", "msg", "errMsg", "err_msg", "errorMsg", "errorDetail", "error_detail"),
            *("status_message", "statusMessage", "taskStatusMsg", "failMessage", "failMsg", "failure"),
        ],
    )
    def test_a_failed_tasks_reason_is_found_under_every_usual_name(self, name: str, place: str) -> None:
        """Without it the category is `provider`, and people think that it may pass."""
        said = "The prompt violates our content policy"
        for more in ({place: said}, {"output": {place: said}}):
            task = {"id": "t", "task_id": "t", "status": "failed", "title": "my cat", **more}
            got = read(PROVIDERS[name], status=200, headers={}, body=json.dumps(task).encode(), now=NOW).error
            assert got is not None
            assert (got.category, got.message) == (Category.CONTENT_POLICY, said)


class TestRetryable:
    @pytest.mark.parametrize(
        ("error", "retryable"),
        [
            *(({"code": "RateLimitExceeded"}, True), ({"message": "The server is overloaded"}, True)),
            *(({"message": "Queue is full"}, True), ({"message": "upstream service returned 502"}, True)),
            *(({"code": 429, "message": "no"}, True), ({"code": 503, "message": "no"}, True)),
            *(
                ({"code": "runner_disconnected"}, True),
                ({"code": "INTERNAL.BAD_OUTPUT.CODE01"}, True),
                ({"code": "generation_timeout"}, True),
            ),
            *(({"message": "Sorry! Please try again later"}, True), ({"message": "系统繁忙 请稍后再试"}, True)),
            *(({"message": "The task expired in the queue"}, True), ({"message": "moderation service is down"}, True)),
            *(({"message": "Cancelled by user"}, None), ({"message": "No video was generated"}, None)),
            *(({"message": "Video generation failed"}, None), ({"message": "out of luck"}, None), (None, None)),
            *(({"message": "It failed. Please try again."}, None), ({"message": "请修改后稍后再试"}, None)),
            *(({"message": "KeyError: 'credits'"}, None), ({"code": 500, "message": "no"}, None)),
            *(({"code": "INTERNAL.BAD_OUTPUT.CODE01", "message": "An unexpected error occurred."}, True),),
            *(({"code": "channel:invalid_key", "message": "An unexpected error occurred."}, None),),
            *(({"code": "InternalServiceError", "message": "The request is invalid somehow"}, None),),
            *(({"message": "Internal error, change the prompt and try again"}, None),),
            *(({"message": "Something went wrong. Do not retry"}, None),),
            *(({"message": "Flagged by moderation, try again later"}, False), ({"code": "Arrearage"}, False)),
            *(({"message": "Invalid image, please try again"}, False), ({"message": "Unauthorized"}, False)),
            *(({"message": "Task not found, please try again later"}, False),),
            *(
                ({"message": "This duration is unavailable, use 5 or 10"}, None),
                ({"message": "connect ECONNREFUSED"}, True),
            ),
            *(({"message": "Model v1 is unavailable, switch to v2 and try again later"}, None),),
            *(({"message": "Resolution 4k is temporarily unavailable for this model"}, None),),
            *(({"message": "사용할 수 없는 모델입니다. 잠시 후 다시 시도하세요"}, None),),
            *(({"message": "このモデルは利用できません。別のモデルをお試しください"}, None),),
            *(({"message": "模型不可用 请切换其他模型后稍后再试"}, None),),
        ],
        ids=str,
    )
    def test_only_what_may_pass_is_retryable(self, error: object, retryable: bool | None) -> None:
        """A new task costs money: it needs a sign that it helps, and an unknown reason is no such sign."""
        assert failure(error).retryable is retryable

    @given(st.sampled_from(REFUSED), st.sampled_from(INVITATIONS), st.booleans())
    @settings(max_examples=300)
    def test_a_refusal_is_never_retryable_however_polite(
        self, sample: dict[str, Any], invitation: str, before: bool
    ) -> None:
        """The same content, input, key and empty balance would be refused again."""
        check_polite(sample, invitation, before)

    @pytest.mark.slow
    @pytest.mark.parametrize("invitation", INVITATIONS)
    def test_nor_is_any_other_refusal_with_any_invitation(self, invitation: str) -> None:
        """All of them, on either side."""
        for sample in REFUSED:
            for before in (True, False):
                check_polite(sample, invitation, before)

    @given(
        st.sampled_from(["Failure", "Notice", "画像", "내용"]), st.text("abcdefgh 日本語あ", min_size=1, max_size=30)
    )
    def test_an_invitation_beside_words_that_nobody_listed_is_no_sign(self, first: str, rest: str) -> None:
        """They may be those of a refusal, and there are more ways to refuse than anybody can list."""
        for invitation in INVITATIONS:
            assert not failure({"message": f"Xyzzy {first} plugh {rest}. {invitation}"}).retryable

    @pytest.mark.parametrize(
        "said",
        [
            *("Generation failed. Please try again later.", "Sorry! Something went wrong, try again in a few minutes"),
            *(
                "生成失败\uff0c请稍后再试",
                "很抱歉\uff0c系统出了点问题\uff0c请稍后重试",
                "エラーが発生しました。しばらくしてから再度お試しください",
            ),
            *("영상 생성에 실패했습니다. 잠시 후 다시 시도해 주세요", "Ha ocurrido un error. Inténtelo más tarde."),
        ],
    )
    def test_an_invitation_to_come_later_is_a_sign_where_nothing_else_is_said(self, said: str) -> None:
        """Then it is all that the provider knows, and it means its own trouble."""
        got = failure({"message": said})
        assert (got.category, got.retryable) == (Category.PROVIDER, True)

    def test_the_caller_may_know_better(self) -> None:
        """An answer with HTTP 429 is asked again, whatever its words are."""
        assert task_error(OWN, Reason(None, "invalid"), Category.INVALID_INPUT, "", retryable=True).retryable is True
        assert task_error(OWN, None, Category.PROVIDER, "why").retryable is None


class TestUpstreams:
    @pytest.mark.parametrize("upstream", UPSTREAMS)
    def test_every_code_has_one_meaning_at_one_api(self, upstream: str) -> None:
        """A code that is listed twice would mean what is listed first, by accident."""
        codes = [code for listed in UPSTREAMS[upstream].values() for code in listed.split()]
        assert len(codes) == len(set(codes))
        assert set(UPSTREAMS[upstream]) <= {*Category, BUSY}

    def test_a_word_means_the_same_kind_at_every_api(self) -> None:
        """Words count for every provider, so no list may read a refusal where another reads a fault."""
        words = {code for lists in UPSTREAMS.values() for listed in lists.values() for code in listed.split()}
        for word in words:
            kinds = {Category.PROVIDER if meaning == BUSY else meaning for meaning in meanings_of_word(word)}
            assert len(kinds) <= 1, word

    def test_the_first_named_api_is_asked_first(self) -> None:
        """Where no word helps, the order in the file decides."""
        assert numbers_of(["kling", "bigmodel"])["1304"] == (Category.AUTH, Category.QUOTA)
        assert numbers_of(["bigmodel", "kling"])["1304"] == (Category.QUOTA, Category.AUTH)
        assert "arrearage" not in numbers_of(UPSTREAMS)

    @pytest.mark.parametrize(
        ("upstreams", "code", "retryable"),
        [
            *(
                (["minimax"], "1000", True),
                (["kling"], "5001", True),
                (["google"], "14", True),
                (["google"], "3", False),
            ),
            # Kling means the key by it, MiniMax a fault.
            *((["kling", "minimax"], "1000", False), (["minimax", "kling"], "1000", None), ([], "1000", None)),
        ],
    )
    def test_a_number_may_say_that_it_passes(self, upstreams: list[str], code: str, retryable: bool | None) -> None:
        """An API that documents it says as much by it as others by a word."""
        provider = replace(OWN, numbers=numbers_of(upstreams))
        assert failure({"code": code, "message": "Xyzzy plugh"}, provider).retryable is retryable

    def test_a_longer_code_falls_back_on_its_head(self) -> None:
        """Ark and Runway add details behind a dot, and new ones without notice."""
        assert meanings_of_word("RateLimitExceeded.Anything.New") == (BUSY,)
        assert meanings_of_word("INPUT_PREPROCESSING.SAFETY.TEXT") == (Category.CONTENT_POLICY,)
        assert meanings_of_word("Throttling.AllocationQuota") == (Category.QUOTA,)
        assert meanings_of_word("nothing.like.that") == meanings_of_word("参数") == ()

    @pytest.mark.parametrize(
        ("more", "said"),
        [
            ('upstreams = ["kling", "klng"]', 'upstreams: "klng" is not known; use some of ark, dashscope'),
            ("upstreams = [[]]", 'upstreams: "[]" is not known'),
            ('upstreams = "kling"', "upstreams: it is text, not a list; write a list of names"),
            ('[messages]\n"gone" = "lost"', '[messages].gone: "lost" is not allowed; use one of content_policy'),
            ('[messages]\n"gone" = "not_yours"', '[messages].gone: "not_yours" is not allowed'),
            ('[messages]\n" " = "auth"', '[messages]." ": it is in every message; give words of the message'),
            ("[messages]\ngone = 7", "[messages].gone: it is a number, not text"),
        ],
    )
    def test_a_mistake_in_a_file_is_named_with_its_place(self, more: str, said: str) -> None:
        """The author sees what to mend without reading the engine."""
        text = bundled_text("vibepeak")
        broken = f"{more}\n{text}" if more.startswith("up") else f"{text}\n{more}"
        with pytest.raises(BadProviderFile) as caught:
            parse(broken)
        assert said in str(caught.value)


def nested(depth: int, wide: int) -> list[Any]:
    return [nested(depth - 1, wide) for _ in range(wide)] if depth else []


def chain(depth: int) -> dict[str, Any]:
    keys = ("error", "errors", "err", "cause", "inner", "message", "msg", "detail", "details")
    return dict.fromkeys(keys, chain(depth - 1)) if depth else {}


HOSTILE: dict[str, Callable[[], Any]] = {
    "empty objects": lambda: [{}] * 350_000,
    "an error of empty objects": lambda: {"error": [{}] * 350_000},
    "objects of empty values": lambda: [{"message": None, "error": {}}] * 30_000,
    "lists in lists": lambda: nested(6, 7),
    "objects in objects": lambda: chain(20),
    "empty lists": lambda: [[[]]] * 100_000,
    "JSON in a text": lambda: json.dumps({"error": [{}] * 250_000}),
    "JSON in texts": lambda: [json.dumps({"error": [{}] * 1_000})] * 300,
} | {
    f"a text of {text}": lambda text=text: {"code": (text * 200)[:200], "message": text * (1_048_576 // len(text))}
    for text in (
        *("x y", "{", "}{", " ", "task ", "Aa", "image ", "not ", "a_", "failed to load the ", "http://", "审"),
        *("upload of the ", "code: a, message: ", "content service is was has ", "video id ", "refund, "),
    )
}


class TestWork:
    @pytest.mark.parametrize("name", HOSTILE)
    def test_no_answer_takes_long_to_read(self, name: str) -> None:
        """A provider decides what its errors look like, and one of 1 MiB must not hold up the poll."""
        value = HOSTILE[name]()
        category(OWN, Reason("warm", "up"))  # compiles the patterns

        def took() -> float:
            began = process_time()
            found = merge_reasons([value, value])
            task_error(OWN, found, category(OWN, found) or Category.PROVIDER, "")
            return process_time() - began

        assert min(took() for _ in range(3)) < 0.05

    def test_a_reason_among_the_first_items_is_found(self) -> None:
        """Real lists of errors have a few items, some of which may be empty."""
        assert find_reason([{}] * 100 + [{"code": "X_1", "message": "why"}]) == Reason("X_1", "why")
        assert find_reason([{}] * 1_000 + [{"code": "X_1"}]) is None

    def test_all_candidates_share_the_work(self) -> None:
        """A file names a dozen places in which the reason may stand."""
        assert merge_reasons([[{}] * 1_000, {"code": "X_1"}]) is None
        assert merge_reasons([None, {}, {"code": "X_1"}, {"message": "why"}]) == Reason("X_1", "why")


# Where a failed task's reason stands

REFUSAL = "Your prompt was rejected because it violates our content policy"


@pytest.mark.parametrize("style", ["snake", "camel"])
@pytest.mark.parametrize(
    "words",
    [
        *("failure message", "failed reason", "error info", "last error", "error reason", "err message", "task error"),
        *("rejection reason", "block reason", "moderation reason", "fail detail", "error desc", "exception"),
        *("status reason", "status detail", "user message"),
    ],
)
@pytest.mark.parametrize("holder", [None, "response", "meta", "output"])
def test_a_reason_is_found_under_every_name_that_says_what_it_is(words: str, style: str, holder: str | None) -> None:
    """Without its reason a refusal looks like a fault, and the same request is paid for again."""
    first, *rest = words.split()
    name = "_".join([first, *rest]) if style == "snake" else first + "".join(map(str.capitalize, rest))
    told: dict[str, Any] = {name: REFUSAL}
    got = failure(None, OWN, **({holder: told} if holder else told))
    assert (got.category, got.message) == ("content_policy", REFUSAL)


@pytest.mark.parametrize(
    "beside",
    [
        {"webhook_error": "timeout"},
        {"metadata": {"error": "timeout", "message": "no blood, violence or nudity please"}},
        {"payload": {"message": "A sexy robot walks"}},
        {"refund_reason": "task failed, credits returned"},
        {"moderation": {"result": "safe", "message": "No sexual content found"}},
        {"error_id": "policy", "fail_policy": "abort"},
    ],
    ids=lambda beside: next(iter(beside)),
)
def test_the_users_own_and_another_steps_failure_are_not_the_reason(beside: dict[str, Any]) -> None:
    """A retry that is recommended for a webhook's timeout would be paid for again."""
    generic = parse('name = "own"\nbase_url = "https://api.own.example"\nformat = "generic"\n')
    got = failure(None, generic, **beside)
    assert (got.category, got.retryable) == ("provider", None)
    told = failure(None, generic, **beside, failure_details="Prompt contains nudity")
    assert (told.category, told.retryable) == ("content_policy", False)


def test_what_only_sounds_like_a_reason_is_none() -> None:
    """`finish_reason: stop` is how a text model ends, and a time or a rate is no cause."""
    beside: dict[str, Any] = {
        "finish_reason": "content_filter",
        "error_count": "3",
        "failure_rate": "blocked",
        "error_url": "policy",
    }
    got = failure(None, OWN, **beside)
    assert (got.category, got.retryable) == ("provider", None)
