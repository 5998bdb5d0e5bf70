"""How well the doubt about cells tells which frames are wrong.

Run as ``python benchmarks/doubt.py``. Prints the rank correlation between doubt and
errors (1 - AP@0.5) over the held-out set of simulated fields, for each method; two
minutes a method on two cores.
"""

from scipy.stats import spearmanr

from napari_qpm.evaluation.cell_set import N_FIELDS, make_field
from napari_qpm.jobs import CancelToken
from napari_qpm.segmentation import doubt, make_segmentation_engine
from napari_qpm.segmentation.scores import average_precision

METHODS = ("watershed", "dm-qpmnet-phase")


def main() -> None:
    """Print one line for each method."""
    fields = [make_field(number) for number in range(N_FIELDS)]
    token = CancelToken()
    for name in METHODS:
        engine = make_segmentation_engine(name)
        doubts, errors = [], []
        for field in fields:
            doubts.append(doubt(engine, field.phase_map, token))
            found = engine.segment(field.phase_map, token)[0]
            errors.append(1 - average_precision(field.labels, found))
        related = spearmanr(doubts, errors)
        print(
            f"{name}: rank correlation {related.statistic:.2f}, p {related.pvalue:.4f}"
        )


if __name__ == "__main__":
    main()
