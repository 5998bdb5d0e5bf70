import numpy as np
import pytest

from napari_qpm.acquisition import Acquisition, PhaseMap, PhaseUnit
from napari_qpm.errors import LayoutError, MissingMetadataError, ParameterError
from napari_qpm.measurement import (
    MeasurementParameters,
    column_units,
    measure,
    measure_frame,
    missing_columns,
)
from napari_qpm.measurement.columns import COLUMNS
from napari_qpm.provenance import Step

OPTICS = {"wavelength_nm": 532, "pixel_size_um": 0.1}


def test_one_radian_um2_at_532_nm_weighs_0_4704_pg(make_phase_map, square):
    table = measure(make_phase_map(square[0], **OPTICS), square[1], alpha_ml_g=0.18)
    # 100 pixels of 0.01 um^2; qpm-guide 2e, four digits.
    assert table["dry_mass_pg"][0] == pytest.approx(0.4704, abs=5e-5)
    assert table["mass_density_pg_um2"][0] == pytest.approx(0.4704, abs=5e-5)
    assert table["refractive_increment_ml_g"][0] == 0.18
    assert table["label"][0] == 5


@pytest.mark.parametrize(
    ("unit", "scale"),
    [
        (PhaseUnit.NANOMETRES, 1.0),
        (PhaseUnit.MICROMETRES, 1e-3),
        (PhaseUnit.WAVES, 1 / 532),
        (PhaseUnit.RADIANS, 2 * np.pi / 532),
    ],
)
def test_one_nm_um2_weighs_0_005556_pg_in_every_unit(
    make_phase_map, square, unit, scale
):
    phase_map = make_phase_map(square[0] * scale, unit, **OPTICS)
    table = measure(phase_map, square[1], alpha_ml_g=0.18)
    assert table["dry_mass_pg"][0] == pytest.approx(0.005556, abs=5e-7)
    assert table["opd_mean_nm"][0] == pytest.approx(1, rel=1e-6)
    assert table["opd_max_nm"][0] == pytest.approx(1, rel=1e-6)
    assert table["opd_std_nm"][0] == pytest.approx(0, abs=1e-6)
    assert table["opd_sum_um3"][0] == pytest.approx(1e-3, rel=1e-6)


def test_sphere_of_10_um_weighs_46_5_pg(make_phase_map):
    pixel = 0.2
    y, x = (np.mgrid[:140, :140] - 69.5) * pixel
    inside = 10.0**2 - y**2 - x**2
    opd_nm = 0.002 * 2 * np.sqrt(np.maximum(inside, 0)) * 1000
    phase_map = make_phase_map(opd_nm, PhaseUnit.NANOMETRES, pixel_size_um=pixel)
    table = measure(phase_map, (inside > 0).astype(int), alpha_ml_g=0.18)
    # 4/3 pi 10^3 um^3 * 0.002 / 0.18; pixels sample the edge to 0.1 %.
    assert table["dry_mass_pg"][0] == pytest.approx(46.54, rel=1e-3)
    assert table["equivalent_diameter_um"][0] == pytest.approx(20, rel=2e-3)
    assert table["circularity"][0] == pytest.approx(1, abs=0.02)


def test_default_increment_is_the_human_proteome_and_its_error_is_apart(
    make_phase_map, square
):
    row = measure(make_phase_map(square[0], **OPTICS), square[1]).loc[0]
    assert row["refractive_increment_ml_g"] == 0.19
    assert row["dry_mass_alpha_sd_pg"] == pytest.approx(
        row["dry_mass_pg"] * 0.003 / 0.19
    )
    assert row["dry_mass_sd_pg"] == pytest.approx(
        np.hypot(row["dry_mass_sd_background_pg"], row["dry_mass_sd_mask_pg"])
    )


def test_no_local_background_is_subtracted(make_phase_map, square):
    level = measure(make_phase_map(square[0], **OPTICS), square[1])
    lifted = measure(make_phase_map(square[0] + 0.5, **OPTICS), square[1])
    assert lifted["dry_mass_pg"][0] == pytest.approx(1.5 * level["dry_mass_pg"][0])
    # The offset is told, and is part of the error.
    assert lifted["dry_mass_offset_pg"][0] == pytest.approx(
        0.5 * level["dry_mass_pg"][0]
    )
    assert lifted["dry_mass_sd_background_pg"][0] == pytest.approx(
        0.5 * level["dry_mass_pg"][0]
    )


def test_mass_density_is_integrated_as_it_is(make_phase_map, square):
    phase_map = make_phase_map(square[0], PhaseUnit.MASS_DENSITY, pixel_size_um=0.1)
    table = measure(phase_map, square[1], alpha_ml_g=0.5)
    assert table["dry_mass_pg"][0] == pytest.approx(1.0)
    missing = missing_columns(phase_map)
    for column in ("opd_mean_nm", "opd_sum_um3", "refractive_increment_ml_g"):
        assert column not in table
        assert "dry-mass density" in missing[column]


def test_pixels_of_unequal_sides_use_their_exact_area(make_phase_map, square):
    phase_map = make_phase_map(square[0], grid_scale=(1.002, 0.998), **OPTICS)
    row = measure(phase_map, square[1]).loc[0]
    area = 100 * (0.1002 * 0.0998)
    assert row["area_um2"] == pytest.approx(area, rel=1e-9)
    assert row["mass_density_pg_um2"] * area == pytest.approx(row["dry_mass_pg"])
    assert row["centroid_y_um"] == pytest.approx(24.5 * 0.1002)
    assert row["centroid_x_um"] == pytest.approx(14.5 * 0.0998)


def test_without_pixel_size_shapes_stay_and_picograms_say_why(make_phase_map, square):
    phase_map = make_phase_map(square[0], wavelength_nm=532)
    table = measure(phase_map, square[1])
    assert table["area_px"][0] == 100
    assert table["centroid_y_px"][0] == 24.5
    assert "opd_mean_nm" in table
    for column in ("dry_mass_pg", "dry_mass_sd_pg", "area_um2", "opd_sum_um3"):
        assert column not in table
        assert "pixel_size_um" in table.attrs["missing"][column]
        assert "'field 1'" in table.attrs["missing"][column]


def test_without_wavelength_lengths_stay_and_path_says_why(make_phase_map, square):
    table = measure(make_phase_map(square[0], pixel_size_um=0.1), square[1])
    assert table["area_um2"][0] == pytest.approx(1)
    for column in ("dry_mass_pg", "opd_mean_nm", "opd_sum_um3"):
        assert column not in table
        assert "wavelength_nm" in table.attrs["missing"][column]


@pytest.mark.parametrize(
    ("known", "lacking"),
    [
        ({"wavelength_nm": 532}, "pixel_size_um"),
        ({"pixel_size_um": 0.1}, "wavelength_nm"),
    ],
)
def test_required_mass_names_what_is_missing(make_phase_map, square, known, lacking):
    phase_map = make_phase_map(square[0], **known)
    with pytest.raises(MissingMetadataError, match=f"Dry mass needs {lacking}"):
        measure(phase_map, square[1], require_mass=True)


def test_unknown_unit_gives_shapes_only(make_phase_map, square):
    phase_map = make_phase_map(square[0], PhaseUnit.UNKNOWN, **OPTICS)
    table = measure(phase_map, square[1])
    assert table["area_um2"][0] == pytest.approx(1)
    assert "phase_unit" in table.attrs["missing"]["dry_mass_pg"]


def test_optical_volume_is_there_only_with_an_assumed_index(make_phase_map, square):
    phase_map = make_phase_map(square[0], medium_index=1.337, **OPTICS)
    assert "optical_volume_um3" not in measure(phase_map, square[1])
    assert "optical_volume_um3" not in missing_columns(phase_map)
    row = measure(phase_map, square[1], n_cell=1.387).loc[0]
    assert row["optical_volume_um3"] == pytest.approx(row["opd_sum_um3"] / 0.05)
    assert (row["n_cell"], row["n_cell_source"]) == (1.387, "assumed")
    with pytest.raises(ParameterError, match="must exceed"):
        measure(phase_map, square[1], n_cell=1.33)
    no_medium = make_phase_map(square[0], **OPTICS)
    table = measure(no_medium, square[1], n_cell=1.387)
    assert "medium_index" in table.attrs["missing"]["optical_volume_um3"]


def test_frame_without_cells_gives_an_empty_table_with_all_columns(
    make_phase_map, square
):
    phase_map = make_phase_map(square[0], frame_interval_s=60, **OPTICS)
    full = measure(phase_map, square[1], texture="all")
    empty = measure(phase_map, np.zeros_like(square[1]), texture="all")
    assert len(empty) == 0
    assert list(empty.columns) == list(full.columns)
    for column in ("dry_mass_pg", "label", "border"):
        assert empty[column].dtype == full[column].dtype


def test_single_pixel_cell_is_measured(make_phase_map):
    labels = np.zeros((40, 40), int)
    labels[20, 20] = 3
    row = measure(
        make_phase_map(labels / 3, **OPTICS), labels, alpha_ml_g=0.18, texture="all"
    ).loc[0]
    assert row["area_px"] == 1
    assert row["dry_mass_pg"] == pytest.approx(0.004704, abs=5e-7)
    assert row["aspect_ratio"] == 1
    assert np.isnan(row["circularity"])
    assert np.isnan(row["glcm_contrast"])


def test_unknown_pixels_do_not_count_and_are_told(make_phase_map, square):
    phase = square[0].copy()
    phase[20:22, 10:20] = np.nan
    phase[0, 0] = np.inf
    row = measure(make_phase_map(phase, **OPTICS), square[1], alpha_ml_g=0.18).loc[0]
    assert row["invalid_share"] == pytest.approx(0.2)
    assert row["dry_mass_pg"] == pytest.approx(0.8 * 0.4704, abs=5e-5)
    assert np.isfinite(row["dry_mass_sd_pg"])


def test_cell_of_unknown_pixels_has_no_path(make_phase_map, square):
    phase = np.where(square[1] > 0, np.nan, 0)
    row = measure(make_phase_map(phase, **OPTICS), square[1]).loc[0]
    assert row["invalid_share"] == 1
    assert np.isnan(row["opd_mean_nm"])
    assert np.isnan(row["opd_max_nm"])


def test_cells_at_the_border_and_over_saturated_pixels_are_flagged(make_phase_map):
    labels = np.zeros((30, 30), int)
    labels[0:5, 10:15], labels[10:15, 10:15], labels[20:25, 25:30] = 1, 2, 3
    saturated = np.zeros(labels.shape, bool)
    saturated[12, 12] = True
    phase_map = make_phase_map(np.zeros((30, 30)), **OPTICS)
    # The saturated value of floats is unknown, so the column is absent and says so.
    table = measure(phase_map, labels)
    assert list(table["border"]) == [True, False, True]
    assert "bit depth" in table.attrs["missing"]["saturated"]
    raw = make_phase_map(np.zeros((30, 30)), **OPTICS)
    acquisition = raw.acquisition.replace(source=IntegerSource((30, 30)))
    table = measure_frame(
        raw.phase[0],
        labels,
        raw.replace(acquisition=acquisition),
        0,
        MeasurementParameters(),
        saturated,
    )
    assert list(table["saturated"]) == [False, True, False]


class IntegerSource:
    """Raw 8-bit frames with one saturated pixel, at (12, 13)."""

    def __init__(self, shape):
        self.shape = (1, 1, *shape)
        self.dtype = np.dtype(np.uint8)

    def read(self, t):
        frame = np.full(self.shape[1:], 100, np.uint8)
        frame[0, 12, 13] = 255
        return frame


def test_wrapped_cells_are_suspect_and_steep_edges_of_cells_are_not(make_phase_map):
    labels = np.zeros((40, 40), int)
    labels[5:15, 5:15], labels[25:35, 25:35] = 1, 2
    phase = np.where(labels > 0, 4.0, 0)
    phase[25:35, 30:35] += 2 * np.pi
    for unit, scale in (
        (PhaseUnit.RADIANS, 1),
        (PhaseUnit.WAVES, 1 / (2 * np.pi)),
        (PhaseUnit.NANOMETRES, 532 / (2 * np.pi)),
    ):
        table = measure(make_phase_map(phase * scale, unit, **OPTICS), labels)
        assert list(table["unwrap_suspect"]) == [False, True]


def test_engines_and_times_come_from_the_record(make_phase_map, square):
    phase_map = make_phase_map(square[0], frame_interval_s=30, **OPTICS)
    phase_map = phase_map.replace(
        history=(Step("retrieve", "fourier"), Step("segment", "watershed"))
    )
    table = measure_frame(*map(np.array, square), phase_map, 4, MeasurementParameters())
    row = table.loc[0]
    assert (row["phase_engine"], row["segmentation_engine"]) == ("fourier", "watershed")
    assert (row["frame"], row["time_s"]) == (4, 120)
    assert not row["edited_by_hand"]


def test_every_column_has_a_unit_entry_and_parameters_are_kept(make_phase_map, square):
    phase_map = make_phase_map(square[0], medium_index=1.33, **OPTICS)
    table = measure(phase_map, square[1], texture="all", n_cell=1.38, alpha_ml_g=0.2)
    assert set(table.columns) <= set(COLUMNS)
    units = column_units(table)
    assert units["dry_mass_pg"] == "pg"
    assert units["area_um2"] == "um^2"
    assert units["label"] == ""
    assert table.attrs["parameters"]["alpha_ml_g"] == 0.2
    assert table.attrs["units"] == units


def test_labels_that_are_none_are_refused(make_phase_map, square):
    phase_map = make_phase_map(square[0], **OPTICS)
    with pytest.raises(LayoutError, match="do not fit the phase of 'field 1'"):
        measure(phase_map, square[1][:10])
    with pytest.raises(LayoutError, match="whole numbers"):
        measure(phase_map, square[1].astype(float))
    with pytest.raises(LayoutError, match="negative"):
        measure(phase_map, -square[1])


def test_every_parameter_explains_itself():
    for field in MeasurementParameters.model_fields.values():
        assert field.title
        assert field.description


@pytest.mark.parametrize(
    ("covered", "reference", "expected"),
    [(0.5, False, False), (0.9, False, True), (0.9, True, False)],
)
def test_mass_without_empty_field_or_reference_is_relative(
    covered, reference, expected
):
    phase = np.ones((20, 20), np.float32)
    labels = (np.arange(400) < 400 * covered).reshape(20, 20).astype(np.int32)
    acquisition = Acquisition.from_array(
        phase,
        "phase",
        wavelength_nm=532,
        pixel_size_um=0.2,
        phase_unit="rad",
        reference=np.zeros((1, 20, 20)) if reference else None,
    )
    phase_map = PhaseMap(phase=phase[None], acquisition=acquisition)
    table = measure_frame(phase, labels, phase_map, 0, MeasurementParameters())
    assert list(table["dry_mass_is_relative"]) == [expected]


def test_what_the_retrieval_knew_of_the_background_counts():
    phase = np.ones((20, 20), np.float32)
    labels = np.zeros((20, 20), np.int32)
    labels[5:10, 5:10] = 1
    facts = {"wavelength_nm": 532, "pixel_size_um": 0.2, "phase_unit": "rad"}
    phase_map = PhaseMap(
        phase=phase[None],
        acquisition=Acquisition.from_array(phase, "phase", **facts),
        frame_notes=({"dry_mass_is_relative": True},),
    )
    assert list(measure(phase_map, labels)["dry_mass_is_relative"]) == [True]
