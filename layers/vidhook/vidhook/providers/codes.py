"""What the codes of well-known video APIs mean, from their public documents.

Many providers are relays: they pass on the codes of the APIs behind them. A code that is a word (DataInspectionFailed)
means the same everywhere, so it counts for every provider. A number (1301) means something else at each API, so it
counts only for a provider whose file names that API in `upstreams`.

A word that APIs use for different things (QuotaExceeded), or for everything (InvalidParameter, BadRequest), is in no
list: the message and the words of the code decide.

Under BUSY are faults for which the documents say that asking again later may help; under `provider` the other faults.
"""

from collections.abc import Iterable, Mapping

from vidhook.task import Category

BUSY = "busy"
UPSTREAMS: dict[str, dict[str, str]] = {
    # Volcengine Ark: https://www.volcengine.com/docs/82379/1099476
    "ark": {
        Category.CONTENT_POLICY: """InputTextSensitiveContentDetected InputImageSensitiveContentDetected
            InputVideoSensitiveContentDetected InputAudioSensitiveContentDetected OutputTextSensitiveContentDetected
            OutputImageSensitiveContentDetected OutputVideoSensitiveContentDetected OutputAudioSensitiveContentDetected
            SensitiveContentDetected InputTextRiskDetection InputImageRiskDetection OutputTextRiskDetection
            OutputImageRiskDetection""",
        Category.INVALID_INPUT: "MissingParameter",
        Category.QUOTA: "AccountOverdueError SetLimitExceeded InferenceLimitExceeded",
        Category.AUTH: "AuthenticationError AccessDenied ModelNotOpen InvalidAccountStatus OperationDenied",
        Category.NOT_FOUND: "InvalidEndpointOrModel.NotFound",
        BUSY: """ContentSecurityDetectionError InflightBatchsizeExceeded ServerOverloaded InternalServiceError
            RateLimitExceeded ModelAccountRpmRateLimitExceeded
            ModelAccountTpmRateLimitExceeded ModelAccountIpmRateLimitExceeded APIAccountRpmRateLimitExceeded
            InvalidEndpoint.ClosedEndpoint""",
    },
    # Alibaba Cloud DashScope (Wan): https://www.alibabacloud.com/help/en/model-studio/error-code
    "dashscope": {
        Category.CONTENT_POLICY: "DataInspectionFailed data_inspection_failed IPInfringementSuspect",
        Category.INVALID_INPUT: """InvalidParameter.DataInspection InvalidParameter.FileDownload InvalidURL
            InvalidFile InvalidImage InvalidImageFormat InvalidImageResolution InvalidVideo
            InvalidVideoFormat
            BadRequest.EmptyInput BadRequest.EmptyParameters BadRequest.EmptyModel BadRequest.IllegalInput
            BadRequest.InputDownloadFailed BadRequest.ResourceNotExist BadRequest.TooLarge""",
        Category.QUOTA: """Arrearage Throttling.AllocationQuota AllocationQuota.FreeTierOnly PrepaidBillOverdue
            PostpaidBillOverdue CommodityNotPurchased""",
        Category.AUTH: "InvalidApiKey AccessDenied Model.AccessDenied Workspace.AccessDenied App.AccessDenied",
        Category.TIMEOUT: "RequestTimeOut InternalError.Timeout",
        Category.PROVIDER: "InternalError.Algo",
        BUSY: """InternalError SystemError ModelServiceFailed ModelUnavailable ServiceUnavailable Throttling
            Throttling.RateQuota Throttling.BurstRate LimitRequests""",
    },
    # Vidu: https://platform.vidu.com/docs/error-code
    "vidu": {
        Category.CONTENT_POLICY: "AuditSubmitIllegal TaskPromptPolicyViolation CreationPolicyViolation",
        Category.INVALID_INPUT: """FieldLacking FieldUnwanted FieldInvalid FieldItemCountOutOfRange
            PageSizeOutOfRange ImageDownloadFailure ImageFormatInvalid ImageCheckBodyJointsFailed ImageCheckFaceFailed
            ImageObjectsUndetected""",
        Category.QUOTA: "CreditInsufficient",
        Category.AUTH: "Unauthorized Forbidden",
        Category.NOT_FOUND: "TaskNotFound CreationNotFound",
        Category.CANCELLED: "UserCancelled Canceled",
        Category.PROVIDER: "ModelUnavailable",
        BUSY: "OperationInProcess TooManyRequests SystemThrottling InternalServiceFailure",
    },
    # Runway: https://docs.dev.runwayml.com/errors/task-failures/
    "runway": {
        Category.CONTENT_POLICY: "SAFETY INPUT_PREPROCESSING.SAFETY",
        Category.INVALID_INPUT: "ASSET.INVALID",
        BUSY: "INTERNAL INTERNAL.BAD_OUTPUT INPUT_PREPROCESSING.INTERNAL THIRD_PARTY.UNAVAILABLE",
    },
    # fal: https://fal.ai/docs/documentation/model-apis/errors.md and request-errors beside it
    "fal": {
        Category.CONTENT_POLICY: "content_policy_violation",
        Category.INVALID_INPUT: """image_too_small image_too_large image_load_error file_download_error
            face_detection_error file_too_large greater_than greater_than_equal less_than less_than_equal multiple_of
            sequence_too_short sequence_too_long one_of feature_not_supported invalid_archive
            archive_file_count_below_minimum archive_file_count_exceeds_maximum audio_duration_too_long
            audio_duration_too_short unsupported_audio_format unsupported_image_format unsupported_video_format
            video_duration_too_long video_duration_too_short url_error""",
        Category.NO_RESULT: "no_media_generated",
        Category.CANCELLED: "client_cancelled client_disconnected",
        Category.TIMEOUT: "generation_timeout request_timeout startup_timeout",
        BUSY: """internal_server_error downstream_service_error downstream_service_unavailable
            runner_scheduling_failure runner_connection_timeout runner_disconnected runner_connection_refused
            runner_connection_error runner_incomplete_response runner_server_error""",
    },
    # OpenAI: https://platform.openai.com/docs/guides/error-codes and the errors of its videos
    "openai": {
        Category.CONTENT_POLICY: "moderation_blocked content_policy_violation human_moderated sentinel_block",
        Category.INVALID_INPUT: "invalid_value",
        Category.QUOTA: "insufficient_quota billing_hard_limit_reached",
        Category.AUTH: "invalid_api_key",
        BUSY: "rate_limit_exceeded server_error",
    },
    # Veo, Gemini and Vertex AI: https://google.aip.dev/193 and the numbers in google/rpc/code.proto (RESOURCE_EXHAUSTED
    # and 8 are a rate or a quota: the words decide)
    "google": {
        Category.INVALID_INPUT: "INVALID_ARGUMENT OUT_OF_RANGE 3 11",
        Category.AUTH: "PERMISSION_DENIED UNAUTHENTICATED 7 16",
        Category.NOT_FOUND: "5",
        Category.CANCELLED: "1",
        Category.TIMEOUT: "DEADLINE_EXCEEDED 4",
        BUSY: "UNAVAILABLE INTERNAL 13 14",
    },
    # new-api, which many relays run: https://github.com/QuantumNous/new-api, types/error.go
    "newapi": {
        Category.CONTENT_POLICY: "sensitive_words_detected prompt_blocked violation_fee.grok.csam",
        Category.INVALID_INPUT: "bad_request_body convert_request_failed",
        Category.QUOTA: "insufficient_user_quota pre_consume_token_quota_failed",
        Category.AUTH: "access_denied",
        Category.TIMEOUT: "channel:response_time_exceeded",
        Category.PROVIDER: """channel:invalid_key channel:param_override_invalid channel:header_override_invalid
            channel:model_mapped_error channel:aws_client_error model_price_error count_token_failed""",
        BUSY: """do_request_failed get_channel_failed channel:no_available_key bad_response_status_code bad_response
            empty_response read_response_body_failed""",
    },
    # Tencent Cloud (Hunyuan): https://cloud.tencent.com/api/error-center?product=vclm
    "tencent": {
        Category.CONTENT_POLICY: "FailedOperation.ModerationFailed FailedOperation.TextModerationNotPass",
        Category.INVALID_INPUT: """InvalidParameterValue FailedOperation.AudioDecodeFailed
            FailedOperation.BodyJointsFail FailedOperation.DownloadError FailedOperation.FaceSizeTooSmall
            FailedOperation.ImageBodyJoinsUndetected
            FailedOperation.ImageBodySmall FailedOperation.ImageCheckNoBody FailedOperation.ImageDecodeFailed
            FailedOperation.ImageDetectFaceFailed FailedOperation.ImageDownloadError
            FailedOperation.ImageFaceDetectFailed FailedOperation.ImageManyPeople FailedOperation.ImageNotSupported
            FailedOperation.ImageRatioExcceed FailedOperation.ImageResolutionExceed FailedOperation.ImageSizeExceed
            FailedOperation.RequestEntityTooLarge FailedOperation.VideoDecodeFailed FailedOperation.VideoDurationExceed
            FailedOperation.VideoFpsExceed FailedOperation.VideoResolutionExceed FailedOperation.VideoSizeExceed""",
        Category.QUOTA: """ResourceUnavailable.InArrears ResourceUnavailable.LowBalance
            ResourcesSoldOut.ChargeStatusException UnsupportedOperation.PkgExhausted""",
        Category.AUTH: "AuthFailure ResourceUnavailable.Freeze ResourceUnavailable.NotReady",
        Category.NOT_FOUND: "FailedOperation.JobNotExist FailedOperation.JobNotFound FailedOperation.TaskNotExist",
        Category.TIMEOUT: "FailedOperation.RequestTimeout",
        Category.PROVIDER: "FailedOperation.DriverFailed FailedOperation.UnKnowError",
        BUSY: """FailedOperation.InnerError FailedOperation.JobQueueFull FailedOperation.RpcFail
            FailedOperation.ServerError RequestLimitExceeded""",
    },
    # Kling: https://app.klingai.com/global/dev/document-api/apiReference/commonInfo
    "kling": {
        Category.AUTH: "1000 1001 1002 1003 1004 1100 1103 1304",
        Category.QUOTA: "1101 1102",
        Category.INVALID_INPUT: "1200 1201 1202 1203",
        Category.CONTENT_POLICY: "1300 1301",
        BUSY: "1302 1303 5000 5001 5002",
    },
    # MiniMax (Hailuo): https://platform.minimax.io/docs/api-reference/errorcode.md
    "minimax": {
        BUSY: "1000 1002 1013 1024 1033 1039 1041 2045",
        Category.TIMEOUT: "1001",
        Category.AUTH: "1004 2042 2049",
        Category.QUOTA: "1008 2056",
        Category.CONTENT_POLICY: "1026 1027",
        Category.INVALID_INPUT: "1042 1043 1044 2013 20132 2037 2039 2048",
    },
    # Jimeng (Volcengine Visual): https://www.volcengine.com/docs/85621/1777001
    "jimeng": {
        Category.CONTENT_POLICY: "50411 50412 50413 50511 50512 50516 50517 50518 50519",
        Category.PROVIDER: "50520 50521 50522",
        BUSY: "50429 50430 50500 50501",
    },
    # Zhipu (bigmodel, z.ai): https://docs.z.ai/api-reference/api-code
    "bigmodel": {
        Category.AUTH: "1000 1001 1002 1003 1004 1110 1111 1112 1121 1220 1313",
        Category.QUOTA: "1113 1304 1308 1309 1310 1311",
        Category.INVALID_INPUT: "1210 1211 1212 1213 1214 1215 1221 1222 1261",
        Category.CONTENT_POLICY: "1300 1301",
        Category.PROVIDER: "1200 1230",
        BUSY: "1120 1231 1234 1302 1303 1305 1312",
    },
}
Meanings = Mapping[str, tuple[str, ...]]


def _merged(upstreams: Iterable[str], numbers: bool) -> Meanings:
    found: dict[str, tuple[str, ...]] = {}
    for upstream in upstreams:
        for meaning, codes in UPSTREAMS[upstream].items():
            for code in codes.split():
                if code.isdecimal() == numbers:
                    spelled = plain(code)
                    found[spelled] = tuple(dict.fromkeys((*found.get(spelled, ()), meaning)))
    return found


def plain(code: str) -> str:
    """Returns one spelling for `FieldLacking`, `field_lacking` and `FIELD LACKING`; dots stay, they part a code."""
    return "".join(letter for letter in code.casefold() if letter.isalnum() or letter == ".")


def numbers_of(upstreams: Iterable[str]) -> Meanings:
    """Returns what each number means at these APIs, those of the first API first."""
    return _merged(upstreams, numbers=True)


def meanings_of_word(code: str) -> tuple[str, ...]:
    """Returns what a code that is a word means, or nothing. `A.B.C` is looked up as that, then as `A.B`, as `A`."""
    head = plain(code)
    while head:
        if head in WORDS:
            return WORDS[head]
        head = head.rpartition(".")[0]
    return ()


WORDS = _merged(UPSTREAMS, numbers=False)
