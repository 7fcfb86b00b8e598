"""Which pixels a network looks at, by Captum, over true positives and true negatives.

Paper: Methods 8c and Fig. 2 ("Attribution is applied to true positives and true negatives").
One line in `EXPLAINERS` is one method; `why_not` says why a method cannot explain a network.
"""

from deepmapper.attribution._contrast import Contrast
from deepmapper.attribution._explainers import EXPLAINERS
from deepmapper.attribution._grad_cam import grad_cam_cell, spatial_step
from deepmapper.attribution._maps import attribute
from deepmapper.attribution._perturbations import grid, occlusion_window
from deepmapper.attribution._refusals import why_not
from deepmapper.attribution._samples import GROUPS
from deepmapper.attribution._settings import Settings
from deepmapper.attribution._state import evaluated
from deepmapper.attribution._steps import forward_steps

__all__ = [
    "EXPLAINERS",
    "GROUPS",
    "Contrast",
    "Settings",
    "attribute",
    "evaluated",
    "forward_steps",
    "grad_cam_cell",
    "grid",
    "occlusion_window",
    "spatial_step",
    "why_not",
]
