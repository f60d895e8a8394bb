from . import analysis as analysis
from . import data as data
from . import export as export
from . import features as features
from . import model as model
from . import report as report
from . import runs as runs
from . import train as train
from .runs.loading import latest as latest
from .runs.loading import load as load

__version__: str
