"For `from siamese_verify.all import *`: everything public here, and `fastai.vision.all`"
import warnings as _warnings

with _warnings.catch_warnings():
    _warnings.filterwarnings('ignore', '`torch.jit.script` is deprecated', FutureWarning)    # fastai's, at its import
    from fastai.vision.all import *
from siamese_verify.data import *
from siamese_verify.files import *
from siamese_verify.pixels import *
from siamese_verify.progress import *
from siamese_verify.datasets import *
from siamese_verify.pairs import *
from siamese_verify.store import *
from siamese_verify.loaders import *
from siamese_verify.ranks import *
from siamese_verify.memory import *
from siamese_verify.model import *
from siamese_verify.embedding import *
from siamese_verify.whitening import *
from siamese_verify.threshold import *
from siamese_verify.intervals import *
from siamese_verify.calibration import *
from siamese_verify.curves import *
from siamese_verify.worst import *
from siamese_verify.losses import *
from siamese_verify.training import *
from siamese_verify.heads import *
from siamese_verify.checkpoints import *
from siamese_verify.plan import *
from siamese_verify.evaluation import *
from siamese_verify.audit import *
from siamese_verify.report import *
from siamese_verify.verifier import *
from siamese_verify.gallery import *
from siamese_verify.shipping import *
from siamese_verify.onnx import *
from siamese_verify.shards import *
from siamese_verify.explain import *
from siamese_verify.web import *
from siamese_verify.serve import *
