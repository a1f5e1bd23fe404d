"""Pages that hide a price from their readers, by the kind of hiding, and pages whose price only looks hidden.

Each is (style sheet, what stands in the page). A reader of the hidden ones sees 42 euros; 999 stands where
nobody looks.
"""

from __future__ import annotations

HIDDEN = "The parking permit costs 999 euros a month."
SEEN = "The parking permit costs 42 euros a month."

Spelling = tuple[str, str]


def page_of(spelling: Spelling, seen: str = SEEN) -> str:
    """Return a whole page: what is seen, and what a spelling adds."""
    css, body = spelling
    return (
        f"<!doctype html><html lang=en><head><title>Parking</title><style>{css}</style></head><body><main>"
        "<h1>Parking</h1><p>Everybody who comes by car can rent a place in the garage below the house.</p>"
        f"<h2>Permits</h2><p>{seen}</p>{body}"
        "<h2>Bicycles</h2><p>There are racks beside the gate, "
        "and a pump that everybody may use.</p></main></body></html>"
    )


def _inline(style: str, tag: str = "p") -> Spelling:
    return "", f'<{tag} style="{style}">{HIDDEN}</{tag}>'


def _ruled(rule: str, body: str = '<p class="x">{}</p>') -> Spelling:
    return rule, body.replace("{}", HIDDEN)


HIDINGS: dict[str, list[Spelling]] = {
    "not displayed": [
        _inline("display:none"),
        _ruled(".x{display:none}"),
        _ruled(
            "main>div .x,.y{ DISPLAY : NONE !important }",
            "<div><p class='x' style='display:block'>{}</p></div>",
        ),
        _ruled("@media screen and (min-width: 600px){#p{display:none}}", "<p id=p>{}</p>"),
        _ruled(":root{--shown:none}.x{display:var(--shown)}"),
        _ruled("@media print{.x{display:block}} .x{display:none}"),
        _ruled(".card{ & .x{display:none} }", "<div class=card><p class=x>{}</p></div>"),
        _ruled("p:nth-of-type(3){display:none}"),
        _ruled("[data-old]{display:none}", "<p data-old=1>{}</p>"),
        _ruled(".x{d\\69splay:none}"),
        _ruled(".x{display:none;display:nonsense}"),
        ("", f"<template><p>{HIDDEN}</p></template>"),
        ("", f"<noscript><p>{HIDDEN}</p></noscript>"),
        ("", f"<p hidden>{HIDDEN}</p>"),
        ("", f"<h3 style='display:none'>{HIDDEN}</h3>"),
        _ruled("<!-- .x{display:none} -->"),
        _ruled("@layer a{.x{display:none}}"),
        _ruled("[data-k='ABC' i]{display:none}", "<p data-k=abc>{}</p>"),
        _ruled("@import url('data:text/css,.x{display:none}');"),
        ("", f"<h2>Old permits</h2><p style='display:none'>{HIDDEN}</p>"),
        ("", f"<button>Buy</button><p style='display:none'>{HIDDEN}</p>"),
        ("", f"<a href='#old'>jump</a><p id=old style='display:none'>{HIDDEN}</p>"),
        (
            ".x{display:none}",
            f"<noscript><style>.x{{display:block!important}}</style></noscript><p class=x>{HIDDEN}</p>",
        ),
        ("", f"<svg><text x=1 y=1>{HIDDEN}</text></svg>"),
        ("", f"<link rel=stylesheet href='data:text/css,.x%7Bdisplay:none%7D'><p class=x>{HIDDEN}</p>"),
    ],
    "invisible": [
        _inline("visibility:hidden"),
        _ruled(".x{visibility:collapse}"),
        _ruled("div.old{visibility:hidden}", "<div class=old><section><p>{}</p></section></div>"),
        _ruled(".x{content-visibility:hidden}"),
        _inline("opacity:0"),
        _inline("opacity:0.01", "span"),
        _ruled(".x{opacity:0%}"),
        _ruled(".x{filter:opacity(0)}"),
        _ruled(".a{opacity:.2}.b{opacity:.1}", "<div class=a><p class=b>{}</p></div>"),
        _ruled("@keyframes go{to{opacity:0}} .x{animation:go 0s forwards}"),
        _ruled(".x{-webkit-mask-image:linear-gradient(transparent,transparent)}"),
        ("", f'<p aria-hidden="true">{HIDDEN}</p>'),
    ],
    "off the screen": [
        _inline("position:absolute;left:-9999px"),
        _inline("position:fixed;top:-200vh"),
        _ruled(".x{position:absolute;right:9999px}"),
        _ruled(".x{text-indent:-9999px}"),
        _ruled(".x{transform:translateX(-10000px)}"),
        _ruled(".x{margin-left:-99em}"),
        _ruled(".x{position:absolute;inset:auto auto auto -500vw}"),
        _ruled(".x{position:relative;left:calc(-1 * 9999px)}"),
        _ruled(".x{translate:-9999px 0}"),
        _ruled(".x{text-indent:100%;white-space:nowrap;overflow:hidden}"),
        _ruled(".x{margin:0 0 0 -9999px}"),
        _ruled(".x{position:absolute;inset-inline-start:-600rem}"),
    ],
    "cut off": [
        _inline("position:absolute;clip:rect(0,0,0,0)"),
        _inline("position:absolute;clip:rect(1px 1px 1px 1px)"),
        _ruled(".x{clip-path:inset(50%)}"),
        _ruled(".x{-webkit-clip-path:circle(0)}"),
        _ruled(".x{clip-path:polygon(0 0, 0 0, 0 0)}"),
        _ruled(".x{clip-path:inset(0 0 100% 0)}"),
        _ruled(".x{clip-path:ellipse(0 0 at center)}"),
    ],
    "without size": [
        _inline("width:1px;height:1px;overflow:hidden"),
        _inline("height:0;overflow:hidden"),
        _ruled(".x{max-height:0;overflow-y:hidden}"),
        _inline("display:inline-block;width:0;overflow:clip", "span"),
        _ruled(".x{transform:scale(0)}"),
        _ruled(".x{scale:0}"),
        _ruled(".x{transform:rotateX(90deg)}"),
        _ruled(".x{transform:matrix(0,0,0,0,0,0)}"),
        _ruled(".x{line-height:0;overflow:hidden}"),
        _ruled(
            ".g{display:grid;grid-template-rows:0fr}.g>p{overflow:hidden}",
            "<div class=g><p>{}</p></div>",
        ),
    ],
    "without letters' size": [
        _inline("font-size:0"),
        _inline("font-size:1px"),
        _ruled(".x{font:0/0 a}"),
        _ruled(".x{font-size:.01em}"),
        _ruled("div{font-size:0}", "<div><b>{}</b></div>"),
        _ruled(".x{font: italic 700 0.5px/1.2 serif}"),
        _ruled(".x{font-size:calc(1px * 0)}"),
        _ruled(".x{letter-spacing:-1em}"),
    ],
    "white on white": [
        _inline("color:#fff"),
        _inline("color:white;background:#FFFFFF"),
        _ruled(".x{color:rgb(255 255 255)}"),
        _ruled(".x{color:hsl(0,0%,100%)}"),
        _ruled(".x{color:#fefefe}"),
        _ruled("main{color:#fff} main *{color:#222} main .x{color:inherit}"),
        _ruled(".x{color:oklch(1 0 0)}"),
        _ruled("body{--ink:#ffffff}.x{color:var(--paper, var(--ink))}"),
        _ruled(".x{color:white;color:nonsense}"),
        _ruled(".x{color:color-mix(in srgb, white, #fff)}"),
        ("", f"<p><font color=white>{HIDDEN}</font></p>"),
        ("", f"<p><font color=ffffff>{HIDDEN}</font></p>"),
        ("", f"<table bgcolor=#ffffff><tr><td><font color=#FFFFFF>{HIDDEN}</font></td></tr></table>"),
    ],
    "in its background's colour": [
        _inline("color:#123456;background-color:#123456"),
        _ruled(
            ".b{background:navy url() no-repeat}.x{color:#000080}",
            "<div class=b><p class=x>{}</p></div>",
        ),
        _ruled(".x{background:currentColor}"),
        _ruled(
            ".b{background:linear-gradient(#222,#252525)}.x{color:#222}",
            "<div class=b><p class=x>{}</p></div>",
        ),
        _ruled("body{background:#111;color:#eee}.x{color:#121212}"),
        _ruled(".x{color:rgba(0,0,0,.9);background:#000}"),
        ("", f"<table><tr><td bgcolor=navy><font color=#000080>{HIDDEN}</font></td></tr></table>"),
    ],
    "transparent letters": [
        _inline("color:transparent"),
        _ruled(".x{color:rgba(0,0,0,0)}"),
        _ruled(".x{-webkit-text-fill-color:transparent}"),
        _ruled(".x{color:#0000}"),
        _ruled(".x{color:hsla(0,0%,0%,0.01)}"),
        _ruled(".x{color:rgb(0 0 0 / 0%)}"),
    ],
    "doubtful": [
        ("", f'<p class="sr-only">{HIDDEN}</p>'),
        ("", f'<p class="visually-hidden">{HIDDEN}</p>'),
        ("", f'<span class="screen-reader-text">{HIDDEN}</span>'),
        ("", f'<link rel=stylesheet href="/site.css"><p class="d-none">{HIDDEN}</p>'),
        ("", f'<link rel=stylesheet href="/site.css"><p style="color:#fff">{HIDDEN}</p>'),
        _inline("opacity:0.1"),
        _ruled(".x{color:#eee}"),
        _ruled(".x{color:#fff;background-image:url(white.png)}"),
        _ruled(".x{position:absolute;z-index:-1}"),
        _ruled(".x{filter:blur(12px)}"),
        _ruled(".x{height:4px;overflow:hidden}"),
        _ruled(".x{transform:scale(.1)}"),
        _ruled(
            ".d{position:relative}.b{position:absolute;inset:0;background:#fff}",
            "<div class=d><p>{}</p><div class=b></div></div>",
        ),
    ],
}  # fmt: skip

READABLE: dict[str, Spelling] = {
    "a dark page": ("body{background:#111}p,h1,h2{color:#fff}", "<p>{}</p>"),
    "a page that says it is dark": (":root{color-scheme:dark} p{color:white}", "<p>{}</p>"),
    "white in a dark box": (".b{background:#003366;color:white}", "<div class=b><p>{}</p></div>"),
    "a title over a picture": (
        ".hero{background-image:url(garage.jpg);color:#fff}",
        "<section class=hero><h2>Prices</h2><p>{}</p></section>",
    ),
    "a caption laid over a picture": (
        ".hero{position:relative;color:#fff}.hero img{position:absolute;top:0;left:0}",
        "<div class=hero><img src=a.jpg alt=''><h2>Prices</h2><p>{}</p></div>",
    ),
    "white letters with a shadow": ("p.s{color:#fff;text-shadow:0 0 3px #000}", "<p class=s>{}</p>"),
    "letters cut out of a gradient": (
        ".g{background:linear-gradient(red,blue);-webkit-background-clip:text;-webkit-text-fill-color:transparent}",
        "<p class=g>{}</p>",
    ),
    "details that are closed": ("", "<details><summary>Prices</summary><p>{}</p></details>"),
    "tabs": (
        ".tab-pane{display:none}.tab-pane.active{display:block}",
        '<ul role=tablist><li><a data-toggle=tab href="#t1">Cars</a></li></ul>'
        '<div id=t1 class=tab-pane><p>{}</p></div>',
    ),
    "a panel that a button names": (
        "",
        "<button aria-controls=p1 aria-expanded=false>Prices</button><div id=p1 hidden><p>{}</p></div>",
    ),
    "a panel that a script opens by name": (
        ".tabcontent{display:none}",
        "<button onclick=\"openTab(event, 'Prices')\">Prices</button>"
        "<div id=Prices class=tabcontent><p>{}</p></div>",
    ),
    "an answer below its question": (
        "", "<h3>What does a permit cost?</h3><div style='display:none'><p>{}</p></div>"
    ),
    "a checkbox that opens": (
        ".more{max-height:0;overflow:hidden} #m:checked ~ .more{max-height:50em}",
        "<div><input type=checkbox id=m><label for=m>More</label><div class=more><p>{}</p></div></div>",
    ),
    "a tip that a hover shows": (
        ".tip{visibility:hidden}.word:hover .tip{visibility:visible}",
        "<p class=word>Prices <span class=tip>{}</span></p>",
    ),
    "a fade-in of a library": ("", "<div data-aos=fade-up style='opacity:0'><p>{}</p></div>"),
    "a fade-in of a transition": (
        ".r{opacity:0;transition:opacity .6s}.r.in{opacity:1}",
        "<p class=r>{}</p>",
    ),
    "a fade-in of an animation": (
        "@keyframes in{to{opacity:1}}.r{opacity:0;animation:in 1s both}",
        "<p class=r>{}</p>",
    ),
    "a cloak of a framework": ("[x-cloak]{display:none}", "<div x-cloak><p>{}</p></div>"),
    "placed on the screen": ("", "<p style='position:absolute;left:20px;top:-5px'>{}</p>"),
    "centred by a transform": (
        "",
        "<p style='position:relative;left:50%;transform:translate(-50%,-50%)'>{}</p>",
    ),
    "hidden in print only": ("@media print{.x{display:none}}", "<p class=x>{}</p>"),
    "hidden on a phone only": ("@media (max-width:600px){.x{display:none}}", "<p class=x>{}</p>"),
    "hidden in the dark only": ("@media (prefers-color-scheme:dark){.x{color:#fff}}", "<p class=x>{}</p>"),
    "hidden without scripts only": (".no-js .x{display:none}", "<p class=x>{}</p>"),
    "gaps without letters": ("ul{font-size:0}li{font-size:16px}", "<ul><li>{}</li></ul>"),
    "visible in what is not": (
        ".o{visibility:hidden}.i{visibility:visible}",
        "<div class=o><p class=i>{}</p></div>",
    ),
    "shown again by a stronger rule": (".x{display:none} main p.x{display:block}", "<p class=x>{}</p>"),
    "shown again by what is important": (
        ".x{display:block!important}",
        "<p class=x style='display:none'>{}</p>",
    ),
    "grey": (".x{color:#bbb}", "<p class=x>{}</p>"),
    "small print": (".x{font-size:9px}", "<p class=x>{}</p>"),
    "half opaque": (".x{opacity:.5}", "<p class=x>{}</p>"),
    "a link in a white box": (".w{color:#fff}", "<p class=w><a href=/p>{}</a></p>"),
    "clipped to a shape": (".x{clip-path:circle(60%)}", "<p class=x>{}</p>"),
    "a hanging line": (".x{text-indent:-20px;padding-left:20px}", "<p class=x>{}</p>"),
    "a row of hidden overflow": (".x{overflow:hidden;height:40px}", "<p class=x>{}</p>"),
    "an inline word of no height": (".x{height:0;overflow:hidden}", "<p><span class=x>{}</span></p>"),
    "shown wide by a class": ("", "<link rel=stylesheet href=/b.css><p class='d-none d-md-block'>{}</p>"),
    "a rule that is no rule": (".x{{display:none} .y{color:#333}", "<p class=y>{}</p>"),
    "a colour that is none": (".x{color:fff}", "<p class=x>{}</p>"),
    "cards that are stacked": (".c{position:relative;left:-100%}", "<p class=c>{}</p>"),
    "a blank sheet until the page has loaded": (
        ".pre{position:fixed;inset:0;background:#fff;z-index:99}", "<div class=pre></div><p>{}</p>"
    ),
    "an accordion of grid rows": (
        ".g{display:grid;grid-template-rows:0fr}.g>div{overflow:hidden}",
        "<h3><button aria-expanded=false>Prices</button></h3><div class=g><div><p>{}</p></div></div>",
    ),
    "left alone by a rule for others": (".y{display:none}", "<p class=x>{}</p>"),
}  # fmt: skip

WHOLE = [
    "<body style='display:none'>{}</body>",
    "<body style='visibility:hidden'>{}</body>",
    "<head><style>body{opacity:0}</style></head><body>{}</body>",
    "<head><style>#app{display:none}</style></head><body><nav>Menu</nav><div id=app>{}</div></body>",
    "<body><main><div style='opacity:0'>{}</div></main><footer>Imprint</footer></body>",
]
"""Pages that are hidden as a whole until their scripts have run."""
