from . import charts as charts
from . import figures as figures
from . import page as page
from . import run_comparison as run_comparison
from .notebook_frame import Frame as Frame
from .notebook_frame import inline as inline
from .run_report import save as save
from .run_report import write as write
