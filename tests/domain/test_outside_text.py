"""Text from outside: no more than thirty marks stand on one letter, wherever they are (I-13)."""

import unicodedata

import pytest

from socialanalyzer_dagster.domain.outside_text import nfkc, stream_safe

MOST_MARKS = 30
ACCENT = "\u0301"


@pytest.mark.parametrize("number", [1, MOST_MARKS, MOST_MARKS + 1, MOST_MARKS + 2, 3 * MOST_MARKS])
def test_marks_are_cut_to_thirty_wherever_in_a_text_they_stand(number):
    for place in range(2 * MOST_MARKS + 5):
        before, after = "x" * place, "y" * (place % 40)
        safe = stream_safe(before + ACCENT * number + after)
        assert safe == before + ACCENT * min(number, MOST_MARKS) + after


def test_many_letters_and_signs_beyond_latin_are_no_marks():
    for text in ("漢" * 100, "🌴" * 100, "é" * 100, "\u0416" * 100):
        assert stream_safe(text) == text
        assert nfkc(text) == unicodedata.normalize("NFKC", text)
