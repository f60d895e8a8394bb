"""The section on where a network looks says what its maps are worth."""

import browser
import numpy as np
import pytest
from conftest import make_pictures

from tfxfer import features, report, runs
from tfxfer.analysis.attribution import METHODS
from tfxfer.report.sections import saliency
from tfxfer.runs import loading

GOOD = {"top": 0.64, "lowest": 0.04, "random": 0.39, "gain": 0.25, "low": 0.17, "high": 0.33, "images": 100}
NONE = GOOD | {"top": 0.41, "gain": 0.02, "low": -0.06, "high": 0.1}


def finished(folder, figures, facts=None):
    """A run of 4 explained images; the last map of "gradcam" is empty."""
    images, labels = make_pictures(4, 2)
    maps = np.linspace(0, 1, 4 * 28 * 28).reshape(4, 28, 28).astype(np.float16)
    values = {"image": images[..., None], "predicted": np.array([0, 0, 1, 1]), "sure": np.full(4, 0.9)}
    values |= {method: maps * (np.arange(4) < (3 if method == "gradcam" else 4))[:, None, None] for method in METHODS}
    with runs.Run("trial", {}, folder) as run:
        data = {"name": "made", "origin": "here", "sizes": {"train": 0, "validation": 0, "test": 4}}
        layers = {method: {"layer": f"layer_of_{method}", "side": 6} for method in METHODS}
        now = {"method": "layercam", "size": 48, "layers": layers}
        run.facts |= {"data": data, "classes": ["a", "b"], "explained": facts or now}
        for name, values_of in figures.items():
            run.note(f"deletion/{name}", values_of)
        run.save({"explained": features.Bank(values, labels, np.arange(4))})
    return loading.load(run.final)


def test_the_chosen_method_is_shown_with_its_figures(tmp_path):
    run = finished(tmp_path, dict.fromkeys(METHODS, GOOD) | {"gradcam": NONE, "middle": GOOD | {"top": 0.3}})
    with browser.opened(report.write(run.dir)) as page:
        browser.scroll(page)
        assert page.locator("select.method").input_value() == "layercam"
        said = page.locator("p[data-method]:visible")
        assert said.count() == 1
        text = said.inner_text()
        assert text.startswith(
            "LayerCAM of the layer layer_of_layercam (6 x 6). Deletion test on 100 validation images:"
        )
        assert "costs the predicted class 0.64 of its probability, the same regions moved at random 0.39" in text
        assert text.endswith("The difference is 0.25 (95% interval 0.17 to 0.33): these maps beat chance.")
        assert page.locator(".cams .empty:visible").count() == 0
        page.locator("select.method").select_option("gradcam")
        assert page.locator("select.method option:checked").inner_text() == "Grad-CAM (no better than chance)"
        text = said.inner_text()
        assert "1 of these 4 maps is empty." in text
        assert text.endswith("these maps do not beat chance, so do not read reasons into them.")
        assert page.locator(".cams .empty:visible").count() == 1
        assert page.locator(".cams .image:visible").count() == 4 * 3 - 2
    assert (run.dir / "figures" / "deletion.png").exists()


def test_a_disc_that_costs_as_much_is_named(tmp_path):
    run = finished(tmp_path, dict.fromkeys(METHODS, GOOD) | {"middle": GOOD | {"top": 0.72}})
    assert "a disc in the middle of every image, which needs no network, costs 0.72" in saliency._verdict(
        run, "layercam"
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_run_without_the_test_says_so(tmp_path, scheme):
    """As version 0.1 left them: one layer for all methods."""
    run = finished(tmp_path, {}, {"layer": "old_layer", "side": 12, "size": 48})
    with browser.opened(report.write(run.dir), scheme=scheme) as page:
        assert page.locator("select.method").input_value() == "gradcam"
        text = page.locator("p[data-method]:visible").inner_text()
        assert text.startswith("Grad-CAM of the layer old_layer (12 x 12). 1 of these 4 maps is empty.")
        assert text.endswith("whether the maps beat chance is not known.")
    assert not (run.dir / "figures" / "deletion.png").exists()
