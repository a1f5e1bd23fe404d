"""The language of a short text (English, German, French, Spanish, Japanese) by letters and words.

A question has a dozen words, so a word counts where it is frequent in one language and rare in the others.
What shows nothing ("VPN", "Smartsheet") has no language: "" is said then, and nothing is concluded from it.
"""

from __future__ import annotations

import re
import unicodedata

ENGLISH, GERMAN, FRENCH, SPANISH, JAPANESE = "en", "de", "fr", "es", "ja"
OTHER = "other"
"""A language that is none of these."""

FUNCTION_WORDS: dict[str, frozenset[str]] = {
    ENGLISH: frozenset(
        """
        a an the and or but if of in on at to for from by with about into over under between during per after
        before
        until till since without within is are was were be been being am do does did done have has had having
        will
        would shall should can could may might must not no nor so than then this that these those it its he
        she they
        them their his him her we us our you your i me my mine who whom whose which what when where why how
        there here
        also such each any all some most more much many very just only im ive id whats hows wheres whos dont
        doesnt
        cant isnt arent didnt wont gonna wanna let lets please i'm i've i'd i'll what's how's where's who's
        don't
        doesn't can't isn't aren't didn't won't let's it's that's there's they're we're you're
        """.split()  # noqa: SIM905 - a list of words reads better so
    ),
    GERMAN: frozenset(
        """
        der die das den dem des ein eine einen einem einer eines und oder aber wenn ob dass weil als wie viel
        viele
        viel lange oft wo wer wen wem wessen wann warum wieso weshalb welche welcher welches welchen welchem
        wofür womit
        ich du er sie es wir ihr mich mir dich dir uns euch ihm ihn ihnen mein meine meinen meinem meiner dein
        deine
        sein seine unser unsere kein keine keinen nicht auch noch nur schon sehr mehr mit von vom zu zum zur
        bei beim
        nach aus auf für im ins am an über unter vor bis durch gegen ohne um seit während ist sind war waren
        bin bist
        habe hat haben hatte werde wird werden wurde kann kannst können könnte darf dürfen muss müssen soll
        sollen
        will wollen möchte gibt man dann denn da dort hier dies diese dieser dieses was bekomme geht ja nein
        bitte
        """.split()  # noqa: SIM905 - a list of words reads better so
    ),
    FRENCH: frozenset(
        """
        le la les l un une des du de d et ou mais si que qu quoi qui quel quelle quels quelles quand où
        comment
        pourquoi combien je j tu il elle on nous vous ils elles me m te t se s lui leur leurs mon ma mes ton
        ta tes
        son sa ses notre nos votre vos ce c cet cette ces ça cela y en ne n pas plus très aussi dans sur sous
        pour par
        avec sans chez entre vers à au aux est sont suis es êtes sommes était ai as a avons avez ont avoir
        être fait
        faire faut peut peux puis pouvons pouvez doit dois dois-je puis-je ai-je est-ce y-a-t-il a-t-il
        """.split()  # noqa: SIM905 - a list of words reads better so
    ),
    SPANISH: frozenset(
        """
        el la los las lo un una unos unas de del al y e o u pero si que qué quien quién quiénes cual cuál
        cuáles
        cuando cuándo donde dónde adónde como cómo cuanto cuánto cuánta cuántos cuántas por porque para con
        sin sobre
        entre desde hasta hacia en a yo tú él ella usted nosotros ustedes ellos me te se le les nos mi mis tu
        tus su
        sus nuestro nuestra este esta estos estas ese esa eso esto no ni también muy más ya hay es son soy
        está están
        estoy era ser estar he ha han hemos tengo tiene tienen tener puedo puede pueden podemos debo debe
        deben hago
        hacer necesito sí
        """.split()  # noqa: SIM905 - a list of words reads better so
    ),
}
"""Words of each language that carry no subject."""
_OTHERS = frozenset(
    """
    ik het een niet wat hoe waar wanneer wij zijn heb kan mijn je zij maar ook uit naar van voor moet
    não os um uma são você quanto quantos meu minha posso tenho pode onde mais isso fazer ao da dos das
    gli della delle degli nel sono perché posso quanti quante dove ho mio mia che di il per non è anche alla
    och att det jag är inte för på hur vad var när som ett har jag får nie jest jak czy się gdzie kiedy ile
    mam
    ve bir için nasıl ne kaç nerede mi mı var değil
    """.split()  # noqa: SIM905 - a list of words reads better so
)
_MARKS = {
    GERMAN: re.compile("[äöüß]"),
    FRENCH: re.compile("[àâæçèêëîïôœùûÿ]"),
    SPANISH: re.compile("[áíñóú¿¡]"),
    OTHER: re.compile("[ãõåøłśżźğışčřžőű]"),
}
_KANA = re.compile("[\u3041-\u30ff]")
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_ELIDED = re.compile(r"^(?:qu|[cdjlmnst])['’](?=\w\w)")
_MARK_COUNTS = 0.5
_LEAST = 1.0

_NAMES: dict[str, dict[str, str]] = {
    ENGLISH: {
        ENGLISH: "English",
        GERMAN: "German",
        FRENCH: "French",
        SPANISH: "Spanish",
        JAPANESE: "Japanese",
    },
    GERMAN: {
        ENGLISH: "Englisch",
        GERMAN: "Deutsch",
        FRENCH: "Französisch",
        SPANISH: "Spanisch",
        JAPANESE: "Japanisch",
    },
    FRENCH: {
        ENGLISH: "anglais",
        GERMAN: "allemand",
        FRENCH: "français",
        SPANISH: "espagnol",
        JAPANESE: "japonais",
    },
    SPANISH: {
        ENGLISH: "inglés",
        GERMAN: "alemán",
        FRENCH: "francés",
        SPANISH: "español",
        JAPANESE: "japonés",
    },
    JAPANESE: {
        ENGLISH: "英語",
        GERMAN: "ドイツ語",
        FRENCH: "フランス語",
        SPANISH: "スペイン語",
        JAPANESE: "日本語",
    },
}
_HINTS = {
    ENGLISH: "This page is in {}.",
    GERMAN: "Diese Seite ist auf {}.",
    FRENCH: "Cette page est en {}.",
    SPANISH: "Esta página está en {}.",
    JAPANESE: "このページは{}です。",
}


def detect_language(text: str) -> str:
    """Return "en", "de", "fr", "es", "ja" or "other"; "" where nothing shows it."""
    folded = unicodedata.normalize("NFC", text).lower()
    letters = [char for char in folded if char.isalpha()]
    if _KANA.search(folded):
        return JAPANESE
    if sum(not _is_latin(char) for char in letters) * 2 > len(letters):
        return OTHER
    words = split_words(folded)
    scores = {
        language: float(sum(word in known for word in words)) for language, known in FUNCTION_WORDS.items()
    }
    scores[OTHER] = float(sum(word in _OTHERS for word in words))
    for language, marks in _MARKS.items():
        scores[language] += _MARK_COUNTS * sum(bool(marks.search(word)) for word in words) + (
            _MARK_COUNTS if language == SPANISH and re.search("[¿¡]", folded) else 0
        )
    best = max(scores, key=lambda language: scores[language])
    others = [score for language, score in scores.items() if language != best]
    return best if scores[best] >= _LEAST and scores[best] > max(others) else ""


def build_language_hint(question: str, page: str, language: str = "") -> str:
    """Return a sentence, in the asker's language, that says which language a page is in.

    "" where it is the asker's.

    `page` is some of its text. `language` is the asker's where the channel tells it: it decides where the
    question shows none. Nothing is said where either is not known.
    """
    asked = detect_language(question) or language
    written = detect_language(page)
    if not asked or written not in _HINTS or written == asked:
        return ""
    said_in = asked if asked in _HINTS else ENGLISH
    return _HINTS[said_in].format(_NAMES[said_in][written])


def _is_latin(char: str) -> bool:
    return unicodedata.name(char, "").startswith("LATIN")


def split_words(text: str) -> list[str]:
    """Return the words of a text in lower case, its elided articles apart ("l'équipe": "l", "équipe").

    No numbers.
    """
    found: list[str] = []
    for match in _WORD.finditer(unicodedata.normalize("NFC", text).lower()):
        word = match.group().replace("’", "'")
        elided = _ELIDED.match(word)
        if elided:
            found.append(elided.group()[:-1])
            word = word[elided.end() :]
        found.append(word)
    return found
