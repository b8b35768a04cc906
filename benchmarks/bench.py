"""Our ways and other people's, side by side: how long they take, and what comes out.

    make bench                                            # installs the peers, measures all rows
    python benchmarks/bench.py threshold pairs            # these rows
    python benchmarks/bench.py threshold --sizes 1e4,1e5
    python benchmarks/bench.py --quick                    # small sizes: does it run?

Writes benchmarks/results/bench.json, or bench_gpu.json where there is a GPU, which the page *Speed, measured* shows. A row is a class below. To add one, write its
docstring, `sizes`, `data`, and a method for each way, ours first. A method imports what it needs: it has its own process.
"""
import itertools, random, subprocess, sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from fastcore.foundation import L
from fastcore.script import CliError, call_parse
from harness import Row, keep, ours, peer, record, root, rows, way

def long_tail(n, n_classes, largest=.04, seed=42):
    "`n` labels, shuffled; the sizes of the classes follow Zipf's law, whose exponent makes them `n_classes`"
    k = np.arange(1, max(2, int(largest*n))+1)
    def _sizes(a): return np.searchsorted(np.cumsum(k**-a)/np.sum(k**-a), (np.arange(n_classes)+.5)/n_classes)+1
    lo,hi = 1.,20.
    for _ in range(60):
        mid = (lo+hi)/2
        lo,hi = (mid,hi) if _sizes(mid).sum()>n else (lo,mid)
    sizes = _sizes(hi)
    sizes[-1] += n-sizes.sum()
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(n_classes), sizes))

def pictures(folder, n, width, height, suffix, seed=42):
    "Write `n` smooth random pictures, and return their files"
    from PIL import Image
    rng = np.random.default_rng(seed)
    files = [str(folder/f'{k:05}{suffix}') for k in range(n)]
    for f in files:
        coarse = rng.integers(0, 256, (height//16, width//16, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((width,height), Image.BICUBIC).save(f, quality=90)
    return files

def pair_facts(i, j, same):
    "Shares of the same pairs: those that were there before, and those of an image with itself"
    i,j = (np.asarray(o)[np.asarray(same)==1] for o in (i,j))
    return {'repeated':1-len(np.unique(np.sort([i,j], 0), axis=1).T)/len(i), 'self-pairs':float((i==j).mean())}

class pairs(Row):
    "Drawing the pairs of an epoch, one for each image, from classes with a long tail as in Labeled Faces in the Wild"
    sizes,quick,unit = (13233,),(500,),'µs a pair'
    def labels(self, n): return long_tail(n, round(n*5749/13233))
    def label(self, n): return f'{n:,} images of {len(np.unique(self.labels(n))):,} classes'
    def per(self, n): return n

    def data(self, folder, n):
        y = self.labels(n)
        np.savez(folder/'images.npz', y=y, valid=y%5==0)
        return dict(path=str(folder/'images.npz'))

    @ours
    def draw(path):
        from siamese_verify.all import LabeledImages, Pairs
        images,seed = LabeledImages(*class_folders(path)),itertools.count()
        def _facts(res): return pair_facts(*np.concatenate([*res.tables.values()]).T)
        return lambda: Pairs(images, seed=next(seed)), _facts

    @peer('fastai_datasets')
    def fastai_datasets(path):
        from fastai.vision.all import Categorize, Datasets, IndexSplitter, mask2idxs, noop, parent_label
        from fastai_datasets.pairs import Pairs
        files,y,valid = class_folders(path)
        singles = Datasets(files, [noop, [parent_label, Categorize()]], splits=IndexSplitter(mask2idxs(valid))(files), train_setup=False)
        def _facts(res):
            i,j = np.array(list(res.items)).T
            return pair_facts(i, j, y[i]==y[j])
        return lambda: Pairs(singles, factor=1), _facts

    @way("fastai's tutorial")
    def tutorial(path):
        "For each file, one of a class that is drawn for it: its own, or one of the list of the others"
        files,y,valid = class_folders(path)
        by_class = {v:defaultdict(list) for v in (False,True)}
        for f,v in zip(files, valid): by_class[v][f.parent.name].append(f)
        def _partner(f, files_of):
            same,c = random.random()<.5,f.parent.name
            if not same: c = random.choice(L(o for o in files_of if o!=c))
            return f,random.choice(files_of[c]),same
        def _facts(res):
            index = {f:k for k,f in enumerate(files)}
            return pair_facts(*np.array([(index[f],index[g],same) for f,g,same in res]).T)
        return lambda: [_partner(f, by_class[v]) for f,v in zip(files, valid)], _facts

    def claims(self, facts):
        return {'no pair of ours is repeated or of an image with itself': not any(facts['siamese_verify'].values())}

def class_folders(path):
    "The files, labels and validation mask of `pairs`; the files need not exist"
    data = np.load(path)
    return [Path(f'{c:05}')/f'{k:05}.jpg' for k,c in enumerate(data['y'])], data['y'], data['valid']

class pairs_even(pairs):
    "Drawing the pairs of an epoch, one for each image, from classes of ten"
    sizes = 10**4,
    def labels(self, n): return np.arange(n)%(n//10)

class threshold(Row):
    "The threshold of the best accuracy for some distances around a number, half of them of same pairs"
    sizes,quick,unit = (10**4,10**5,10**6,10**7),(1000,10**4),'ms'
    def cases(self, n): return [dict(n=n, around=1)] + [dict(n=n, around=.005)]*(n==10**5 or n<10**4)
    def label(self, n, around): return f'{n:,} around {around}'
    def per(self, **_): return 1

    def data(self, folder, n, around):
        rng,same = np.random.default_rng(42),np.arange(n)%2
        d = rng.normal(np.where(same, .7, 1.3), .2).clip(0, 4)*around
        np.savez(folder/'distances.npz', d=d.astype(np.float32), same=same)
        return dict(path=str(folder/'distances.npz'))

    @ours
    def fit(path):
        from siamese_verify.threshold import fit_threshold
        d,same = distances(path)
        return lambda: fit_threshold(d, same), lambda fit: dict(accuracy=fit.accuracy, threshold=fit.threshold)

    @peer('similarity-learning', upto=10**6)
    def candidates(path):
        from similarity_learning.utils import Threshold
        d,same = distances(path)
        return lambda: Threshold().fit(d, same), lambda res: dict(accuracy=res[1], threshold=res[0])

    @peer('sentence-transformers', upto=10**6)
    def search(path):
        from sentence_transformers.sentence_transformer.evaluation import BinaryClassificationEvaluator
        d,same = (o.numpy() for o in distances(path))
        def _facts(res): return dict(accuracy=float(res[0]), threshold=float(res[1]))
        return lambda: BinaryClassificationEvaluator.find_best_acc_and_threshold(d, same, high_score_more_similar=False), _facts

    def claims(self, facts):
        best = max(o['accuracy'] for o in facts.values())
        return {'no way is more accurate than ours': facts['siamese_verify']['accuracy']>=best-1e-6}    # some report it in float32

class threshold_neighbour(threshold):
    "The same threshold while another process keeps the cores and PyTorch's threads busy"
    sizes,quick,neighbour = (10**5,),(1000,),True
    def cases(self, n): return [dict(n=n, around=1)]

def distances(path):
    import torch
    data = np.load(path)
    return torch.from_numpy(data['d']), torch.from_numpy(data['same'])

class decode(Row):
    "A photograph of 500 × 375 pixels to a tensor of 224 × 224, on one thread"
    sizes,quick,unit,threads = (200,),(10,),'ms an image',1
    def label(self, n): return f'{n:,} images'
    def per(self, n): return n
    def data(self, folder, n): return dict(files=pictures(folder, n, 500, 375, '.jpg'))

    @ours
    def fill(files):
        from siamese_verify.store import ImageStore
        return lambda: ImageStore(files, 224, n_workers=1)

    @way('siamese_verify, from then on')
    def again(files):
        from siamese_verify.store import ImageStore
        store = ImageStore(files, 224)
        return lambda: [store.batch(range(k, min(k+64, len(files)))) for k in range(0, len(files), 64)]

    @way('fastai')
    def fastai(files):
        from fastai.vision.all import Pipeline, PILImage, Resize, ToTensor
        tfms = Pipeline([PILImage.create, Resize(224), ToTensor], split_idx=1)
        return lambda: [tfms(f) for f in files]

class evaluate(Row):
    "The distances of pairs of ten times fewer images, of 64 pixels, with an untrained ResNet-18"
    sizes,quick,reps,warm = (20000,),(200,),3,False
    def label(self, n): return f'{n:,} pairs of {n//10:,} images'

    def data(self, folder, n):
        rng,n_images = np.random.default_rng(42),n//10
        i = rng.integers(n_images, size=n)
        j = (i + rng.integers(1, n_images, size=n))%n_images    # another image
        return dict(files=pictures(folder, n_images, 64, 64, '.png'), table=np.stack([i,j], 1).tolist())

    @ours
    def embed_once(files, table):
        import torch
        from fastai.vision.all import resnet18, set_seed
        from siamese_verify.all import DistanceSiamese, LabeledImages, Pairs, create_encoder
        set_seed(42)
        model = DistanceSiamese(create_encoder(resnet18, pretrained=False, concat_pool=False))
        rows = np.array([(i,j,0) for i,j in table])
        pairs = Pairs(LabeledImages(files, valid=[0]), tables=dict(train=rows[:64], valid=rows))
        dl = pairs.dls(bs=64, num_workers=0).valid
        fname = str(Path(files[0]).parent/'ours.npy')
        def _facts(d):
            np.save(fname, d.numpy())
            return {'images embedded':len(np.unique(rows[:,:2])), '_distances':fname}
        return lambda: model.distances(dl)[0], _facts

    @way('two images a pair')
    def two_images(files, table):
        import torch
        from fastai.vision.all import PILImage, image2tensor, resnet18, set_seed
        from siamese_verify.model import DistanceSiamese, create_encoder
        class PairFiles(torch.utils.data.Dataset):
            def __len__(self): return len(table)
            def __getitem__(self, k): return [image2tensor(PILImage.create(files[i])).float()/255 for i in table[k]]
        set_seed(42)
        model = DistanceSiamese(create_encoder(resnet18, pretrained=False, concat_pool=False)).eval()
        dl = torch.utils.data.DataLoader(PairFiles(), batch_size=64)
        @torch.no_grad()
        def _distances(): return torch.cat([model(*o) for o in dl])
        fname = str(Path(files[0]).parent/'theirs.npy')
        def _facts(d):
            np.save(fname, d.numpy())
            return {'images embedded':2*len(d), '_distances':fname}
        return _distances, _facts

    def claims(self, facts):
        a,b = (np.load(o['_distances']) for o in facts.values())
        return {'both ways give the same distances, to 1e-6': np.abs(a-b).max()<1e-6}

class all_against_all(Row):
    "The error rates of all pairs of some embeddings of 128 numbers at a false match rate of .001"
    sizes,quick,unit,reps = (2000,5000,14143),(500,),'ns a pair',3
    def label(self, n): return f'{n:,} embeddings, {n*(n-1)//2:,} pairs'
    def per(self, n): return n*(n-1)/2

    @ours
    def count(n):
        from siamese_verify.intervals import count_pairs
        e,y = clusters(n)
        def _facts(fit): return dict(FNMR=fit.fnmr, threshold=fit.threshold)
        return lambda: count_pairs(e, y).fit(fmr=.001), _facts

    @way('a list of all distances', upto=5000)
    def distances(n):
        import torch
        from siamese_verify.all import fit_threshold, normalized_squared_euclidean_distance, pair_indices
        e,y = clusters(n)
        def _fit():
            i,j = pair_indices(n)
            parts = zip(i.split(2**16), j.split(2**16))
            d = torch.cat([normalized_squared_euclidean_distance(e[a], e[b]) for a,b in parts])
            return fit_threshold(d, y[i]==y[j], fmr=.001)
        return _fit, lambda fit: dict(FNMR=fit.fnmr, threshold=fit.threshold)

class worst(Row):
    "The 100 *not same* pairs that are nearest and the 100 *same* pairs that are farthest, of embeddings of 128 numbers"
    sizes,quick,unit,reps,warm = (5000,20000,100000),(500,),'ns a pair',3,False
    def label(self, n): return f'{n:,} embeddings, {n*(n-1)//2:,} pairs'
    def per(self, n): return n*(n-1)/2

    @ours
    def blocks(n):
        from siamese_verify.worst import worst_pairs
        e,y = clusters(n)
        def _facts(df): return {'_pairs':df[['left','right']].values.tolist()}
        return lambda: worst_pairs(e, y, 100), _facts

    @way('a list of all distances', upto=5000)
    def distances(n):
        import torch
        from siamese_verify.all import normalized_squared_euclidean_distance, pair_indices
        e,y = clusters(n)
        def _worst():
            i,j = pair_indices(n)
            parts = zip(i.split(2**16), j.split(2**16))
            d = torch.cat([normalized_squared_euclidean_distance(e[a], e[b]) for a,b in parts])
            same = y[i]==y[j]
            near = torch.where(same, torch.inf, d).topk(100, largest=False).indices
            far = torch.where(same, d, -torch.inf).topk(100).indices
            return torch.stack([i, j], 1)[torch.cat([near, far])]
        return _worst, lambda rows: {'_pairs':rows.tolist()}

    def claims(self, facts):
        if len(facts)<2: return {}
        a,b = ({tuple(o) for o in f['_pairs']} for f in facts.values())
        return {'both find the same pairs': len(a&b)>=199}    # one may differ at the end of a list, by rounding

def clusters(n):
    "`n` embeddings around a center for each ten of them, and their labels"
    import torch
    g = torch.Generator().manual_seed(42)
    y = torch.arange(n)//10
    return torch.randn(n//10+1, 128, generator=g)[y] + torch.randn(n, 128, generator=g)*.7, y

class epoch(Row):
    "Training for an epoch on characters of 32 pixels, small encoder, contrastive loss, 128 images a step"
    sizes,quick,unit,reps = (1,),(1,),'µs an image',5
    def label(self, n): return '5,777 images of 556 characters'
    def per(self, n): return 45*128

    @ours
    def all_pairs(n):
        learn = learner(lambda pairs,store: pairs.images.dls(bs=128, store=store))
        return (lambda: fit(learn)), lambda _: {'pairs an image':127/2}

    @way('pair loader, store')
    def pair_loader(n):
        learn = learner(lambda pairs,store: pairs.dls(bs=64, store=store))
        return (lambda: fit(learn)), lambda _: {'pairs an image':1/2}

    @way('pair loader, files')
    def pair_files(n):
        learn = learner(lambda pairs,_: pairs.dls(bs=64, num_workers=0))
        return (lambda: fit(learn)), lambda _: {'pairs an image':1/2}

    @way("fastai's tutorial")
    def tutorial(n):
        def _dls(pairs, _):
            from siamese_verify.all import IntToFloatTensor, PairTransform, TfmdLists, ToTensor
            images = pairs.images
            tl = TfmdLists(range(len(images)), PairTransform(images), splits=list(images.splits.values()))
            return tl.dataloaders(bs=64, num_workers=0, after_item=ToTensor, after_batch=IntToFloatTensor)
        from siamese_verify.all import ContrastiveLoss, Learner
        learn = learner(_dls, Learner, loss_func=ContrastiveLoss())
        return (lambda: fit(learn)), lambda _: {'pairs an image':1/2}

    @peer('pytorch-metric-learning')
    def metric_learning(n):
        from pytorch_metric_learning import distances, losses
        from siamese_verify.losses import MetricLoss
        loss = MetricLoss(losses.ContrastiveLoss(pos_margin=0, neg_margin=1, distance=distances.LpDistance(power=2)))
        learn = learner(lambda pairs,store: pairs.images.dls(bs=128, store=store), loss_func=loss)
        return (lambda: fit(learn)), lambda _: {'pairs an image':127/2}

    @way('the same data on the device')
    def synthetic(n):
        "What the encoder and the loss take, with one batch that is there already"
        learn = learner(lambda pairs,store: pairs.images.dls(bs=128, store=store))
        learn.dls.train.__class__ = repeating(learn.dls.train, 45)
        return (lambda: fit(learn)), lambda _: {'pairs an image':127/2}

class photographs(Row):
    "Training a ResNet-50 on pictures of 160 pixels, 128 images a step, in bfloat16"
    sizes,quick,unit,reps,gpu = (2816,),(64,),'µs an image',5,True
    def label(self, n): return f'{n:,} images'
    def per(self, n): return n
    def data(self, folder, n): return dict(files=pictures(folder, n, 160, 160, '.jpg'))

    @ours
    def on_device(files): return photo_learner(files, lambda store: store.to('cuda') if has_gpu() else store)

    @way('store in memory')
    def in_memory(files): return photo_learner(files, lambda store: store)

    @way('files, 8 workers')
    def of_files(files): return photo_learner(files, lambda store: None)

    @way('channels last')
    def channels_last(files): return photo_learner(files, lambda store: store, channels_last=True)

    @way('torch.compile')
    def compiled(files): return photo_learner(files, lambda store: store, compiled=True)

    @way('float32')
    def single(files): return photo_learner(files, lambda store: store, half=False)

    @way('the same data on the device')
    def synthetic(files): return photo_learner(files, lambda store: store, same=True)

def has_gpu():
    import torch
    return torch.cuda.is_available()

def photo_learner(files, where, half=True, channels_last=False, compiled=False, same=False):
    "An epoch of training on files, or on a store of them"
    import torch
    from fastai.vision.all import resnet18, resnet50
    from siamese_verify.all import DistanceSiamese, LabeledImages, create_encoder, set_seed, siamese_learner
    set_seed(42)
    bs = min(128, len(files)//2)
    images = LabeledImages(files, np.arange(len(files))//16, valid=range(16))
    store = where(images.store(160))
    kw = dict(store=store) if store is not None else dict(num_workers=8)
    dls = images.dls(bs=bs, **kw)
    model = DistanceSiamese(create_encoder(resnet50 if len(files)>1000 else resnet18, pretrained=False))
    learn = siamese_learner(dls, model)
    if has_gpu() and half: learn.to_bf16()
    if channels_last: learn.to_channelslast()
    if compiled: model.encoder = torch.compile(model.encoder)
    if same: dls.train.__class__ = repeating(dls.train, len(dls.train))
    def _run():
        fit(learn)
        if has_gpu(): torch.cuda.synchronize()
    return _run,lambda _: dict(steps=len(dls.train))

class train(Row):
    "Training EfficientNet-Lite0 on photographs of 224 pixels, 32 images a step"
    sizes,quick,unit,reps = (256,),(16,),'ms an image',3
    def label(self, n): return f'{n} images'
    def per(self, n): return n
    def data(self, folder, n): return dict(files=pictures(folder, n, 320, 240, '.jpg'))

    @ours
    def kept(files): return lite_training(files, keep=True)

    @way('as it is')
    def as_it_is(files): return lite_training(files)

    @way('channels first, memory kept')
    def channels_first(files): return lite_training(files, keep=True, channels_first=True)

    @way('encoder alone, memory kept')
    def encoder_kept(files): return lite_alone(files, keep=True)

    @way('encoder alone')
    def encoder(files): return lite_alone(files)

class embed(Row):
    "Embedding photographs with EfficientNet-Lite0 at 224 pixels, 64 at a time"
    sizes,quick,unit,reps = (640,),(16,),'ms an image',3
    def label(self, n): return f'{n} images'
    def per(self, n): return n
    def data(self, folder, n): return dict(files=pictures(folder, n, 320, 240, '.jpg'))

    @ours
    def kept(files): return lite_embeddings(files, keep=True)

    @way('as it is')
    def as_it_is(files): return lite_embeddings(files)

    @way('encoder alone, memory kept')
    def encoder_kept(files): return lite_alone(files, keep=True, bs=64, learning=False)

    @way('encoder alone')
    def encoder(files): return lite_alone(files, bs=64, learning=False)

def lite(files, keep, bs):
    "A learner of photographs, four of a class, in a store"
    from siamese_verify.all import DistanceSiamese, LabeledImages, create_encoder, efficientnet_lite0, keep_memory, set_seed, siamese_learner
    if keep: keep_memory()
    set_seed(42)
    images = LabeledImages(files, np.arange(len(files))//4, valid=range(4))
    dls = images.dls(bs=min(bs, len(files)-4), store=images.store(224))
    return siamese_learner(dls, DistanceSiamese(create_encoder(efficientnet_lite0, pretrained=False)))

def lite_training(files, keep=False, channels_first=False):
    "An epoch, without validation"
    import torch
    learn = lite(files, keep, 32)
    if channels_first: learn.model.to(memory_format=torch.contiguous_format)
    return lambda: fit(learn, len(learn.dls.train))

def lite_embeddings(files, keep=False):
    "The embeddings of all images"
    learn = lite(files, keep, 64)
    return lambda: learn.embeddings()

def lite_alone(files, keep=False, bs=32, learning=True):
    "The encoder's part of it: as many batches of noise, forwards and backwards or forwards alone"
    import torch
    encoder = lite(files, keep, bs).model.encoder.train(learning)
    x = torch.rand(min(bs, len(files)), 3, 224, 224)
    def _run():
        with torch.set_grad_enabled(learning):
            for _ in range(len(files)//len(x)):
                y = encoder(x)
                if learning: y.sum().backward()
    return _run

def repeating(dl, n):
    "A class of loaders that give the first batch of a loader `n` times"
    batch = dl.one_batch()
    return type('Same', (type(dl),), dict(__iter__=lambda self: iter([batch]*n), __len__=lambda self: n))

class batch(Row):
    "A training step on B images of 32 pixels that are in memory, forward and backward, small encoder"
    sizes,quick,unit = (32,64,128,256,512),(16,),'ms'
    def label(self, n): return f'{n} images'

    @ours
    def all_pairs(n):
        from siamese_verify.all import AllPairsLoss, ContrastiveLoss
        model,x,y = step(n)
        loss = AllPairsLoss(ContrastiveLoss(), hard=3)
        return lambda: loss(model(x), y).backward(), lambda _: dict(pairs=n*(n-1)//2)

    @way('pairs of images')
    def pair_loader(n):
        from siamese_verify.all import ContrastiveLoss
        model,x,y = step(n)
        a,b = x.chunk(2)
        loss,same = ContrastiveLoss(),y[:n//2]==y[n//2:]
        return lambda: loss(model(a, b), same).backward(), lambda _: dict(pairs=n//2)

    @peer('pytorch-metric-learning')
    def metric_learning(n):
        from pytorch_metric_learning import distances, losses
        model,x,y = step(n)
        loss = losses.ContrastiveLoss(pos_margin=0, neg_margin=1, distance=distances.LpDistance(power=2))
        return lambda: loss(model.encode(x), y).backward(), lambda _: dict(pairs=n*(n-1)//2)

def step(n):
    "A model, and a batch of `n` random images of `n/4` classes"
    import torch
    from siamese_verify.all import DistanceSiamese, small_encoder
    torch.manual_seed(42)
    return DistanceSiamese(small_encoder()),torch.rand(n, 3, 32, 32),torch.arange(n)//4

def learner(dls, make=None, **kwargs):
    "A learner of drawn characters, with the loaders that `dls` makes of pairs and a store"
    from siamese_verify.all import DistanceSiamese, Glyphs, Pairs, set_seed, siamese_learner, small_encoder
    set_seed(42)
    images = Glyphs(size=32)
    return (make or siamese_learner)(dls(Pairs(images), images.store(32)), DistanceSiamese(small_encoder()), **kwargs)

def fit(learn, steps=45):
    "Train for some steps, without validation"
    from siamese_verify.all import CancelTrainException, CancelValidException, Callback
    class Short(Callback):
        def before_validate(self): raise CancelValidException
        def after_batch(self):
            if self.training and self.iter==steps-1: raise CancelTrainException
    with learn.no_bar(), learn.no_logging(): learn.fit(1, 1e-3, cbs=Short())

def fresh(module):
    "A way that imports `module` in a process of its own"
    def _way(n): return lambda: subprocess.run([sys.executable, '-c', f'import {module}'], check=True)
    return _way

class imports(Row):
    "Importing a package in a fresh process"
    reps = 5
    def label(self, n): return 'python -c "import …"'
    all = way('siamese_verify.all')(fresh('siamese_verify.all'))
    light = way('siamese_verify')(fresh('siamese_verify'))
    python = way('Python alone')(fresh('sys'))
    torch = way('torch')(fresh('torch'))
    fastai = way('fastai.vision.all')(fresh('fastai.vision.all'))
    similarity_learning = peer('similarity_learning.all')(fresh('similarity_learning.all'))
    fastai_datasets = peer('fastai_datasets.all')(fresh('fastai_datasets.all'))
    metric_learning = peer('pytorch_metric_learning.losses')(fresh('pytorch_metric_learning.losses'))
    sentence_transformers = peer('sentence_transformers')(fresh('sentence_transformers'))

@call_parse
def main(
    *names:str, # Rows; all, if none is named
    sizes:str=None, # Sizes instead of the rows' own, such as 1e4,1e5
    reps:int=7, # Rounds in which the ways take turns
    seconds:float=60, # A case that has three rounds begins no other one after so many seconds
    threads:int=None, # Threads of each process, where the row does not say; as many as PyTorch takes
    quick:bool=False, # Small sizes and two rounds, to see that all of it runs
    out:Path=None, # Results: the rows measured now replace older ones; bench.json or bench_gpu.json in results/ if not given
):
    "Measure our way and the peers', in turns"
    if unknown := set(names)-set(rows): raise CliError(f'no such row: {", ".join(unknown)}; there are {", ".join(rows)}')
    sizes = sizes and [int(float(o)) for o in sizes.split(',')]
    failed = 0
    out = out or root/'benchmarks'/'results'/f'bench{"_gpu" if has_gpu() else ""}.json'
    for name in names or [k for k,o in rows.items() if has_gpu() or not o.gpu]:
        res = record(name, sizes, reps, seconds, threads, quick)
        keep(out, name, res)
        failed += sum(not holds for case in res['cases'] for holds in case['claims'].values())
    print(f'\n{out}')
    if failed: raise CliError(f'{failed} claims do not hold')
