"""What the words of an error mean, in English, Chinese, Japanese, Korean and Spanish.

English counts as whole words, so that an audit log, a primary key violation and a safety margin are no refusals. All
patterns are of bounded length, so that no text can make the search slow.
"""

import re
from functools import lru_cache

from vidhook.task import Category

LIMIT = 2_000
KEPT = 32  # texts whose meaning is kept, as one answer is asked several times what it means


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
    r"|balance of (?:the )?load|subscription to(?! (?:use|access|generate))"
    r"|permission bits?|apikey (?=task|invalid node)|(?:enable )?safety (?:tolerance|checker|level)"
    r"|polic(?:y|ies)(?= ?[:=] ?(?:\w+ )?(?:refund|credit|charge|cancel|full|half))|moderation (?:level"
    r"|setting|mode)|(?:values?|option|parameter|field)s? for moderation|credits? per second"
    r"|token count|(?:incorrect|invalid|illegal|unknown|wrong) keys? (?:or|in) (?:the )?(?:\w+ )?(?:values?"
    r"|parameters?|body|request|json)|parameters?, such as incorrect key|audit (?:\w+ )?(?:log|trail|table"
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
    r"|explicit (?:cast|conversion|deny|denial|value|null|type|region|parameter)s?|polic(?:y|ies) (?:bundle|file"
    r"|document"
    r"|config\w*|object|agent|store|id|version)s?|minor (?:glitch|hiccup|outage)(?:es|s)?|content (?:delivery|server"
    r"|store|length|encoding|hash|disposition)",
    r"白名单策略|限流策略|重试策略|敏感度|moderation level",
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
    r"|returned (?:an? )?(?:error|http|status|empty|5\d\d|invalid|unexpected)|cannot allocate|(?:had|encountered"
    r"|hit|raised"
    r"|threw) an? (?:\w+ )?(?:error|exception)|internal error|internal server error)",
    r"(?:审核|风控|鉴权|检测|计费|内容安全)(?:服务|系统|接口|模块|日志|队列|记录)(?:内部|写入|读取|暂时"
    r"|响应)*(?:异常|超时|不可用|繁忙|出错|错误|失败|故障|中断)"
    r"|审核(?:中断|超时|异常)(?!.{0,8}(?:不通过|拒绝|驳回))",
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
    r"|suggestive|fetish|copyright\w*|infring\w*|trademark\w*|intellectual property|content similarity"
    r"|similarity to (?:third|training"
    r"|existing)"
    r"|brand (?:logo|name|identit\w+|mark)s?|(?:brand|company|trade|registered|corporate) ?-?logos?"
    r"|logos? (?:of|from|belonging)"
    r"|(?:detected|contains?|includes?|shows?|features?|visible|recogni[sz]\w+) (?:an? |the )?(?:\w+ )?(?:logo"
    r"|watermark of)s?"
    r"|(?:third[ -]party|protected|licensed|registered|known|famous|fictional|disney|marvel|nintendo|pok[e\xe9]mon)"
    r" (?:\w+ ){0,2}(?:brand|logo|mark|character|recording|song|melody|lyrics|artwork|franchise)s?"
    r"|(?:resembl\w+|similar to|looks? like|based on|depict\w*|imitat\w+|features?) (?:an? |the )?(?:\w+ ){0,2}"
    r"(?:characters?|franchise|celebrity|actor|artist|brand|politician|president)|ip rights?"
    r"|(?:help|assist) (?:you )?with (?:that|this)(?=[.!]|\Z)"
    r"|third[ -]party (?:content|likeness\w*|rights|ip)|likeness(?:es)?|celebrit(?:y|ies)|public figures?"
    r"|famous (?:person|people)|prominent (?:\w+ )?(?:person|people|figures?)|politicians?|(?:public"
    r"|government|state|elected) (?:official|servant|leader|office holder)s?"
    r"|heads? of (?:state|government)|(?:the|us|current|former|sitting|ex) president|prime minister"
    r"|(?:private|unconsenting) (?:individual"
    r"|person|citizen)s?"
    r"|(?:without|lacks?|no|missing) (?:\w+ ){0,2}consent|consent (?:of|from) the|deep ?fakes?"
    r"|impersonat\w+|identifiable (?:person|people|face)s?|real (?:person|people|persons|human|humans|face|faces"
    r"|individuals?)|minors|under ?-?age\w*|under (?:the age of )?18|children|kids|child (?:abuse|sexual|safety"
    r"|exploitation|nudity)|csam|(?:minor|danger|ip|people|celebrity|audio) (?:filter(?:ed)?|upload|input image)"
    r"|artist names?"
    r"|words? (?:that )?we (?:do not|don't)|self ?-?(?:harm|injur)\w*|tobacco|cigarettes?|alcohol\w*"
    r"|gambling|(?:election|presidential|political) (?:candidate|campaign|ad|poster)s?|goes? against"
    r"|unlicen[sc]ed|belongs? to an?|suicid\w*|gore(?!-)|gory|blood(?:y(?! hell)|shed)"
    r"|tortur\w+"
    r"|weapons?|firearms?|explosives?|drugs?|narcotics?|terroris\w+|extremis\w+|hate(?:ful)?|harass\w*|bully\w*"
    r"|racis[mt]|slurs?|harmful|illicit|illegal (?:content|activit\w+|acts?)|abus(?:e|ive)|disallowed"
    r"|adult (?:content|material|theme\w*|imagery|nud\w+|video|image|scene|subject|oriented)s?|adult\Z"
    r"|personal (?:information|data) in|flagged|we (?:have )?blocked|photo-?realistic (?:people|persons?|humans?"
    r"|faces?)|blocklist\w*|blacklist\w* words?|(?:prompt|content|input|output"
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
    r"|politician|character|face|brand|person|people|figure|work)s?|(?:community|content|usage"
    r"|platform|our) (?:rules|terms)"
    r"|political (?:content|figures?|topics?)|(?:which|that|this|these|and|as) we (?:do not|don't"
    r"|cannot|can't|won't) (?:depict|portray|show|generate|create|animate"
    r"|render|allow)|(?:do not|don't|does not|cannot|can't|won't|not able to) (?:generate"
    r"|create|make|produce|depict|render|show|animate) (?:\w+ ){0,3}(?:content|people|persons?|imagery|material"
    r"|scenes?|figures?)|generation (?:is |was )?not (?:allowed|permitted)|ip (?:detected|risk|violation)"
    r"|(?:contain(?:s|ing)?|depict(?:s|ing)?|show(?:s|ing)?|with|of|involv(?:es|ing)|includ(?:es"
    r"|ing)) (?:an? )?(?:\w+ )?(?:child|minor|kid|teen\w*|infant)s?|risk (?:rule|word|term|warning|alert|level)s?"
    r"|withheld|mature content|graphic (?:content|violence|imagery)|disturbing|propaganda|unethical|against (?:our"
    r"|the) (?:\w+ )?(?:rules|policies|standards|terms|principles)|breach(?:es)? of|not appropriate|not suitable"
    r"|unsuitable|improper|legal reasons|high ?-?risk|known ip|(?:image|photo|picture|upload)s? (?:shows?|depicts?)"
    r" (?:an? |real )?(?:person|people|human)s?|restricted (?:subject|topic|categor\w+)s?|(?:sensitive|restricted"
    r"|blocked|banned) words?"
    r"|(?:model|provider|ai) (?:refused|declined|rejected)(?! (?:the |our )?connection| to connect)"
    r"|refused to (?:generate|create|answer)|public (?:person|people|personalit\w+)|named (?:person|people"
    r"|individual)s?|privacy information|suspected (?:infringement|violation|copyright)|(?:discriminat"
    r"|defamat)(?:ory|ion)|medical advice|religious|(?:had|have|has|must) to decline|(?:our|content|safety"
    r"|review) (?:checks|reviewers?|standards)|(?:not|n't|never) (?:been )?approved?|topics? (?:that )?we|\Ablocked",
    r"审核|敏感|违规|违禁|违法|违反|不合规|合规问题|不符合(?:社区|平台|内容)?规范|风控|内容风险|安全风险|存在风险"
    r"|侵权|侵犯|版权|肖像|色情|真人|涉黄|涉政|暴力|血腥|未成年|名人|明星|公众人物|公职人员|官员"
    r"|国家元首|政要|(?:品牌|厂商|第三方)(?:标识|标志|logo|元素)|卡通形象|影视角色|动漫角色|角色形象"
    r"|不安全|政策|策略阻止|平台策略"
    r"|安全(?:策略|检测|检查|校验|审查)|不适宜|不当内容|不良(?:信息|内容)|裸露|低俗|屏蔽|拦截|知识产权|商标|侮辱"
    r"|恐怖|ポリシー|違反|不適切|センシティブ|著作権|規約|モデレーション|性的|暴力的|ガイドライン|未成年|정책|부적절"
    r"|위반|저작권|선정적|유해|가이드라인|미성년|검열|민감|pol[ií]ticas?\b|inapropiad|inadecuad|infring"
    r"|derechos de autor|desnud|violencia|\bviola (?:nuestr|la|el|lo)|prohibid|moderaci[oó]n"
    r"|法律法规|不允许的|侵害|权益|公序良俗|二维码|烟草|不当|不雅"
    r"|不文明|不健康|赌博|毒品|自残|自杀|枪支|武器|宗教|政治|领导人|儿童|仇恨|歧视|隐私信息|触犯|违背|禁止(?:生成"
    r"|内容|词)|内容安全|安全过滤|过滤|実在の人物|公序良俗|肖像権|著名|有名人|政治家|(?:著名"
    r"|有名|既存|版権)\S{0,4}キャラクター|キャラクターが含まれ|(?:企業|ブランド)\S{0,3}ロゴ|商標"
    r"|暴力|nsfw|許可されていない(?:内容|コンテンツ)|アダルト|금지된|음란"
    r"|폭력|유명인|정치인|초상권|침해|성인|(?:유명|기존) ?캐릭터|캐릭터가 포함|상표|불법 (?:콘텐츠"
    r"|내용)|실존 인물|contenido (?:bloqueado|rechazado|no permitido|sensible)|persona real|celebridad"
    r"|pol[ií]tico|figuras? p[uú]blica|para adultos|personaje|marca registrada"
    r"|menores de edad|[机前预人]审(?:拒绝|不通过|失败|未通过)|人像|ip ?角色|안전 (?:검사|필터|기준)|support codes?"
    r"|filtros? de seguridad|bloquead[ao]|鉴黄|(?:无法|未能|没有)通过(?:合规|审|安全)|regras da comunidade"
    r"|conte[uú]do (?:adulto|impr[oó]prio|sens[ií]vel|sexual)|linguagem ofensiva|pol[ií]ticas? de|viola as|enfreint"
    r"|charte d'utilisation|contenu (?:[aà] caract[eè]re |inappropri|sexuel|sensible)|semble [eê]tre mineur"
    r"|r[eè]gles de la communaut|nutzungsbedingungen|anst[oö]ßig|gewaltdarstellung|verst[oö]ßt gegen|jugendschutz"
    r"|richtlinie|unangemessen|minderj[aä]hrig|urheberrecht|droits? d'auteur|direitos autorais|未?(?:能)?过审"
    r"|限制级|内容限制|ip ?形象|禁止(?:ワード|用語|語)|人物が含まれ"
    r"|未通过\S{0,6}(?:审|检测)|社区公约|审查|不宜|真实(?:人物|人像|人脸)",
)
# The provider's own machinery broke, whatever other words its trace contains.
BROKEN = _pattern(
    r"(?:key|index|type|attribute|runtime|assertion|name|import|memory|zero ?division|unicode\w*|os|io|null ?pointer"
    r"|module ?not ?found|file ?not ?found|broken ?pipe|connection|json ?decode) ?(?:error|exception)s?"
    r"|invalid (?:pointer|memory|state|opcode|address)|cannot read propert\w+|of undefined|undefined is not|traceback"
    r"|stack ?trace|panic|core dumped"
    r"|segmentation fault|segfault|nil pointer|null pointer|nonetype|list index out of range|index out of (?:range"
    r"|bounds)|unexpected keyword argument|object has no attribute|assert triggered|tensor|(?:video|audio"
    r"|output) (?:encoding|muxing) failed|produced a corrupt|shape mismatch"
    r"|illegal (?:memory"
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
    r"(?:视频|音频|输出)编码失败|上游(?:渠道|服务|接口)?(?:返回|异常|错误|报错|失败)|数据库|显存|无可用渠道"
    r"|渠道(?:异常|错误)",
)
# Too much at once: it passes by itself.
CROWDED = _pattern(
    r"rate ?-?limit\w*|(?:rate|request) (?:growth )?limit|too many (?:\w+ )?(?:people|users|requests"
    r"|generations|jobs|tasks"
    r"|calls|operations)"
    r"|throttl\w*|\d at a time|resources? (?:is |are )?insufficient|insufficient resources?"
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
    r"|속도 제한|demasiadas (?:solicitudes|peticiones)|simult[aá]ne|sobrecarg|saturad|l[ií]mite de (?:velocidad"
    r"|frecuencia)|拥堵"
    r"|高峰|排队(?:中|过多|过长|任务过多)|算力不足|资源(?:不足|紧张)|火爆",
)
# Few providers count in money: theirs has a name of its own.
MONEY = (
    r"(?:gem|spark|coin|token|diamond|star|crystal|bean|point|fuel|energ(?:y|ie)|stamina|ticket"
    r"|bolt|mana|spell|crown|stamp"
    r"|pearl|chip|kudo|buzz|boost|wish|flare|orb|gold|jewel|dollar|cent|euro|fund)(?:e?s)?"
)
RUNS = r"(?:run|render|generation|creation|use|call|request|second|minute|hour|image|video|clip)s?"
QUOTA = _pattern(
    rf"(?:not enough|out of|no more|no|insufficient|used up|used all|spent all|lacks?) (?:of )?(?:your "
    rf"|the )?(?:\w+ )?{MONEY}"
    rf"(?! (?:detected|found|visible|in|of|on|for|provided|given|per|\w+ the (?:image|video|clip|frame|mask))\b)"
    rf"|(?:daily|weekly|monthly|free|included|trial|your|all) (?:\w+ )?(?:{MONEY}|{RUNS}) (?:(?:is"
    rf"|are|was|were|have|has|been"
    rf"|all) )*(?:used up|exhausted|spent|consumed|depleted)|(?:used|spent|consumed) (?:up )?(?:all )?(?:of )?your ("
    rf"?:\w+ )?"
    rf"(?:{MONEY}|{RUNS})|used up|(?:free|daily|monthly) (?:runs|renders|generations|videos|uses) (?:are"
    rf"|is) gone|(?:no|0|zero) (?:more )?(?!retries|attempts|nodes|workers|gpus"
    rf"|slots|space|memory|disk)\w+"
    r" (?:left|remaining)|come back (?:tomorrow|next (?:week|month))|invoices?|debts?|"
    r"insufficient (?:\w+ ){0,2}(?:balance|credits?|funds?|quotas?|points|money|tokens|allowance)"
    r"|(?<!resource )insufficient\Z|no more (?:[\w.-]+ ){0,3}(?:generations?|uses)"
    r"|(?:not enough|out of|no more|low on|lack of|exhausted|top up(?: your)?) (?:points|funds|tokens|balance"
    r"|credits?|quota|money)|balance|credits?|quotas?|billing|bill|payments?|unpaid|arrears?|arrearage|overdue"
    r"|recharge|top ?-?up|(?:daily|weekly|monthly) (?:\w+ ){1,3}(?:limit|cap)s?|trial (?:\w+ )?ran out"
    r"|have \d+(?:\.\d+)? (?:\w+ )?left"
    r"|not (?:have )?enough (?:\w+ )?(?:tokens|points|coins|credits)|(?:set|plan|daily|weekly|monthly|usage"
    r"|spending|spend|inference|hard|soft|active user"
    r"|account|trial|free|tier|budget) (?:\w+ )?(?:limit|cap|allowance|quota)s?|free tier|(?:free )?trial (?:has "
    r"|is |was )?(?:ended|over|expired|finished)|resource pack\w*|(?:not|isn't) (?:\w+ )?(?:in|included in|part of"
    r"|available (?:in|on|for|with)) (?:your |the )?(?:\w+ )?(?:plan|subscription|tier|package)|(?:plan|subscription"
    r"|tier) (?:does not|doesn't) (?:include|allow|support|cover)|needs? an? (?:\w+ )?(?:subscription|plan)"
    r"|upgrade (?:to (?:an? "
    r"|the )?(?:pro|paid|higher|premium|plus|max)|your (?:plan|account|subscription|tier))|subscription|subscribe"
    r"|purchase|allowance|prepaid|postpaid|unpurchased|not (?:been )?purchased|(?:have |has )?run out of (?:credits?"
    r"|funds|points|tokens)|wallet|(?:out of|add|no|more) (?:money|funds)|(?:spend\w*|cost|usage"
    r"|budget) (?:\w+ )?(?:cap|ceiling|limit)|(?:paid|pro|premium|enterprise) (?:plan|tier|account|users?|members?)"
    r"|limit (?:is |was )?(?:reached|hit) for (?:your|this) (?:account|plan|day|month|project)|(?:no|zero"
    r"|0) remaining|generations? left|payment required|(?:no|not) (?:\w+ )?(?:active )?(?:subscription|licen[cs]e)"
    r"|(?:generations?|credits?|uses) (?:for|left for) (?:today|this month)|card (?:was |is |has "
    r"|has been )?(?:declined|expired|refused)|payment method",
    r"停机|缴费|cr[eé]dits? (?:[eé]puis|insuffisant)|solde insuffisant|guthaben|saldo insuficiente|余额|额度|积分"
    r"|点数|欠费|充值|套餐|资源包|使用上限|限额|次数(?:限|已用|用完|不足|已达|达到|已满)|用量(?:超|已)"
    r"|配额|扣费失败|クレジット|残高|クォータ|上限に達|残量|回数上限|翌月|使い切|無料枠|(?:コイン|チケット"
    r"|ジェム|トークン)が(?:不足|足り)|ポイントが不足|크레딧|횟수를? 모두|잔액|할당량|한도"
    r"|포인트가 부족"
    r"|결제|\bsaldo\b|cr[eé]ditos?\b|\bcuota\b|l[ií]mite (?:mensual|diario|de uso)|\bpagos?\b"
    r"|钱包|余量|剩余(?:次数|额度|数量|条数)|(?:豆|币|券|钻石?|水晶|贝壳?|星星|能量|灵感|魔力"
    r"|体力|火花|算力[值点豆])值?(?:数量?|余额)?(?:不足|不够|已?用完|用光"
    r"|已?耗尽|没有了)|算力(?:值|点|币)|灵感值|代币|金币|已用尽|已耗尽|用尽|耗尽|超出(?:每日"
    r"|当日|本月|免费)|续费|会员|vip|次数用光",
)
# A text about a refund names the credits too, but missing credits are not its reason.
REFUND = (
    r"\b(?:refund|deducted|not (?:be |been )?charged|(?:been|were|was|are|is|be) (?:returned|restored|credited)"
    r"|returned to|given back|unchanged|not affected|no credits)|返却|返還|退款|返还|退还|退回|返金|환불|reembols"
)
SIGNS = " .,;:!-\u3001\u3002\uff0c\uff1b\uff01"
CLAUSE = r"[.,;!?\u3002\uff0c\uff1b\uff01\uff1f]"  # the last ones are those of Chinese and Japanese
# The caller's own file or link could not be had, however that showed.
BAD_FILE = _pattern(
    r"(?:download|fetch|retriev)\w* (?:https?:|assets?\b)|40\d client error[^:]*: [^:]*for url|(?:download|fetch"
    r"|retriev|load|read|access|open|reach|decod|pars"
    r"|identif|resolv)\w*(?: to)?(?: an?| the| your"
    r"| from| of| any)* (?:\w+ ){0,2}?(?:image|images|input|inputs|reference|url|urls|link|media|photo|picture|file"
    r"|files|audio|mask|keyframe|(?:first|last|start|starting|end|ending|opening|closing|head"
    r"|tail) frame|upload|source|clip)(?! (?:encoder|decoder|model|processor|pipeline|classifier"
    r"|service)s?)|(?:image|input|reference|url|link|media|photo|picture|file|audio|mask|keyframe|first frame"
    r"|last frame|frame\d|asset|source (?:video|clip)|(?:video|clip) source)s?(?: url| file| link)?s?"
    r" (?:\w+ ){0,2}?(?:expired|download\w*"
    r"|returned (?:an? )?(?:http |status )?4\d\d|unreachable"
    r"|inaccessible|(?:not|no longer) (?:reachable|accessible)|decod\w* (?:error|fail\w*)"
    r"|corrupt\w*|unreadable|broken|fetch\w*|retriev\w*|(?:can ?not|can't"
    r"|could not"
    r"|couldn't) be (?:read|loaded|decoded|fetched|reached|opened|downloaded|accessed|processed"
    r"|parsed))|(?:video|clip|movie) (?:download|fetch|decod|load|read|pars|open)\w* (?:error"
    r"|fail\w*)|(?:not"
    r"|n't) an? (?:\w+ )?(?:image|video|picture|movie|clip|audio file|media file)",
    r"(?:图片|视频|音频|文件|素材|图像|链接|url)(?:地址|链接| ?url)?(?:下载|获取|读取|解析|解码|加载|拉取|无法访问"
    r"|不可访问|已?过期"
    r"|已?失效)(?:失败|错误|异常)?|远程文件|(?:下载|获取|读取)(?:图片|视频|音频|文件|素材|图像)(?:信息"
    r"|内容)?(?:失败|超时|出错)"
    r"|(?:画像|ファイル)の?(?:ダウンロード|読み込み)|이미지를 (?:다운로드|불러)|(?:图片|视频|音频|文件|素材|图像"
    r"|链接|首帧|尾帧)\S{0,4}无法(?:读取|访问|下载|打开|获取|解析)|无法(?:读取|访问|下载|打开|获取"
    r"|解析)\S{0,6}?(?:图片|视频"
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
    r"|execution time)|within the allowed time|in the allowed time|(?:did not|didn't|couldn't"
    r"|could not) (?:respond|finish|complete)(?: \w+){0,2} (?:with)?in"
    r"|time (?:is |was )?(?:up|exceeded)|wall ?-?(?:clock|time)|heartbeat|exceed\w* (?:the |its "
    r"|an? )?\d+ ?(?:s|sec|seconds|m|min|minutes|h|hours)"
    r" (?:limit |of )?(?:runtime|wall|timeout|execution|processing|budget)|exceeded (?:the )?(?:\w+ )?(?:time"
    r"|runtime|wait(?:ing)? time)"
    r"|not (?:finish\w*|complet\w*) (?:in|within|on) (?:time|\d)|(?:waited|waiting) too long"
    r"|took (?:over )?\d+ ?(?:s|sec|seconds|m|min|minutes)|took over|(?:ran"
    r"|running|runs) (?:\w+ )?(?:longer|more) than|waiting for \w+ after"
    r"|after \d+ ?(?:s|sec|seconds|m|min|minutes|h|hours)\b|still running after",
    r"(?:结果|运行|处理|生成|渲染|执行|等待|任务)\S{0,4}(?:超过|超出) ?(?:\d+ ?(?:秒|分钟|分|个?小时)|限制时间"
    r"|最[大长]时[长间]|限制)"
    r"|超过 ?\d+ ?(?:秒|分钟|分|小时)(?:仍)?未|제한 시간|超时|逾时|时间[过太]长|[耗用]时[过太]长"
    r"|タイムアウト|時間切れ|시간 ?초과"
    r"|시간이 초과|타임아웃|tiempo de espera"
    r"|tiempo agotado|se agot[oó] el tiempo|(?:超过|超出)(?:最长|最大|规定|允许)?的?(?:等待|执行|运行|处理)?时[间限]",
)
CANCELLED = _pattern(
    r"(?:client|caller|user) (?:hung up|went away|gave up)|(?:owner|user|client|customer|operator) (?:\w+ )?(?:pres"
    r"sed|hit|clicked|chose|requested"
    r"|asked|triggered)(?: \w+){0,3} (?:stop|cancel|abort|end)\w*"
    r"|(?:upon|on|per|following|after) (?:the |an? )?(?:\w+ )?(?:user|client|customer|owner|caller)'?s? (?:request"
    r"|command|action|wish|order)"
    r"|(?:stopped|ended|aborted|terminated|deleted|removed) by (?:\w+ ){0,2}(?:user|owner|client"
    r"|customer|admin\w*|caller|operator)"
    r"|cancel\w*|abort(?:ed)? (?:by|on)|at the (?:client|user|customer|caller|owner)'?s? request|\Aaborted\Z"
    r"|(?:stopped|interrupted|terminated|revoked|deleted|ended) (?:by|on) (?:the "
    r"|a )?(?:user|client|customer|caller|owner|operator|admin\w*)|(?:user|client|caller) (?:has |have )?(?:abort\w*"
    r"|stopp\w*|closed|disconnected|left|interrupted)|withdrawn by|manually (?:stopped|terminated|ended|interrupted)"
    r"|stopped manually|(?:stopped|cancelled|ended) by you",
    r"取消|撤销|终止任务|被(?:管理员|用户|系统)(?:终止|停止|中断)|手动(?:终止|停止|中断|结束"
    r"|关闭)|人工终止|キャンセル|中止され|취소|중단되었"
    r"|cancelad|anulad|abgebrochen|annul[eé]|用户(?:已|主动|手动)?(?:终止"
    r"|停止|中断)",
)
AUTH = _pattern(
    r"unauthori[sz]ed|unauthenticated|auth ?fail\w*|secret ?id|not (?:been )?(?:activated|enabled) (?:for|on"
    r"|in) (?:your"
    r"|this|the) (?:account|project|organi[sz]ation)|authenticat\w*|authori[sz]\w*|api ?-?keys?|access ?-?denied"
    r"|permissions?"
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
    r"|account (?:\w+ )?not activated|(?:key|token) (?:[\w*.-]+ )?(?:has been |was |is |not |were )*(?:revoked"
    r"|disabled|deleted"
    r"|recogni[sz]ed|accepted|rejected)|not entitled|not eligible|allow[ -]?list(?:ed)?|whitelisted|unverified"
    r"|denied access|login|session invalid|check (?:your |the )?(?:api )?key|verify (?:you|your)"
    r"|(?:key|token|secret) (?:\w+ ){0,3}(?:rotated|replaced|removed|retired|old|unknown|mismatch\w*"
    r"|valid\Z)"
    r"|(?:signature|token|key) (?:\w+ )?(?:check|verification|validation)|(?:lacks?|missing|without"
    r"|insufficient|requires?) (?:the |an? )?(?:\w+ )?"
    r"(?:scope|role|privilege|grant|entitlement)s?|(?:key|token|account) (?:\w+ ){0,3}closed"
    r"|key (?:is )?not (?:allowed|permitted|enabled)|accept the (?:\w+ ){0,2}terms|access list"
    r"|waitlist\w*|invite[ -]only|(?:could not"
    r"|couldn't) verify",
    r"令牌|无权|没有权限|未对.{0,8}开放|权限|未登录|未开通|未授权|未鉴权|鉴权|认证|密钥|身份验证"
    r"|账[户号]\S{0,4}(?:非活动|未激活"
    r"|未启用)|账[户号](?:已|被|状态)?(?:已被"
    r"|被)?(?:锁定|封禁|停用|禁用|不存在|异常)|ip ?白名单|認証|権限|api ?キー|ログイン|인증|권한|api ?키"
    r"|autenticaci[oó]n|(?:token|clave|llave) (?:\w+ ){0,3}(?:revocad|caducad|inv[aá]lid)|no autorizad"
    r"|\bpermisos?\b|clave de api|credenciales|(?:账[户号]|用户|令牌)(?:状态)?(?:已|被"
    r"|已被)?(?:锁定|封禁|禁用|停用|冻结)|账[号户]\S{0,4}(?:限制|受限)|签名(?:错误|不匹配|无效"
    r"|校验|验证)|登录|chave (?:\w+ ){0,3}(?:revogad"
    r"|inv[aá]lid|expirad)|cl[eé] (?:d'api )?(?:\w+ ){0,2}(?:invalide|r[eé]voqu|expir)",
)
NOT_FOUND = _pattern(
    r"\Anot ?-?found(?: error)?\Z|(?:task|job|generation|prediction|resource|video|creation|operation|record"
    r"|(?:task|request) ?id)s?\b[^.;]{0,80}(?:not ?-?found|not ?-?exist|n't exist|no longer exist|null)"
    r"|there is no \w+ (?:with|for) (?:this|that)|nothing (?:is )?known about|no longer (?:known"
    r"|kept|stored|retained|available for retrieval)"
    r"|(?:task|job|record|generation|\A) ?gone\Z"
    r"|(?:task|job|generation|prediction)s? (?:[\w-]+ )?(?:was|has been|were) (?:deleted|purged)|(?:no such"
    r"|unknown) (?:task|job|video|generation|render|clip|id|run)\w*|(?:task|job|render|request"
    r"|generation)(?: id)? (?:\w+ )?not (?:recogni[sz]ed|known)|no (?:task|job|generation) (?:\w+ )?(?:exists?"
    r"|found|with)"
    r"|(?:cannot|can't|could not|unable to|failed to|n't) find (?:the |that |this |your |any )?(?:task|job|generation"
    r"|prediction|operation|creation|render)",
    r"查不到|任务(?:不存在|未找到|id ?不存在|记录已)|no existe (?:la|ninguna|esa) tarea|(?:找不到|未找到|查无|查不到"
    r"|查询不到)(?:该"
    r"|此)?任务|タスク[がは](?:見つかり|存在し)|작업을 찾을"
    r"|no se encontr[oó] la tarea|tarea no encontrada",
)
EXPIRED = _pattern(
    r"expired?|expir(?:es|y|ation)|\d+ (?:days|hours) old|purged",
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
    r"|issues?|problems?)|trouble on our",
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
    r"unable to process (?:the |your )?(?:input|uploaded|reference)|ensure (?:that )?(?:the|your)"
    r"|not in an? (?:\w+ ){0,3}"
    r"format|base ?64|(?:face|person|body|human|subject)s? (?:\w+ )?not (?:detected|found|recogni[sz]ed|visible)"
    r"|(?:template|effect|feature|style) (?:\w+ )?not activated|not active|is silent|silent audio"
    r"|model ['\"\w.-]+ (?:does not|doesn't|not) exist"
    r"|comply with (?:[\w']+ ){1,4}spec\w*|invalid\w*|incorrect\w*|illegal|wrong (?:file|format|type"
    r"|size|value|number)|(?:un|not |isn't |only )supported"
    r"|unsupported\w*|(?:are|is|only) supported|supported (?:\w+ )?(?:values|types|formats|sizes|models|are)"
    r"|supports? (?:only|durations?|up to|\d)|(?:does|do|did)(?: not|n't) (?:currently )?support|not valid"
    r"|isn't valid|not accessible|not in [\[({]|not (?:a )?(?:match|allowed|permitted|acceptable|available for"
    r"|compatible)|incompatible|mismatch\w*|must|required|requires?|mandatory|missing|lack(?:s|ing)?|unwanted"
    r"|unknown (?:parameter|field|model|argument|option|value)|malformed|bad request|too (?:large|long|small|short"
    r"|big|many|few|low|high|complex|wide|tall|dark|blurry|heavy|similar)|at (?:least|most) \w+|no (?:more|less"
    r"|fewer|longer|larger|smaller|greater) than|may (?:not be|hold at most|only)|(?:greater|less|more|fewer|larger"
    r"|longer|shorter|smaller|bigger|higher|lower) than|between -?\d[\d.:]* (?:and|to|-) -?\d"
    r"|out of (?:the )?(?:allowed )?(?:range|limits?)|exceed\w*|over \d+ ?(?:mb|m|kb|gb|s|sec|seconds|px|pixels"
    r"|characters)?|up to \d|(?:max|min)(?:imum)?|limited to|only one of|one of|validation|parameters?|params?"
    r"|arguments?|unprocessable|(?:can ?not|can't) be (?:used|empty|null|blank|combined|set|identified|rendered"
    r"|found|deleted)|should (?:be|have|match|contain|not)|be set|please (?:supply|provide|specify|upload|use|check"
    r"|choose|select|add|change|modify|adjust|resize|reduce|shorten|crop)|(?:empty|blank) (?:prompt"
    r"|input|field|script"
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
    r"|(?:not|n't) accepted|\d at most|(?:not|but not|or) both|only available (?:at|in|for|with)|\d characters"
    r"|not (?:offered|possible) (?:for|with)|only (?:[\w-]+ ){1,5}(?:are|is|can be) (?:allowed|accepted|supported"
    r"|permitted|used)|(?:not )?divisible by|(?:text|prompt|input|field|value|list|array|body|content|file"
    r"|image)s? (?:is|was|are|cannot be|can't be|must not be|may not be) (?:empty|blank|null|missing)"
    r"|please (?:describe|enter|input|give|write|fill|attach)|not one of|unrecogni[sz]ed|unknown \w+ (?:type|format)"
    r"|(?:can ?not|can't|cannot) (?:contain|include|combine|exceed|accept|use)|mutually exclusive"
    r"|conflict\w* (?:with|parameters?|options?)|(?:upper|lower) (?:limit|bound)|(?:above|below"
    r"|beyond) (?:the )?(?:\w+ )?(?:limit|maximum|minimum)|limit of \d+ ?(?:characters|images|mb|seconds|files"
    r"|tokens)|(?:has|have|needs?|ought) to be|blurry|blurred|low quality|duplicate (?:image|file|input|parameter)s?"
    r"|no audio track|(?:image|photo|picture|clip|video|audio|prompt) (?:quality|content type|encoding|codec)|codec"
    r"|(?:other|another|different) (?:size|length|format|resolution|ratio|shape|dimension)s? (?:than"
    r"|from|to)|only (?:[\w-]+ ){1,4}"
    r"(?:clip|image|video|file|photo|picture|input|track|format)s? (?:are|is|can be) \w+|must lie"
    r"|lie within|minimum is|maximum is|\d+ is (?:above|below|over|under)|identical"
    r"|mime ?type|content ?type|not in (?:\w+ )?(?:jpe?g|png|webp|mp4|mov|wav|mp3|pdf|utf-?8)|(?:won't|does not"
    r"|doesn't|will not) work(?! now| at the moment)|bad (?:picture|image|photo|prompt|input|file|parameter|value"
    r"|url)s?",
    r"参数|无效|非法|有误|不支持|仅支持|只支持|(?:类型|名称|模式|取值|值)错误|请?换[一]?个(?:描述|提示)"
    r"|tamaño m[aá]ximo|过[大小长短高低暗亮]|帧率|最多(?!重试)|最少|不能.{0,20}同时|までです"
    r"|m[aá]s de \d|至少|不少于|不大于|不小于|超长|超出"
    r"|超过|不能超过|不得超过|尺寸|分辨率|格式|大小"
    r"|时长|长度|比例|宽高|缺少|缺失|必填|必须|不能为空|为空|不正确|不合法|不符合要求|不存在|未检测到|未识别"
    r"|检测失败|无人脸|人脸|下载失败|暂不支持|(?:找|检测)不到|暂?不能使用|请检查|请更换|请上传|無効|形式"
    r"|サポートされて|対応して|必須|大きすぎ"
    r"|長すぎ|小さすぎ|短すぎ|パラメータ|不正|解像度|検出できません|잘못된|유효하지|형식|지원(?:하지|되지)|필수"
    r"|너무 (?:크|깁|길|작|짧)|매개변수|해상도|파라미터|指定してください|(?:以下|以上|以内)にして|파일을 (?:열"
    r"|읽을) 수|dimensiones|no coincid|최대 ?\d|넘습니다|초과합니다|debe (?:medir|ser|tener|estar)"
    r"|(?:precisa|deve) (?:ser|ter|estar)|doit (?:[eê]tre|avoir)|aucun visage|introuvable|n'est pas (?:valide|pris)"
    r"|ung[uü]ltig|nicht unterst[uü]tzt|besch[aä]digt|darf nicht|muss (?:zwischen|min|h[oö]chst|ein)"
    r"|no (?:es )?v[aá]lid|inv[aá]lid|no (?:es )?compatible|formato"
    r"|obligatori|demasiado (?:grande|larg|peque)|par[aá]metro|resoluci[oó]n|no admitid|\bfalta\b|太[大小长短]|损坏"
    r"|无法识别|上限|下限|仅限|只能|数量|字数|字符|请输入|请选择|请填写|清晰度|模糊|编码|校验失败|解析失败|冲突|重复"
    r"|未提供|未上传|长宽|像素|宽度|高度|不匹配|空です|入力してください|지원되는|입력해 주세요|vac[ií]o|admite solo"
    r"|solo se admite",
)
# A polite end of any text, a refusal too. It is taken out before anything is looked for: it says nothing of the reason.
WHEN = (
    r"again|later|soon|shortly|tomorrow|once more|after|in (?:an?|\d+(?: ?[smh]\b)?|some|few)"
    r"|next (?:time|day|week|month)"
    r"|another (?:time|day)"
)
INVITATION = _pattern(
    r"(?:(?:please|kindly|just|simply|or|and|then|so|feel free to|you (?:can|may|could|should"
    r"|might want to))[ ,]+){0,4}"
    r"(?:wait(?: (?:for|an?|few|some|couple|of|\d+|moments?|bit|while|seconds?|minutes?|hours?)){0,4}"
    r"(?:[ ,]+(?:and|then|before|to))*[ ,]+)?"
    r"(?:(?:re)?try(?:ing)?|(?:re)?-?submit(?:ting)?|(?:re)?-?send|re-?run|attempt|request|check|come|ask)"
    r"(?: (?:it|this|that|the|your|request|generation|task|job|submission|it once|back)){0,3}"
    rf" (?:{WHEN})"
    r"(?: (?:(?:in|after) \d+(?: ?[smh]\b)?|again|later|soon|shortly|in|after|an?|few|some|couple|of|seconds?"
    r"|sec|minutes?|min|hours?"
    r"|days?|moments?|while|bit|time|please(?=[.!,;]|\Z)))*+"
    r"|(?:please|kindly|can|may|could|should) (?:retry|resubmit|re-?run)(?: (?:it|this|the|your|request|task|job))*+"
    r"|(?:please )?retry(?: (?:it|this request|your request|the request|the task|now))?(?=[.!,;]"
    r"|\Z)|please (?:be patient"
    r"|stand by)"
    r"|please wait(?: (?:for|an?|few|some|couple|of|\d+|moments?|bit|while|seconds?|minutes?|hours?))*+"
    # After German, French, Dutch and the others come those that are written without blanks.
    r"|(?:por favor,? )?(?:int[e\xe9]ntel[oe]|intenta(?:lo)?|vuelva a intentar(?:lo)?|reint[e\xe9]nt\w+|pruebe)"
    r"(?: (?:de nuevo|otra vez|nuevamente|m[a\xe1]s tarde))*+|(?:por favor,? )?(?:tente|tentar)"
    r"(?: (?:de novo|outra vez|novamente|mais tarde))+|(?:veuillez |merci de )?r[e\xe9]essay\w*"
    r"(?: (?:plus tard|ult[e\xe9]rieurement|dans \w+ \w+))*+|(?:bitte )?versuch(?:en sie|e|t)? es"
    r"(?: (?:bitte|sp[a\xe4]ter|erneut|noch ?mal|noch einmal|wieder))*+|bitte (?:(?:sp[a\xe4]ter"
    r"|erneut|noch ?mals?) )+"
    r"versuchen|(?:per favore,? )?riprov\w+(?: pi[u\xf9] tardi)?|probeer (?:het )?(?:(?:later"
    r"|opnieuw|nog eens)[ .]?)+"
    r"|(?:silakan )?coba lagi(?: nanti)?|(?:spr[o\xf3]buj|pon\xf3w) (?:ponownie|pr\xf3b\u0119)(?: p\xf3\u017aniej)?"
    r"|(?:l\xfctfen )?(?:daha sonra )?(?:tekrar|yeniden) deneyin(?:iz)?|(?:vui l\xf2ng )?th\u1eed l\u1ea1i(?: sau)?",
    r"(?:пожалуйста,? )?(?:попробуйте|повторите)(?: (?:попытку|запрос|снова|ещ[её] раз|позже|позднее))*+"
    r"|(?:请|您|可以|建议){0,4}(?:稍后|稍候|稍等|片刻后|过一?会儿?|晚点|明天|几分钟后|\d{1,3} ?(?:秒|分钟|小时)后)"
    r"(?:请)?(?:再次|再来|再|重新)?(?:重试|试一?[试次下]?|尝试|提交|生成|操作|发起|来)?"
    r"|(?:请您?|可)?(?:重试(?!次数|\d|失败)|再试(?:一次|一下)?|再次尝试|重新(?:尝试|提交|发起))"
    r"|(?:しばらく(?:して|経って|たって|待って)?(?:から)?|後ほど|のちほど|時間を(?:おいて|置いて)(?:から)?"
    r"|少し待ってから)?、? ?"
    r"(?:もう一度|再度|再び|改めて)?、? ?(?:(?:お試し|やり直し|再試行|再実行|お待ち)(?:して)?(?:ください"
    r"|下さい|いただ\S{0,6})?"
    r"|試して(?:ください|下さい))"
    r"|(?:잠시|나중에|조금|몇 분)(?: ?[후뒤])?에?(?: ?다시)?(?: ?(?:시도|요청|이용))?"
    r"(?:해 ?주세요|해 ?주십시오|하세요|하십시오|해 ?보세요|하시기 바랍니다)?"
    r"|(?:다시 ?(?:시도|요청)|재시도)(?:해 ?주세요|해 ?주십시오|하세요|하십시오|해 ?보세요|하시기 바랍니다)?"
    r"|(?:يرجى )?(?:حاول|المحاولة) مرة أخرى(?: لاحقا\w?)?|(?:โปรด)?ลอง(?:ใหม่)?อีกครั้ง(?:ภายหลัง)?",
)
# One with a time in it. Without, it is mere politeness.
LATER = _pattern(
    rf"(?:try|retry|retrying|submit|attempt|request|check|come)(?: it| this| your request| the request)?(?: again"
    rf"| back)?"
    rf" (?!again\b)(?:{WHEN})|please wait|wait (?:and|for|a|before)",
    r"稍后|稍候|片刻后|一会|晚点|しばらく|後ほど|잠시 ?후|나중에|m[aá]s tarde|mais tarde|plus tard"
    r"|später|pi[uù] tardi|позже",
)
# What a text may say besides an invitation without giving a reason. Whatever else it says may be one for a refusal.
NO_REASON = _pattern(
    r"(?:sorry|oops|apolog\w+|we|our|us|the|an?|this|that|your|you|it|its|is|was|were|are|be"
    r"|been|being|has|have|had|not"
    r"|could|couldn't|can|cannot|can't|unable|to|failed|fails?|failures?|errors?|went|wrong|something"
    r"|anything|problems?"
    r"|issues?|trouble|occurred|happened|encountered|unexpected(?:ly)?|unknown|during|while|when"
    r"|with|of|for|in|on|at|by"
    r"|and|or|but|so|please|if|persists?|continues?|contact|support|generat(?:e|ing|ion|ed)|creat(?:e|ing|ion|ed)"
    r"|process(?:ing|ed)?|complet(?:e|ed|ing|ion)|render(?:ing|ed)?|produced?|finish(?:ed)?|handled?"
    r"|execut(?:e|ed|ion)"
    r"|videos?|images?|tasks?|jobs?|requests?|operations?|servers?|services?|systems?|side|end|models?|api|backend"
    r"|upstream|provider|code|moment|now|right|currently|technical|difficult(?:y|ies)|http|status|exception|message"
    r"|error code|el|la|su|un|una|ha|ocurri\w+|fall[o\xf3]|v[i\xed]deo|solicitud|generaci[o\xf3]n|servidor|une"
    r"|erreur|est|survenue|fehler|ist|aufgetreten|ein|der|die|das|erro|ocorreu|um|o|\d+)",
    r"生成|失败|视频|图片|任务|请求|系统|服务器?|处理|出错|错误|发生|未知|很?抱歉|对不起|问题"
    r"|遇到|异常|暂时|当前|目前|无法|完成"
    r"|创建|执行|模型|您?的|我们|出现|出了点?|[了中时在]|開小差|开小差|エラー|発生|しました|失敗"
    r"|動画|タスク|処理|サーバー|システム"
    r"|申し訳(?:ありません|ございません)|問題|できません(?:でした)?|[がのにをは]|생성|오류|발생"
    r"|했습니다|하였습니다|실패|영상|비디오"
    r"|요청|처리|서버|죄송합니다|작업|[가이을를에]",
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
    r"|\b(?:in|position in) (?:the |a )?queue\b|\bqueue position\b|^(?:still |currently |now )?waiting (?:for"
    r"|to|in)\b"
    # It has a place in a queue: "queued behind 3 others", "waiting in line", "2 jobs ahead of you".
    r"|^(?!.*\b(?:fail|could not|cannot|can't|unable|not be|never|drop|expel)).*\b(?:en)?queued\b"
    r"|\bbehind \d+\b|\b\d+ (?:\w+ ){0,3}(?:ahead|before you|in front)\b|\bahead of (?:you|it"
    r"|this|yours?)\b|\bin line\b"
    r"|\b(?:waiting|waits|awaiting) (?:for |in |on |its |to )?(?:an? |the |its )?(?:\w+ )?(?:turn"
    r"|slot|gpus?|workers?|capacity"
    r"|queue|line|resources?|nodes?|runners?|machines?|start|be (?:rendered|processed|scheduled|started|picked))\b"
    r"|\b(?:until|till) (?:it|the \w+|they) (?:(?:is|are|was|has|have|had) )?(?:been )?(?:finish"
    r"|complet|render|generat"
    r"|process|ready|done)\w*|\bwill be (?:processed|generated|started|executed) (?:soon|shortly|momentarily|in a)\b"
    r"|^(?!.*\bfail).*\bstill (?:working on|cooking|(?:upload|prepar|start|creat|encod|sav)ing)\b"
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
    r"|等待(?:处理|生成|中|渲染|执行|资源|空闲|gpu|调度)|请(?:稍候|耐心等待|等待)|まだ"
    r"|(?:任务|请求|视频|已)\S{0,3}排队|已进入?队列|排在第|前[面方]\S{0,3}有? ?\d+|前に ?\d+ ?[件人]"
    r"|待ち(?=$|[でのに\s,.。、])"
    r"|待機して|앞에 ?\d+|기다리는 중|대기하고"
    r"|(?:処理|生成|作成|実行|変換|準備|アップロード)(?:して|されて)いま(?:す|せん)|(?:完了|準備"
    r"|生成)(?:が)?(?:して|できて|されて)いません"
    r"|キューに|順番待ち|(?:처리|생성|진행|대기|작업|렌더링|실행|준비|업로드) ?중|(?:완료|준비|생성"
    r"|처리)되지 않|대기열|생성하는 중|아직"
    # Others: "in progress", "is being made", "not yet ready"
    r"|\ben (?:la )?(?:proceso|progreso|curso|cola|cours|attente|espera|ejecuci[oó]n)\b|\b(?:em"
    r"|na) (?:processamento|andamento"
    r"|fila|espera)\b|\bfile d.attente\b|\b(?:por delante|devant vous|[aà] frente|davanti)\b"
    r"|\bvor (?:dir|ihnen|ihrem)\b"
    r"|\bin (?:corso|elaborazione|attesa|coda|der warteschlange"
    r"|bearbeitung|arbeit|warteschlange)\b|\bwartet (?:auf|noch|in)\b|\bw kolejce\b|\boczekuje\b"
    r"|ожида|в очередь|kuyrukta|bekliyor"
    r"|hàng đợi|\b(?:antrean|antrian|menunggu giliran)\b|قائمة الانتظار|รอคิว|प्रतीक्षा|\best[aá] (?:siendo"
    r"|sendo)\b|\bwird (?:noch |gerade )?(?:verarbeitet"
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
    r"|in progress)\b|状态(?:为|是)?\s?[:\uff1a]?\s?(?:pending|queued|running|processing|generating|submitted"
    r"|in progress)\b"
    r"|\b(?:task|job) is (?:still )?(?:running|queued)\b(?! out)|\bgot (?:processing|pending|queued|running"
    r"|in progress)\b"
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

# What a text says of the content itself, in no listed words. Nobody tells that but to refuse it.
OF_CONTENT = _pattern(
    r"(?:prompt|script|text|image|photo|picture|video|clip|audio|lyrics|scene|content|request|input)s? (?:\w+ ){0,2}?"
    r"(?:refers?|referring|mentions?|mentioning|touch(?:es)?|depicts?|depicting|alludes?|promotes?"
    r"|promoting|glorif\w+"
    r"|encourages?|portrays?|describes?|relates?|resembles?)|\A(?:depicts?|promotes?|mentions?"
    r"|portrays?|refers? to|resembles?)"
    r"|(?:can't|cannot|can not|won't|will not|unable to|do not|don't|not able to) (?:create|generate"
    r"|make|produce|depict|show"
    r"|animate|draw|portray) (?:\w+ ){0,2}?(?:of|about|showing|depicting|involving)|(?:image"
    r"|photo|picture|prompt|script"
    r"|clip|content|text|output)s? (?:was |is |were |are |has been )?(?:rejected|refused|declined"
    r"|denied|suppressed|withheld)",
    r"(?:提示词|内容|图片|画面|素材|视频|文本|输入)\S{0,6}(?:涉及|含有|包含)|が含まれて|に関する内容"
    r"|포함되어 있|\bmenciona\b|\bmentionne\b",
)

# A sentence about what was sent in, with nothing in it that breaks by itself.
OF_INPUT = (
    r"\A(?!.*\b(?:fail|error|crash|exception|lost|worker|node|server|service|gpu|generat"
    r"|process|encod|enhanc|timeout|system|could ?n[o']t|returned|produced|nan\b|render))"
    r"(?:(?:the|your|this|an?|provided|given|submitted|uploaded|first|last|start|end|second|reference|input) )*"
    r"(?:prompt|image|photo|picture|audio|frame|mask|reference|webhook|callback|url|file|camera"
    r"|seed|duration|style|voice|lens"
    r"|face|subject|resolution|ratio|script|clip)s?\b"
    r"|\A(?!.*(?:失败|异常|错误|超时|服务|生成|处理|编码))(?:上传的?|参考|您的?|输入的?)?"
    r"(?:图片?|图像|照片|音频|提示词|文案|首帧|尾帧|素材)"
    r"|\A(?!.*(?:실패|오류|서버|생성|처리))(?:입력 )?(?:이미지|사진|프롬프트|오디오|음성)"
    r"|\A(?!.*(?:失敗|エラー|サーバー|生成|処理))(?:入力)?(?:画像|写真|プロンプト|音声)"
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
    (Category.CONTENT_POLICY, (OF_CONTENT,)),
    (Category.PROVIDER, (TROUBLE,)),
    (Category.INVALID_INPUT, (OF_INPUT,)),
)


def prepared(text: str) -> str:
    """Returns a text as the patterns expect it: spaced, and without the harmless words."""
    return re.sub(HARMLESS, "-", spaced(text), flags=re.ASCII)


def spaced(text: str) -> str:
    """Returns a text cut, in lower case, and with its words parted by one space."""
    return " ".join(text[:LIMIT].lower().replace("_", " ").replace("\u2019", "'").split())


@lru_cache(KEPT)
def category_of(words: str) -> Category | None:
    """Returns the category that a prepared text means, or None when it gives no reason."""
    plain = _uninvited(words)
    for category, patterns in RULES:
        said = _without_refunds(plain) if category is Category.QUOTA else plain
        if any(_has(pattern, said) for pattern in patterns):
            return category
    return None


def invites(words: str) -> bool:
    """Returns whether a prepared text asks for another try."""
    return _has(INVITATION, words)


@lru_cache(KEPT)
def _uninvited(words: str) -> str:
    """Returns a text without its invitations to try again, which say nothing of the reason."""
    return re.sub(INVITATION, "", words, flags=re.ASCII).strip(SIGNS)


def _without_refunds(words: str) -> str:
    return ". ".join(clause for clause in re.split(CLAUSE, words) if not re.search(REFUND, clause))


@lru_cache(KEPT)
def is_refusal_of_content(words: str) -> bool:
    """Returns whether a prepared text says that moderation refused something."""
    plain = _uninvited(words)
    return not _has(BROKEN_HELPER, plain) and _has(CONTENT_POLICY, plain)


def is_crowded(words: str) -> bool:
    """Returns whether a prepared text says that there is too much to do at once."""
    return _has(CROWDED, words)


def is_down(words: str) -> bool:
    """Returns whether a prepared text says that nobody is served at the moment, whatever was asked."""
    return _has(CROWDED, words) or _has(DOWN, words)


def may_pass(words: str) -> bool:
    """Returns whether a prepared text says that the same request may succeed another time.

    An invitation to try later counts only where the rest gives no reason: one that is in no list may be a refusal.
    """
    if _has(ANOTHER, words):
        return False
    plain = _uninvited(words)
    if any(_has(pattern, plain) for pattern in (CROWDED, PASSING, TIMEOUT, BROKEN_HELPER)):
        return True
    return plain != words and _has(LATER, words) and not re.search(r"\w", re.sub(NO_REASON, "", plain, flags=re.ASCII))


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
