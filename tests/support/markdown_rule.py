"""The rule that nothing reaches Markdown unescaped, read off the code of the pages.

What Streamlit renders must be a literal, a number, or what `plain`, `authored` or a function that
says it makes `Markdown` returns, put together by f-strings, conditions, sums, joins and names for
them. Everything else could hold a text from outside. Parameters and functions that say `Markdown`
are followed: what is handed to the former and what the latter return keeps the rule as well.
"""

import ast
import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

BODY, LABEL = ((0,), ("body", "help")), ((0,), ("label", "help"))
CHOICE = ((0, 1), ("label", "options", "format_func", "captions", "help"))
RENDERED = {
    **dict.fromkeys(("markdown", "caption", "title", "header", "subheader"), BODY),
    **dict.fromkeys(("info", "warning", "error", "success", "toast"), BODY),
    **dict.fromkeys(("button", "form_submit_button", "download_button", "badge", "toggle"), LABEL),
    **dict.fromkeys(("checkbox", "slider", "select_slider", "number_input"), LABEL),
    **dict.fromkeys(("text_input", "text_area", "selectbox", "multiselect", "popover"), LABEL),
    **dict.fromkeys(("expander", "status", "file_uploader", "date_input"), LABEL),
    **dict.fromkeys(("radio", "segmented_control", "pills"), CHOICE),
    "page_link": ((), ("label", "help")),
    "tabs": ((0,), ("tabs",)),
    "metric": ((0, 1, 2), ("label", "value", "delta", "help")),
    "spinner": ((0,), ("text",)),
    "progress": ((1,), ("text",)),
    "image": ((1,), ("caption",)),
    "dialog": ((0,), ("title",)),
    "write": ((0, 1, 2, 3), ()),
    "table": ((0,), ("data",)),
    "latex": ((), ("help",)),
}
"""By name of a function of Streamlit: places and names of what it renders as Markdown."""
HARMLESS = {"int", "float", "bool", "Markdown", "None"}
HARMLESS |= {"Count", "Whole", "Seconds", "Moment", "Clusters"}  # numbers in files, once checked
HOLDERS = {"NotRequired", "list", "tuple", "dict", "Sequence", "Iterator", "Iterable", "Mapping"}
NUMBERS = {"percent", "figure", "written", "duration_in_words", "len", "round", "int", "float"}
"""Functions that give a number, or write one."""
ESCAPES = {"plain", "authored", *NUMBERS}
SAME_WORDS = {"lower", "upper", "strip", "rstrip", "lstrip", "capitalize", "title", "removesuffix"}
CONTAINERS = {"list", "tuple", "sorted", "reversed", "sum", "min", "max", "abs", "MappingProxyType"}


def _is_harmless(annotation):
    """Whether a type holds nothing but numbers and Markdown."""
    if annotation is None:
        return False
    text = ast.unparse(annotation).strip("'\"")
    if text.startswith("Mapping[Markdown, "):
        return True  # of which the keys are shown
    parts = re.split(r"[\[\],| .]+", text)
    return all(part in HARMLESS for part in parts if part and part not in HOLDERS)


@dataclass
class Known:
    """What the code says of its names: all definitions of a name must agree."""

    functions: dict = field(default_factory=lambda: defaultdict(list))  # name: returns harmless
    fields: dict = field(default_factory=lambda: defaultdict(list))  # name: is harmless
    constants: dict = field(default_factory=lambda: defaultdict(list))  # name: expressions
    sinks: dict = field(default_factory=lambda: defaultdict(list))  # name: places and names

    def read(self, tree):
        """Take in a file."""
        for node in tree.body:
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                for target in getattr(node, "targets", [getattr(node, "target", None)]):
                    if isinstance(target, ast.Name) and target.id.isupper():
                        self.constants[target.id].append(node.value)
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                self._read_function(node)
            elif isinstance(node, ast.ClassDef):
                self._read_class(node)

    def _read_function(self, node):
        is_property = any(ast.unparse(d).endswith("property") for d in node.decorator_list)
        kept = self.fields if is_property else self.functions
        kept[node.name].append(_is_harmless(node.returns))
        arguments = [*node.args.posonlyargs, *node.args.args]
        if arguments and arguments[0].arg in ("self", "cls"):
            arguments = arguments[1:]
        every = [*arguments, *node.args.kwonlyargs]
        names = tuple(a.arg for a in every if _says_markdown(a.annotation))
        if names:
            places = tuple(i for i, a in enumerate(arguments) if a.arg in names)
            self.sinks[node.name].append((places, names))

    def _read_class(self, node):
        declared = [each for each in node.body if isinstance(each, ast.AnnAssign)]
        for each in declared:
            self.fields[each.target.id].append(_is_harmless(each.annotation))
        names = tuple(e.target.id for e in declared if _says_markdown(e.annotation))
        if names:
            places = tuple(i for i, e in enumerate(declared) if e.target.id in names)
            self.sinks[node.name].append((places, names))


def _says_markdown(annotation):
    return annotation is not None and "Markdown" in ast.unparse(annotation)


class Reader:
    """Reads a file and notes what breaks the rule, as (line, function, expression)."""

    def __init__(self, known, tree):
        self.known, self.problems = known, []
        self.here = Known()
        self.here.read(tree)
        imports = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
        names = {a.asname or a.name for each in imports for a in each.names} - {"st"}
        self.modules = {name.split(".")[0] for name in names}
        self.scan(tree, {})

    def scan(self, function, outer):
        """Read a function, or the file itself, with the names that it sees."""
        nodes, inner = [], []
        _own_nodes(function, nodes, inner)
        given = _parameters(function)
        own = {name: given.get(name, []) + values for name, values in _assigned(nodes).items()}
        names = {**outer, **given, **own}
        for node in nodes:
            if isinstance(node, ast.Call):
                self._call(node, names)
            if isinstance(node, ast.Return) and _says_markdown(getattr(function, "returns", None)):
                self._check(node.value, names, f"return of {function.name}")
        for each in inner:
            self.scan(each, names)

    def _call(self, node, names):
        keywords = {keyword.arg: keyword.value for keyword in node.keywords}
        for places, rendered in self._sinks(node.func):
            if "format_func" in keywords and "format_func" in rendered:
                places, rendered = (0,), set(rendered) - {"options"}  # which it stands in for
            for i, value in enumerate(node.args):
                if i in places:
                    self._check(value, names, _last_name(node.func))
            for word in keywords.keys() & set(rendered):
                self._check(keywords[word], names, _last_name(node.func))

    def _sinks(self, called):
        """Places and names of what a called function renders."""
        name = _last_name(called)
        if isinstance(called, ast.Name):
            kept = self.here if name in self.here.functions else self.known
            return kept.sinks.get(name, [])
        of = getattr(getattr(called, "value", None), "id", "")
        if name in RENDERED and of not in self.modules:
            is_of_streamlit = name not in ("write", "title", "table") or of == "st"
            return [RENDERED[name]] if is_of_streamlit else []
        return self.known.sinks.get(name, [])

    def _check(self, value, names, where):
        if where == "tabs" and isinstance(value, ast.Dict | ast.DictComp):  # labels and contents
            keys = value.keys if isinstance(value, ast.Dict) else [value.key]
            value = ast.copy_location(ast.Tuple(keys), value)
        if value is not None and not self.is_safe(value, names):
            self.problems.append((value.lineno, where, value))

    def is_safe(self, e, names):
        """Whether an expression keeps the rule, given what is assigned to names."""
        if isinstance(e, ast.JoinedStr):
            return all(self._is_safe_part(part, names) for part in e.values)
        if isinstance(e, ast.Call):
            return self._is_safe_call(e, names)
        if isinstance(e, ast.Name):
            return e.id in ESCAPES or self._is_safe_name(e.id, names)  # handed on by its name
        if isinstance(e, ast.Attribute):
            if e.attr.isupper():
                return self._is_safe_name(e.attr, {})
            if e.attr in ("format", "get", "__getitem__"):  # of a literal, or of a table of them
                return self.is_safe(e.value, names)
            return bool(said := self.known.fields.get(e.attr)) and all(said)
        if isinstance(e, ast.Compare | ast.Constant | ast.UnaryOp):
            return True
        if isinstance(e, ast.BinOp) and isinstance(e.op, ast.Sub | ast.Div | ast.FloorDiv):
            return True  # numbers
        return isinstance(e, _PUT_TOGETHER) and all(self.is_safe(part, names) for part in _parts(e))

    def _is_safe_part(self, part, names):
        if isinstance(part, ast.Constant) or _is_number_format(part.format_spec):
            return True
        return part.conversion == -1 and self.is_safe(part.value, names)

    def _is_safe_call(self, e, names):
        called = e.func
        if isinstance(called, ast.Attribute):
            if called.attr in SAME_WORDS and not e.args:
                return self.is_safe(called.value, names)
            if called.attr in ("join", "get"):
                return self.is_safe(called.value, names) and all(
                    self.is_safe(each, names) for each in e.args[called.attr == "get" :]
                )
            name = called.attr
        else:
            name = getattr(called, "id", "")
            if name in CONTAINERS:
                return all(self.is_safe(each, names) for each in e.args)
        if name in ESCAPES:
            return True
        if name == "map":
            return self._makes_markdown(e.args[0])
        if name in ("filter", "partial"):
            return self.is_safe(e.args[-1], names)
        return self._makes_markdown(called)

    def _makes_markdown(self, called):
        """Whether all functions of a name say so; those of this file come first."""
        name = _last_name(called)
        is_own = isinstance(called, ast.Name) and name in self.here.functions
        said = (self.here if is_own else self.known).functions.get(name)
        return name in ESCAPES or (bool(said) and all(said))

    def _is_safe_name(self, name, names):
        if name in names:
            rest = {k: v for k, v in names.items() if k != name}  # what grows from itself
            rest[name] = []
            return all(v is not None and self.is_safe(v, rest) for v in names[name])
        said = self.known.constants.get(name)
        return bool(said) and all(self.is_safe(each, {}) for each in said)


_PUT_TOGETHER = (
    *(ast.IfExp, ast.BoolOp, ast.BinOp, ast.List, ast.Tuple, ast.Set, ast.Dict, ast.Lambda),
    *(ast.ListComp, ast.GeneratorExp, ast.SetComp, ast.DictComp, ast.Subscript, ast.Starred),
    ast.NamedExpr,
)


def _parts(e):
    """Expressions of which one may be what an expression yields, or all together."""
    if isinstance(e, ast.IfExp | ast.Lambda):
        return [e.body, *([e.orelse] if isinstance(e, ast.IfExp) else [])]
    if isinstance(e, ast.BinOp):
        return [e.left, e.right]
    if isinstance(e, ast.Dict | ast.BoolOp):
        return [value for value in e.values if value is not None]
    if isinstance(e, ast.DictComp):
        return [e.value]
    if isinstance(e, ast.ListComp | ast.GeneratorExp | ast.SetComp):
        return [e.elt]
    return e.elts if hasattr(e, "elts") else [e.value]


def _is_number_format(spec):
    """Whether a format works for numbers only, so that a text in its place is an error."""
    text = "".join(getattr(part, "value", "0") for part in spec.values) if spec else ""
    return text.endswith(("d", "f", "e", "g", "%", ",")) and not text.startswith("%")


def _last_name(e):
    return getattr(e, "attr", getattr(e, "id", ""))


def _own_nodes(function, nodes, inner):
    for child in ast.iter_child_nodes(function):
        if isinstance(child, ast.FunctionDef):
            inner.append(child)
            nodes.extend(n for d in child.decorator_list for n in ast.walk(d))
        else:
            nodes.append(child)
            _own_nodes(child, nodes, inner)


def _parameters(function):
    """Parameters with what is known of them: nothing that harms, or nothing at all."""
    arguments = getattr(function, "args", None)
    if arguments is None:
        return {}
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    every += filter(None, (arguments.vararg, arguments.kwarg))
    return {a.arg: [] if _is_harmless(a.annotation) else [None] for a in every}


def _assigned(nodes):
    """What is assigned to each name; None where it cannot be followed."""
    found = defaultdict(list)
    for node in nodes:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                _assign(found, target, node.value)
        elif isinstance(node, ast.AugAssign | ast.AnnAssign | ast.NamedExpr):
            if node.value is not None:
                _assign(found, node.target, node.value)
        elif isinstance(node, ast.For | ast.comprehension):
            _loop(found, node.target, node.iter)
        elif isinstance(node, ast.withitem) and node.optional_vars is not None:
            _assign(found, node.optional_vars, None)
        elif isinstance(node, ast.Lambda):
            for argument in node.args.args:
                found[argument.arg].append(None)
        elif isinstance(node, ast.Call) and _last_name(node.func) in ("append", "insert", "extend"):
            _assign(found, getattr(node.func, "value", None), node.args[-1] if node.args else None)
    return found


def _assign(found, target, value):
    if isinstance(target, ast.Name):
        found[target.id].append(value)
    elif isinstance(target, ast.Tuple | ast.List):
        values = getattr(value, "elts", None)
        same = values is not None and len(values) == len(target.elts)
        for i, each in enumerate(target.elts):
            _assign(found, each, values[i] if same else None)


def _loop(found, target, over):
    """A loop over a literal gives its elements; `enumerate`, `zip` and `range` are seen through."""
    name = _last_name(over.func) if isinstance(over, ast.Call) else ""
    if name == "range":
        _assign(found, target, ast.Constant(0))
    elif name == "enumerate" and isinstance(target, ast.Tuple):
        _assign(found, target.elts[0], ast.Constant(0))
        _loop(found, target.elts[1], over.args[0])
    elif name == "zip" and isinstance(target, ast.Tuple):
        each_over = [arg for arg in over.args if not isinstance(arg, ast.Starred)]
        for i, each in enumerate(target.elts):
            _loop(found, each, each_over[i] if len(each_over) == len(over.args) else over)
    elif isinstance(over, ast.Tuple | ast.List) and over.elts:
        for element in over.elts:
            _assign(found, target, element)
    elif isinstance(over, ast.Tuple | ast.List) or not isinstance(target, ast.Name):
        _assign(found, target, None)
    else:
        found[target.id].append(over if isinstance(over, ast.Name | ast.Attribute) else None)


def knowledge(files):
    """What the code in some files says of its names."""
    known = Known()
    for file in files:
        known.read(ast.parse(file.read_text("utf-8")))
    return known


def problems(file, known):
    """Places in a file where something may reach Markdown unescaped."""
    found = Reader(known, ast.parse(Path(file).read_text("utf-8"))).problems
    return [f"{file}:{line}: {where}: {ast.unparse(value)}" for line, where, value in found]
