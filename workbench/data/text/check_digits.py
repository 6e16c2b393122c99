"""Numbers with check digits: payment cards (Luhn, ISO/IEC 7812-1) and IBANs (mod 97 and a layout each, ISO 13616).

https://en.wikipedia.org/wiki/Luhn_algorithm, https://www.swift.com/standards/data-standards/iban-international-bank-account-number
"""

import re

from stdnum import iban, luhn

CARD = re.compile(r"(?<![\w.+-])\d(?:[ -]?\d){12,18}(?![\w-]|\.\d)")
ISSUER = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|(?:5[1-5]|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d+|3[47]\d{13}"
    r"|(?:6011|65|64[4-9]|62|35[2-8]\d)\d+|3(?:0[0-5]|6|8)\d+"
)
IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]){11,30}")
END = re.compile(r"(?<=[A-Z0-9])(?![A-Za-z0-9])")


def card_spans(text: str) -> list[tuple[int, int]]:
    """Where numbers of payment cards stand: (start, end) in characters."""
    return [match.span() for match in CARD.finditer(text) if is_card(match.group())]


def is_card(text: str) -> bool:
    """13 to 19 digits that begin like those of a card and pass Luhn; blanks and dashes between them do not count."""
    digits = "".join(letter for letter in text if letter.isdigit())
    return 13 <= len(digits) <= 19 and bool(ISSUER.fullmatch(digits)) and luhn.is_valid(digits)


def iban_spans(text: str) -> list[tuple[int, int]]:
    """Where IBANs stand: (start, end) in characters. Words in capitals may follow: the country knows its length."""
    spans = []
    for match in IBAN.finditer(text):
        start = match.start()
        ends = [end.start() for end in END.finditer(text, start + 15, match.end())]
        if last := next((end for end in ends if iban.is_valid(text[start:end], check_country=False)), 0):
            spans.append((start, last))
    return spans
