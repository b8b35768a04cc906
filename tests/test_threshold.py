"Fitted thresholds against every threshold there is"
import math
from collections import namedtuple

import numpy as np, pytest, torch
from hypothesis import given, settings, strategies as st

from siamese_verify.threshold import Threshold, equal_error_rate, error_rates, fit_threshold

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
    return Rates(1-(fm+fnm)/len(d), fm/(len(d)-n) if n<len(d) else math.nan, fnm/n if n else math.nan, n, len(d)-n)

def all_rates(d, same):
    "The error rates at every threshold that there is: at each distance, since d < t changes only behind it, and beyond"
    ts = np.unique(d.astype(np.float64))
    return [rates(d.tolist(), same, t) for t in [*ts, *([np.nextafter(ts[-1], math.inf)] if ts[-1]<math.inf else [])]]

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

def test_bad_input():
    for d,same,kw,message in [([], [], {}, 'no pairs'), ([1.], [1,0], {}, '1 distances, but 2 targets'), ([1.,math.nan], [1,0], {}, 'NaN'),
                              ([1.,2.], [1,0], dict(fmr=2), 'from 0 to 1'), ([1.,2.], [1,0], dict(fmr=.1, fnmr=.1), 'give one objective'),
                              ([1.,2.], [1,0], dict(objective='auc'), 'no objective'), ([1.,2.], [1,1], dict(fmr=.1), 'all pairs are the same'), ([1.,2.], [1,-1], {}, 'not -1'),
                              ([1.,2.], [1,0], dict(cost=(1,1)), 'cost is'), ([1.,2.], [1,0], dict(cost=(-1,1,.5)), 'costs are positive')]:
        with pytest.raises(ValueError, match=message): fit_threshold(torch.tensor(d), torch.tensor(same), **kw)

@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_cuda():
    d,same = torch.rand(10**6, device='cuda'),torch.rand(10**6, device='cuda')<.5
    assert fit_threshold(d, same)==fit_threshold(d.cpu(), same.cpu())

@settings(max_examples=300)
@given(pairs())
def test_equal_error_rate_depends_on_the_order_alone(data):
    d,same = data
    rank = np.unique(d, return_inverse=True)[1]
    assert equal_error_rate(d, same)==equal_error_rate(rank, same)==equal_error_rate(rank**3, same)

@settings(max_examples=300)
@given(pairs(), st.sampled_from([torch.float32, torch.float16, torch.bfloat16]))
def test_layer_answers_as_its_fit_says(data, dtype):
    d,same = data
    d = np.where(np.isfinite(d) & (d<1e4), d, 1e4)
    layer = Threshold().to(dtype)
    fit = layer.fit(d, same, objective='balanced accuracy')
    d = torch.from_numpy(d).to(dtype)
    assert layer.threshold.item()==fit.threshold
    answers = d<layer.threshold
    assert (answers.numpy()==same).mean()==pytest.approx(fit.accuracy)
    if dtype==torch.float32 and d.max()>1e-20: assert (layer(d).argmax(1).bool()==answers).all()
