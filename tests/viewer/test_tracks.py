"""Linked cells as napari tracks, on a recording of two cells that grow."""

import numpy as np
from tests.viewer.conftest import make_recording, show_recording

from napari_qpm.viewer.fields import METADATA_KEY, Role, field_of
from napari_qpm.viewer.settings import StepName
from napari_qpm.viewer.workflow import Scope

N_FRAMES = 6


def run(workflow, viewer, mailbox, n_frames=N_FRAMES):
    show_recording(viewer, make_recording(n_frames))
    workflow.run_all()
    mailbox.follow(workflow)


def test_a_time_lapse_gets_tracks_with_growth(workflow, viewer, mailbox):
    run(workflow, viewer, mailbox)

    table = workflow.field.table
    assert sorted(table["track_id"].unique()) == [1, 2]
    # The simulated cells gain 10 % of their mass a minute.
    assert (table["growth_pg_h"] > 0).all()
    tracks = viewer.layers["dish tracks"]
    assert tracks.data.shape == (2 * N_FRAMES, 4)
    assert tuple(tracks.scale) == tuple(viewer.layers["dish cells"].scale)
    units = [str(unit) for unit in tracks.units]
    assert units == ["second", "micrometer", "micrometer"]
    assert {"Dry mass (pg)", "Growth (pg/h)"} <= set(tracks.properties_to_color_by)
    assert field_of(tracks) is workflow.field
    assert tracks.metadata[METADATA_KEY]["linking"]["mass"] == "dry_mass_pg"


def test_the_cells_stay_selected_for_editing(workflow, viewer, mailbox):
    run(workflow, viewer, mailbox)

    assert viewer.layers.selection.active.name == "dish cells"


def test_a_single_frame_has_no_tracks(workflow, viewer, mailbox):
    run(workflow, viewer, mailbox, n_frames=1)

    assert "track_id" not in workflow.field.table
    assert workflow.field.layer(Role.TRACKS) is None


def test_a_quick_look_follows_no_cells(workflow, viewer, mailbox):
    show_recording(viewer, make_recording())
    workflow.run_all(Scope.CURRENT)
    mailbox.follow(workflow)

    assert "track_id" not in workflow.field.table


def test_measuring_again_replaces_the_tracks_in_their_layer(workflow, viewer, mailbox):
    run(workflow, viewer, mailbox)
    tracks = viewer.layers["dish tracks"]
    tracks.color_by = "Dry mass (pg)"
    cells = viewer.layers["dish cells"]
    gone = np.nonzero(np.asarray(cells.data[5]) == 2)
    cells.data_setitem((np.full_like(gone[0], 5), *gone), 0)

    workflow.run(StepName.MEASURE)
    mailbox.follow(workflow)

    assert viewer.layers["dish tracks"] is tracks
    assert len(tracks.data) == 2 * N_FRAMES - 1
    assert tracks.color_by == "Dry mass (pg)"
    assert len([one for one in viewer.layers if "tracks" in one.name]) == 1


def test_deleted_tracks_come_back_with_the_next_measurement(workflow, viewer, mailbox):
    run(workflow, viewer, mailbox)
    viewer.layers.remove("dish tracks")
    assert workflow.field.layer(Role.TRACKS) is None

    workflow.run(StepName.MEASURE)
    mailbox.follow(workflow)

    assert "dish tracks" in viewer.layers


def test_values_that_are_missing_do_not_blank_the_colours(workflow, viewer, mailbox):
    run(workflow, viewer, mailbox)

    # The first point of each track has no speed.
    assert workflow.field.table["speed_um_min"].isna().sum() == 2
    tracks = viewer.layers["dish tracks"]
    tracks.color_by = "Speed (µm/min)"
    assert np.isfinite(tracks.track_colors).all()


def test_tracks_and_cells_share_the_colours_of_their_numbers(workflow, viewer, mailbox):
    run(workflow, viewer, mailbox)

    tracks = viewer.layers["dish tracks"]
    cells = viewer.layers["dish cells"]
    np.testing.assert_allclose(
        tracks.track_colors, cells.colormap.map(tracks.data[:, 0].astype(int))
    )


def test_new_limits_of_following_reach_the_table(workflow, viewer, mailbox):
    workflow.settings.set_link_values({"max_gap": 5, "divisions": True})
    run(workflow, viewer, mailbox)

    assert workflow.pipeline().link == {"max_gap": 5}
    used = workflow.field.table.attrs["linking"]["parameters"]
    assert used["max_gap"] == 5
