from . import depth_study as depth_study
from . import feature_sets as feature_sets
from . import model_evaluation as model_evaluation
from . import permutation_study as permutation_study
from . import run_artifacts as run_artifacts
from . import shift_study as shift_study
from .decorator import recipe as recipe
from .recipe_run import Run as Run
