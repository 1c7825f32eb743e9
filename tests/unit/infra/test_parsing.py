"""Every template is Bicep: for our own strict reader, and for a grammar that other people wrote."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import tree_sitter
import tree_sitter_bicep

from tests.unit.infra import bicep
from tests.unit.infra.tree import BicepError

INFRA = Path(__file__).resolve().parents[3] / "infra"
TEMPLATES = sorted(INFRA.rglob("*.bicep"))
PARAMETERS = sorted(INFRA.rglob("*.bicepparam"))


def _faults(node: tree_sitter.Node) -> Iterator[tree_sitter.Node]:
    if node.type == "ERROR" or node.is_missing:
        yield node
    for child in node.children:
        yield from _faults(child)


def test_there_are_templates() -> None:
    assert INFRA / "main.bicep" in TEMPLATES
    assert len(TEMPLATES) > 10
    assert {path.name for path in PARAMETERS} >= {"main.bicepparam", "dev.bicepparam", "test.bicepparam"}


@pytest.mark.parametrize("path", [*TEMPLATES, *PARAMETERS], ids=lambda path: path.name)
def test_our_reader_takes_it(path: Path) -> None:
    assert bicep.parse(path.read_text(), path).declarations


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_the_public_grammar_takes_it(path: Path) -> None:
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_bicep.language()))
    faults = [f"line {node.start_point[0] + 1}" for node in _faults(parser.parse(path.read_bytes()).root_node)]
    assert faults == []


def test_the_public_grammar_refuses_what_is_broken() -> None:
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_bicep.language()))
    text = (INFRA / "main.bicep").read_text().replace("module app 'modules/app.bicep' = {", "module app = {", 1)
    assert list(_faults(parser.parse(text.encode()).root_node))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "param a strin\n",
            "x.bicep:1: one of the types array, bool, int, object, string is expected, 'strin' was found",
        ),
        ("param a string = 'b\n", "x.bicep:1: a text does not end on its line"),
        ("param a string = 'b${c'\n", "x.bicep:1: "),
        ("var a = [\n  1\n  2\n", "x.bicep:4: a value is expected, the end of the file was found"),
        ("var a = { b: 1 c: 2 }\n", "x.bicep:1: the end of the line, ',' or '}' is expected, 'c' was found"),
        ("var a = { b: 1, b: 2 }\n", "x.bicep:1: property 'b' is given twice"),
        ("var a = 1\nvar a = 2\n", "x.bicep:2: 'a' is declared on line 1 already"),
        ("resource a 'Microsoft.X/y@2024' = {}\n", "x.bicep:1: 'Microsoft.X/y@2024' is not of the form"),
        ("resource a 'Microsoft.X/y@2024-01-01' {}\n", "x.bicep:1: '=' is expected, '{' was found"),
        ("var a = b(1\n", "x.bicep:2: ',' or ')' is expected"),
        ("var a = 'b' 'c'\n", "x.bicep:1: the end of the line is expected"),
        ("varr a = 1\n", "x.bicep:1: param, var, resource, module, output or targetScope is expected"),
        ("targetScope = 'galaxy'\n", "x.bicep:1: no such target scope: 'galaxy'"),
        ("var a = 'b\\q'\n", "x.bicep:1: unknown escape '\\\\q' in a text"),
        ("var a = #\n", "x.bicep:1: '#\\n' is no Bicep"),
    ],
)
def test_what_is_no_bicep_is_refused_with_its_line(text: str, says: str) -> None:
    with pytest.raises(BicepError) as caught:
        bicep.parse(text, Path("x.bicep"))
    assert str(caught.value).startswith(says)
