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


def test_first_screen_has_picture_purpose_and_both_commands(readme):
    head = "\n".join(readme.splitlines()[:22])
    assert "![" in head
    assert "nox -s demo" in head
    assert "nox -s tests" in head
