"""Values that are proposed for a setting."""

import pytest

from clustlab import registry
from clustlab.params import Param, schema
from clustlab.studies.description import Axis, Base, axis_of
from clustlab.studies.proposals import proposed


def number(kind, low=None, high=None, *, log=False, none_word=""):
    return Param("p", kind, 1, "", low, high, log, none_word=none_word)


@pytest.mark.parametrize(
    ("declared", "current", "values"),
    [
        (number("int", 2, 500), 10, "6,8,10,12,14"),
        (number("int", 2, 500), 3, "2,3,4,5"),
        (number("int", 8, 4096, log=True), 256, "64,128,256,512,1024"),
        (number("int", 8, 300, log=True), 256, "64,128,256"),
        (number("float", 1e-6, 10, log=True), 1e-3, "0.0001,0.0003,0.001,0.003,0.01"),
        (number("float", 0, 1), 0.2, "0.0,0.1,0.2,0.3,0.4"),
        (number("float", 0, 0.1), 0.0, "0.0,0.025,0.05,0.1"),
        (number("int", 10, 200_000, log=True, none_word="all"), None, "all,350,1400,5700"),
        (Param("p", "bool", True, ""), True, "off,on"),
        (Param("p", "choice", "vat", "", choices=("vat", "small CNN")), "vat", "vat,small CNN"),
    ],
)
def test_values_lie_around_the_current_one_and_within_bounds(declared, current, values):
    assert proposed(declared, current) == values


@pytest.mark.parametrize("name", sorted(registry.methods()))
def test_what_is_proposed_for_any_setting_makes_an_axis(name):
    method = registry.method(name)
    base = Base("digits", name)
    for preset in method.presets.values():
        for p in schema(method):
            if p.kind == "shares":
                continue
            current = preset.get(p.name, p.default)
            axis = axis_of(f"{p.name}={proposed(p, current)}", base)
            assert isinstance(axis, Axis)
            assert current in axis.values
            assert len(axis.values) > 1, p.name
