"""Small talk: what is said to the bot and asks nothing of the pages, and what it says to that.

    detect_talk("thanks!")                    →  THANKS
    detect_talk("which pages do you have?")   →  PAGES: they are listed
    detect_talk("thanks, and sick leave?")    →  None: a question

A message is small talk as a whole or not at all. Nothing is searched for and no answer is kept, so that it
counts in no figure, goes to no reviewer, and is nothing that a follow-up could refer to.
"""

from __future__ import annotations

import asyncio
import re
import unicodedata
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import zip_longest
from urllib.parse import unquote, urlsplit

from bot.channel import PageGroup, TalkReply
from bot.dialogs.talk_words import MORE, NO_PAGES, OFFERS, SENTENCES, Talk
from bot.page_refusals import explain_refusal
from core.records import Question
from core.translation import get_language, mark, say, say_count, set_language
from model.text.languages import ENGLISH, FRENCH, GERMAN, JAPANESE, SPANISH, detect_language
from model.text.small_talk import Chatter, split_leading, strip_chatter
from pages.fetched import PageRefused

MOST_PAGES = 20
MOST_EXAMPLES = 3
_LONGEST = 120
"""Characters; what is longer is no small talk."""

ReadFile = Callable[[Question], Awaitable[Sequence[str]]]
"""Reads the files of a question; returns their names. Raises PageRefused."""
FILE_READ = mark("I have read {names}. What would you like to know?")
ABOUT_THE_FILE = mark("What is this file about?")
NO_FILES = mark("I cannot read files here.")
Pages = Callable[[], Iterable[tuple[str, str]]]
"""Returns (URL, title) of the pages that a source named; may wait for a disk."""


class Talking:
    """What talk is answered with. `examples` are questions to offer, `read_file` is for a file alone."""

    def __init__(self, pages: Pages, examples: Sequence[str] = (), read_file: ReadFile | None = None) -> None:
        self._pages = pages
        self.read_file = read_file
        self._examples = tuple(examples[:MOST_EXAMPLES])

    @staticmethod
    def is_small_talk(question: Question) -> bool:
        """Tell whether a question asks nothing of the pages: one that names a page does, a file alone not."""
        return is_file_alone(question) or _detect_in_question(question) is not None

    async def reply_to(self, question: Question) -> TalkReply | None:
        """Return what to say, None for what is no small talk."""
        if is_file_alone(question):
            return await self._take_file(question)
        talk = _detect_in_question(question)
        if talk is None:
            return None
        language = language_of_talk(question.text)
        set_language(language, question.language)  # who greets in a language is answered in it
        if talk is Talk.PAGES:
            return listing(await asyncio.to_thread(lambda: list(self._pages())))
        pages, can_do = (say(offer) for offer in OFFERS)
        more = (pages,) if talk in {Talk.HELP, Talk.WHO} else (pages, can_do)
        examples = self._examples if get_language() == ENGLISH else ()
        offers = () if talk is Talk.BYE else (*examples, *more)
        return TalkReply(say(SENTENCES[talk]), offers, explains=talk is Talk.HELP)

    async def _take_file(self, question: Question) -> TalkReply:
        """Read a file, and invite a question about it."""
        if self.read_file is None:
            return TalkReply(say(NO_FILES))
        try:
            names = await self.read_file(question)
        except PageRefused as refused:
            return TalkReply(explain_refusal(refused))
        return TalkReply(say(FILE_READ, names=", ".join(names)), (say(ABOUT_THE_FILE),))


def is_file_alone(question: Question) -> bool:
    """Tell whether somebody sent a file and asked nothing."""
    return question.about_file and not question.text


def _detect_in_question(question: Question) -> Talk | None:
    return detect_talk(question.text) if question.page_url is None else None


def detect_talk(text: str) -> Talk | None:
    """Return what kind of small talk a whole message is, None for anything else."""
    if len(text) > _LONGEST or not text.strip():
        return None
    found, rest = split_leading(text)
    if not rest:
        return _of_chatter(found) if found else _of_picture(text)
    asked = strip_chatter(text)
    said = {_plain(text), _plain(asked)}
    return next((talk for talk, pattern in _WHOLE if any(map(pattern.fullmatch, said))), None)


def language_of_talk(text: str) -> str:
    """Return the language of small talk, which a word or two tell; "" where none shows."""
    said = _plain(text)
    marked = next((language for language, words in _MARKED if words.search(said)), "")
    return marked or detect_language(text)


def listing(pages: Sequence[tuple[str, str]]) -> TalkReply:
    """List pages, given as (URL, title), by title: all, or some of each folder where there are many."""
    if not pages:
        return TalkReply(say(NO_PAGES))
    text = say(SENTENCES[Talk.PAGES])
    titled = sorted(((title or url, url) for url, title in pages), key=lambda page: page[0].casefold())
    folders = _by_folder(titled)
    if len(titled) <= MOST_PAGES or len(folders) == 1:
        group = PageGroup("", tuple(titled[:MOST_PAGES]))
        return TalkReply(text, groups=(group,), more=_more(len(titled) - MOST_PAGES))
    shown = _some_of_each(folders)
    groups = [
        PageGroup(_format_folder(name), tuple(some), _more(len(folders[name]) - len(some)))
        for name, some in shown.items()
    ]
    unseen = sum(len(pages) for name, pages in folders.items() if name not in shown)
    return TalkReply(text, groups=tuple(groups), more=_more(unseen))


def _more(count: int) -> str:
    return say_count(*MORE, count) if count > 0 else ""


def _by_folder(titled: Sequence[tuple[str, str]]) -> dict[str, list[tuple[str, str]]]:
    """Group pages by the first folder in which their addresses differ; pages beside the folders are in ""."""
    paths = [_folders(url) for _, url in titled]
    same = 0
    while all(len(path) > same for path in paths) and len({path[same] for path in paths}) == 1:
        same += 1
    folders: dict[str, list[tuple[str, str]]] = {}
    for page, path in zip(titled, paths, strict=True):
        folders.setdefault(path[same] if len(path) > same else "", []).append(page)
    return dict(sorted(folders.items(), key=lambda folder: folder[0].casefold()))


def _some_of_each(folders: dict[str, list[tuple[str, str]]]) -> dict[str, list[tuple[str, str]]]:
    """Return pages of every folder in turn, until there are enough; of too many folders, the largest ones."""
    largest = sorted(folders, key=lambda name: -len(folders[name]))[:MOST_PAGES]
    kept = {name: pages for name, pages in folders.items() if name in largest}
    turns = [page for turn in zip_longest(*kept.values()) for page in turn if page is not None]
    shown = set(turns[:MOST_PAGES])
    return {name: [page for page in pages if page in shown] for name, pages in kept.items()}


def _folders(url: str) -> list[str]:
    parts = urlsplit(url)
    folders = [unquote(part) for part in parts.path.split("/")[:-1] if part]
    return [parts.netloc, *folders]


def _format_folder(folder: str) -> str:
    """Return a folder's name as people read it: "travel-and-leave" is "Travel and leave"."""
    name = re.sub(r"[-_]+", " ", folder).strip() if "." not in folder else folder
    return name[:1].upper() + name[1:]


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    kept = "".join(" " if unicodedata.category(char) in {"So", "Sk", "Cs"} else char for char in folded)
    return " ".join(re.sub(r"[.,;:!?¿¡…。、~\"“”()]+", " ", kept).split())


def _of_chatter(found: Sequence[Chatter]) -> Talk:
    """Return what a message of several phrases is: a goodbye ends it, thanks say more than "ok"."""
    return next(talk for chatter, talk in _RANKED if chatter in found)


def _of_picture(text: str) -> Talk | None:
    """Return what a message without words is."""
    if any(char.isalnum() for char in text):
        return None
    if _LAUGHS.search(text):
        return Talk.LAUGHTER
    return Talk.AGREED if _GLAD.search(text) else Talk.ASK_AWAY


_RANKED = (
    (Chatter.BYE, Talk.BYE),
    (Chatter.THANKS, Talk.THANKS),
    (Chatter.HOW_ARE_YOU, Talk.HOW_ARE_YOU),
    (Chatter.GREETING, Talk.GREETING),
    (Chatter.LAUGHTER, Talk.LAUGHTER),
    (Chatter.AGREED, Talk.AGREED),
    (Chatter.LEAD_IN, Talk.ASK_AWAY),
)
_LAUGHS = re.compile("[😂🤣😆😹]")
_GLAD = re.compile("[👍👌🙏👏🎉🙂😀😃😄😊❤💯✅✔😍🥳🤝💪🙌]")
_YOU_HAVE = (
    r"(?:do (?:you|u) )?(?:have|know|use|cover|read|search|answer from|offer|contain|know about|look at|see"
    r"|have access to)"
)
_THINGS = (
    r"(?:pages?|topics?|subjects?|sources?|documents?|docs|articles?|things|areas|websites?|sites?|content"
    r"|information|info)"
)
_MATTERS = r"(?: (?:now|here|today|exactly|please|for me|then|actually|bot|askpage))*"
_WHOLE = tuple(
    (talk, re.compile(f"(?:{words}){_MATTERS}", re.IGNORECASE))
    for talk, words in (
        (
            Talk.PAGES,
            rf"(?:so )?what (?:all )?(?:do you|d'you|can you) (?:know|cover|answer|tell me)(?: (?:about|of))?"
            rf"|do you know anything|(?:show|tell) me what you know"
            rf"|what(?:'s| is) in your (?:knowledge base|knowledge|index|brain|database)"
            rf"|what are you (?:about|able to answer)"
            rf"|(?:which|what)(?: kinds? of| sorts? of| other)? {_THINGS} (?:{_YOU_HAVE}"
            rf"|can you (?:answer|cover|search|read)|are there|are known|is there)"
            rf"|(?:please )?(?:list|show|show me|give me|tell me)(?: a list of| all| all of)?(?: your| the"
            rf"| of your| known| indexed| available)* {_THINGS}(?: you (?:have|know|cover))?"
            rf"|what (?:else |topics |subjects |things )?(?:can|could|should|may|do) (?:i|we|one|people|you)"
            rf" ask(?: you| you about| about| here)?(?: about)?"
            rf"|what (?:kinds?|sorts?|types?) of (?:questions|things|topics) (?:can|should|may|could|do) "
            rf"(?:i ask(?: you)?|you (?:answer|know|take|cover))(?: about)?"
            rf"|(?:what|which) questions (?:can|could|should|may|do) (?:i ask(?: you)?|you answer)"
            rf"|(?:what are|what're|whats|what's) (?:your|the) (?:{_THINGS}|knowledge)"
            rf"|where (?:do|did) you (?:get|have|take|find) (?:your|the|this|that) (?:information|info"
            rf"|answers|knowledge)(?: from)?"
            rf"|(?:your )?(?:topics|sources|table of contents|all pages|list of (?:pages|topics))"
            rf"|how many pages do you (?:have|know)|anything you know"
            rf"|welche (?:seiten|themen|quellen|dokumente) (?:kennst|hast|kennen|haben|liest|gibt)(?: du| sie"
            rf"| es)?(?: alle)?|was wei(?:ß|ss)t du(?: alles)?|was wissen sie(?: alles)?"
            rf"|was kann ich (?:dich |sie )?(?:alles )?fragen"
            rf"|wor(?:ü|ue)ber wei(?:ß|ss)t du (?:etwas|bescheid|was)"
            rf"|(?:zeig|liste)(?: mir)? (?:alle |deine )*(?:seiten|themen)(?: auf)?"
            rf"|quelles? (?:pages?|sujets?|sources) (?:connais|as|connaissez|avez|lisez|lis)[- ](?:tu|vous)"
            rf"|que (?:sais-tu|savez-vous)"
            rf"|qu'est-ce que (?:tu sais|vous savez|je peux (?:te |vous )?demander)"
            rf"|que puis-je (?:te |vous )?demander"
            rf"|(?:liste|montre|montrez)(?:-moi)?(?: les| tes| vos)? (?:pages|sujets)"
            rf"|qué (?:páginas|temas|fuentes|documentos) (?:conoces|tienes|conoce|tiene|cubres|hay)"
            rf"|(?:de )?qué sabes|qué (?:te )?puedo preguntar(?:te)?"
            rf"|(?:lista|muestra|muéstrame)(?: las| tus)? (?:páginas|temas)"
            rf"|どんな(?:ページ|質問|こと|トピック).{{0,12}}(?:ありますか|知っていますか|できますか|聞けますか)|(?:何|なに)を知っていますか|(?:何|なに)(?:が|を)(?:聞けますか|質問できますか)|ページ一覧",
        ),
        (
            Talk.WHO,
            r"who (?:are|r) (?:you|u)(?: (?:really|anyway))?|who is this|whos this|what are you"
            r"|(?:who )?am i (?:talking|speaking|chatting|writing) (?:to|with)"
            r"(?: (?:a |an )?(?:real )?(?:human|person|bot|robot|ai|machine))?|what(?:'s| is) your name"
            r"|(?:are|r) (?:you|u) (?:a |an |really |the |just |some |even )*(?:robot|bot|chatbot|human"
            r"|person|ai|real|machine|alive|chatgpt|gpt|copilot|llm|language model|real person|human being"
            r"|computer|ai bot)(?: or (?:a |an )?(?:robot|bot|human|person|real person|machine))?"
            r"|is this (?:a |an )?(?:robot|bot|chatbot|human|person|ai|real person)"
            r"|who (?:made|built|created|runs|wrote|trained) you|what is askpage|introduce yourself"
            r"|tell me about yourself|which (?:model|llm|ai) are you"
            r"|wer bist du|wer sind sie|wer hat dich gemacht|was bist du"
            r"|bist du (?:ein |eine |echt |wirklich )*(?:roboter|bot|mensch|ki|maschine|chatbot|echt|person)"
            r"|wie hei(?:ß|ss)t du"
            r"|qui (?:es-tu|êtes-vous|es tu)|(?:tu es qui|vous êtes qui)"
            r"|(?:es-tu|êtes-vous|tu es|vous êtes) (?:un |une )?(?:robot|humain|bot|machine|ia|personne)"
            r"|comment (?:tu t'appelles|t'appelles-tu|vous appelez-vous)"
            r"|quién eres|quién es usted|qué eres|eres (?:un |una )?(?:robot|bot|humano|persona|máquina|ia)"
            r"|cómo te llamas"
            r"|あなたは(?:誰|だれ)(?:ですか)?|(?:誰|だれ)ですか|(?:あなたは)?(?:ロボット|ボット|人間|ai)ですか|(?:お)?名前は(?:何ですか)?",
        ),
        (
            Talk.PERSON,
            r"(?:can|could|may) i (?:talk|speak|chat) (?:to|with) (?:a |an |some)?(?:real )?(?:human|person"
            r"|one|body|agent|expert|people|somebody|someone)(?: (?:else|instead|please))?"
            r"|(?:i (?:want|need|would like|'d like) to (?:talk|speak|chat) (?:to|with) )?"
            r"(?:a |an )?(?:real )?(?:human|person|agent|operator|representative)"
            r"|kann ich mit (?:einem menschen|jemandem) sprechen"
            r"|puis-je parler à (?:un humain|une personne|quelqu'un)|puedo hablar con (?:una persona|alguien)"
            r"|人と話せますか",
        ),
        (
            Talk.HELP,
            r"(?:please )?help(?: me| please| wanted| needed)?|i need (?:some )?help|can you help(?: me)?"
            r"|could you help(?: me)?|/help|hilfe|help page|need help|/start|get started|getting started"
            r"|what (?:all )?(?:can|could) (?:you|u|this bot|the bot|it|this)"
            r" (?:do|help (?:me |us )?with)(?: for (?:me|us))?|what do (?:you|u) do"
            r"|what does (?:this|the) bot do"
            r"|what is this(?: bot| thing)?(?: for)?|what are you for"
            r"|what(?:'s| is) (?:this|the|your) (?:bot|purpose|thing)(?: for)?"
            r"|what (?:can|do) i use (?:you|this|it) for"
            r"|what are your (?:features|skills|capabilities|commands)"
            r"|how (?:do|can|should) i (?:use|talk to|ask|work with) (?:you|this|the bot|this bot|it)"
            r"|how (?:does|do) (?:this|that|the bot|this bot|you|this thing|all this) work"
            r"|how to use(?: this| you| this bot| it)?|how can you help(?: me)?|what is this bot"
            r"|was kannst du(?: alles| tun| machen)?|was k(?:ö|oe)nnen sie(?: alles)?"
            r"|wie funktioniert (?:das|dieser bot|der bot|du)|wie benutze ich (?:dich|das|den bot)"
            r"|kannst du mir helfen|ich brauche hilfe|was machst du"
            r"|(?:à l')?aide(?:-moi| moi)?"
            r"|que (?:sais-tu|savez-vous|peux-tu|pouvez-vous|fais-tu|faites-vous) faire"
            r"|que (?:peux-tu|pouvez-vous|fais-tu)"
            r"|comment (?:ça marche|ca marche|ça fonctionne|cela fonctionne|t'utiliser)|pouvez-vous m'aider"
            r"|peux-tu m'aider|qu'est-ce que tu (?:peux|sais) faire"
            r"|ayuda|ayúdame|qué (?:puedes|sabes|haces|puede) hacer|qué haces"
            r"|cómo (?:funciona|funcionas)(?: esto| este bot)?|(?:me )?puedes ayudar(?:me)?|necesito ayuda"
            r"|ヘルプ|使い方(?:は|を教えて(?:ください)?)?|助けて(?:ください)?|何(?:が|を)できますか|(?:これは)?どう(?:やって)?(?:使いますか|使うの(?:ですか)?)",
        ),
        (
            Talk.TEST,
            r"(?:just |this is |only )*(?:a )?test(?:ing|s|e)?"
            r"(?: (?:test(?:ing)?|message|1|123|1 2 3|one two three))*"
            r"|(?:are you |anyone |anybody |is anyone |is anybody |you )(?:there|here|home|awake|online"
            r"|working)|ping|do you work|does this work|is (?:this|it) working|can you (?:hear|read|see) me"
            r"|funktioniert das|bist du da|ein test|ça marche|tu es là|es-tu là|un test|une?a? prueba|prueba"
            r"|estás ahí|テスト(?:です)?",
        ),
        (
            Talk.COMPLAINT,
            r"(?:no )?(?:that|this|that answer|it|your answer|the answer) ?(?:is|was|'s|seems|looks)"
            r" (?:completely |totally |just |so |really |all )*(?:wrong|false|incorrect|not right"
            r"|not true|not correct|useless|nonsense|not helpful|rubbish|bad|unhelpful|outdated"
            r"|not what i (?:asked|meant|wanted)(?: for)?)"
            r"|(?:that|this|it|the answer) (?:isn't|wasn't) (?:right|true|correct|helpful"
            r"|what i (?:asked|meant|wanted)(?: for)?)"
            r"|(?:you are|you're|ur) (?:wrong|useless|stupid|not helpful|no help|dumb|bad)|wrong(?: answer)?"
            r"|not helpful|useless|(?:bad|stupid|dumb|useless) (?:bot|answer)|you suck|nonsense"
            r"|that (?:did not|didn't|does not|doesn't) help(?: me)?"
            r"|not what i (?:asked|meant|wanted)(?: for)?|i don't (?:believe|trust) (?:you|that)"
            r"|das ist falsch|falsch|stimmt nicht|das stimmt nicht|c'est faux|faux"
            r"|(?:eso )?(?:es falso|está mal)|違います|間違っています",
        ),
        (
            Talk.THANKS,
            r"(?:that|this|it) (?:really )?(?:helped|helps|was helpful|is helpful|works|worked|is great"
            r"|was great|answers my question|answered my question|was useful|is useful)(?: a lot| me"
            r"| me a lot)?|(?:you are|you're|ur) (?:great|awesome|the best|amazing|helpful|very helpful|cool"
            r"|wonderful|so helpful|a lifesaver)"
            r"|(?:that's|that is) (?:what i (?:needed|wanted)|all i (?:needed|wanted)"
            r"|exactly what i (?:needed|wanted))|i (?:like|love) (?:you|this|it|this bot)|das hat geholfen"
            r"|ça m'a aidé|me ayudó",
        ),
        (
            Talk.ASK_AWAY,
            r"(?:can|could|may) i ask (?:you )?(?:something|a question|questions|you)"
            r"|i want to ask (?:you )?(?:something|a question)"
            r"|kann ich (?:dich |sie )?(?:etwas|was) fragen|je peux (?:te |vous )?poser une question"
            r"|puedo preguntar(?:te)? algo",
        ),
        (
            Talk.AGREED,
            r"yes|yeah|yep|yup|ja|oui|sí|si|correct|exactly|true|indeed|no|nope|nah|nein|non|nothing"
            r"|no thanks|not now|no thank you|nothing else|that was it|いいえ"
            r"|(?:that's|that is|you are|you're) (?:right|correct|true)",
        ),
    )
)
"""Whole messages, as `_plain` writes them; the first that fits counts."""
_MARKED = (
    (
        GERMAN,
        re.compile(
            r"\b(?:hallo|danke\w*|dank|guten|moin|servus|grüß|tschüss?i?|hilfe|bist|kannst|kennst|prima"
            r"|klasse|toll|gut|nein|ja|wiedersehen|verstanden|klar|frage|falsch|ich|das|wie geht)\b"
        ),
    ),
    (
        FRENCH,
        re.compile(
            r"\b(?:merci|bonjour|bonsoir|salut|coucou|revoir|bientôt|aide|oui|non|parfait|génial|d'accord"
            r"|compris|es-tu|tu|vous|faux|ça va|journée)\b"
        ),
    ),
    (
        SPANISH,
        re.compile(
            r"\b(?:hola|gracias|buen[oa]s?|adi[óo]s|hasta|ayuda|sí|vale|eres|puedes|conoces|qué|quién|cómo|prueba|perfecto|muy|entendido|acuerdo|chao|falso)\b"
        ),
    ),
    (JAPANESE, re.compile("[\u3041-\u30ff]")),
)
