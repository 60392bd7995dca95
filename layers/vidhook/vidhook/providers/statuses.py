"""What a provider's status word means: by its file, else by the words that providers use, else by the word's parts."""

import re
from dataclasses import dataclass

from vidhook.providers.file import Provider, fold
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
# A part that says that only a step is completed.
STEPS = {"almost", "nearly", "draft", "preview", "thumbnail", "cover", "poster", "step", "stage", "scene", "frame"} | {
    *("keyframe", "storyboard", "script")
}
# A part that turns the meaning of the others, or says that they are still to come.
TURNING = {"not", "no", "non", "never", "without", "un", "until", "before", "pre", "if", "can", "will", "to", "being"}
TURNING_SIGNS = re.compile(r"[未不没無]")
LONGEST_WORD = 100


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a status word means.

    category: why the task failed, if the word says so. known: False for a word that is in no table; it is read as
    processing. suggests: the end that a part of such a word names, which counts if the rest of the answer agrees.
    """

    status: Status
    category: Category | None = None
    known: bool = True
    suggests: Status | None = None


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
    if ending and ending.status is Status.FAILED and ending.category is not Category.CONTENT_POLICY:
        return ending
    named = ending.status if ending else next(iter(single), None)
    if named is Status.COMPLETED and STEPS & set(parts):
        return unknown
    return Meaning(Status.PROCESSING, known=False, suggests=named)


def _signs(ending: str) -> Meaning | None:
    """Returns the meaning of an ending in a script that writes words without blanks between them."""
    return None if ending.isascii() else _known(fold(ending))
