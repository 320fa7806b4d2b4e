"""The contract of every claim: `pytest tests/claims/test_claims.py -k NAME`."""

from itertools import pairwise

import numpy as np
import pytest

from clustlab import registry
from clustlab.course import catalogue as course
from clustlab.errors import ParameterError
from clustlab.evidence import record
from clustlab.evidence.catalogue import about_step, claim, claims
from clustlab.evidence.claim import SCALES, Grid, Paths
from clustlab.evidence.rules import AtLeast, Beyond, Every, Near, Rises
from clustlab.params import build
from clustlab.studies.description import Study

CLAIMS = claims()
TRIALS = 5_000
SEEDS = (0, 1, 2)


@pytest.fixture(params=CLAIMS)
def each(request):
    return CLAIMS[request.param]


def test_numbers_count_the_claims():
    assert [one.number for one in CLAIMS.values()] == list(range(1, len(CLAIMS) + 1))


def test_a_claim_says_what_it_is_about(each):
    assert 20 < len(each.title) < 120
    assert not each.title.endswith(".")
    assert len(each.text) > 150
    assert each.source.document
    assert each.source.paper
    assert each.claimed
    assert set(each.protocols) == set(SCALES)
    assert all(one.differs.endswith(".") for one in each.protocols.values())


def test_rules_and_drawing_know_the_series(each):
    keys = [one.key for one in each.series]
    assert len(set(keys)) == len(keys)
    asked = [each.rule, *(question.rule for question in each.also)]
    assert {key for rule in asked for key in rule.series} <= set(keys)
    if isinstance(each.drawing, Paths):
        assert set(each.drawing.keys) <= set(keys)
    if isinstance(each.drawing, Grid):
        grid = each.drawing
        assert all(len(row) == len(grid.columns) for row in grid.printed)
        cells = {grid.key(i, j) for i in range(len(grid.rows)) for j in range(len(grid.columns))}
        assert cells <= set(keys)


@pytest.mark.parametrize("scale", SCALES)
def test_its_runs_could_be_started(each, scale):
    protocol = each.protocols[scale]
    assert len(protocol.seeds) >= len(SEEDS)
    seen = set()
    for arm in protocol.arms:
        Study("a claim", arm.base, ())  # raises for what does not exist
        spec = arm.spec(7)
        assert spec.seed == 7
        registry.check_kind(registry.method(spec.method), registry.dataset(spec.dataset))
        assert not arm.after or arm.after in seen
        seen.add(arm.key)


def test_at_small_scale_nothing_is_downloaded(each):
    for arm in each.protocols["small"].arms:
        spec = arm.spec(0)
        assert build(registry.dataset(spec.dataset), spec.dataset_params).is_ready()


def test_its_lessons_are_there_and_lead_back(each):
    assert each.lessons
    for name, step in each.lessons:
        assert 1 <= step <= len(course.lesson(name).steps)
        assert each in about_step(name, step)


# -- the rule of each claim comes out each way ---------------------------------------------------
def leaves(rule):
    """The rules that a rule is made of."""
    if isinstance(rule, Every | AtLeast):
        return [leaf for one in rule.rules for leaf in leaves(one)]
    return [rule]


def made_up(rule, rng):
    """Figures of made-up runs that follow a rule or go against it; some seeds stray."""
    level = {key: rng.uniform(0.05, 0.5) for key in rule.series}
    mood = rng.choice([1.0, -1.0, 0.0])  # for all leaves, against all, or each as it comes
    for leaf in leaves(rule):
        sign = mood or rng.choice([1.0, -1.0])
        match leaf:
            case Near():
                level[leaf.key] = leaf.claimed + (0 if sign > 0 else 2 * leaf.within)
            case Beyond():
                side = 1 if leaf.side == "above" else -1
                level[leaf.key] = leaf.limit + 0.02 * side * sign
            case Rises():
                for one, other in pairwise(leaf.keys):
                    level[other] = level[one] + 0.05 * sign
            case _:
                level[leaf.one] = level[leaf.other] + 0.25 * sign
    astray = rng.choice([0.002, 0.002, 0.3])
    return {  # all figures are shares
        key: {seed: float(np.clip(rng.normal(value, astray), 0, 1)) for seed in SEEDS}
        for key, value in level.items()
    }


def verdicts(rule):
    rng = np.random.default_rng(0)
    found = set()
    for _ in range(TRIALS):
        found.add(rule.judge(made_up(rule, rng)))
        if len(found) == 3:
            break
    return found


def test_every_rule_can_come_out_each_way(each):
    for rule in (each.rule, *(question.rule for question in each.also)):
        assert verdicts(rule) == {"seen", "not seen", "undecided"}, each.rule_in_words(rule)


def test_a_rule_that_always_comes_out_the_same_is_noticed():
    assert verdicts(Beyond("a", "above", -100.0)) == {"seen"}


# -- what comes along ----------------------------------------------------------------------------
def test_every_record_that_comes_along_is_of_a_claim_as_it_is():
    for found in record.all_shipped():
        mine = CLAIMS[found.claim]
        assert found.protocol == mine.print_of(found.scale), (
            f"{found.claim} has changed: measure it anew with python -m tests.bench.claims"
        )
        assert set(found.figures) == {one.key for one in mine.series}
        assert found.seeds == sorted(mine.protocols[found.scale].seeds)
        assert found.verdict(mine) in ("seen", "not seen", "undecided")
        assert found.machine
        assert found.seconds > 0


def test_an_unknown_claim_is_named_with_those_there_are():
    with pytest.raises(ParameterError, match="no claim 'nine'") as told:
        claim("nine")
    assert "above-96" in told.value.hint
