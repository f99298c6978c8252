"""What was compiled is used when it is this source, and only then."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.compiled import FOLDER, PACKAGE, SOURCES, SUFFIX, digest_of, in_use
from tools.compile import hot_modules

PRINT = "import gateway.edge.head as head; print(head.__file__)"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """gateway/ as it is, with what was compiled; where it may be changed."""
    return shutil.copytree(PACKAGE, tmp_path / "gateway")


def run(copy: Path, wanted: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "SONAR_GATEWAY_CODE": wanted, "PYTHONPATH": str(copy.parent)}
    return subprocess.run(
        [sys.executable, "-c", PRINT],
        env=environment,
        cwd=copy.parent,
        text=True,
        capture_output=True,
        check=False,
    )


def pretend(copy: Path) -> None:
    """As if something had been compiled from what is there now."""
    folder = copy / FOLDER.relative_to(PACKAGE)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SOURCES).write_text(digest_of(copy))


def test_hot_modules_are_imported_as_what_is_wanted() -> None:
    wanted = os.environ.get("SONAR_GATEWAY_CODE")
    if wanted == "compiled":
        assert in_use()
    if wanted == "pure":
        assert not in_use()
    for path in hot_modules():
        name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        __import__(name)
        file = Path(str(sys.modules[name].__file__))
        assert (file.name.endswith(SUFFIX)) if in_use() else (file == path)


def test_each_hot_module_is_tested_as_plain_python_too() -> None:
    """`make test` runs what TWICE names once more so."""
    twice = re.search(r"TWICE := ((?:.*\\\n)*.*)", (PACKAGE.parent / "Makefile").read_text())
    assert twice is not None
    named = twice[1].replace("\\\n", " ").split()
    assert [each for each in named if not (PACKAGE.parent / each).exists()] == []
    for path in hot_modules():
        folder = Path("tests") / path.parent.relative_to(PACKAGE)
        assert {str(folder), f"{folder}/test_{path.name}"} & set(named), path


def test_no_class_declares_an_attribute_of_its_base_again() -> None:
    """mypyc makes room for it once and shows it to the collector twice, which then takes whatever
    is in a cycle with it for something in use, for ever."""
    modules = [ast.parse(path.read_text()) for path in hot_modules()]
    classes = {
        node.name: node
        for module in modules
        for node in ast.walk(module)
        if isinstance(node, ast.ClassDef)
    }
    again = [
        f"{name}.{attribute}"
        for name, node in classes.items()
        for base in _bases(node, classes)
        for attribute in _declared(node) & _declared(base)
    ]
    assert again == []
    assert any(_bases(node, classes) and _declared(node) for node in classes.values())


def _bases(node: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> list[ast.ClassDef]:
    """All of them that are compiled, too."""
    named = (base.id for base in node.bases if isinstance(base, ast.Name))
    direct = [classes[name] for name in named if name in classes]
    return direct + [further for base in direct for further in _bases(base, classes)]


def _declared(node: ast.ClassDef) -> set[str]:
    """The attributes to which it gives a type, in its body or by `self.name: …`."""
    found = set()
    for each in ast.walk(node):
        if isinstance(each, ast.AnnAssign):
            if isinstance(each.target, ast.Attribute):
                found.add(each.target.attr)
            elif isinstance(each.target, ast.Name) and each in node.body:
                found.add(each.target.id)
    return found


def test_every_source_file_counts(copy: Path) -> None:
    seen = {digest_of(copy)}
    for change in ("edge/head.py", "portal/app.py", "__init__.py"):
        path = copy / change
        path.write_text(path.read_text() + "\n")
        seen.add(digest_of(copy))
    (copy / "edge" / "new.py").write_text("")
    seen.add(digest_of(copy))
    (copy / "edge" / "new.py").rename(copy / "edge" / "other.py")
    seen.add(digest_of(copy))
    assert len(seen) == 6


def test_one_changed_line_and_the_source_is_used(copy: Path) -> None:
    pretend(copy)
    path = copy / "portal" / "app.py"
    path.write_text(path.read_text() + "\n")
    done = run(copy, "")
    assert done.stdout.strip() == str(copy / "edge" / "head.py"), done.stderr


def test_what_must_be_compiled_and_is_not_is_an_error_that_says_what_to_do(copy: Path) -> None:
    pretend(copy)
    path = copy / "portal" / "app.py"
    path.write_text(path.read_text() + "\n")
    done = run(copy, "compiled")
    assert done.returncode == 1
    assert "SONAR_GATEWAY_CODE=compiled" in done.stderr
    assert "run `make compile`" in done.stderr


def test_pure_uses_none(copy: Path) -> None:
    pretend(copy)
    done = run(copy, "pure")
    assert done.stdout.strip() == str(copy / "edge" / "head.py"), done.stderr
