"""Greetings, thanks and lead-ins around a question: what they are, and the question without them.

    split_leading("Hi there! Quick question: who signs it?")  →  ((GREETING, LEAD_IN), "who signs it?")
    strip_chatter("thanks, how do I carry leave over?")       →  "how do I carry leave over?"

A phrase counts only where it stands alone: "ok, ..." is said to the bot, "OK to use my own phone?" asks
something.
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum


class Chatter(StrEnum):
    """The kind of a phrase beside a question."""

    GREETING = "greeting"
    HOW_ARE_YOU = "how_are_you"
    THANKS = "thanks"
    AGREED = "agreed"
    BYE = "bye"
    LAUGHTER = "laughter"
    LEAD_IN = "lead_in"


_WHOM = (
    r"(?:\s+(?:there|all|everyone|everybody|team|guys|folks|bot|chatbot|robot|askpage|world|again|buddy|mate"
    r"|my\s+friend|to\s+you"
    r"|zusammen|allerseits|à\s+tous|a\s+todos|tout\s+le\s+monde|you))*"
)
_AMOUNT = (
    r"(?:\s+(?:so|very|a\s+lot|lots|a\s+bunch|a\s+million|much|again|anyway|though|everyone|all|bot|there"
    r"|mate"
    r"|in\s+advance|kindly|indeed|viele?s?|vielmals|sehr|schön|dir|ihnen|euch|beaucoup|bien|infiniment"
    r"|muchas?"
    r"|mil|de\s+antemano|d'avance|im\s+voraus))*"
    r"(?:\s+(?:for|für|pour|por)\s+(?:(?:your|the|all|that|this|deine|die|ihre|votre|l'|la|tu|su)\s*)*"
    r"(?:help|info|information|answer|reply|quick\s+\w+|help\w*|support|time|hilfe|antwort|aide|réponse"
    r"|ayuda|respuesta|that|this))?"
)
_A_QUESTION = (
    r"(?:(?:just|only)\s+)?(?:(?:a|an|one|another|one\s+more|two|some|my|few)\s+)*"
    r"(?:(?:quick|short|simple|stupid|dumb|silly|small|little|brief|general|random)\s+)*(?:questions?|one)"
)
_STANDS_ALONE = r"(?=\s*(?:[,.!?;:…)。、！？\n–—]|-\s|$)|\s+(?:thanks|thank|thx|danke|merci|gracias)\b)"
_SPOKEN = (
    r"(?=\s*(?:[,.!?;:…)。、！？\n–—]|-\s|$)|\s+(?:and|but|so|now|then|also|how|what|whats|what's|when|where|who|which|why"
    r"|can|could|do|does|did|is|are|am|will|would|should|may|i|i'm|im|we|my"
    r"|und|wie|was|wo|wann|wer|et|y|ok|okay|thanks|thank|thx|danke|merci|gracias|got|cool|great|perfect|nice|bye|lol|haha)\b)"
)
_IF = r"(?:\s+(?:if|whether|ob|si))?"

_PHRASES: tuple[tuple[Chatter, str], ...] = (
    (
        Chatter.HOW_ARE_YOU,
        r"(?:how\s+(?:are|r)\s+(?:you|u|things)(?:\s+(?:doing|today|going))*|how\s+is\s+it\s+going"
        r"|how's\s+it\s+going"
        r"|hows\s+it\s+going|how\s+do\s+you\s+do|what's\s+up|whats\s+up|wie\s+geht'?\s?e?s(?:\s+(?:dir"
        r"|ihnen))?"
        r"|(?:comment\s+)?(?:ça|ca)\s+va|qué\s+tal|cómo\s+estás?|元気ですか|お元気ですか)" + _STANDS_ALONE,
    ),
    (
        Chatter.GREETING,
        rf"(?:hi+|hiya|hello+|hey+|heya|hallo|hullo|greetings|howdy|yo|servus|moin(?:\s+moin)?|grüezi"
        rf"|grüß\s+(?:dich|gott)"
        rf"|dear\s+(?:bot|team|askpage)|good\s+(?:morning|afternoon|evening|day)|guten\s+(?:morgen|tag|abend)"
        rf"|bonjour|bonsoir|salut|coucou|hola|buen(?:os|as)?\s+(?:días|dias|tardes|noches|día)"
        rf"|sup){_WHOM}(?=\W|$)(?!-\w)",
    ),
    (Chatter.GREETING, r"(?:(?:mor(?:ni|g)ng?|morgen|evening|afternoon|askpage|bot)" + _STANDS_ALONE + ")"),
    (
        Chatter.GREETING,
        rf"(?:(?:happy|merry)\s+(?:new\s+year|\w+day|holidays?|easter|christmas|weekend)|(?:nice|good"
        rf"|pleased)\s+to\s+meet\s+you"
        rf"|long\s+time\s+no\s+see|what's\s+new|frohe\s+(?:weihnachten|ostern)|bonne\s+année"
        rf"|feliz\s+(?:navidad|año)){_WHOM}{_STANDS_ALONE}",
    ),
    (
        Chatter.GREETING,
        r"(?:こんにちは|こんばんは|おはよう(?:ございます)?|はじめまして|もしもし|你好|안녕하세요)",
    ),
    (
        Chatter.THANKS,
        rf"(?:(?:ok(?:ay)?|great|perfect|cool|many|big|huge|awesome|vielen\s+lieben|vielen|besten|herzlichen"
        rf"|schönen|muchas|mil|merci)\s+)?"
        rf"(?:thanks?(?:\s+(?:you|u))?|thx+|thnx|tnx|ty(?:sm|vm)?|cheers|much\s+appreciated"
        rf"|i\s+appreciate\s+it|danke(?:schön)?"
        rf"|dank|merci|gracias){_AMOUNT}{_SPOKEN}",
    ),
    (
        Chatter.THANKS,
        r"(?:どうも)?(?:ありがとう(?:ございま(?:す|した))?|サンキュー|助かりました|感謝します)|どうも"
        + _STANDS_ALONE,
    ),
    (
        Chatter.AGREED,
        rf"(?:o+k+(?:ay|ie|ey|i)?(?:\s+do[kc]+e?y)?|k+|will\s+do|no\s+(?:worries|prob)|(?:you're"
        rf"|you\s+are)\s+welcome|alright|all\s+right|right|sure|got\s+it|gotcha|i\s+see|understood"
        rf"|makes\s+sense|noted|fair\s+enough"
        rf"|that's\s+all|that\s+is\s+all|never\s*mind|nvm|no\s+problem|alles\s+klar|verstanden|in\s+ordnung"
        rf"|d'accord|compris|entendu"
        rf"|vale|de\s+acuerdo|entendido|bueno){_SPOKEN}(?!\s+i(?:f|s)\b)",
    ),
    (
        Chatter.AGREED,
        rf"(?:(?:that's|that\s+is|this\s+is|it's|sounds|very|so|really|das\s+ist|c'est|muy|that\s+was)\s+)*"
        rf"(?:great|cool|nice|perfect|awesome|excellent|amazing|wonderful|brilliant|fantastic|lovely|good"
        rf"|fine|super|wow|helpful"
        rf"|very\s+helpful|interesting|neat|sweet|good\s+(?:bot|job|work|to\s+know)|well\s+done"
        rf"|great\s+(?:job|work|answer|stuff)"
        rf"|nice\s+(?:one|work|job)|well|prima|toll|gut|klasse|parfait|génial|très\s+bien|genial|perfecto"
        rf"|muy\s+bien|yay)"
        rf"{_STANDS_ALONE}",
    ),
    (Chatter.AGREED, r"(?:わかりました|分かりました|了解(?:です|しました)?|なるほど|はい)" + _STANDS_ALONE),
    (
        Chatter.BYE,
        rf"(?:(?:good\s*)?bye+(?:\s*bye)?|good\s*night|cya|see\s+(?:you|ya)(?:\s+(?:later|soon|tomorrow"
        rf"|around))?"
        rf"|talk\s+(?:to\s+you\s+)?later|have\s+a\s+(?:\w+\s+)?(?:day|one|evening|night|weekend)|take\s+care"
        rf"|later|ciao|tschüss?i?"
        rf"|auf\s+wiedersehen|bis\s+(?:dann|bald|morgen)|schönen\s+(?:tag|abend|feierabend)"
        rf"|schönes\s+wochenende|au\s+revoir|à\s+(?:bientôt|demain|plus)"
        rf"|bonne\s+journée|adiós|adios|hasta\s+(?:luego|mañana|pronto)|chao){_STANDS_ALONE}",
    ),
    (Chatter.BYE, r"(?:さようなら|じゃあね|またね|バイバイ|お疲れ様(?:です|でした)?)" + _STANDS_ALONE),
    (
        Chatter.LAUGHTER,
        rf"(?:l+o+l+|lmao|rofl|(?:ha){{2,}}h?|(?:he){{2,}}|(?:ja){{2,}}|haha\w*|xd|mdr|www+"
        rf"|笑){_STANDS_ALONE}",
    ),
    (
        Chatter.LEAD_IN,
        rf"(?:so\s+)?(?:(?:i|we)(?:\s+have|'ve\s+got|'ve|\s+got|\s+had)\s+{_A_QUESTION}(?:\s+for\s+you)?"
        rf"(?:\s+(?:about|on|regarding|concerning))?(?=\W|$)|{_A_QUESTION}(?:\s+for\s+you)?{_STANDS_ALONE}"
        rf"|(?:quick\s+)?question\s+(?:about|on|regarding)(?=\s))",
    ),
    (
        Chatter.LEAD_IN,
        rf"(?:(?:can|could|would|will)\s+(?:you|someone|anyone|anybody|somebody)\s+(?:please\s+|maybe\s+"
        rf"|perhaps\s+|kindly\s+)?"
        rf"(?:tell\s+(?:me|us)|let\s+me\s+know|explain(?:\s+to\s+me)?|remind\s+me"
        rf"|help\s+me\s+understand){_IF}"
        rf"|(?:please\s+)?(?:tell|remind)\s+(?:me|us)(?:\s+(?:if|whether|about))?"
        rf"|(?:do|does|would)\s+(?:you|anyone|anybody|someone|somebody)\s+(?:happen\s+to\s+)?know{_IF}"
        rf"|any\s+idea{_IF}"
        rf"|i(?:\s+was|'m|\s+am)\s+(?:just\s+)?wondering{_IF}"
        rf"|i(?:'d|\s+would)?\s+(?:like|love|want|need|wanted)\s+to\s+know{_IF})(?=\s+\w|\s*[,:]\s*\w)",
    ),
    (
        Chatter.LEAD_IN,
        rf"(?:ich\s+h(?:abe|ätte)\s+(?:da\s+)?(?:noch\s+)?(?:mal\s+)?(?:eine|ne)\s+(?:kurze\s+)?frage"
        rf"|(?:noch\s+)?(?:eine\s+)?(?:kurze\s+)?frage"
        rf"|j'ai\s+une\s+(?:petite\s+)?question|une\s+question|tengo\s+una\s+(?:pregunta|duda)"
        rf"|una\s+(?:pregunta|duda)"
        rf"|questions?|質問(?:です|があります)?(?:が)?){_STANDS_ALONE}",
    ),
    (
        Chatter.LEAD_IN,
        rf"(?:(?:können|könnten)\s+sie\s+mir\s+(?:bitte\s+)?sagen|(?:kannst"
        rf"|könntest)\s+du\s+mir\s+(?:bitte\s+)?sagen"
        rf"|(?:weißt\s+du|wissen\s+sie)|(?:pouvez-vous|peux-tu|pourriez-vous)\s+me\s+dire"
        rf"|(?:puedes?|podría(?:s)?)\s+decirme|sab(?:es?|en)){_IF}(?=\s++(?:,\s+)?\w|,\s+\w)",
    ),
    (
        Chatter.LEAD_IN,
        rf"(?:sorry|excuse\s+me|apologies|entschuldigung|pardon|perdón|disculpe|sorry\s+to\s+(?:bother"
        rf"|disturb)\s+you"
        rf"(?:\s+again)?|hmm+|um+|uh+|oh|ah|please|pls|bitte|por\s+favor|すみません){_STANDS_ALONE}|すみません"
        rf"|(?:please|pls)\s(?=\w)",
    ),
)
_LEADING = tuple((chatter, re.compile(phrase, re.IGNORECASE)) for chatter, phrase in _PHRASES)
_GAP = re.compile(r"(?:[:;]-?[)(DP](?!\w)|<3|[\s,.!?;:…。、！？~*]|[–—-](?=\s|$))*")
_TRAILING = re.compile(
    r"(?:(?<![\s,.;!?–—-])[\s,.;!?–—-]+|(?<=[?.!。？！]))(?:(?:many\s+|viele[n]?\s+|muchas\s+)?(?:thanks"
    r"|thank\s+you|thx|ty|cheers|danke|dank|merci|gracias)"
    r"(?:\s+(?:so\s+much|very\s+much|a\s+lot|in\s+advance|again|im\s+voraus|schön|d'avance|de\s+antemano"
    r"|everyone|all))*"
    r"|pl(?:ea)?[sz]e?|bitte|por\s+favor|s'il\s+(?:vous|te)\s+pla[iî]t|svp|stp|(?:教えて|お願い)(?:ください|します)"
    r"|ありがとう(?:ございます)?|lol|haha+|asap)[\s.!)]*$",
    re.IGNORECASE,
)
_AND_A_QUESTION = re.compile(
    r"(?:and|but|so)\s+(?=(?:how|what|when|where|who|which|can|could|do|does|is|are|am|may"
    r"|should)\s+(?:\S+\s+){3})",
    re.IGNORECASE,
)
_MOST_PHRASES = 8
_MOST_ENDINGS = 3
_LONGEST_ENDING = 80


def split_leading(text: str) -> tuple[tuple[Chatter, ...], str]:
    """Return the phrases that a message begins with, and the rest ("" where there is none)."""
    rest = _bare(text)
    found: list[Chatter] = []
    while rest and len(found) < _MOST_PHRASES:
        match = _phrase_at_start(rest)
        if match is None:
            break
        found.append(match[0])
        rest = _after_gap(rest, match[1])
    return tuple(found), rest


def _phrase_at_start(text: str) -> tuple[Chatter, int] | None:
    """Return what a text begins with, and where that ends."""
    start = len(text) - len(text.lstrip("¿¡"))
    for chatter, pattern in _LEADING:
        hit = pattern.match(text, start)
        if hit is not None:
            return chatter, hit.end()
    return None


def strip_chatter(text: str) -> str:
    """Return the question of a message, as it stands there.

    The whole message where it is nothing but chatter.
    """
    found, rest = split_leading(text)
    if Chatter.THANKS in found or Chatter.AGREED in found:
        rest = _AND_A_QUESTION.sub("", rest, count=1) if _AND_A_QUESTION.match(rest) else rest
    for _ in range(_MOST_ENDINGS):
        start = max(0, len(rest) - _LONGEST_ENDING)  # of a long text the end alone, which bounds the time
        rest = rest[:start] + _TRAILING.sub(_keep_mark, rest[start:])
    return rest or text.strip()


def _keep_mark(match: re.Match[str]) -> str:
    """Keep the question mark that stood before a closing phrase."""
    return "?" if "?" in match.group() else ""


def _bare(text: str) -> str:
    """Return a text without pictures, with plain apostrophes, and no marks before its first word."""
    plain = unicodedata.normalize("NFC", text).replace("’", "'").replace("‘", "'")
    plain = "".join(" " if _is_picture(char) else char for char in plain)
    return _after_gap(plain, 0).strip()


def _after_gap(text: str, start: int) -> str:
    gap = _GAP.match(text, start)
    return text[gap.end() if gap else start :].strip()


def _is_picture(char: str) -> bool:
    return unicodedata.category(char) in {"So", "Sk", "Cs"} or char in "\ufe0f\u200d"
