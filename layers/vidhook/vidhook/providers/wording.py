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
    return words != "" and re.search(pattern, words, re.ASCII) is not None


# What was sent in or made, what is said of it, and the small words between the two.
THING = (
    r"(?:prompt|script|text|wording|description|image|photo|picture|portrait|video|clip|audio|voice|song|lyrics|scene"
    r"|story|content|material|input|output|result|generation|creation|submission|upload|reference|frame|idea|subject"
    r"|topic|theme|concept|request)s?"
)
REFUSED = (
    r"(?:rejected|refused|declined|denied|blocked|flagged|filtered|banned|censored|suppressed|withheld|restricted"
    r"|discarded|disallowed|intercepted|ineligible|off ?-?limits|turned (?:away|down)|taken down"
    r"|not (?:be )?(?:approved|cleared|acceptable|appropriate|welcome))"
)
BETWEEN = (
    r"(?:(?:you|we|i|that|which|has|have|had|is|are|was|were|be|been|being|got|gets|it|just|submitted|sent|uploaded"
    r"|provided|entered|made|automatically|currently|therefore) ){0,6}"
)
# Names of machines and idioms that contain a word of a refusal. They are taken out before anything is looked for.
HARMLESS = _pattern(
    r"(?:violat\w+ (?:of )?(?:the |an? )?(?:following )?(?:new )?)?(?:(?:network|auto ?scaling|admission|firewall"
    r"|thread|memory|password|resource|quota|group|origin|selinux|opa|kms|tls|concurrency|rate ?-?limit\w*|refund"
    r"|cookie|referrer|backup|update|deployment|traffic|timeout|placement|queue|priority|restrictive|lockout|naming"
    r"|tagging|logging|tenant|cluster|kubernetes|proxy|dns|s3) polic(?:y|ies)|(?:(?:row|column) ?-?level|pod|session"
    r"|network|transport|database) ?-?security polic(?:y|ies)|following content ?-?security policy)(?: violat\w+)?"
    r"|polic(?:y|ies) (?:header|directive)s?|gamut violations?|sensitive (?:field|header)s?|explicit synchroni\w+"
    r"|explicit (?=(?:\w+ (?:and \w+ )?){1,2}(?:is|are|was|must|required|needed|missing))"
    r"|['\"]?children['\"]? (?:field|parameter|property|key|element|attribute|prop|array|list)s?|(?:field|parameter"
    r"|property|key) ['\"]?children|(?:load|white|colou?r) ?-?balanc\w+|balance of (?:the )?load"
    r"|subscription to(?! (?:use|access|generate))|(?:in|on|into|from) table \w+(?: \w+)?|blocked (?:waiting"
    r"|for (?:more than |over )?\d+)|balance (?:row|record|table)s?|polic(?:y|ies) (?:network|gradient)s?"
    r"|sentinel (?!block)|credit ledger|token buckets?|restricted shell|permission bits?|apikey (?=task|invalid node)"
    r"|(?:enable )?safety (?:tolerance|checker|level)|polic(?:y|ies)(?= ?[:=] ?(?:\w+ )?(?:refund|credit|charge"
    r"|cancel|full|half))|moderation (?:level|setting|mode)|(?:values?|option|parameter|field)s? for moderation"
    r"|credits? per second|token count|(?:incorrect|invalid|illegal|unknown|wrong) keys? (?:or"
    r"|in) (?:the )?(?:\w+ )?(?:values?|parameters?|body|request|json)|parameters?, such as incorrect key"
    r"|audit (?:\w+ )?(?:log|trail|table|record|event|entr(?:y|ie))s?|safety (?:interlock|margin|factor|stop|timeout"
    r"|net|buffer|lock|shutdown|thread)s?|(?:key|constraint|protocol|access|sharing|integrity|schema|bounds|memory"
    r"|assertion|contract|type|sla|segment\w*) violations?|violat\w+ (?:the )?(?:\w+ ){0,2}(?:constraint|schema|key"
    r"|protocol|contract|invariant|assumption|precondition)s?|hates? to|risk of|risks? (?:being|running)|(?:case|time"
    r"|noise|context|locale|light|motion) ?-?sensitive|sensitive (?:to|about)|sensitivity|(?:retry|cache|caching|cors"
    r"|iam|bucket|scaling|retention|restart|scheduling|eviction|whitelist(?:ing)?|backoff|lifecycle|routing|pull"
    r"|access) polic(?:y|ies)|blocked by (?:the |a |an )?(?:firewall|cors|network|proxy|waf|cloudflare"
    r"|thread)(?: polic(?:y|ies))?|(?:blocked|filtered) (?:thread|queue|io|call)s?|child (?:process|job|task"
    r"|node)(?:es|s)?|minor (?:version|issue|error|change|problem|bug|update|adjustment|fix|release|delay)s?"
    r"|dead ?lock|guidelines? (?:image|map)s?|internal polic(?:y|ies) (?:server|engine)|terms of (?:time|size|length)"
    r"|kill switch|(?:fail\w*|unable|could not|cannot|can't) (?:to )?(?:be )?cancel\w*|to be (?:moderated|reviewed"
    r"|audited"
    r"|checked)|explicitly|explicit (?:cast|conversion|deny|denial|value|null|type|region|parameter)s?|polic(?:y"
    r"|ies) (?:bundle|file|document|config\w*|object|agent|store|id|version)s?|minor (?:glitch|hiccup|outage)(?:es"
    r"|s)?|content (?:delivery|server|store|length|encoding|hash|disposition)",
    r"白名单策略|限流策略|重试策略|敏感度|moderation level",
)
# A helper that is broken refused nothing, whatever it is there for.
BROKEN_HELPER = _pattern(
    r"(?:engine|queue|worker|node|pod|process|daemon|controller|sidecar|broker|store|scheduler"
    r"|shard)s? (?:process )?(?:is |was |are |has |flagged )*(?:exited|crash\w*|restart\w*|offline|lag\w*|unhealthy"
    r"|not ready|not reachable|evicted|out of sync)|(?:fail\w*|unable|error|cannot|could ?n[o']t"
    r"|can't) (?:to )?(?:\w+ ){1,2}?(?:the |our )?(?:moderation|safety|audit|policy|content|credit|quota|billing"
    r"|payment) (?:event|record|log|entry|row|ledger|deduction|queue|store|cache|service|api|metadata)s?"
    r"|(?:moderat\w+|copyright|watermark|polic(?:y|ies)|safety|risk|audit|review|content|filter|classif\w+|detect\w+"
    r"|inspection|nsfw|auth\w*|credential|permission|billing|payment|quota|licen[cs]e|token|credits?)(?: (?!not\b"
    r"|did\b)[\w/-]+){0,3}? ?(?:service|server|system|api|classifier|detector|checker|engine|pipeline|module|backend"
    r"|endpoint|worker|model|check)? (?:is |was |has |are |were |been |currently |temporarily )*(?:down|killed"
    r"|terminated|crash(?:ed|es)|unavailable|offline|unreachable|overloaded|timed out|not responding"
    r"|did not (?:answer|respond|reply)|does not (?:answer|respond|reply)|failed to (?:start|load|respond|answer"
    r"|initiali[sz]e|render|run|execute|connect|write)|could not be (?:reached|started|loaded|contacted)|lost (?:its "
    r"|the )?connection|returned (?:an? )?(?:error|http|status|empty|5\d\d|invalid|unexpected)|cannot allocate|(?:had"
    r"|encountered|hit|raised|threw) an? (?:\w+ )?(?:error|exception)|internal error|internal server error)",
    r"(?:审核|风控|鉴权|检测|计费|内容安全)(?:服务|系统|接口|模块|日志|队列|记录)(?:内部|写入|读取|暂时|响应)*(?:异常"
    r"|超时|不可用|繁忙|出错|错误|失败|故障|中断)|审核(?:中断|超时|异常)(?!.{0,8}(?:不通过|拒绝|驳回))",
)
CONTENT_POLICY = _pattern(
    r"moderat(?:ed|ion|or|ors)|exists? risk|contains? (?:\w+ )?(?:faces?|ip)\b|visual restrictions?|(?:word|term"
    r"|phrase)s? (?:\S+ ){0,3}(?:is|are) (?:banned|blocked|forbidden"
    r"|prohibited)|(?:depict|show|contain)\w* (?:an? |the )?(?:photo-?)?realistic (?:human|person|people|face)s?|nsfw"
    r"|not safe for work|sensitive|safety|unsafe|censor\w*|guardrails?"
    r"|recitation"
    r"|polic(?:y|ies)|violat(?:e|es|ed|ing|ion|ions|ive)|guidelines?|terms of (?:use|service)|code of conduct"
    r"|content (?:filter\w*|risk|check|security|safety|review|audit|compliance|credentials? check|restrictions?)"
    r"|(?:filtered|removed|blocked|stopped|rejected|declined) (?:by|due to|because of|for) (?:\w+ ){0,3}(?:filters?"
    r"|provider|upstream|system|moderators?|safeguards?|content|checker|classifier)|safeguards?|responsible ai|rai"
    r"|green ?net|sentinel block\w*|risk (?:control|management|detect\w*|not pass|review|check|policy|image|text"
    r"|content)|suspected of (?:\w+ )?risk|audit (?:submit|illegal|fail\w*|reject\w*|not|result|refused)|(?:content"
    r"|image|text|video|output|input) audit|(?:(?:not|never|\w+n't|fail\w* to) (?:pass|clear)\w*|fail(?:ed|s"
    r"|ing)?)(?: the| our| a| an)? (?:\w+ )?(?:audit|security check|inspection|review)(?! (?:log|entr|record|service"
    r"|writer))|data inspection (?:fail\w*|not|reject\w*)|violen(?:t|ce)|prohibit(?:ed|s|ion)?|forbidden (?:content"
    r"|words?|terms?|subjects?)|banned (?:content|words?|terms?|prompts?)|inappropriate|unacceptable|unlawful"
    r"|indecent|impermissible|offensive|objectionable|obscen\w+|profan\w+|vulgar|nud(?:e|es|ity)|naked|sexual\w*|sexy"
    r"|porn\w*|erotic\w*|explicit|lewd|suggestive|fetish|copyright\w*|infring\w*|trademark\w*|intellectual property"
    r"|content similarity|similarity to (?:third|training|existing)|brand (?:logo|name|identit\w+|mark)s?|(?:brand"
    r"|company|trade|registered|corporate) ?-?logos?|logos? (?:of|from|belonging)|(?:detected|contains?|includes?"
    r"|shows?|features?|visible|recogni[sz]\w+) (?:an? |the )?(?:\w+ )?(?:logo|watermark of)s?|(?:third[ -]party"
    r"|protected|licensed|registered|known|famous|fictional|disney|marvel|nintendo"
    r"|pok[e\xe9]mon) (?:\w+ ){0,2}(?:brand|logo|mark|character|recording|song|melody|lyrics|artwork|franchise)s?"
    r"|(?:resembl\w+|similar to|looks? like|based on|depict\w*|imitat\w+|features?) (?:an? "
    r"|the )?(?:\w+ ){0,2}(?:characters?|franchise|celebrity|actor|artist|brand|politician|president)|ip rights?"
    r"|(?:help|assist) (?:you )?with (?:that|this)(?=[.!]|\Z)|third[ -]party (?:content|likeness\w*|rights|ip)"
    r"|likeness(?:es)?|celebrit(?:y|ies)|public figures?|famous (?:person|people)|prominent (?:\w+ )?(?:person|people"
    r"|figures?)|politicians?|(?:public|government|state|elected) (?:official|servant|leader|office holder)s?"
    r"|heads? of (?:state|government)|(?:the|us|current|former|sitting|ex) president|prime minister|(?:private"
    r"|unconsenting) (?:individual|person|citizen)s?|(?:without|lacks?|no|missing) (?:\w+ ){0,2}consent|consent (?:of"
    r"|from) the|deep ?fakes?|impersonat\w+|identifiable (?:person|people|face)s?|real[ -](?:person|people|persons"
    r"|human|humans|face|faces|individuals?)|minors|under ?-?age\w*|under (?:the age of )?18|children|kids"
    r"|child (?:abuse|sexual|safety|exploitation|nudity)|csam|(?:minor|danger|ip|people|celebrity"
    r"|audio) (?:filter(?:ed)?|upload|input image)|artist names?|words? (?:that )?we (?:do not|don't)|self ?-?(?:harm"
    r"|injur)\w*|tobacco|cigarettes?|alcohol\w*|gambling|(?:election|presidential|political) (?:candidate|campaign|ad"
    r"|poster)s?|goes? against|unlicen[sc]ed|belongs? to an?|suicid\w*|gore(?!-)|gory|blood(?:y(?! hell)|shed)"
    r"|tortur\w+|weapons?|firearms?|explosives?|drugs?|narcotics?|terroris\w+|extremis\w+|hate(?:ful)?|harass\w*"
    r"|bully\w*|racis[mt]|slurs?|harmful|illicit|illegal (?:content|activit\w+|acts?)|abus(?:e|ive)|disallowed"
    r"|adult (?:content|material|theme\w*|imagery|nud\w+|video|image|scene|subject|oriented)s?|adult\Z"
    r"|personal (?:information|data) in|flagged|we (?:have )?blocked|photo-?realistic (?:people|persons?|humans?"
    r"|faces?)|blocklist\w*|blacklist\w* words?|(?:prompt|content|input|output|image|images|video|videos|photo|text"
    r"|generation|request|frame|result|audio)s? (?:\w+ ){0,2}?(?:blocked|filtered|banned|censored)|(?:prompt"
    r"|content)s? (?:\w+ ){0,2}?(?:rejected|declined|refused|denied)|(?:blocked|rejected|refused) (?:prompt|content)"
    r"|(?:prompt|content)s? (?:(?:that|which|is|are|was|were) ){0,2}not (?:allowed|permitted)|restricted (?:content"
    r"|terms?|words?)|(?:contains?|containing|includes?|shows?|with) (?:an? )?(?:\w+ )?human faces?|(?:faces?|people"
    r"|persons?|humans?|minors?|celebrit\w+) (?:\w+ ){0,4}(?:not|never) (?:allowed|permitted)|(?:can ?not|can't"
    r"|unable to|won't) (?:help|assist|create|generate|make|produce|edit|depict"
    r"|fulfil\w*)(?: you)?(?: with)? (?:\w+ ){0,2}(?:that request|this request|this content|that content|this type"
    r"|such|images? of (?:real )?people)|does not comply|non-?complian\w+|not complian\w+"
    r"|images? of (?:an? )?(?:child|minor|kid)s?|child in (?:your|the)|not ?safe|(?:well-?known|famous"
    r"|recogni[sz]able|prominent|protected) (?:\w+ )?(?:actor|actress|singer|individual|politician|character|face"
    r"|brand|person|people|figure|work)s?|(?:community|content|usage|platform|our) (?:rules|terms)"
    r"|political (?:content|figures?|topics?)|(?:which|that|this|these|and|as) we (?:do not|don't|cannot|can't"
    r"|won't) (?:depict|portray|show|generate|create|animate|render|allow)|(?:do not|don't|does not|cannot|can't"
    r"|won't|not able to) (?:generate|create|make|produce|depict|render|show|animate) (?:\w+ ){0,3}(?:content|people"
    r"|persons?|imagery|material|scenes?|figures?)|generation (?:is |was )?not (?:allowed|permitted)|ip (?:detected"
    r"|risk|violation|conflict)|(?:contain(?:s|ing)?|depict(?:s|ing)?|show(?:s|ing)?|with|of|involv(?:es|ing)"
    r"|includ(?:es|ing)) (?:an? )?(?:\w+ )?(?:child|minor|kid|teen\w*|infant)s?|risk (?:rule|word|term|warning|alert"
    r"|level)s?|(?:detect\w*|found|finds?|saw|sees?|identif\w+|recogni[sz]\w*|(?:appears?|seems?|looks?) (?:to (?:be"
    r"|show|depict|contain|include)|like)) (?:an? |the )?(?:\w+ )?(?:minor|child|kid|teen\w*|infant|toddler|celebrity"
    r"|public figure)s?|screen(?:ed|ing)|(?:key)?words? black ?lists?|(?:some ?one|people|person) (?:well ?-?known"
    r"|famous)|(?:actual|living|real ?-?(?:world|life)) (?:person|people|individual)s?|ethic(?:s|al)|rated (?:18|r|x)"
    r"|(?:minor|child|kid|teen\w*|celebrity|politician) (?:was |is )?(?:detected|found|recogni[sz]ed)|block ?reason"
    r"|identified as|(?:got|was|were|been|all|everything) filtered|real (?:artist|singer|actor)s?|(?:not|never|\w+n't"
    r"|fail\w*)(?: to)? (?:make it|get|come|go) (?:past|through)|restricted (?:element|item|object|image)s?"
    r"|owned by (?:an? |the )?(?:\w+ )?(?:studio|company|brand|artist|label|third ?-?party)|(?:breaks?|broke|breaking"
    r"|against) (?:\w+ ){0,3}(?:rules?|terms|laws?)|(?:not|never|\w+n't|fail\w*)(?: to)? (?:pass|clear|meet"
    r"|respect) (?:\w+ ){0,3}(?:compliance|rules|standards|requirements for content)|off ?-?limits"
    r"|outside (?:of )?what we|(?:not|\w+n't) comfortable|comfortable (?:generating|creating|making|with)"
    r"|protected (?:content|material|work|ip|music|song|audio|voice|media|footage|image)s?"
    rf"|ineligible {THING}"
    r"|withheld|mature (?:content|theme|material|subject)s?|(?:word|term|phrase|topic"
    r"|subject)s? (?:\w+ ){0,3}not (?:allowed|permitted|accepted)|we (?:can ?not|can't|won't) (?:show|create|make"
    r"|generate|depict|do) (?:this|that|it)\b|graphic (?:content|violence|imagery)|disturbing|propaganda|unethical"
    r"|against (?:our|the) (?:\w+ )?(?:rules|policies|standards|terms|principles)|breach(?:es)? of|not appropriate"
    r"|not suitable|unsuitable|improper|legal reasons|high ?-?risk|known ip|(?:image|photo|picture"
    r"|upload)s? (?:shows?|depicts?) (?:an? |real )?(?:person|people|human)s?|restricted (?:subject|topic"
    r"|categor\w+)s?|(?:sensitive|restricted|blocked|banned) words?|(?:model|provider|ai) (?:refused|declined"
    r"|rejected)(?! (?:the |our )?connection| to connect)|refused to (?:generate|create|answer)|public (?:person"
    r"|people|personalit\w+)|named (?:person|people|individual)s?|privacy information|suspected (?:infringement"
    r"|violation|copyright)|(?:discriminat|defamat)(?:ory|ion)|medical advice|religious|(?:had|have|has"
    r"|must) to decline|(?:our|content|safety|review) (?:checks|reviewers?|standards)|(?:not|\w+n't"
    r"|never) (?:been )?approved?|topics? (?:that )?we|\Ablocked",
    r"命中\S{0,6}(?:词|库|名单|规则)|不符合(?:平台|社区|法律)|(?:含|包含|出现)有?(?:清晰的?|真实)?人脸|安全上の理由"
    r"|安全のため|\bde menores\b|涉敏|红线|不良导向|禁用词|尺度过|18 ?\+(?!\d)|(?:主题|内容|题材|话题|场景|描述|人物"
    r"|素材)\S{0,4}不(?:被)?允许|审核|敏感|违规|违禁|违法|违反|不合规|合规问题|不符合(?:社区|平台|内容)?规范|风控"
    r"|内容风险|安全风险|存在风险|侵权|侵犯|版权|肖像|色情|真人|涉黄|涉政|暴力|血腥|未成年|名人|明星|公众人物"
    r"|公职人员|官员|国家元首|政要|(?:品牌|厂商|第三方)(?:标识|标志|logo|元素)|卡通形象|影视角色|动漫角色|角色形象"
    r"|不安全|政策|策略阻止|平台策略|安全(?:策略|检测|检查|校验|审查)|不适宜|不当内容|不良(?:信息|内容)|裸露|低俗"
    r"|屏蔽|拦截|知识产权|商标|侮辱|恐怖|安全システム|安全基準|セーフティ|人物の\S{0,4}含まれ|フィルタリング|ポリシー"
    r"|違反|不適切|センシティブ|著作権|規約|モデレーション|性的|暴力的|ガイドライン|未成年|안전 (?:시스템|정책)"
    r"|실제 인물|정책|부적절|위반|저작권|선정적|유해|가이드라인|미성년|검열|민감|pol[ií]ticas?\b|inapropiad|inadecuad"
    r"|infring|derechos de autor|desnud|violencia|\bviola (?:nuestr|la|el|lo)|prohibid|moderaci[oó]n|法律法规"
    r"|不允许的|侵害|权益|公序良俗|二维码|烟草|不当|不雅|不文明|不健康|赌博|毒品|自残|自杀|枪支|武器|宗教|政治|领导人"
    r"|儿童|仇恨|歧视|隐私信息|触犯|违背|禁止(?:生成|内容|词)|内容安全|安全过滤|过滤|実在の人物|公序良俗|肖像権|著名"
    r"|有名人|政治家|(?:著名|有名|既存|版権)\S{0,4}キャラクター|キャラクターが含まれ|(?:企業|ブランド)\S{0,3}ロゴ"
    r"|商標|暴力|nsfw|許可されていない(?:内容|コンテンツ)|アダルト|금지된|음란|폭력|유명인|정치인|초상권|침해|성인"
    r"|(?:유명|기존) ?캐릭터|캐릭터가 포함|상표|불법 (?:콘텐츠|내용)|실존 인물|contenido (?:bloqueado|rechazado"
    r"|no permitido|sensible)|persona real|celebridad|pol[ií]tico|figuras? p[uú]blica|para adultos|personaje"
    r"|marca registrada|t[eé]rminos? no permitid|personas? real|sistema de seguridad|conte[uú]do inseguro"
    r"|pessoas? famosas?|vi phạm|melanggar|нарушает|запрещ[её]н|\bihlal|menores de edad|[机前预人]审(?:拒绝|不通过"
    r"|失败|未通过)|人像(?!不?清|模糊|质量)|ip ?角色|안전 (?:검사|필터|기준)|support codes?|filtros? de seguridad"
    r"|bloquead[ao]|鉴黄|(?:无法|未能|没有)通过(?:合规|审|安全)|regras da comunidade|conte[uú]do (?:adulto"
    r"|impr[oó]prio|sens[ií]vel|sexual)|linguagem ofensiva|pol[ií]ticas? de|viola as|enfreint|charte d'utilisation"
    r"|contenu (?:[aà] caract[eè]re |inappropri|sexuel|sensible)|semble [eê]tre mineur|r[eè]gles de la communaut"
    r"|nutzungsbedingungen|anst[oö]ßig|gewaltdarstellung|verst[oö]ßt gegen|jugendschutz|richtlinie|unangemessen"
    r"|minderj[aä]hrig|urheberrecht|droits? d'auteur|direitos autorais|未?(?:能)?过审|限制级|内容限制|ip ?形象"
    r"|禁止(?:ワード|用語|語)|人物が含まれ|未通过\S{0,6}(?:审|检测)|社区公约|审查|不宜|真实(?:人物|人像|人脸)",
)
# Nobody is let in with this account, whatever its user did.
CLOSED_ACCOUNT = _pattern(
    r"(?:account|access|user|organi[sz]ation|workspace|team)s? (?:(?:is|are|was|has|have|been|currently|temporarily"
    r"|permanently|automatically) ){0,4}(?:suspended|banned|disabled|blocked|restricted|frozen|deactivated|terminated"
    r"|under review|on hold|flagged)|(?:this|your) (?:token|key) status (?:is )?unavailable|you (?:have been|are"
    r"|were) (?:\w+ )?(?:blocked|banned|suspended|restricted) from|api key (?:\w+ ){0,2}(?:restricted|banned|blocked)"
    r"|(?:problem|issue) with your account",
    r"账[户号](?:存在|有)风险|(?:账[户号]|用户)[^,\uff0c\u3002]{0,4}(?:封禁|限制使用|受限|冻结|停用|禁用|禁止使用)",
)
# It is the account that has used up its part, whatever machines that is a part of.
USED_UP = _pattern(
    r"(?:exceed\w*|reached|hit|used up|out of) (?:all )?(?:of )?your (?:\w+ ){0,2}(?:quotas?|credits?|balance"
    r"|allowance|spending limit)",
)
# The provider's own machinery broke, whatever other words its trace contains.
BROKEN = _pattern(
    r"(?:key|index|type|attribute|runtime|assertion|name|import|memory|zero ?division|unicode\w*|os|io|null ?pointer"
    r"|module ?not ?found|file ?not ?found|broken ?pipe|connection|json ?decode) ?(?:error|exception)s?"
    r"|invalid (?:pointer|memory|state|opcode|address)|cannot read propert\w+|of undefined|undefined is not|traceback"
    r"|stack ?trace|panic|core dumped|segmentation fault|segfault|nil pointer|null pointer|nonetype"
    r"|list index out of range|index out of (?:range|bounds)|unexpected keyword argument|object has no attribute"
    r"|assert triggered|tensor|(?:video|audio|output) (?:encoding|muxing) failed|produced a corrupt|shape mismatch"
    r"|illegal (?:memory|instruction|address)|cuda|cudnn|nccl|gpu|out of (?:\w+ )?memory|memory limit|oom"
    r"|no space left|disk full|killed|sigkill|sigterm|exit code|weights?|checkpoint|model (?:file|host|server)s?"
    r"|workers? (?:\w+ )?(?:died|crash\w*|lost|exit\w*|restart\w*|fail\w*)|(?:upload|sav|stor|writ|copy|publish"
    r"|deliver|persist)\w* (?:of )?(?:\w+ ){0,3}(?:output|outputs|result|results|artifact|artifacts|finished"
    r"|generated|bucket|s3|storage|database)|(?:download|fetch|load|decod|encod|post-?process|mux"
    r"|merg)\w* (?:of )?(?:\w+ ){0,2}(?:generated|final|output|latents?|frames of)|(?:bucket|s3|upstream|model host"
    r"|origin|backend|gateway|relay|channel|downstream|mirror|registry)s? (?:\w+ ){0,4}?(?:refus\w+|reject\w+|denied"
    r"|forbidden|unauthori[sz]ed|invalid|returned|fail\w*|error|closed|reset|unreachable|missing|empty|disconnect\w*"
    r"|connect error)|(?:forbidden|unauthori[sz]ed|access ?denied|denied|refused|invalid|\d\d\d|errors?"
    r"|reset) (?:\w+ ){0,2}?(?:from|by|at|in|of) (?:the |an? |our )?(?:upstream|model host|bucket|s3|storage|backend"
    r"|origin|gateway|downstream|relay)|provider request failed|upstream (?:service|server|provider|api"
    r"|model)? ?(?:error|failed|failure|returned)|connect error|invalid (?:response|answer|json|output) (?:from|of)"
    r"|invalid response|(?:response|answer|reply) (?:is |was )?(?:empty|invalid)|muxers?|demuxers?|(?:model|generator"
    r"|engine) (?:produced|returned|generated|gave) an? (?:invalid|corrupt|broken|bad)|assertion failed|missing (?:on"
    r"|from) (?:the )?(?:host|node|disk|worker)|(?:response|answer|reply) format|primary key|foreign key"
    r"|duplicate key|database|sql\w*|redis|kafka|licen[cs]e server|setup failed|dependency failed"
    r"|unexpected error handling|not found (?:in|on) (?:the |our )?(?:storage|bucket|s3|disk)|(?:max\w*"
    r"|number of) (?!poll)(?:\w+ ){0,3}(?:retries|attempts)|(?:retries|attempts) (?:exceeded|exhausted)"
    r"|exceeded (?:\w+ ){0,3}(?:retries|attempts)|invalid character|unexpected (?:eof|token|end of)|no such host"
    r"|permission denied:? (?:on |for |while \w+ )?['\\\"]?/|read-?only file ?system|(?:node|host|server|machine"
    r"|container|pod|instance|process|renderer|encoder|decoder)s? (?:\w+ )?(?:shut ?down|died|failed|crash\w*"
    r"|terminated|lost|restarted|stopped|exited)|values to unpack|(?:could not|cannot|can't) be (?:saved|stored"
    r"|written|published|persisted)|certificates?|open files|disk quota"
    r"|(?:positional|keyword) arguments?|unmarshal\w*|deserializ\w*|(?:decod|pars)(?:e|ing) (?:of )?(?:the |its "
    r"|upstream |provider )?(?:response|answer"
    r"|reply)|not found in type|mutation root|for column|sqlstate|lock wait|duplicate entry|delayrender",
    r"重试(?:次数|上限)|(?:视频|音频|输出)编码失败|上游(?:渠道|服务|接口)?(?:返回|异常|错误|报错|失败)|数据库|显存"
    r"|无可用渠道|渠道(?:异常|错误)",
)
# Too much at once: it passes by itself.
CROWDED = _pattern(
    r"(?:http|status|code|error)(?: code)?:? ?429|(?:gpu|server|runner|worker|slot)s? (?:are |is )?(?:all )?in use"
    r"|backlog|too many connections|too many tokens(?=[,.]|\Z)|too much traffic|at (?:our|its|the) limits?"
    r"|rate ?-?limit\w*|(?:rate|request) (?:growth )?limit|too many (?:\w+ )?(?:people|users|requests|generations"
    r"|jobs|tasks|calls|operations)|throttl\w*|\d at a time|resources? (?:is |are )?insufficient"
    r"|insufficient resources?|concurren\w+|parallel (?:task|job|generation|request)s?|overload\w*|busy|(?:at|over|no"
    r"|insufficient|lack of|out of|limited|full|max|maximum|peak) capacity|capacity (?:exceeded|reached|limit"
    r"|unavailable)|(?:high|heavy|peak) (?:load|demand|traffic|volume)|queue (?:is |was )?(?:now )?full|full queue"
    r"|(?:requests?|tokens?|images?) per (?:second|minute|min|hour)|[rtq]pm|qps|rpm limit|call frequency"
    r"|request frequency|api request is too fast|reached (?:the )?api limit|conn(?:ection)? limit|token limit(?! per)"
    r"|slow down|operation in process|no (?:free |available |idle )?(?:runner|worker|gpu|slot|capacity"
    r"|server)s?(?: (?:is |are )?available)?|(?:more|too much|unusual|extreme) (?:demand|load|traffic)"
    r"|experiencing (?:\w+ ){0,2}(?:demand|load|traffic|volume|congestion)|congest\w*|no (?:healthy|free|idle"
    r"|spare) (?:\w+ )?nodes?|swamped|too fast",
    r"速率|并行(?:任务|请求)|降低\S{0,2}频率|请求(?:频率)?增长|请求太多|超载|(?:排队|任务)\S{0,4}过多|アクセスが集中"
    r"|요청이 많아|并发|频率(?:过高|限制)|过于频繁|请求(?:过多|频繁|过快)|限流|限速|繁忙|拥挤|负载|访问量过大"
    r"|人数过多|排队人数|稍后提交|队列已满|调用频次|混雑|混み合|リクエストが多|レート制限|過負荷|요청이 너무 많|혼잡"
    r"|과부하|사용량이 많|속도 제한|demasiadas (?:solicitudes|peticiones)|simult[aá]ne|sobrecarg|saturad"
    r"|l[ií]mite de (?:velocidad|frecuencia)|拥堵|高峰|排队(?:中|过多|过长|任务过多)|算力不足|资源(?:不足|紧张)|火爆",
)
# Few providers count in money: theirs has a name of its own.
MONEY = (
    r"(?:gem|spark|coin|token|diamond|star|crystal|bean|point|fuel|energ(?:y|ie)|stamina|ticket|bolt|mana|spell|crown"
    r"|stamp|pearl|chip|kudo|buzz|boost|wish|flare|orb|gold|jewel|dollar|cent|euro|fund)(?:e?s)?"
)
RUNS = r"(?:run|render|generation|creation|use|call|request|second|minute|hour|image|video|clip)s?"
QUOTA = _pattern(
    r"(?:pro|premium|plus|paid|team|enterprise|business|ultra) (?:\w+ )?(?:is )?required|requires? (?:an? "
    r"|the )?(?:pro|premium|plus|paid|team|enterprise|business|ultra)\b|(?:http|status|code|error)(?: code)?:? ?402"
    r"|allotment|tier (?:\w+ )?(?:not|too low)|upgrade (?:is )?(?:required"
    r"|needed)|free (?:users?|accounts?|members?)|(?<!retry )(?<!error )(?:budget|allowance"
    r"|allocation) (?:\w+ ){0,3}(?:spent|used|gone|exhausted)|(?:exceeded|reached|hit|used|through"
    r"|over) (?:all )?(?:of )?your (?:\w+ )?(?:limit|allotment|quota|allocation)|(?:available|offered|unlocked"
    r"|included|only) (?:on|for|to|with|from|in) (?:the )?(?:pro|plus|premium|paid|enterprise|business|creator"
    r"|standard|ultra|max)(?! models?| mode)|(?:on|in) your (?:\w+ )?(?:plan|package|subscription|tier)|(?:key"
    r"|total) limit|(?:accessible|open|enabled) (?:only )?(?:to|for) (?:bill|pa[iy])\w+|pre-?(?:charg|consum"
    r"|deduct)\w*|(?:plan|package|membership|subscription|trial|licen[cs]e) (?:\w+ )?(?:expired|lapsed|ended|ran out)"
    r"|no credits|upgrade to (?:[\w/]+ ){1,4}(?:plan|tier|account|subscription)|token plan|of your (?:daily|weekly"
    r"|monthly|free|remaining)"
    rf"|(?:not enough|out of|no more|no|insufficient|used up|used all|spent all|lacks?) (?:of )?(?:your "
    rf"|the )?(?:\w+ )?{MONEY}(?! (?:detected|found|visible|in|of|on|for|provided|given|per|\w+ the (?:image|video"
    rf"|clip|frame|mask))\b)|(?:daily|weekly|monthly|free|included|trial|your|all) (?:\w+ )?(?:{MONEY}"
    rf"|{RUNS}) (?:(?:is|are|was|were|have|has|been|all) )*(?:used up|exhausted|spent|consumed|depleted)|(?:used"
    rf"|spent|consumed) (?:up )?(?:all )?(?:of )?your (?:\w+ )?(?:{MONEY}|{RUNS})|used up|(?:free|daily"
    rf"|monthly) (?:runs|renders|generations|videos|uses) (?:are|is) gone|(?:no|0|zero) (?:more )?(?!retries|attempts"
    rf"|nodes|workers|gpus|slots|space|memory|disk)\w+"
    r" (?:left|remaining)|come back (?:tomorrow|next (?:week|month))|invoices?|debts?"
    r"|insufficient (?:\w+ ){0,2}(?:balance|credits?|funds?|quotas?|points|money|tokens|allowance)"
    r"|(?<!resource )insufficient\Z|no more (?:[\w.-]+ ){0,3}(?:generations?|uses)|(?:not enough|out of|no more"
    r"|low on|lack of|exhausted|top up(?: your)?) (?:points|funds|tokens|balance|credits?|quota|money)|balance"
    r"|credits?|quotas?|funding|billing|bill|payments?|unpaid|arrears?|arrearage|overdue|recharge|top ?-?up|(?:daily"
    r"|weekly"
    r"|monthly) (?:\w+ ){1,3}(?:limit|cap)s?|trial (?:\w+ )?ran out|have \d+(?:\.\d+)? (?:\w+ )?left"
    r"|not (?:have )?enough (?:\w+ )?(?:tokens|points|coins|credits)|(?:set|plan|daily|weekly|monthly|usage|spending"
    r"|spend|inference|hard|soft|active user|account|trial|free|tier|budget) (?:\w+ )?(?:limit|cap|allowance|quota)s?"
    r"|free tier|(?:free )?trial (?:has |is |was )?(?:ended|over|expired|finished)|resource pack\w*|(?:not"
    r"|isn't) (?:\w+ )?(?:in|included in|part of|available (?:in|on|for|with)) (?:your |the )?(?:\w+ )?(?:plan"
    r"|subscription|tier|package)|(?:plan|subscription|tier) (?:does not|doesn't) (?:include|allow|support|cover)"
    r"|needs? an? (?:\w+ )?(?:subscription|plan)|upgrade (?:to (?:an? |the )?(?:pro|paid|higher|premium|plus|max)"
    r"|your (?:plan|account|subscription|tier))|subscription|subscribe|purchase|allowance|prepaid|postpaid"
    r"|unpurchased|not (?:been )?purchased|(?:have |has )?run out of (?:credits?|funds|points|tokens)|wallet"
    r"|(?:out of|add|no|more) (?:money|funds)|(?:spend\w*|cost|usage|budget) (?:\w+ )?(?:cap|ceiling|limit)|(?:paid"
    r"|pro|premium|enterprise) (?:plan|tier|account|users?|members?)|limit (?:is |was )?(?:reached|hit) for (?:your"
    r"|this) (?:account|plan|day|month|project)|(?:no|zero|0) remaining|generations? left|payment required|(?:no"
    r"|not) (?:\w+ )?(?:active )?(?:subscription|licen[cs]e)|(?:generations?|credits?|uses) (?:for|left for) (?:today"
    r"|this month)|card (?:was |is |has |has been )?(?:declined|expired|refused)|payment method",
    r"(?:单日|每日|当日|今日)\S{0,6}次数|次数\S{0,2}超(?:过|出|限)|资源限制|试用\S{0,3}(?:结束|到期)|升级(?:到|至|为)"
    r"|专业版|企业版|\bfondos\b|abrechnung|factura(?:tion|ci[oó]n)|账单|逾期|未付|ポイントが足り|(?:사용량"
    r"|횟수)[을를]? ?(?:초과|모두)|停机|缴费"
    r"|cr[eé]dits? (?:[eé]puis|insuffisant)|solde insuffisant|guthaben|saldo insuficiente|余额|额度|积分|点数|欠费"
    r"|充值|套餐|资源包|使用上限|限额|次数(?:限|已用|用完|不足|已达|达到|已满)|用量(?:超|已)|配额|扣费失败|クレジット"
    r"|残高|クォータ|上限に達|残量|回数上限|翌月|使い切|無料枠|(?:コイン|チケット|ジェム|トークン)が(?:不足|足り)"
    r"|ポイントが不足|크레딧|횟수를? 모두|잔액|할당량|한도|포인트가 부족|결제|\bsaldo\b|cr[eé]ditos?\b|\bcuota\b"
    r"|l[ií]mite (?:mensual|diario|de uso)|\bpagos?\b|钱包|余量|剩余(?:次数|额度|数量|条数)|(?:豆|币|券|钻石?|水晶"
    r"|贝壳?|星星|能量|灵感|魔力|体力|火花|算力[值点豆])值?(?:数量?|余额)?(?:不足|不够|已?用完|用光|已?耗尽|没有了)"
    r"|算力(?:值|点|币)|灵感值|代币|金币|已用尽|已耗尽|用尽|耗尽|超出(?:每日|当日|本月|免费)|续费|会员|vip|次数用光"
    r"|(?:剩余|还剩)\S{0,4}[:\uff1a] ?0(?!\d)",
)
# A text about a refund names the credits too, but missing credits are not its reason.
REFUND = (
    r"\b(?:refund|deducted|not (?:be |been )?charged|(?:been|were|was|are|is|be) (?:returned|restored|credited)"
    r"|returned to|given back|unchanged|not affected|no credits (?:were|was|are|have|has|will|used|spent|charged"
    r"|deducted))|返却|返還|退款|返还|退还|退回|返金|환불|reembols"
)
SIGNS = " .,;:!-\u3001\u3002\uff0c\uff1b\uff01"
CLAUSE = r"[.,;!?\u3002\uff0c\uff1b\uff01\uff1f]"  # the last ones are those of Chinese and Japanese
# The caller's own file or link could not be had, however that showed.
BAD_FILE = _pattern(
    r"(?:download|fetch|retriev|load|read)\w* (?:https?|assets?)|(?:uri|source)s? (?:\w+ )?(?:is |are "
    r"|was )?(?:not (?:reachable|accessible)|unreachable)|(?:(?:url|asset|image|link|file|video|audio|media"
    r"|reference)s? )(?:\w+ )?timed out (?:while|when|on|during) (?:fetch|download|load|read)\w*|(?:find"
    r"|locate) (?:\w+ ){0,3}(?:media|image|file|asset|resource)s?"
    r"|(?<!generated )(?<!output )(?<!final )(?<!result )(?:video|clip|movie) (?:could not|couldn't|cannot|can't"
    r"|can not) be (?:decoded|read|opened|downloaded|loaded|parsed|accessed|fetched)|time ?-?out while (?:fetch"
    r"|download|load|read)\w*|40\d client error[^:]*: [^:]*for url|(?:download|fetch|retriev|load|read|access|open"
    r"|reach|decod|pars|identif|resolv)\w*(?: to)?(?: an?| the| your| from| of| any)* (?:\w+ ){0,2}?(?:image|images"
    r"|input|inputs|reference|url|urls|link|media|photo|picture|file|files|audio|mask|keyframe|(?:first|last|start"
    r"|starting|end|ending|opening|closing|head|tail) frame|upload|source|clip)(?! (?:encoder|decoder|model|processor"
    r"|pipeline|classifier|service)s?)|(?:image|input|reference|url|link|media|photo|picture|file|audio|mask|keyframe"
    r"|first frame|last frame|frame\d|asset|source (?:video|clip)|(?:video|clip) source)s?(?: url| file"
    r"| link)?s? (?:\w+ ){0,2}?(?:expired|download\w*|(?:\w+ ){0,4}returned (?:an? )?(?:http |status )?4\d\d"
    r"|unreachable|inaccessible|(?:not|no longer) (?:reachable|accessible)|decod\w* (?:error|fail\w*)|corrupt\w*"
    r"|unreadable|broken|fetch\w*|retriev\w*|(?:can ?not|can't|could not|couldn't) be (?:read|loaded|decoded|fetched"
    r"|reached|opened|downloaded|accessed|processed|parsed))|(?:video|clip|movie) (?:download|fetch|decod|load|read"
    r"|pars|open)\w* (?:error|fail\w*)|(?:not|\w+n't) an? (?:\w+ )?(?:image|video|picture|movie|clip|audio file"
    r"|media file)",
    r"no se pudo (?:descargar|leer|abrir|cargar)|(?:获取|下载|读取|拉取) ?(?:url|链接)\S{0,2} ?(?:资源|文件|内容)?失败"
    r"|资源\S{0,2}(?:不可访问|无法访问|下载失败)|(?:图片|视频|音频|文件"
    r"|素材|图像|链接|url)(?:地址|链接| ?url)?(?:下载|获取|读取|解析|解码|加载|拉取|无法访问|不可访问|已?过期"
    r"|已?失效)(?:失败|错误|异常)?|远程文件|(?:下载|获取|读取)(?:图片|视频|音频|文件|素材|图像)(?:信息|内容)?(?:失败"
    r"|超时|出错)|(?:画像|ファイル)の?(?:ダウンロード|読み込み)|이미지를 (?:다운로드|불러)|(?:图片|视频|音频|文件"
    r"|素材|图像|链接|首帧|尾帧)\S{0,4}无法(?:读取|访问|下载|打开|获取|解析)|无法(?:读取|访问|下载|打开|获取"
    r"|解析)\S{0,6}?(?:图片|视频|音频|文件|素材|图像|链接)",
)
# The result is gone: it is no input, so nobody need look for a mistake of the caller.
GONE_FILE = r"\A(?:(?:文件|视频|结果|作品|下载)(?:链接)?|链接)已?(?:过期|失效)"
TIMEOUT = _pattern(
    r"poll\w* attempts|(?:max(?:imum)?|allowed|total) (?:\w+ )?time(?! ?stamp)|\bttl\b|(?:run|running|ran|runs|taking"
    r"|took|takes"
    r"|waiting|waited|hung|stuck|sat|spent|stayed) (?:for )?(?:far |much |way )?too long|no (?:response|answer"
    r"|reply) (?:from (?:\w+ ){1,3})?(?:in|within|after|for) \d+|(?:answer|respond|reply|finish|complete"
    r"|start) in time|(?:processing|response|execution|time) window|(?:stopped|gave up|give up|tired of) waiting"
    r"|wait(?:ing)? (?:budget|window|limit)|time ?-?outs?|e(?:socket)?timedout|timed ?-?out|deadline\w*"
    r"|took (?:too long|longer than|more than)|(?:generation|task|job|run|execution|processing"
    r"|prediction) (?:time )?(?:has )?exceeded \d+ ?(?:s|sec|seconds|m|min|minutes|h|hours)|ran out of time"
    r"|time limit|response time exceeded|in (?:the )?queue (?:for )?too long|max(?:imum)? (?:wait\w*|(?:queue "
    r"|queu\w+ )?time|runtime|processing time|execution time)|within the allowed time|in the allowed time|(?:did not"
    r"|didn't|couldn't|could not) (?:respond|finish|complete)(?: \w+){0,2} (?:with)?in|time (?:is |was )?(?:up"
    r"|exceeded)|wall ?-?(?:clock|time)|heartbeat|exceed\w* (?:the |its |an? )?\d+ ?(?:s|sec|seconds|m|min|minutes|h"
    r"|hours) (?:limit |of )?(?:runtime|wall|timeout|execution|processing|budget)|exceeded (?:the )?(?:\w+ )?(?:time"
    r"|runtime|wait(?:ing)? time)|not (?:finish\w*|complet\w*) (?:in|within|on) (?:time|\d)|(?:waited"
    r"|waiting) too long|took (?:over )?\d+ ?(?:s|sec|seconds|m|min|minutes)|took over|(?:ran|running"
    r"|runs) (?:\w+ )?(?:longer|more) than|waiting for \w+ after|after \d+ ?(?:s|sec|seconds|m|min|minutes|h|hours)\b"
    r"|still running after",
    r"super[oó] el tiempo|tiempo l[ií]mite|长时间(?:未|没有|无)|時間がかかり|시간이 (?:너무 )?오래|tard[oó] demasiado"
    r"|demasiado tiempo|(?:结果|运行|处理|生成|渲染|执行|等待|任务)\S{0,4}(?:超过|超出) ?(?:\d+ ?(?:秒|分钟|分"
    r"|个?小时)|限制时间|最[大长]时[长间]|限制)|超过 ?\d+ ?(?:秒|分钟|分|小时)(?:仍)?未|제한 시간|超时|逾时"
    r"|时间[过太]长|[耗用]时[过太]长|タイムアウト|時間切れ|시간 ?초과|시간이 초과|타임아웃|tiempo de espera"
    r"|tiempo agotado|se agot[oó] el tiempo|(?:超过|超出)(?:最长|最大|规定|允许)?的?(?:等待|执行|运行|处理)?时[间限]",
)
CANCELLED = _pattern(
    r"at your request|already (?:stopped|cancelled|canceled|terminated)|(?:owner|user|client|customer"
    r"|caller) (?:has |have )?(?:deleted|removed|stopped|killed|withdrew"
    r"|revoked)|(?:client|caller|user) (?:hung up|went away|gave up)|(?:owner|user|client|customer"
    r"|operator) (?:\w+ )?(?:pressed|hit|clicked|chose|requested|asked|triggered)(?: \w+){0,3} (?:stop|cancel|abort"
    r"|end)\w*|(?:upon|on|per|following|after) (?:the |an? )?(?:\w+ )?(?:user|client|customer|owner"
    r"|caller)'?s? (?:request|command|action|wish|order)|(?:stopped|ended|aborted|terminated|deleted"
    r"|removed) by (?:\w+ ){0,2}(?:user|owner|client|customer|admin\w*|caller|operator)|cancel\w*|abort(?:ed)? (?:by"
    r"|on)|at the (?:client|user|customer|caller|owner)'?s? request|\Aaborted\Z|(?:stopped|interrupted|terminated"
    r"|revoked|deleted|ended) (?:by|on) (?:the |a )?(?:user|client|customer|caller|owner|operator|admin\w*)|(?:user"
    r"|client|caller) (?:has |have )?(?:abort\w*|stopp\w*|closed|disconnected|left|interrupted)|withdrawn by"
    r"|manually (?:stopped|terminated|ended|interrupted)|stopped manually|(?:stopped|cancelled|ended) by you",
    r"任务(?:已|被|已被)(?:终止|中止)|ユーザーによって|取消|撤销|终止任务|被(?:管理员|用户|系统)(?:终止|停止|中断)"
    r"|手动(?:终止|停止|中断|结束|关闭)|人工终止|キャンセル|中止され|취소|중단되었|cancelad|anulad|abgebrochen"
    r"|annul[eé]|用户(?:已|主动|手动)?(?:终止|停止|中断)",
)
AUTH = _pattern(
    r"(?:token|key|account) (?:status )?(?:is )?unavailable|not a (?:\w+ )?member|verified (?:organi[sz]ation|account"
    r"|user)|(?:api|service) has not been (?:used|enabled)|unregistered callers|(?:illegal|empty"
    r"|abnormal) (?:\w+ )?token|token (?:can ?not|can't|must not) be (?:empty|null|blank)|(?:beta|early"
    r"|partner) access|(?:don't|do not|does not|doesn't) own|not the owner|(?:belongs?|owned) (?:to|by) (?:another"
    r"|someone|a different) (?:user|account)|requires verification|(?:token|key|credentials?|secret|header) (?:was "
    r"|is |were )?(?:not provided|not given|absent|required)|no (?:api ?-?|access |auth\w* )?(?:key|token"
    r"|credentials?)|(?:your|this|api|secret|access) (?:api )?(?:key|token|secret) (?:isn't|is not|is no longer"
    r"|wasn't|does not|doesn't|has no)|(?:not|\w+n't) (?:logged|signed) in|gated"
    r"|ip (?:address )?(?:is )?not (?:allowed|permitted|listed)|(?:has|have|had|with) no (?:rights?|access"
    r"|permissions?|privileges?)|member of an? (?:org|team|workspace)\w*|(?:country|region|territory"
    r"|location)s?,? (?:\w+,? ){0,3}not (?:supported|allowed|permitted|available)(?! (?:by|for the api))"
    r"|not (?:available|supported|offered) in your (?:\w+ )?(?:country|region)|(?:can ?not|can't) be accessed"
    r"|a[ks] ?/ ?[as]k|unauthori[sz]ed|unauthenticated|auth ?fail\w*|secret ?id|not (?:been )?(?:activated"
    r"|enabled) (?:for|on|in) (?:your|this|the) (?:account|project|organi[sz]ation)|authenticat\w*|authori[sz]\w*"
    r"|api ?-?keys?|access ?-?denied|permissions?|forbidden|credentials?|(?:invalid|expired|missing|incorrect|wrong"
    r"|bad) (?:\w+ )?(?:token|signature|key|secret)|(?:token|signature|jwt|secret|\w*key) (?:is |was |has "
    r"|does )?(?:\w+ )?(?:invalid|expired|missing|match|mismatch|malformed|verif\w+)|token not match|jwt"
    r"|(?:ip )?whitelist(?:ing)?|(?:log|sign) in|(?:you|account|user|operation|action|organi[sz]ation"
    r"|team) (?:\w+ ){0,3}(?:not permitted|not allowed|do not have access|no access)|(?:do|does) not have (?:access"
    r"|rights?)|no access|access rights?|ip (?:address )?(?:is |was |has been )?(?:blocked|banned)|(?:account|user"
    r"|key|organi[sz]ation) (?:\w+ ){0,2}(?:locked|suspended|disabled|banned|blocked|inactive|deactivated|abnormal"
    r"|exception|not exist|not activated|revoked)|has not activated|model not open|(?:must|has to|needs to|not"
    r"|\w+n't) be(?:en)? verified|not verified|verify your (?:organi[sz]ation|account|identity)|access (?:disabled"
    r"|forbidden|restricted|refused)|account (?:\w+ )?frozen|invalid account|(?:login|account|identity) verification"
    r"|account (?:\w+ )?not activated|(?:key|token) (?:[\w*.-]+ )?(?:has been |was |is |not |were )*(?:revoked"
    r"|disabled|deleted|recogni[sz]ed|accepted|rejected)|not entitled|not eligible|allow[ -]?list(?:ed)?|whitelisted"
    r"|unverified|denied access|login|session invalid|check (?:that |if |whether )?(?:your |the )?(?:api )?key"
    r"|(?:logged|signed) out|verify (?:you|your)|(?:key|token|secret) (?:\w+ ){0,3}(?:rotated|replaced|removed"
    r"|retired|old|unknown|mismatch\w*|valid\Z)|(?:signature|token|key) (?:\w+ )?(?:check|verification|validation)"
    r"|verify (?:an? |your |the )?(?:phone|email|number)|(?:phone|email"
    r"|identity)(?: number| address| verification)? (?:is )?required|requests? (?:to|from) this (?:api|referr?er|ip"
    r"|app)"
    r"\b[^;]{0,120}blocked|no (?:user|account)s? (?:was |were )?found|(?:service|platform|product) (?:is "
    r"|has )?not (?:been )?(?:enabled|activated|opened|subscribed)|\A(?:feature"
    r"|operation|action|model) (?:is )?not allowed\Z|(?:enterprise|business|real[ -]?name|kyc|identity|phone"
    r"|email) (?:\w+ )?verif\w+|(?:lacks?|missing|without|insufficient|requires?) (?:the |an? )?(?:\w+ )?(?:scope"
    r"|role|privilege|grant"
    r"|entitlement)s?|(?:key|token|account) (?:\w+ ){0,3}closed|key (?:is )?not (?:allowed|permitted|enabled)"
    r"|accept the (?:\w+ ){0,2}terms|access list|waitlist\w*|invite[ -]only|(?:could not|couldn't) verify",
    r"in ihrem land nicht|dans votre pays|en su pa[ií]s|в вашей стране|app ?(?:id|key)|token ?\S{0,2}(?:校验|验证)"
    r"|功能\S{0,2}(?:禁用|关闭)|不在\S{0,4}白名单|实名|申请\S{0,2}白名单"
    r"|トークン\S{0,6}(?:期限|無効|切れ)|秘钥|token\S{0,4}(?:失效|过期|无效|错误)|アクセス権|토큰|acceso denegado"
    r"|令牌|无权|没有权限|未对.{0,8}开放|权限|未登录|未开通|未授权|未鉴权|鉴权|认证|密钥|身份验证"
    r"|账[户号]\S{0,4}(?:非活动|未激活|未启用)|账[户号](?:已|被|状态)?(?:已被|被)?(?:锁定|封禁|停用|禁用|不存在|异常)"
    r"|ip ?白名单|認証|権限|api ?キー|ログイン|인증|권한|api ?키|autenticaci[oó]n|(?:token|clave"
    r"|llave) (?:\w+ ){0,3}(?:revocad|caducad|inv[aá]lid)|no autorizad|\bpermisos?\b|clave de api|credenciales"
    r"|(?:账[户号]|用户|令牌)(?:状态)?(?:已|被|已被)?(?:锁定|封禁|禁用|停用|冻结)|账[号户]\S{0,4}(?:限制|受限)"
    r"|签名(?:错误|不匹配|无效|校验|验证)|登录|chave (?:\w+ ){0,3}(?:revogad|inv[aá]lid|expirad)"
    r"|cl[eé] (?:d'api )?(?:\w+ ){0,2}(?:invalide|r[eé]voqu|expir)",
)
NOT_FOUND = _pattern(
    r"no record of|nothing (?:was )?found|page not found|(?:path|route|application|app"
    r"|workflow)\b[^.;]{0,80}not ?-?found|no (?:task|job|generation|prediction|video|record)s? (?:match\w*|by|under)"
    r"|\Anot ?-?found(?: error)?\Z|(?:task|job|generation|prediction|resource|video|creation|operation|record|(?:task"
    r"|request) ?id)s?\b[^.;]{0,80}(?:not ?-?found|not ?-?exist|\w+n't exist|no longer exist|null)"
    r"|there is no \w+ (?:with|for) (?:this|that)|nothing (?:is )?known about|no longer (?:known|kept|stored|retained"
    r"|available for retrieval)|(?:task|job|record|generation|\A) ?gone\Z|(?:task|job|generation|prediction|result"
    r"|output)s? (?:[\w-]+ )?(?:was|has been|were) (?:deleted|purged)|(?:no such|unknown) (?:task|job|video"
    r"|generation|render|clip|id|run)\w*|(?:task|job|render|request|generation)(?: id)? (?:\w+ )?not (?:recogni[sz]ed"
    r"|known)|no (?:task|job|generation) (?:\w+ )?(?:exists?|found|with)|no static resource|(?:cannot|can't|could not"
    r"|unable to"
    r"|failed to|\w+n't) find (?:the |that |this |your |any |an? )?(?:task|job|generation|prediction|operation"
    r"|creation|render)",
    r"(?:作品|生成记录)\S{0,2}不存在|无此任务|没有(?:该|此|这个)任务|任务(?:号|编号)\S{0,2}不存在|查不到"
    r"|任务(?:id)?\S{0,2}(?:错误|无效)\S{0,2}不存在|任务\S{0,3}(?:被|已)删除|tarea no existe|未找到(?:该|此"
    r"|对应的?)?(?:视频|作品|记录)|任务(?:不存在|未找到"
    r"|id ?不存在|记录已)|no existe (?:la|ninguna|esa) tarea|(?:找不到|未找到|查无|查不到|查询不到)(?:该|此)?任务"
    r"|タスク[がは](?:見つかり|存在し)|작업을 찾을|no se encontr[oó] la tarea|tarea no encontrada",
)
EXPIRED = _pattern(
    r"(?:link|result|url|download)s? (?:is|are|was) no longer (?:valid|available)|expired?|expir(?:es|y|ation)"
    r"|\d+ (?:days|hours) old|purged",
    r"过期|已失效|期限切れ|만료|caducad|expirad",
)
NO_RESULT = _pattern(
    r"empty (?:answer|response|reply)|(?:video|result|output)s? (?:url|link|file)? ?(?:is |was )?not returned"
    r"|(?:output|result) (?:is |was )?missing|missing (?:final|output|result)|(?:returned|produced|generated|gave|sent"
    r"|delivered) (?:back )?(?:nothing|none|zero|0|no (?:\w+ )?(?:videos?|images?|content|results?|outputs?|files?))"
    r"|(?:with|without) (?:no |any |a )(?:file|result|output|video|url"
    r"|link)|(?:no|zero|0) (?:\w+ )?(?:frame|result|output|video|image|file|clip)s? (?:was |were |is |are |got "
    r"|has been )?(?:produced|generated|returned|created|rendered|delivered)|(?:finished|completed|succeeded"
    r"|done) but (?:\w+ ){0,4}(?:missing|empty|null|no|none|nothing)|(?:output|result)s?(?: list| array| url"
    r"| file)? (?:is |was |are )?empty|(?:ended|finished|completed|succeeded|done|exited"
    r"|stopped) (?:\w+ ){0,3}without|zero (?:results?|outputs?|videos?|images?)|no (?:valid |usable )?(?:result|output"
    r"|video|image|media)s?(?: (?:file|url|link)s?)?(?: (?:was |were |is |are |has |have )?(?:been )?(?:generated"
    r"|produced"
    r"|returned|found|available|created|made|in \w+))?(?! (?:provided|given|supplied|input))|empty (?:result|output"
    r"|video|image|media)s?(?! (?:stream|track))|(?:did not|didn't) (?:produce|return|generate|yield) (?:any|a)"
    r"|without (?:any )?(?:result|output)|nothing (?:to (?:download|return)|was (?:generated|produced|returned)"
    r"|generated|produced)",
    r"(?<!参考)(?<!输入)(?:视频|结果)(?:地址|链接| ?url)?为空|未获取到\S{0,3}(?:视频|结果|链接|地址)|(?:没有"
    r"|未)生成任何|(?:没有|无|未)(?:生成|产生|返回)?(?:结果|输出)|结果为空|空结果|結果がありません|결과가 없"
    r"|sin resultado|no pudo generar contenido|(?:完成|成功)但\S{0,6}(?:缺少|没有|未返回)|(?:响应|返回"
    r"|结果)(?:数据)?中\S{0,3}(?:未找到|没有|找不到|缺少)|(?:没有"
    r"|未)返回\S{0,4} ?(?:内容|url|链接|视频|图片)|(?:没有|未)(?:返回"
    r"|生成|产出)?(?:视频"
    r"|图片)(?:结果|文件)?$",
)
# The provider says that it is its own fault, and that it passes.
PASSING = _pattern(
    r"internal (?:\w+ )?(?:error|failure|fault|issue|problem|exception)s?|(?:server|service|system|network"
    r"|gateway) ?(?:error|failure|exception|issue|fault|problem|had an error)s?|(?:server|service"
    r"|network) (?:\w+ )?exception|unavailable|outage|(?:temporar|transient|intermittent)\w*|maintenance|bad gateway"
    r"|gateway|status 50[0234]|(?:returned|http|code|error) (?:50[0234]|529)|is down|are down|went down"
    r"|(?<!action )offline"
    r"|(?:connection|stream|runner|peer) (?:was |is )?(?:reset|refused|closed|lost|error|aborted|dropped"
    r"|disconnect\w*)|disconnect\w*|reset before|econn\w+|enotfound|epipe|eai again|socket hang ?up|unreachable"
    r"|scheduling failure|failed to schedule|could not be scheduled|(?:spot|host|node) (?:\w+ )?(?:interrupt\w*"
    r"|preempt\w*|terminat\w*)|preempt\w*|interrupt\w*|evict\w*|on our (?:side|end)|downstream (?:service )?error"
    r"|upstream (?:service )?error|server had an error|could not be started|glitch\w*|hiccup\w*|(?:is|are"
    r"|still) (?:booting|starting up|warming up|restarting)|our (?:servers?|pipeline|systems?"
    r"|backend) (?:\w+ ){0,2}(?:failed|error|trouble|issues?|problems?)|trouble on our",
    r"内部(?:错误|异常)|(?:系统|服务|网络|服务器)(?:内部)?(?:错误|异常|出错|故障|不可用|维护)|维护中|暂不可用"
    r"|暂时不可用|无可用渠道|返回 ?50\d|内部エラー|サーバーエラー|メンテナンス|一時的|利用できません|내부 오류"
    r"|서버 오류|점검|일시적|error interno|error del servidor|mantenimiento|no disponible|temporalmente",
)
DOWN = _pattern(
    r"maintenance|unavailable|temporar\w*|offline|bad gateway|gateway timeout|upstream (?:error|timeout"
    r"|connect error)|status 50[234]|database is locked|try again later",
    r"维护|不可用|无可用渠道|メンテナンス|점검|mantenimiento",
)
INVALID_INPUT = _pattern(
    r"not enough (?:face|people|frame|image|pixel|character|text|audio)s?|process\w* (?:the |your |input )?(?:audio"
    r"|video|image) file|empty (?:url|data|payload)|not in (?:the )?list|(?:can ?not|can't) be (?:disabled|enabled"
    r"|changed|turned)|only the following|(?:could not|couldn't|unable to|failed to"
    r"|cannot) parse (?!(?:\w+ ){0,3}(?:response|output|answer|reply|upstream))|validating|input values?"
    r"|issues? with (?:the|your) (?:input|request|param\w*|prompt|values?)|(?:model|voice|avatar|image|file|style"
    r"|template|effect)s? (?:[\w'.-]+ )?could ?n[o']t be (?:located|found)|outside (?:of )?(?:the "
    r"|its )?(?:\w+ )?(?:band|range|limits?|bounds)|(?:avatar|voice|style|template|effect|preset|asset)s? (?:has been"
    r"|have been|was|were|is|are) (?:removed|retired|unavailable)|(?:in|as|with) \w+ only"
    r"|unknown (?!(?:\w+ )?(?:error|exception|failure|fault|reason|issue|problem|cause|status|state|host|upstream"
    r"|server|backend)s?)\w+|(?:only|just) (?:take|accept|allow|handle)s?|(?:does|do)(?: not|\w+n't) (?:accept|take"
    r"|allow|handle|understand|recogni[sz]e)|accepts? \d|please (?:trim|cut|compress|convert|re-?encode|re-?upload)"
    r"|(?:make sense of|understand|parse|interpret) (?:\w+ ){0,2}(?:request|body|json|payload|prompt|input)|(?:json"
    r"|body|payload|request|header) (?:\w+ ){0,2}(?:not|\w+n't) be (?:parsed|read|decoded|understood)|(?:not"
    r"|\w+n't) (?:\w+ )?support\w*|no (?:[\w-]+ ){1,3}(?:human|face|person|body|speaker|mouth|head)s?|nobody"
    r"|no ?-?one|audible|(?:only|meant|intended) for (?:text|image|video)|not a (?:known|real|recogni[sz]ed)|(?:empty"
    r"|no) (?:video|audio) (?:stream|track)s?|that supports?|many (?:people|faces|persons)|unable to process (?:the "
    r"|your )?(?:input|uploaded|reference)|ensure (?:that )?(?:the|your)|not in an? (?:\w+ ){0,3}format|base ?64"
    r"|(?:face|person|body|human|subject)s? (?:\w+ )?not (?:detected|found|recogni[sz]ed|visible)|(?:template|effect"
    r"|feature|style) (?:\w+ )?not activated|not active|is silent|silent audio|model ['\"\w.-]+ (?:does not|doesn't"
    r"|not) exist|comply with (?:[\w']+ ){1,4}spec\w*|invalid\w*|incorrect\w*|illegal|wrong (?:file|format|type|size"
    r"|value|number)|(?:un|not |isn't |only )supported|unsupported\w*|(?:are|is|only) supported"
    r"|supported (?:\w+ )?(?:values|types|formats|sizes|models|are)|supports? (?:only|durations?|up to|\d)|(?:does|do"
    r"|did)(?: not|\w+n't) (?:currently )?support|not valid|isn't valid|not accessible|not (?:a )?(?:match|allowed"
    r"|permitted|acceptable|available for|compatible)|incompatible|mismatch\w*|must|required|requires?|mandatory"
    r"|missing|lack(?:s|ing)?|unwanted|unknown (?:parameter|field|model|argument|option|value)|malformed|bad request"
    r"|too (?:large|long|small|short|big|many|few|low|high|complex|wide|tall|dark|blurry|heavy|similar)|at (?:least"
    r"|most) \w+|no (?:more|less|fewer|longer|larger|smaller|greater) than|may (?:not be|hold at most|only)"
    r"|(?:greater|less|more|fewer|larger|longer|shorter|smaller|bigger|higher|lower) than|between -?\d[\d.:]* (?:and"
    r"|to|-) -?\d|out of (?:the )?(?:allowed )?(?:range|limits?)|exceed\w*|over \d+ ?(?:mb|m|kb|gb|s|sec|seconds|px"
    r"|pixels|characters)?|up to \d|(?:max|min)(?:imum)?|limited to|only one of|one of|validation|parameters?|params?"
    r"|arguments?|unprocessable|(?:can ?not|can't) be (?:used|empty|null|blank|combined|set|identified|rendered|found"
    r"|deleted)|should (?:be|have|match|contain|not)|be set|please (?:supply|provide|specify|upload|use|check|choose"
    r"|select|add|change|modify|adjust|resize|reduce|shorten|crop)|(?:empty|blank) (?:prompt|input|field|script|image"
    r"|text)|prompt (?:is |was )?(?:empty|blank)|(?:use|try|choose|pick|upload|with|select|provide) an? ?(?:different"
    r"|another|other|new)|corrupt\w*|cannot identify|undetect\w*|(?:not|\w+n't|no|unable to) (?:\w+ )?(?:detect\w*"
    r"|recogni[sz]e) (?:\w+ ){0,3}(?:face|body|person|people|object|human|subject)s?|no (?:human|face|person|people"
    r"|body|subject|object)s?|multi(?:ple)? (?:human|face|bod)\w*|(?:face|body|pose|joints?) (?:\w+ )?(?:detection"
    r"|check)|no (?:image|file|prompt|input|audio)s?(?: (?:was|were))? (?:provided|given|supplied|found|detected)"
    r"|(?:image|reference|file|audio|model|voice|avatar|character|effect|template|endpoint|page|data|asset|media"
    r"|photo|picture|link)s? (?:[\w.-]+ ){0,3}?(?:not ?-?found|(?:does )?not ?-?exist|can(?:not| not) be found"
    r"|deleted|has been deleted|been deleted)|(?:has|have|was|been) deleted|(?:image|file|audio|input) (?:upload"
    r"|format|size|duration|check)\w*|resolutions?|aspect ratios?|dimensions?|width|height|pixels?|(?:field|value"
    r"|option|type|format|duration|length|size|ratio|fps|frames)s? (?:is|are|of|was|must|error)|character ratio"
    r"|out of bounds|multiple of|unexpected (?:value|field|parameter|keyword)|not applicable|use case|list should"
    r"|input should|specify|url error|(?:not|\w+n't) an? (?:valid )?(?:url|link|number|integer|array|list|string"
    r"|boolean)|expected (?:an? |to be )?(?:array|list|string|number|integer|object|boolean|image|url|value)s?"
    r"|differ(?:s|ent)? in (?:size|length|format|resolution|ratio)|only accepts?|accepts? only|(?:not"
    r"|\w+n't) accepted|\d at most|(?:not|but not|or) both|only available (?:at|in|for|with)|\d characters"
    r"|not (?:offered|possible) (?:for|with)|only (?:[\w-]+ ){1,5}(?:are|is|can be) (?:allowed|accepted|supported"
    r"|permitted|used)|(?:not )?divisible by|(?:text|prompt|input|field|value|list|array|body|content|file"
    r"|image)s? (?:is|was|are|cannot be|can't be|must not be|may not be) (?:empty|blank|null|missing)"
    r"|please (?:describe|enter|input|give|write|fill|attach)|not one of|unrecogni[sz]ed|unknown \w+ (?:type|format)"
    r"|(?:can ?not|can't|cannot) (?:contain|include|combine|exceed|accept|use)|mutually exclusive|conflict\w* (?:with"
    r"|parameters?|options?)|(?:upper|lower) (?:limit|bound)|(?:above|below|beyond) (?:the )?(?:\w+ )?(?:limit"
    r"|maximum|minimum)|limit of \d+ ?(?:characters|images|mb|seconds|files|tokens)|(?:has|have|needs?|ought) to be"
    r"|blurry|blurred|low quality|duplicate (?:image|file|input|parameter)s?|no audio track|(?:image|photo|picture"
    r"|clip|video|audio|prompt) (?:quality|content type|encoding|codec)|codec|(?:other|another|different) (?:size"
    r"|length|format|resolution|ratio|shape|dimension)s? (?:than|from|to)|only (?:[\w-]+ ){1,4}(?:clip|image|video"
    r"|file|photo|picture|input|track|format)s? (?:are|is|can be) \w+|must lie|lie within|minimum is|maximum is"
    r"|\d+ is (?:above|below|over|under)|identical|mime ?type|content ?type|not in (?:\w+ )?(?:jpe?g|png|webp|mp4|mov"
    r"|wav|mp3|pdf|utf-?8)|(?:won't|does not|doesn't|will not) work(?! now| at the moment)|bad (?:picture|image|photo"
    r"|prompt|input|file|parameter|value|url)s?|pars(?:e|ing) (?:the |your )?(?:request|body|input|param\w*|prompt)"
    r"|no models? (?:match|found"
    r"|named|called)|deprecated|\Ano (?:prompt|input|text|script|audio|image|file|model"
    r"|voice)s?\Z|no (?:\w+ ){1,3}(?:detected|found|visible|recogni[sz]ed) in (?:the |your )?(?:\w+ )?(?:image|photo"
    r"|picture|video|clip|audio|input|frame|file|reference)|(?:try|consider) (?:chang|re-?word|rephras|edit|modify"
    r"|simplif|shorten)\w*",
    r"not in [\[({]|已下线|已下架|空(?:url|数据|参数|文件|图片)|错误的请求|请求错误|指定でき|supera el|没有人[物脸]"
    r"|正しくありません|参数|无效|非法|有误|不支持|仅支持|只支持|(?:类型|名称|模式|取值|值)错误|请?换[一]?个(?:描述"
    r"|提示)|tamaño m[aá]ximo|过[大小长短高低暗亮]|帧率|最多(?!重试)|最少|不能.{0,20}同时|までです|m[aá]s de \d|至少"
    r"|不少于|不大于|不小于|超长|超出|超过|不能超过|不得超过|尺寸|分辨率|格式|大小|时长|长度|比例|宽高|缺少|缺失|必填"
    r"|必须|不能为空|为空|不正确|不合法|不符合要求|不存在|未检测到|未识别|检测失败|无人脸|人脸|下载失败|暂不支持"
    r"|(?:找|检测)不到|暂?不能使用|请检查|请更换|请上传|無効|形式|サポートされて|対応して|必須|大きすぎ|長すぎ"
    r"|小さすぎ|短すぎ|パラメータ|不正|解像度|検出できません|잘못된|유효하지|형식|지원(?:하지|되지)|필수|너무 (?:크"
    r"|깁|길|작|짧)|매개변수|해상도|파라미터|指定してください|(?:以下|以上|以内)にして|파일을 (?:열|읽을) 수"
    r"|dimensiones|no coincid|최대 ?\d|넘습니다|초과합니다|debe (?:medir|ser|tener|estar)|(?:precisa|deve) (?:ser|ter"
    r"|estar)|doit (?:[eê]tre|avoir)|aucun visage|introuvable|n'est pas (?:valide|pris)|ung[uü]ltig"
    r"|nicht unterst[uü]tzt|besch[aä]digt|darf nicht|muss (?:zwischen|min|h[oö]chst|ein)|no (?:es )?v[aá]lid"
    r"|inv[aá]lid|no (?:es )?compatible|formato|obligatori|demasiado (?:grande|larg|peque)|par[aá]metro|resoluci[oó]n"
    r"|no admitid|\bfalta\b|太[大小长短]|损坏|无法识别|上限|下限|仅限|只能|数量|字数|字符|请输入|请选择|请填写|清晰度"
    r"|模糊|编码(?!器)|校验失败|解析失败|冲突|重复|未提供(?!(?:具体|详细)?原因)|未上传|长宽|像素|宽度|高度|不匹配"
    r"|空です|入力してください"
    r"|지원되는|입력해 주세요|vac[ií]o|admite solo|solo se admite",
)
# A polite end of any text, a refusal too. It is taken out before anything is looked for: it says nothing of the reason.
WHEN = (
    r"again|later|soon|shortly|tomorrow|once more|after|in (?:an?|\d+(?: ?[smh]\b)?|some|few)|next (?:time|day|week"
    r"|month)|another (?:time|day)"
)
INVITATION = _pattern(
    r"(?:(?:please|kindly|just|simply|or|and|then|so|feel free to|you (?:can|may|could|should"
    r"|might want to))[ ,]+){0,4}(?:wait(?: (?:for|an?|few|some|couple|of|\d+|moments?|bit|while|seconds?|minutes?"
    r"|hours?)){0,4}(?:[ ,]+(?:and|then|before|to))*[ ,]+)?(?:(?:re)?try(?:ing)?|(?:re)?-?submit(?:ting)?"
    r"|(?:re)?-?send|re-?run|attempt|request|check|come|ask)(?: (?:it|this|that|the|your|request|generation|task|job"
    r"|submission|it once|back)){0,3}"
    rf" (?:{WHEN})"
    r"(?: (?:(?:in|after) \d+(?: ?[smh]\b)?|again|later|soon|shortly|in|after|an?|few|some|couple|of|seconds?|sec"
    r"|minutes?|min|hours?|days?|moments?|while|bit|time|please(?=[.!,;]|\Z)))*+|(?:please|kindly|can|may|could"
    r"|should) (?:retry|resubmit|re-?run)(?: (?:it|this|the|your|request|task|job))*+|(?:please )?retry(?: (?:it"
    r"|this request|your request|the request|the task|now))?(?=[.!,;]|\Z)|please (?:be patient|stand by)"
    r"|please wait(?: (?:for|an?|few|some|couple|of|\d+|moments?|bit|while|seconds?|minutes?|hours?))*+"
    # After German, French, Dutch and the others come those that are written without blanks.
    r"|(?:por favor,? )?(?:int[e\xe9]ntel[oe]|intenta(?:lo)?|vuelva a intentar(?:lo)?|reint[e\xe9]nt\w+"
    r"|pruebe)(?: (?:de nuevo|otra vez|nuevamente|m[a\xe1]s tarde))*+|(?:por favor,? )?(?:tente|tentar)(?: (?:de novo"
    r"|outra vez|novamente|mais tarde))+|(?:veuillez |merci de )?r[e\xe9]essay\w*(?: (?:plus tard"
    r"|ult[e\xe9]rieurement|dans \w+ \w+))*+|(?:bitte )?versuch(?:en sie|e|t)? es(?: (?:bitte|sp[a\xe4]ter|erneut"
    r"|noch ?mal|noch einmal|wieder))*+|bitte (?:(?:sp[a\xe4]ter|erneut|noch ?mals?) )+versuchen"
    r"|(?:per favore,? )?riprov\w+(?: pi[u\xf9] tardi)?|probeer (?:het )?(?:(?:later|opnieuw|nog eens)[ .]?)+"
    r"|(?:silakan )?coba lagi(?: nanti)?|(?:spr[o\xf3]buj|pon\xf3w) (?:ponownie|pr\xf3b\u0119)(?: p\xf3\u017aniej)?"
    r"|(?:l\xfctfen )?(?:daha sonra )?(?:tekrar|yeniden) deneyin(?:iz)?|(?:vui l\xf2ng )?th\u1eed l\u1ea1i(?: sau)?",
    r"(?:пожалуйста,? )?(?:попробуйте|повторите)(?: (?:попытку|запрос|снова|ещ[её] раз|позже|позднее))*+|(?:请|您"
    r"|可以|建议){0,4}(?:稍后|稍候|稍等|片刻后|过一?会儿?|晚点|明天|几分钟后|\d{1,3} ?(?:秒|分钟"
    r"|小时)后)(?:请)?(?:再次|再来|再|重新)?(?:重试|试一?[试次下]?|尝试|提交|生成|操作|发起|来)?|(?:请您?"
    r"|可)?(?:重试(?!次数|\d|失败)|再试(?:一次|一下)?|再次尝试|重新(?:尝试|提交|发起))|(?:しばらく(?:して|経って"
    r"|たって|待って)?(?:から)?|後ほど|のちほど|時間を(?:おいて|置いて)(?:から)?|少し待ってから)?、? ?(?:もう一度"
    r"|再度|再び|改めて)?、? ?(?:(?:お試し|やり直し|再試行|再実行|お待ち)(?:して)?(?:ください|下さい|いただ\S{0,6})?"
    r"|試して(?:ください|下さい))|(?:잠시|나중에|조금|몇 분)(?: ?[후뒤])?에?(?: ?다시)?(?: ?(?:시도|요청"
    r"|이용))?(?:해 ?주세요|해 ?주십시오|하세요|하십시오|해 ?보세요|하시기 바랍니다)?|(?:다시 ?(?:시도|요청)"
    r"|재시도)(?:해 ?주세요|해 ?주십시오|하세요|하십시오|해 ?보세요|하시기 바랍니다)?|(?:يرجى )?(?:حاول"
    r"|المحاولة) مرة أخرى(?: لاحقا\w?)?|(?:โปรด)?ลอง(?:ใหม่)?อีกครั้ง(?:ภายหลัง)?",
)
# One with a time in it. Without, it is mere politeness.
LATER = _pattern(
    rf"(?:try|retry|retrying|submit|attempt|request|check|come)(?: it| this| your request| the request)?(?: again"
    rf"| back)? (?!again\b)(?:{WHEN})|please wait|wait (?:and|for|a|before)",
    r"稍后|稍候|片刻后|一会|晚点|しばらく|後ほど|잠시 ?후|나중에|m[aá]s tarde|mais tarde|plus tard|später"
    r"|pi[uù] tardi|позже",
)
# What a text may say besides an invitation without giving a reason. Whatever else it says may be one for a refusal.
NO_REASON = _pattern(
    r"(?:sorry|oops|apolog\w+|we|our|us|the|an?|this|that|your|you|it|its|is|was|were|are|be|been|being|has|have|had"
    r"|not|could|couldn't|can|cannot|can't|unable|to|failed|fails?|failures?|errors?|went|wrong|something|anything"
    r"|problems?|issues?|trouble|occurred|happened|encountered|unexpected(?:ly)?|unknown|during|while|when|with|of"
    r"|for|in|on|at|by|and|or|but|so|please|if|persists?|continues?|contact|support|generat(?:e|ing|ion|ed)|creat(?:e"
    r"|ing|ion|ed)|process(?:ing|ed)?|complet(?:e|ed|ing|ion)|render(?:ing|ed)?|produced?|finish(?:ed)?|handled?"
    r"|execut(?:e|ed|ion)|videos?|images?|tasks?|jobs?|requests?|operations?|servers?|services?|systems?|side|end"
    r"|models?|api|backend|upstream|provider|code|moment|now|right|currently|technical|difficult(?:y|ies)|http|status"
    r"|exception|message|error code|el|la|su|un|una|ha|ocurri\w+|fall[o\xf3]|v[i\xed]deo|solicitud|generaci[o\xf3]n"
    r"|servidor|une|erreur|est|survenue|fehler|ist|aufgetreten|ein|der|die|das|erro|ocorreu|um|o|\d+)",
    r"生成|失败|视频|图片|任务|请求|系统|服务器?|处理|出错|错误|发生|未知|很?抱歉|对不起|问题|遇到|异常|暂时|当前"
    r"|目前|无法|完成|创建|执行|模型|您?的|我们|出现|出了点?|[了中时在]|開小差|开小差|エラー|発生|しました|失敗|動画"
    r"|タスク|処理|サーバー|システム|申し訳(?:ありません|ございません)|問題|できません(?:でした)?|[がのにをは]|생성"
    r"|오류|발생|했습니다|하였습니다|실패|영상|비디오|요청|처리|서버|죄송합니다|작업|[가이을를에]",
)
# The request has to be another one: then trying again is no use for this one.
ANOTHER = _pattern(
    r"different|another|modif(?:y|ying|ied)|chang(?:e|ing)|adjust(?:ing)?|rephras\w*|rewrit\w*|edit(?:ing)?|remov(?:e"
    r"|ing)|replac(?:e|ing)|(?:do|should|must) not (?:retry|try|be retried)|don't (?:retry|try)|not retr(?:y|ya)\w*"
    r"|non-?retr\w+|will not help|no use|switch(?:ing)? to|instead|use (?:\w+ )?\d\w*|pick|choose|select|selected"
    r"|upgrade|(?:this|that|your|the) (?:\w+ )?(?:duration|resolution|ratio|size|voice|style|plan|option|feature"
    r"|effect|template|format|mode)(?: you \w+)? (?:is|are)|for (?:this|your|that) (?:\w+ )?(?:model|plan|account"
    r"|region|country)",
    r"修改|更换|调整|请勿重试|不要重试|切换|改用|换一|其他模型|变更|変更|修正|別の|他の|このモデル|変えて|변경|수정"
    r"|다른 |사용할 수 없는|cambie|cambiar|modifique|otro\b|otra\b",
)
TROUBLE = _pattern(
    r"(?:unknown|unexpected) (?:\w+ )?(?:error|exception|failure)s?|(?:something|anything) went wrong|crash\w*",
    r"未知错误|未知异常|流程出错|不明なエラー|알 수 없는 오류|error desconocido",
)

# A text that says this is no end, whatever the status code is. Compiled when one is read, which is rare.
UNFINISHED = (
    r"\bnot (?:yet )?ready\b|\b(?:is|are|has|have|still) not (?:yet )?(?:been )?(?:completed?|finished|done|generated"
    r"|started)\b|\b(?:task|job|video|generation|request) not (?:yet )?(?:completed?|finished|done|started)\b"
    # A key that is not yet activated, or a model that does not support something yet, will be refused again.
    r"|\bnot\b(?!.{0,40}(?:verif|activ|enabl|approv|subscri|purchas|paid|pay|valid|agree|support|permit|allow"
    r"|available (?:in|through|on|to|for|with)|releas|launch|access|deploy|train|open)).{0,40}\byet\b"
    r"|\bnot (?:yet )?(?:completed?|finished)\b.{0,20}\bstatus\b"
    # "It failed while it was being processed" is an end.
    r"|^(?!.*\b(?:fail|error|invalid|unable|could not|cannot)).*\b(?:is|are|still|currently|being|yet) (?:still "
    r"|currently |being |yet )?(?:(?:process|generat|render)(?:ing|ed)|running|pending|queued|in (?:the )?(?:progress"
    r"|queue))\b|^(?!.*\bfail).*\bstill (?:being )?(?:(?:process|generat|render)(?:ing|ed)|running|pending|queued)\b"
    r"|\b(?:in progress|unfinished|yet to be|wait (?:until|till|while)|no (?:result|output|video)s? yet)\b|\b(?:in"
    r"|position in) (?:the |a )?queue\b|\bqueue position\b|^(?:still |currently |now )?waiting (?:for|to|in)\b"
    # It has a place in a queue: "queued behind 3 others", "waiting in line", "2 jobs ahead of you".
    r"|^(?!.*\b(?:fail|could not|cannot|can't|unable|not be|never|drop|expel)).*\b(?:en)?queued\b|\bbehind \d+\b"
    r"|\b\d+ (?:\w+ ){0,3}(?:ahead|before you|in front)\b|\bahead of (?:you|it|this|yours?)\b|\bin line\b"
    r"|\b(?:waiting|waits|awaiting) (?:for |in |on |its |to )?(?:an? |the |its )?(?:\w+ )?(?:turn|slot|gpus?|workers?"
    r"|capacity|queue|line|resources?|nodes?|runners?|machines?|start|be (?:rendered|processed|scheduled|started"
    r"|picked))\b|\b(?:until|till) (?:it|the \w+|they) (?:(?:is|are|was|has|have|had) )?(?:been )?(?:finish|complet"
    r"|render|generat|process|ready|done)\w*|\bwill be (?:processed|generated|started|executed) (?:soon|shortly"
    r"|momentarily|in a)\b|^(?!.*\bfail).*\bstill (?:working on|cooking|(?:upload|prepar|start|creat|encod|sav)ing)\b"
    r"|\balmost (?:done|ready)\b|\btoo early\b|\bresults? pending\b|\bcheck back\b|\boperation not done\b|\b(?:is"
    r"|still) being (?:(?:process|generat|render|transcod|encod|upload|prepar|creat|upscal|download|sav|stor|produc"
    r"|finali[sz]|queu)ed|made)\b|\b(?:task|job|video|generation|result) is (?:still )?incomplete\b|\b(?:video|result"
    r"|file|output|it) will be (?:ready|available)\b|\bwill be ready\b|\bunder review\b|\b(?:awaiting"
    r"|pending) (?:review|moderation)\b|\b(?:try|check|retry|poll|ask|come) (?:again |back )?(?:when|once|after"
    r"|until)\b.{0,40}\b(?:complete[ds]?|finish\w*|ready|done)\b"
    # Chinese, Japanese, Korean
    r"|(?:正在|仍在|还在|還在)(?:处理|生成|排队|运行|渲染|执行|进行|合成|制作|创建|转码|编码|等待|准备|上传|下载|审核"
    r"|处理|處理|製作|排隊|产生|產生|生产)|(?:处理|生成|排队|进行|运行|执行|渲染|合成|制作|转码|上传|审核|處理|排隊"
    r"|進行|処理|実行|作成|変換|レンダリング|待機|準備|アップロード)中(?=$"
    r"|[\s,.;:!?)\]\u2026\u3001\u3002\uff01-\uff1f]|请|です|で)|(?:尚未|还未|还没有?|仍未|没有|未)(?:完成|就绪|准备好"
    r"|结束|完了|开始)|(?:尚未|还未|还没有?|仍未|未)生成|等待(?:处理|生成|中|渲染|执行|资源|空闲|gpu|调度)|请(?:稍候"
    r"|耐心等待|等待)|まだ|(?:任务|请求|视频|已)\S{0,3}排队|已进入?队列|排在第|前[面方]\S{0,3}有? ?\d+"
    r"|前に ?\d+ ?[件人]|待ち(?=$|[でのに\s,.。、])|待機して|앞에 ?\d+|기다리는 중|대기하고|(?:処理|生成|作成|実行"
    r"|変換|準備|アップロード)(?:して|されて)いま(?:す|せん)|(?:完了|準備|生成)(?:が)?(?:して|できて|されて)いません"
    r"|キューに|順番待ち|(?:처리|생성|진행|대기|작업|렌더링|실행|준비|업로드) ?중|(?:완료|준비|생성|처리)되지 않"
    r"|대기열|생성하는 중|아직"
    # Others: "in progress", "is being made", "not yet ready"
    r"|\ben (?:la )?(?:proceso|progreso|curso|cola|cours|attente|espera|ejecuci[oó]n)\b|\b(?:em|na) (?:processamento"
    r"|andamento|fila|espera)\b|\bfile d.attente\b|\b(?:por delante|devant vous|[aà] frente|davanti)\b|\bvor (?:dir"
    r"|ihnen|ihrem)\b|\bin (?:corso|elaborazione|attesa|coda|der warteschlange|bearbeitung|arbeit|warteschlange)\b"
    r"|\bwartet (?:auf|noch|in)\b|\bw kolejce\b|\boczekuje\b|ожида|в очередь|kuyrukta|bekliyor|hàng đợi|\b(?:antrean"
    r"|antrian|menunggu giliran)\b|قائمة الانتظار|รอคิว|प्रतीक्षा|\best[aá] (?:siendo|sendo)\b|\bwird (?:noch "
    r"|gerade )?(?:verarbeitet|generiert|erstellt|gerendert)\b|\bläuft noch\b|в (?:обработке|очереди|процессе)"
    r"|обрабатыва|генерируе|выполняется|не готов|haz\u0131r değil|đang được|przetwarzan|işleniyor|s\u0131rada"
    r"|đang (?:xử lý|tạo|chờ)|\bsedang (?:diproses|dibuat)\b|w trakcie|قيد (?:المعالجة|التنفيذ|الانتظار)|กำลัง"
    r"|(?:noch nicht|pas encore|n.est pas|ainda não|non (?:è )?ancora|ещё не|еще не|todav[ií]a no|a[uú]n no"
    r"|jeszcze nie|no ha|chưa|belum) .{0,15}(?:fertig|bereit|abgeschlossen|prête?|terminée?|termina|pront[oa]"
    r"|conclu[ií]d|completad|listo|готов|заверш|gotow|xong|sẵn|selesai)"
)
# The status itself, whatever is said of it.
UNFINISHED_STATE = (
    r"\bstat(?:us|e)\b(?: is)?\W{1,3}(?:pending|queued|running|processing|generating|rendering|not start|submitted"
    r"|in progress)\b|状态(?:为|是)?\s?[:\uff1a]?\s?(?:pending|queued|running|processing|generating|submitted"
    r"|in progress)\b|\b(?:task|job) is (?:still )?(?:running|queued)\b(?! out)|\bgot (?:processing|pending|queued"
    r"|running|in progress)\b"
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
    r"|flags?)(?: (?:found|detected))?|(?:nsfw|flagged|blocked|violation|error|sensitive|timeout|moderation"
    r"|safety)\W{1,3}(?:false|none|no|ok|0|null)|compl(?:y|ies|iant)|adjusted to|expires in|were deducted|was charged"
    r"|(?:credits?|quota|tokens?) (?:used|spent|consumed|left|remaining)|used: \d",
    r"通过|无违规|未发现|消耗|扣除|正常|合规|問題ありません|문제가? ?없",
)
NOT_CLEAR = _pattern(
    r"not|\w+n't|never|no longer|non|without|fail\w*|reject\w*|violat\w*|blocked|refus\w*|declin\w*|den(?:y|ied)"
    r"|unable|forbidden|prohibited|removed|flagged|cannot",
    r"[未不没]|无法|违|敏感|拒|拦截|屏蔽",
)

# What a text says of the content itself, in no listed words. Nobody tells that but to refuse it.
OF_CONTENT = _pattern(
    r"(?:prompt|script|text|image|photo|picture|video|clip|audio|lyrics|scene|content|request"
    r"|input)s? (?:\w+ ){0,2}?(?:refers?|referring|mentions?|mentioning|touch(?:es)?|depicts?|depicting|alludes?"
    r"|promotes?|promoting|glorif\w+|encourages?|portrays?|describes?|relates?|resembles?)|\A(?:depicts?|promotes?"
    r"|mentions?|portrays?|refers? to|resembles?)|(?:can't|cannot|can not|won't|will not|unable to|do not|don't"
    r"|not able to) (?:create|generate|make|produce|depict|show|animate|draw|portray) (?:\w+ ){0,2}?(?:of|about"
    r"|showing|depicting|involving)"
    rf"|{THING} {BETWEEN}{REFUSED}(?! by (?:the |our |an? )?(?:\w+ )?(?:server|gateway|proxy|balancer|queue|scheduler"
    rf"|host|node|worker|api|router))|{REFUSED}:? (?:the |your |this |an? )?{THING}|(?:unable to|can't|cannot|can not"
    rf"|won't) (?:help|assist|comply)|(?:generation|creation) (?:stopped|halted) by|(?:prompt|image|photo|picture"
    rf"|text|script)s? (?:could not|couldn't|cannot|can't) be (?:submitted|accepted|shown|displayed)",
    r"(?:提示词|内容|图片|画面|素材|视频|文本|输入|主题)\S{0,6}(?:涉及|含有|包含|被拒|拒绝|驳回)|拒绝生成|審査|拒否"
    r"|ブロックされ|(?:프롬프트|콘텐츠|이미지|내용|요청)\S{0,3} ?\S{0,6} ?(?:차단|거부)|\b(?:inhalt|bild|anfrage"
    r"|prompt)\w* (?:wurde )?abgelehnt|\brechazad[oa]|\brefus[eé]e?\b|が含まれて|に関する内容|포함되어 있"
    r"|\bmenciona\b|\bmentionne\b",
)

# A sentence about what was sent in, with nothing in it that breaks by itself.
OF_INPUT = (
    r"\A(?!.*\b(?:fail|error|crash|exception|lost|worker|node|server|service|gpu|generat|process|encod|enhanc|timeout"
    r"|system|could ?n[o']t|returned|produced|nan\b|render))(?:(?:the|your|this|an?|provided|given|submitted|uploaded"
    r"|first|last|start|end|second|reference|input) )*(?:prompt|image|photo|picture|audio|frame|mask|reference"
    r"|webhook|callback|url|file|camera|seed|duration|style|voice|lens|face|subject|resolution|ratio|script|clip)s?\b"
    r"|\A(?!.*(?:失败|异常|错误|超时|服务|生成|处理|编码))(?:上传的?|参考|您的?|输入的?)?(?:图片?|图像|照片|音频"
    r"|提示词|文案|首帧|尾帧|素材)|\A(?!.*(?:실패|오류|서버|생성|처리))(?:입력 )?(?:이미지|사진|프롬프트|오디오|음성)"
    r"|\A(?!.*(?:失敗|エラー|サーバー|生成|処理))(?:入力)?(?:画像|写真|プロンプト|音声)"
)

# What a text speaks of, where nothing that it says of it is known.
ABOUT = (
    (
        Category.QUOTA,
        (_pattern(r"funds?|costs?|prices?|paid|memberships?|money|out of (?:seconds|minutes|videos|runs)"),),
    ),
    (Category.AUTH, (_pattern(r"(?:api|this|your|the|access) ?keys?|oauth|organi[sz]ations?|blocked from|log ?ins?"),)),
    (
        Category.INVALID_INPUT,
        (
            _pattern(
                r"your (?:\w+ )?(?:image|photo|picture|audio|prompt|script|text|file|frame)s?|your (?:video"
                r"|clip) (?:has|is|contains)|expects?|expected (?!output|result|video)|provide|wrong (?!on\b|with\b"
                r"|while\b|during\b|at\b|in\b)\w+|we need|needs? an?|(?<!channel )not ?-?found|not available",
                r"未找到|找不到",
            ),
        ),
    ),
)
# The first that fits wins. What is only taken from vague words, such as "invalid", comes after all that is clear.
RULES: tuple[tuple[Category, tuple[str, ...]], ...] = (
    (Category.AUTH, (CLOSED_ACCOUNT,)),
    (Category.PROVIDER, (BROKEN_HELPER,)),
    (Category.CONTENT_POLICY, (CONTENT_POLICY,)),
    (Category.QUOTA, (USED_UP,)),
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
    *ABOUT,
)

# A text with one of these may be a refusal, whatever else it says: it names the caller's own, or calls it wrong.
HINTS = (
    *(CONTENT_POLICY, QUOTA, BAD_FILE, AUTH, CLOSED_ACCOUNT, OF_CONTENT),
    _pattern(
        r"(?:in|not )valid|unsupported|malformed|param(?:eter)?s?|required|bad request|too (?:large|long|small|short"
        r"|big)|prompts?|content|photos?|pictures?|faces?|persons?|people|accounts?|plans?|keys?|cards?|wallets?",
        r"参数|无效|不支持|格式|提示词|内容|人脸|账[户号]|密钥|プロンプト|コンテンツ|アカウント|프롬프트|콘텐츠|계정",
    ),
)


def prepared(text: str) -> str:
    """Returns a text as the patterns expect it: spaced, and without the harmless words."""
    # To compile the patterns takes longer than all else of a first poll, and most answers have no text to look at.
    return re.sub(HARMLESS, "-", spaced(text), flags=re.ASCII) if text else ""


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
    return re.sub(INVITATION, "", words, flags=re.ASCII).strip(SIGNS) if words else ""


def _without_refunds(words: str) -> str:
    return ". ".join(clause for clause in re.split(CLAUSE, words) if not re.search(REFUND, clause))


@lru_cache(KEPT)
def is_refusal_of_content(words: str) -> bool:
    """Returns whether a prepared text says that moderation refused something."""
    plain = _uninvited(words)
    return not any(_has(pattern, plain) for pattern in (BROKEN_HELPER, CLOSED_ACCOUNT)) and _has(CONTENT_POLICY, plain)


def hints_at_refusal(words: str) -> bool:
    """Returns whether a prepared text has words of a refusal of content, input, money or key, whatever else it says."""
    plain = _without_refunds(_uninvited(words))
    return not _has(BROKEN_HELPER, plain) and any(_has(pattern, plain) for pattern in HINTS)


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
    if wants_another(words):
        return False
    plain = _uninvited(words)
    if any(_has(pattern, plain) for pattern in (CROWDED, PASSING, TIMEOUT, BROKEN_HELPER)):
        return True
    return plain != words and _has(LATER, words) and not re.search(r"\w", re.sub(NO_REASON, "", plain, flags=re.ASCII))


def wants_another(words: str) -> bool:
    """Returns whether a prepared text says that the request has to be another one."""
    return _has(ANOTHER, words)


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
