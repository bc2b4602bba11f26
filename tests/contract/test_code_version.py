import pytest

from contract.code_version import code_version, imported_modules


@pytest.fixture
def tree(tmp_path):
    files = {
        "rooms/__init__.py": "",
        "rooms/entry.py": "import rooms.direct\n\n\ndef run():\n    from rooms import late\n",
        "rooms/direct.py": "from rooms.inner.deep import value\n",
        "rooms/late.py": "import numpy\n",
        "rooms/other.py": "x = 1\n",
        "rooms/inner/__init__.py": "",
        "rooms/inner/deep.py": "value = 1\n",
        "rooms/inner/page.html.jinja": "<p>\n",
        "contract/__init__.py": "",
        "contract/settings.py": "default = 1\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_what_is_imported_counts_wherever_it_is_imported(tree):
    assert imported_modules("rooms.entry", root=tree) == {
        *("rooms", "rooms.entry", "rooms.direct", "rooms.late"),
        *("rooms.inner", "rooms.inner.deep"),
    }


def test_it_is_the_same_for_the_same_code(tree):
    assert code_version("rooms.entry", "rooms.other", root=tree) == code_version(
        "rooms.other", "rooms.entry", root=tree
    )


@pytest.mark.parametrize(
    "edited",
    [
        *("rooms/entry.py", "rooms/direct.py", "rooms/late.py"),
        *("rooms/inner/deep.py", "rooms/inner/page.html.jinja"),
    ],
)
def test_an_edit_of_what_is_used_changes_it(tree, edited):
    before = code_version("rooms.entry", root=tree)
    path = tree / edited
    path.write_text(path.read_text() + "\n")
    assert code_version("rooms.entry", root=tree) != before


def test_an_edit_elsewhere_does_not(tree):
    before = code_version("rooms.entry", root=tree)
    (tree / "rooms" / "other.py").write_text("x = 2\n")
    (tree / "rooms" / "new.py").write_text("")
    (tree / "rooms" / "entry.pyc").write_bytes(b"cache")
    assert code_version("rooms.entry", root=tree) == before


def test_settings_count_by_value_and_not_by_their_code(tree):
    entry = tree / "rooms" / "entry.py"
    entry.write_text("from contract.settings import default\n")
    before = code_version("rooms.entry", root=tree)
    (tree / "contract" / "settings.py").write_text("default = 2\n")
    assert code_version("rooms.entry", root=tree) == before


def test_a_renamed_module_changes_it(tree):
    before = code_version("rooms.entry", root=tree)
    (tree / "rooms" / "late.py").rename(tree / "rooms" / "later.py")
    entry = tree / "rooms" / "entry.py"
    entry.write_text(entry.read_text().replace("import late", "import later"))
    assert code_version("rooms.entry", root=tree) != before


def test_versions_of_the_named_libraries_count(tree):
    assert code_version("rooms.entry", libraries=("numpy",), root=tree) != code_version(
        "rooms.entry", libraries=("numpy", "pydantic"), root=tree
    )


def test_a_missing_module_is_an_error(tree):
    with pytest.raises(ModuleNotFoundError, match=r"rooms\.etnry"):
        code_version("rooms.etnry", root=tree)
