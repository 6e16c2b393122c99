"""Numbers with check digits: payment cards (Luhn, ISO/IEC 7812-1) and IBANs (mod 97, ISO 13616).

https://en.wikipedia.org/wiki/Luhn_algorithm, https://www.swift.com/standards/data-standards/iban-international-bank-account-number
"""

import re

CARD = re.compile(r"(?<![\w.+-])\d(?:[ -]?\d){12,18}(?![\w-]|\.\d)")
ISSUER = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|(?:5[1-5]|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d+|3[47]\d{13}"
    r"|(?:6011|65|64[4-9]|62|35[2-8]\d)\d+|3(?:0[0-5]|6|8)\d+"
)
IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?=[ -]?[A-Z0-9])")
LENGTHS = {
    country: int(length)
    for length, countries in {
        "15": "NO", "16": "BE", "18": "DK FI FO GL NL SD", "19": "MK SI", "20": "AT BA EE KZ LT LU XK",
        "21": "CH HR LI LV", "22": "BG BH CR DE GB GE IE ME RS VA", "23": "AE GI IL IQ OM SO TL",
        "24": "AD CZ ES MD PK RO SA SE SK TN VG", "25": "LY PT ST", "26": "IS TR", "27": "BI DJ FR GR IT MC MR SM",
        "28": "AL AZ BY CY DO GT HU LB NI PL SV", "29": "BR EG PS QA UA", "30": "JO KW MU", "31": "MT SC", "32": "LC",
        "33": "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip


def card_spans(text: str) -> list[tuple[int, int]]:
    """Where numbers of payment cards stand: (start, end) in characters."""
    return [match.span() for match in CARD.finditer(text) if is_card(match.group())]


def is_card(text: str) -> bool:
    """13 to 19 digits that begin like those of a card and pass Luhn; blanks and dashes between them do not count."""
    digits = "".join(letter for letter in text if letter.isdigit())
    return 13 <= len(digits) <= 19 and bool(ISSUER.fullmatch(digits)) and luhn(digits)


def luhn(digits: str) -> bool:
    """Whether the last digit checks the others."""
    doubled = (int(digit) * (1 + index % 2) for index, digit in enumerate(reversed(digits)))
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def iban_spans(text: str) -> list[tuple[int, int]]:
    """Where IBANs stand: (start, end) in characters."""
    spans = []
    for begin in IBAN.finditer(text):
        last = _end(text, begin.start(), LENGTHS.get(begin.group()[:2], 0))
        if last and mod97(text[begin.start() : last]) == 1:
            spans.append((begin.start(), last))
    return spans


def mod97(iban: str) -> int:
    """The remainder of an IBAN; 1 for a right one."""
    plain = iban.replace(" ", "").replace("-", "")
    return int("".join(str(int(letter, 36)) for letter in plain[4:] + plain[:4])) % 97


def _end(text: str, first: int, length: int) -> int:
    """Where an IBAN of that length ends that begins at `first`; 0 when there is none."""
    position, count = first, 0
    while count < length and position < len(text):
        letter = text[position]
        if letter.isascii() and (letter.isdigit() or letter.isupper()):
            count += 1
        elif letter not in " -" or text[position - 1] in " -":
            return 0
        position += 1
    goes_on = position < len(text) and text[position].isalnum()
    return position if length and count == length and not goes_on else 0
