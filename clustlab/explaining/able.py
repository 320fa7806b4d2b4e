"""Which runs can judge an item by itself, be it one of their own or a new one."""

from clustlab import registry
from clustlab.errors import ClustlabError
from clustlab.runs.store import Run


def can_score(method: str) -> bool:
    """Whether a method can say how it scores an item."""
    return registry.SCORING.is_offered_by(registry.method(method))


def why_not(run: Run) -> ClustlabError | None:
    """Why the method of a run cannot judge an item, and which ones can; None if it can."""
    if run.spec.is_outside:
        return ClustlabError(
            "This clustering was made elsewhere, and nothing of what made it is here: it cannot "
            "judge an item.",
            "Train a method on the same data set, and ask that run.",
        )
    if can_score(run.spec.method):
        return None
    why = registry.why_no_scorer(registry.method(run.spec.method))
    able = ", ".join(name for name in registry.methods() if can_score(name))
    return ClustlabError(
        f"{run.manifest['method_title']} cannot judge a new item: "
        f"{why or 'it keeps nothing that one could be judged by'}.",
        f"These methods can: {able}.",
    )
