"""The examples in docstrings of public functions run, and give what they say."""

import doctest
import importlib

import pytest

EXAMPLES = [
    "tfxfer.analysis.abstention:abstention_threshold",
    "tfxfer.analysis.calibration:temperature",
    "tfxfer.analysis.collapse:neural_collapse",
    "tfxfer.analysis.metrics:silhouette",
    "tfxfer.analysis.multilayer_probe:head2toe",
    "tfxfer.analysis.probes:probe",
    "tfxfer.analysis.projection:project",
    "tfxfer.data.loading:load",
    "tfxfer.data.user_data:from_arrays",
    "tfxfer.data.user_data:from_dataset",
    "tfxfer.export.formats:saved_model",
    "tfxfer.features.extraction:extract",
    "tfxfer.features.tapped_layers:taps",
    "tfxfer.model.freezing:unfreeze_last",
    "tfxfer.model.graph:build",
    "tfxfer.model.stage_table:of",
    "tfxfer.model.temperature_scaling:calibrate",
    "tfxfer.model.temperature_scaling:scale_logits",
    "tfxfer.report.run_report:write",
    "tfxfer.runs.metric_names:meaning",
    "tfxfer.train.fitting:fit",
    "tfxfer.train.interpolation:interpolate",
]
"""Functions whose docstring has an example, as "module:function"."""


@pytest.mark.parametrize("name", EXAMPLES)
def test_example(name):
    module_name, _, function = name.partition(":")
    module = importlib.import_module(module_name)
    (test,) = doctest.DocTestFinder(recurse=False).find(getattr(module, function), function, module)
    assert test.examples, f"{name} has no example: give its docstring one, with lines that begin with >>>"
    report: list[str] = []
    failed, _ = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test, out=report.append)
    assert not failed, "".join(report)
