"For `from siamese_verify.all import *`: everything public here, and `fastai.vision.all`"
from fastai.vision.all import *
from siamese_verify.data import *
from siamese_verify.datasets import *
from siamese_verify.pairs import *
from siamese_verify.store import *
from siamese_verify.loaders import *
from siamese_verify.ranks import *
from siamese_verify.model import *
from siamese_verify.embedding import *
from siamese_verify.threshold import *
from siamese_verify.intervals import *
from siamese_verify.calibration import *
from siamese_verify.curves import *
from siamese_verify.losses import *
from siamese_verify.training import *
from siamese_verify.evaluation import *
from siamese_verify.audit import *
