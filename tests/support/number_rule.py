"""The rule that numbers in an address are read in one place, read off the code of the pages.

`int` of a text fails for 4,301 digits, for none, and for what only looks like a digit; `float`
fails, too. So what a `QueryValue` holds goes through `session.number_in`, or is tried.
"""

import ast
from pathlib import Path

CONVERTING, ASKING = ("int", "float"), ("isdecimal", "isdigit", "isnumeric")
ALLOWED = "number_in"  # the function that may do both


def parameters(tree: ast.Module) -> set[str]:
    """Names of the parameters of the address that a file declares."""
    return {
        name.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        for name, value in _pairs(target, node.value)
        if isinstance(name, ast.Name) and _is_called(value, "QueryValue")
    }


def _pairs(target: ast.expr, value: ast.expr) -> list[tuple[ast.expr, ast.expr]]:
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        return list(zip(target.elts, value.elts, strict=True))
    return [(target, value)]


def problems(file: Path, known: set[str]) -> list[str]:
    """Places of a file that read a number from an address themselves."""
    return [f"{file.name}:{line}" for line in problems_in(ast.parse(file.read_text()), known)]


def problems_in(tree: ast.AST, known: set[str]) -> list[int]:
    """Lines of such places in a tree."""
    lines = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name != ALLOWED:
            texts = {
                target.id
                for each in ast.walk(node)
                if isinstance(each, ast.Assign) and _reads_address(each.value, known)
                for target in each.targets
                if isinstance(target, ast.Name)
            }
            tried = {
                id(inner)
                for each in ast.walk(node)
                if isinstance(each, ast.Try)
                for statement in each.body
                for inner in ast.walk(statement)
            }
            lines += [
                call.lineno
                for call in ast.walk(node)
                if isinstance(call, ast.Call)
                and id(call) not in tried
                and (_converts(call, texts, known) or _asks(call, texts, known))
            ]
    return lines


def _converts(call: ast.Call, texts: set[str], known: set[str]) -> bool:
    """Whether a call makes a number of what an address says."""
    return any(_is_called(call, name) for name in CONVERTING) and any(
        _is_text(argument, texts, known) for argument in call.args
    )


def _asks(call: ast.Call, texts: set[str], known: set[str]) -> bool:
    """Whether a call looks for digits in what an address says, as only `number_in` should."""
    function = call.func
    return (
        isinstance(function, ast.Attribute)
        and function.attr in ASKING
        and _is_text(function.value, texts, known)
    )


def _is_text(node: ast.expr, texts: set[str], known: set[str]) -> bool:
    return _reads_address(node, known) or (isinstance(node, ast.Name) and node.id in texts)


def _reads_address(node: ast.expr, known: set[str]) -> bool:
    """Whether an expression is `NAME.get()` of a parameter, be it with `or` and a default."""
    if isinstance(node, ast.BoolOp):
        return any(_reads_address(value, known) for value in node.values)
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return False
    if node.func.attr != "get":
        return False
    read = node.func.value
    name = getattr(read, "attr", getattr(read, "id", ""))
    return name in known or _is_called(read, "QueryValue")


def _is_called(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
