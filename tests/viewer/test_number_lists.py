"""Lists of numbers are read as typed, and shown so that they can be typed again."""

import pytest

from napari_qpm.errors import ParameterError
from napari_qpm.viewer.number_lists import numbers_in_words, parse_numbers


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("-20, 0, 20", (-20, 0, 20)),
        ("−20; 0 20", (-20, 0, 20)),
        ("-1 to 1", (-1, 0, 1)),
        ("4 to -4", (4, 0, -4)),
        (" ", None),
    ],
)
def test_numbers_are_listed_or_evenly_spaced(text, values):
    assert parse_numbers(text, 3) == values


@pytest.mark.parametrize(
    ("text", "said"),
    [("1, 2", "2 numbers for 3 images"), ("a, b, c", "'a, b, c' is no list")],
)
def test_other_texts_are_refused_with_an_example(text, said):
    with pytest.raises(ParameterError, match=said):
        parse_numbers(text, 3)


@pytest.mark.parametrize("values", [(-20, 20), (0, 49, 107, 173), (-4, -2, 0, 2, 4)])
def test_shown_numbers_are_read_again(values):
    assert parse_numbers(numbers_in_words(values), len(values)) == values


def test_even_numbers_are_shown_in_short():
    assert numbers_in_words([k / 10 for k in range(-4, 5)]) == "-0.4 to 0.4"
    assert numbers_in_words(None) == ""
