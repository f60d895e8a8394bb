from . import charts as charts
from . import figures as figures
from . import page as page
from . import run_comparison as run_comparison
from .run_report import save as save
from .run_report import write as write
