"""Numbers of persons: each kind with a right and a wrong number, and what has their layout without being one."""

import re
import time

import pytest

from workbench.data.recipes.steps.pii import Pii
from workbench.data.text.expressions import matches
from workbench.data.text.national_numbers import LAYOUTS, NAMED, national_number_spans
from workbench.data.text.personal_data import FINDERS, PII_CANDIDATE, masked, spans

RIGHT_AND_WRONG = {
    "us.ssn": ("536-90-4399", "666-90-4399"),
    "us.itin": ("912-90-3456", "912-93-3456"),
    "fr.nir": ("2 95 10 99 126 111 93", "2 95 10 99 126 111 94"),
    "es.dni": ("54362315-K", "54362315-Z"),
    "es.nie": ("X-2482300-W", "X-2482300-A"),
    "it.codicefiscale": ("RCCMNL83S18D969H", "RCCMNL83S18D969G"),
    "br.cpf": ("390.533.447-05", "390.533.447-06"),
    "be.nn": ("85.07.30-033.28", "85.07.30-033.29"),
    "ch.ssn": ("756.9217.0769.85", "756.9217.0769.84"),
    "cz.rc": ("710319/2745", "710319/2746"),
    "fi.hetu": ("131052A308T", "131052A308U"),
    "se.personnummer": ("880320-0016", "880320-0018"),
    "is_.kennitala": ("120174-3399", "120174-3398"),
    "no.fodselsnummer": ("151086 95088", "151086 95077"),
    "cn.ric": ("360426199101010071", "360426199101010072"),
    "kr.rrn": ("971013-9019902", "971013-9019903"),
    "mx.curp": ("BOXW310820HNERXN09", "BOXW310820HNERXN08"),
    "cl.rut": ("12.531.909-2", "12.531.909-3"),
    "th.pin": ("1-2345-45678-78-1", "1-2345-45678-78-9"),
    "de.idnr": ("Steuer-ID: 36 574 261 809", "Steuer-ID: 36 574 261 890"),
    "nl.bsn": ("BSN 1112.22.333", "BSN 1112.52.333"),
    "gb.nhs": ("NHS number 943 476 5870", "NHS number 943 476 5871"),
    "pl.pesel": ("PESEL: 44051401359", "PESEL: 44051401358"),
    "dk.cpr": ("CPR 211062-5629", "CPR 511062-5629"),
    "pt.nif": ("NIF 501 964 843", "NIF 501 964 842"),
    "ro.cnp": ("CNP 1630615123457", "CNP 1630615123458"),
    "bg.egn": ("EGN 8032056031", "EGN 8019010008"),
    "hr.oib": ("OIB 33392005961", "OIB 33392005962"),
    "ee.ik": ("Isikukood 36805280109", "Isikukood 36805280108"),
    "lt.asmens": ("asmens kodas 33309240064", "asmens kodas 33309240164"),
    "gr.amka": ("AMKA 01013099997", "AMKA 01013099999"),
    "tr.tckimlik": ("TC Kimlik No: 17291716060", "TC Kimlik No: 17291716050"),
    "il.idnr": ("teudat zehut 3933742-3", "teudat zehut 3933742-2"),
    "in_.aadhaar": ("Aadhaar: 2341 2341 2346", "Aadhaar: 2341 2341 2347"),
    "in_.pan": ("PAN ACUPA7085R", "PAN ABMXA3211G"),
    "jp.in_": ("マイナンバー 6214 9832 0257", "マイナンバー 6214 9832 0258"),
    "ca.sin": ("my SIN is 123-456-782", "my SIN is 999-999-999"),
    "au.tfn": ("Tax file number 123 456 782", "Tax file number 999 999 999"),
    "ie.pps": ("PPSN 6433435OA", "PPSN 6433435VH"),
    "za.idnr": ("ID number 750330 5044 089", "ID number 850330 5044 089"),
    "nz.ird": ("IRD 49-098-576", "IRD 49-098-577"),
}


def test_every_kind_has_a_right_and_a_wrong_number() -> None:
    assert set(RIGHT_AND_WRONG) == set(LAYOUTS) | set(NAMED)


@pytest.mark.parametrize("kind", RIGHT_AND_WRONG)
def test_a_right_number_is_masked_and_a_wrong_one_stays(kind: str) -> None:
    right, wrong = (f"Here: {text}, thanks." for text in RIGHT_AND_WRONG[kind])
    (span,) = national_number_spans(right)
    number = right[slice(*span)]
    assert re.fullmatch(LAYOUTS.get(kind) or NAMED[kind][0], number)
    assert masked(right, spans(right, FINDERS)) == right.replace(number, "[NATIONAL_ID]")
    assert matches([right], PII_CANDIDATE) == [0]
    assert national_number_spans(wrong) == []


@pytest.mark.parametrize("kind", [kind for kind in NAMED if kind not in LAYOUTS])
def test_a_number_that_others_look_like_counts_only_behind_its_name(kind: str) -> None:
    right = RIGHT_AND_WRONG[kind][0]
    number = right[slice(*national_number_spans(right)[0])]
    bare = {kind for kind, layout in LAYOUTS.items() if re.fullmatch(layout, number)}
    assert bare or national_number_spans(f"Order {number}.") == []
    assert (
        national_number_spans(f"{right.removesuffix(number)}{'is not known here, but the order is ' * 2}{number}") == []
    )


def test_one_layout_may_stand_alone_and_another_of_its_kind_not() -> None:
    assert masked("CPF 39053344705", spans("CPF 39053344705", FINDERS)) == "CPF [NATIONAL_ID]"


@pytest.mark.parametrize(
    "text",
    [
        "The order 39053344705 is no CPF.",
        "1700000000000 and 1712345678901 are times, 20240131T120000Z too, 4006381333931 is a barcode.",
        "ISBN 978-3-16-148410-0, order 2024-123456-0001, part 1234567A, 12 345 678 901 people.",
        "Between 120101-1235 and 990101-9999; uuid 123e4567-e89b-12d3-a456-426614174000.",
        "The pan is hot, sin is a function, NAS 1234 and bsn 12.",
    ],
)
def test_other_numbers_stay(text: str) -> None:
    assert national_number_spans(text) == []


@pytest.mark.parametrize("text", ["12345678901 " * 30_000, "NHS 943 " * 40_000, "756.9217." * 40_000, "A1" * 200_000])
def test_long_texts_take_linear_time(text: str) -> None:
    begun = time.process_time()
    national_number_spans(text)
    assert time.process_time() - begun < 5


def test_the_step_looks_for_them_unless_told_otherwise() -> None:
    assert Pii().national_id and set(FINDERS) <= set(Pii.model_fields)
