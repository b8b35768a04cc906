"What `killed.py WHAT FOLDER` does twenty times: kill a process at a random moment, start it again, and compare the end with that of one that was left alone"
import faulthandler, os, random, signal, sys, time
from pathlib import Path
from unittest import mock

import torch
from fastai.vision.all import aug_transforms, set_seed

from siamese_verify.checkpoints import *
from siamese_verify.data import *
from siamese_verify.datasets import *
from siamese_verify.intervals import *
from siamese_verify.loaders import *
from siamese_verify.model import *
from siamese_verify.shards import *
from siamese_verify.shipping import *
from siamese_verify.store import *
from siamese_verify.training import *

torch.set_num_threads(1)
faulthandler.dump_traceback_later(240, exit=True)    # says where it hangs, if it does
images = Digits(ClassSplitter(.3))
images = images.subset(range(0, len(images), 10))
store = images.store(16)

def train(file):
    "Some epochs, from the last one in the file on"
    set_seed(1)
    dls = images.dls(bs=32, store=store, after_batch=aug_transforms(do_flip=False), seed=2)
    learn = siamese_learner(dls, create_siamese_model(small_encoder(n_out=8, n_layers=2), 'threshold'))
    with learn.no_bar(), learn.no_logging(): learn.fit_one_cycle(5, 1e-2, cbs=Checkpoint(file))
    return [o.nan_to_num() for o in learn.model.state_dict().values()]

def count(file):
    "All pairs of 4000 embeddings, each block noted"
    g = torch.Generator().manual_seed(0)
    y = torch.arange(4000)%200
    e = torch.randn(200, 16, generator=g)[y]+torch.randn(4000, 16, generator=g)
    write = CountNotes.write
    def at_once(self, *args):
        self.seconds = -1
        write(self, *args)
    with mock.patch.object(CountNotes, 'write', at_once): o = count_pairs(e, y, bins=512, file=file)
    return [*map(torch.as_tensor, (o.fm, o.fnm, o.curve.fm))]

def embed(folder):
    "The pictures in pieces of ten, by an encoder of random weights"
    set_seed(1)
    learn = siamese_learner(images.dls(bs=32, store=store), create_siamese_model(small_encoder(n_out=8), 'distance'))
    return [torch.from_numpy(learn.verifier().embed_shards(images.files, folder, size=10, bs=2).array())]

def start(work, file, out):
    "A process that imports nothing anew"
    pid = os.fork()
    if pid: return pid
    try:
        res = work(file)
        write_whole(out, lambda tmp: torch.save(res, tmp))
        os._exit(0)
    finally: os._exit(1)    # and with the traceback of an error

def wait(pid, seconds=None):
    "Wait for the end of a process, or kill it after some seconds: was it killed?"
    end = time.monotonic()+(seconds or 300)
    while time.monotonic()<end:
        done,status = os.waitpid(pid, os.WNOHANG)
        if done:
            assert status==0, f'it ended with {status}'
            return False
        time.sleep(.002)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert seconds, 'it takes too long'
    return True

def main(work, path, n=20):
    begin,rng,kills,went_on,nth = time.monotonic(),random.Random(0),0,0,0
    wait(start(work, path/'whole', path/'whole.pth'))
    seconds = time.monotonic()-begin
    while kills<n:
        nth += 1
        file,out = path/f'{nth}',path/f'{nth}.pth'
        while not out.exists():
            went_on += file.exists()
            begin = time.monotonic()
            killed = wait(start(work, file, out), rng.uniform(.1, .8)*seconds if kills<n else None)
            kills += killed
            if not killed: seconds = min(seconds, time.monotonic()-begin)    # the first one was slow
        for a,b in zip(torch.load(out), torch.load(path/'whole.pth'), strict=True): assert torch.equal(a, b)
    print(kills, 'kills,', went_on, 'times it went on')
    assert went_on>5

if __name__=='__main__': main(dict(train=train, count=count, embed=embed)[sys.argv[1]], Path(sys.argv[2]))
