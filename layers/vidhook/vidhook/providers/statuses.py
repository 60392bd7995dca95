"""What a provider's status word means: by its file, else by the words that providers use, else by the word's parts."""

import re
from dataclasses import dataclass

from vidhook.providers.file import Provider, fold
from vidhook.providers.wording import spaced
from vidhook.task import Category, Status

WORDS = {
    Status.PENDING: """pending queued queue queueing queuing enqueued inqueue waiting wait awaiting notstart notstarted
        submitted submit created accepted received scheduled new init initializing initialized preparing starting
        throttled delayed standby todo notready dispatched staged
        排队中 排队 等待中 待处理 未开始 已提交 排隊中 等待處理 待機中 順番待ち 대기중 대기
        pendiente encola enespera nafila enattente wartend ausstehend""",
    Status.PROCESSING: """processing process inprogress inprocess progress ongoing running run generating rendering
        working active started executing doing dreaming loading encoding transcoding upscaling uploading saving
        finalizing preprocessing postprocessing retrying
        处理中 生成中 进行中 执行中 运行中 渲染中 處理中 進行中 執行中 処理中 実行中 처리중 생성중 진행중
        procesando enproceso enprogreso generando enejecución processando emandamento encours inbearbeitung""",
    Status.COMPLETED: """completed complete success successful succeeded succeed successed done finished finish ready
        generated
        成功 完成 已完成 生成成功 生成完成 已生成 完毕 生成完毕 完了 完了しました 완료 완료됨
        완료되었습니다 성공
        completado completada terminado terminada listo éxito exitoso finalizado concluído concluido terminé réussi
        fertig abgeschlossen erfolgreich""",
    Status.FAILED: """failed failure fail error errored rejected refused aborted exception crashed terminated killed
        unsuccessful incomplete interrupted
        失败 失敗 生成失败 错误 异常 出错 錯誤 エラー 失敗しました 실패 실패했습니다 오류
        fallido fallida fallado falló fallo falhou echec échoué fehlgeschlagen""",
}
# Status words that mean failed, by the category that they imply.
FINAL_WORDS = {
    Category.CANCELLED: """canceled cancelled cancel revoked stopped deleted 已取消 取消 キャンセル 취소 취소됨
        cancelado cancelada annulé abgebrochen""",
    Category.EXPIRED: "expired expire 已过期 过期 已過期 期限切れ 만료 만료됨 expirado caducado expiré abgelaufen",
    Category.TIMEOUT: "timeout timedout 超时 超時 タイムアウト 시간초과",
    Category.CONTENT_POLICY: """blocked moderated moderation contentmoderated requestmoderated contentblocked nsfw
        flagged filtered contentfilter contentfiltered banned sensitive policyviolation contentpolicyviolation
        审核不通过 审核失败 违规""",
}
STATUSES = {word: status for status, words in WORDS.items() for word in words.split()}
IMPLIED = {word: kind for kind, words in FINAL_WORDS.items() for word in words.split()}
PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W\d_A-Za-z]+")
# A part that says that only a step is completed or has failed, or only some of the results.
STEPS = {
    *("almost", "nearly", "draft", "preview", "thumbnail", "cover", "poster", "step", "stage", "scene", "frame"),
    *("keyframe", "storyboard", "script", "watermark", "watermarking", "audio", "sound"),
    *("subtitle", "subtitles", "caption", "captions", "upload", "download", "copy", "transfer", "webhook", "callback"),
    *("notification", "upscale", "upscaling", "interpolation", "compression", "archive", "backup", "sync"),
}
PARTLY = {"partial", "partially", "partly"}
# A part that turns the meaning of the others, or says that they are still to come.
TURNING = {"not", "no", "non", "never", "without", "un", "until", "before", "pre", "if", "can", "will", "to", "being"}
TURNING_SIGNS = re.compile(r"[未不没無]")
LONGEST_WORD = 100
# Words that only stand around a status in a short text for people.
AROUND = """the your this that a an task job video image request generation result output render file is are be been
    being still in on at of for to by now yet currently has have was were please it its we our status state moment wait
    successfully all and
    el la su tu un una este esta está se en aún aun todavía vídeo tarea solicitud imagen le votre vidéo tâche est
    encore das der die ihr wird ist noch auftrag o seu tarefa ainda"""
FILLERS = frozenset(AROUND.split())
NEGATIONS = {"not", "no", "without", "nicht", "pas", "não"}
LONGEST_TEXT = 80
# A text that says this is no end, whatever the status code is. Compiled when one is read, which is rare.
UNFINISHED = (
    r"\bnot (?:yet )?ready\b"
    r"|\b(?:is|are|has|have|still) not (?:yet )?(?:been )?(?:completed?|finished|done|generated|started)\b"
    r"|\b(?:task|job|video|generation|request) not (?:yet )?(?:completed?|finished|done|started)\b"
    # A key that is not yet activated, or a model that does not support something yet, will be refused again.
    r"|\bnot\b(?!.{0,40}(?:verif|activ|enabl|approv|subscri|purchas|paid|pay|valid|agree|support|permit|allow))"
    r".{0,40}\byet\b|\bnot (?:yet )?(?:completed?|finished)\b.{0,20}\bstatus\b"
    # "It failed while it was being processed" is an end.
    r"|^(?!.*\b(?:fail|error|invalid|unable|could not|cannot)).*"
    r"\b(?:is|are|still|currently|being|yet) (?:still |currently |being |yet )?"
    r"(?:(?:process|generat|render)(?:ing|ed)|running|pending|queued|in (?:the )?(?:progress|queue))\b"
    r"|^(?!.*\bfail).*\bstill (?:being )?(?:(?:process|generat|render)(?:ing|ed)|running|pending|queued)\b"
    r"|\b(?:in progress|unfinished|yet to be|wait (?:until|till|while)|no (?:result|output|video)s? yet)\b"
    r"|\bstat(?:us|e)\b(?: is)?\W{1,3}(?:pending|queued|running|processing|generating|rendering|not start|submitted)\b"
    r"|(?:正在|仍在|还在|還在)(?:处理|生成|排队|运行|渲染|执行|进行|合成|制作|创建|转码|编码|等待|准备|上传|處理|製作|排隊)"
    r"|(?:处理|生成|排队|进行|运行|执行|渲染|合成|制作|處理|排隊|進行|処理|実行|作成|変換|レンダリング|待機|準備)中"
    r"(?![断止斷])|(?:尚未|还未|还没有?|仍未|没有|未)(?:完成|就绪|生成|结束|完了)|まだ"
    r"|(?:처리|생성|진행|대기|작업|렌더링|실행|준비) ?중|생성하는 중|아직"
    r"|todav[ií]a no|a[uú]n no|en (?:proceso|progreso|curso|cola)\b"
)


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a status word means.

    category: why the task failed, if the word says so. known: False for a word that is in no table; it is read as
    processing. suggests: the end that a part of such a word names, which counts if the rest of the answer agrees.
    of_a_step: it is the end of a step only, or of some of several results.
    """

    status: Status
    category: Category | None = None
    known: bool = True
    suggests: Status | None = None
    of_a_step: bool = False


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


def _known(key: str) -> Meaning | None:
    if key in IMPLIED:
        return Meaning(Status.FAILED, IMPLIED[key])
    return Meaning(STATUSES[key]) if key in STATUSES else None


def _by_parts(word: str) -> Meaning:
    """Returns what a compound such as `video_generation_failed`, `completed_with_errors` or 视频生成成功 means."""
    unknown = Meaning(Status.PROCESSING, known=False)
    parts = [part.casefold() for part in PARTS.findall(word)]
    if TURNING & set(parts) or TURNING_SIGNS.search(word):
        return unknown
    ending = next((found for count in range(len(parts)) if (found := _known("".join(parts[count:])))), None)
    ending = ending or next((found for count in range(1, len(word)) if (found := _signs(word[count:]))), None)
    if ending and not ending.status.final:
        return ending
    single = [found.status for part in parts if (found := _known(part))]
    if any(not status.final for status in single):
        return unknown
    named = ending.status if ending else next(iter(single), None)
    of_a_step = bool(STEPS & set(parts))
    if named is Status.FAILED:
        of_a_step = of_a_step or bool(PARTLY & set(parts)) or Status.COMPLETED in single
    if named is Status.COMPLETED and of_a_step:
        return unknown
    if ending and named is Status.FAILED and ending.category is not Category.CONTENT_POLICY and not of_a_step:
        return ending
    return Meaning(Status.PROCESSING, known=False, suggests=named, of_a_step=of_a_step)


def _signs(ending: str) -> Meaning | None:
    """Returns the meaning of an ending in a script that writes words without blanks between them."""
    return None if ending.isascii() else _known(fold(ending))


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
        opposite = {Status.FAILED: Status.COMPLETED}
        opposite |= dict.fromkeys((Status.COMPLETED, Status.PROCESSING), Status.PROCESSING)  # "not started"
        return opposite.get(said[0]) if len(said) == 1 else None
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
    return said_of(plain) is Status.PROCESSING or bool(re.search(UNFINISHED, plain.replace("n't", " not")))
