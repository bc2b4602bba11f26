"""Which files a build may copy."""

from __future__ import annotations

import pytest

from tools.image_check.build_context import context_files

FILES = ("a.txt", "code/main.py", "code/__pycache__/main.pyc", "code/deep/notes.md", "other/b.txt")


@pytest.fixture
def checkout(tmp_path):
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("rules", "left"),
    [
        ([], FILES),
        (["# a comment", "", "*.txt"], set(FILES) - {"a.txt"}),
        (["**/*.txt"], set(FILES) - {"a.txt", "other/b.txt"}),
        (["code"], {"a.txt", "other/b.txt"}),
        (["*", "!code", "**/__pycache__"], {"code/main.py", "code/deep/notes.md"}),
        (["*", "!/code/deep/"], {"code/deep/notes.md"}),
        (["code/ma?n.py"], set(FILES) - {"code/main.py"}),
        # The last rule that names a file decides, as Docker has it.
        (["!code", "code/*"], {"a.txt", "other/b.txt"}),
    ],
)
def test_ignored_files_are_left_out(checkout, rules, left):
    (checkout / ".dockerignore").write_text("\n".join(rules), encoding="utf-8")
    found = {path.as_posix() for path in context_files(checkout)} - {".dockerignore"}
    assert found == set(left)


def test_only_what_lies_at_the_place_is_given(checkout):
    assert [path.as_posix() for path in context_files(checkout, "a.txt")] == ["a.txt"]
    inside = [path.as_posix() for path in context_files(checkout, "code")]
    assert inside == sorted(name for name in FILES if name.startswith("code/"))
    assert list(context_files(checkout, "no_such")) == []
