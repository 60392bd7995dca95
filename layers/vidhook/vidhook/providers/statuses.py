"""What a provider's status word means: by its file, else by the words that providers use, else by the word's parts."""

import re
from dataclasses import dataclass, replace

from vidhook.providers.file import Provider
from vidhook.providers.table import fold
from vidhook.providers.values import PARTS
from vidhook.providers.wording import goes_on, spaced
from vidhook.task import Category, Status

WORDS = {
    Status.PENDING: """pending queued queue queueing queuing enqueued inqueue waiting wait awaiting notstart notstarted
        submitted submit created accepted received scheduled new init initializing initialized preparing starting
        throttled delayed standby todo notready dispatched staged planned
        排队中 排队 等待中 待处理 未开始 已提交 排隊中 等待處理 待機中 順番待ち 대기중 대기
        pendiente encola enespera nafila enattente wartend ausstehend""",
    Status.PROCESSING: """processing process inprogress inprocess progress ongoing running run generating rendering
        working active started executing doing dreaming loading encoding transcoding upscaling uploading saving
        finalizing preprocessing postprocessing retrying
        fetching transcribing downloading
        处理中 生成中 进行中 执行中 运行中 渲染中 處理中 進行中 執行中 処理中 実行中 처리중 생성중 진행중
        procesando enproceso enprogreso generando enejecución processando emandamento encours inbearbeitung""",
    Status.COMPLETED: """ok completed complete success successful succeeded succeed successed done finished finish ready
        generated ended fulfilled exported
        结束 已结束 結束 已結束 終了 終了しました 종료 종료됨 finalizada
        成功 完成 已完成 生成成功 生成完成 已生成 完毕 生成完毕 完成了 完了 完了しました 完成済み 完成しました
        완료 완료됨 완료되었습니다 성공
        completado completada terminado terminada listo éxito exitoso finalizado concluído concluido terminé terminée
        réussi concluída completato tamamland\u0131 selesai готово завершено выполнено успешно 成功しました
        fertig abgeschlossen erfolgreich""",
    Status.FAILED: """failed failure fail error errored rejected refused aborted exception crashed terminated killed
        unsuccessful incomplete interrupted broken dead oom err ошибка fallito
        失败 失敗 生成失败 错误 异常 出错 錯誤 エラー エラー発生 失敗しました 已拒绝 실패 실패함 실패했습니다 오류
        fallido fallida fallado falló fallo falhou echec échec échoué rejeté fehlgeschlagen""",
}
# Status words that mean failed, by the category that they imply.
FINAL_WORDS = {
    Category.CANCELLED: """canceled cancelled cancel revoked stopped deleted 已取消 取消 キャンセル 취소 취소됨
        cancelado cancelada annulé abgebrochen annullato отменено キャンセル済み""",
    Category.EXPIRED: "expired expire 已过期 过期 已過期 期限切れ 만료 만료됨 expirado caducado expiré abgelaufen",
    Category.TIMEOUT: "timeout timedout deadlineexceeded 超时 超時 タイムアウト 시간초과",
    Category.QUOTA: "quotaexceeded insufficientcredits insufficientbalance outofcredits 余额不足 积分不足 额度不足",
    Category.CONTENT_POLICY: """blocked moderated moderation contentmoderated requestmoderated contentblocked nsfw
        flagged filtered contentfilter contentfiltered banned sensitive policyviolation contentpolicyviolation
        contentviolation 审核不通过 审核未通过 审核失败 审核拒绝 审核驳回 内容违规 违规""",
}
STATUSES = {word: status for status, words in WORDS.items() for word in words.split()}
IMPLIED = {word: kind for kind, words in FINAL_WORDS.items() for word in words.split()}
# A part that says that only a step is completed or has failed, or only some of the results.
STEP_WORDS = """almost nearly first intermediate
    half draft preview thumbnail cover poster step stage scene frame frames prompt keyframe
    storyboard script watermark watermarking audio sound subtitle subtitles caption captions upload download copy
    transfer webhook callback notification upscale upscaling interpolation compression archive backup sync"""
STEPS = frozenset(STEP_WORDS.split())
PARTLY = {"partial", "partially", "partly"}
# What else may stand in a word for the failure of the task itself. Beside the film, any other failure is a step's.
WHOLE_WORDS = """video image task job generation generate generating generated render rendering request process
    processing inference model prediction workflow pipeline creation run execution safety check moderation content
    review audit policy gpu system internal server service provider upstream unknown fatal permanent with by due the was
    is has have on 任务 视频 生成 图片 渲染 请求 处理 に ました"""
WHOLE = frozenset(WHOLE_WORDS.split())
# They end a word and add nothing to it; what follows "by" neither.
ADVERBS = {"permanently", "finally", "fatally", "detected", "eventually"}
# The last thing that a provider does with a film; with a link it is done.
LAST_STEPS = {"processed", "rendered", "published", "available", "delivered", "stored", "saved"}
# A part that turns the meaning of the others, or says that they are still to come.
TURNING_WORDS = "not no non never without un until before pre if can will to being after from soon"
TURNING = frozenset(TURNING_WORDS.split())
TURNING_SIGNS = re.compile(r"[未不没無待]|即将|申请|正在|请求取消|取消失败")
LONGEST_WORD = 100
# Words at the place of a status that say that there is no such task.
NOT_FOUND = {"notfound", "tasknotfound", "jobnotfound", "notexist", "tasknotexist", "任务不存在"}
# Words that only stand around a status in a short text for people.
AROUND = """the your this that you a an task job video image request generation result output render file is are be been
    being still in on at of for to by now yet currently has have was were please it its we our status state moment wait
    successfully all and number position worker people tasks ahead
    el la su tu un una este esta está se en aún aun todavía vídeo tarea solicitud imagen le votre vidéo tâche est
    encore das der die ihr wird ist noch auftrag o seu tarefa ainda"""
FILLERS = frozenset(AROUND.split())
NEGATIONS = {"not", "no", "without", "nicht", "pas", "não"}
# What a status is that is denied: "not completed", "not started", "no error". Others say nothing then.
DENIED = {Status.FAILED: Status.COMPLETED, Status.COMPLETED: Status.PROCESSING, Status.PROCESSING: Status.PROCESSING}
LONGEST_TEXT = 80


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a status word means.

    category: why the task failed, if the word says so. known: False for a word that is in no table; it is read as
    processing. suggests: the end that a part of such a word names, which counts if the rest of the answer agrees.
    of_a_step: it is the end of a step only, or of some of several results. whole: it is surely that of the task.
    """

    status: Status
    category: Category | None = None
    known: bool = True
    suggests: Status | None = None
    of_a_step: bool = False
    whole: bool = True


FAILED = Meaning(Status.FAILED)


def meaning_of(provider: Provider, word: str) -> Meaning:
    """Returns what a provider's status word means."""
    spelled = fold(word)
    bare = re.split("status|state", spelled)[-1]  # TASK_STATUS_SUCCEED, JOB_STATE_RUNNING
    for key in (spelled, bare):
        if key in provider.statuses:
            return Meaning(provider.statuses[key], provider.implied.get(key) or IMPLIED.get(key))
        if meaning := _known(key):
            return meaning
    return _by_parts(word[:LONGEST_WORD])


def is_not_found(word: str) -> bool:
    """Returns whether a status word says that the provider knows no such task."""
    return fold(word) in NOT_FOUND


def _known(key: str) -> Meaning | None:
    if key in IMPLIED:
        return Meaning(Status.FAILED, IMPLIED[key])
    return Meaning(STATUSES[key]) if key in STATUSES else None


def _by_parts(word: str) -> Meaning:
    """Returns what a compound such as `video_generation_failed`, `completed_with_errors` or 视频生成成功 means."""
    unknown = Meaning(Status.PROCESSING, known=False)
    parts = _without_adverbs([part.casefold() for part in PARTS.findall(word)])
    if TURNING & set(parts) or TURNING_SIGNS.search(word):
        return unknown
    starts = (count for count in range(len(parts)) if _known("".join(parts[count:])))
    start = next(starts, len(parts))
    ending, rest = _known("".join(parts[start:])), "".join(parts[:start])
    if ending is None:
        cut = next((count for count in range(1, len(word)) if _signs(word[count:])), len(word))
        ending, rest = _signs(word[cut:]), word[:cut]
    if ending and not ending.status.final:
        # "finished_processing": nobody knows, but the link beside it is remembered.
        return unknown if any(found.status.final for part in parts[:-1] if (found := _known(part))) else ending
    single = [found.status for part in parts if (found := _known(part))]
    # "processing_failed" is an end, "processing_completed" only that of a step, and "pending_cancel" none.
    if Status.PENDING in single or (Status.PROCESSING in single and ending != FAILED):
        return unknown
    named = ending.status if ending else next(iter(single), None)
    if named is None and LAST_STEPS & set(parts[-1:]):
        named = Status.COMPLETED
    if (named is Status.COMPLETED and STEPS & set(parts)) or {"cancel", "cancellation"} & set(parts[:-1]):
        return unknown
    if named is not Status.FAILED or ending is None or (ending.category is Category.CONTENT_POLICY and rest):
        return Meaning(Status.PROCESSING, known=False, suggests=named)
    of_a_step = bool((STEPS | PARTLY) & set(parts)) or Status.COMPLETED in single
    return replace(ending, of_a_step=of_a_step, whole=not of_a_step and _is_whole(rest, parts[:start]))


def _without_adverbs(parts: list[str]) -> list[str]:
    parts = parts[: parts.index("by")] if "by" in parts[1:] else parts
    return [part for part in parts if part not in ADVERBS] if len(parts) > 1 else parts


def _is_whole(rest: str, parts: list[str]) -> bool:
    """Whether what stands before a failure names nothing but the task."""
    signs = [sign for sign in WHOLE if not sign.isascii()]
    left = re.sub("|".join(signs), "", rest) if not rest.isascii() else ""
    return not left and all(part in WHOLE or not part.isascii() or part.isdigit() for part in parts)


def _signs(ending: str) -> Meaning | None:
    """Returns the meaning of an ending in a script that writes words without blanks between them."""
    if ending.isascii():
        return None
    word = fold(ending)
    return _known(word) or _known(word.removesuffix("了"))


def said_of(text: str) -> Status | None:
    """Returns the status that a short text for people says of a task, if it says nothing else.

    "Processing your request" and "Not completed" are processing, "Video generated successfully" is completed.
    """
    words = re.findall(r"[^\W\d_]+", text.casefold().replace("n't", " not")) if len(text) <= LONGEST_TEXT else []
    negated = any(word in NEGATIONS for word in words)
    said = _statuses_of([word for word in words if word not in NEGATIONS])
    if not said:
        return None
    if negated:
        return DENIED.get(said[0]) if len(said) == 1 else None
    if Status.FAILED in said:
        return None
    return Status.COMPLETED if said[-1] is Status.COMPLETED and "being" not in words else Status.PROCESSING


def _statuses_of(words: list[str]) -> list[Status]:
    """Returns the statuses that words or pairs of words mean; none if a word is neither a status nor a mere filler."""
    said = []
    for place, word in enumerate(words):
        pair = _known(word + words[place + 1]) if place + 1 < len(words) else None
        before = _known(words[place - 1] + word) if place else None
        if meaning := pair or _known(word):
            said.append(meaning.status)
        elif word not in FILLERS and before is None:
            return []
    return said


def is_unfinished(text: str) -> bool:
    """Returns whether a text for people, or a code, says that the task goes on."""
    plain = spaced(text).replace("-", " ")
    return said_of(plain) is Status.PROCESSING or goes_on(plain.replace("n't", " not"))
