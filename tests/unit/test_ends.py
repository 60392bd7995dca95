"""When an end is believed: what a provider says in so many words, what is only concluded, and what is no end at all."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.test_reading import LENIENT
from vidhook.providers.file import bundled, parse
from vidhook.providers.reading import Reading, read
from vidhook.providers.statuses import meaning_of
from vidhook.task import Category, Status

PROVIDERS = bundled()
LINK = "https://cdn.example/film.mp4"
HEAD = 'name = "own"\nbase_url = "https://own.example"\npath = "/v1/{task_id}"\n'


def reading(body: object, name: str = "infinityblue", status: int = 200, **known: Any) -> Reading:
    asked: dict[str, Any] = {"headers": {}, "age_seconds": 900.0, "now": 1_777_288_860.0, "task_id": "t1"} | known
    return read(PROVIDERS[name], status=status, body=json.dumps(body).encode(), **asked)


def by_file(text: str, body: object, status: int = 200, **known: Any) -> Reading:
    asked: dict[str, Any] = {"headers": {}, "age_seconds": 900.0, "now": 1_777_288_860.0, "task_id": "t1"} | known
    return read(parse(HEAD + text), status=status, body=json.dumps(body).encode(), **asked)


def outcome(got: Reading) -> tuple[Status | None, Category | None]:
    status = got.snapshot.status if got.snapshot else None
    return status, got.error.category if got.error else None


class TestSaidOrConcluded:
    @pytest.mark.parametrize(
        ("name", "body"),
        [
            ("infinityblue", {"id": "t1", "status": "failed"}),
            ("infinityblue", {"id": "t1", "status": "completed", "metadata": {"url": LINK}}),
            ("infinityblue", {"id": "t1", "status": "completed"}),  # its content path has the file
            ("vicsee", {"data": {"id": "t1", "status": "cancelled"}}),
        ],
    )
    def test_an_end_in_so_many_words_is_final_at_once(self, name: str, body: object) -> None:
        """Asking again would only delay the news."""
        got = reading(body, name)
        assert got.snapshot is not None
        assert (got.snapshot.status.final, got.snapshot.said, got.inferred) == (True, True, False)

    @pytest.mark.parametrize(
        ("name", "status", "body"),
        [
            ("vicsee", 200, {"data": {"id": "t1", "status": "completed", "result": None}}),
            ("vicsee", 200, {"success": False, "error": {"code": "NO_RESULT"}}),
            ("infinityblue", 404, {"error": {"message": "not found"}}),
            ("infinityblue", 410, {}),
            ("infinityblue", 422, {"error": {"message": "prompt is too long"}}),
            ("vicsee", 403, {"error": {"code": "FORBIDDEN"}}),
        ],
    )
    def test_an_end_that_is_only_concluded_is_marked(self, name: str, status: int, body: object) -> None:
        """The poller asks again before it believes one."""
        assert reading(body, name, status).inferred

    def test_a_young_task_without_a_link_is_asked_about_again(self) -> None:
        """Some providers say completed a moment before the link is there."""
        body = {"data": {"id": "t1", "status": "completed", "result": None}}
        assert reading(body, "vicsee", age_seconds=95.0).outcome == "retry"

    @pytest.mark.parametrize("status", [200, 400, 403, 404, 409, 422, 500])
    @pytest.mark.parametrize(
        "said",
        [
            *(
                "Task is not completed yet, current status: NOT_START",
                "Request is still in progress",
                "Video not ready",
            ),
            *("The generation is being processed", "processing", "Not yet available", "no result yet", "still queued"),
            *(
                "任务正在生成",
                "视频生成中",
                "任务尚未完成",
                "まだ完了していません",
                "처리 중입니다",
                "El video aún no está listo",
                "Not completed",
                "Video not-ready",
                "in-progress",
                "Still-processing",
                "Processing your request",
                "Task in processing",
                "Votre vidéo est en cours",
                "La tarea está en progreso",
                "没有完成",
                "正在渲染",
                "実行中です",
                "아직 완료되지 않았습니다",
                *("In queue, position 3", "Waiting for a worker", "Video is being transcoded", "Check back later"),
                *("Under review", "Expected status succeeded, got processing", "Results pending"),
                "Try again when the task is completed",
                *("Render queued behind 3 others", "Your job is in line", "There are 4 jobs ahead of you", "queued"),
                *("Waiting for a free GPU", "Video generation has been queued, please poll again", "awaiting its turn"),
                *(
                    "任务排队中\uff0c前面还有 5 个任务",
                    "已进入队列",
                    "前方有3个任务",
                    "レンダリング待ちです。前に3件あります",
                ),
                *(
                    "앞에 3개의 작업이 있습니다",
                    "El video está en espera",
                    "hay 3 tareas por delante",
                    "na fila de espera",
                ),
                *("La vidéo est en file d'attente", "Dein Auftrag wartet noch", "w kolejce", "ожидает своей очереди"),
                *("任务尚未开始", "转码中", "请耐心等待", "正在产生影片", "审核中"),
                *(
                    "動画を生成しています",
                    "完了していません",
                    "キューに入っています",
                    "대기열에 있습니다",
                    "준비되지 않았습니다",
                ),
                *(
                    "Wird verarbeitet",
                    "La vidéo n'est pas encore prête",
                    "Em processamento",
                    "In corso",
                    "\u0412 обработке",
                ),
                "The video hasn't been generated yet",
                "Video isn\u2019t ready",
                "Task is yet to be processed",
                "Task status: PROCESSING",
                "invalid task state: running",
                "Video must be completed before the download (status: in_progress)",
                "Cannot retrieve content: the video is still processing",
            ),
        ],
    )
    def test_an_answer_that_says_it_goes_on_is_no_end(self, status: int, said: str) -> None:
        """Some providers answer 400 or 404 to the question about a task that they still work on."""
        for body in ({"error": {"message": said}}, {"detail": said}, {"code": "error", "message": said}):
            assert reading(body, "alad", status).outcome == "retry", body

    @pytest.mark.parametrize(
        "said",
        [
            *("The content could not be processed because it was flagged", "Error while processing the image"),
            "Generation failed while the request was being processed",
            *("The task could not be completed", "This model is not available in your region", "Image is not valid"),
            "The video was not generated because the prompt violates our policy",
            *("API key is not activated yet", "This model does not support image input yet"),
            *("Timed out waiting for the upstream result", "Task expired while waiting in the queue"),
            *("Task not completed due to insufficient balance", "Task not completed: content moderation rejected it"),
            *("Your account is under review", "Your API key is pending activation", "Cancelled while in progress"),
            *("More credits will be available on May 1", "This model is not available in your region yet"),
            *("The person in the image is being depicted naked", "The request body is incomplete"),
            *("Task not found in queue", "Results are only kept until the task is finished and deleted: not found"),
            *("任务未完成:余额不足", "视频未生成:提示词包含敏感词", "您尚未完成实名认证", "生成中检测到违规内容"),
            *("处理中出现错误", "合成中文字幕失败", "任务执行中被用户取消", "没有生成结果", "轮询超时 任务仍在处理中"),
            *("Account is under dispute", "服务正在维护的模型不支持", "Die Karte ist noch nicht freigeschaltet"),
            *("Processing failed", "Not accepted", "处理中断", "Running out of memory", "Processing is not supported"),
        ],
    )
    def test_words_that_only_look_like_it_end_the_task(self, said: str) -> None:
        """A refusal may speak of processing and of completion."""
        assert reading({"error": {"message": said}}, status=422).outcome == "permanent_error"

    def test_a_refusal_for_an_internal_error_is_believed_in_time(self) -> None:
        """It may be the end of this task, and be answered for ever."""
        assert reading({"error": {"message": "Internal error"}}, status=422).inferred

    @pytest.mark.parametrize("code", ["IN_PROGRESS", "VideoNotReady", "task_not_finished", "RESULT_PENDING"])
    def test_a_code_may_say_that_it_goes_on(self, code: str) -> None:
        """The message beside it is often one for people."""
        assert reading({"error": {"code": code, "message": "Come back later"}}, status=400).outcome == "retry"

    @pytest.mark.parametrize("status", [400, 404, 409, 410, 422, 429, 500, 503])
    @pytest.mark.parametrize("word", ["processing", "queued", "failed", "completed"])
    def test_the_tasks_own_status_counts_under_any_http_status(self, status: int, word: str) -> None:
        """Some providers answer with the status code of what became of the task."""
        body = {"id": "t1", "status": word, "metadata": {"url": LINK}}
        got, plain = reading(body, status=status).snapshot, reading(body).snapshot
        assert got is not None
        assert plain is not None
        assert (got.status, got.sources) == (plain.status, plain.sources)
        # Where the HTTP status is one of trouble that passes, a failure has to be confirmed.
        assert got.said == (word != "failed" or status in (400, 404, 410, 422))

    @pytest.mark.parametrize(
        ("status", "body"),
        [
            (404, {"id": "t1", "status": "not_found"}),
            (404, {"id": "t1", "status": "error", "message": "task not found"}),
            (500, {"id": "t1", "status": "error", "message": "oops"}),
            (500, {"id": "other", "status": "failed"}),
            (500, {"status": "failed"}),
            (401, {"id": "t1", "status": "failed", "message": "invalid key"}),
        ],
    )
    def test_a_refusal_with_a_status_of_its_own_is_read_as_one(self, status: int, body: object) -> None:
        """The word is about the request, or about nobody knows which task."""
        assert reading(body, status=status).snapshot is None

    @pytest.mark.parametrize("said", ["Your organization has not been verified yet", "API key is not activated yet"])
    def test_a_key_that_is_not_yet_good_is_refused(self, said: str) -> None:
        """Somebody has to do something about it, so the alarm must ring."""
        assert reading({"error": {"message": said}}, status=403).key_refused

    @pytest.mark.parametrize(
        "said", ["Service is undergoing maintenance", "Rate limit exceeded", "服务繁忙 请稍后再试"]
    )
    def test_trouble_of_the_provider_ends_no_task(self, said: str) -> None:
        """A maintenance takes longer than the ten minutes after which a refusal is believed."""
        for status in (400, 403, 404):
            assert reading({"error": {"message": said}}, status=status).outcome == "retry"
        assert reading({"code": 455, "message": said}, "alad").outcome == "retry"


class TestCompletedWithoutALink:
    @pytest.mark.parametrize(
        ("name", "body"),
        [
            ("alad", {"data": {"task_id": "t1", "status": "SUCCESS", "fail_reason": "内容审核未通过"}}),
            (
                "vibepeak",
                {"task_id": "t1", "status": "completed", "error": {"message": "blocked by the safety filter"}},
            ),
            ("vicsee", {"data": {"id": "t1", "status": "completed", "error": {"code": "CONTENT_POLICY_VIOLATION"}}}),
            ("infinityblue", {"id": "t1", "status": "completed", "error": {"code": "moderation_blocked"}}),
        ],
    )
    def test_a_refusal_at_the_files_error_place_is_the_reason(self, name: str, body: object) -> None:
        """A missing result may be made again, refused content never: the customer would pay twice."""
        got = reading(body, name)
        assert outcome(got) == (Status.FAILED, Category.CONTENT_POLICY)
        assert not got.inferred

    def test_a_reason_that_says_it_goes_on_is_no_end(self) -> None:
        """Some relays say SUCCESS as soon as their upstream has taken the task."""
        body = {"data": {"task_id": "t1", "status": "SUCCESS", "fail_reason": "渲染中"}}
        assert reading(body, "alad").outcome == "retry"

    def test_a_friendly_message_is_no_reason(self) -> None:
        """`message: "Video generated"` stands on success too."""
        got = reading({"task_id": "t1", "status": "completed", "message": "Video generated"}, "vibepeak")
        assert outcome(got) == (Status.FAILED, Category.NO_RESULT)

    @pytest.mark.parametrize(
        "said",
        ["The link expires in 24 hours", "20 credits were deducted from your balance", "Passed the safety check"],
    )
    def test_a_mere_message_is_weaker_than_the_word(self, said: str) -> None:
        """The content path may have a film that was paid for."""
        got = reading({"id": "t1", "status": "completed", "message": said})
        assert outcome(got) == (Status.COMPLETED, None)
        got = reading({"task_id": "t1", "status": "completed", "message": said}, "vibepeak")
        assert got.inferred
        assert outcome(reading({"id": "t1", "status": "completed", "detail": said})) == (Status.COMPLETED, None)

    @pytest.mark.parametrize("said", ["Content moderation passed", "NSFW: false", "审核通过", "20 credits used"])
    @pytest.mark.parametrize("place", ["reason", "error", "detail", "failure_reason", "error_message"])
    def test_an_all_clear_at_the_error_place_is_no_reason(self, place: str, said: str) -> None:
        """The film at the content path is paid for."""
        assert outcome(reading({"id": "t1", "status": "completed", place: said})) == (Status.COMPLETED, None)

    @pytest.mark.parametrize(
        "said",
        [
            *("Prompt did not pass moderation", "Content does not comply with our policy", "non-compliant content"),
            *("Image not approved by moderation", "Content violates policy. 20 credits were deducted"),
            *("审核没有通过", "内容未能通过审核", "内容违规 扣除20积分", "图片敏感 已扣除积分"),
        ],
    )
    def test_an_all_clear_that_is_denied_is_a_refusal(self, said: str) -> None:
        """A refusal told as a film would be paid for again and again."""
        assert outcome(reading({"id": "t1", "status": "completed", "error": {"message": said}}))[0] == Status.FAILED

    def test_a_mere_text_against_a_content_path_has_to_be_confirmed(self) -> None:
        """Words may be misread; a code is not."""
        got = reading({"id": "t1", "status": "completed", "reason": "refused by the content filter"})
        assert (outcome(got)[1], got.inferred) == (Category.CONTENT_POLICY, True)

    @pytest.mark.parametrize("said", ["Video generated successfully", "No error", "Task completed.", "生成成功"])
    def test_success_at_the_error_place_is_no_reason(self, said: str) -> None:
        """Some providers fill it on every answer."""
        got = reading({"id": "t1", "status": "completed", "error": {"message": said}})
        assert outcome(got) == (Status.COMPLETED, None)

    def test_a_reason_that_is_no_refusal_of_content_is_confirmed(self) -> None:
        """The link may follow, as without a reason."""
        error = {"code": "RESULT_EXPIRED", "message": "The result expired"}
        got = reading({"task_id": "t1", "status": "completed", "error": error}, "vibepeak")
        assert (outcome(got), got.inferred) == ((Status.FAILED, Category.EXPIRED), True)


class TestWords:
    @pytest.mark.parametrize(
        ("word", "status"),
        [
            *(
                ("video_generation_completed", "completed"),
                ("completed_with_errors", "completed"),
                ("成功", "completed"),
            ),
            *(("partially_succeeded", "completed"), ("视频生成成功", "completed"), ("已完成", "completed")),
            *(("video_generation_failed", "failed"), ("生成失败", "failed"), ("GenerationFailed", "failed")),
            *(("视频生成失败", "failed"), ("task_timed_out", "failed"), ("safety_check_failed", "failed")),
            *(("完了", "completed"), ("失敗", "failed"), ("완료", "completed"), ("실패", "failed")),
            *(("completado", "completed"), ("fallido", "failed"), ("排队中", "pending"), ("处理中", "processing")),
            *(
                ("処理中", "processing"),
                ("처리 중", "processing"),
                ("en proceso", "processing"),
                ("en cola", "pending"),
            ),
            *(
                ("video_upsampling", "processing"),
                ("moderation_in_progress", "processing"),
                ("not_completed", "processing"),
            ),
            *(("未完成", "processing"), ("moderation_passed", "processing"), ("pending_moderation", "processing")),
            *(("waiting_to_be_completed", "processing"), ("retrying_failed_upload", "processing")),
            *(("almost_done", "processing"), ("draft_completed", "processing"), ("preview_ready", "processing")),
            *(("processing_failed", "failed"), ("cancelled_by_user", "failed"), ("FAILED_PERMANENTLY", "failed")),
            *(("blocked_by_moderation", "failed"), ("nsfw_detected", "failed"), ("审核未通过", "failed")),
            *(("正在取消", "processing"), ("cancel_failed", "processing"), ("recovered_from_failure", "processing")),
            *(("OK", "completed"), ("video_processed", "completed"), ("pending_cancel", "processing")),
            *(("frames_generated", "processing"), ("processing_completed", "processing"), ("готово", "completed")),
            *(("生成完毕", "completed"), ("완료되었습니다", "completed"), ("生成に失敗しました", "failed")),
        ],
    )
    def test_a_compound_is_read_by_its_parts_when_the_rest_agrees(self, word: str, status: str) -> None:
        """Deployments make words of their own; a link or a reason beside the word shows what it means."""
        body = {"id": "t1", "status": word, "video_url": LINK}
        got = reading(body)
        assert got.snapshot is not None
        assert got.snapshot.status == status

    @pytest.mark.parametrize("word", ["已结束", "结束", "終了しました", "종료", "TASK_ENDED"])
    def test_ended_is_completed_where_the_film_is_and_doubtful_without(self, word: str) -> None:
        """It does not say how it ended."""
        got = reading({"data": {"id": "t1", "status": word, "result": {"url": LINK}}}, "vicsee")
        assert (outcome(got), got.inferred) == ((Status.COMPLETED, None), False)
        got = reading({"data": {"id": "t1", "status": word}}, "vicsee")
        assert got.inferred or outcome(got)[0] is Status.PROCESSING

    @pytest.mark.parametrize("word", ["upload_completed", "video_generation_completed", "completed_with_errors"])
    def test_a_part_without_evidence_ends_nothing(self, word: str) -> None:
        """An upload or a step may be completed too."""
        got = reading({"data": {"id": "t1", "status": word}}, "vicsee")
        assert outcome(got) == (Status.PROCESSING, None)

    @pytest.mark.parametrize("link", ["https://cdn.example/first-frame.jpg", "https://cdn.example/preview.mp4"])
    def test_a_link_that_is_hardly_the_film_ends_nothing(self, link: str) -> None:
        """A running task has one too; at the deadline it is better than nothing."""
        got = reading({"task_id": "t1", "status": "image_generated", "result": {"video_url": link}}, "vibepeak")
        assert got.seen is not None
        assert (outcome(got), got.seen.sources[0].url) == ((Status.PROCESSING, None), link)

    @pytest.mark.parametrize(
        "link",
        [
            {"url": "https://cdn.example/cover.jpg"},
            {"video": "https://input.example/mine.mp4", "output": None},
            {"images": ["https://input.example/mine.png"]},
        ],
        ids=str,
    )
    def test_nor_does_it_with_all_other_signs_of_an_end(self, link: dict[str, Any]) -> None:
        """A word that nobody knows and a link that is hardly the film are not said together."""
        text = 'format = "generic"\n'
        got = by_file(text, {"task_id": "t1", "status": "video_generation_completed", "progress": 100, **link})
        assert outcome(got)[0] == Status.PROCESSING

    @pytest.mark.parametrize("word", ["completed_with_errors", "COMPLETED_WITH_ERRORS"])
    def test_completed_with_errors_and_a_reason_but_no_link_has_failed(self, word: str) -> None:
        """It is asked about again first, as every completed task without a link."""
        got = reading({"task_id": "t1", "status": word, "error": {"message": "blocked by moderation"}}, "vibepeak")
        assert (outcome(got), got.inferred) == ((Status.FAILED, Category.CONTENT_POLICY), True)

    @pytest.mark.parametrize(
        "word", ["watermark_failed", "partially_failed", "completed_audio_failed", "upload_error", "ThumbnailFailed"]
    )
    def test_a_step_that_failed_is_an_end_that_has_to_be_confirmed(self, word: str) -> None:
        """The film may be there all the same; without one, the step was that of the film."""
        got = reading({"id": "t1", "status": word, "video_url": LINK})
        assert (outcome(got), got.inferred) == ((Status.COMPLETED, None), True)
        got = reading({"data": {"id": "t1", "status": word}}, "vicsee")
        assert (outcome(got)[0], got.inferred) == (Status.FAILED, True)

    @pytest.mark.parametrize(
        "word",
        ["转存失败", "水印失败", "save_failed", "transcode_failed", "notify_failed", "lipsync_failed", "hls_failed"],
    )
    def test_any_failure_of_something_else_is_none_of_the_film_beside_it(self, word: str) -> None:
        """Nobody can list all steps; without the film it is the end."""
        got = reading({"id": "t1", "status": word, "video_url": LINK})
        assert (outcome(got), got.inferred) == ((Status.COMPLETED, None), True)
        assert outcome(reading({"data": {"id": "t1", "status": word}}, "vicsee"))[0] == Status.FAILED

    @pytest.mark.parametrize("done", [{"progress": 100}, {"completed_at": 1_777_288_000}])
    def test_a_running_word_beside_all_that_ends_a_task_is_remembered(self, done: dict[str, int]) -> None:
        """Some providers never change the word; until the deadline it is believed."""
        got = reading({"id": "t1", "status": "processing", "video_url": LINK, **done})
        assert got.seen is not None
        assert (outcome(got), got.seen.sources[0].url, got.seen.said) == ((Status.PROCESSING, None), LINK, False)
        assert reading({"id": "t1", "status": "processing", "video_url": LINK}).seen is None

    def test_a_part_that_means_failed_needs_a_reason_unless_it_ends_the_word(self) -> None:
        """`failed_over` has not failed."""
        assert outcome(reading({"id": "t1", "status": "failed_over"})) == (Status.PROCESSING, None)
        got = reading({"id": "t1", "status": "failed_on_gpu", "error": {"message": "out of memory"}})
        assert outcome(got)[0] == Status.FAILED

    @pytest.mark.parametrize("word", ["unknown", "banana", "video_upsampling"])
    def test_what_was_seen_beside_an_unknown_word_is_remembered(self, word: str) -> None:
        """At the deadline it is all that is known of a paid render."""
        got = reading({"id": "t1", "status": word, "video_url": LINK})
        assert got.snapshot is not None
        assert got.seen is not None
        assert (got.snapshot.sources, got.seen.sources[0].url, got.seen.said) == ((), LINK, False)
        got = reading({"data": {"id": "t1", "status": word, "error": {"message": "GPU died"}}}, "vicsee")
        assert got.seen is not None
        assert got.seen.error is not None
        assert (got.outcome, got.seen.error.message) == ("snapshot", "GPU died")

    @given(st.text(max_size=40))
    def test_any_word_has_a_meaning(self, word: str) -> None:
        """A provider may send any text as its status."""
        meaning = meaning_of(PROVIDERS["alad"], word)
        assert meaning.known or not meaning.status.final


class TestTheFilesWordsWin:
    OWN = '[answer]\nstatus = "status"\nerror = "error"\n[assets]\nresult = "url"\n'

    def test_a_word_of_the_file_counts_without_an_id(self) -> None:
        """Zhipu and Tencent answer `FAIL` without the task's id, which would else be an envelope's word."""
        got = by_file(self.OWN + '[status]\nFAIL = "failed"\n', {"status": "FAIL", "error": {"message": "no"}})
        assert outcome(got)[0] == Status.FAILED

    def test_a_word_of_the_file_counts_under_a_refusing_status_too(self) -> None:
        """Where nothing else may be meant by it, as trouble may be by 429."""
        text = self.OWN + '[status]\nFAIL = "failed"\n'
        assert outcome(by_file(text, {"status": "FAIL"}, 400))[0] == Status.FAILED
        assert by_file(text, {"status": "FAIL"}, 429).outcome == "retry"

    def test_a_word_may_say_why_the_task_failed(self) -> None:
        """PixVerse answers 7 for what its moderation refused, and gives no other reason."""
        got = by_file(self.OWN + '[status]\n7 = "content_policy"\n', {"status": 7})
        assert outcome(got) == (Status.FAILED, Category.CONTENT_POLICY)

    def test_a_number_may_be_written_as_a_fraction(self) -> None:
        """Some languages write every number so."""
        got = by_file(self.OWN + '[status]\n1 = "completed"\n', {"status": 1.0, "url": LINK})
        assert outcome(got)[0] == Status.COMPLETED

    def test_a_number_that_the_file_does_not_list_is_an_unknown_word(self) -> None:
        """At the deadline the link beside it is told; an envelope's 0 or 200 is no status."""
        text = self.OWN + '[status]\n1 = "completed"\n'
        got = by_file(text, {"status": 9, "url": LINK})
        assert (outcome(got), got.seen is not None) == ((Status.PROCESSING, None), True)
        assert by_file(text, {"status": 0, "error": {"code": "invalid_api_key"}}).key_refused
        assert by_file(text, {"status": 200, "url": LINK}).outcome == "retry"
        assert reading({"id": "t1", "status": 7, "video_url": LINK}).seen is not None

    def test_a_sign_is_no_dash(self) -> None:
        """-1 means failed where 1 means completed."""
        own = self.OWN + '[status]\n1 = "completed"\n-1 = "failed"\n'
        assert outcome(by_file(own.replace("-1", '"-1"'), {"status": -1, "url": LINK}))[0] == Status.FAILED
        assert outcome(by_file(own.replace("-1", '"-1"'), {"status": 1, "url": LINK}))[0] == Status.COMPLETED
        for spelled in ("\uff0d1", "- 1", "\u22121", "-1.0"):
            assert outcome(by_file(own, {"status": spelled, "url": LINK}))[0] == Status.FAILED, spelled

    @pytest.mark.parametrize(
        ("place", "body", "status", "expected"),
        [
            ("error", {"error": {"message": "refused by the content policy"}}, 403, ("permanent_error", False)),
            (
                "{code: ErrCode, message: ErrMsg}",
                {"ErrCode": 10005, "ErrMsg": "API key is invalid", "Resp": None},
                200,
                ("permanent_error", True),
            ),
            (
                "{code: ErrCode, message: ErrMsg}",
                {"ErrCode": 0, "ErrMsg": "Success", "Resp": None},
                200,
                ("retry", False),
            ),
            (
                "Response.Error",
                {"Response": {"Error": {"Code": "AuthFailure.SecretIdNotFound", "Message": "unauthorized key"}}},
                200,
                ("permanent_error", True),
            ),
            (
                "Response.Error",
                {"Response": {"Error": {"Code": "InternalError", "Message": "oops"}}},
                200,
                ("retry", False),
            ),
        ],
    )
    def test_a_refusal_stands_where_the_file_says(
        self, place: str, body: object, status: int, expected: tuple[str, bool]
    ) -> None:
        """Where an answer has no status, the file's own error places are read before anything is guessed."""
        own = f'[answer]\nstatus = "status"\nerror = "{place}"\n[assets]\nresult = "url"\n'
        got = by_file(own, body, status)
        assert (got.outcome, got.key_refused) == expected


class TestWhichPartIsTheTask:
    def test_an_envelopes_success_with_an_id_of_its_own_is_not_the_tasks(self) -> None:
        """Its id is the request's; the task within still runs."""
        body = {"status": "success", "id": "req_1", "data": {"task_id": "t1", "state": "running"}}
        assert outcome(reading(body))[0] == Status.PROCESSING
        assert outcome(reading({**body, "data": {"state": "running"}}))[0] == Status.PROCESSING
        same = {"status": "success", "id": "t1", "data": {"id": "t1", "status": "running"}}
        assert outcome(reading(same))[0] == Status.PROCESSING
        alone = reading({"status": "success", "id": "req_1", "request_id": "r"})
        assert (alone.outcome, alone.inferred) == ("retry", False)
        linked = reading({"status": "success", "id": "row_7", "url": LINK})
        assert outcome(linked)[0] == Status.COMPLETED

    @pytest.mark.parametrize("word", ["success", "ok", "error", "fail"])
    def test_a_word_with_an_id_of_another_is_about_the_request(self, word: str) -> None:
        """It is that of the request, which may have gone wrong."""
        got = reading({"status": word, "id": "req_1", "message": "Internal server error"})
        assert (got.outcome, got.inferred) == ("retry", False)

    @pytest.mark.parametrize("envelope", ["success", "ok", 200, 0, 1])
    def test_an_envelopes_word_gives_way_to_the_tasks_in_the_same_object(self, envelope: object) -> None:
        """Some relays write both side by side."""
        body = {"status": envelope, "task_id": "t1", "video_url": LINK}
        for word, status in (("processing", Status.PROCESSING), ("failed", Status.FAILED), ("done", Status.COMPLETED)):
            assert outcome(reading({**body, "task_status": word}))[0] == status, word

    def test_a_failing_word_beside_a_reason_that_goes_on_is_no_sure_end(self) -> None:
        """Relays say `error` for a question that came too early."""
        for word, expected in (("error", "retry"), ("failed", "snapshot")):
            got = reading({"id": "t1", "status": word, "message": "Video is still processing"})
            assert (got.outcome, got.inferred) == (expected, expected == "snapshot")

    @pytest.mark.parametrize("place", ["generations", "results", "outputs"])
    @pytest.mark.parametrize(
        ("statuses", "expected"),
        [
            (["succeed"], Status.COMPLETED),
            (["failed", "succeed"], Status.COMPLETED),
            (["succeed", "processing"], Status.PROCESSING),
            (["waiting", "failed"], Status.PENDING),
            (["failed", "failed"], Status.FAILED),
        ],
    )
    def test_a_status_that_stands_only_in_the_results_is_read(
        self, place: str, statuses: list[str], expected: Status
    ) -> None:
        """Pollo answers so. The task goes on while one of its results does, and has failed when all have."""
        results = [{"id": "g", "status": word, "url": LINK if word == "succeed" else ""} for word in statuses]
        for body in ({"data": {"taskId": "t1", place: results}}, {"taskId": "t1", place: results}):
            got = by_file('format = "generic"\n', body)
            assert (outcome(got)[0], got.inferred) == (expected, False), body

    def test_of_several_tasks_the_one_that_was_asked_for_counts(self) -> None:
        """Some APIs answer with a list."""
        tasks = [{"id": "t0", "status": "failed"}, {"id": "t1", "status": "completed", "video_url": LINK}]
        for body in ({"data": tasks}, {"data": json.dumps(tasks)}):
            assert outcome(reading(body))[0] == Status.COMPLETED, body

    @pytest.mark.parametrize("name", LENIENT)
    def test_a_task_is_found_in_a_list_of_one_and_behind_json_in_a_string(self, name: str) -> None:
        """Relays put their upstream's answer into a string, or all of it into a list."""
        task = {"id": "t1", "task_id": "t1", "status": "completed", "result": {"url": LINK}, "video_url": LINK}
        for body in ([task], json.dumps(task), [json.dumps(task)], {"data": json.dumps(task)}, {"data": [task]}):
            assert outcome(reading(body, name))[0] == Status.COMPLETED, body

    def test_a_file_can_read_json_in_a_string(self) -> None:
        """`from_json()` is for places that the engine does not look into by itself, such as a status."""
        own = """
            answer.status = "from_json(data.resp_data).state"
            assets.result = "from_json(data.resp_data).films[0]"
            """
        got = by_file(own, {"data": {"resp_data": json.dumps({"state": "done", "films": [LINK]})}})
        assert outcome(got)[0] == Status.COMPLETED
        assert outcome(by_file(own, {"data": {"resp_data": None}}))[0] is None
