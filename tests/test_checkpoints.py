"Work that is killed at any moment, and goes on"
import os, subprocess, sys, time
from pathlib import Path

import pytest, torch
from fastai.vision.all import Callback, aug_transforms, set_seed
from PIL import Image

from siamese_verify.checkpoints import *
from siamese_verify.datasets import *
from siamese_verify.data import *
from siamese_verify.model import *
from siamese_verify.store import *
from siamese_verify.loaders import *
from siamese_verify.training import *

@pytest.fixture(scope='module')
def digits():
    images = Digits(ClassSplitter(.3))
    images = images.subset(range(0, len(images), 10))
    return images,images.store(16)

def train(digits, file, epochs=1):
    images,store = digits
    set_seed(1)
    dls = images.dls(bs=32, store=store, after_batch=aug_transforms(do_flip=False), seed=2)
    learn = siamese_learner(dls, create_siamese_model(small_encoder(n_out=8, n_layers=2), 'threshold'))
    with learn.no_bar(), learn.no_logging(): learn.fit_one_cycle(epochs, 1e-2, cbs=Checkpoint(file))

@pytest.mark.drill
@pytest.mark.parametrize('what', ['train','count','embed','fill','verifier','graph','export','save','enroll','report'])
def test_killed(what, tmp_path):
    "Twenty kills each: what was finished is there, a new start goes on, and the end is the same"
    script = Path(__file__).with_name('killed.py')
    res = subprocess.run([sys.executable, '-W', 'ignore', script, what, tmp_path], capture_output=True, text=True,
                         env={**os.environ, 'OMP_NUM_THREADS':'1'}, timeout=300)
    assert res.returncode==0 and '20 kills' in res.stdout, res.stdout+res.stderr

def test_half_a_file(digits, tmp_path, monkeypatch):
    "A disk that is full while a checkpoint is written leaves the one before"
    file = tmp_path/'a.ckpt'
    train(digits, file)
    before = file.read_bytes()
    def full(state, f):
        f.write_bytes(b'half')
        raise OSError(28, 'No space left on device')
    monkeypatch.setattr(torch, 'save', full)
    with pytest.raises(OSError): train(digits, tmp_path/'b.ckpt')
    assert file.read_bytes()==before and os.listdir(tmp_path)==['a.ckpt']

def test_bar(digits, tmp_path, capsys):
    "The bar of a training that goes on begins in its middle, and that of one that is over has nothing to do"
    images,store = digits
    def learner():
        set_seed(1)
        return siamese_learner(images.dls(bs=32, store=store), create_siamese_model(small_encoder(n_out=8, n_layers=2), 'threshold'))
    class Stop(Callback):
        def after_step(self):
            if self.epoch==1: raise KeyboardInterrupt
    file = tmp_path/'a.ckpt'
    with pytest.raises(KeyboardInterrupt): learner().fit(2, 1e-2, cbs=[Checkpoint(file), Stop()])
    learn = learner()
    learn.fit(2, 1e-2, cbs=Checkpoint(file))
    assert len(learn.recorder.values)==2 and 'Epoch 2/2' in capsys.readouterr().out

def test_runs_nothing(tmp_path):
    "A pickle in disguise is not opened"
    class Evil:
        def __reduce__(self): return os.system, (f'touch {tmp_path}/harm',)
    torch.save(Evil(), tmp_path/'evil.ckpt')
    with pytest.raises(ValueError, match='cannot be read as a checkpoint'): read_checkpoint(tmp_path/'evil.ckpt')
    assert not (tmp_path/'harm').exists()

def command(path, out, *more, length='--epochs=5'):
    "The command, without a shell"
    args = 'train', 'colours', '--arch=small', '--size=16', length, '--bs=32', f'--out={out}', *more
    return subprocess.Popen([Path(sys.executable).parent/'siamese_verify', *args], cwd=path, stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, text=True, env={**os.environ, 'OMP_NUM_THREADS':'1'})

def colours(path):
    for hue in range(0, 240, 20):
        (path/'colours'/str(hue)).mkdir(parents=True)
        for k in range(5): Image.new('HSV', (20,20), (hue,255,255-20*k)).convert('RGB').save(path/'colours'/str(hue)/f'{k}.png')

def kill(process, file):
    "Kill a process as soon as there is a file"
    while not file.exists() and process.poll() is None: time.sleep(.01)
    process.kill()
    process.wait()

@pytest.mark.drill
def test_minutes(tmp_path):
    "A training that was interrupted keeps the epochs it had time for, whatever time there is now"
    colours(tmp_path)
    kill(command(tmp_path, 'a', length='--minutes=100'), tmp_path/'a'/'.0.ckpt')
    again = command(tmp_path, 'a', '--resume', length='--minutes=.00001')
    assert again.wait()==0, again.stderr.read()
    assert '--epochs 20 ' in (tmp_path/'a'/'report.html').read_text()
    none = command(tmp_path, 'b', length='--minutes=.00001')
    assert none.wait()==2 and 'give more, or more --minutes' in none.stderr.read()

@pytest.mark.drill
def test_command(tmp_path):
    "Killed, refused without --resume, gone on with: the same files, and no checkpoint left"
    colours(tmp_path)
    killed,whole = command(tmp_path, 'a'),command(tmp_path, 'b')
    kill(killed, tmp_path/'a'/'.0.ckpt')
    assert not (tmp_path/'a'/'model.pkl').exists()
    refused = command(tmp_path, 'a')
    assert refused.wait()==2 and 'a training was interrupted in a: go on with --resume' in refused.stderr.read()
    again = command(tmp_path, 'a', '--resume')
    assert again.wait()==whole.wait()==0, again.stderr.read()+whole.stderr.read()
    for name in 'results.csv','mistakes.csv','model.safetensors':
        assert (tmp_path/'a'/name).read_bytes()==(tmp_path/'b'/name).read_bytes()
    assert not [*(tmp_path/'a').glob('.*')]
