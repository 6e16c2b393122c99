"""HTML and Markdown taken out of a text, code left as it is; linear in time on any text.

Not html.parser: it takes time quadratic in the length of broken markup, and drops what only looks like a tag
(List<int>). Tags are those of https://html.spec.whatwg.org/multipage/indices.html#elements-3.
"""

import html
import re
from collections.abc import Callable

TAGS = (
    "a|abbr|acronym|address|article|aside|audio|b|bdi|bdo|big|blockquote|body|br|button|canvas|"
    "caption|center|cite|code|col|colgroup|dd|del|details|dfn|dialog|div|dl|dt|em|embed|fieldset|"
    "figcaption|figure|font|footer|form|frame|frameset|h1|h2|h3|h4|h5|h6|head|header|hgroup|hr|"
    "html|i|iframe|img|input|ins|kbd|label|legend|li|link|main|map|mark|meta|nav|noscript|"
    "object|ol|optgroup|option|p|param|picture|pre|progress|q|s|samp|script|section|select|small|"
    "source|span|strike|strong|style|sub|summary|sup|svg|table|tbody|td|template|textarea|tfoot|"
    "th|thead|time|title|tr|tt|u|ul|var|video|wbr"
)
MARKUP_CANDIDATE = rf"(?i)</?(?:{TAGS})(?:[\s/>])|<!--|&(?:#\d|#x[0-9a-f]|[a-z])"
MARKDOWN = r"[*_#`~]|\]\(|^\s*>"
TAG = re.compile(rf"</?({TAGS})(?:\s[^<>]{{0,4000}})?/?>", re.I)
HIDDEN = {"script", "style", "head", "template", "noscript", "svg"}
BREAKS = {"br", "tr", "hr", "dt", "dd", "caption", "figcaption", "option", "title", "summary"}
BLOCKS = {
    "p", "div", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "dl", "table", "blockquote", "section", "article",
    "header", "footer", "main", "nav", "aside", "figure", "form", "address", "fieldset", "details", "body",
}  # fmt: skip
ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
FENCE = re.compile(r"^[ \t]{0,3}(?:```|~~~)", re.M)
INLINE = re.compile(r"`[^`\n]{1,500}`")
STEPS = (
    (re.compile(r"!?\[([^\[\]\n]{0,500})\]\([^()\s]{0,2000}(?: \"[^\"\n]{0,200}\")?\)"), r"\1"),
    (re.compile(r"^[ ]{0,3}#{1,6}[ \t]+", re.M), ""),
    (re.compile(r"^[ ]{0,3}>[ ]?", re.M), ""),
    (re.compile(r"(\*\*|__|~~)(?=\S)([^*_~\n]{1,500})(?<=\S)\1"), r"\2"),
    (re.compile(r"(?<![\w*])\*(?=\S)([^*\n]{1,500})(?<=\S)\*(?![\w*])"), r"\1"),
    (re.compile(r"(?<![\w_])_(?=\S)([^_\n]{1,500})(?<=\S)_(?![\w_])"), r"\1"),
)


def without_html(text: str, entities: bool = True) -> str:
    """The text without HTML tags, comments, scripts and styles; fenced and inline code stays, <pre> becomes a fence."""
    return outside_code(text, lambda prose: _plain(prose, entities))


def without_markdown(text: str) -> str:
    """The text without emphasis, headings, quotation marks and addresses of links; code stays."""
    return outside_code(text, _flat)


def tags_of(text: str) -> list[str]:
    """The tags and entities of a text outside its code, as they stand there."""
    tags: list[str] = []

    def note(prose: str) -> str:
        tags.extend(match.group() for pattern in (TAG, ENTITY) for match in pattern.finditer(prose))
        return prose

    outside_code(text, note)
    return tags


def outside_code(text: str, change: Callable[[str], str]) -> str:
    """The text with everything but fenced blocks and `inline code` changed; an open fence reaches to the end."""
    parts, reached = [], 0
    marks = [fence.start() for fence in FENCE.finditer(text)]
    for first, last in zip(marks[::2], [*marks[1::2], len(text)], strict=False):
        end = text.find("\n", last)
        end = len(text) if end < 0 else end
        parts += [_outside_inline(text[reached:first], change), text[first:end]]
        reached = end
    return "".join([*parts, _outside_inline(text[reached:], change)])


def _outside_inline(text: str, change: Callable[[str], str]) -> str:
    if "`" not in text:
        return change(text) if text else ""
    code_spans = INLINE.findall(text)
    pieces = INLINE.split(text)
    changed = [change(piece) + code for piece, code in zip(pieces, [*code_spans, ""], strict=True)]
    return "".join(changed)


def _plain(text: str, entities: bool) -> str:
    """Prose without tags; what stands in a hidden element goes with it."""
    text = _without_comments(text)
    read = read_entities if entities else str
    ends = {name: text.lower().rfind(f"</{name}") for name in HIDDEN}
    parts, reached, hidden, code = [], 0, "", False
    for tag in TAG.finditer(text):
        name, closes = tag.group(1).lower(), tag.group().startswith("</")
        if hidden:
            reached = tag.end()
            hidden = "" if closes and name == hidden else hidden
            continue
        parts.append(read(text[reached : tag.start()]))
        reached = tag.end()
        if name in HIDDEN and not closes and ends[name] >= reached:
            hidden = name
        elif name == "pre" and closes == code:
            code = not closes
            parts.append("\n```\n")
        else:
            parts.append(_blank(name, closes))
    parts.append("" if hidden else read(text[reached:]))
    prose = "".join(parts) + ("\n```" if code else "")
    return _framed(re.sub(r"\n{3,}", "\n\n", prose), text) if reached else prose


def _framed(prose: str, text: str) -> str:
    """What was made of a text, between the line breaks that stood around that text."""
    inner = len(text) - len(text.lstrip("\n"))
    after = len(text) - len(text.rstrip("\n")) if inner < len(text) else 0
    return f"{text[:inner]}{prose.strip(chr(10))}{text[len(text) - after :]}"


def read_entities(text: str) -> str:
    """The text with entities as characters; a hard blank becomes a blank."""
    return ENTITY.sub(lambda entity: html.unescape(entity.group()).replace("\xa0", " "), text)


def _blank(name: str, closes: bool) -> str:
    """What stands in the place of a tag."""
    if name == "li":
        return "" if closes else "\n- "
    if name in ("td", "th"):
        return "\t" if closes else ""
    if name in BLOCKS:
        return "\n\n" if closes else "\n"
    return "\n" if name in BREAKS and (not closes or name != "br") else ""


def _without_comments(text: str) -> str:
    parts, reached = [], 0
    while (first := text.find("<!--", reached)) >= 0 and (last := text.find("-->", first + 4)) >= 0:
        parts.append(text[reached:first])
        reached = last + 3
    return "".join([*parts, text[reached:]])


def _flat(text: str) -> str:
    for pattern, new in STEPS:
        text = pattern.sub(new, text)
    return text
