"""Alarms in words: of each method only what is true of it, and advice that can be followed."""

import re
from dataclasses import replace
from typing import get_args

import pytest

from clustlab import registry
from clustlab.analysis.alarm_catalogue import ENTRIES, alarm_text
from clustlab.analysis.alarms import Alarm, AlarmKind
from clustlab.course import catalogue
from clustlab.params import schema
from clustlab.types import MethodFamily

KINDS = get_args(AlarmKind)
METHODS = registry.methods()
SETTINGS = {p.name for method in METHODS.values() for p in schema(method)}
ALL = [(kind, name) for kind in KINDS for name in METHODS]


def alarm(kind):
    """One of a kind, with every field that its words may want."""
    return Alarm(
        kind,
        3,
        6,
        value=0.3,
        threshold=0.1,
        before=0.2,
        cluster=4,
        n_clusters=10,
        phase="train",
        round=2,
        heads=(1, 2),
        error="loss became nan.",
    )


def text_for(kind, name):
    return alarm_text(alarm(kind), METHODS[name])


def test_each_kind_has_one_entry():
    assert tuple(ENTRIES) == KINDS
    assert len({entry.title for entry in ENTRIES.values()}) == len(KINDS)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_declares_its_family(name):
    assert METHODS[name].family in get_args(MethodFamily)


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_advice_can_be_followed_in_the_method(kind, name):
    own = {p.name for p in schema(METHODS[name])}
    family = METHODS[name].family
    for advice in ENTRIES[kind].advice:
        assert set(advice.settings) <= SETTINGS, advice.text
        if advice.is_possible(family, own):
            assert not advice.settings or own & set(advice.settings)
    said = text_for(kind, name).remedy.lower()
    named = {
        setting
        for setting in SETTINGS - own
        if "_" in setting and re.search(rf"\b{setting.replace('_', ' ')}\b", said)
    }
    assert named <= {"learning_rate"} if "cluster_learning_rate" in own else not named, said


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_an_alarm_is_told_in_sentences(kind, name):
    text = text_for(kind, name)
    draws = METHODS[name].family not in ("linkage", "density")
    assert text.remedy or (kind in ("empty", "uniform", "churn") and not draws)
    for sentence in filter(None, (text.fact, text.meaning, text.remedy)):
        assert sentence[0].isupper() or sentence[0].isdigit() or "became nan" in sentence
        assert sentence.endswith(".")
        assert "nan" not in sentence.replace("became nan", "")


def test_what_is_said_of_centres_is_not_said_of_other_methods():
    """DEC has centres; the outputs of IIC, and the labels of DeepCluster, are none."""
    for name, method in METHODS.items():
        for kind in KINDS:
            text = text_for(kind, name)
            if method.family not in ("centres", "self-training", "code"):
                assert "centre" not in f"{text.fact} {text.meaning} {text.remedy}", (kind, name)
    assert "A centre without items" in text_for("empty", "dec").meaning
    assert "An output that no item chooses" in text_for("empty", "iic").meaning
    assert "target is just as flat" in text_for("uniform", "dec").meaning
    assert "target" not in text_for("uniform", "iic").meaning


def test_remedies_differ_by_method():
    assert "sinkhorn" in text_for("collapse", "dec").remedy
    assert "sinkhorn" not in text_for("collapse", "iic").remedy
    assert "balance weight" in text_for("collapse", "iic").remedy
    assert "epair of empty clusters" in text_for("empty", "deepcluster").remedy
    assert "learning rate" not in text_for("collapse", "kmeans").remedy
    assert "uxiliary head" in text_for("heads", "iic").remedy
    assert "uxiliary head" not in text_for("heads", "scan").remedy
    assert "seed" in text_for("collapse", "kmeans").remedy
    assert "seed" not in text_for("collapse", "agglomerative").remedy  # it draws nothing


def test_a_method_that_is_not_there_any_more_gets_general_words():
    for kind in KINDS:
        text = alarm_text(alarm(kind), None)
        assert text.meaning == ENTRIES[kind].meaning
        assert text.remedy.endswith(".")


@pytest.mark.parametrize("method", [*METHODS.values(), None])
def test_only_with_a_cluster_for_each_class_do_two_classes_share_one(method):
    empty = Alarm("empty", 9, 9, value=2.0, n_clusters=10)
    for n_classes in (0, 1, 9, 100):
        assert "class" not in alarm_text(empty, method, n_classes=n_classes).meaning
    assert alarm_text(empty, method, n_classes=10).meaning.endswith("so two classes share one.")


@pytest.mark.parametrize("kind", KINDS)
def test_every_alarm_has_a_lesson(kind):
    lesson, number = catalogue.about_alarm(kind, "kmeans")
    assert lesson == ENTRIES[kind].lesson
    assert kind in catalogue.lesson(lesson).steps[number - 1].alarms


def test_the_lesson_on_the_method_itself_comes_first():
    assert catalogue.about_alarm("collapse", "deepcluster") == ("deepcluster", 4)
    assert catalogue.about_alarm("uniform", "dac") == ("pairs", 4)
    assert catalogue.about_alarm("empty", "gmm") == ("iic", 5)


def test_what_is_read_off_a_trained_method_is_not_told_in_the_words_of_its_training():
    empty = Alarm("empty", 9, 9, value=2.0, n_clusters=10)
    told = [
        alarm_text(replace(empty, is_read_off=is_read_off), METHODS["consensus"])
        for is_read_off in (False, True)
    ]
    assert "output" in told[0].meaning
    assert told[1].meaning == ENTRIES["empty"].meaning
