"The same seed gives the same pairs, splits, batches and weights, whatever else differs"
import hashlib, json, os, subprocess, sys
from pathlib import Path

import numpy as np, pytest
from PIL import Image

def digest(*arrays):
    res = hashlib.sha256()
    for o in arrays: res.update(np.ascontiguousarray(o))
    return res.hexdigest()[:12]

def main(path, workers, way):
    "What a seed makes of a folder, as digests"
    import torch
    from siamese_verify.all import ClassSplitter, LabeledImages, Pairs, Resize, aug_transforms, set_seed, siamese_learner, small_encoder
    torch.set_num_threads(1)
    if way: torch.multiprocessing.set_start_method(way)
    images = LabeledImages.from_folder(path, ClassSplitter(.2, .2, seed=3))
    pairs = Pairs(images, seed=5)
    res = dict(files=digest(*(list(os.fsencode(f.relative_to(path))) for f in images.files)), splits=digest(*images.splits.values()),
               pairs=digest(pairs.draw('train', 0), pairs.draw('train', 1), pairs['valid']))
    ways = dict(pairs=pairs.dls, classes=images.dls)
    if way=='spawn': del ways['classes']    # each worker imports everything again
    for name,dls in ways.items():
        set_seed(7)
        dls = dls(bs=8, after_item=Resize(16), num_workers=workers, device='cpu')
        batches = list(dls.train)
        res[f'{name}: batches'] = digest(*(x for b in batches for x in ([*b[0], b[1]] if isinstance(b[0], tuple) else b)))
        set_seed(7)
        learn = siamese_learner(dls.with_batch_tfms(*aug_transforms(do_flip=False)), small_encoder(n_out=8, n_layers=2), 'threshold')
        with learn.no_bar(), learn.no_logging(): learn.fit(1, 1e-2)
        res[f'{name}: weights'] = digest(*(p.detach() for p in learn.model.parameters()))
    print(json.dumps(res))

def folder(path, order):
    for c in order:
        (path/f'ä{c}').mkdir(parents=True)
        for k in order:
            shade = np.random.default_rng([c, k]).integers(0, 40, (16,16,3))+20*c
            Image.fromarray(shade.astype(np.uint8)).save(path/f'ä{c}'/f'{k}.png')

def run(path, workers=0, way='', cwd=None, **env):
    env = {**os.environ, 'OMP_NUM_THREADS':'1', 'PYTHONHASHSEED':'0', **env}
    res = subprocess.run([sys.executable, '-W', 'ignore', __file__, path, str(workers), way], capture_output=True, text=True, cwd=cwd, env=env)
    assert res.returncode==0, res.stderr
    return json.loads(res.stdout.splitlines()[-1])

@pytest.fixture(scope='module')
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp('same')
    folder(path/'a', range(10))
    folder(path/'b', range(9, -1, -1))
    return path

@pytest.fixture(scope='module')
def expected(path): return run(path/'a')

others = {'another hash seed':dict(PYTHONHASHSEED='12345'), 'another locale':dict(LC_ALL='C', PYTHONUTF8='0'), 'another folder':dict(cwd='/'),
          'two forked workers':dict(workers=2, way='fork'), 'two spawned workers':dict(workers=2, way='spawn')}

@pytest.mark.drill
@pytest.mark.parametrize('what', others)
def test_same(what, path, expected):
    found = run(path/'a', **others[what])
    assert found.items()<=expected.items() and 'pairs: weights' in found

@pytest.mark.drill
def test_order_of_the_directory(path, expected): assert run(path/'b')==expected

@pytest.mark.drill
def test_again(path, expected): assert run(path/'a')==expected

if __name__=='__main__': main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
