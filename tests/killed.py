"What `killed.py WHAT FOLDER` does twenty times: kill a process at a random moment, and see that nothing which was finished is lost"
import faulthandler, os, random, re, signal, sys, time
from functools import partialmethod
from itertools import count as numbers
from pathlib import Path
from unittest import mock

import numpy as np, torch
from fastai.vision.all import aug_transforms, load_learner, set_seed

from siamese_verify import commands, onnx
from siamese_verify.checkpoints import *
from siamese_verify.data import *
from siamese_verify.datasets import *
from siamese_verify.files import *
from siamese_verify.gallery import *
from siamese_verify.intervals import *
from siamese_verify.loaders import *
from siamese_verify.model import *
from siamese_verify.report import *
from siamese_verify.shards import *
from siamese_verify.shipping import *
from siamese_verify.store import *
from siamese_verify.training import *
from siamese_verify.verifier import *

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
    "All pairs of 8000 embeddings, each block noted"
    g = torch.Generator().manual_seed(0)
    y = torch.arange(8000)%200
    e = torch.randn(200, 16, generator=g)[y]+torch.randn(8000, 16, generator=g)
    write = CountNotes.write
    def at_once(self, *args):
        self.seconds = -1
        write(self, *args)
    with mock.patch.object(CountNotes, 'write', at_once): o = count_pairs(e, y, bins=512, file=file)
    return [*map(torch.as_tensor, (o.fm, o.fnm, o.curve.fm))]

def embed(folder):
    "The pictures in pieces of ten, by an encoder of random weights"
    return [torch.from_numpy(learner().verifier().embed_shards(images.files, folder, size=10, bs=2).array())]

def fill(folder):
    "A store of all digits, 32 at a time"
    with mock.patch.object(ImageStore, '_fill', partialmethod(ImageStore._fill, n=32)):
        return [ImageStore(Digits().files, 16, path=folder, n_workers=1).to('cpu').data.clone()]    # which compares checksums

def learner():
    set_seed(1)
    return siamese_learner(images.dls(bs=32, store=store), create_siamese_model(small_encoder(n_out=8), 'distance'))

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

def going_on(work, path, n=20):
    "Kill it, start it again, and compare the end with that of one that was left alone"
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
            elif not file.exists(): seconds *= 1.2    # the machine is busy: nothing was finished yet
        for a,b in zip(torch.load(out), torch.load(path/'whole.pth'), strict=True): assert torch.equal(a, b)
    print(kills, 'kills,', went_on, 'times it went on')
    assert went_on>5

# What is saved again and again: how version k is saved, and which one is there, whole

class Saved:
    "A learner, its verifier, a gallery and a report"
    def __init__(self, path):
        self.path,self.learn = path,learner()
        self.learn.path = path
        self.v = self.learn.verifier()
        self.v.save(path/'model')

    def number(self, model, k): next(model.parameters()).data.fill_(k)

class VerifierSaved(Saved):
    def save(self, k):
        self.number(self.v.encoder, k)
        self.v.threshold = float(k)
        self.v.strangers = np.full((4,8), k),np.arange(4)
        self.v.save(self.path/'v', replace=True)
    def there(self):
        v = Verifier.load(self.path/'v')
        assert next(v.encoder.parameters()).eq(v.threshold).all() and (v.strangers[0]==v.threshold).all()
        return v.threshold

class GraphAdded(Saved):
    "A graph beside new weights; after each kill somebody answers, with them or with the graph that was there"
    def __init__(self, path):
        super().__init__(path)
        self.image = np.random.default_rng(0).integers(0, 256, (20,20,3), np.uint8)
        onnx.add_onnx(self.path/'model')
        self.graph = (self.path/'model/model.onnx').read_bytes()
    def save(self, k):
        "A graph of another name each time, as another version of PyTorch writes another one"
        def export(v, file):
            write_beside(file, self.graph+b'\x62\x08%08d' % k)    # a field that nobody knows
            return file
        with mock.patch.object(Verifier, 'export_onnx', export): onnx.add_onnx(self.path/'model')
    def there(self):
        v = onnx.load_verifier(self.path/'model')
        np.testing.assert_allclose(v.embed([self.image]), self.v.embed([self.image]), atol=1e-4)
        return int((self.path/'model/model.onnx').read_bytes()[-8:])

class LearnerExported(Saved):
    def save(self, k):
        self.number(self.learn.model, k)
        self.learn.model.threshold = k
        self.learn.export('m.pkl')
    def there(self): return self.k_of(load_learner(self.path/'m.pkl').model)
    def k_of(self, model):
        assert next(model.parameters()).eq(model.threshold).all()
        return model.threshold

class LearnerSaved(LearnerExported):
    def save(self, k):
        self.number(self.learn.model, k)
        self.learn.model.threshold = k
        self.learn.save('m')
    def there(self): return self.k_of(self.learn.load('m').model)

class Enrolled(Saved):
    "By the command, one image more each time"
    def save(self, k):
        (self.path/'new.csv').write_text(f'file,name\n{images.files[k]},{k}\n')
        with mock.patch('builtins.print'): commands.enroll(self.path/'model', self.path/'people.safetensors', self.path/'new.csv')
    def there(self):
        names = Gallery.load(self.path/'people.safetensors', Verifier.load(self.path/'model')).names
        assert names==[str(k) for k in range(1, len(names)+1)]
        return len(names)

class Reported(Saved):
    def __init__(self, path):
        super().__init__(path)
        self.report = Report(self.learn)
    def save(self, k):
        self.report.notes = [f'version {k}.']
        self.report.write(self.path/'report.html')
    def there(self):
        html = (self.path/'report.html').read_text('utf-8')
        assert html.rstrip().endswith('</html>')
        return int(re.search(r'version (\d+)\.', html)[1])

def again_and_again(make, path, n=20):
    "Save one version after the other, be killed, and look: there's the last one that was finished, or the next one"
    rng,o = random.Random(0),make(path)
    o.save(1)
    begin = time.monotonic()
    o.save(last := 2)
    seconds,saved = time.monotonic()-begin,0
    for _ in range(n):
        told = killed(o, last, rng.uniform(.5, 4)*seconds)
        found = o.there()
        assert found in (told, told+1), f'{told} were finished, and {found} is there'
        if found==last: seconds *= 1.5    # the machine is busy
        saved,last = saved+found-last,int(found)
    o.save(last+1)
    assert o.there()==last+1
    print(n, 'kills,', saved, 'versions')
    assert saved>5 and not [*path.rglob('.*@*'), *path.rglob('.*next')]    # nothing is left of the dead

def killed(o, last, seconds):
    "The last version that a process has told of, before it was killed"
    read,write = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            for k in numbers(last+1):
                o.save(k)
                os.write(write, b'%d ' % k)
        finally: os._exit(1)
    os.close(write)
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    with os.fdopen(read, 'rb') as f: told = f.read().split()
    return int(told[-1]) if told else last

goes_on = dict(train=train, count=count, embed=embed, fill=fill)
saves = dict(verifier=VerifierSaved, graph=GraphAdded, export=LearnerExported, save=LearnerSaved, enroll=Enrolled, report=Reported)

if __name__=='__main__':
    what,path = sys.argv[1],Path(sys.argv[2])
    if what in goes_on: going_on(goes_on[what], path)
    else: again_and_again(saves[what], path)
