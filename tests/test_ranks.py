"Two processes do what one does; a process that waits in vain fails the test"
import json, os, re, subprocess, sys
from pathlib import Path

import numpy as np, pytest
from PIL import Image

here = Path(__file__).parent

def run(*args, timeout):
    "Run a script or a module with Python, and give what it printed"
    env = {**os.environ, 'OMP_NUM_THREADS':'1'}
    res = subprocess.run([sys.executable, *map(str, args)], capture_output=True, text=True, timeout=timeout, env=env)
    assert res.returncode==0, res.stdout+res.stderr
    return res.stdout

@pytest.fixture(scope='module')
def path(tmp_path_factory):
    "Ten colours with noise, ten images each"
    path,rng = tmp_path_factory.mktemp('ranks'),np.random.default_rng(0)
    for c in range(10):
        colour = rng.integers(60, 196, 3)
        (path/'images'/str(c)).mkdir(parents=True)
        for k in range(10):
            noise = rng.integers(-60, 60, (16,16,3))
            Image.fromarray((colour+noise).astype(np.uint8)).save(path/'images'/str(c)/f'{k}.png')
    return path

@pytest.fixture(scope='module')
def found(path):
    "What each process found, of one or of several"
    run(here/'ranks.py', path, timeout=180)
    return lambda name: [json.loads((path/f'{name}.{k}.{n}.json').read_text()) for n in (1,2,4) for k in range(n)
                         if (path/f'{name}.{k}.{n}.json').exists()]

@pytest.mark.parametrize('name', ['threshold','distance','head','pairs','head_of_all','chunk'])
def test_training(found, name):
    "Two processes end with the weights, the embeddings, the log and the report of one"
    one,first,second = found(name)
    assert first==second
    for o in 'weights','embeddings','predictions': np.testing.assert_allclose(first[o], one[o], atol=1e-5)
    np.testing.assert_allclose(first['log'], one['log'], atol=1e-4)
    rows = [re.sub(r'\d+\.\d{3,}', lambda m: f'{float(m[0]):.3f}', o['report']) for o in (first,one)]
    assert rows[0]==rows[1]

def test_gradients(found):
    "All pairs of a batch, and the hardest of them, whoever has their images"
    one,*both = found('gradients')
    assert len(both)==6    # of two, of four
    for o in both:
        for name in one:
            assert abs(o[name]['loss']-one[name]['loss'])<1e-5
            np.testing.assert_allclose(o[name]['grad'], one[name]['grad'], atol=1e-5)

def test_counts(found):
    "Whole numbers, the same to the last one"
    one,first,second = found('counts')
    assert one==first==second

def test_each_image_once(found):
    "The processes share the order of one, and no image comes twice"
    one,first,second = found('share_of_epochs')
    for split in '0','1':
        order,classes = one[split]
        assert first[split][0]==second[split][0]==order and {*order}=={*range(max(order)+1)}
        both = [c for k in range(0, len(order), 8) for o in (first,second) for c in o[split][1][k//2:k//2+4]]
        assert both[:len(order)]==classes

def test_resumed(found):
    "Augmentation draws other numbers in each process, and the same ones after an interruption"
    one,first,second = found('resumed')
    for o in one,first: assert o['epoch']==2 and o['again']==o['whole']
    assert first==second

def test_augmented(found):
    first,second = found('augmented')
    assert np.abs(np.subtract(first['x'], second['x'])).max()>.01

@pytest.mark.parametrize('name,message', [('random_splits','process 1 has other splits or pairs than process 0'),
                                          ('odd_batch','a batch of 9 cannot be shared by 2 processes')])
def test_refused(found, name, message):
    for o in found(name): assert message in o['error']

def test_once(found):
    for o in found('fails_once'): assert o==dict(error='only in process 0', told=[0,1], alone=0)

def test_store(found):
    "One process of a machine reads the files"
    one,first,second = found('stores')
    assert one['read']==first['read']==100 and second['read']==0 and one['sum']==first['sum']==second['sum']

def test_command(path):
    "`torchrun` with the command, which writes once and prints once"
    args = 'train', path/'images', '--arch=small', f'--out={path}/out', '--size=16', '--bs=16', '--epochs=2', '--folds=0'
    printed = run('-m', 'torch.distributed.run', '--standalone', '--nproc-per-node=2', '-m', 'siamese_verify', *args, timeout=110)
    assert len(re.findall('^  train: ', printed, re.M))==1 and printed.count('model.pkl')==1
    assert {'model.pkl','results.csv','pairs.png'} <= {o.name for o in (path/'out').iterdir()}

def test_from_a_notebook():
    "accelerate's launcher has made the group of processes already"
    code = """
from accelerate import debug_launcher
from siamese_verify.ranks import *
def work(): print(f'({my_rank()} {of_each(start_ranks())})', flush=True)    # one piece: two processes share a line
debug_launcher(work, num_processes=2)"""
    printed = run('-c', code, timeout=110)
    for k in 0,1: assert f'(({k}, 2) [(0, 2), (1, 2)])' in printed
