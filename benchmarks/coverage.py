"""How often do intervals hold the true rate? Classes are drawn again and again from populations whose rates are known.

    python benchmarks/coverage.py
    python benchmarks/coverage.py --omniglot FOLDER_OF_ZIPS

Populations: `points`, a synthetic one with look-alikes, easy and hard classes; `tail`, the same with a few very hard
ones; `glyphs` and, with a folder, `omniglot`: characters as they are and turned by right angles, as a frozen
EfficientNet-Lite0 embeds them (kept in fastai's data folder). Each draw takes some classes without putting them back,
and 5 or 5 to 20 images of each (of `glyphs` 5 to 12). Writes benchmarks/results/coverage.csv (intervals),
coverage_fit.csv (thresholds fitted with and without confidence), coverage_compare.csv (two models, equally good or
not) and coverage_narrower.csv (`--parts narrower`: could intervals of an FMR be narrower?), which the page *How sure is
a rate?* shows.
"""
import itertools, time, zipfile
from io import BytesIO
from itertools import chain
from pathlib import Path

from fastcore.script import call_parse
from scipy import stats
from siamese_verify.data import *
from siamese_verify.datasets import *
from siamese_verify.model import *
from siamese_verify.threshold import *
from siamese_verify.intervals import *
from fastai.vision.all import *

results = Path(__file__).resolve().parent/'results'
sizes = {'5':(5,5), '5 to 20':(5,20)}
fmrs,fnmrs,ats = (.001,.01,.05,.25),(.002,.01,.05,.25),(.001,.01,.05)

def points(n, spread, rng, m=20, dim=16):
    "Classes around random centres, a quarter of them beside another one, easy and hard ones"
    centre = rng.normal(size=(n,dim))
    centre[-n//4:] = centre[:n//4]+.35*rng.normal(size=(n//4,dim))
    y = np.repeat(np.arange(n), m)
    noise = .33*np.exp(spread*rng.normal(size=n))
    return centre[y]+noise[y,None]*rng.normal(size=(n*m,dim)),y

@torch.no_grad()
def encoded(name, images):
    "Embeddings of (image, label) by a frozen EfficientNet-Lite0 at 64 pixels, kept in fastai's data folder"
    fname = fastai_path('data')/f'coverage_{name}.npz'
    if not fname.exists():
        encoder = create_encoder(efficientnet_lite0, concat_pool=False).eval()
        ims,y = zip(*images())
        x = [np.array(im.convert('RGB').resize((64,64)), np.float32)/127.5-1 for im in ims]
        x = [torch.from_numpy(o).permute(2,0,1) for o in x]
        e = torch.cat([encoder(torch.stack(x[i:i+64])) for i in range(0, len(x), 64)])
        fname.parent.mkdir(parents=True, exist_ok=True)
        np.savez(fname, e=e.numpy(), y=np.array(y))
    kept = np.load(fname)
    return kept['e'],np.unique(kept['y'], return_inverse=True)[1]

def turned(images, angles):
    "Turned by a right angle, a character is another class"
    for im,label in images:
        for a in angles: yield im.rotate(a),f'{label} {a}'

def glyphs():
    images = Glyphs(size=64)
    for f,k in zip(images.files, images.y): yield open_image(f).convert('L'),k

def omniglot(path):
    for f in sorted(path.glob('*.zip')):
        with zipfile.ZipFile(f) as z:
            for name in sorted(o for o in z.namelist() if o.endswith('.png')):
                if f.stem.endswith('2') and name.split('/')[1] in ('Greek','Latin'): continue    # in both files
                yield Image.open(BytesIO(z.read(name))).convert('L'),name.rsplit('/', 1)[0].split('/', 1)[1]

class Population:
    "Classes of `m` images each, and their rates: those of all pairs"
    def __init__(self, name, e, y, m=20):
        of = np.split(np.argsort(y, kind='stable'), np.cumsum(np.bincount(y))[:-1])
        kept = np.array([o[:m] for o in of if len(o)>=m])
        self.name,self.e,self.y = name,torch.as_tensor(e[kept.ravel()]).float(),np.repeat(np.arange(len(kept)), m)
        self.of = np.arange(len(self.y)).reshape(-1, m)
        self.curve = c = count_pairs(self.e, self.y, bins=2**12).curve
        fits = [c.fit(fmr=o) for o in fmrs]+[c.fit(fnmr=o) for o in fnmrs]
        self.thresholds = [o.threshold for o in fits]
        self.fmr,self.fnmr = np.array([o.fmr for o in fits]),np.array([o.fnmr for o in fits])
        self.eer,self.at = c.eer,np.array([c.fit(fmr=o).fnmr for o in ats])

    def true(self,
        t, # A threshold
    ) -> dict:
        "The true rates there"
        return {name:np.interp(t, self.curve.lo, o) for name,o in (('FMR',self.curve.fmr), ('FNMR',self.curve.fnmr))}

    def draw(self, g, size, rng):
        "Some images of `g` classes"
        low,high = sizes[size]
        classes = rng.choice(len(self.of), g, replace=False)
        return np.concatenate([rng.permutation(self.of[c])[:rng.integers(low, high+1)] for c in classes])

def block_sums(pop, idx, thresholds):
    "False matches of each two classes, and *not same* pairs; false non-matches of each class, and *same* pairs"
    starts = np.flatnonzero(np.diff(pop.y[idx], prepend=-1))    # a class's images lie side by side
    m = np.diff(np.append(starts, len(idx))).astype(float)
    d = distance_matrix(pop.e[idx], pop.e[idx]).numpy()
    def blocks(t): return np.add.reduceat(np.add.reduceat(d<t, starts, 0, np.float32), starts, 1)
    def split(b): return b-np.diag(np.diag(b)),(m*m-np.diag(b))/2
    return [split(blocks(t)) for t in thresholds],np.outer(m, m)-np.diag(m*m),m*(m-1)/2

def wilson(p, n):
    z = stats.norm.ppf(.975)
    with np.errstate(all='ignore'):
        mid,half = (p+z*z/2/n)/(1+z*z/n),z/(1+z*z/n)*np.sqrt(p*(1-p)/n+z*z/4/n/n)
    return mid-half,mid+half

def others(pop, idx, rng, boots=200):
    "Other intervals of FMR and FNMR at each threshold: method, rate, number of the threshold, low, high"
    sums,n,same = block_sums(pop, idx, pop.thresholds)
    w = rng.multinomial(len(same), np.full(len(same), 1/len(same)), boots)
    for k,(fm,fnm) in enumerate(sums):
        fmr,fnmr = fm.sum()/n.sum(),fnm.sum()/same.sum()
        fmr_boot,fnmr_boot = ((w@fm)*w).sum(1)/((w@n)*w).sum(1),(w@fnm)/(w@same)
        v = ((fnm-fnmr*same)**2).sum()/same.sum()**2
        for rate,p,pairs,v,boot in (
            ('FMR', fmr, n.sum()/2, _dyadic(fm, n), fmr_boot), ('FNMR', fnmr, same.sum(), v, fnmr_boot)):
            yield 'pairs as if independent',rate,k,*wilson(p, pairs)
            yield 'Wilson, plug-in variance',rate,k,*wilson(p, min(p*(1-p)/v, pairs) if v>0 else pairs)
            yield 'bootstrap of classes',rate,k,*np.quantile(boot, [.025,.975])

def _dyadic(fm, n):
    "Variance of an FMR, where pairs that share a class depend on each other"
    r = fm-fm.sum()/n.sum()*n
    return ((r.sum(1)**2).sum()-(r**2).sum()/2)/(n.sum()/2)**2

def ours(counts, pop, rng):
    "Our intervals: rate, number of the threshold, low, high"
    k = [counts.curve.cut(t) for t in pop.thresholds]
    for rate,est in (('FMR',counts.fmr_estimates(k)), ('FNMR',counts.fnmr_estimates(k)),
                     ('EER',counts.eer_estimates()), ('FNMR at an FMR',counts.fnmr_at_estimates(ats))):
        for i,(low,high) in enumerate(zip(*est.interval()[:2])): yield 'ours',rate,i,low,high

def true_rate(pop, rate, i):
    return {'FMR':pop.fmr, 'FNMR':pop.fnmr, 'EER':[pop.eer], 'FNMR at an FMR':pop.at}[rate][i]

def on_others(pop, g, size, fit, rng):
    "Rates at a threshold that was fitted on other classes"
    idx = pop.draw(g, size, rng)
    counts = count_pairs(pop.e[idx], pop.y[idx], thresholds=[fit.threshold], bins=512)
    k = [counts.curve.cut(fit.threshold)]
    for rate,est in (('FMR',counts.fmr_estimates(k)), ('FNMR',counts.fnmr_estimates(k))):
        low,high = (o[0] for o in est.interval()[:2])
        yield 'ours',f'{rate}, threshold of others',0,low,high

def cell(pop, g, size, reps, seed):
    "All intervals of `reps` draws"
    rng = np.random.default_rng([seed, g, len(size), *pop.name.encode()])
    held = collections.defaultdict(list)
    for r in range(reps):
        idx = pop.draw(g, size, rng)
        counts = count_pairs(pop.e[idx], pop.y[idx], thresholds=pop.thresholds, bins=1024)
        for method,rate,i,low,high in (*ours(counts, pop, rng), *others(pop, idx, rng)):
            t = true_rate(pop, rate, i)
            held[method,rate,t].append((low<=t<=high, high-low))
        plain = counts.fit(fmr=.01)
        for method,rate,_,low,high in on_others(pop, g, size, plain, rng):
            t = pop.true(plain.threshold)['FMR' if rate.startswith('FMR') else 'FNMR']
            held[method,rate,math.nan].append((low<=t<=high, high-low))
    return held_rows(pop, g, size, held)

goals = ('FMR',.01),('FMR',.05),('FNMR',.05),('FNMR',.1)

def fitted(pop, g, size, reps, seed):
    "How often a threshold that was fitted for a rate breaks its promise"
    rng = np.random.default_rng([seed, g, len(size), *pop.name.encode()])
    fits = collections.defaultdict(list)
    for r in range(reps):
        idx = pop.draw(g, size, rng)
        counts = count_pairs(pop.e[idx], pop.y[idx], bins=1024)
        for (name,rate),confidence in itertools.product(goals, (None,.95)):
            try: t = counts.fit(**{name.lower():rate}, confidence=confidence).threshold
            except ValueError: above = math.nan
            else: above = pop.true(t)[name]>rate
            fits[name,rate,confidence or 0].append(above)
    return fit_rows(pop, g, size, fits)

def held_rows(pop, g, size, held):
    facts = dict(population=pop.name, classes=g, images=size)
    for (m,r,t),o in held.items():
        covered,width = np.mean(o, 0)
        yield dict(facts, method=m, rate=r, true=t, draws=len(o), covered=covered, width=width)

def fit_rows(pop, g, size, fits):
    facts = dict(population=pop.name, classes=g, images=size)
    for (r,w,c),o in fits.items():
        share = dict(answered=np.isfinite(o).mean(), exceeded=np.nansum(o)/len(o))
        yield dict(facts, rate=r, wanted=w, confidence=c, draws=len(o), **share)

def counted_once(counts, pop, cap):
    "Intervals of FMRs, what two classes add counted once, and pairs for at most `cap` times as much as we let them"
    g = len(counts)
    for i,t in enumerate(pop.thresholds):
        est = counts.fmr_estimates([counts.curve.cut(t)])
        v,shared = jackknife_variance(est.left_out)[0],np.square(counts.pair_parts(est)).sum()/2
        mean = est.left_out.mean(0)
        if v: est.left_out = mean+(est.left_out-mean)*(max(v-shared*g*(g-1)/(g-2)**2, shared)/v)**.5
        est.most *= cap
        yield i,*(o[0] for o in est.interval()[:2])

def narrower(pop, g, size, reps, seed):
    "Would intervals of an FMR hold if they were narrower?"
    rng = np.random.default_rng([seed, g, len(size), *pop.name.encode()])
    held = collections.defaultdict(list)
    for r in range(reps):
        idx = pop.draw(g, size, rng)
        counts = count_pairs(pop.e[idx], pop.y[idx], thresholds=pop.thresholds, bins=1024)
        found = [('ours',o,*rest) for _,o,*rest in ours(counts, pop, rng) if o=='FMR']
        found += [o for o in others(pop, idx, rng) if o[1]=='FMR']
        for method,cap in ('two classes once',1),('two classes once, cap doubled',2):
            found += [(method,'FMR',*o) for o in counted_once(counts, pop, cap)]
        for method,_,i,low,high in found: held[method,'FMR',pop.fmr[i]].append((low<=pop.fmr[i]<=high, high-low))
    return held_rows(pop, g, size, held)

def mcnemar(x, y):
    "p-value of two models' mistakes, as if pairs were independent"
    b,c = (x & ~y).sum(),(~x & y).sum()
    return stats.binomtest(int(b), int(b+c)).pvalue if b+c else 1.

def compared(pop, g, worse, reps, seed):
    "How often two models are told apart: noise of their own, as much for both, or `worse` times as much for one"
    rng = np.random.default_rng([seed, g, int(100*worse), *pop.name.encode()])
    noise = .7*pop.e.std(0).numpy()
    def noisy(idx, by):
        e = pop.e[idx].numpy()
        return torch.as_tensor(e+by*noise*rng.normal(size=e.shape)).float()
    some = pop.draw(min(len(pop.of), 200), '5', rng)
    t = count_pairs(noisy(some, 1), pop.y[some]).fit('eer').threshold
    found = collections.defaultdict(list)
    for r in range(reps):
        idx = pop.draw(g, '5', rng)
        e,y = [noisy(idx, by) for by in (1, worse)],pop.y[idx]
        table = compare_rates(*[count_pairs(o, y, thresholds=[t], bins=1024) for o in e], (t,t)).to_df()
        for name,p in table.p.items(): found['ours',name].append(p<.05)
        i,j = np.triu_indices(len(y), 1)
        wrong = [(distance_matrix(o, o).numpy()[i,j]<t)!=(y[i]==y[j]) for o in e]
        for name,of in (('FMR',y[i]!=y[j]), ('FNMR',y[i]==y[j])):
            found['McNemar on pairs',name].append(mcnemar(*[o[of] for o in wrong])<.05)
    facts = dict(population=pop.name, classes=g, noise=worse)
    return [dict(facts, method=m, rate=r, draws=len(o), told_apart=np.mean(o)) for (m,r),o in found.items()]

def populations(omniglot_path, names, seed):
    for name in names:
        if name=='points': yield Population(name, *points(1000, .25, np.random.default_rng(seed)))
        if name=='tail': yield Population(name, *points(1000, .4, np.random.default_rng(seed+1)))
        if name=='glyphs': yield Population(name, *encoded(name, lambda: turned(glyphs(), (0,90))), m=12)
        if name=='omniglot' and omniglot_path:
            yield Population(name, *encoded(name, lambda: turned(omniglot(omniglot_path), (0,90,180,270))))

def keep(name, rows, **facts):
    "Put rows into a table, in place of older ones of the same population and number of classes"
    fname,rows = results/name,pd.DataFrame(rows).assign(**facts)
    if not len(rows): return
    if fname.exists():
        old = pd.read_csv(fname)
        new = set(zip(rows.population, rows.classes))
        rows = pd.concat([old[[o not in new for o in zip(old.population, old.classes)]], rows])
    tmp = fname.with_suffix('.tmp')
    rows.to_csv(tmp, index=False, float_format='%.5g')
    os.replace(tmp, fname)

@call_parse
def main(
    omniglot:Path=None, # Folder of Omniglot's zip files
    reps:int=250, # Draws for each number of classes and of images
    names:str='points,tail,glyphs,omniglot', # Populations
    classes:str='10,20,50,100', # Numbers of classes
    seed:int=42, # Seed
    parts:str='rates,fit,compare', # What is simulated: intervals of rates, fitted thresholds, comparisons of models; `narrower` intervals
):
    "Write how often intervals hold the true rate"
    start = time.time()
    command = f'python benchmarks/coverage.py --reps {reps} --names {names} --classes {classes} --seed {seed} --parts {parts}'
    if omniglot: command += ' --omniglot FOLDER'
    for pop in populations(omniglot, names.split(','), seed):
        seconds = time.time()-start
        print(f'{pop.name}: {len(pop.of)} classes, {len(pop.y)} images, EER {pop.eer:.4f}, {seconds:.0f} s', flush=True)
        for g in map(int, classes.split(',')):
            def rows(of, part): return [*chain(*[of(pop, g, size, reps, seed) for size in sizes if part in parts])]
            cover,fit,narrow = rows(cell, 'rates'),rows(fitted, 'fit'),rows(narrower, 'narrower')
            noises = () if pop.name=='tail' or 'compare' not in parts else (1,1.15)
            compare = [*chain(*[compared(pop, g, worse, reps, seed) for worse in noises])]
            for name,made in ('',cover),('_fit',fit),('_narrower',narrow),('_compare',compare):
                keep(f'coverage{name}.csv', made, seed=seed, command=command)
            mine = [o['covered'] for o in cover if o['method']=='ours']
            text = f'least {min(mine):.3f}, mean {np.mean(mine):.3f}, ' if mine else ''
            print(f'{g} classes: {text}{time.time()-start:.0f} s', flush=True)
