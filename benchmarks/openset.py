"""What training costs until unseen classes are told apart: all pairs of a batch, and a loader of pairs.

    python benchmarks/openset.py glyphs
    python benchmarks/openset.py omniglot --path FOLDER_OF_ALPHABETS

Each way trains from scratch with several budgets, a whole one-cycle schedule for each; error rates are those of all pairs
of unseen classes. Writes a row for each way, budget and
seed to benchmarks/results/openset.csv, which the page *Speed, measured* shows. Ways take turns.
"""
import time

from fastcore.script import call_parse
from protocol import alphabets, keep, machine
from siamese_verify.all import *

results = Path(__file__).resolve().parent/'results'/'openset.csv'
budgets = {'all pairs':(1,2,3,4,6,8), 'pair loader':(2,4,8,12)}      # epochs of an image once; epochs of a pair for each image

def measure(data, images, store, way, epochs, seed, bs, lr):
    "Train once, and return what it took and what came out"
    tfms = aug_transforms(do_flip=False, max_lighting=0, pad_mode='border')
    source = images if way=='all pairs' else Pairs(images, seed=seed)
    dls = source.dls(bs=bs, store=store, after_batch=tfms)
    set_seed(seed)
    learn = siamese_learner(dls, small_encoder(), kind='threshold')
    start = time.perf_counter()
    with learn.no_bar(), learn.no_logging(): learn.fit_one_cycle(epochs, lr, cbs=NoValidation())
    seconds = time.perf_counter()-start
    n = epochs*len(dls.train)*bs
    n,n_pairs = (n,n*(bs-1)//2) if way=='all pairs' else (2*n,n)
    curve = learn.pair_counts('valid').curve
    return dict(data=data, way=way, epochs=epochs, seed=seed, bs=bs, lr=lr, images=n, pairs=n_pairs, seconds=seconds,
                eer=curve.eer, fnmr_at_fmr1=curve.fit(fmr=.01).fnmr, machine=machine())

class NoValidation(Callback):
    "Only training is timed"
    def before_validate(self): raise CancelValidException

@call_parse
def main(
    data:str, # `glyphs` or `omniglot`
    path:Path=None, # Folder of folders of alphabets, for Omniglot
    seeds:int=3, # Number of seeds
    bs_all:int=64, # Images in a batch of all pairs
    lr_all:float=1e-2, # Learning rate for them
    bs_pairs:int=128, # Pairs in a batch of the pair loader
    lr_pairs:float=1.5e-2, # Learning rate for it
):
    "Measure both ways on one data set"
    settings = {'all pairs':(bs_all, lr_all), 'pair loader':(bs_pairs, lr_pairs)}
    for seed in range(seeds):
        if data=='glyphs': images = Glyphs(ClassSplitter(seed=seed), size=32)
        else: images = LabeledImages.from_folder(path, alphabets(2, 4, seed))
        store = images.store(32, method='squish')
        for epochs,way in sorted((e,way) for way in budgets for e in budgets[way]):
            keep(results, [row := measure(data, images, store, way, epochs, seed, *settings[way])], ['data','way','epochs','seed'])
            print({k:row[k] for k in ('data','way','epochs','seed','images','seconds','eer')}, flush=True)
