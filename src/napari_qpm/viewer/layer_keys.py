"""Keys that start the steps, bound on the layers of the selected recording; Qt-free."""

import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from napari_qpm.viewer.fields import Role
from napari_qpm.viewer.results import present
from napari_qpm.viewer.shortcuts import SHORTCUTS, Act

if TYPE_CHECKING:
    from napari_qpm.viewer.workflow import Workflow

__all__ = ["LayerKeys"]

OURS = (Role.RECORDING, Role.PHASE, Role.CELLS, Role.NO_CELLS)


class LayerKeys:
    """Binds keys on recording, phase and cells, and takes them back when closed.

    A recording's layer that the user or another plugin made is left as it is, and so is
    a key that the user bound on a layer.

    Parameters
    ----------
    workflow
        The view-model of the dock.
    acts
        What each key calls.
    """

    def __init__(self, workflow: "Workflow", acts: Mapping[Act, Callable[[], object]]):
        self._workflow, self._acts = workflow, dict(acts)
        self._bound: weakref.WeakKeyDictionary[Any, list[str]] = (
            weakref.WeakKeyDictionary()
        )
        workflow.changed.connect(self._on_workflow)
        self._on_workflow()

    def close(self) -> None:
        """Give the keys back."""
        self._workflow.changed.disconnect(self._on_workflow)
        for layer, keys in list(self._bound.items()):
            for key in keys:
                layer.bind_key(key, None)
        self._bound.clear()
        self._acts.clear()

    def _on_workflow(self) -> None:
        field = self._workflow.field
        if field is None:
            return
        for role in OURS:
            layer = present(self._workflow.viewer, field, role)
            is_theirs = role is Role.RECORDING and field.is_adopted
            if layer is not None and not is_theirs and layer not in self._bound:
                self._bound[layer] = self._bind(layer)

    def _bind(self, layer: Any) -> list[str]:
        bound = []
        for act, call in self._acts.items():
            key = SHORTCUTS[act].key
            try:
                layer.bind_key(key, _key_function(act, call))
            except ValueError:
                # The user bound it; theirs stays.
                continue
            bound.append(key)
        return bound


def _key_function(act: Act, call: Callable[[], object]) -> Callable[[Any], None]:
    """Return a function for a key; napari passes the layer and asks for a name."""

    def press(layer: Any) -> None:
        call()

    press.__name__ = f"qpm_{act.value}"
    return press
