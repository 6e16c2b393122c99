"""Numbers that states give to people: identity, social security, health and tax numbers, by layout and check digits.

A layout that other numbers have too, such as nine digits in a row, counts only where a word before it says what it is.
The rules of each are python-stdnum's: https://arthurdejong.org/python-stdnum/
"""

import functools
import importlib
import re
from collections.abc import Callable

LAYOUTS = {
    "us.ssn": r"\d{3}-\d{2}-\d{4}",
    "us.itin": r"9\d{2}-[5-9]\d-\d{4}",
    "fr.nir": r"[12] ?\d{2} ?\d{2} ?\d[\dAB] ?\d{3} ?\d{3} ?\d{2}",
    "es.dni": r"\d{8}-?[A-Z]",
    "es.nie": r"[XYZ]-?\d{7}-?[A-Z]",
    "it.codicefiscale": r"[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]",
    "br.cpf": r"\d{3}\.\d{3}\.\d{3}-\d{2}",
    "be.nn": r"\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2}",
    "ch.ssn": r"756\.\d{4}\.\d{4}\.\d{2}",
    "cz.rc": r"\d{6}/\d{4}",
    "fi.hetu": r"\d{6}[-+A]\d{3}[0-9A-Z]",
    "se.personnummer": r"(?:\d{2})?\d{6}[-+]\d{4}",
    "is_.kennitala": r"\d{6}-\d{4}",
    "no.fodselsnummer": r"\d{6} ?\d{5}",
    "cn.ric": r"\d{17}[\dX]",
    "kr.rrn": r"\d{6}-\d{7}",
    "mx.curp": r"[A-Z]{4}\d{6}[HM][A-Z]{5}[0-9A-Z]\d",
    "cl.rut": r"\d{1,2}\.\d{3}\.\d{3}-[\dK]",
    "th.pin": r"\d-\d{4}-\d{5}-\d{2}-\d",
}
"""Layouts that hardly anything else has and that passes the check digits, by the module of stdnum that knows those."""

NAMED = {
    "za.idnr": (r"\d{6} ?\d{4} ?\d{3}", r"\bid (?:number|no)|identity number|south africa"),
    "ro.cnp": (r"\d{13}", r"\bcnp\b|cod numeric"),
    "in_.aadhaar": (r"\d{4} ?\d{4} ?\d{4}", r"aadhaa?r|uidai|आधार"),
    "jp.in_": (r"\d{4} ?\d{4} ?\d{4}", r"my number|マイナンバー|個人番号"),
    "de.idnr": (r"\d{2} ?\d{3} ?\d{3} ?\d{3}", r"steuer|identifikationsnummer|\bid-?nr|tax id|\btin\b"),
    "pl.pesel": (r"\d{11}", r"pesel"),
    "br.cpf": (r"\d{11}", r"\bcpf\b"),
    "hr.oib": (r"\d{11}", r"\boib\b"),
    "ee.ik": (r"\d{11}", r"isikukood"),
    "lt.asmens": (r"\d{11}", r"asmens kod"),
    "gr.amka": (r"\d{11}", r"\bamka\b|αμκα"),
    "tr.tckimlik": (r"\d{11}", r"kimlik|tckn"),
    "gb.nhs": (r"\d{3}[ -]?\d{3}[ -]?\d{4}", r"\bnhs\b"),
    "dk.cpr": (r"\d{6}-?\d{4}", r"\bcpr\b"),
    "bg.egn": (r"\d{10}", r"\begn\b|егн"),
    "in_.pan": (r"[A-Z]{5}\d{4}[A-Z]", r"\bpan\b"),
    "ie.pps": (r"\d{7}[A-W][A-IW]?", r"\bpps"),
    "nl.bsn": (r"\d{3}[ .]?\d{3}[ .]?\d{3}|\d{4}\.\d{2}\.\d{3}", r"\bbsn\b|burgerservice|sofi"),
    "pt.nif": (r"\d{3} ?\d{3} ?\d{3}", r"\bnif\b|contribuinte"),
    "ca.sin": (r"\d{3}[ -]?\d{3}[ -]?\d{3}", r"\bsin\b|social insurance|\bnas\b|assurance sociale"),
    "au.tfn": (r"\d{3} ?\d{3} ?\d{2,3}", r"\btfn\b|tax file"),
    "il.idnr": (r"\d{7,8}-?\d", r"teudat|zehut|תעודת|ת\.ז"),
    "nz.ird": (r"\d{2,3}-?\d{3}-?\d{3}", r"\bird\b"),
}
"""Layouts that much else has, the longer first, each with what must stand before it in any case of letters."""

REACH_CHARACTERS = 40
"""How far before a number its name may stand."""
_KINDS = [(module, re.compile(layout), None) for module, layout in LAYOUTS.items()] + [
    (module, re.compile(layout), re.compile(name, re.IGNORECASE)) for module, (layout, name) in NAMED.items()
]
_ANY = re.compile(rf"(?<![\w.+-])(?:{'|'.join(layout.pattern for _, layout, _ in _KINDS)})(?![\w-]|\.\d)")


def national_number_spans(text: str) -> list[tuple[int, int]]:
    """Where numbers of people stand: (start, end) in characters."""
    matches = _ANY.finditer(text)
    return [
        match.span()
        for match in matches
        if _is_national(match.group(), text[max(0, match.start() - REACH_CHARACTERS) : match.start()])
    ]


def _is_national(number: str, before: str) -> bool:
    return any(
        layout.fullmatch(number) and (name is None or name.search(before)) and _validator(module)(number)
        for module, layout, name in _KINDS
    )


@functools.cache
def _validator(module: str) -> Callable[[str], bool]:
    """Imported when the first number of its layout comes: stdnum has some two hundred modules."""
    is_valid: Callable[[str], bool] = importlib.import_module(f"stdnum.{module}").is_valid
    return is_valid
