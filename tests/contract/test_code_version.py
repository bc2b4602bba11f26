import pytest

from contract.code_version import code_version


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "models" / "inner").mkdir(parents=True)
    (tmp_path / "models" / "a.py").write_text("one = 1\n")
    (tmp_path / "models" / "inner" / "schema.pbtxt").write_text("feature {}\n")
    (tmp_path / "models" / "inner" / "page.html.jinja").write_text("<p>\n")
    (tmp_path / "config.py").write_text("two = 2\n")
    return tmp_path


def test_it_is_the_same_for_the_same_code(tree):
    assert code_version("models", "config.py", root=tree) == code_version(
        "config.py", "models", root=tree
    )


@pytest.mark.parametrize(
    "edited",
    ["models/a.py", "models/inner/schema.pbtxt", "models/inner/page.html.jinja", "config.py"],
)
def test_every_edit_changes_it(tree, edited):
    before = code_version("models", "config.py", root=tree)
    path = tree / edited
    path.write_text(path.read_text() + "\n")
    assert code_version("models", "config.py", root=tree) != before


def test_a_new_and_a_renamed_file_change_it(tree):
    before = code_version("models", root=tree)
    (tree / "models" / "b.py").write_text("")
    added = code_version("models", root=tree)
    assert added != before
    (tree / "models" / "b.py").rename(tree / "models" / "c.py")
    assert code_version("models", root=tree) not in (before, added)


def test_what_is_no_code_does_not_change_it(tree):
    before = code_version("models", root=tree)
    (tree / "models" / "a.pyc").write_bytes(b"cache")
    assert code_version("models", root=tree) == before


def test_code_elsewhere_does_not_count(tree):
    before = code_version("models", root=tree)
    (tree / "config.py").write_text("two = 3\n")
    assert code_version("models", root=tree) == before


def test_a_missing_place_is_an_error(tree):
    with pytest.raises(FileNotFoundError, match="modles"):
        code_version("modles", root=tree)
