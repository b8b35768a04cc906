"""Troubles that were planted, and how many of them the audit finds.

    python benchmarks/audit.py glyphs
    python benchmarks/audit.py digits
    python benchmarks/audit.py pets --path FOLDER_OF_PHOTOGRAPHS
    python benchmarks/audit.py speed

Copies of images, exact ones and changed ones, are put into a folder of the same images, and some labels are turned wrong.
Writes a row for each set, trouble and seed to benchmarks/results/audit.csv, which the page *Audit* shows; `speed` prints.
"""
import tempfile, time

from fastcore.script import call_parse
from PIL import ImageOps
from protocol import keep
from siamese_verify.all import *
from siamese_verify.audit import *

results = Path(__file__).resolve().parent/'results'/'audit.csv'

def bright(im): return im.point(lambda v: min(255, int(v*1.25)))
def small(im): return im.resize([max(8, round(.6*o)) for o in im.size], Image.Resampling.LANCZOS)
def cropped(im):
    w,h = im.size
    return im.crop((w//10, h//10, w-w//10, h-h//10))

def grey(im): return im.convert('L').convert('RGB')

changes = {'re-encoded, JPEG 60':noop, 'resized to 60 %':small, 'brightened by a quarter':bright,
           'grey':grey, 'mirrored':ImageOps.mirror, 'cropped to 80 %':cropped}

def plant(images, path, n, seed, kinds=('exact',*changes)):
    "Copies of `n` images of each kind: files, their originals and what was done"
    rng = np.random.default_rng(seed)
    planted = []
    for what in kinds:
        for i in rng.choice(len(images), n, replace=False):
            suffix = {'exact':images[i].suffix, 're-encoded, JPEG 60':'.jpg'}.get(what, '.png')
            f = path/f'{len(planted)}{suffix}'
            if what=='exact': shutil.copy(images[i], f)
            else: changes[what](open_image(images[i])).save(f, quality=60)    # PNG has no quality
            planted.append((f, i, what))
    return planted

def alarms(name, images, size):
    "Images of a clean set that are taken for copies, and how many pairs that is"
    store = images.store(size)
    audit = images.audit(store)
    i,j = alike_pairs(standardized(thumbnails(store.files, store)))
    def count(group): return sum(map(len, members(group)))
    save(name, [dict(trouble='none (exact)', images=len(images), found=count(audit.exact)),
                dict(trouble='none (near)', images=len(images), found=count(audit.groups), pairs=len(i),
                     pairs_across_classes=(images.y[i]!=images.y[j]).sum())], 0)

def alike_pairs(z, near=.98, block=1024):
    "All pairs of images that are near copies"
    found = [(z[k:k+block]@z.T>near).nonzero().numpy()+[k,0] for k in range(0, len(z), block)]
    i,j = np.concatenate(found).T
    return i[i<j],j[i<j]

def copies(name, images, size, n, seed):
    "Share of planted copies that are in the group of their original"
    with tempfile.TemporaryDirectory() as path:
        planted = plant(images, Path(path), n, seed)
        files = [*images.files, *(f for f,*_ in planted)]
        both = LabeledImages(files, valid=range(len(images), len(files)))
        audit = both.audit(both.store(size))
    for what in ['exact', *changes]:
        group = audit.exact if what=='exact' else audit.groups
        found = [group[i]==group[len(images)+k] for k,(_,i,w) in enumerate(planted) if w==what]
        save(name, [dict(trouble=what, planted=len(found), images=len(images), found=sum(found))], seed)

def save(name, rows, seed):
    rows = [dict(data=name, seed=seed, planted=0, pairs=0, pairs_across_classes=0) | o for o in rows]
    print(pd.DataFrame(rows).to_string(index=False), flush=True)
    keep(results, rows, ['data','trouble','seed'])

def turned(images, share, seed):
    "The images with a share of wrong labels, and the numbers of these"
    rng = np.random.default_rng(seed)
    wrong = rng.choice(len(images), round(share*len(images)), replace=False)
    y = images.y.copy()
    y[wrong] = (y[wrong]+rng.integers(1, len(images.vocab), len(wrong)))%len(images.vocab)
    return y,wrong

def labels(name, images, size, arch, epochs, share, seed):
    "How many of the wrong labels are among the first so many that the model suspects"
    y,wrong = turned(images, share, seed)
    images = LabeledImages(images.files, y, ClassSplitter(seed=seed))
    set_seed(seed)
    learn = siamese_learner(images.dls(bs=128, store=images.store(size)), arch, kind='threshold' if epochs else 'distance')
    with learn.no_bar(), learn.no_logging():
        if epochs: learn.fit_one_cycle(epochs, 6e-3)
    first = learn.label_suspects(None).file[:len(wrong)]
    found = len(set(first) & set(images.files[wrong]))
    save(name, [dict(trouble=f'wrong labels, {share:.0%}', images=len(images), planted=len(wrong), found=found)], seed)

def twins(name, images, size, arch, n, seed):
    "How many crops and mirror images in the class of their original a model shows, and how many other pairs"
    with tempfile.TemporaryDirectory() as path:
        planted = plant(images, Path(path), n, seed, ('mirrored','cropped to 80 %'))
        files,y = [*images.files, *(f for f,*_ in planted)],[*images.y, *(images.y[i] for _,i,_ in planted)]
        both = LabeledImages(files, y, ClassSplitter(seed=seed))
        learn = siamese_learner(both.dls(bs=64, store=both.store(size)), arch, kind='distance')
        audit = learn.audit(None, most=len(files))
    shown = {tuple(o.idx) for o in audit if o.where=='of one class, all but the same'}
    for kind in 'mirrored','cropped to 80 %':
        found = [(i,len(images)+k) in shown for k,(_,i,what) in enumerate(planted) if what==kind]
        save(name, [dict(trouble=f'{kind}, by embeddings', images=len(images), planted=n, found=sum(found))], seed)
    own = {o for i,j in shown if j<len(images) for o in (i,j)}
    save(name, [dict(trouble='none (by embeddings)', images=len(images), found=len(own))], seed)

def speed(n, size):
    "Seconds for the audit of `n` noisy images in a store, without reading files again"
    store = object.__new__(ImageStore)
    store.files = L(Path(f'{k}.png') for k in range(n))
    store.data = torch.randint(0, 256, (n,3,size,size), dtype=torch.uint8)
    start = time.perf_counter()
    z = standardized(thumbnails(store.files, store))
    middle = time.perf_counter()
    groups = alike_groups(z)
    print(f'{n:,} images of {size} pixels: thumbnails {middle-start:.2f} s, groups {time.perf_counter()-middle:.2f} s')

@call_parse
def main(
    data:str, # `glyphs`, `digits`, `pets` or `speed`
    path:Path=None, # Folder of photographs named `breed_number.jpg`
    seeds:int=3, # Number of seeds
    n:int=50, # Copies of each kind
    images:int=10_000, # Images, for `speed`
    size:int=160, # Their height and width
):
    "Plant troubles in one set, and look for them"
    results.parent.mkdir(exist_ok=True)
    if data=='speed': return speed(images, size)
    size = {'glyphs':64, 'digits':16, 'pets':160}[data]
    if data=='pets': some = LabeledImages.from_name_re(path, r'^(.*)_[0-9]+.jpg$')
    else: some = {'glyphs':Glyphs, 'digits':Digits}[data]()
    alarms(data, some, size)
    if data=='digits': return    # 8 by 8 pixels: there is nothing to resize
    for seed in range(seeds):
        copies(data, some, size, n, seed)
        if data=='pets':
            labels(data, some, size, efficientnet_lite0, 0, .05, seed)
            twins(data, some, size, efficientnet_lite0, 15, seed)
        else: labels(data, some, size, small_encoder(), 3, .02, seed)
