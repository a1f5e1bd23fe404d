"""Figures of the model server in Prometheus' text format, by model version.

Counters and two histograms are kept here; what an engine is doing at the moment is asked of it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from model.inference.process import Usage
from model.serving.engines import ServedVersion

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BOUNDS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
Outcome = str
"""ok, cancelled, or the status of an error."""


@dataclass(slots=True)
class _Histogram:
    """How many took at most so long, seconds."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(_BOUNDS_S) + 1))
    total_s: float = 0.0

    def add(self, took_s: float) -> None:
        self.counts[bisect_left(_BOUNDS_S, took_s)] += 1
        self.total_s += took_s

    def render(self, name: str, model: str) -> Iterable[str]:
        so_far = 0
        for bound, count in zip((*map(str, _BOUNDS_S), "+Inf"), self.counts, strict=True):
            so_far += count
            yield f'{name}_bucket{{model="{model}",le="{bound}"}} {so_far}'
        yield f'{name}_sum{{model="{model}"}} {self.total_s:.6f}'
        yield f'{name}_count{{model="{model}"}} {so_far}'


class ServerMetrics:
    """The figures since the start."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, Outcome]] = Counter()
        self._tokens: Counter[tuple[str, str]] = Counter()
        self._first: defaultdict[str, _Histogram] = defaultdict(_Histogram)
        self._whole: defaultdict[str, _Histogram] = defaultdict(_Histogram)

    def count(self, model: str, outcome: Outcome) -> None:
        """Count a request; `model` is "" where none was found."""
        self._requests[model, outcome] += 1

    def add(self, model: str, usage: Usage) -> None:
        """Count an answer that came to its end."""
        self._tokens[model, "prompt"] += usage.tokens_in
        self._tokens[model, "cached"] += usage.tokens_reused
        self._tokens[model, "completion"] += usage.tokens_out
        self._first[model].add(usage.ttft_s)
        self._whole[model].add(usage.total_s)

    def render(self, versions: Sequence[ServedVersion]) -> str:
        """Return everything, with what the versions are doing now."""
        lines = ["# TYPE askpage_model_requests_total counter"]
        for (model, outcome), count in sorted(self._requests.items()):
            lines.append(f'askpage_model_requests_total{{model="{model}",outcome="{outcome}"}} {count}')
        lines.append("# TYPE askpage_model_tokens_total counter")
        for (model, kind), count in sorted(self._tokens.items()):
            lines.append(f'askpage_model_tokens_total{{model="{model}",kind="{kind}"}} {count}')
        for name, kept in (("time_to_first_token", self._first), ("answer_time", self._whole)):
            lines.append(f"# TYPE askpage_model_{name}_seconds histogram")
            for model in sorted(kept):
                lines += kept[model].render(f"askpage_model_{name}_seconds", model)
        for name in ("active", "waiting"):
            lines.append(f"# TYPE askpage_model_{name} gauge")
            for version in versions:
                now = int(getattr(version.engine.stats(), name))
                lines.append(f'askpage_model_{name}{{model="{version.name}"}} {now}')
        return "\n".join([*lines, ""])
