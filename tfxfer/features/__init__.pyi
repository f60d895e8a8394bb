from . import activation_cache as activation_cache
from . import bank as bank
from . import frozen_prefix as frozen_prefix
from . import inference as inference
from .bank import Bank as Bank
from .extraction import Extractor as Extractor
from .extraction import extract as extract
