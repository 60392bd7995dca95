"""What the words of an error mean, in English, Chinese, Japanese, Korean and Spanish.

English counts as whole words, so that an audit log, a primary key violation and a safety margin are no refusals. All
patterns are of bounded length, so that no text can make the search slow.
"""

import re

from vidhook.task import Category

LIMIT = 2_000


def _pattern(words: str, others: str = "") -> str:
    # It is compiled when it is first used: only a function that reads a failure should wait for that.
    return rf"\b(?:{words})\b" + (f"|{others}" if others else "")


def _has(pattern: str, words: str) -> bool:
    return re.search(pattern, words, re.ASCII) is not None


# Names of machines and idioms that contain a word of a refusal. They are taken out before anything is looked for.
HARMLESS = _pattern(
    r"(?:violat\w+ (?:of )?(?:the |an? )?(?:following )?(?:new )?)?"
    r"(?:(?:network|auto ?scaling|admission|firewall|thread|memory|password|resource|quota|group|origin|selinux"
    r"|opa|kms|tls"
    r"|concurrency|rate ?-?limit\w*|refund|cookie|referrer|backup|update|deployment|traffic|timeout|placement|queue"
    r"|priority|restrictive|lockout|naming|tagging|logging|tenant|cluster|kubernetes|proxy|dns|s3) polic(?:y|ies)"
    r"|(?:(?:row|column) ?-?level|pod|session|network|transport|database) ?-?security polic(?:y|ies)"
    r"|following content ?-?security policy)(?: violat\w+)?|polic(?:y|ies) (?:header|directive)s?"
    r"|gamut violations?|sensitive (?:field"
    r"|header)s?"
    r"|explicit synchroni\w+|explicit (?=(?:\w+ (?:and \w+ )?){1,2}(?:is|are|was|must|required|needed|missing))"
    r"|['\"]?children['\"]? (?:field|parameter|property|key|element|attribute|prop|array|list)s?"
    r"|(?:field|parameter|property|key) ['\"]?children|(?:load|white|colou?r) ?-?balanc\w+"
    r"|balance of (?:the )?load|subscription to"
    r"|permission bits?"
    r"|token count|(?:incorrect|invalid|illegal|unknown) key or (?:\w+ )?value|audit (?:\w+ )?(?:log|trail|table"
    r"|record|event"
    r"|entr(?:y|ie))s?|safety (?:interlock|margin|factor|stop|timeout"
    r"|net|buffer|lock|shutdown|thread)s?|(?:key|constraint|protocol|access|sharing|integrity|schema|bounds|memory"
    r"|assertion|contract|type|sla|segment\w*) violations?|violat\w+ (?:the )?(?:\w+ ){0,2}(?:constraint|schema|key"
    r"|protocol|contract|invariant|assumption|precondition)s?|hates? to|risk of|risks? (?:being|running)|(?:case"
    r"|time|noise|context|locale|light|motion) ?-?sensitive|sensitive (?:to|about)|sensitivity|(?:retry|cache"
    r"|caching|cors|iam|bucket|scaling|retention|restart|scheduling|eviction|whitelist(?:ing)?|backoff|lifecycle"
    r"|routing"
    r"|pull|access) polic(?:y|ies)|blocked by (?:the |a |an )?(?:firewall|cors|network|proxy|waf|cloudflare"
    r"|thread)(?: polic(?:y|ies))?"
    r"|(?:blocked|filtered) (?:thread|queue|io|call)s?|child (?:process|job|task|node)(?:es|s)?|minor (?:version"
    r"|issue|error|change|problem|bug|update|adjustment|fix|release|delay)s?|dead ?lock|guidelines? (?:image|map)s?"
    r"|internal polic(?:y|ies) (?:server|engine)|terms of (?:time|size|length)|kill switch|explicitly"
    r"|explicit (?:cast|conversion|value|null|type|region|parameter)s?|polic(?:y|ies) (?:bundle|file|document"
    r"|config\w*|object|agent|store|id|version)s?|minor (?:glitch|hiccup|outage)(?:es|s)?|content (?:delivery|server"
    r"|store|length|encoding|hash|disposition)",
    r"白名单策略|限流策略|重试策略",
)
# A helper that is broken refused nothing, whatever it is there for.
BROKEN_HELPER = _pattern(
    r"(?:moderat\w+|copyright|watermark|polic(?:y|ies)|safety|risk|audit|review|content|filter|classif\w+|detect\w+"
    r"|inspection|nsfw|auth\w*|credential|permission|billing|payment|quota|licen[cs]e|token|credits?)(?: (?!not\b"
    r"|did\b)[\w/-]+){0,3}? ?(?:service|server|system|api|classifier|detector|checker|engine|pipeline|module|backend"
    r"|endpoint|worker|model|check)? (?:is |was |has |are |were |been |currently |temporarily )*(?:down|killed"
    r"|terminated|crash(?:ed"
    r"|es)|unavailable|offline|unreachable|overloaded|timed out|not responding|did not (?:answer|respond|reply)"
    r"|does not (?:answer|respond|reply)|failed to (?:start|load|respond|answer|initiali[sz]e|render|run|execute"
    r"|connect|write)|could not be (?:reached|started|loaded|contacted)|lost (?:its |the )?connection"
    r"|returned (?:an? )?(?:error|http|status|empty|5\d\d|invalid|unexpected)|(?:had|encountered|hit|raised"
    r"|threw) an? (?:\w+ )?(?:error|exception)|internal error|internal server error)",
    r"(?:审核|风控|鉴权|检测|计费)(?:服务|系统|接口|模块)(?:内部)?(?:异常|超时|不可用|繁忙|出错|错误|失败|故障)"
    r"|审核(?:中断|超时|异常)",
)
CONTENT_POLICY = _pattern(
    r"moderat(?:ed|ion|or|ors)|nsfw|not safe for work|sensitive|safety|unsafe|censor\w*|guardrails?|recitation"
    r"|polic(?:y|ies)|violat(?:e|es|ed|ing|ion|ions|ive)|guidelines?|terms of (?:use|service)|code of conduct"
    r"|content (?:filter\w*|risk|check|security|safety|review|audit|compliance|credentials? check|restrictions?)"
    r"|(?:filtered|removed|blocked|stopped|rejected|declined) (?:by|due to|because of|for) (?:\w+ ){0,3}(?:filters?"
    r"|provider|upstream|system|moderators?|safeguards?|content|checker|classifier)|safeguards?|responsible ai|rai"
    r"|green ?net|sentinel|risk (?:control|management|detect\w*|not pass|review|check|policy|image|text|content)"
    r"|suspected of (?:\w+ )?risk|audit (?:submit|illegal|fail\w*|reject\w*|not|result|refused)|(?:content|image"
    r"|text|video|output|input) audit|(?:(?:not|never|n't|fail\w* to) (?:pass|clear)\w*|fail(?:ed|s|ing)?)(?: the"
    r"| our| a| an)? (?:\w+ )?(?:audit|security check|inspection|review)(?! (?:log|entr|record"
    r"|service|writer))|data inspection (?:fail\w*|not|reject\w*)|violen(?:t|ce)|prohibit(?:ed|s|ion)?"
    r"|forbidden (?:content|words?|terms?|subjects?)|banned (?:content|words?|terms?|prompts?)|inappropriate"
    r"|offensive"
    r"|objectionable|obscen\w+|profan\w+|vulgar|nud(?:e|es|ity)|naked|sexual\w*|sexy|porn\w*|erotic\w*|explicit|lewd"
    r"|suggestive|fetish|copyright\w*|infring\w*|trademark\w*|intellectual property|similarity to (?:third|training"
    r"|existing)"
    r"|brand (?:logo|name)s?|ip rights?|(?:help|assist) (?:you )?with (?:that|this)(?=[.!]|\Z)"
    r"|third party (?:content|likeness\w*|rights|ip)|likeness(?:es)?|celebrit(?:y|ies)|public figures?"
    r"|famous (?:person|people)|prominent (?:\w+ )?(?:person|people|figures?)|politicians?|deep ?fakes?"
    r"|impersonat\w+|identifiable (?:person|people|face)s?|real (?:person|people|persons|human|humans|face|faces"
    r"|individuals?)|minors|under ?-?age\w*|under (?:the age of )?18|children|kids|child (?:abuse|sexual|safety"
    r"|exploitation|nudity)|csam|(?:minor|danger|ip|people|celebrity|audio) (?:filter(?:ed)?|upload|input image)"
    r"|artist names?"
    r"|words? (?:that )?we (?:do not|don't)|self ?-?harm\w*|suicid\w*|gore(?!-)|gory|blood(?:y(?! hell)|shed)"
    r"|tortur\w+"
    r"|weapons?|firearms?|explosives?|drugs?|narcotics?|terroris\w+|extremis\w+|hate(?:ful)?|harass\w*|bully\w*"
    r"|racis[mt]|slurs?|harmful|illicit|illegal (?:content|activit\w+|acts?)|abus(?:e|ive)|disallowed"
    r"|adult (?:content|material|theme\w*|imagery|nud\w+|video|image|scene|subject|oriented)s?|adult\Z"
    r"|personal (?:information|data) in|flagged|blocklist\w*|blacklist\w* words?|(?:prompt|content|input|output"
    r"|image|images|video|videos|photo|text|generation|request|frame|result|audio)s? (?:\w+ ){0,2}?(?:blocked"
    r"|filtered|banned|censored)|(?:prompt|content)s? (?:\w+ ){0,2}?(?:rejected|declined|refused|denied)|(?:blocked"
    r"|rejected|refused) (?:prompt|content)|(?:prompt|content)s? (?:is |are |was |were )?not (?:allowed|permitted)"
    r"|restricted (?:content|terms?|words?)|(?:contains?|containing|includes?|shows?"
    r"|with) (?:an? )?(?:\w+ )?human faces?|(?:faces?|people|persons?|humans?|minors?"
    r"|celebrit\w+) (?:\w+ ){0,4}(?:not|never) (?:allowed|permitted)|(?:can ?not|can't|unable to|won't) (?:help"
    r"|assist|create|generate|make|produce|edit|depict|fulfil\w*)(?: you)?(?: with)? (?:\w+ ){0,2}(?:that request"
    r"|this request|this content|that content|this type|such|images? of (?:real )?people)|does not comply"
    r"|non-?complian\w+|not complian\w+|images? of (?:an? )?(?:child|minor|kid)s?|child in (?:your|the)|not ?safe"
    r"|(?:well-?known|famous|recogni[sz]able|prominent|protected) (?:\w+ )?(?:actor|actress|singer|individual"
    r"|politician|character|face|brand|person|people|figure|work)s?|(?:community|content|usage|platform|our) rules"
    r"|political (?:content|figures?|topics?)|(?:do not|don't|does not|cannot|can't|won't|not able to) (?:generate"
    r"|create|make|produce|depict|render|show|animate) (?:\w+ ){0,3}(?:content|people|persons?|imagery|material"
    r"|scenes?|figures?)|generation (?:is |was )?not (?:allowed|permitted)|ip (?:detected|risk|violation)"
    r"|(?:contain(?:s|ing)?|depict(?:s|ing)?|show(?:s|ing)?|with|of|involv(?:es|ing)|includ(?:es"
    r"|ing)) (?:an? )?(?:\w+ )?(?:child|minor|kid|teen\w*|infant)s?|risk (?:rule|word|term|warning|alert|level)s?"
    r"|withheld|mature content|graphic (?:content|violence|imagery)|disturbing|propaganda|unethical|against (?:our"
    r"|the) (?:\w+ )?(?:rules|policies|standards|terms|principles)|breach(?:es)? of|not appropriate|not suitable"
    r"|unsuitable|improper|restricted (?:subject|topic|categor\w+)s?|(?:sensitive|restricted|blocked|banned) words?"
    r"|(?:model|provider|ai) (?:refused|declined|rejected)(?! (?:the |our )?connection| to connect)"
    r"|refused to (?:generate|create|answer)|public (?:person|people|personalit\w+)|named (?:person|people"
    r"|individual)s?|privacy information|suspected (?:infringement|violation|copyright)|(?:discriminat"
    r"|defamat)(?:ory|ion)|medical advice|religious|(?:had|have|has|must) to decline|(?:our|content|safety"
    r"|review) (?:checks|reviewers?|standards)|(?:not|n't|never) (?:been )?approved?|topics? (?:that )?we|\Ablocked",
    r"审核|敏感|违规|违禁|违法|违反|不合规|合规问题|不符合(?:社区|平台|内容)?规范|风控|内容风险|安全风险|存在风险"
    r"|侵权|侵犯|版权|肖像|色情|真人|涉黄|涉政|暴力|血腥|未成年|名人|明星|公众人物|不安全|政策|策略阻止|平台策略"
    r"|安全(?:策略|检测|检查|校验|审查)|不适宜|不当内容|不良(?:信息|内容)|裸露|低俗|屏蔽|拦截|知识产权|商标|侮辱"
    r"|恐怖|ポリシー|違反|不適切|センシティブ|著作権|規約|モデレーション|性的|暴力的|ガイドライン|未成年|정책|부적절"
    r"|위반|저작권|선정적|유해|가이드라인|미성년|검열|민감|pol[ií]ticas?\b|inapropiad|inadecuad|infring"
    r"|derechos de autor|desnud|violencia|\bviola (?:nuestr|la|el|lo)|prohibid|moderaci[oó]n|法律法规|不当|不雅"
    r"|不文明|不健康|赌博|毒品|自残|自杀|枪支|武器|宗教|政治|领导人|儿童|仇恨|歧视|隐私信息|触犯|违背|禁止(?:生成"
    r"|内容|词)|内容安全|安全过滤|过滤|実在の人物|著名人|許可されていない(?:内容|コンテンツ)|アダルト|금지된|음란"
    r"|폭력|유명인|실존 인물|contenido (?:bloqueado|rechazado|no permitido|sensible)|persona real|celebridad"
    r"|menores de edad|未通过\S{0,6}(?:审|检测)|社区公约|审查|不宜|真实(?:人物|人像|人脸)",
)
# The provider's own machinery broke, whatever other words its trace contains.
BROKEN = _pattern(
    r"(?:key|index|type|attribute|runtime|assertion|name|import|memory|zero ?division|unicode\w*|os|io|null ?pointer"
    r"|module ?not ?found|file ?not ?found|broken ?pipe|connection|json ?decode) ?(?:error|exception)s?"
    r"|invalid (?:pointer|memory|state|opcode|address)|cannot read propert\w+|of undefined|undefined is not|traceback"
    r"|stack ?trace|panic|core dumped"
    r"|segmentation fault|segfault|nil pointer|null pointer|nonetype|list index out of range|index out of (?:range"
    r"|bounds)|unexpected keyword argument|object has no attribute|assert triggered|illegal (?:memory"
    r"|instruction|address)|cuda|cudnn|nccl|gpu"
    r"|out of (?:\w+ )?memory|memory limit|oom|no space left|disk full|killed|sigkill|sigterm|exit code|weights?"
    r"|checkpoint|model (?:file|host|server)s?|workers? (?:\w+ )?(?:died|crash\w*|lost|exit\w*|restart\w*|fail\w*)"
    r"|(?:upload|sav|stor|writ|copy|publish|deliver|persist)\w* (?:of )?(?:\w+ ){0,3}(?:output|outputs|result"
    r"|results|artifact|artifacts|finished|generated|bucket|s3|storage|database)|(?:download|fetch|load|decod|encod"
    r"|post-?process|mux|merg)\w* (?:of )?(?:\w+ ){0,2}(?:generated|final|output|latents?|frames of)|(?:bucket|s3"
    r"|upstream|model host|origin|backend|gateway|relay|channel|downstream|mirror"
    r"|registry)s? (?:\w+ ){0,4}?(?:refus\w+|reject\w+|denied|forbidden|unauthori[sz]ed|invalid|returned|fail\w*"
    r"|error|closed|reset|unreachable|missing|empty|disconnect\w*|connect error)|(?:forbidden|unauthori[sz]ed"
    r"|access ?denied|denied|refused|invalid|\d\d\d|errors?|reset) (?:\w+ ){0,2}?(?:from|by|at|in|of) (?:the |an? "
    r"|our )?(?:upstream|model host|bucket|s3|storage|backend|origin|gateway|downstream|relay)"
    r"|provider request failed|upstream (?:service|server|provider|api|model)? ?(?:error|failed|failure|returned)"
    r"|connect error|invalid (?:response|answer|json|output) (?:from|of)|invalid response|(?:response|answer"
    r"|reply) (?:is |was )?(?:empty|invalid)|primary key|foreign key|duplicate key|database|sql\w*|redis|kafka"
    r"|licen[cs]e server|setup failed|dependency failed|unexpected error handling|not found (?:in|on) (?:the "
    r"|our )?(?:storage|bucket|s3|disk)|(?:max\w*"
    r"|number of) (?:\w+ ){0,3}(?:retries|attempts)|(?:retries|attempts) (?:exceeded|exhausted)"
    r"|exceeded (?:\w+ ){0,3}(?:retries|attempts)|invalid character|unexpected (?:eof|token|end of)|no such host"
    r"|permission denied:? (?:on |for |while \w+ )?['\\\"]?/|read-?only file ?system|(?:node|host|server|machine"
    r"|container|pod|instance|process|renderer|encoder|decoder)s? (?:\w+ )?(?:shut ?down|died|failed|crash\w*"
    r"|terminated|lost|restarted|stopped|exited)|values to unpack|(?:could not|cannot|can't) be (?:saved|stored"
    r"|written|published|persisted)|certificates?|open files|disk quota",
    r"上游(?:渠道|服务|接口)?(?:返回|异常|错误|报错|失败)|数据库|显存|无可用渠道|渠道(?:异常|错误)",
)
# Too much at once: it passes by itself.
CROWDED = _pattern(
    r"rate ?-?limit\w*|(?:rate|request) (?:growth )?limit|too many (?:\w+ )?(?:requests|generations|jobs|tasks|calls)"
    r"|throttl\w*"
    r"|concurren\w+|parallel (?:task|job|generation|request)s?|overload\w*|busy|(?:at|over|no|insufficient|lack of"
    r"|out of|limited|full|max|maximum|peak) capacity|capacity (?:exceeded|reached|limit|unavailable)|(?:high|heavy"
    r"|peak) (?:load|demand|traffic|volume)|queue (?:is |was )?(?:now )?full|full queue|(?:requests?|tokens?"
    r"|images?) per (?:second|minute|min|hour)|[rtq]pm|qps|rpm limit|call frequency|request frequency"
    r"|api request is too fast|reached (?:the )?api limit|conn(?:ection)? limit|token limit(?! per)|slow down"
    r"|operation in process|no (?:free |available |idle )?(?:runner|worker|gpu|slot|capacity|server)s?(?: (?:is "
    r"|are )?available)?|(?:more|too much|unusual|extreme) (?:demand|load|traffic)"
    r"|experiencing (?:\w+ ){0,2}(?:demand|load|traffic|volume|congestion)|congest\w*|no (?:healthy|free|idle"
    r"|spare) (?:\w+ )?nodes?|swamped|too fast",
    r"并发|频率(?:过高|限制)|过于频繁|请求(?:过多|频繁|过快)|限流|限速|繁忙|拥挤|负载|访问量过大|人数过多"
    r"|排队人数|稍后提交"
    r"|队列已满|调用频次|混雑|混み合|リクエストが多|レート制限|過負荷|요청이 너무 많|혼잡|과부하|사용량이 많"
    r"|속도 제한|demasiadas (?:solicitudes|peticiones)|sobrecarg|saturad|l[ií]mite de (?:velocidad|frecuencia)|拥堵"
    r"|高峰|排队(?:中|过多|过长|任务过多)|算力不足|资源(?:不足|紧张)|火爆",
)
QUOTA = _pattern(
    r"insufficient (?:\w+ ){0,2}(?:balance|credits?|funds?|quotas?|points|money|tokens|allowance)|insufficient\Z"
    r"|(?:not enough|out of|no more|low on|lack of|exhausted|top up(?: your)?) (?:points|funds|tokens|balance"
    r"|credits?|quota|money)|balance|credits?|quotas?|billing|bill|payments?|unpaid|arrears?|arrearage|overdue"
    r"|recharge|top ?-?up|(?:set|plan|daily|weekly|monthly|usage|spending|spend|inference|hard|soft|active user"
    r"|account|trial|free|tier|budget) (?:\w+ )?(?:limit|cap|allowance|quota)s?|free tier|(?:free )?trial (?:has "
    r"|is |was )?(?:ended|over|expired|finished)|resource pack\w*|(?:not|isn't) (?:\w+ )?(?:in|included in|part of"
    r"|available (?:in|on|for|with)) (?:your |the )?(?:\w+ )?(?:plan|subscription|tier|package)|(?:plan|subscription"
    r"|tier) (?:does not|doesn't) (?:include|allow|support|cover)|upgrade (?:to (?:an? "
    r"|the )?(?:pro|paid|higher|premium|plus|max)|your (?:plan|account|subscription|tier))|subscription|subscribe"
    r"|purchase|allowance|prepaid|postpaid|unpurchased|not (?:been )?purchased|(?:have |has )?run out of (?:credits?"
    r"|funds|points|tokens)|wallet|(?:out of|add|no|more) (?:money|funds)|(?:spend\w*|cost|usage"
    r"|budget) (?:\w+ )?(?:cap|ceiling|limit)|(?:paid|pro|premium|enterprise) (?:plan|tier|account|users?|members?)"
    r"|limit (?:is |was )?(?:reached|hit) for (?:your|this) (?:account|plan|day|month|project)|(?:no|zero"
    r"|0) remaining|generations? left|payment required|(?:no|not) (?:\w+ )?(?:active )?(?:subscription|licen[cs]e)"
    r"|(?:generations?|credits?|uses) (?:for|left for) (?:today|this month)|card (?:was |is |has "
    r"|has been )?(?:declined|expired|refused)|payment method",
    r"余额|额度|积分|点数|欠费|充值|套餐|资源包|使用上限|限额|次数(?:限|已用|用完|不足|已达|达到|已满)|用量(?:超|已)"
    r"|配额|扣费失败|クレジット|残高|クォータ|上限に達|残量|ポイントが不足|크레딧|잔액|할당량|한도|포인트가 부족"
    r"|결제|\bsaldo\b|cr[eé]ditos?\b|\bcuota\b|l[ií]mite (?:mensual|diario|de uso)|\bpagos?\b|钱包|余量|算力(?:值|点"
    r"|币)|灵感值|代币|金币|已用尽|已耗尽|用尽|耗尽|超出(?:每日|当日|本月|免费)|续费|会员|vip|次数用光",
)
# A text about a refund names the credits too, but missing credits are not its reason.
REFUND = (
    r"\b(?:refund|deducted|not (?:be |been )?charged|(?:been|were|was|are|is|be) (?:returned|restored|credited)"
    r"|returned to|given back|unchanged|not affected|no credits)|退款|返还|退还|退回|返金|환불|reembols"
)
CLAUSE = r"[.,;!?\u3002\uff0c\uff1b\uff01\uff1f]"  # the last ones are those of Chinese and Japanese
# The caller's own file or link could not be had, however that showed.
BAD_FILE = _pattern(
    r"(?:download|fetch|retriev|load|read|access|open|reach|decod|pars|identif|resolv)\w*(?: to)?(?: an?| the| your"
    r"| from| of| any)* (?:\w+ ){0,2}?(?:image|images|input|inputs|reference|url|urls|link|media|photo|picture|file"
    r"|files|audio|mask|keyframe|first frame|last frame)(?! (?:encoder|decoder|model|processor|pipeline|classifier"
    r"|service)s?)|(?:image|input|reference|url|link|media|photo|picture|file|audio|mask|keyframe|first frame"
    r"|last frame|frame\d|asset)s?(?: url| file| link)?s? (?:\w+ ){0,2}?(?:expired|download\w*"
    r"|returned (?:an? )?(?:http |status )?4\d\d|unreachable"
    r"|inaccessible|corrupt\w*|unreadable|broken|fetch\w*|retriev\w*|(?:can ?not|can't|could not"
    r"|couldn't) be (?:read|loaded|decoded|fetched|reached|opened|downloaded|accessed|processed|parsed))|(?:not"
    r"|n't) an? (?:valid )?(?:image|video|picture|audio file|media file)",
    r"(?:图片|视频|音频|文件|素材|图像|链接|url)(?:地址|链接)?(?:下载|获取|读取|解析|加载|拉取|无法访问|已?过期"
    r"|已?失效)(?:失败|错误|异常)?|远程文件|(?:下载|获取|读取)(?:图片|视频|音频|文件|素材|图像)(?:失败|超时|出错)"
    r"|(?:画像|ファイル)の?(?:ダウンロード|読み込み)|이미지를 (?:다운로드|불러)|(?:图片|视频|音频|文件|素材|图像"
    r"|链接|首帧|尾帧)\S{0,4}无法(?:读取|访问|下载|打开|获取|解析)|无法(?:读取|访问|下载|打开|获取|解析)(?:图片|视频"
    r"|音频|文件|素材|图像|链接)",
)
# The result is gone: it is no input, so nobody need look for a mistake of the caller.
GONE_FILE = r"\A(?:文件|视频|结果|作品)(?:链接)?已?(?:过期|失效)"
TIMEOUT = _pattern(
    r"time ?-?outs?|e(?:socket)?timedout|timed ?-?out|deadline\w*|took (?:too long|longer than|more than)"
    r"|(?:generation|task|job|run"
    r"|execution|processing|prediction) (?:time )?(?:has )?exceeded \d+ ?(?:s|sec|seconds|m|min|minutes|h|hours)"
    r"|ran out of time|time limit|response time exceeded|in (?:the )?queue (?:for )?too long|max(?:imum)? (?:wait\w*"
    r"|(?:queue |queu\w+ )?time|runtime"
    r"|processing time"
    r"|execution time)|within the allowed time|in the allowed time|did not (?:respond|finish|complete) (?:with)?in"
    r"|time (?:is |was )?(?:up|exceeded)|exceeded (?:the )?(?:\w+ )?(?:time|runtime|wait(?:ing)? time)"
    r"|not (?:finish\w*|complet\w*) (?:in|within|on) (?:time|\d)|(?:waited|waiting) too long|took over",
    r"超时|逾时|时间过长|耗时过长|タイムアウト|時間切れ|시간 ?초과|시간이 초과|타임아웃|tiempo de espera"
    r"|tiempo agotado|se agot[oó] el tiempo|(?:超过|超出)(?:最长|最大|规定|允许)?的?(?:等待|执行|运行|处理)?时[间限]",
)
CANCELLED = _pattern(
    r"cancel\w*|abort(?:ed)? (?:by|on)|(?:stopped|interrupted|terminated|revoked|deleted|ended) (?:by|on) (?:the "
    r"|a )?(?:user|client|customer|caller|owner|operator|admin\w*)|(?:user|client|caller) (?:has |have )?(?:abort\w*"
    r"|stopp\w*|closed|disconnected|left|interrupted)|withdrawn by|manually (?:stopped|terminated|ended|interrupted)"
    r"|stopped manually",
    r"取消|撤销|终止任务|被(?:管理员|用户|系统)(?:终止|停止|中断)|手动终止|キャンセル|中止され|취소|중단되었"
    r"|cancelad|anulad|用户(?:已|主动|手动)?(?:终止"
    r"|停止|中断)",
)
AUTH = _pattern(
    r"unauthori[sz]ed|unauthenticated|authenticat\w*|authori[sz]\w*|api ?-?keys?|access ?-?denied|permissions?"
    r"|forbidden|credentials?|(?:invalid|expired|missing|incorrect|wrong|bad) (?:\w+ )?(?:token|signature|key"
    r"|secret)|(?:token|signature|jwt|secret) (?:is |was |has |does )?(?:\w+ )?(?:invalid|expired|missing|match"
    r"|mismatch|malformed|verif\w+)|token not match|jwt|(?:ip )?whitelist(?:ing)?|(?:log|sign) in|(?:you|account|user"
    r"|operation|action|organi[sz]ation|team) (?:\w+ ){0,3}(?:not permitted|not allowed|do not have access"
    r"|no access)|(?:do|does) not have (?:access|rights?)|no access|access rights?|ip (?:address )?(?:is |was "
    r"|has been )?(?:blocked|banned)|(?:account|user|key"
    r"|organi[sz]ation) (?:\w+ ){0,2}(?:locked|suspended|disabled|banned|blocked|inactive|deactivated|abnormal"
    r"|exception|not exist|not activated|revoked)|has not activated|model not open|(?:must|has to|needs to|not"
    r"|n't) be(?:en)? verified|not verified|verify your (?:organi[sz]ation|account|identity)|access (?:disabled"
    r"|forbidden|restricted|refused)|account (?:\w+ )?frozen|invalid account|(?:login|account|identity) verification"
    r"|account (?:\w+ )?not activated|(?:key|token) (?:has been |was |is |not |were )*(?:revoked|disabled|deleted"
    r"|recogni[sz]ed|accepted|rejected)|not entitled|not eligible|allow-?list(?:ed)?|whitelisted|unverified"
    r"|denied access|login|session invalid|check (?:your |the )?(?:api )?key|verify (?:you|your)|(?:could not"
    r"|couldn't) verify",
    r"令牌|无权|没有权限|权限|未登录|未开通|未授权|未鉴权|鉴权|认证|密钥|身份验证|账[户号](?:已|被|状态)?(?:已被"
    r"|被)?(?:锁定|封禁|停用|禁用|不存在|异常)|ip ?白名单|認証|権限|apiキー|ログイン|인증|권한|api ?키"
    r"|autenticaci[oó]n|no autorizad|\bpermisos?\b|clave de api|credenciales|(?:账[户号]|用户|令牌)(?:状态)?(?:已|被"
    r"|已被)?(?:锁定|封禁|禁用|停用|冻结)|签名(?:错误|不匹配|无效|校验|验证)|登录",
)
NOT_FOUND = _pattern(
    r"\Anot ?-?found(?: error)?\Z|(?:task|job|generation|prediction|resource|video|creation|operation|record"
    r"|(?:task|request) ?id)s?\b[^.;]{0,80}(?:not ?-?found|not ?-?exist|n't exist|no longer exist|null)|(?:no such"
    r"|unknown) (?:task|job|video|generation)\w*|no (?:task|job|generation) (?:\w+ )?(?:exists?|found|with)"
    r"|(?:cannot|can't|could not|unable to) find (?:the |that |this |your |any )?(?:task|job|generation|prediction"
    r"|operation|creation)",
    r"任务(?:不存在|未找到|id ?不存在)|(?:找不到|未找到|查无)(?:该|此)?任务|タスクが(?:見つかり|存在し)|작업을 찾을"
    r"|no se encontr[oó] la tarea|tarea no encontrada",
)
EXPIRED = _pattern(
    r"expired?|expir(?:es|y|ation)",
    r"过期|已失效|期限切れ|만료|caducad|expirad",
)
NO_RESULT = _pattern(
    r"no (?:result|output|video|image|media)s?(?: (?:file|url|link)s?)?(?: (?:was |were |is |are |has "
    r"|have )?(?:been )?(?:generated|produced|returned|found|available|created|made|in \w+))?(?! (?:provided|given"
    r"|supplied|input))|empty (?:result|output|video|image|media)s?|(?:did not|didn't) (?:produce|return|generate"
    r"|yield) (?:any|a)|without (?:any )?(?:result|output)|nothing (?:to (?:download|return)|was (?:generated"
    r"|produced|returned)|generated|produced)",
    r"(?:没有|无|未)(?:生成|产生|返回)?(?:结果|输出)|结果为空|空结果|結果がありません|결과가 없|sin resultado"
    r"|(?:没有|未)(?:返回|生成|产出)?(?:视频|图片)(?:结果|文件)?$",
)
# The provider says that it is its own fault, and that it passes.
PASSING = _pattern(
    r"internal (?:\w+ )?(?:error|failure|fault|issue|problem|exception)s?|(?:server|service|system|network"
    r"|gateway) ?(?:error|failure|exception|issue|fault|problem|had an error)s?|(?:server|service"
    r"|network) (?:\w+ )?exception|unavailable|outage|(?:temporar|transient|intermittent)\w*|maintenance|bad gateway"
    r"|gateway|status 50[0234]|(?:returned|http|code|error) (?:50[0234]|529)|is down|are down|went down|offline"
    r"|(?:connection|stream|runner|peer) (?:was |is )?(?:reset|refused|closed|lost|error|aborted|dropped"
    r"|disconnect\w*)|disconnect\w*|reset before|econn\w+|enotfound|epipe|eai again|socket hang ?up|unreachable"
    r"|scheduling failure|failed to schedule"
    r"|could not be scheduled|(?:spot|host|node) (?:\w+ )?(?:interrupt\w*|preempt\w*|terminat\w*)|preempt\w*"
    r"|interrupt\w*|evict\w*|on our (?:side|end)|downstream (?:service )?error|upstream (?:service )?error"
    r"|server had an error|could not be started|glitch\w*|hiccup\w*|(?:is|are|still) (?:booting|starting up"
    r"|warming up|restarting)|our (?:servers?|pipeline|systems?|backend) (?:\w+ ){0,2}(?:failed|error|trouble"
    r"|issues?|problems?)|trouble on our|retry in",
    r"内部(?:错误|异常)|(?:系统|服务|网络|服务器)(?:内部)?(?:错误|异常|出错|故障|不可用|维护)|维护中|暂不可用"
    r"|暂时不可用|无可用渠道|返回 ?50\d|内部エラー|サーバーエラー|メンテナンス|一時的|利用できません|내부 오류"
    r"|서버 오류|점검|일시적|error interno|error del servidor|mantenimiento|no disponible|temporalmente",
)
DOWN = _pattern(
    r"maintenance|unavailable|temporar\w*|offline|bad gateway|gateway timeout|upstream (?:error|timeout"
    r"|connect error)"
    r"|status 50[234]|database is locked|try again later",
    r"维护|不可用|无可用渠道|メンテナンス|점검|mantenimiento",
)
INVALID_INPUT = _pattern(
    r"invalid\w*|incorrect\w*|illegal|wrong (?:file|format|type|size|value|number)|(?:un|not |isn't |only )supported"
    r"|unsupported\w*|(?:are|is|only) supported|supported (?:\w+ )?(?:values|types|formats|sizes|models|are)"
    r"|supports? (?:only|durations?|up to|\d)|(?:does|do|did)(?: not|n't) (?:currently )?support|not valid"
    r"|isn't valid|not accessible|not in \[|not (?:a )?(?:match|allowed|permitted|acceptable|available for"
    r"|compatible)|incompatible|mismatch\w*|must|required|requires?|mandatory|missing|lack(?:s|ing)?|unwanted"
    r"|unknown (?:parameter|field|model|argument|option|value)|malformed|bad request|too (?:large|long|small|short"
    r"|big|many|few|low|high|complex|wide|tall|dark|blurry|heavy|similar)|at (?:least|most) \w+|no (?:more|less"
    r"|fewer|longer|larger|smaller|greater) than|may (?:not be|hold at most|only)|(?:greater|less|more|fewer|larger"
    r"|longer|shorter|smaller|bigger|higher|lower) than|between -?\d[\d.:]* (?:and|to|-) -?\d"
    r"|out of (?:the )?(?:allowed )?(?:range|limits?)|exceed\w*|over \d+ ?(?:mb|m|kb|gb|s|sec|seconds|px|pixels"
    r"|characters)?|up to \d|(?:max|min)(?:imum)?|limited to|only one of|one of|validation|parameters?|params?"
    r"|arguments?|unprocessable|(?:can ?not|can't) be (?:used|empty|null|blank|combined|set|identified|rendered"
    r"|found|deleted)|should (?:be|have|match|contain|not)|be set|please (?:supply|provide|specify|upload|use|check"
    r"|choose|select|add|change|modify|adjust|resize|reduce|shorten|crop)|(?:empty|blank) (?:prompt|input|field"
    r"|image|text)|prompt (?:is |was )?(?:empty|blank)|(?:use|try|choose|pick|upload|with|select"
    r"|provide) an? ?(?:different|another|other|new)|corrupt\w*|cannot identify|undetect\w*|(?:not|n't|no"
    r"|unable to) (?:\w+ )?(?:detect\w*|recogni[sz]e) (?:\w+ ){0,3}(?:face|body|person|people|object|human"
    r"|subject)s?|no (?:human|face|person|people|body|subject|object)s?|multi(?:ple)? (?:human|face|bod)\w*|(?:face"
    r"|body|pose|joints?) (?:\w+ )?(?:detection|check)|no (?:image|file|prompt|input|audio)s?(?: (?:was"
    r"|were))? (?:provided|given|supplied|found|detected)|(?:image|reference|file|audio|model|voice|avatar|character"
    r"|effect|template"
    r"|endpoint|page|data|asset|media|photo|picture|link)s? (?:[\w.-]+ ){0,3}?(?:not ?-?found|(?:does )?not ?-?exist"
    r"|can(?:not| not) be found|deleted|has been deleted|been deleted)|(?:has|have|was|been) deleted|(?:image|file"
    r"|audio|input) (?:upload|format|size|duration|check)\w*|resolutions?|aspect ratios?|dimensions?|width|height"
    r"|pixels?|(?:field|value|option|type|format|duration|length|size|ratio|fps|frames)s? (?:is|are|of|was|must"
    r"|error)|character ratio|out of bounds|multiple of|unexpected (?:value|field|parameter|keyword)|not applicable"
    r"|use case|list should|input should|specify|url error|(?:not|n't) an? (?:valid )?(?:url|link|number|integer"
    r"|array|list|string|boolean)|expected (?:an? |to be )?(?:array|list|string|number|integer|object|boolean|image"
    r"|url|value)s?|differ(?:s|ent)? in (?:size|length|format|resolution|ratio)|only accepts?|accepts? only"
    r"|not (?:offered|possible) (?:for|with)|only (?:[\w-]+ ){1,5}(?:are|is|can be) (?:allowed|accepted|supported"
    r"|permitted|used)|(?:not )?divisible by|(?:text|prompt|input|field|value|list|array|body|content|file"
    r"|image)s? (?:is|was|are|cannot be|can't be|must not be|may not be) (?:empty|blank|null|missing)"
    r"|please (?:describe|enter|input|give|write|fill|attach)|not one of|unrecogni[sz]ed|unknown \w+ (?:type|format)"
    r"|(?:can ?not|can't|cannot) (?:contain|include|combine|exceed|accept|use)|mutually exclusive"
    r"|conflict\w* (?:with|parameters?|options?)|(?:upper|lower) (?:limit|bound)|(?:above|below"
    r"|beyond) (?:the )?(?:\w+ )?(?:limit|maximum|minimum)|limit of \d+ ?(?:characters|images|mb|seconds|files"
    r"|tokens)|(?:has|have|needs?|ought) to be|blurry|blurred|low quality|duplicate (?:image|file|input|parameter)s?"
    r"|no audio track|(?:image|photo|picture|clip|video|audio|prompt) (?:quality|content type|encoding|codec)|codec"
    r"|mime ?type|content ?type|not in (?:\w+ )?(?:jpe?g|png|webp|mp4|mov|wav|mp3|pdf|utf-?8)|(?:won't|does not"
    r"|doesn't|will not) work(?! now| at the moment)|bad (?:picture|image|photo|prompt|input|file|parameter|value"
    r"|url)s?",
    r"参数|无效|非法|有误|不支持|仅支持|只支持|过[大小长短]|超长|超出|超过|不能超过|不得超过|尺寸|分辨率|格式|大小"
    r"|时长|长度|比例|宽高|缺少|缺失|必填|必须|不能为空|为空|不正确|不合法|不符合要求|不存在|未检测到|未识别"
    r"|检测失败|无人脸|人脸|下载失败|暂不支持|请检查|请更换|请上传|無効|形式|サポートされて|対応して|必須|大きすぎ"
    r"|長すぎ|小さすぎ|短すぎ|パラメータ|不正|解像度|検出できません|잘못된|유효하지|형식|지원(?:하지|되지)|필수"
    r"|너무 (?:크|깁|길|작|짧)|매개변수|해상도|파라미터|no (?:es )?v[aá]lid|inv[aá]lid|no (?:es )?compatible|formato"
    r"|obligatori|demasiado (?:grande|larg|peque)|par[aá]metro|resoluci[oó]n|no admitid|\bfalta\b|太[大小长短]|损坏"
    r"|无法识别|上限|下限|仅限|只能|数量|字数|字符|请输入|请选择|请填写|清晰度|模糊|编码|校验失败|解析失败|冲突|重复"
    r"|未提供|未上传|长宽|像素|宽度|高度|不匹配|空です|入力してください|지원되는|입력해 주세요|vac[ií]o|admite solo"
    r"|solo se admite",
)
# Only with a time: a polite refusal says "please try again" too.
LATER = _pattern(
    r"(?:try|retry|retrying|submit|attempt|request)(?: it| this| your request| the request)?(?: again)? (?:later"
    r"|shortly|soon|after|in (?:an?|\d+|some))|(?:please|can|may|should|could) retry|retry (?:later|again|after|in)"
    r"|please wait|wait (?:and|for|a|before)",
    r"稍后|稍候|しばらく|잠시 후|m[aá]s tarde",
)
AGAIN = _pattern(
    r"(?:try|retry|retrying|submit|attempt|request)(?: it| this| your request| the request)? (?:again|later|shortly"
    r"|once more|after|in \d)|(?:please|can|may|should|could|to|and|then|you) retry|retry (?:later|again|after|in"
    r"|the|your|this|it)|please wait|wait (?:and|for|a|before)",
    r"稍后|请重试|再试|重新(?:提交|尝试)|しばらく|再試行|再度|お試し|잠시 후|다시 시도|재시도|m[aá]s tarde"
    r"|int[eé]ntel|vuelva a intentar|reintent",
)
# The request has to be another one: then trying again is no use for this one.
ANOTHER = _pattern(
    r"different|another|modif(?:y|ying|ied)|chang(?:e|ing)|adjust(?:ing)?|rephras\w*|rewrit\w*|edit(?:ing)?"
    r"|remov(?:e|ing)|replac(?:e|ing)|(?:do|should|must) not (?:retry|try|be retried)|don't (?:retry|try)"
    r"|not retr(?:y|ya)\w*|non-?retr\w+|will not help|no use|switch(?:ing)? to|instead|use (?:\w+ )?\d\w*|pick|choose"
    r"|select|selected|upgrade|(?:this|that|your|the) (?:\w+ )?(?:duration|resolution|ratio|size|voice|style"
    r"|plan|option"
    r"|feature|effect|template|format|mode)(?: you \w+)? (?:is|are)|for (?:this|your|that) (?:\w+ )?(?:model"
    r"|plan|account"
    r"|region|country)",
    r"修改|更换|调整|请勿重试|不要重试|切换|改用|换一|其他模型|变更|変更|修正|別の|他の|このモデル|変えて|변경"
    r"|수정|다른 "
    r"|사용할 수 없는|cambie|cambiar|modifique|otro\b|otra\b",
)
TROUBLE = _pattern(
    r"(?:unknown|unexpected) (?:\w+ )?(?:error|exception|failure)s?|(?:something|anything) went wrong|crash\w*",
    r"未知错误|未知异常|流程出错|不明なエラー|알 수 없는 오류|error desconocido",
)

# A text that says this is no end, whatever the status code is. Compiled when one is read, which is rare.
UNFINISHED = (
    r"\bnot (?:yet )?ready\b"
    r"|\b(?:is|are|has|have|still) not (?:yet )?(?:been )?(?:completed?|finished|done|generated|started)\b"
    r"|\b(?:task|job|video|generation|request) not (?:yet )?(?:completed?|finished|done|started)\b"
    # A key that is not yet activated, or a model that does not support something yet, will be refused again.
    r"|\bnot\b(?!.{0,40}(?:verif|activ|enabl|approv|subscri|purchas|paid|pay|valid|agree|support|permit|allow"
    r"|available (?:in|through|on|to|for|with)|releas|launch|access|deploy|train|open))"
    r".{0,40}\byet\b|\bnot (?:yet )?(?:completed?|finished)\b.{0,20}\bstatus\b"
    # "It failed while it was being processed" is an end.
    r"|^(?!.*\b(?:fail|error|invalid|unable|could not|cannot)).*"
    r"\b(?:is|are|still|currently|being|yet) (?:still |currently |being |yet )?"
    r"(?:(?:process|generat|render)(?:ing|ed)|running|pending|queued|in (?:the )?(?:progress|queue))\b"
    r"|^(?!.*\bfail).*\bstill (?:being )?(?:(?:process|generat|render)(?:ing|ed)|running|pending|queued)\b"
    r"|\b(?:in progress|unfinished|yet to be|wait (?:until|till|while)|no (?:result|output|video)s? yet)\b"
    r"|\b(?:in|position in) (?:the )?queue\b|\bqueue position\b|^(?:still |currently |now )?waiting (?:for|to|in)\b"
    r"|\balmost (?:done|ready)\b|\btoo early\b|\bresults? pending\b|\bcheck back\b|\boperation not done\b"
    r"|\b(?:is|still) being (?:(?:process|generat|render|transcod|encod|upload|prepar|creat|upscal|download|sav|stor"
    r"|produc|finali[sz]|queu)ed|made)\b|\b(?:task|job|video|generation|result) is (?:still )?incomplete\b"
    r"|\b(?:video|result|file|output|it) will be (?:ready|available)\b|\bwill be ready\b|\bunder review\b"
    r"|\b(?:awaiting|pending) (?:review|moderation)\b"
    r"|\b(?:try|check|retry|poll|ask|come) (?:again |back )?(?:when|once|after|until)\b.{0,40}"
    r"\b(?:complete[ds]?|finish\w*|ready|done)\b"
    # Chinese, Japanese, Korean
    r"|(?:正在|仍在|还在|還在)(?:处理|生成|排队|运行|渲染|执行|进行|合成|制作|创建|转码|编码|等待|准备|上传"
    r"|下载|审核|处理|處理|製作|排隊|产生|產生|生产)"
    r"|(?:处理|生成|排队|进行|运行|执行|渲染|合成|制作|转码|上传|审核|處理|排隊|進行|処理|実行|作成|変換"
    r"|レンダリング|待機|準備|アップロード)中(?=$|[\s,.;:!?)\]\u2026\u3001\u3002\uff01-\uff1f]|请|です|で)"
    r"|(?:尚未|还未|还没有?|仍未|没有|未)(?:完成|就绪|准备好|结束|完了|开始)|(?:尚未|还未|还没有?|仍未|未)生成"
    r"|等待(?:处理|生成|中)|请(?:稍候|耐心等待|等待)|まだ"
    r"|(?:処理|生成|作成|実行|変換|準備|アップロード)(?:して|されて)いま(?:す|せん)|(?:完了|準備"
    r"|生成)(?:が)?(?:して|できて|されて)いません"
    r"|キューに|順番待ち|(?:처리|생성|진행|대기|작업|렌더링|실행|준비|업로드) ?중|(?:완료|준비|생성"
    r"|처리)되지 않|대기열|생성하는 중|아직"
    # Others: "in progress", "is being made", "not yet ready"
    r"|\ben (?:proceso|progreso|curso|cola|cours|attente)\b|\bem (?:processamento|andamento|fila)\b"
    r"|\bin (?:corso|elaborazione|attesa|coda"
    r"|bearbeitung|arbeit|warteschlange)\b|\best[aá] (?:siendo|sendo)\b|\bwird (?:noch |gerade )?(?:verarbeitet"
    r"|generiert|erstellt"
    r"|gerendert)\b|\bläuft noch\b|в (?:обработке|очереди|процессе)|обрабатыва|генерируе|выполняется|не готов"
    r"|haz\u0131r değil|đang được|przetwarzan|işleniyor|s\u0131rada"
    r"|đang (?:xử lý|tạo|chờ)"
    r"|\bsedang (?:diproses|dibuat)\b|w trakcie|قيد (?:المعالجة|التنفيذ|الانتظار)|กำลัง"
    r"|(?:noch nicht|pas encore|n.est pas|ainda não|non (?:è )?ancora|ещё не|еще не|todav[ií]a no|a[uú]n no"
    r"|jeszcze nie"
    r"|no ha|chưa|belum) .{0,15}"
    r"(?:fertig|bereit|abgeschlossen|prête?|terminée?|termina|pront[oa]|conclu[ií]d|completad|listo|готов"
    r"|заверш|gotow|xong|sẵn|selesai)"
)
# The status itself, whatever is said of it.
UNFINISHED_STATE = (
    r"\bstat(?:us|e)\b(?: is)?\W{1,3}(?:pending|queued|running|processing|generating|rendering|not start|submitted"
    r"|in progress)\b|\bgot (?:processing|pending|queued|running|in progress)\b"
)
AWAITS_REVIEW = r"审核中|(?:正在|等待)审核|\b(?:under|awaiting|pending) (?:review|moderation)\b"
# What is over in spite of such words, or is no task: an account, a key, a plan.
OVER = _pattern(
    r"fail\w*|tim(?:ed|e) ?-?out|cancel\w*|abort\w*|reject\w*|violat\w*|blocked|insufficient|corrupt\w*|stopped"
    r"|terminated|deprecated|not found|accounts?|api keys?|organi[sz]ation|payment|cards?|plans?|limits?|credits?"
    r"|regions?|access",
    r"失败|超时|取消|出错|错误|违规|违反|敏感|拒绝|检测到|停止|终止|不足|欠费|认证|支付|实名|账[号户]|受限|中断|中途"
    r"|中止|无效|失敗|エラー|실패|오류",
)
ENDS = {
    *(Category.QUOTA, Category.AUTH, Category.CONTENT_POLICY, Category.TIMEOUT, Category.CANCELLED),
    *(Category.NOT_FOUND, Category.EXPIRED),
}
# It stands at the place of an error although all went well: "Safety check: passed", "NSFW: false", 审核通过.
ALL_CLEAR = _pattern(
    r"pass(?:ed|es)?|approved|cleared|not flagged|no (?:\w+ ){0,2}(?:violations?|issues?|problems?|errors?|warnings?"
    r"|flags?)(?: (?:found|detected))?|(?:nsfw|flagged|blocked|violation|error|sensitive|timeout|moderation|safety)"
    r"\W{1,3}(?:false|none|no|ok|0|null)|compl(?:y|ies|iant)|adjusted to|expires in|were deducted|was charged"
    r"|(?:credits?|quota|tokens?) (?:used|spent|consumed|left|remaining)|used: \d",
    r"通过|无违规|未发现|消耗|扣除|正常|合规|問題ありません|문제가? ?없",
)
NOT_CLEAR = _pattern(
    r"not|n't|never|no longer|non|without|fail\w*|reject\w*|violat\w*|blocked|refus\w*|declin\w*|den(?:y|ied)|unable"
    r"|forbidden|prohibited|removed|flagged|cannot",
    r"[未不没]|无法|违|敏感|拒|拦截|屏蔽",
)

# The first that fits wins. What is only taken from vague words, such as "invalid", comes after all that is clear.
RULES: tuple[tuple[Category, tuple[str, ...]], ...] = (
    (Category.PROVIDER, (BROKEN_HELPER,)),
    (Category.CONTENT_POLICY, (CONTENT_POLICY,)),
    (Category.PROVIDER, (BROKEN, CROWDED)),
    (Category.QUOTA, (QUOTA,)),
    (Category.EXPIRED, (GONE_FILE,)),
    (Category.INVALID_INPUT, (BAD_FILE,)),
    (Category.TIMEOUT, (TIMEOUT,)),
    (Category.CANCELLED, (CANCELLED,)),
    (Category.AUTH, (AUTH,)),
    (Category.NOT_FOUND, (NOT_FOUND,)),
    (Category.EXPIRED, (EXPIRED,)),
    (Category.NO_RESULT, (NO_RESULT,)),
    (Category.PROVIDER, (PASSING,)),
    (Category.INVALID_INPUT, (INVALID_INPUT,)),
    (Category.PROVIDER, (AGAIN, TROUBLE)),
)


def prepared(text: str) -> str:
    """Returns a text as the patterns expect it: spaced, and without the harmless words."""
    return re.sub(HARMLESS, "-", spaced(text), flags=re.ASCII)


def spaced(text: str) -> str:
    """Returns a text cut, in lower case, and with its words parted by one space."""
    return " ".join(text[:LIMIT].lower().replace("_", " ").replace("\u2019", "'").split())


def category_of(words: str) -> Category | None:
    """Returns the category that a prepared text means, or None when it gives no reason."""
    for category, patterns in RULES:
        said = _without_refunds(words) if category is Category.QUOTA else words
        if any(_has(pattern, said) for pattern in patterns):
            return category
    return None


def _without_refunds(words: str) -> str:
    return ". ".join(clause for clause in re.split(CLAUSE, words) if not re.search(REFUND, clause))


def is_refusal_of_content(words: str) -> bool:
    """Returns whether a prepared text says that moderation refused something."""
    return not _has(BROKEN_HELPER, words) and _has(CONTENT_POLICY, words)


def is_crowded(words: str) -> bool:
    """Returns whether a prepared text says that there is too much to do at once."""
    return _has(CROWDED, words)


def is_down(words: str) -> bool:
    """Returns whether a prepared text says that nobody is served at the moment, whatever was asked."""
    return _has(CROWDED, words) or _has(DOWN, words)


def may_pass(words: str) -> bool:
    """Returns whether a prepared text says that the same request may succeed another time."""
    if _has(ANOTHER, words):
        return False
    return any(_has(pattern, words) for pattern in (CROWDED, PASSING, TIMEOUT, LATER, BROKEN_HELPER))


def goes_on(words: str) -> bool:
    """Returns whether a spaced text says that the task is not done yet, and not that it ended for all that."""
    if re.search(UNFINISHED_STATE, words):
        return True
    if refuses(re.sub(AWAITS_REVIEW, "-", words)):
        return False
    return re.search(UNFINISHED, words) is not None


def is_all_clear(words: str) -> bool:
    """Returns whether a spaced text says that nothing is wrong, and nothing else that is."""
    rest = re.sub(ALL_CLEAR, "-", words, flags=re.ASCII)
    return rest != words and not _has(NOT_CLEAR, rest.replace("n't", " not"))


def refuses(words: str) -> bool:
    """Returns whether a spaced text says that something failed or was refused for good."""
    return _has(OVER, words) or category_of(prepared(words)) in ENDS
