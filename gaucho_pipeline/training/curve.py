"""The loss curve as a picture, and as logs for TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from gaucho_pipeline.assets.rows import Loss

Curve = Sequence[Loss]


def draw_curves(curves: Mapping[str, Curve], kept: str, best_step: int, path: Path) -> None:
    """Draws validation losses over the steps as a PNG, with the base model's, and the curve and the step that were kept marked."""
    figure = Figure(figsize=(6, 3), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.axhline(curves[kept][0].validation, color="#999999", linestyle="--", label="base model")
    for name, curve in curves.items():
        own = {"color": "#2f6b3c"} if name == kept else {"alpha": 0.6}
        axes.plot([row.step for row in curve], [row.validation for row in curve], marker="o", markersize=3, label=name, **own)
    axes.axvline(best_step, color="#b3541e", linewidth=1, label=f"kept: step {best_step}")
    axes.set(xlabel="step", ylabel="validation loss")
    axes.legend(frameon=False, fontsize="small")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Software": None})


def write_logs(curves: Mapping[str, Curve], folder: Path) -> bool:
    """Writes logs that `tensorboard --logdir` reads; returns whether the extra `tensorboard` is there to write them."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return False
    for number, (name, curve) in enumerate(curves.items()):
        with SummaryWriter(str(folder / (f"{number:02d}" if len(curves) > 1 else "training"))) as writer:
            writer.add_text("trial", name)
            for row in curve:
                writer.add_scalar("loss/validation", row.validation, row.step)
                if row.train is not None:
                    writer.add_scalar("loss/train", row.train, row.step)
    for file in folder.rglob("*tfevents*"):
        file.rename(file.with_name("events.out.tfevents.training"))  # it is called after the machine
    return True
