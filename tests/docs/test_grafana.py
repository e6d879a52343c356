"""The Grafana dashboard uses the metrics that a daemon really has."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from portmapper.api import MappingState, Metrics
from portmapper_metrics.text import text_of

MEASURED = Metrics(
    mappings=dict.fromkeys(MappingState, 1),
    renewals={"pcp": 1},
    failures={"Conflict": 1},
    latencies={("pcp", "192.168.88.1"): 0.1},
    since_success=1.0,
    dropped={"mqtt": 1},
)


@pytest.fixture
def dashboard(root: Path) -> Any:
    """The dashboard."""
    return json.loads((root / "docs" / "_static" / "grafana-dashboard.json").read_text(encoding="utf-8"))


@pytest.fixture
def labels() -> dict[str, set[str]]:
    """The labels of each metric by its name."""
    text = text_of(MEASURED, Counter(opened=1)).decode()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {sample.name: set(sample.labels) for sample in samples}


def test_each_metric_and_label_exists(dashboard: Any, labels: dict[str, set[str]]) -> None:
    """Prometheus itself adds `instance`."""
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert len(expressions) == len(dashboard["panels"])
    for expression in expressions:
        (name, selector), *others = re.findall(r"(portmapper_\w+)\{([^}]*)\}", expression)
        assert others == []
        used = set(re.findall(r"(\w+)[=!]", selector)) | set(re.findall(r"by \((\w+)\)", expression))
        assert used <= {*labels[name], "instance"}, expression


def test_every_metric_is_shown(dashboard: Any, labels: dict[str, set[str]]) -> None:
    """A new metric needs a panel."""
    text = json.dumps(dashboard["panels"])
    assert [name for name in labels if name not in text] == []


def test_legends_use_labels_of_their_metric(dashboard: Any, labels: dict[str, set[str]]) -> None:
    """An unknown label would be shown as an empty text."""
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            (name,) = re.findall(r"portmapper_\w+", target["expr"])
            assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= labels[name]


def test_panels_do_not_overlap(dashboard: Any) -> None:
    """And each has its own id."""
    cells: Counter[tuple[int, int]] = Counter()
    for place in (panel["gridPos"] for panel in dashboard["panels"]):
        cells.update(
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        )
    assert max(cells.values()) == 1
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
