"""Personal data and secrets in a text, by patterns that are linear in time: e-mail, phone, IP, numbers, keys.

What only looks like one is left alone: numbers of cards, accounts and persons must have the right check digits.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable

from workbench.data.text.check_digits import card_spans, iban_spans, is_card
from workbench.data.text.national_numbers import national_number_spans

KindSpan = tuple[int, int, str]
PII_CANDIDATE = (
    r"@|\d[\d .()/-]{5,}\d|\d{6}[+A]\d{3}|[A-Z]{2}\d{2}|\d\.\d{1,3}\.|[0-9A-Fa-f]:[0-9A-Fa-f:]|-----BEGIN |eyJ"
    r"|sk-|[sr]k_|gh[oprsu]_|github_pat_|glpat-|AKIA|ASIA|AIza|xox|hf_|SG\.|npm_|pypi-"
)  # RE2: every text with something in it matches this
EMAIL = re.compile(
    r"(?<![\w.+-])[A-Za-z0-9_%+][A-Za-z0-9._%+-]{0,63}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w-])"
)
IPV4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w]|\.\d)")
IPV6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f:]{6,39}(?![\w:])")
PHONE = re.compile(
    r"(?<![\w.+/-])(?:"
    r"\+\d{1,3}[ .-]?(?:\(\d{1,5}\)[ .-]?)?\d(?:[ ./-]?\d){5,12}"  # +49 30 123456, E.164 with separators
    r"|\(\d{3}\) ?\d{3}[ .-]\d{4}|\d{3}-\d{3}-\d{4}|\d{3}\.\d{3}\.\d{4}"  # North America
    r"|(?<!\d )\(0\d{1,5}\) ?\d(?:[ -]?\d){4,9}"  # a national number with its zero
    r"|(?<!\d )0\d{1,4}[ /-]\d{2,4}(?:[ -]?\d{2,4}){1,4}"
    r")(?![\w-]|\.\d)"
)
# the forms their makers write down, as collected in https://github.com/gitleaks/gitleaks/blob/master/config/gitleaks.toml
KEY = re.compile(
    r"(?<![\w-])(?:"
    r"sk-(?:proj-|ant-|svcacct-|or-)?[A-Za-z0-9_-]{20,200}|[sr]k_(?:live|test)_[A-Za-z0-9]{16,99}"
    r"|gh[oprsu]_[A-Za-z0-9]{36,99}|github_pat_[A-Za-z0-9_]{22,99}|glpat-[A-Za-z0-9_-]{20,64}"
    r"|(?:AKIA|ASIA)[A-Z0-9]{16}|AIza[A-Za-z0-9_-]{35}|xox[abeoprs]-[A-Za-z0-9-]{10,99}|hf_[A-Za-z0-9]{30,64}"
    r"|SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{32,64}|npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{50,400}"
    r"|eyJ[A-Za-z0-9_-]{10,2000}\.eyJ[A-Za-z0-9_-]{10,4000}\.[A-Za-z0-9_-]{10,1000}"
    r")(?![\w-])"
    r"|-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[A-Za-z0-9+/=\s\\:,.-]{0,8000}"
)


def spans(text: str, kinds: Iterable[str], own: Iterable[KindSpan] = ()) -> list[KindSpan]:
    """(first, last, kind) of everything found, in order and without overlaps: keys, e-mail, numbers, then your own."""
    covered, taken = bytearray(len(text)), []
    candidates = ((first, last, kind) for kind, find in FINDERS.items() if kind in kinds for first, last in find(text))
    for first, last, kind in (*candidates, *own):
        if covered.find(1, first, last) < 0:
            covered[first:last] = b"\1" * (last - first)
            taken.append((first, last, kind))
    return sorted(taken)


def masked(text: str, matches: list[KindSpan]) -> str:
    """The text with each span replaced by its kind in brackets: [EMAIL]."""
    parts, reached = [], 0
    for first, last, kind in matches:
        parts += [text[reached:first], f"[{kind.upper()}]"]
        reached = last
    return "".join([*parts, text[reached:]])


def _all(pattern: re.Pattern[str]) -> Callable[[str], list[tuple[int, int]]]:
    return lambda text: [match.span() for match in pattern.finditer(text)]


def _addresses(text: str) -> list[tuple[int, int]]:
    ipv4_spans = [match.span() for match in IPV4.finditer(text) if _is_address(match.group())]
    return ipv4_spans + [
        match.span() for match in IPV6.finditer(text) if _is_long(match.group()) and _is_address(match.group())
    ]


def _is_long(text: str) -> bool:
    """Whether it is an IPv6 address rather than a name such as ab::cd or a time."""
    groups = [group for group in text.split(":") if group]
    return len(groups) >= 3 and any(letter.isdigit() for letter in text)


def _is_address(text: str) -> bool:
    """Whether it is an address of some machine; 127.0.0.1 and 0.0.0.0 are of none in particular."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified)


def _phones(text: str) -> list[tuple[int, int]]:
    candidates = [match.span() for match in PHONE.finditer(text)]
    return [(first, last) for first, last in candidates if not is_card(text[first:last])]


FINDERS: dict[str, Callable[[str], list[tuple[int, int]]]] = {
    "key": _all(KEY),
    "email": _all(EMAIL),
    "iban": iban_spans,
    "card": card_spans,
    "national_id": national_number_spans,
    "ip": _addresses,
    "phone": _phones,
}
