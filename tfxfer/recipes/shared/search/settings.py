"""What a trial trains, and how."""

from dataclasses import asdict, dataclass
from typing import Any

AUGMENTATIONS = {
    "none": "no augmentation",
    "small": "small shifts, rotations, zooms",
    "flips": "small shifts, rotations, zooms, mirrored",
}


@dataclass(frozen=True)
class Setting:
    """One setting of a search.

    Attributes:
        backbone: its name.
        depth: what of it trains, as `model.unfreeze_last` takes it; 0 for the head alone.
        learning_rate: the highest rate of the cosine schedule.
        augment: one of `AUGMENTATIONS`.
        l2_sp: strength of the weight decay towards the pretrained weights, see `train.AdamSP`; 0 is weight decay of
            0.01 towards zero (AdamW).
        mixup: as `train.fit` takes it.
    """

    backbone: str
    depth: int | str = 0
    learning_rate: float = 1e-3
    augment: str = "none"
    l2_sp: float = 0.0
    mixup: float = 0.0

    @property
    def text(self) -> str:
        """For people, such as "efficientnet_lite0, stage5 and on, rate 0.001, mixup 0.2"."""
        what = {0: "head alone", "all": "all layers"}.get(self.depth, f"{self.depth} and on")
        words = [self.backbone, what, f"rate {self.learning_rate:g}"]
        words += [AUGMENTATIONS[self.augment]] if self.augment != "none" else []
        words += [f"decay towards pretrained weights {self.l2_sp:g}"] if self.l2_sp else []
        words += [f"mixup {self.mixup:g}"] if self.mixup else []
        return ", ".join(words)

    def record(self) -> dict[str, Any]:
        """As JSON has it: `Setting(**record)` is the setting again."""
        return asdict(self)
