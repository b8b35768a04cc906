"""Heads behind a frozen encoder, on unseen classes of several sets, over seeds.

    python benchmarks/heads.py glyphs
    python benchmarks/heads.py digits
    python benchmarks/heads.py spots
    python benchmarks/heads.py pets --path FOLDER_OF_PHOTOGRAPHS
    python benchmarks/heads.py omniglot --path FOLDER_OF_ALPHABETS

Each image is embedded once by EfficientNet-Lite0. For each seed, half of the classes fit the head (and choose it, by folds,
where there is a choice), and all pairs of the other half are reported on. Writes a row for each set, seed and head to
benchmarks/results/heads.csv, which the page *Heads, measured* shows.
"""
from fastcore.script import call_parse
from protocol import keep, machine
from siamese_verify.all import *

results = Path(__file__).resolve().parent/'results'/'heads.csv'
sizes = dict(glyphs=48, digits=48, spots=64, pets=160, omniglot=64)
closed = {k:o for k,o in head_choices().items() if not k.startswith('sigmoid')}
ways = {'none':head_choices('none'), 'centre':head_choices('centre'), 'whiten, .7':head_choices('whiten', .7), 'lda, .7':head_choices('lda', .7),
        'sigmoid':head_choices('sigmoid'), 'whiten, chosen':head_choices('whiten'), 'closed form':closed, 'auto':head_choices()}

def images_of(data, path, most):
    "The images of a set, at most so many, and as many of each class"
    if data=='glyphs': images = Glyphs(size=32)
    elif data=='digits': images = Digits()
    elif data=='spots': images = Spots()
    elif data=='pets': images = LabeledImages.from_name_re(path, r'^(.*)_\d+.jpg$')
    else: images = LabeledImages.from_folder(path, ClassSplitter())
    order = np.random.default_rng(0).permutation(len(images))
    return images.subset(np.sort(order[rank_in_group(images.y[order])[0]<max(2, most//len(images.vocab))]))

def embedded(data, path, most):
    "Embeddings and classes"
    images = images_of(data, path, most)
    store = images.store(sizes[data], method='squish')
    dls = images.dls(bs=32, store=store, after_batch=Normalize.from_stats(*efficientnet_lite0.stats))
    return embed(create_encoder('efficientnet_lite0', concat_pool=False), dls.image_dl()),np.array(images.vocab)[images.y]

def measure(e, y, seed):
    "A row for each head: the EER on half of the classes, fitted to the other half"
    model,classes = DistanceSiamese(nn.Identity()),np.random.default_rng(seed).permutation(np.unique(y))
    fits = np.isin(y, classes[:len(classes)//2])
    scatter,tried = ClassScatter(e[fits], y[fits]),try_heads(model, e[fits], y[fits], head_choices(), seed=seed)
    table = compare_heads(tried)[1]['EER']
    found = {}
    for way,choices in ways.items():
        kept = first(choices) if len(choices)==1 else table[list(choices)].idxmin()
        x = e[~fits] if kept=='none' else choices[kept](scatter)(e[~fits])
        found[way] = kept,count_all(model, x, y[~fits])
    by,rows = compare_heads({way:counts for way,(_,counts) in found.items()})
    return rows.assign(kept=[o for o,_ in found.values()], fitted=int(fits.sum()), classes=len(classes)-len(classes)//2)

@call_parse
def main(
    data:str, # `glyphs`, `digits`, `spots`, `pets` or `omniglot`
    path:Path=None, # Folder of photographs named `breed_number.jpg`, or of folders of alphabets
    seeds:int=3, # Number of seeds of the split
    most:int=1500, # Images at most, about
):
    "Measure all heads on one set"
    e,y = embedded(data, path, most)
    for seed in range(seeds):
        rows = measure(e, y, seed).reset_index().assign(data=data, seed=seed, images=len(y), machine=machine())
        keep(results, rows, ['data','seed','head'])
        print(rows[['data','seed','head','kept','EER','difference','p']].round(3).to_string(index=False, header=False), flush=True)
