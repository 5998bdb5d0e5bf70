"""What the README shows exists and runs."""

import re

import pytest


@pytest.fixture(scope="module")
def readme(project_root):
    return (project_root / "README.md").read_text(encoding="utf-8")


def test_ten_lines_are_those_of_the_tested_example(readme, project_root):
    shown = re.search(r"```python\n(.*?)```", readme, re.DOTALL).group(1)
    example = (project_root / "examples" / "ten_lines.py").read_text(encoding="utf-8")
    assert shown.strip() == example.split('"""', 2)[2].strip()


PAGES = ("README.md", "docs/recordings.md", "docs/simulation.md")


@pytest.mark.parametrize("page", PAGES)
def test_pictures_and_links_exist(page, project_root):
    path = project_root / page
    text = path.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#]+)\)", text)
    local = [target for target in targets if "://" not in target]
    assert local
    missing = [target for target in local if not (path.parent / target).exists()]
    assert not missing


def test_first_screen_has_picture_purpose_and_both_commands(readme):
    head = "\n".join(readme.splitlines()[:22])
    assert "![" in head
    assert "nox -s demo" in head
    assert "nox -s tests" in head


def test_tests_named_as_evidence_exist(readme, project_root):
    named = re.findall(r"pytest (tests/\S+?\.py)", readme)
    assert len(named) >= 4
    assert all((project_root / name).exists() for name in named)
