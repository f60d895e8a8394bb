from . import fine_tuning as fine_tuning
from . import optimizers as optimizers
from .fine_tuning import Sweep as Sweep
from .fine_tuning import fine_tune as fine_tune
from .fine_tuning import sweep as sweep
from .fitting import History as History
from .fitting import fit as fit
from .lr_range_test import find_learning_rate as find_learning_rate
