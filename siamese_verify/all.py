"For `from siamese_verify.all import *`: everything public here, and `fastai.vision.all`"
from fastai.vision.all import *
from siamese_verify.data import *
from siamese_verify.store import *
from siamese_verify.batches import *
from siamese_verify.model import *
from siamese_verify.embedding import *
from siamese_verify.threshold import *
from siamese_verify.losses import *
from siamese_verify.training import *
from siamese_verify.evaluation import *
