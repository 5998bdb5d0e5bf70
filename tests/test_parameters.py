"""Parameters are frozen, bounded, and explain what they refuse."""

import pytest
from pydantic import Field, ValidationError

from napari_qpm.errors import ParameterError, UnknownNameError
from napari_qpm.parameters import Parameters


class Blur(Parameters):
    sigma: float = Field(2.0, gt=0, le=50)
    mode: str = "wrap"


def test_defaults_are_used():
    assert Blur.parse({}).model_dump() == {"sigma": 2.0, "mode": "wrap"}


def test_strings_of_a_command_line_are_converted():
    assert Blur.parse({"sigma": "3.5"}).sigma == 3.5


def test_unknown_parameter_suggests_the_known_one():
    with pytest.raises(UnknownNameError, match="Did you mean 'sigma'"):
        Blur.parse({"sigm": 1})


@pytest.mark.parametrize("value", [0, 51, "wide", None])
def test_refused_value_is_named_with_its_parameter(value):
    with pytest.raises(ParameterError, match=rf"sigma = {value!r}"):
        Blur.parse({"sigma": value})


def test_parameters_cannot_be_changed():
    with pytest.raises(ValidationError):
        Blur().sigma = 3


def test_unknown_keyword_is_refused():
    with pytest.raises(ValidationError):
        Blur(radius=3)
