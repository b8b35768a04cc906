"What the processes of `test_ranks.py` do; `ranks.py FOLDER` starts them, as `torchrun` would, but imports once for all"
import json, os, random, sys, time
from functools import partial
from pathlib import Path

import numpy as np, torch
import torch.distributed as dist
import torch.multiprocessing as mp
from fastai.vision.all import Callback, ConvLayer, Flatten, Resize, SGD, TensorImage, aug_transforms, set_seed
from torch import nn

from siamese_verify.data import *
from siamese_verify.intervals import *
from siamese_verify.loaders import *
from siamese_verify.losses import *
from siamese_verify.model import *
from siamese_verify.pairs import *
from siamese_verify.ranks import *
from siamese_verify.training import *
from siamese_verify.checkpoints import *
from siamese_verify.worst import *
from siamese_verify.evaluation import *

torch.set_num_threads(1)

def encoder():
    "Without batch normalisation, whose statistics are of the images of one process"
    return nn.Sequential(ConvLayer(3, 8, stride=2, norm_type=None), ConvLayer(8, 16, stride=2, norm_type=None),
                         nn.AdaptiveAvgPool2d(1), Flatten())

def learner(path, kind='threshold', by='classes', workers=0, aug=False, chunk=None, loss=None, bs=16, store=True, lr=.1):
    images = LabeledImages.from_folder(path/'images', ClassSplitter(.3, .2))
    store = shared_store(images, 16, path=path/'stores') if store else None
    kw = dict(bs=bs, store=store, after_item=None if store else Resize(16), num_workers=workers, device='cpu',
              after_batch=aug_transforms(size=16) if aug else None)
    dls = images.dls(per_class=4, **kw) if by=='classes' else Pairs(images).dls(**kw)
    set_seed(my_rank()[0])                 # the processes start with other weights, until the first one tells them
    model = create_siamese_model(encoder, kind, lin_ftrs=[8], ps=0.)
    if kind=='head': model.head = nn.Sequential(*[o for o in model.head if not isinstance(o, nn.BatchNorm1d)])
    return siamese_learner(dls, model, opt_func=SGD, lr=lr, loss_func=loss, chunk=chunk)

def weights(model): return torch.cat([p.detach().flatten() for p in model.parameters()]).tolist()

def training(path, **kwargs):
    "All figures of a training, an evaluation and a fit"
    learn = learner(path, **kwargs)
    with learn.no_bar(), learn.no_logging(): learn.fit(2)
    res = dict(weights=weights(learn.model), log=[list(o) for o in learn.recorder.values])
    res['embeddings'] = learn.embeddings('valid').flatten().tolist()
    res['report'] = repr(learn.report() if kwargs.get('kind')=='head' else learn.fit_threshold(fmr=.2))
    with learn.no_bar(): res['predictions'] = learn.get_preds()[0].flatten().tolist()
    learn.path = path
    res['draw'] = torch.rand(1).item()
    return res

def gradient(path, loss='threshold', hard=None):
    "The gradient of a batch of which each process has a part"
    kind,loss = dict(threshold=('threshold',PairCrossEntropy()), distance=('distance',ContrastiveLoss()), head=('head',PairCrossEntropy()))[loss]
    set_seed(0)
    model = create_siamese_model(encoder, kind, lin_ftrs=[8], ps=0.).eval()
    x,y = torch.rand(16, 3, 16, 16),torch.arange(16)//4
    k,n = my_rank()
    part = part_of(list(range(16)), k, n)
    ddp = nn.parallel.DistributedDataParallel(model) if n>1 else model
    loss = AllPairsLoss(loss, hard=hard)(join(ddp(x[part])), join(y[part]))
    loss.backward()
    return dict(loss=loss.item(), grad=torch.cat([p.grad.flatten() for p in model.parameters()]).tolist())

def gradients(path): return {f'{o} {hard}':gradient(path, o, hard) for o in ('threshold','distance','head') for hard in (None,2)}

def counts(path):
    "The counts of all pairs of some embeddings"
    e,y = torch.randn(1500, 8, generator=torch.Generator().manual_seed(0)),np.arange(1500)%50
    o = count_pairs(e, y, thresholds=[1.9])
    worst = worst_pairs(e, y, 20, block=50_000).round(5).values.tolist()
    return dict(worst=worst, rates=repr(o.rates(1.9)), eer=repr(o.curve.eer), fm=o.fm.tolist()[:5], ends=[o.curve.first[0].item(), o.curve.last[-1].item()])

def share_of_epochs(path):
    "Which images each process reads in an epoch, and the order in which all do"
    learn,res = learner(path, bs=8),{}
    for dl in learn.dls.train, learn.dls.valid:
        dl.looking,dl.part = True,my_rank()    # the order of the next pass
        idxs = dl.get_idxs()
        dl.looking = False
        res[len(res)] = [idxs, torch.cat([b[1] for b in dl]).tolist()]
    return res

def augmented(path):
    "A batch of augmented images, of which each process gets the same originals"
    learn = learner(path, aug=True)
    cb = learn.ranks if my_rank()[1]>1 else Ranks()
    cb.seed = 1
    cb.draw_as(my_rank()[0])
    with torch.no_grad(): return dict(x=learn.dls.train.after_batch((TensorImage(torch.ones(2,3,16,16).cumsum(-1)*16),))[0].flatten().tolist())

class PowerCut(Callback):
    "Stop when an epoch has been written"
    order = 90
    def after_epoch(self):
        if self.epoch==1: raise KeyboardInterrupt

def resumed(path):
    "A training of three epochs, and one that is interrupted after two of them"
    def trained(*cbs):
        learn = learner(path, aug=True)
        with learn.no_bar(), learn.no_logging(): learn.fit(3, cbs=cbs)
        return [*weights(learn.model), torch.rand(1).item()]
    file = path/f'resumed by {my_rank()[1]}.ckpt'
    whole = trained()
    try: trained(Checkpoint(file), PowerCut())
    except KeyboardInterrupt: return dict(whole=whole, again=trained(Checkpoint(file)), epoch=read_checkpoint(file)['epoch'])

def random_splits(path):
    "A splitter without a seed"
    images = LabeledImages.from_folder(path/'images')
    images = LabeledImages(images.files, np.array(images.vocab)[images.y], np.random.default_rng().permutation(100)[:30])
    learn = siamese_learner(images.dls(bs=8, after_item=Resize(16), num_workers=0, device='cpu'), create_siamese_model(encoder, 'distance'))
    try: learn.fit(1)
    except ValueError as e: return dict(error=str(e))

def odd_batch(path):
    learn = learner(path, bs=9)
    try: learn.fit(1)
    except ValueError as e: return dict(error=str(e))

def fails_once(path):
    "An error of the first process is one of all"
    def wrong(): raise ValueError(f'only in process {dist.get_rank()}')
    try: once(wrong)
    except ValueError as e: error = str(e)
    return dict(error=error, told=once(my_rank), alone=once(lambda: dist.get_rank()))

def stores(path):
    "How many images each process reads for a store"
    images = LabeledImages.from_folder(path/'images')
    store = shared_store(images, 12, path=path/f'stores of {my_rank()[1]}')
    return dict(read=len(store.read), sum=int(store.data.long().sum()))

trainings = dict(threshold={}, distance=dict(kind='distance', workers=2, store=False), head=dict(kind='head', by='pairs'),
                 pairs=dict(by='pairs'), head_of_all=dict(kind='head'), chunk=dict(chunk=2))

tasks = {1: [*trainings, 'gradients', 'counts', 'share_of_epochs', 'stores', 'resumed'], 4: ['gradients'],
         2: [*trainings, 'gradients', 'counts', 'share_of_epochs', 'stores', 'augmented', 'resumed', 'random_splits', 'odd_batch', 'fails_once']}

def work(k, n, port, path):
    "All tasks of process k of n, whose findings it writes to files"
    os.environ.update(RANK=str(k), LOCAL_RANK=str(k), WORLD_SIZE=str(n), MASTER_ADDR='localhost', MASTER_PORT=str(port))
    start_ranks()
    for name in tasks[n]:
        res = training(path, **trainings[name]) if name in trainings else globals()[name](path)
        (path/f'{name}.{k}.{n}.json').write_text(json.dumps(res))
    stop_ranks()

def run(n, path, seconds=60):
    "n processes, which are ended if one of them fails or they wait in vain"
    context = mp.start_processes(work, (n, random.randrange(20000, 40000), path), n, join=False, start_method='fork')
    end = time.monotonic()+seconds
    try:
        while not context.join(end-time.monotonic()):
            if time.monotonic()>end: raise TimeoutError(f'{n} processes are not done after {seconds} s')
    finally:
        for o in context.processes: o.kill()

if __name__=='__main__':
    for n in tasks: run(n, Path(sys.argv[1]))
