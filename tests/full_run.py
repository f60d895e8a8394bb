"""A finished run whose report has nearly every kind of section, with awkward class names; nothing in it is trained."""

import numpy as np
from conftest import make_pictures

from tfxfer import features, runs
from tfxfer.analysis.attribution import METHODS

CLASSES = [
    "German shepherd dog with a long coat, seen from behind in the snow",
    "Straßenbahnhaltestellenhäuschen",
    "Большая белая собака на лугу",
    "猫のいる台所の窓辺",
    "قطة صغيرة",
    '<img src=x onerror=alert(1)>"&',
    "a",
]
DELETION = {"top": 0.64, "lowest": 0.04, "random": 0.39, "gain": 0.25, "low": 0.17, "high": 0.33, "images": 100}
STAGES = ("stem", "stage1", "stage2_with_a_long_name", "stage3", "stage4", "embedding")


def make(folder, n=140):
    """The run's folder: n test images, seven classes, every fifth prediction wrong."""
    rng, k = np.random.default_rng(0), len(CLASSES)
    images, labels = make_pictures(n, k, 28)
    ids, pixels = np.arange(1000, 1000 + n), images[..., None]
    predicted = (labels + (np.arange(n) % 5 == 0)) % k
    logits = np.eye(k)[predicted] * 4 + rng.random((n, k))
    history = {"loss": [2.0, 1.0], "val_loss": [2.0, 1.5], "accuracy": [0.1, 0.6], "val_accuracy": [0.1, 0.4]}
    with runs.Run("trial", {"backbone": "cnn"}, folder) as run:
        run.facts |= {"data": {"name": "made", "origin": "here", "sizes": {"train": 90, "validation": 9, "test": n}}}
        run.facts |= {"classes": CLASSES, "best_depth": 4, "left_out": {"the rest": "there was no time"}}
        counts = {split: np.bincount(labels, minlength=k).tolist() for split in ("train", "validation", "test")}
        run.facts["dataset"] = {"counts": counts, "histogram": rng.integers(0, 900, 256).tolist()}
        run.facts["dataset"] |= {"duplicate_groups": 1, "leaking_groups": 1}
        twins = [{"split": split, "id": number, "class": CLASSES[0]} for number, split in enumerate(("train", "test"))]
        run.facts["dataset"]["duplicates"] = [twins]
        layers = {method: {"layer": f"layer_of_{method}", "side": 6} for method in METHODS}
        run.facts["explained"] = {"method": "layercam", "size": 48, "layers": layers}
        run.note("data", {"mean": 70, "median": 0, "std": 90})
        for when, figures in (("before", (0.5, 0.1, 0.5)), ("after", (0.7, 0.4, 0.8))):
            run.note(when, dict(zip(("probe_accuracy", "silhouette", "knn_purity"), figures, strict=True)))
            for place, stage in enumerate(STAGES):
                run.note(f"layers/{when}/{stage}", {"nc1": 9.0 / (place + 1), "cdnv": 2.0 / (place + 1)})
        for depth in ("0", "4", "last_stage"):
            run.note(f"sweep/{depth}", {"accuracy": 0.7, "val_accuracy": 0.69, "seconds": 2.5, "nc1": 3.0})
        for name in (*METHODS, "middle"):
            run.note(f"deletion/{name}", DELETION)
        run.note("sanity", {stage: 0.9 - 0.2 * place for place, stage in enumerate(reversed(STAGES))})
        run.save_history(history)
        points = {when: rng.normal(size=(n, 2)) + 3 * np.eye(k)[labels][:, :2] for when in ("before", "after")}
        banks = {when: features.Bank({"pca": xy.astype(np.float32)}, labels, ids) for when, xy in points.items()}
        stages = {f"{when}/{stage}": rng.normal(size=(n, 4)) for when in points for stage in STAGES}
        banks["stages"] = features.Bank(stages, labels, ids)
        banks["test"] = features.Bank({"logits": logits}, labels, ids)
        banks["pictures"] = features.Bank({"image": pixels}, labels, ids)
        banks["samples"] = features.Bank({"image": pixels[:21]}, labels[:21], ids[:21] - 900)
        doubtful = {"image": pixels[:8], "score": np.linspace(0.9, -0.1, 8), "other": (labels[:8] + 1) % k}
        banks["suspicious"] = features.Bank(doubtful, labels[:8], ids[:8] - 900)
        maps = np.linspace(0, 1, 8 * 28 * 28).reshape(8, 28, 28).astype(np.float16)
        seen = {"image": pixels[:8], "predicted": predicted[:8], "sure": np.full(8, 0.9)} | dict.fromkeys(METHODS, maps)
        banks["explained"] = features.Bank(seen, labels[:8], ids[:8])
        run.facts["sections"] = ["predictions", "projections", "sweep", "training", "saliency", "dataset", "layers"]
        run.facts["sections"] += ["layer_similarity"]
        run.save(banks)
    return run.final
