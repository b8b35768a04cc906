"""Probabilities and unsure answers on classes that they were not fitted on.

    python benchmarks/calibration.py --omniglot FOLDER_OF_ALPHABETS

Writes benchmarks/results/calibration.csv, unsure.csv and calibration_heads.csv, which the page *What does "93 % same" mean?* shows.
Three sets: drawn numbers with look-alikes, and embeddings of `Glyphs` and of Omniglot by an encoder that was never trained on them.
Embeddings are made once and kept in fastai's data folder.
"""
from fastcore.script import call_parse
from scipy import special
from scipy.optimize import isotonic_regression, minimize
from siamese_verify.all import *

results = Path(__file__).resolve().parent/'results'

# --- three sets: embeddings and labels, ten images or fewer of a class

def look_alikes(n=400, m=10, dim=32, families=20, seed=0):
    "Classes in families, alike inside of one; some are tight, some are loose"
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(n), m)
    centres = rng.normal(size=(families,dim))[np.arange(n)%families] + .3*rng.normal(size=(n,dim))
    spread = .6*np.exp(.35*rng.normal(size=n))
    return torch.tensor(centres[y] + spread[y,None]*rng.normal(size=(n*m,dim))).float(), y

def frozen(name, images, size):
    "Embeddings of a frozen EfficientNet-Lite0, from fastai's data folder if they're there"
    f = fastai_path('data')/'siamese_benchmarks'/f'{name}_{size}_{len(images.files)}.pt'
    if not f.exists():
        f.parent.mkdir(parents=True, exist_ok=True)
        store,encoder = images.store(size, method='squish'),create_encoder('efficientnet_lite0', concat_pool=False)
        batches = [store.batch(range(i, min(i+64, len(store)))).float()/127.5-1 for i in range(0, len(store), 64)]
        torch.save(embed(encoder, batches).cpu(), f)
    return torch.load(f, weights_only=True), np.asarray(images.y)

def at_most(e, y, m=10, seed=0):
    "No more than `m` images of each class"
    order = np.random.default_rng(seed).permutation(len(y))
    rank = pd.Series(y[order]).groupby(y[order]).cumcount().to_numpy()
    keep = np.sort(order[rank<m])
    return e[keep],y[keep]

def counts(e, y, classes):
    idx = np.flatnonzero(np.isin(y, classes))
    return count_pairs(e[idx], y[idx])

# --- ways to make a probability of a distance

class Fitted:
    "A function of the distance as a calibration"
    def __init__(self, llr): self.llr = llr
    def p_same(self, d, prior=.5): return special.expit(self.llr(d)+special.logit(prior))

def scale(c):
    "The way of version 0.1: σ(2s(t - d)) at the fitted threshold t, with the likeliest s"
    head = Threshold()
    head.fit(c, objective='balanced accuracy')
    t,s = head.threshold.item(),head.scale.item()
    return Fitted(lambda d: 2*s*(t-d))

def platt(c):
    "A straight line: intercept and slope"
    same,not_same = c.shares()
    y = same*(c.n_same+1)/(c.n_same+2) + not_same/(c.n_not_same+2)
    d,w = c.middles,same+not_same
    def loss(k):
        z = k[0]-k[1]*d
        slope = w*special.expit(z)-y
        return (w*np.logaddexp(0, z)-y*z).sum(), np.array([slope.sum(), -(slope*d).sum()])
    k = minimize(loss, [0.,1.], jac=True, method='L-BFGS-B', tol=1e-10).x
    return Fitted(lambda d: k[0]-k[1]*d)

def isotonic(c):
    "Steps, joined by lines; one pair of the other kind at each end keeps it finite"
    same,not_same = c.shares()
    same = np.concatenate([[0], same, [.5/c.n_same]])
    not_same = np.concatenate([[.5/c.n_not_same], not_same, [0]])
    p = isotonic_regression(same/(same+not_same), weights=same+not_same, increasing=False).x
    d = np.concatenate([[0], c.middles, [4]])
    return Fitted(lambda x: special.logit(np.interp(x, d, p).clip(1e-9, 1-1e-9)))

ways = {'scale at the threshold':scale, 'Platt, 2 parameters':platt, 'isotonic':isotonic, 'beta, the likeliest end':lambda c: c.calibrate()}

def losses(e, y, n, rng):
    "How far each way is from the best possible on 60 classes, fitted on n others"
    classes = rng.permutation(np.unique(y))[:n+60]
    c,others = (counts(e, y, o).curve for o in (classes[:n],classes[n:]))
    def row(way):
        k = ways[way](c)
        return dict(way=way, least=others.least_cllr, loss=others.cllr(k)-others.least_cllr, ece=others.ece(k), ece_01=others.ece(k, .01))
    return [row(way) for way in ways]

# --- sure answers

def empirical(c, rate):
    "The boldest thresholds at which the rates of these pairs are no more than wanted"
    return c.fit(fmr=rate).threshold, c.fit(fnmr=rate).threshold

def as_if_independent(c, rate):
    "The same with the upper end of the interval of Clopper and Pearson, which takes pairs for independent"
    def boldest(p, n, step):
        k = np.flatnonzero(p<=rate)[::step]
        return k[exact_interval(p[k], n)[1]<=rate][-1]
    return c.threshold(boldest(c.fmr, c.n_not_same, 1)), c.threshold(boldest(c.fnmr, c.n_same, -1))

def over_classes(counts, rate):
    u = counts.unsure(rate, rate)
    return u.low,u.high

def true_rates(pool, low, high):
    "FMR and FNMR of the sure answers, and the shares of *same* and *not same* pairs that get one, among all pairs of all classes"
    at = lambda rates,t: 0. if t==-math.inf else float(rates[min(np.searchsorted(pool.first, t), len(pool)-1)])
    fnmr = lambda t: 0. if t==math.inf else at(pool.fnmr, t)
    fmr = lambda t: 1. if t==math.inf else at(pool.fmr, t)
    return dict(fmr=fmr(low), fnmr=fnmr(high), sure_same=0. if low==-math.inf else 1-fnmr(low), sure_not_same=1-fmr(high))

def draw(e, y, pool, calibration, n, rates, rng):
    "Thresholds from n classes by each way, and what they do among all classes"
    c = counts(e, y, rng.permutation(np.unique(y))[:n])
    cost = c.cllr(calibration)
    covered = cost.low<=pool.cllr(calibration)<=cost.high
    for rate in rates:
        for way,t in {'the rates as they are':empirical(c.curve, rate), 'pairs as if independent':as_if_independent(c.curve, rate),
                      'intervals over classes':over_classes(c, rate)}.items():
            r = true_rates(pool, *t)
            yield dict(rate=rate, way=way, fmr_exceeded=r['fmr']>rate, fnmr_exceeded=r['fnmr']>rate, no_same=t[0]==-math.inf, no_not_same=t[1]==math.inf,
                       sure_same=r['sure_same'], sure_not_same=r['sure_not_same'], cllr_covered=covered)

def summary(rows, by):
    "Means, with the standard errors of the losses"
    g = pd.DataFrame(rows).groupby(by, sort=False)
    df = g.mean()
    if 'loss' in df: df['loss_se'] = g.loss.sem()
    return df.assign(n=g.size()).reset_index()

# --- heads

def head_costs(images, seed, epochs=3):
    "Cllr of a head on classes that it has not seen: by its softmax, and calibrated on the split `threshold`"
    set_seed(seed)
    dls = images.dls(bs=64, store=images.store(32))
    learn = siamese_learner(dls, create_siamese_model(small_encoder(n_out=64)))
    learn.remove_cb(ProgressCallback)
    with learn.no_logging(): learn.fit_one_cycle(epochs, 3e-3)
    c,counts = learn.calibrate(),learn.pair_counts('valid')
    same,not_same = counts.curve.shares()
    cost = lambda logit: float(same@np.logaddexp(0, -logit)+not_same@np.logaddexp(0, logit))/math.log(2)
    logit,scored = -counts.curve.middles,counts.mapped(learn.model.score)
    told = scored.cllr(c)
    return dict(seed=seed, epochs=epochs, fitted_on=len(learn.pair_counts('threshold')), classes=len(counts), eer=counts.curve.eer,
                softmax=cost(logit), without_prior=cost(logit+math.log(3)), calibrated=told.value, low=told.low, high=told.high,
                least=scored.curve.least_cllr)

def heads(omniglot, seeds=(42,43)):
    sets = {'Glyphs':partial(Glyphs, size=32)} | ({'Omniglot':partial(LabeledImages.from_folder, omniglot)} if omniglot else {})
    rows = [dict(data=name, **head_costs(make(ClassSplitter(threshold_pct=.2, seed=o)), o)) for name,make in sets.items() for o in seeds]
    write('calibration_heads', pd.DataFrame(rows))

def write(fname, df):
    df.to_csv(results/f'{fname}.csv', index=False, float_format='%.4f')
    print(df.round(4).to_string())

@call_parse
def main(
    omniglot:Path=None, # Folder of folders of alphabets; without it, the other two sets
    repetitions:int=40, # Repetitions for the probabilities
    draws:int=200, # Draws of classes for the unsure answers
    parts:str='probabilities,unsure,heads', # What is measured
):
    "Measure both on all sets"
    torch.set_num_threads(1)
    if 'heads' in parts: heads(omniglot)
    if not {'probabilities','unsure'} & {*parts.split(',')}: return
    sets = {'look-alikes':look_alikes(), 'Glyphs':frozen('glyphs', Glyphs(size=64), 64)}
    if omniglot: sets['Omniglot'] = frozen('omniglot', LabeledImages.from_folder(omniglot), 96)
    probabilities,answers = [],[]
    for name,(e,y) in sets.items():
        e,y = at_most(e, y)
        if 'probabilities' in parts:
            rng = np.random.default_rng(42)
            probabilities += [dict(data=name, classes=n, **row) for n in (10,20,50) for _ in range(repetitions) for row in losses(e, y, n, rng)]
        if 'unsure' in parts:
            rng = np.random.default_rng(43)
            pool,calibration = count_pairs(e, y).curve,counts(e, y, np.unique(y)[:50]).curve.calibrate()
            answers += [dict(data=name, classes=n, **row) for n in (20,50) for _ in range(draws)
                        for row in draw(e, y, pool, calibration, n, (.05,.02), rng)]
        print(name, flush=True)
    if probabilities: write('calibration', summary(probabilities, ['data','classes','way']))
    if answers: write('unsure', summary(answers, ['data','classes','rate','way']))
