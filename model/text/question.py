"""Analyses a question: whether it is a follow-up, what to search for, which kind of answer it wants.

    build_query("and for a second bag?", before, answered)  →  the question before, and this one
    classify_question("whats the deadline")                 →  QUANTITY
    is_keywords("parental leave")                           →  True: the section of that name is wanted

Pure functions over a question's words, in microseconds. English first; the openers of follow-ups and the
commonest question words of German, French, Spanish and Japanese are known, too.
"""

from __future__ import annotations

import re
from enum import StrEnum

from core.records import Answer, Question
from model.text.languages import ENGLISH, FUNCTION_WORDS, JAPANESE, OTHER, detect_language, split_words
from model.text.small_talk import strip_chatter


class AskedKind(StrEnum):
    """The kind of answer that a question wants."""

    YESNO = "yesno"
    QUANTITY = "quantity"
    WHO = "who"
    WHERE = "where"
    STEPS = "steps"
    LIST = "list"
    WHY = "why"
    OTHER = "other"


_AUX = (
    r"(?:am|are|is|was|were|do|does|did|don't|doesn't|can|can't|could|may|might|will|won't|would|shall"
    r"|should|must"
    r"|has|have|had|isn't|aren't|couldn't|shouldn't|wouldn't)"
)
_PERSON = (
    r"(?:i|we|you|u|he|she|they|it|one|people|someone|somebody|anyone|anybody|my|our|the|a|an|this|that"
    r"|these|those"
    r"|there|employees?|staff|contractors?|managers?|everyone|everybody|new)"
)
_QUESTION_WORD = re.compile(
    r"\b(?:who|whom|whose|what|whats|what's|which|when|whens|where|wheres|where's|why|how|hows|how's|who's"
    r"|whos"
    r"|wer|wen|wem|wann|wo|wie|wieso|warum|weshalb|welche[nmrs]?|qui|que|quoi|quand|où|comment|pourquoi"
    r"|combien"
    r"|quel(?:le)?s?|quién(?:es)?|qué|cuándo|dónde|cómo|cuál(?:es)?|cuánt[oa]s?)\b|いつ|どこ|誰|だれ|なぜ|どう|何|いくら"
    r"|いくつ",
    re.IGNORECASE,
)
_ASKS_WHETHER = re.compile(
    rf"\W*(?:{_AUX}\s|ok\s+to\b|(?:any|is\s+there)\s)|\W*(?:ist|sind|kann|darf|muss|gibt|habe|hat|est-ce"
    rf"|y a-t-il|puedo|hay)\b",
    re.IGNORECASE,
)

# Follow-ups

_STRONG_OPENER = re.compile(
    r"\W*(?:(?:so\s+|but\s+|then\s+)?(?:and|but|or|what\s+about|how\s+about|whatabout|same\s+for|what\s+else"
    r"|anything\s+else"
    r"|else|otherwise|even\s+(?:if|for|when)|not\s+even|only\s+(?:if|for|when)|including|except|unless)"
    r"|und|oder|aber|was\s+ist\s+mit|wie\s+(?:ist|sieht)\s+(?:es|das)|gilt\s+das|et|mais|ou|qu'en\s+est-il|y"
    r"|e|pero|o"
    r"|qué\s+(?:pasa|hay)\s+(?:con|si)|y\s+si)\b(?![-’'])"
    r"|\W*(?:それ|その|そして|では|じゃあ?|あと|ちなみに|これ|この場合|ほかに|他に|また、?)",
    re.IGNORECASE,
)
_WEAK_OPENER = re.compile(
    r"\W*(?:if|what\s+if|why\s+not|how\s+come|since\s+when|sonst|was\s+wenn)\b[,\s]*",
    re.IGNORECASE,
)
"""These open questions of their own as well: how much they name decides."""
_LINK = re.compile(
    r"\W*(?:also|then|so|now|dann|auch|also|aussi|alors|también|entonces)\b[,\s]*", re.IGNORECASE
)
"""These link a question to what was said, which may be anything: what comes after them decides."""
_BEGINS_WITH_PREPOSITION = re.compile(
    r"\W*(?:for|in|at|with|without|on|from|during|after|before|by|to|of|as|per(?!\s+diem)|when|while|once"
    r"|until|within|für|bei|mit"
    r"|ohne|nach|vor|im|in|als|pour|avec|sans|à|en|para|con|sin)\b",
    re.IGNORECASE,
)
_ASKS_OF_A_PART = re.compile(
    r"\W*(?:for|in|at|with|on|from|by|to|of)\s+(?:what|which|whom|whose|how|where)\b", re.IGNORECASE
)
_POINTS_BACK = re.compile(
    r"\b(?:they|them|their|theirs|those|these|he|she|him|her|his|one\s+of\s+(?:them|those|these)"
    r"|each\s+of\s+(?:them|those)"
    r"|the\s+(?:other|others|same|first|second|third|last|latter|former)(?:\s+ones?)?|another\s+one|(?:which"
    r"|what|this|that)\s+ones?"
    r"|(?-i:das(?!\s+[A-ZÄÖÜ])|sie)|dies|damit|dafür|davon|darüber|cela|ça|celui-ci|c'est|eso|esto|ello"
    r"|such)\b",
    re.IGNORECASE,
)
_POINTS_BACK_ENGLISH = re.compile(
    r"\b(?:they|them|their|theirs|those|these|he|she|him|her|his|one\s+of\s+(?:them|those)"
    r"|each\s+of\s+(?:them|those)"
    r"|the\s+(?:other|same|latter|former)(?:\s+ones?)?|another\s+one|(?:which|what)\s+ones?|then\W*$"
    r"|(?<!are\s)(?<!is\s)there\W*$"
    r"|its|(?:this|that)(?!\s+(?:year|month|week|quarter|summer|winter|spring|fall|morning|company|page|site"
    r"|handbook|i|we|you)\b))\b",
    re.IGNORECASE,
)
_IT = re.compile(
    r"(?<!the\s)(?<!our\s)\bit(?:'s)?\b"
    r"(?!\s+(?:help|helpdesk|desk|department|support|team|staff|ticket|security|equipment|service|guy|people"
    r"|portal|ok|okay)\b)",
    re.IGNORECASE,
)
_WITHIN = re.compile(
    r"\b(?P<opener>after|when|if|before|once|because|while|until|that)\s+(?:it|they|he|she)\b", re.IGNORECASE
)
_NAMED_IT = re.compile(r"\bIT\b")
_EMPTY_IT = re.compile(
    r"\b(?:is|was|will|would|does|did|can|may)\s+it\s+(?:be\s+)?(?:ok|okay|possible|allowed|true|fine|legal"
    r"|safe|mandatory"
    r"|required|necessary)\s+(?:to|if|for|that|when)\b|\b(?:does|did|can|may|will"
    r"|would)\s+it\s+(?:take\s+(?:for|to|until)|mean)\b|\bhow\s+long\s+(?:does|will|would"
    r"|can)\s+it\s+take\s+(?:to|until|for|till)\b"
    r"|\bit\s+(?:take[sn]?|cost)\s+(?:to|me|us)\b|\bget\s+it\s+going\b",
    re.IGNORECASE,
)
"""An "it" that stands for what comes after it."""
_GENERIC = frozenset(
    """
    get gets got go goes going work works working take takes taken taking need needs needed apply applies
    applied happen
    happens happened start starts end ends expire expires count counts cost costs mean means change ask
    contact call
    send submit use used using make makes give given find tell know say says help happens long much many often
    far soon
    early late quick quickly fast big old form forms deadline deadlines limit limits exception exceptions
    maximum minimum
    max min fee fees link template process step steps document documents paperwork way ways more else exactly
    again
    anything something someone anyone really different difference still instead too well yes like same first
    next
    approve approves approved sign signs allowed eligible qualify qualifies required requirements rules
    example
    decide decides decided specific clear clarify elaborate
    dauert dauern kostet gilt frist formular temps coûte prend formulaire marche obligatoire tiempo cuesta
    tarda plazo
    formulario obligatorio examples details explain email address phone number contact price amount rate date
    dates else reason sure ok okay true first later up out time one ones myself now as set put right
    """.split()  # noqa: SIM905 - a list of words reads better so
)
"""Words that say something only of what was spoken of before."""
_FEW = 3
_OWN = 2
_ALONE_FROM, _ALONE_FROM_WITH_ONE = 0.36, 0.44
"""Cosines; 0.02 to either side nothing changes (LOG.md)."""

# Kinds

_MEASURES = (
    r"(?:many|much|long|often|far|soon|early|late|quick(?:ly)?|fast|big|large|high|low|old|tall|small|short"
    r"|frequent(?:ly)?|expensive|heavy)"
)
_HOW_TO = re.compile(
    r"\bhow\s+(?:(?:can|do|does|did|to|would|should|could|must|will|may|am|are|is)\b(?!\s+(?:it\s+)?cost\b)"
    r"|(?:i|we)\s+\w)|\bhow\W*$"
    r"|\bsteps?\b|\binstructions?\b|\bset(?:ting)?\s?-?up\b|\bwhat\s+now\b|\bways?\s+to\b|\bwhat\s+(?:do"
    r"|should|must)\s+(?:i|we)\s+do\b"
    r"|\bhow\s+does\s+(?:that|it|this)\s+work\b|\b(?:quickest|best|easiest|fastest|right)\s+way\b|\bfix\b"
    r"|\bprocedure\b|\bprocess\s+(?:for|to|of)\b"
    r"|\b(?:wie|comment|cómo)\s+(?:kann|können|mache?|beantrage|bekomme|komme|reiche|ändere|richte|puis"
    r"|faire|demander|peut|puedo|solicito|hago|se)\b"
    r"|方法|やり方|手順|どうやって|どうすれば",
    re.IGNORECASE,
)
_BEGINS_WITH_HOW_TO = re.compile(
    r"\W*(?:(?:and|but|so|also|then|now)[\s,]+)?(?:how\s+(?:do|can|to|should|would)\s(?!\w+\s+cost)|(?:make"
    r"|see|change|reset|set|add|remove|create|cancel"
    r"|update|export|order|request|submit|book|install|connect|share|invite|log|sign|turn|(?:i\s+"
    r"|we\s+)?(?:need|want)\s+(?:help|steps|a\b|an\b|new\b|to\b))\s+(?!.*\b(?:deadline|limit|date)\b))",
    re.IGNORECASE,
)
_QUANTITY = re.compile(
    rf"\bhow\s+{_MEASURES}\b|\bwhen(?:'s|s)\b|\bwhen\s+{_AUX}\b(?!\s+\w+\s+use\b)|\bwhen\W*$|\b(?:what"
    rf"|which)\s+(?:\w+\s+)?(?:time|day|date|month|year|week|hours?)\b"
    rf"|\b(?:hourly|pay|per\s+diem|mileage)\s+rate\b|\bwhat\s+(?:(?:is|are|was)\s*)?the\s+rate\b|\bdeadline"
    rf"|\bdue\b|\b(?:max|(?<!\d\s)min|maximum|minimum|limit|cap)\b"
    r"|\b(?:max|min|maximum|minimum)\s+(?:number|amount|length)\b|\b(?:number|amount|length|size|duration"
    r"|percent(?:age)?|ratio)\s+of\b"
    r"|^\W*(?:the\s+)?(?:most|least|fewest)\b|\b(?:length|latest|earliest|price|cost|costs|salary|port"
    r"|window|threshold|contrast|percent|percentage|balance|grade)\b"
    r"|\bhow\s+does\s+it\s+cost\b|\b(?:years?|months?|weeks?|days?|hours?|minutes)\s+(?:until|before|after"
    r"|to|per|of)\b"
    r"|\b(?:phone|number)\b|\w\s+code\s+for\b|\broughly\b|\b(?:core|office|opening|meeting|working"
    r"|business)\s+(?:\w+\s+)?hours\b|\bwhat\s+(?:\w+\s+)?(?:size|amount)\b"
    r"|\b(?:wie\s*viele?|wie\s+(?:lange|oft|hoch|weit|früh)|wann|frist|combien|quand|cuánt[oa]s?|cuándo"
    r"|plazo)\b|いつ|何日|何時|いくら|いくつ|何年|期限",
    re.IGNORECASE,
)
_MEASURED_BY_HOW = re.compile(rf"\bhow\s+{_MEASURES}\b", re.IGNORECASE)
_WHO = re.compile(
    r"\b(?:who|whom|whose|whos|who's|which\s+(?:person|people|team|department|manager)|contact\s+(?:for"
    r"|person)|point\s+of\s+contact"
    r"|wer|wem|wen|quién(?:es)?)\b|^\W*(?:à\s+)?qui\b|誰|だれ",
    re.IGNORECASE,
)
_WHERE = re.compile(
    r"\b(?:where|wheres|where's|link|url|address|e-?mail\s+(?:address|can)|which\s+(?:channel|room|floor"
    r"|email|e-mail|form|page|site|website|office|building)"
    r"|what\s+(?:channel|room|floor|email|website)|location|wo|wohin|où|dónde)\b|どこ",
    re.IGNORECASE,
)
_LIST = re.compile(
    r"\b(?:(?:what|which)\s+(?:kinds?|types?|sorts?|forms?|options|documents|receipts|paperwork|items|things"
    r"|steps|levels|categories)\b"
    r"|(?:what|which)\s+(?:are|were)\b|whats?\s+(?:'s\s+)?in\b|(?:list|names?|types?|kinds?|stages|phases"
    r"|ways|categories|examples)\s+(?:of|for|to)\b"
    r"|name\s+the\b|open\s+\w+\s+groups|what\s+(?:all\s+)?(?:do|should|must|can)\s+(?:i|we)\s+(?:need|have"
    r"|personally|bring|keep|tell|put|include|set)\b"
    r"|what\s+(?:has|have|needs)\s+to\b|who\s+(?:qualifies|can|needs|has)\b|which\s+(?:\w+\s+)?(?!does\b"
    r"|is\b|was\b|has\b)\w+[^s\W]s\b|what\s+(?:\w+\s+)?\w+[^s\W]s\s+(?:do|are|can|have)\b"
    r"|\btypes\b|welche|quels|quelles|cuáles)",
    re.IGNORECASE,
)
_WHY = re.compile(
    r"\b(?:why|how\s+come|reason|warum|wieso|weshalb|pourquoi|por\s+qué)\b|なぜ|どうして", re.IGNORECASE
)
_YESNO = re.compile(
    rf"^\W*(?:(?:and|but|so|also|und|et|y)\s+)?(?:{_AUX}\s+(?:n't\s+)?(?:{_PERSON}\b|\w+)|ok(?:ay)?\s+(?:to"
    rf"|if)\b|allowed\s+to\b"
    r"|possible\s+to\b|any\s+\w+|is\s+\w+|(?:ist|sind|kann|darf|muss|gibt\s+es|habe|hat|bekomme|est-ce"
    r"|y\s+a-t-il|puedo|hay|tengo|es\s+posible)\b"
    r"|(?:puis|peut|dois|ai)-(?:je|on)\b)|(?:ですか|ますか)[？?]?$",
    re.IGNORECASE,
)
_WHETHER = re.compile(
    r"\b(?:wondering|know|tell\s+me|check|sure|ask|idea)\s+(?:if|whether)\b|\bob\s+(?:ich|wir|man)\b"
    r"|\b(?:is|are)\s+\w+(?:\s+\w+)?\s+(?:allowed|required|needed|mandatory)\b",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r"(?<=[.!?;:？。！])\s+|(?<!\s)\s+[–—-]+\s+|\n+|(?<=\w),\s+")
_MOST_KEYWORDS = 4
_HEADING_WORDS = re.compile(
    r"\b(?:i|i'm|im|we|you|they|he|she|it|am|is|are|was|were|do|does|did|can|could|may|might|will|would"
    r"|should|shall|must|has|have|had"
    r"|ich|wir|kann|darf|muss|ist|sind|je|nous|puis|puedo|tengo|need|want|get)\b",
    re.IGNORECASE,
)


def asks_something(text: str) -> bool:
    """Tell whether a text is a question by its form: its mark, or the word that it begins with."""
    asked = strip_chatter(text).strip()
    return asked.endswith(("?", "？")) or bool(_QUESTION_WORD.match(asked) or _ASKS_WHETHER.match(asked))


def is_follow_up(text: str) -> bool:
    """Tell whether a question needs the one before it: "why?", "how long does that take?".

    A question that names its subject stands alone, even when it says "it"; so do bare keywords ("parental
    leave").
    """
    asked = strip_chatter(text)
    language = detect_language(asked)
    if language == JAPANESE:
        return _japanese_follows(asked)
    if _STRONG_OPENER.match(asked):
        return True
    link = _LINK.match(asked)
    if link and asked[link.end() :].strip(" ?!."):
        return is_follow_up(asked[link.end() :])
    weak = _WEAK_OPENER.match(asked)
    named = find_subject_words(asked)
    if weak and len(named) <= _FEW:
        return True
    asks = bool(_QUESTION_WORD.search(asked) or _ASKS_WHETHER.match(asked))
    if not asks:
        return _is_ellipsis(asked, named)
    own = _find_own_words(asked)
    bare = len(own) <= bool(_ASKS_OF_A_PART.match(asked)) and not any(map(str.isdigit, asked))
    return (bare and not _names_it(asked)) or (len(own) < _FEW and _points_back(asked, language))


def build_query(text: str, before: Question | None = None, answered: Answer | None = None) -> str:
    """Return what to search for: the question without chatter; a follow-up joined with what it refers to.

    `before` is the same person's question before in this conversation, `answered` its answer. None: there is
    none. The question before is joined whole: without its question words, its numbers, or with its section's
    heading it finds no more. Where it is a follow-up itself, the section that answered it tells the subject.
    """
    asked = strip_chatter(text)
    if before is None or not is_follow_up(text):
        return asked
    return " ".join(part for part in (asked, strip_chatter(before.text), _subject(before, answered)) if part)


def build_queries(
    text: str, before: Question | None = None, answered: Answer | None = None
) -> tuple[str, ...]:
    """Return what to search for, in one way or in two, alone first: what may be a follow-up or not is both.

    To join a question with another subject's costs half of what is found, to search for a follow-up alone as
    much. `find_alone_bound` and `may_stand_alone` tell which of two counts.
    """
    joined = build_query(text, before, answered)
    alone = strip_chatter(text)
    both = may_stand_alone(text) or find_alone_bound(text) is not None
    return (alone, joined) if joined != alone and both else (joined,)


def may_stand_alone(text: str) -> bool:
    """Tell whether a seeming follow-up stands alone: "and how do I reset my password?".

    The search whose nearest passage is more similar counts then.
    """
    asked = strip_chatter(text)
    opener = _STRONG_OPENER.match(asked) or _WEAK_OPENER.match(asked) or _LINK.match(asked)
    rest = asked[opener.end() :] if opener else asked
    return len(_find_own_words(rest)) >= _OWN and not _points_back(rest, detect_language(asked))


def find_alone_bound(text: str) -> float | None:
    """Return from which similarity on of its place a question that points back is meant alone; None: never.

    "It" may be what was spoken of, and it may be the bot, the company, or what the question names itself:
    "can it translate answers?". What the pages say on the question alone tells: a sentence that is so near
    is no chance. The more words of its own a question has, the less near it has to be. Measured on English
    pages; in other languages the question before is joined as ever.
    """
    asked = strip_chatter(text)
    if detect_language(asked) not in (ENGLISH, "") or _STRONG_OPENER.match(asked):
        return None
    own = len(_find_own_words(asked))
    return None if own == 0 else _ALONE_FROM if own >= _OWN else _ALONE_FROM_WITH_ONE


def _find_own_words(asked: str) -> list[str]:
    return [word for word in find_subject_words(asked) if word not in _GENERIC]


def _subject(before: Question, answered: Answer | None) -> str:
    """Return the section that answered a follow-up, "" for a question that names its subject."""
    if answered is None or not is_follow_up(before.text):
        return ""
    place = next(iter((*answered.citations, *answered.passages)), None)
    return f"{place.title} {place.heading}".strip() if place else ""


def classify_question(text: str, before: str = "") -> AskedKind:
    """Return which kind of answer a question wants; of several sentences, the last one that asks decides.

    `before` is the question that a follow-up refers to: "and with a 4?" wants what that one wanted.
    """
    kind = _classify_text(text)
    return _classify_text(before) if kind is AskedKind.OTHER and before else kind


def _classify_text(text: str) -> AskedKind:
    asked = strip_chatter(text)
    if _WHETHER.search(text) and not _QUESTION_WORD.search(asked):
        return AskedKind.YESNO
    clauses = [clause for clause in _CLAUSE.split(asked) if clause.strip()]
    asking = [
        c for c in clauses if c.rstrip().endswith(("?", "？")) or _QUESTION_WORD.search(c) or _YESNO.match(c)
    ]
    for clause in [*reversed(asking), asked]:
        kind = _kind_of_clause(clause)
        if kind is not AskedKind.OTHER:
            return kind
    return AskedKind.OTHER


def is_keywords(text: str) -> bool:
    """Tell whether a message is keywords only: "parental leave", "vpn", "Annual leave for veterans"."""
    asked = strip_chatter(text)
    if _QUESTION_WORD.search(asked) or _HEADING_WORDS.search(asked) or _STRONG_OPENER.match(asked):
        return False
    if _BEGINS_WITH_PREPOSITION.match(asked):
        return False
    if detect_language(asked) == JAPANESE:
        return not re.search("[？?か]$|は$|を", asked) and len(asked) <= 4 * _MOST_KEYWORDS
    return 0 < len(find_subject_words(asked)) <= _MOST_KEYWORDS


def find_subject_words(text: str) -> list[str]:
    """Return the words of a question that name something, in lower case and in their order.

    Numbers count not.
    """
    language = detect_language(text)
    little = FUNCTION_WORDS.get(language if language not in ("", OTHER) else ENGLISH, FUNCTION_WORDS[ENGLISH])
    return [word for word in split_words(text) if word not in little]


def _is_ellipsis(asked: str, named: list[str]) -> bool:
    """Tell whether a message without a question is a part of one: "for part-timers?", "sick leave?"."""
    if _BEGINS_WITH_PREPOSITION.match(asked):
        return len(named) <= _FEW
    if not any(word not in _GENERIC for word in named):
        return bool(asked.strip())  # "more details", "the deadline?"
    return asked.rstrip().endswith("?") and len(named) < _FEW and not _HEADING_WORDS.search(asked)


def _points_back(asked: str, language: str) -> bool:
    if language in (ENGLISH, "", OTHER):
        asked = _WITHIN.sub(_without_own_pronoun, asked)
        it = _IT.search(asked) if not _EMPTY_IT.search(asked) else None
        return bool(_POINTS_BACK_ENGLISH.search(asked) or (it and it.group() != "IT"))
    return bool(_POINTS_BACK.search(asked))


def _names_it(asked: str) -> bool:
    """Tell whether a question is about the IT department; one that is shouted tells nothing."""
    return bool(_NAMED_IT.search(asked)) and not asked.isupper()


def _without_own_pronoun(match: re.Match[str]) -> str:
    """Leave out a pronoun of the question's own noun: "change a contract after it was awarded"."""
    before = match.string[: match.start()]
    named = any(word not in _GENERIC for word in find_subject_words(before))
    return match.group("opener") if named else match.group()


def _japanese_follows(asked: str) -> bool:
    opens = _STRONG_OPENER.match(asked)
    bare = re.fullmatch(
        r"\W*(?:なぜ|どうして|いつ|どこ|誰|だれ|どうやって|いくら|何)(?:ですか|ますか)?\W*", asked
    )
    return bool(opens or bare or re.fullmatch(r"[^、。]{1,10}は[？?]\W*", asked))


def _kind_of_clause(clause: str) -> AskedKind:
    """Return the kind of one clause; the order of these looks is the order of trust in them."""
    if _YESNO.match(clause) and not _QUESTION_WORD.search(clause[:40]):
        return AskedKind.STEPS if re.match(r"\W*any\s+way\b", clause, re.IGNORECASE) else AskedKind.YESNO
    if _BEGINS_WITH_HOW_TO.match(clause):
        return AskedKind.STEPS
    looks = (
        (AskedKind.WHY, _WHY),
        (AskedKind.QUANTITY, _MEASURED_BY_HOW),
        (AskedKind.LIST, _LIST),
        (AskedKind.WHO, _WHO),
        (AskedKind.STEPS, _HOW_TO),
        (AskedKind.WHERE, _WHERE),
        (AskedKind.QUANTITY, _QUANTITY),
    )
    return next((kind for kind, look in looks if look.search(clause)), AskedKind.OTHER)
