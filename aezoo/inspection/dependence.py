"""Where a variational model's KL to the prior goes."""

from __future__ import annotations

from typing import Any

from aezoo.evaluation import code_dependence, some_rows
from aezoo.inspection.finding import Finding, Subject
from aezoo.inspection.options import DependenceOptions
from aezoo.plots import plot_dependence


def dependence(subject: Subject, options: DependenceOptions) -> Finding:
    """The mean KL as mutual information, total correlation and dimension-wise KL, nats, with errors over the draws.

    ``aggregate_kl`` is the sum of the last two, KL(q(z) ‖ p(z)): how complete the prior's codes are as those of data.
    """
    split = some_rows(subject.rows, options.rows, subject.seed)
    found = code_dependence(subject.model, split, draws=options.draws, seed=subject.seed)
    figures: dict[str, Any] = {"examples": len(split), "draws": options.draws}
    for name in ("kl", "mutual_information", "total_correlation", "dimension_wise_kl", "aggregate_kl"):
        estimate = getattr(found, name)
        figures |= {name: estimate.mean, f"{name}_error": estimate.error}
    return Finding({**figures, "kl_of_each_value": found.margins.tolist()}, plot_dependence(found))
