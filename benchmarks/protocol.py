"""The ways of verifying, on unseen and on seen classes of two real data sets, over seeds.

    python benchmarks/protocol.py pets FOLDER_OF_PHOTOGRAPHS
    python benchmarks/protocol.py omniglot FOLDER_OF_ALPHABETS

Rates are those of all pairs of a split, with intervals over its classes; a threshold is fitted on classes of its own.
Writes a row for each way, seed and split to benchmarks/results/protocol.csv, which the page *Three ways, measured* shows.
"""
import platform
from pathlib import Path

from fastcore.script import call_parse
from siamese_verify.all import *

results = Path(__file__).resolve().parent/'results'/'protocol.csv'

def rates(learn):
    "Rates of each split but *train*, at a threshold that was fitted on *threshold*; a head answers what is likelier"
    return learn.report() if isinstance(learn.model, SiameseModel) else learn.fit_threshold('threshold')

def record(learn, base, **facts):
    "Rows for unseen and for seen classes, and how the EER on unseen ones differs from that of the first way"
    table = rates(learn).to_df().loc[['valid','seen']].rename(index=dict(valid='unseen'))
    if learn is not base:
        o = compare(learn, base)['EER']
        table.loc['unseen',['EER difference','EER difference low','EER difference high','p']] = o[['difference','low','high','p']].values
    rows = table.reset_index().assign(**facts, machine=machine())
    print(rows.drop(columns='machine').T.to_string(header=False), flush=True)
    keep(results, rows, ['data','way','seed','split'])

def machine(): return f'{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}'

def keep(fname, rows, key):
    "Put rows into a table, in place of older ones with the same key"
    old = [pd.read_csv(fname)] if fname.exists() else []
    tmp = fname.with_suffix('.tmp')
    pd.concat([*old, pd.DataFrame(rows)]).drop_duplicates(key, keep='last').sort_values(key).to_csv(tmp, index=False, float_format='%.5g')
    os.replace(tmp, fname)

class NoValidation(Callback):
    "The splits are evaluated once, in the end"
    def before_validate(self): raise CancelValidException

def train(learn, epochs, lr):
    "Train, and return the number of images that it sent through the encoder"
    with learn.no_bar(), learn.no_logging(): learn.fit_one_cycle(epochs, lr, cbs=NoValidation())
    return epochs*len(learn.dls.train)*learn.dls.train.bs*(1 if isinstance(learn.dls.train, ImageDL) else 2)

def pets(path, seed, epochs=5):
    "A pretrained encoder: its threshold alone; trained with two losses, on all pairs of batches of classes and on pairs"
    splitter = ClassSplitter(.25, seen_pct=.3, threshold_pct=.2, seed=seed)
    images = LabeledImages.from_name_re(path, r'^(.*)_\d+.jpg$', splitter)
    args = dict(store=images.store(160), after_batch=aug_transforms())
    loaders = {'all pairs':partial(images.dls, bs=64, **args), 'pairs':partial(Pairs(images, 2, seed=seed).dls, bs=16, **args)}
    losses = {'cross entropy':('threshold', slice(1e-4,1e-2)), 'contrastive':('distance', 1e-4)}
    ways = [('threshold only', 'all pairs', 'threshold', None)]
    ways += [(f'{pairs}, {loss}', pairs, *losses[loss]) for pairs in loaders for loss in losses]
    base = None
    for way,pairs,kind,lr in ways:
        set_seed(seed)
        learn = siamese_learner(loaders[pairs](), efficientnet_lite0, kind=kind)
        base = base or learn
        n = train(learn, epochs, lr) if lr else 0
        record(learn, base, data='pets', encoder='efficientnet_lite0', seed=seed, way=way, epochs=epochs if lr else 0, encoded=n)

def alphabets(n, n_seen, seed):
    "A splitter: `n` alphabets to report on, another one to fit thresholds on, and `n_seen` images of each training character"
    def _inner(images):
        rng = np.random.default_rng(seed)
        alphabet = np.array([images.vocab[c].split('/')[0] for c in images.y])
        names = rng.permutation(np.unique(alphabet))
        unseen,own = np.isin(alphabet, names[:n]),alphabet==names[n]
        order = rng.permutation(np.flatnonzero(~(unseen|own)))
        seen = rank_in_group(images.y[order])[0]<n_seen
        return dict(train=np.sort(order[~seen]), valid=np.flatnonzero(unseen),
                    threshold=np.flatnonzero(own), seen=np.sort(order[seen]))
    return _inner

def omniglot(path, seed, epochs=8):
    "A small encoder from scratch, with a threshold, a head and the contrastive loss, on all pairs of batches of classes"
    images = LabeledImages.from_folder(path, alphabets(2, 4, seed))
    store = images.store(32, method='squish')
    base = None
    for kind,way in dict(threshold='cross entropy, threshold', head='cross entropy, head', distance='contrastive').items():
        set_seed(seed)
        dls = images.dls(bs=64, store=store, after_batch=aug_transforms(do_flip=False, max_lighting=0, pad_mode='border'))
        learn = siamese_learner(dls, create_siamese_model(small_encoder, kind, lin_ftrs=[256], ps=.1))
        base = base or learn
        n = train(learn, epochs, 1e-2)
        record(learn, base, data='omniglot', encoder='small_encoder', seed=seed, way=way, epochs=epochs, encoded=n)

@call_parse
def main(
    data:str, # `pets` or `omniglot`
    path:Path, # Folder of photographs named `breed_number.jpg`, or of folders of alphabets
    seeds:str='0,1,2', # Seeds of the split, the pairs and the model
):
    "Run the protocol on one data set"
    results.parent.mkdir(exist_ok=True)
    for seed in map(int, seeds.split(',')): dict(pets=pets, omniglot=omniglot)[data](path, seed)
