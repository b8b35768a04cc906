"""Training with our loss and with pytorch-metric-learning's, on unseen classes of several sets, over seeds.

    python benchmarks/train.py glyphs
    python benchmarks/train.py digits
    python benchmarks/train.py spots
    python benchmarks/train.py pets --path FOLDER_OF_PHOTOGRAPHS
    python benchmarks/train.py omniglot --path FOLDER_OF_ALPHABETS

The same encoder (EfficientNet-Lite0), the same batches of 64 images (4 of each class, more if there are few classes), the
same augmentation, optimiser and schedule for each way; half of the classes train, all pairs of the other half are reported
on. Each way takes the best of three learning rates on a split of its own (seed 100), which the table doesn't report. Behind
each encoder, the best head in closed form is fitted to the classes that trained it. `--ways 'SupConLoss, own loop'` is
pytorch-metric-learning's trainer, with its sampler. Writes a row for each set, seed, way and head to
benchmarks/results/train.csv, which the page *Training, measured* shows; `--out train_own.csv` is for the loop of its own,
`--out train_slow.csv` for other learning rates, and `--out train_proxies.csv` for losses with proxies.

    python benchmarks/train.py glyphs --tried --lr 1e-3

measures the default with one thing changed, on the split that chooses, and writes to benchmarks/results/train_tried.csv.
"""
from fastcore.script import call_parse
from heads import closed, images_of
from protocol import NoValidation, keep, machine
from siamese_verify.all import *

results = Path(__file__).resolve().parent/'results'
sizes = dict(glyphs=48, digits=48, spots=64, pets=80, omniglot=48)
peers = {'SupConLoss':None, 'MultiSimilarityLoss':'MultiSimilarityMiner', 'ContrastiveLoss':None,
         'ProxyAnchorLoss':None, 'SubCenterArcFaceLoss':None}
rates = 1e-4,3e-4,1e-3
own = ', own loop'

class BesideSupCon(AllPairsLoss):
    "All pairs, and SupCon on the same batch"
    def __init__(self):
        super().__init__(PairCrossEntropy(), hard=3)
        self.supcon = MetricLoss('SupConLoss').loss
    def batch(self, e, y): return super().batch(e, y) + self.supcon(e.as_subclass(Tensor), y)

def with_scale(scale): return lambda: ThresholdSiamese(create_encoder(efficientnet_lite0, concat_pool=False), scale=scale)

def sigmoid(): return AllPairsLoss(PairCrossEntropy(), balance=False)

def remembering():
    "All pairs of a batch and of the 1024 embeddings before it"
    from pytorch_metric_learning.losses import CrossBatchMemory, ContrastiveLoss
    return MetricLoss(CrossBatchMemory(ContrastiveLoss(), 1280, 1024))

class Average(Callback):
    "In the end, weights are the mean of those after each step of the last third"
    def before_fit(self): self.mean,self.n = None,0
    def after_batch(self):
        if not self.training or self.learn.pct_train<2/3: return
        now,self.n = self.model.state_dict(),self.n+1
        if self.mean is None: self.mean = {k:o.clone() for k,o in now.items()}
        else: self.mean = {k:torch.lerp(o, now[k], 1/self.n) if o.is_floating_point() else now[k] for k,o in self.mean.items()}
    def after_fit(self): self.model.load_state_dict(self.mean)

def whitened(learn, shrink):
    "The head comes first, and training goes through it"
    images = learn.images_of()
    e = embed(learn.model.encoder, learn.dls.image_dl('train'))
    learn.model.use_head(ClassScatter(e, images.y[images.splits['train']]).whiten(shrink))

changes = {'default':{}, 'SupCon beside':dict(loss_func=BesideSupCon),
           'hard=10':dict(hard=10), 'hard=None':dict(hard=None), 'scale 4':dict(arch=with_scale(4.)),
           'pairwise sigmoid':dict(arch=with_scale(5.), loss_func=sigmoid), 'memory of 1024':dict(loss_func=remembering, kind='distance'),
           'batches of 128':dict(bs=128), 'mean of the last third':dict(cbs=Average),
           'lower half at a tenth':dict(rates=(.1,1)), 'lower half frozen':dict(rates=(0,1)), 'a third of the rate':dict(rates=(1/3,1/3)),
           'weights half way back':dict(back=.5), 'centred first':dict(shrink=1.), 'whitened first (.9)':dict(shrink=.9), 'whitened first (.6)':dict(shrink=.6)}

def by_half(model):
    "Parameters of the lower half of the encoder, of the upper one, and the others"
    encoder,*others = siamese_splitter(model)
    return [encoder[:len(encoder)//2], encoder[len(encoder)//2:], *others]

def changed(dls, way):
    "The default with one thing changed"
    o = changes[way]
    learn = siamese_learner(dls, o.get('arch', lambda: efficientnet_lite0)(), kind=o.get('kind', 'threshold'), hard=o.get('hard', 3),
                            loss_func=o.get('loss_func', noop)(), splitter=by_half if 'rates' in o else siamese_splitter)
    if 'shrink' in o: whitened(learn, o['shrink'])
    return learn

def halves(seed):
    "A splitter: half of the classes train, and half are reported on"
    def _inner(images):
        classes = np.random.default_rng(seed).permutation(np.unique(images.y))
        trains = np.isin(images.y, classes[:len(classes)//2])
        return dict(train=np.flatnonzero(trains), valid=np.flatnonzero(~trains))
    return _inner

def learner(images, store, way, seed, data):
    "A learner that trains one way"
    set_seed(seed)
    tfms = aug_transforms(do_flip=data=='pets', max_lighting=.2 if data in ('pets','spots') else 0, pad_mode='border')
    n,bs = len(np.unique(images.y[images.splits['train']])),changes.get(way, {}).get('bs', 64)
    dls = images.dls(bs=bs, per_class=max(4, bs//n), store=store, after_batch=tfms, seed=seed)
    if way in changes: return changed(dls, way)
    way = way.replace(own, '')
    loss = MetricLoss(way, peers[way]) if way in peers else None
    return siamese_learner(dls, efficientnet_lite0, kind='distance' if loss else 'threshold', loss_func=loss)

def train(learn, lr, budget, rates=None, back=0, cbs=(), **_):
    "Train with one cycle; the number of images that went through the encoder"
    train,encoder = learn.dls.train,learn.model.encoder
    epochs = max(1, round(budget/(len(train)*train.bs)))
    if rates: lr = [*(lr*o for o in rates), 100*lr]
    elif len(siamese_splitter(learn.model))>1: lr = slice(lr, 100*lr)    # the threshold may learn faster, and so may proxies
    start = {k:o.clone() for k,o in encoder.state_dict().items()}
    with learn.no_bar(), learn.no_logging(): learn.fit_one_cycle(epochs, lr, cbs=[NoValidation(), *L(cbs)])
    if back: encoder.load_state_dict({k:torch.lerp(o, start[k], back) if o.is_floating_point() else o for k,o in encoder.state_dict().items()})
    return epochs*len(train)*train.bs

def train_own(learn, lr, budget, **_):
    "Train the encoder as long in pytorch-metric-learning's loop, with the optimiser and the schedule that a learner has"
    from pytorch_metric_learning.samplers import MPerClassSampler
    from pytorch_metric_learning.trainers import MetricLossOnly
    dl,encoder,loss = learn.dls.train,learn.model.encoder,learn.loss_func
    items,steps = [dl.after_item(o) for o in dl.dataset],max(1, round(budget/(len(dl)*dl.bs)))*len(dl)
    opt = torch.optim.AdamW(encoder.parameters(), lr, weight_decay=.01, betas=(.95,.99), eps=1e-5)
    schedule = torch.optim.lr_scheduler.OneCycleLR(opt, lr, steps, pct_start=.25, div_factor=25, final_div_factor=1e5/25)
    def augmented(x): return encoder(dl.after_batch((TensorImage(x),))[0])
    MetricLossOnly(dict(trunk=_Called(augmented, encoder), embedder=nn.Identity()), dict(trunk_optimizer=opt), dl.bs, dict(metric_loss=loss.loss),
        [(x.as_subclass(Tensor), int(y)) for x,y in items], dict(tuple_miner=loss.miner) if loss.miner else {}, steps, dataloader_num_workers=0,
        sampler=MPerClassSampler([int(y) for _,y in items], dl.per_class, dl.bs, steps*dl.bs),
        lr_schedulers=dict(trunk_scheduler_by_iteration=schedule), freeze_trunk_batchnorm=True).train()
    return steps*dl.bs

class _Called(nn.Module):
    "A function of a batch as a module that has the weights of another one"
    def __init__(self, f, model):
        super().__init__()
        self.f,self.model = f,model
    def forward(self, x): return self.f(x)

def counted(learn, seed):
    "All pairs of the classes that didn't train, as trained and behind the best head"
    y = {o:learn.images_of().y[learn.images_of().splits[o]] for o in ('train','valid')}
    e = {o:embed(learn.model.encoder, learn.dls.image_dl(o)) for o in y}
    tried = try_heads(learn.model, e['train'], y['train'], closed, seed=seed)
    kept = compare_heads(tried)[1]['EER'].idxmin()
    x = e['valid'] if kept=='none' else closed[kept](ClassScatter(e['train'], y['train']))(e['valid'])
    return {head:(name,count_all(learn.model, o, y['valid'])) for head,name,o in (('none','none',e['valid']), ('auto',kept,x))}

def try_changes(data, eer, ways, lr, budget):
    "The equal error rate of each, on the split that chooses"
    found = {o:eer(o, lr) for o in ways}
    rows = [dict(data=data, change=o, lr=lr, budget=budget, EER=r.value, low=r.low, high=r.high, machine=machine()) for o,r in found.items()]
    keep(results/'train_tried.csv', rows, ['data','change','lr','budget'])

@call_parse
def main(
    data:str, # `glyphs`, `digits`, `spots`, `pets` or `omniglot`
    path:Path=None, # Folder of photographs named `breed_number.jpg`, or of folders of alphabets
    seeds:int=3, # Number of seeds
    budget:int=2500, # Images through the encoder, about
    most:int=1500, # Images of the set at most, about
    ways:str=None, # Some of the ways, with semicolons between; `ours` and all losses if not given
    lr:str=None, # Learning rates of these ways, with commas between; the best of three where there's nothing between them
    out:str='train.csv', # Table in benchmarks/results to write
    tried:bool=False, # Measure changes of the default instead, those in `ways` or all, at one learning rate
):
    "Train in each way on one set"
    keep_memory()
    images = images_of(data, path, most)
    store = images.store(sizes[data], method='squish')
    def run(way, seed, lr):
        learn = learner(LabeledImages(images.files, np.array(images.vocab)[images.y], halves(seed)), store, way, seed, data)
        learns = train_own if own in way else train if way!='none' else lambda *_, **__: 0
        return learns(learn, lr, budget, **changes.get(way, {})),counted(learn, seed)
    def eer(way, lr):
        found = run(way, 100, lr)[1]['none'][1].rates()['EER']
        print(way, lr, found, flush=True)
        return found
    if tried: return try_changes(data, eer, ways.split(';') if ways else changes, float(lr), budget)
    ways = ways.split(';') if ways else ['ours', *peers]
    given = lr.split(',') if lr else ['']*len(ways)
    chosen = {way:float(o) if o else min(rates, key=lambda lr: float(eer(way, lr))) for way,o in zip(ways, given, strict=True)}
    print(chosen, flush=True)
    for seed in range(seeds):
        found = {way:run(way, seed, chosen.get(way)) for way in ('none', *chosen)}
        rows = []
        for way,(n,counts) in found.items():
            for head,(kept,o) in counts.items():
                rate,c = o.rates()['EER'],compare_rates(found['ours'][1][head][1], o)['EER']
                rows.append(dict(data=data, seed=seed, way=way, head=head, kept=kept, encoded=n, lr=chosen.get(way), budget=budget,
                    EER=rate.value, low=rate.low, high=rate.high, ours_less=c.difference, ours_less_low=c.low, ours_less_high=c.high,
                    p=c.p, classes=len(o), machine=machine()))
        print(pd.DataFrame(rows)[['data','seed','way','head','kept','encoded','EER','p']].round(4).to_string(index=False, header=False), flush=True)
        keep(results/out, rows, ['data','budget','seed','way','head'])
