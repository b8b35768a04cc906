"Fitted thresholds against every threshold there is"
import math, warnings
from collections import namedtuple

import numpy as np, pytest, torch
from hypothesis import given, settings, strategies as st

from siamese_verify.curves import plot_det, plot_roc
from siamese_verify.intervals import count_pairs
from siamese_verify.model import DistanceSiamese, Threshold
from siamese_verify.threshold import ErrorCurve, equal_error_rate, error_rates, fit_threshold, plot_distance_histogram

settings.register_profile('patient', deadline=None)    # on a busy machine, too
settings.load_profile('patient')

@st.composite
def pairs(draw, both=True):
    "Distances with ties, at any scale, some infinite, and their targets"
    n = draw(st.integers(2 if both else 1, 30))
    dtype = draw(st.sampled_from([np.float64, np.float32, np.float16]))
    values = st.one_of(st.integers(0,5).map(float), st.just(math.inf), st.floats(0, 6e4, width=16))
    scale = draw(st.sampled_from([1.] if dtype==np.float16 else [1., 1e-30, 1e30]))
    d = (np.array(draw(st.lists(values, min_size=n, max_size=n)))*scale).astype(dtype)
    same = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    if both: same[:2] = True,False
    return d,same

Rates = namedtuple('Rates', 'accuracy fmr fnmr n_same n_not_same')

def rates(d, same, t):
    "Error rates at a threshold, counted one by one"
    fm = sum(1 for x,y in zip(d, same) if x<t and not y)
    fnm = sum(1 for x,y in zip(d, same) if not x<t and y)
    n = int(same.sum())
    n_not = len(d)-n
    return Rates(1-(fm+fnm)/len(d), fm/n_not if n_not else math.nan, fnm/n if n else math.nan, n, n_not)

def all_rates(d, same):
    "The error rates at every threshold that there is: at each distance, since d < t changes only behind it, and beyond"
    ts = np.unique(d.astype(np.float64))
    beyond = [np.nextafter(ts[-1], math.inf)] if ts[-1]<math.inf else []
    return [rates(d.tolist(), same, t) for t in [*ts, *beyond]]

def balanced(r): return -(r.fmr+r.fnmr)
def eer(r): return -abs(r.fmr-r.fnmr)
def f1(r): return 2*(1-r.fnmr)*r.n_same/(r.n_same*(2-r.fnmr)+r.fmr*r.n_not_same)
scores = {'balanced accuracy':balanced, 'eer':eer, 'f1':f1, 'accuracy':lambda r: r.accuracy}

@settings(max_examples=1500)
@given(pairs(), st.sampled_from([*scores]))
def test_objectives(data, objective):
    d,same = data
    fit = fit_threshold(d, same, objective)
    assert scores[objective](fit) >= max(map(scores[objective], all_rates(d, same)))-1e-12
    assert rates(d.tolist(), same, fit.threshold)[:3]==(fit.accuracy, fit.fmr, fit.fnmr)

@settings(max_examples=1500)
@given(pairs(both=False))
def test_accuracy_of_one_kind(data):
    d,same = data
    fit = fit_threshold(d, same)
    assert fit.accuracy==max(r.accuracy for r in all_rates(d, same))
    assert bool(fit.warning)==(same.all() or not same.any())

@settings(max_examples=1500)
@given(pairs(), st.one_of(st.floats(0,1), st.fractions(0, 1, max_denominator=12).map(float)))
def test_targets(data, rate):
    d,same = data
    rates = all_rates(d, same)
    fit = fit_threshold(d, same, fmr=rate)
    assert fit.fmr<=rate and fit.fnmr==min(r.fnmr for r in rates if r.fmr<=rate)
    if feasible := [r.fmr for r in rates if r.fnmr<=rate]:
        fit = fit_threshold(d, same, fnmr=rate)
        assert fit.fnmr<=rate and fit.fmr==min(feasible)
    else:
        with pytest.raises(ValueError, match='infinite'): fit_threshold(d, same, fnmr=rate)

@settings(max_examples=1000)
@given(pairs(), st.floats(.1,10), st.floats(.1,10), st.floats(.01,.99))
def test_cost(data, c_fm, c_fnm, prior):
    d,same = data
    cost = lambda r: (1-prior)*c_fm*r.fmr + prior*c_fnm*r.fnmr
    assert cost(fit_threshold(d, same, cost=(c_fm,c_fnm,prior))) <= min(map(cost, all_rates(d, same)))+1e-9

@settings(max_examples=500)
@given(pairs(), st.floats(0,1))
def test_prior(data, prior):
    "Accuracy at a stated share of *same* pairs, which the share of these pairs doesn't change"
    d,same = data
    fit = fit_threshold(d, same, prior=prior)
    best = max(1-(1-prior)*r.fmr-prior*r.fnmr for r in all_rates(d, same))
    assert fit.accuracy==pytest.approx(best)
    assert fit.accuracy==pytest.approx(ErrorCurve.from_pairs(d, same).at(fit.threshold, prior=prior).accuracy)
    more = np.repeat(d, np.where(same, 3, 1)),np.repeat(same, np.where(same, 3, 1))
    assert fit_threshold(*more, prior=prior).accuracy==pytest.approx(fit.accuracy)

@settings(max_examples=1000)
@given(pairs(), st.lists(st.floats(0, 6e4, width=16), max_size=5), st.sampled_from([*scores]))
def test_bins(data, edges, objective):
    "Counts in bins tell the same as pairs, at each edge"
    d,same = data
    d = np.where(np.isfinite(d), d, 0).astype(float)
    edges = np.unique([0, *edges, np.nextafter(d.max(), math.inf)])
    count = lambda o: np.histogram(o, edges)[0]
    curve = ErrorCurve.from_bins(edges, count(d[same]), count(d[~same]))
    for t in edges: assert curve.at(t)==error_rates(d, same, t)
    fit = curve.fit(objective)
    assert rates(d.tolist(), same, fit.threshold)[:3]==(fit.accuracy, fit.fmr, fit.fnmr)
    assert scores[objective](fit) >= max(scores[objective](rates(d.tolist(), same, t)) for t in edges)-1e-12

def test_weights():
    "Pairs that weigh twice count as two"
    d,same,not_same = np.array([.1, .2, .3, .4]),np.array([2., 1, 1, 0]),np.array([0., 1, 0, 2])
    pairs = np.repeat(d, (same+not_same).astype(int)),[1,1,1,0,1,0,0]
    assert ErrorCurve(d, d, same, not_same).fit()==fit_threshold(*pairs)

def test_inputs_of_all_kinds():
    "Lists, arrays, tensors, columns, shapes and precisions give one fit"
    d,same = [.25, .5, .75, 1.],[1, 0, 1, 0]
    fit = fit_threshold(d, same)
    dtypes = torch.float64,torch.float32,torch.float16,torch.bfloat16
    for o in [np.array(d), tuple(d), np.array(d)[:,None], *(torch.tensor(d, dtype=t, requires_grad=True) for t in dtypes)]:
        assert fit_threshold(o, same)==fit
    for o in np.array(same)>0, torch.tensor(same, dtype=torch.uint8), np.array(same, float): assert fit_threshold(d, o)==fit
    assert fit_threshold([1,2,3,4], same).threshold==1.5

bad_pairs = [([], [], 'no pairs'), ([1.], [1,0], '1 distances, but 2 targets'), ([1.,math.nan], [1,0], 'NaN'),
             ([1.,2.], [1,-1], 'not -1'), ([1.,2.], [1,math.nan], 'not nan'), (['a','b'], [1,0], 'numbers, not str'),
             ([1.,2.], ['Same','Not Same'], 'targets are numbers, not str'), (None, [1], 'numbers, not object'),
             (np.array([1,'a'], object), [1,0], 'numbers, not object'), ([1.,2j], [1,0], 'numbers, not complex128'),
             (torch.tensor([1j,2]), [1,0], 'numbers, not complex64'), (torch.eye(2).to_sparse(), [1,0,0,1], 'sparse')]

@pytest.mark.parametrize('d,same,message', bad_pairs)
def test_bad_pairs(d, same, message):
    with pytest.raises(ValueError, match=message): fit_threshold(d, same)

bad_goals = [(dict(fmr=2), 'from 0 to 1'), (dict(fmr='0.1'), "not '0.1'"), (dict(fmr=math.nan), 'not nan'),
             (dict(fmr=.1, fnmr=.1), 'give one objective'), (dict(objective='f1', fmr=.1), 'give one objective'),
             (dict(objective='auc'), 'no objective'), (dict(objective=.5), 'no objective'), (dict(objective=[1]), 'no objective'),
             (dict(prior=1.5), 'prior is a number from 0 to 1'), (dict(prior=.5, objective='eer'), 'goes with accuracy'),
             (dict(prior=.5, cost=(1,1,.5)), 'goes with accuracy'), (dict(cost=1), 'cost is'), (dict(cost=(1,1)), 'cost is'),
             (dict(cost='abc'), 'cost is|cost of a false match is'), (dict(cost=(1,1,2)), 'from 0 to 1'),
             *((dict(cost=(o,1,.5)), 'cost of a false match') for o in (-1, 0, math.inf, math.nan, '1', None)),
             *((dict(cost=(1,o,.5)), 'cost of a false non-match') for o in (0, math.inf, math.nan))]

@pytest.mark.parametrize('goal,message', bad_goals)
def test_bad_goals(goal, message):
    with pytest.raises(ValueError, match=message): fit_threshold([1.,2.], [1,0], **goal)

def test_bad_thresholds():
    with pytest.raises(ValueError, match='all pairs are the same'): fit_threshold([1.,2.], [1,1], fmr=.1)
    for t in math.nan, 'a':
        with pytest.raises(ValueError): error_rates([1.,2.], [1,0], t)
    for bad in dict(threshold=math.nan), dict(threshold=math.inf), dict(scale=math.nan), dict(scale=-1), dict(scale=0):
        with pytest.raises(ValueError, match=[*bad][0]): Threshold(**bad)
    model = DistanceSiamese(torch.nn.Linear(2, 2))
    with pytest.raises(ValueError, match='threshold is a number'): model.threshold = math.nan
    before = model.threshold
    with pytest.raises(ValueError, match='not inf'): model.fit_threshold(([math.inf, math.inf], [1, 0]))
    assert model.threshold==before

@settings(max_examples=300)
@given(pairs())
def test_equal_error_rate_depends_on_the_order_alone(data):
    d,same = data
    rank = np.unique(d, return_inverse=True)[1]
    assert equal_error_rate(d, same)==equal_error_rate(rank, same)==equal_error_rate(rank**3, same)

@settings(max_examples=300)
@given(pairs(), st.sampled_from([torch.float32, torch.float16, torch.bfloat16]))
def test_layer_answers_as_its_fit_says(data, dtype):
    "A layer in half precision compares distances in single precision with its own, rounded threshold"
    d,same = data
    d = np.where(np.isfinite(d) & (d<1e4), d, 1e4).astype(np.float32)
    layer = Threshold().to(dtype)
    curve = ErrorCurve.from_pairs(d, same)
    fit = layer.fit(curve, objective='balanced accuracy')
    assert layer.threshold.item()==fit.threshold
    assert fit==curve.at(fit.threshold, objective='balanced accuracy')
    answers = torch.from_numpy(d)<fit.threshold
    assert (answers.numpy()==same).mean()==pytest.approx(fit.accuracy)
    if dtype==torch.float32 and d.max()>1e-20: assert (layer(torch.from_numpy(d)).argmax(1).bool()==answers).all()

def test_scale_of_few_pairs():
    "The likeliest scale by brute force, if there's one pair of a kind; the least one, if distances say the opposite"
    d,same = np.array([.1, .2, .35, .4]),np.array([True, False, False, False])
    layer = Threshold()
    t = layer.fit(ErrorCurve.from_pairs(d, same)).threshold
    target,weight = np.where(same, 2/3, 1/5),np.where(same, 1, 1/3)
    scales = np.geomspace(.1, 100, 20001)
    z = 2*scales[:,None]*(t-d)
    cost = (weight*(np.logaddexp(0, z)-target*z)).sum(1)
    assert layer.scale.item()==pytest.approx(scales[cost.argmin()], rel=1e-3)
    d = np.array([.1, .2, .3, .4])
    t = layer.fit(ErrorCurve.from_pairs(d, [0,0,1,1])).threshold
    assert layer.scale.item()==pytest.approx(1e-3/np.abs(t-d).mean(), rel=1e-4)

def test_histogram():
    ax = plot_distance_histogram([.1, .2, .9], [1,1,0], threshold=.5)
    assert [o.get_text() for o in ax.get_legend().get_texts()]==['same (2)','not same (1)','threshold 0.5']

@pytest.mark.parametrize('plot', [plot_det, plot_roc])
def test_a_curve_without_a_name(plot):
    "A single curve has no legend, and nobody warns of that"
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(8), 4)
    counts = count_pairs(rng.normal(size=(8,4))[y]+.5*rng.normal(size=(32,4)), y)
    with warnings.catch_warnings():
        warnings.simplefilter('error', UserWarning)
        assert plot(counts).get_legend() is None
