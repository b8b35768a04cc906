"""Which of 20 characters is it? One drawing of each, of alphabets that training never saw: Omniglot's one-shot task.

    python benchmarks/oneshot.py FOLDER_OF_ALPHABETS --seed 1

The task of Lake, Salakhutdinov and Tenenbaum (Science 2015): 20 characters of one alphabet as one person drew them, 20
as another did; which is which? An encoder that keeps places learns from characters that `made_up.py` draws. The
alphabets of 20 characters or more are held out in turn, two at a time, and a copy of the encoder goes on with people's
drawings of the others, and with made-up ones in two of five batches. Writes a row for each alphabet to
benchmarks/results/oneshot.csv, which the page *Training, measured* shows.
"""
import tempfile, time

from fastcore.script import call_parse
from made_up import draw, family
from PIL import ImageOps
from protocol import NoValidation, keep, machine
from siamese_verify.all import *

results = Path(__file__).resolve().parent/'results'/'oneshot.csv'

def fill(im, size):
    "What is inked, as large as fits into a square; what is narrow is stretched half of the way"
    x0,y0,x1,y1 = ImageOps.invert(im.convert('L')).getbbox()
    side = np.maximum((x1-x0, y1-y0), .15*max(x1-x0, y1-y0))
    half = .6*np.sqrt(side.max()*side)
    box = *((x0+x1)/2-half[0], (y0+y1)/2-half[1]), *((x0+x1)/2+half[0], (y0+y1)/2+half[1])
    big = im.convert('L').transform((4*size,4*size), Image.Transform.EXTENT, box, Image.Resampling.BILINEAR,
                                    fillcolor=255)
    return big.resize((size,size), Image.Resampling.BOX)

def drawings(path, folder, size, families, seed, n=4, per_class=8):
    "All of them, real and made up, in folders of alphabets and characters; five families are an alphabet"
    for f in get_image_files(path):
        to = folder/f.relative_to(path)
        to.parent.mkdir(parents=True, exist_ok=True)
        fill(Image.open(f), size).save(to)
    for k in range(families):
        rng = np.random.default_rng([seed, k])
        for c,strokes in enumerate(family(rng, n)):
            to = folder/f'made up {k//5:03}'/f'{k:04} {c}'
            to.mkdir(parents=True)
            for i in range(per_class): fill(draw(strokes, rng), size).save(to/f'{k}_{i}.png')
    return LabeledImages.from_folder(folder)

class Grey(Transform):
    "One channel, in which ink is bright"
    def encodes(self, x:TensorImage): return 255-x[:,:1]

class Turn(Transform):
    "A whole batch turned by a right angle or not, and mirrored or not: other alphabets"
    split_idx,order = 0,1
    def encodes(self, x:TensorImage):
        turns,mirrored = random.randrange(4),random.randrange(2)
        return torch.rot90(x.flip(-1) if mirrored else x, turns, (2,3))

def distort(x, much=1.):
    "Images turned, stretched, slanted, moved, bent, and drawn with another pen"
    def rand(n, *d): return (torch.rand(len(x), *d)*2-1)*n*much
    turn,slant,wide,high = rand(.26),rand(.2),1+rand(.2),1+rand(.2)
    rows = [turn.cos()*wide, slant-turn.sin()*high, rand(.1)], [turn.sin()*wide, turn.cos()*high, rand(.1)]
    grid = F.affine_grid(torch.stack([torch.stack(o, 1) for o in rows], 1), x.shape, align_corners=False)
    bends = F.interpolate(torch.randn(len(x),2,4,4)*.04*much, x.shape[2:], mode='bicubic', align_corners=True)
    x = F.grid_sample(x, grid+bends.permute(0,2,3,1), align_corners=False)
    pen = rand(.4,1,1,1)
    return x + pen.relu()*(F.max_pool2d(x, 3, 1, 1)-x) - (-pen).relu()*(x+F.max_pool2d(-x, 3, 1, 1))

class Distort(Transform):
    "Each image of a batch distorted in its own way"
    split_idx,order = 0,20
    def encodes(self, x:TensorImage): return TensorImage(distort(x.as_subclass(Tensor)))

def keeps_places(w=192):
    "An encoder whose last maps are laid side by side, not averaged, so that it knows where a stroke is"
    sizes = [1, w//8, w//4, w//2, w]
    convs = [[ConvLayer(i, o, stride=2), ConvLayer(o, o)] for i,o in zip(sizes, sizes[1:])]
    return nn.Sequential(convs[0][0], *L(convs[1:]).concat(), nn.Flatten()).to(memory_format=torch.channels_last)

def by_alphabet(dl, alphabet, share, rng):
    "The images of an epoch: two drawings of each character of a batch, whose alphabets are all made up, or none is"
    y = dl.dataset.items.y
    of = {o:np.unique(y[alphabet==o]) for o in np.unique(alphabet)}
    at = {c:np.flatnonzero(y==c) for c in np.unique(y)}
    made = [o for o in of if o.startswith('made up')]
    real = [o for o in of if o not in made]
    for _ in range(len(dl)):
        some = rng.permutation(made if rng.random()<share else real)[:4]
        classes = np.concatenate([rng.permutation(of[o]) for o in some])[:dl.bs//2]
        yield from (int(k) for c in classes for k in rng.choice(at[c], 2, replace=False))

def train(images, store, encoder, alphabet, held, share, budget, lr, seed, bs=120):
    "Train an encoder on what isn't held out, `budget` images or so, and say how many it were"
    set_seed(seed)
    split = LabeledImages(images.files, np.array(images.vocab)[images.y], held)
    tfms = [Grey(), Turn(), Distort()]
    dls = split.dls(bs=bs, per_class=2, store=store, after_batch=tfms, seed=seed)
    rng,names = np.random.default_rng(seed),alphabet[~held]
    dls.train.get_idxs = lambda: list(by_alphabet(dls.train, names, share, rng))
    learn = siamese_learner(dls, encoder, kind='distance', loss_func=MetricLoss('SupConLoss'))
    epochs = max(1, round(budget/(len(dls.train)*bs)))
    with learn.no_bar(), learn.no_logging(): learn.fit_one_cycle(epochs, lr, cbs=NoValidation())
    return learn.model.encoder.eval(),epochs*len(dls.train)*bs

def directions(encoders, store, idx, n=0):
    "Where the embeddings of some images point, those of several encoders side by side; with `n` slight distortions of each image, on average"
    res = []
    with torch.no_grad():
        for few in np.array_split(idx, math.ceil(len(idx)/256)):
            x = (255-store.batch(few)[:,:1].as_subclass(Tensor))/255
            seen = [x, *(distort(x, .5) for _ in range(n))]
            res.append(torch.cat([F.normalize(sum(F.normalize(f(o)) for o in seen)) for f in encoders], 1))
    return F.normalize(torch.cat(res))

def one_shot(e, y, drawer, rng, ways=20, trials=400):
    "The share of drawings that are nearest to one of the same character by somebody else"
    at,right = {o:k for k,o in enumerate(zip(y, drawer))},[]
    for _ in range(trials):
        classes = rng.choice(np.unique(y), ways, replace=False)
        known,asked = ([at[c,p] for c in classes] for p in rng.choice(np.unique(drawer), 2, replace=False))
        d = distance_matrix(e[asked], e[known], cosine_distance)
        right.append((d.argmin(1)==torch.arange(ways)).float().mean().item())
    return np.mean(right)

@call_parse
def main(
    path:Path, # Folder of folders of alphabets, with drawings named `number_drawer.png` in folders of characters
    families:int=1000, # Made-up characters with three look-alikes each
    made:int=100_000, # Made-up drawings through the encoder first, about
    budget:int=100_000, # Images through it for each two alphabets that are held out, about
    encoders:int=1, # How many encoders, whose embeddings are laid side by side
    size:int=48, # Height and width in pixels
    lr:float=2e-3, # Learning rate
    seed:int=0, # Seed of what is made up, of the folds, of training and of the trials
):
    "Train on made-up characters, go on without some alphabets, and ask about them"
    keep_memory()
    folder = tempfile.TemporaryDirectory()
    images = drawings(path, Path(folder.name), size, families, seed)
    store = images.store(size, method='squish')
    alphabet = np.array([f.parent.parent.name for f in images.files])
    drawer = np.array([int(f.stem.split('_')[1]) for f in images.files])
    is_made = np.char.startswith(alphabet, 'made up')
    n = {o:len(np.unique(images.y[alphabet==o])) for o in np.unique(alphabet[~is_made])}
    asked = np.random.default_rng(seed).permutation([o for o in n if n[o]>=20])
    seeds = range(seed, seed+1000*encoders, 1000)
    def trained(start, held, share, budget):
        "An encoder for each seed, and how many images went through all of them"
        res = [train(images, store, deepcopy(o), alphabet, held, share, budget, lr, s) for o,s in zip(start, seeds)]
        return [o for o,_ in res],sum(n for _,n in res)
    set_seed(seed)
    first,n_made = trained([keeps_places() for _ in seeds], ~is_made, 1, made)
    for fold in range(math.ceil(len(asked)/2)):
        held = np.isin(alphabet, asked[2*fold:2*fold+2])
        then,n_more = trained(first, held, .4, budget)
        real = np.flatnonzero(~held & ~is_made)
        head = ClassScatter(directions(then, store, real), images.y[real]).whiten(.1)
        for o in np.unique(alphabet[held]):
            idx = np.flatnonzero(alphabet==o)
            def right(e): return float(one_shot(e, images.y[idx], drawer[idx], np.random.default_rng(seed)))
            row = dict(alphabet=str(o), characters=n[o], made_up=right(directions(first, store, idx, 8)),
                       right=right(head(directions(then, store, idx, 8))), encoded_made_up=n_made, encoded=n_more,
                       encoders=encoders, size=size, made=made, budget=budget, seed=seed, machine=machine())
            keep(results, [row], ['encoders','size','made','budget','seed','alphabet'])
            print({k:row[k] for k in ('alphabet','made_up','right')}, round(time.process_time()), 's', flush=True)
