"""Which of 20 characters is it? One drawing of each, of alphabets that training never saw: Omniglot's one-shot task.

    python benchmarks/oneshot.py FOLDER_OF_ALPHABETS

The task of Lake, Salakhutdinov and Tenenbaum (Science 2015): 20 characters of one alphabet as one person drew them, 20
as another did; which is which? The alphabets of 20 characters or more are held out in turn, two at a time, and a small
encoder is trained from scratch on the others, with each right angle that a character is turned by as another class, and
with distortions. Writes a row for each alphabet to benchmarks/results/oneshot.csv, which the page *Training, measured* shows.
"""
from fastcore.script import call_parse
from protocol import NoValidation, keep, machine
from siamese_verify.all import *

results = Path(__file__).resolve().parent/'results'/'oneshot.csv'

class TurnClasses(ItemTransform):
    "Characters turned by right angles, each by two of them or by one: another angle is another class"
    split_idx = 0
    def encodes(self, b):
        x,y = (o.as_subclass(Tensor) for o in b)
        angle,other = torch.randint(4, (2, int(y.max())+1))
        turns = (angle[y] + other[y]*torch.from_numpy(rank_in_group(y.numpy())[0]%2))%4
        x = torch.stack([torch.rot90(o, k, (1,2)) for o,k in zip(x, turns.tolist())])
        return TensorImage(x),TensorCategory(4*y+turns)

def learner(images, store, seed, bs=128):
    "A small encoder from scratch, on all pairs of batches"
    tfms = aug_transforms(do_flip=False, max_rotate=15, min_zoom=.8, max_zoom=1.2, max_lighting=0, p_affine=1, pad_mode='border')
    dls = images.dls(bs=bs, per_class=8, store=store, after_batch=[TurnClasses(), *tfms], seed=seed)
    return siamese_learner(dls, small_encoder(), kind='threshold')

def one_shot(model, e, y, drawer, rng, ways=20, trials=400):
    "The share of drawings that are nearest to one of the same character by somebody else"
    at,right = {o:k for k,o in enumerate(zip(y, drawer))},[]
    for _ in range(trials):
        classes = rng.choice(np.unique(y), ways, replace=False)
        known,asked = ([at[c,p] for c in classes] for p in rng.choice(np.unique(drawer), 2, replace=False))
        d = distance_matrix(e[asked], e[known], model.distance_metric)
        right.append((d.argmin(1)==torch.arange(ways)).float().mean().item())
    return np.mean(right)

@call_parse
def main(
    path:Path, # Folder of folders of alphabets, with drawings named `number_drawer.png` in folders of characters
    budget:int=100_000, # Images through the encoder, about
    size:int=48, # Height and width in pixels
    lr:float=1e-2, # Learning rate
    seed:int=0, # Seed of the folds, of training and of the trials
):
    "Train without some alphabets, and ask about them"
    keep_memory()
    images = LabeledImages.from_folder(path)
    alphabet = np.array([f.parent.parent.name for f in images.files])
    drawer = np.array([int(f.stem.split('_')[1]) for f in images.files])
    n = {o:len(np.unique(images.y[alphabet==o])) for o in np.unique(alphabet)}
    asked = np.random.default_rng(seed).permutation([o for o in n if n[o]>=20])
    store = images.store(size, method='squish')
    for fold in range(math.ceil(len(asked)/2)):
        held = asked[2*fold:2*fold+2]
        split = LabeledImages.from_folder(path, FuncSplitter(lambda f: f.parent.parent.name in held))
        set_seed(seed)
        learn = learner(split, store, seed)
        train = learn.dls.train
        epochs = max(1, round(budget/(len(train)*train.bs)))
        with learn.no_bar(), learn.no_logging(): learn.fit_one_cycle(epochs, lr, cbs=NoValidation())
        e,idx = embed(learn.model.encoder, learn.dls.image_dl('valid')),split.splits['valid']
        for o in held:
            is_o = alphabet[idx]==o
            share = one_shot(learn.model, e[is_o], images.y[idx][is_o], drawer[idx][is_o], np.random.default_rng(seed))
            row = dict(alphabet=str(o), characters=n[o], right=float(share), encoded=epochs*len(train)*train.bs,
                       size=size, budget=budget, seed=seed, machine=machine())
            keep(results, [row], ['budget','size','seed','alphabet'])
            print({k:row[k] for k in ('alphabet','right','encoded')}, flush=True)
