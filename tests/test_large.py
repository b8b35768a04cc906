"All pairs of many embeddings"
import numpy as np, pytest, torch

from siamese_verify.intervals import *
from siamese_verify.model import *
from siamese_verify.worst import *

def some(n=4000, classes=200, seed=0):
    g = torch.Generator().manual_seed(seed)
    y = torch.arange(n)%classes
    return torch.randn(classes, 16, generator=g)[y]+torch.randn(n, 16, generator=g),y

def test_count_damaged(tmp_path):
    (tmp_path/'cut').write_bytes(b'PK')
    with pytest.raises(ValueError, match='cannot be read: delete it to count anew'): count_pairs(*some(), file=tmp_path/'cut')

@pytest.mark.parametrize('metric', matrix_distances, ids=lambda o: o.__name__)
def test_worst(metric):
    "The same pairs as a list of all distances has"
    e,y = some(300, 30)
    i,j = pair_indices(300)
    d,same = metric(e[i], e[j]),y[i]==y[j]
    found = worst_pairs(e, y, 20, metric, block=5000)
    check_worst(found, metric, e, y, d, same)
    faiss = pytest.importorskip('faiss')
    exact,trained = faiss.IndexFlatL2(16),faiss.index_factory(16, 'IVF10,Flat')
    trained.nprobe = 10    # looks everywhere
    for index in exact,trained: check_worst(worst_pairs(e, y, 20, metric, index=index), metric, e, y, d, same)
    with pytest.raises(ValueError, match='the index has 300 embeddings already: give an empty one'): worst_pairs(e, y, 20, metric, index=exact)

def check_worst(found, metric, e, y, d, same):
    for kind,sign in (False,1), (True,-1):
        o = found[found.same==kind]
        np.testing.assert_allclose(o.distance, d[same==kind].sort(descending=kind).values[:20], rtol=1e-4)
        np.testing.assert_allclose(metric(e[o.left.tolist()], e[o.right.tolist()]), o.distance, rtol=1e-4)
        assert ((y[o.left.tolist()]==y[o.right.tolist()])==kind).all() and (o.left!=o.right).all()
