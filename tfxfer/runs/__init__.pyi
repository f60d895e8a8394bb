from . import command as command
from . import model_card as model_card
from . import resume as resume
from .loading import Loaded as Loaded
from .loading import latest as latest
from .loading import load as load
from .run import Run as Run
