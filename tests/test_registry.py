"""Registries know their entries without importing them."""

import sys

import pytest

from napari_qpm.errors import UnknownNameError
from napari_qpm.registry import Entry, Registry

ENTRIES = (
    Entry("a", "A", "json:JSONDecoder", modality="phase"),
    Entry("b", "B", "not_there.at_all:Thing", modality="off-axis"),
    Entry("c", "C", "json:JSONEncoder"),
)


@pytest.fixture
def registry() -> Registry:
    return Registry("phase engine", *ENTRIES)


def test_entries_keep_their_order(registry):
    assert [entry.name for entry in registry] == ["a", "b", "c"]


def test_an_entry_loads_its_class_on_request(registry):
    import json

    assert registry["a"].load() is json.JSONDecoder
    assert "not_there" not in sys.modules


def test_broken_target_fails_only_when_loaded(registry):
    entry = registry["b"]
    with pytest.raises(ModuleNotFoundError):
        entry.load()


def test_first_entry_of_a_modality_is_its_default(registry):
    assert [e.name for e in registry.for_modality("phase")] == ["a", "c"]
    assert [e.name for e in registry.for_modality("chromatic")] == ["c"]


def test_unknown_name_lists_the_known_ones(registry):
    with pytest.raises(UnknownNameError, match=r"engine named 'd'.*a, b, c"):
        registry["d"]
