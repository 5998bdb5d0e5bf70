"""What the dock says of a trained model: when it was made, and how good it is."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_qpm.runtime import ModelSpec

__all__ = ["model_in_words"]

SCORES = {
    "psnr_db": "PSNR {:.1f} dB",
    "ssim": "SSIM {:.2f}",
    "dice": "Dice {:.2f}",
    "ap50": "AP@0.5 {:.2f}",
}


def model_in_words(spec: "ModelSpec") -> str:
    """Return date, origin and held-out scores of a model in one or two sentences."""
    made = f"of {spec.created[:10]}" if spec.created else "date unknown"
    origin = f", made from {spec.base}" if spec.base else ""
    return f"{spec.title}: {made}{origin}. {_scores_in_words(spec.metrics)}"


def _scores_in_words(metrics: Any) -> str:
    scores = _known(metrics)
    if scores:
        n = metrics.get("n")
        frames = f" {n} frames" if n else " frames"
        return f"{scores} on{frames} that it never saw."
    own = metrics.get("own_frame")
    if isinstance(own, dict):
        return f"Better than that on your frame {own.get('frame', '')}."
    own = metrics.get("own_frames")
    if isinstance(own, dict):
        taught = "" if own.get("is_honest") else ", which also taught it"
        return f"{_known(own.get('after', {}))} on your own cells{taught}."
    scores = _known(metrics.get("validation", {}))
    if scores:
        return f"{scores} while it was trained; not evaluated since."
    return "Not evaluated."


def _known(metrics: Any) -> str:
    return ", ".join(
        text.format(metrics[name])
        for name, text in SCORES.items()
        if isinstance(metrics.get(name), float)
    )
