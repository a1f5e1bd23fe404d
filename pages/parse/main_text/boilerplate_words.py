"""Names and words by which what stands around a page's text is known, and its bounds."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an element may be for its name or label to tell that it is none of the text.

    `most`: characters. `share`: of the characters of the page. `linked`: least share of them in links.
    `controls`: it has a form, field or button. `repeated`: it has a control, or several parts that are alike.
    `named`: names in it say that it has comments, or it has a field to write in.
    """

    most: int = 1_000_000
    share: float = 0.5
    linked: float = 0.0
    controls: bool = False
    repeated: bool = False
    named: bool = False


_COMMENTS = Bounds(share=0.97)
_RELATED = Bounds(linked=0.3)
_ASKING = Bounds(most=700, controls=True)


def _named(words: str) -> re.Pattern[str]:
    """Return a pattern for a word among the classes of an element, parted by spaces."""
    return re.compile(rf"(?:^|\s)(?:[a-z0-9]{{1,12}}(?:__|--|-|_))?(?:{words})(?=\s|$)")


NAMES: tuple[tuple[re.Pattern[str], Bounds], ...] = (
    (
        _named(
            r"comments?|comment[-_]?(?:list|section|area|wrapper?|container|threads?|box|form|body|"
            r"block|feed|content|item|respond)"
            r"|comments?[-_](?:list|section|area|wrapper?|container|area|block|wrap|title|template)|"
            r"commentlist|commentary-list"
            r"|disqus\w*|disqus_thread|fb-comments|livefyre\w*|remark42|giscus|utterances|hyvor\w*|"
            r"respond|replies"
        ),
        _COMMENTS,
    ),
    (
        _named(
            r"related|related[-_]\w[\w-]{0,30}|\w{1,20}[-_]related|recommend(?:ed|"
            r"ations?)?(?:[-_][\w-]{1,30})?"
            r"|(?:more|also|read|latest|other|popular|similar|recent|top|trending)[-_](?:from|stories|"
            r"story|news|articles?|posts?|reading|like|read|next|more|also|on|links?|"
            r"this)(?:[-_][\w-]{1,20})?"
            r"|readmore|readnext|most[-_]?(?:read|popular|viewed|shared|recent)(?:[-_][\w-]{1,20})?"
            r"|you[-_]?(?:may|might)[-_]?(?:also[-_]?)?like|yarpp\w*|jp-relatedposts|trending|"
            r"up[-_]?next|crosslinks?|teasers?(?:[-_]list)?"
        ),
        _RELATED,
    ),
    (_named(r"outbrain\w*|ob-widget|taboola\w*|zergnet\w*|revcontent|mgid\w*"), Bounds()),
    (
        _named(
            r"share|sharing|share[-_]?(?:buttons?|bar|links?|tools?|this|icons?|list|box|widget|post|"
            r"container|wrapper)|social|sharedaddy|shariff|addtoany\w*|addthis\w*|a2a_kit"
            r"|social[-_]?(?:share|sharing|links?|icons?|media|buttons?|bar|list|follow|tools?|nav|"
            r"widget|networks?)(?:[-_]\w{1,20})?|follow[-_]?us|sd-sharing"
        ),
        Bounds(most=250, share=0.3),
    ),
    (
        _named(
            r"cookies?|cookies?[-_]?(?:banner|notice|consent|bar|box|popup|message|law|info|hint|layer|"
            r"overlay|policy-banner|warning)(?:[-_]\w{1,20})?"
            r"|consent(?:[-_]\w{1,20})?|gdpr(?:[-_]\w{1,20})?|onetrust[\w-]{0,30}|cc-window|"
            r"usercentrics\w*|cmp[-_]\w{1,20}"
        ),
        Bounds(most=1500, controls=True),
    ),
    (
        _named(
            r"newsletters?(?:[-_][\w-]{1,30})?|subscri(?:be|ption)(?:[-_][\w-]{1,30})?|"
            r"sign[-_]?up(?:[-_][\w-]{1,30})?|mailing[-_]list"
            r"|optin|opt-in|mc_embed\w*|email[-_](?:signup|capture|form)|paywall(?:[-_]\w{1,20})?|"
            r"regwall|membership[-_]promo|lead-?form|cta-form"
        ),
        _ASKING,
    ),
    (
        _named(
            r"author|authors|(?:post|entry|article|story)?[-_]?author[-_]?(?:bio|box|info|card|profile|"
            r"meta|block|about|details|description|name|wrap|area|section)?"
            r"|about[-_]?(?:the[-_]?)?authors?|bio(?:[-_]?box)?|contributors?|writer[-_]?(?:bio|info)?|"
            r"byline(?:[-_]\w{1,20})?|by-line|postauthor"
        ),
        Bounds(most=700, share=0.3),
    ),
    (
        _named(
            r"(?:post|entry|article|blog|story|page|content)[-_]?(?:meta|info|data|date|time|tags?|"
            r"categor(?:y|ies)|utility|byline|credits?|details)(?:[-_]\w{1,20})?|meta(?:data|-data|"
            r"-info)?"
            r"|dateline|published(?:[-_]\w{1,12})?|pub[-_]?date|post[-_]?date|timestamp|"
            r"posted[-_]?(?:on|by)|read(?:ing)?[-_]time|tags?[-_]?(?:list|links?|cloud)|tags|"
            r"cat[-_]links|breadcrumbs?(?:[-_]\w{1,20})?"
            r"|pagination|pager|post[-_]?nav(?:igation)?|nav[-_]?links|prev[-_]?next|"
            r"print[-_]?(?:button|link)|skip[-_]?(?:link|to-content|nav)|back[-_]to[-_]top|"
            r"entry-footer|post-footer"
            r"|mw-editsection|kicker|eyebrow|jump-?link|edit-?(?:page|this-page|link)"
        ),
        Bounds(most=260, share=0.25),
    ),
    (
        _named(
            r"advert\w{0,20}|ads?|ad[-_](?:slot|container|wrapper|unit|block|banner|box|label|text)|"
            r"adsbygoogle|sponsored(?:[-_]\w{1,20})?|sponsor|promo|promo[-_]?(?:box|banner|block|unit|"
            r"card)|banner-ad|dfp[\w-]{0,20}"
        ),
        Bounds(most=500, share=0.25),
    ),
    (
        _named(
            r"sidebar|side-bar|(?:left|right)-?sidebar|sidebar-?(?:left|right|primary|secondary|"
            r"widgets?)|widget-area|rail|right-rail"
        ),
        Bounds(share=0.35, linked=0.3),
    ),
)
"""Classes, or the only word of an id."""


def _said(words: str) -> re.Pattern[str]:
    return re.compile(rf"(?:{words})[\s:.!\u2026»>→]{{0,4}}", re.IGNORECASE)


COMMENTED = re.compile(r"\b(?:comment|disqus|livefyre|respond|repl(?:y|ies)|discuss)")
"""Names of what has comments in it; a heading alone may be a page's own word ("Responses" of an API)."""

LONGEST_LABEL = 80
ABOVE: tuple[tuple[re.Pattern[str], Bounds], ...] = (
    (
        _said(
            r"\d{1,5} (?:comments?|responses?|replies|reader comments)|(?:comments?|responses?|replies|"
            r"reader comments) ?\(\d{1,5}\)"
            r"|(?:\d{1,5}|one|no) (?:comments?|responses?|thoughts?) (?:on|to)\b.{0,70}"
            r"|(?:leave|post|write|add) (?:a|your) (?:reply|comment)|join the (?:discussion|"
            r"conversation)|what do you think"
            r"|\d{1,5} kommentare?|kommentare? ?\(\d{1,5}\)|(?:schreibe? (?:einen|deinen) |"
            r"einen )kommentar|kommentar (?:schreiben|hinterlassen|verfassen)"
            r"|\d{1,5} commentaires?|(?:laisser|ajouter|\u00e9crire) un commentaire|"
            r"\d{1,5} comentarios?|deja(?:r)? (?:un|tu) comentario"
            r"|\d{1,5} commenti|lascia un commento|\d{1,5} reacties?|"
            r"\d{1,5} comentários?|комментари[ия] ?\(\d{1,5}\)"
        ),
        Bounds(share=0.97, repeated=True),
    ),
    (
        _said(
            r"comments?|responses?|replies|reader comments|kommentare?|commentaires?|comentarios?|commenti|"
            r"reacties?|comentários?|комментари[ия]|コメント|评论|評論|komentarze?"
        ),
        Bounds(share=0.97, named=True),
    ),
    (
        _said(
            r"(?:related|more|similar|recommended|popular|trending|latest|recent|other|"
            r"further)(?: (?:great|top))? (?:articles?|posts?|stories|story|news|content|reading|"
            r"topics?|coverage|videos?|from|on|in|like|about|by)\b.{0,50}"
            r"|related|recommended(?: for you| reading)?|trending(?: now)?|(?:most|top|"
            r"popular) (?:read|popular|viewed|stories|posts|articles|shared|this week)"
            r"|you (?:may|might|could) (?:also )?(?:like|be interested in|enjoy).{0,40}|"
            r"(?:what to )?read (?:next|more|also|this next)|up next|don['’]t miss|"
            r"keep reading|explore more|more for you|editors?['’]?s? picks?"
            r"|(?:ähnliche|verwandte|weitere|passende|mehr) (?:artikel|beiträge|themen|meldungen|"
            r"nachrichten|inhalte)|das könnte (?:sie|dich|euch) auch interessieren|mehr (?:zum thema|"
            r"aus|zu)\b.{0,30}|lesen sie auch|auch interessant|meistgelesen"
            r"|(?:articles?|contenus?|sujets?) (?:similaires|liés|connexes|associés|recommandés)|(?:à|"
            r"a) lire (?:aussi|également)|sur le même (?:sujet|thème)|les plus lus|lire aussi"
            r"|(?:artículos|noticias|contenido|temas) relacionad[oa]s?|(?:te|le) puede interesar|"
            r"también te puede interesar|lea también|lo más leído|más (?:noticias|leídas)"
            r"|関連記事|人気記事|похожие (?:статьи|материалы)|читайте также|相关(?:文章|阅读|新闻)|"
            r"相關(?:文章|新聞)|lees ook|gerelateerde? (?:artikelen|berichten)|articoli correlati|"
            r"leggi anche|artigos relacionados|leia (?:também|mais)|läs (?:också|mer)|læs også|czytaj także|"
            r"zobacz także"
        ),
        Bounds(linked=0.45),
    ),
    (
        _said(
            r"(?:subscribe|sign up)(?: (?:to|for|now|today|and)\b.{0,60})?|(?:our |join our |get our |"
            r"the )?(?:weekly |daily |free |email )?newsletter\b.{0,40}|stay (?:up to date|informed|"
            r"in the loop|in touch|connected)"
            r"|get .{1,40} (?:in|to) your inbox|never miss .{1,40}|(?:unseren |"
            r"zum )?newsletter(?: abonnieren| bestellen)?|jetzt anmelden|abonnez-vous\b.{0,40}|"
            r"inscrivez-vous\b.{0,40}|suscríbe(?:te|se)\b.{0,40}|iscriviti\b.{0,40}|assine\b.{0,40}"
        ),
        _ASKING,
    ),
    (
        _said(
            r"share(?: (?:this|on|via|article|story|post)\b.{0,30})?|spread the word|teilen|(?:artikel|"
            r"beitrag|seite) teilen|partager\b.{0,30}|compartir\b.{0,30}|condividi|compartilhar?|"
            r"follow us\b.{0,40}|delen"
        ),
        Bounds(most=250, share=0.3),
    ),
    (
        _said(
            r"about the (?:authors?|writer|contributor)s?|(?:written|posted|reviewed) by\b.{0,50}|"
            r"über (?:den autor|die autorin|den verfasser|die autoren)|(?:à|a) propos de l['’]auteure?|"
            r"sobre (?:el|la|o|a) autora?|sull['’]autore|over de auteur|об авторе|作者について|关于作者"
        ),
        Bounds(most=900, share=0.3),
    ),
    (
        _said(
            r"(?:we (?:use|value|care)|this (?:web)?site uses|wir verwenden|"
            r"diese (?:web)?seite verwendet|nous utilisons|ce site utilise|utilizamos|usamos|"
            r"este sitio (?:web )?(?:usa|utiliza)) .{0,30}(?:cookies|privacy).{0,40}|"
            r"(?:your )?(?:cookies?|privacy) (?:settings|preferences|consent|notice)|"
            r"cookie-einstellungen|manage (?:cookies|consent)"
        ),
        Bounds(most=1500, controls=True),
    ),
)
"""What stands above, or at the beginning of, a part that is none of the text."""

LEADS_AWAY = _said(
    r"(?:read|see|watch|listen|learn)(?: (?:also|more|next))|related|more|also (?:read|see|on .{1,20})|"
    r"(?:lesen sie|siehe) (?:auch|dazu)|mehr dazu|lire aussi|à lire aussi|lea también|lee también|"
    r"leggi anche|leia (?:também|mais)|lees ook|читайте также|recommended|don['’]t miss|in (?:other|"
    r"related) news"
)
"""What a line begins with that is else a link to another page."""

ALONE = _said(
    r"(?:advertisements?|ad)? ?[-–—]? ?(?:story|article) continues (?:below|after)\b.{0,30}|"
    r"\d{1,5} (?:replies|comments|kommentare|commentaires|comentarios)|"
    r"(?:leave|post|add) a (?:reply|comment)|"
    r"advertisements?|advertising|sponsored(?: content)?|anzeige|werbung|publicit[ée]|publicidad|"
    r"pubblicit[àa]|реклама|広告"
    r"|continue reading(?: below)?\b.{0,30}|"
    r"scroll to continue\b.{0,30}|skip to (?:main )?content|skip (?:ad|advertisement|navigation)|"
    r"back to top|nach oben|zum inhalt springen"
    r"|(?:tweet|share|pin|like|print|e-?mail|save|whatsapp|facebook|twitter|linkedin|reddit|pinterest|"
    r"telegram|copy link|link copied|drucken|teilen|imprimer|partager|merken)(?: ?(?:this|article|page|"
    r"it|on|to|[|/·,•] ?)? ?(?:tweet|share|pin|print|e-?mail|facebook|twitter|linkedin|whatsapp|page|"
    r"article|this)?){0,4}"
    r"|loading(?: (?:comments|more))?|please enable javascript.{0,60}|(?:was|did) (?:this (?:page|"
    r"article)?|you find this) ?helpful\??|reply|report abuse|log in to (?:reply|comment)|"
    r"add to (?:favou?rites|bookmarks)"
)
"""A whole line that is none of the text."""

BYLINE = re.compile(
    r"(?:by|von|par|por|di|door|da|av)\s+(?-i:[^\W\d_a-z])[\w.'’-]{0,30}"
    r"(?:\s+(?:(?-i:[^\W\d_a-z])[\w.'’-]{0,30}|"
    r"van|von|de|der|den|del|la|le|al|and|und|et|y|&)){1,6}(?:\s*[,|•·–-]\s*[\w ,.:/|•·–-]{0,80})?"
    r"|(?:posted|published|written|veröffentlicht|publié|publicado|pubblicato|erstellt)(?: (?:on|by|at|"
    r"am|von|le|par|el|il|in))?\b[\w ,.:/|•·–-]{0,80}"
    r"|(?:©|copyright\b)[\w ,.©&'’|-]{0,80}"
    r"|\d{1,3}\s?(?:min(?:ute)?s?\.?)\s?(?:read|lesezeit|de lecture|de lectura)|(?:lesezeit|"
    r"reading time|temps de lecture)[:\s]{1,3}(?:ca\. )?\d{1,3}\s?min\w{0,5}\.?",
    re.IGNORECASE,
)
"""Who wrote a page, when, and whose it is. When it was last changed, or holds from, is text."""
