"Counts and shards that are killed at any moment, and go on"
import multiprocessing, random, time
from unittest import mock

import numpy as np, pytest, torch

from siamese_verify.datasets import *
from siamese_verify.intervals import *
from siamese_verify.model import *
from siamese_verify.worst import *

torch.set_num_threads(1)
fork = multiprocessing.get_context('fork')    # imports once

def some(n=4000, classes=200, seed=0):
    g = torch.Generator().manual_seed(seed)
    y = torch.arange(n)%classes
    return torch.randn(classes, 16, generator=g)[y]+torch.randn(n, 16, generator=g),y

def count(file, out=None):
    "Count all pairs, noting each block; what came of it goes to another file"
    write = CountNotes.write
    def at_once(self, *args):
        self.seconds = -1
        write(self, *args)
    with mock.patch.object(CountNotes, 'write', at_once): o = count_pairs(*some(), file=file)
    if out: write_whole(out, lambda f: torch.save([o.fm, o.fnm, o.curve.fm, o.curve.first], f))

@pytest.mark.drill
def test_count_killed(tmp_path):
    "Twenty kills: the counts are the same to the last pair"
    start = time.time()
    count(tmp_path/'whole', tmp_path/'whole.pth')
    seconds,rng,kills,went_on = time.time()-start,random.Random(0),0,0
    while kills<20:
        file,out = tmp_path/f'{kills}',tmp_path/f'{kills}.pth'
        while not out.exists():
            went_on += file.exists()
            p = fork.Process(target=count, args=(file, out))
            p.start()
            p.join(rng.uniform(.2, .8)*seconds if kills<20 else None)
            if p.exitcode is None:
                p.kill()
                p.join()
                kills += 1
            else: assert p.exitcode==0
        assert not file.exists()
        for a,b in zip(*(torch.load(o, weights_only=False) for o in (out, tmp_path/'whole.pth'))): assert (a==b).all()
    assert went_on>5

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
    for kind,sign in (False,1), (True,-1):
        o = found[found.same==kind]
        np.testing.assert_allclose(o.distance, d[same==kind].sort(descending=kind).values[:20], rtol=1e-4)
        np.testing.assert_allclose(metric(e[o.left.values], e[o.right.values]), o.distance, rtol=1e-4)
        assert ((y[o.left.values]==y[o.right.values])==kind).all() and (o.left!=o.right).all()
