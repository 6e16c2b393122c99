"""Duplicates: hand-made groups, known copies, and the inputs that make such a search slow, wrong or unrepeatable."""

import random
import time
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from tests.bench.corpus import corpus
from workbench.core.tasks import Task
from workbench.data.text.duplicates import exact_groups, near_groups, similarity
from workbench.data.text.minhash import band_pairs, unpacked
from workbench.data.text.shingles import shingled

FOX = "the quick brown fox jumps over the lazy dog while seven small wrens watch from the old oak near the quiet lake"
TEXTS, COPIES = corpus(3000, seed=7)


def groups(texts: list[str | None], **settings: object) -> list[int]:
    return near_groups(pa.array(texts, pa.string()), **settings).tolist()  # type: ignore[arg-type]


def exact(texts: list[str | None], normalise: bool = True) -> list[int]:
    return exact_groups(pa.array(texts, pa.string()), normalise).tolist()


def edited(text: str, places: tuple[int, ...]) -> str:
    return " ".join("zzz" if place in places else word for place, word in enumerate(text.split()))


def sets(texts: pa.Array, labels: np.ndarray) -> set[frozenset[str]]:
    """The groups as sets of texts."""
    found: dict[int, set[str]] = {}
    for text, label in zip(texts.to_pylist(), labels.tolist(), strict=True):
        found.setdefault(label, set()).add(text)
    return {frozenset(group) for group in found.values()}


def test_exact_groups_are_labelled_by_their_first_text() -> None:
    assert exact(["b", "a", "b", "c", "a", "a"]) == [0, 1, 0, 3, 1, 1]
    assert exact([]) == []


def test_normalising_looks_past_case_space_and_punctuation_only() -> None:
    assert exact(["Hello, World!", "hello   world", "HELLO\nWORLD", "“Hello” — world…", "hello worlds"]) == [
        0,
        0,
        0,
        0,
        4,
    ]
    assert exact(["Hello, World!", "hello world", "Hello, World!"], normalise=False) == [0, 1, 0]
    assert exact(["3 + 4", "3 - 4", "x < y", "x > y", "ab c", "a bc"]) == [0, 1, 2, 3, 4, 5]
    assert exact(["Ａｂｃ", "abc", "ÉTÉ", "été"]) == [0, 0, 2, 2]


def test_texts_without_words_are_equal_only_when_their_signs_are() -> None:
    assert exact(["", None, "  ", "?", "!", "?"]) == [0, 0, 0, 3, 4, 3]
    assert groups(["", None, "?", "!"]) == [0, 0, 2, 3]


def test_a_few_other_words_make_a_near_copy_and_many_do_not() -> None:
    texts = ["something else entirely", FOX, edited(FOX, (4, 15)), edited(FOX, (1, 4, 7, 10, 13, 16, 19))]
    assert groups(texts) == [0, 1, 1, 3]
    assert groups(texts, threshold=0.9) == [0, 1, 2, 3]


def test_short_texts_match_by_all_their_words_only() -> None:
    question = "what is the capital of the old kingdom by the sea it is called"
    texts = [f"{question} Arden", f"{question} Belmont", f"{question}: arden."]
    assert groups(texts) == [0, 1, 0]
    assert groups(texts, short=5) == [0, 0, 0]


def test_the_jaccard_similarity_is_exact() -> None:
    texts = pa.array(["a b c d", "b c d e", "a b a b", "x y", "x", "", "A, b c d!"])
    left, right = np.array([0, 0, 0, 0, 0, 5, 4]), np.array([1, 2, 3, 4, 6, 5, 5])
    assert similarity(texts, left, right).tolist() == [0.5, 0.25, 0, 0, 1, 1, 0]
    for _ in range(20):
        one, two = random.choices(range(len(TEXTS)), k=2)
        words = [TEXTS[n].lower().translate(str.maketrans("!\"'(),.:;?[]{}", " " * 14)).split() for n in (one, two)]
        a, b = (set(pairwise(side)) for side in words)
        found = similarity(pa.array(TEXTS), np.array([one]), np.array([two]))
        assert found == pytest.approx(len(a & b) / len(a | b))


def test_known_copies_are_found_and_nothing_else() -> None:
    removed = near_groups(pa.array(TEXTS)) != np.arange(len(TEXTS))
    copies = np.array(COPIES)
    assert (removed & copies).sum() >= 0.98 * copies.sum()
    assert (removed & ~copies).sum() <= 0.01 * removed.sum()


def test_what_is_exactly_equal_is_nearly_equal_too() -> None:
    texts = pa.array(TEXTS)
    same, near = exact_groups(texts), near_groups(texts)
    assert (near[same] == near).all()
    assert (near <= same).all() and (near[near] == near).all()


def test_groups_depend_neither_on_order_nor_threads_nor_chunks() -> None:
    texts = pa.array(TEXTS)
    labels = near_groups(texts, threads=1)
    assert (near_groups(texts, threads=4) == labels).all()
    cut = pa.chunked_array([texts[:1], texts[1:1], texts[1:1700], texts[1700:]])
    assert (near_groups(cut, threads=3) == labels).all()
    assert (near_groups(texts.cast(pa.large_string())) == labels).all()
    shuffled = texts.take(pa.array(np.random.default_rng(5).permutation(len(texts))))
    assert sets(shuffled, near_groups(shuffled)) == sets(texts, labels)


def test_chinese_japanese_and_thai_need_no_spaces() -> None:
    chinese = (
        "今天早上我在公园里看见一只小鸟站在老橡树上唱歌，湖面非常安静，"
        "远处的山被薄雾轻轻地盖住了，几个孩子在草地上放风筝。"
    )
    japanese = (
        "今朝わたしは公園で小さな鳥が古い樫の木の上で歌っているのを見ました。"
        "湖はとても静かで、遠くの山は薄い霧に包まれていました。"
    )
    thai = "เช้านี้ฉันเห็นนกตัวเล็กร้องเพลงอยู่บนต้นโอ๊กเก่าในสวนสาธารณะ ทะเลสาบเงียบสงบมาก และภูเขาไกลออกไปมีหมอกบาง"
    other = (
        "量子计算机使用量子比特进行运算，它和传统计算机的工作原理完全不同，"
        "目前仍然处于研究阶段，需要极低的温度才能够稳定地运行。"
    )
    near = [chinese.replace("小鸟", "麻雀"), japanese.replace("静か", "穏やか"), thai.replace("เก่า", "ใหญ่")]
    assert groups([chinese, japanese, thai, other, *near]) == [0, 1, 2, 3, 0, 1, 2]
    assert exact([chinese, chinese.replace("，", " ").replace("。", "")]) == [0, 0]


def test_short_chinese_answers_to_one_question_stay_apart() -> None:
    question = "请问中国历史上面积最大的湖泊叫什么名字？答案："
    assert groups([f"{question}青海湖", f"{question}鄱阳湖"]) == [0, 1]


def test_a_huge_text_among_small_ones() -> None:
    huge = " ".join(str(number) for number in range(700_000))
    texts = [FOX, huge, edited(FOX, (4,)), f"{huge} and a little more", "x" * 3_000_000, "x" * 3_000_001]
    assert groups(texts) == [0, 1, 0, 1, 4, 4]


def test_many_identical_and_many_like_texts_take_no_quadratic_time() -> None:
    began = time.process_time()
    assert set(groups([FOX] * 100_000)) == {0}
    assert set(groups([f"{FOX} {number}" for number in range(20_000)])) == {0}
    assert time.process_time() - began < 20


def test_copies_are_found_behind_the_same_long_opening() -> None:
    opening = " ".join(f"opening{number}" for number in range(60))
    texts = [f"{opening} {text}" for text in corpus(400, seed=3)[0] if 80 < text.count(" ") < 100]
    places = [n for n, text in enumerate(texts)]
    copies = [text.replace(" ", " zzz ", 1) for text in texts]
    labels = groups([*texts, *copies])
    assert [labels[len(texts) + n] == labels[n] for n in places].count(False) == 0
    assert len(set(labels)) > 0.7 * len(texts)


def test_a_crowded_band_pairs_linearly_and_keeps_everyone() -> None:
    left, right = unpacked(band_pairs(np.full(10_000, 7 << 40, np.uint64), 10_000), 10_000)
    assert len(left) < 5 * 10_000
    assert set(right.tolist()) == set(range(1, 10_000)) and (left < right).all()


def test_words_have_different_hashes() -> None:
    words = sorted({f"{'w' * (n % 70)}{n}" for n in range(200_000)} | {"ab", "ba", "abab", "baba"})
    one = shingled(pa.array([" ".join(words)]), 1)
    assert one.words[0] >= len(words)
    short = [word for word in words if len(word) <= 64]
    assert len(set(shingled(pa.array([" ".join(short)]), 1).hashes.tolist())) == len(short)


def test_it_tells_how_far_it_is_and_can_be_stopped() -> None:
    told: list[float] = []
    groups(TEXTS, task=Task(lambda done, total, text: told.append(done / total)))
    assert told == sorted(told) and told[-1] == 1

    def stop() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        groups(TEXTS, task=Task(check_stop=stop))
