"""The three ways of verifying, on seen and on unseen classes of two real data sets, over seeds.

    python benchmarks/protocol.py pets FOLDER_OF_PHOTOGRAPHS
    python benchmarks/protocol.py omniglot FOLDER_OF_ALPHABETS

Writes a row for each way, seed and split to benchmarks/results/protocol.csv, which the page *Three ways, measured* shows.
"""
import platform
from pathlib import Path

from fastcore.script import call_parse
from siamese_verify.all import *

results = Path(__file__).resolve().parent/'results'/'protocol.csv'

def rates(learn, k):
    "Accuracy of the answers on split `k`, and the error rates that its own error curve gives"
    d,y = learn.scores(k)
    fit = fit_threshold(d, y, fmr=.01)
    return dict(accuracy=error_rates(d, y, 0).accuracy, eer=equal_error_rate(d, y),
                fnmr_at_fmr1=math.nan if fit.warning else fit.fnmr, n_same=fit.n_same, n_not_same=fit.n_not_same)

def record(learn, **facts):
    "A row for unseen and one for seen classes, in place of older ones; a threshold is fitted on training pairs, then on classes of its own"
    rows = [dict(facts, split=name, **rates(learn, k), machine=machine()) for k,name in ((1,'unseen'),(2,'seen'))]
    if isinstance(learn.model, DistanceSiamese):
        fit = learn.fit_threshold(ds_idx=3)
        for row,o in zip(rows, fit.reports): row['accuracy_own'] = o.accuracy
    print(pd.DataFrame(rows).to_string(index=False), flush=True)
    keep(results, rows, ['data','way','seed','split'])

def machine(): return f'{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}'

def keep(fname, rows, key):
    "Put rows into a table, in place of older ones with the same key"
    old = [pd.read_csv(fname)] if fname.exists() else []
    tmp = fname.with_suffix('.tmp')
    pd.concat([*old, pd.DataFrame(rows)]).drop_duplicates(key, keep='last').sort_values(key).to_csv(tmp, index=False, float_format='%.4f')
    os.replace(tmp, fname)

def train(learn, epochs, lr):
    "Train, fit the threshold if there is one, and return the number of images that training sent through the encoder"
    with learn.no_bar(): learn.fit_one_cycle(epochs, lr)
    if isinstance(learn.model, DistanceSiamese): learn.fit_threshold()
    return epochs*len(learn.dls.train)*learn.dls.train.bs*(1 if isinstance(learn.dls.train, ImageDL) else 2)

def pets(path, seed, epochs):
    "A pretrained encoder: its threshold alone; trained with cross entropy and with the contrastive loss, on pairs and on all pairs of batches of classes"
    images = LabeledImages.from_name_re(path, r'^(.*)_\d+.jpg$', ClassSplitter(.25, seen_pct=.3, fit_pct=.2, seed=seed))
    pairs,store = Pairs(images, (2,9,2,9), seed=seed),images.store(160)
    loaders = {'pairs':partial(pairs.dls, bs=16), 'all pairs':partial(pairs.class_dls, bs=64)}
    ways = [('threshold only','threshold','pairs',None)]
    for name in loaders: ways += [
        (f'{name}, cross entropy','threshold',name,slice(1e-4,1e-2)), (f'{name}, cross entropy after a fit','threshold',name,slice(1e-4,1e-2)),
        (f'{name}, contrastive','distance',name,1e-4)]
    for way,kind,name,lr in ways:
        set_seed(seed)
        learn = siamese_learner(loaders[name](store=store, after_batch=aug_transforms()), efficientnet_lite0, kind=kind)
        if way=='threshold only' or 'after a fit' in way: learn.fit_threshold()
        n = train(learn, epochs, lr) if lr else 0
        record(learn, data='pets', encoder='efficientnet_lite0', seed=seed, way=way, epochs=epochs if lr else 0, images=n)

def alphabets(images, n, n_seen, rng):
    "Splits: training, the characters of `n` alphabets, `n_seen` images of each training character, and the characters of one more alphabet"
    alphabet = np.array([images.vocab[c].split('/')[0] for c in images.y])
    names = rng.permutation(np.unique(alphabet))
    unseen,fit = np.isin(alphabet, names[:n]),alphabet==names[n]
    order = rng.permutation(np.flatnonzero(~(unseen|fit)))
    seen = pd.Series(images.y[order]).groupby(images.y[order]).cumcount().to_numpy() < n_seen
    return np.sort(order[~seen]), np.flatnonzero(unseen), np.sort(order[seen]), np.flatnonzero(fit)

def omniglot(path, seed, epochs):
    "A small encoder from scratch, with a head, a threshold and the contrastive loss"
    images = LabeledImages.from_folder(path, partial(alphabets, n=2, n_seen=4, rng=np.random.default_rng(seed)))
    pairs,store = Pairs(images, (4,4,2,4), seed=seed),images.store(32, method='squish')
    for kind,way in dict(head='cross entropy, head', threshold='cross entropy, threshold', distance='contrastive').items():
        set_seed(seed)
        dls = pairs.dls(bs=128, store=store, after_batch=aug_transforms(do_flip=False, max_lighting=0, pad_mode='border'))
        learn = siamese_learner(dls, small_encoder(), kind=kind, lin_ftrs=[256], ps=.1)
        n = train(learn, epochs, 6e-3)
        record(learn, data='omniglot', encoder='small_encoder', seed=seed, way=way, epochs=epochs, images=n)

@call_parse
def main(
    data:str, # `pets` or `omniglot`
    path:Path, # Folder of photographs named `breed_number.jpg`, or of folders of alphabets
    seeds:int=3, # Number of seeds
    epochs:int=5, # Epochs of training
):
    "Run the protocol on one data set"
    results.parent.mkdir(exist_ok=True)
    for seed in range(seeds): dict(pets=pets, omniglot=omniglot)[data](path, seed, epochs)
