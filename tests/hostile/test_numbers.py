"Numbers that are no answers: NaN never becomes an answer, a rate or a threshold"
import math, os

import numpy as np, pandas as pd, pytest, torch
from torch import nn

from siamese_verify.all import (
    Calibration, DistanceSiamese, ErrorCurve, PairCounts, Threshold, ThresholdSiamese, compare_rates, cosine_distance, count_pairs,
    distance_matrix, equal_error_rate, error_rates, euclidean_distance, fit_threshold, normalized_squared_euclidean_distance, plan_classes,
    plot_distance_histogram, squared_euclidean_distance, verdict, with_prior, worst_pairs)
from cases import each, end, fails

nan,inf,T = np.nan,np.inf,torch.tensor
d,y = np.array([.1,.2,.3,.6,.7,.8]),np.array([1,1,0,1,0,0])
def is_fit(o): return .2<=o.threshold<=.7 and (o.n_same,o.n_not_same)==(3,3)

# distances and targets of pairs: kind × right answer or error; each goes through all that reads such pairs
inputs = dict(
    arrays=(d, y, is_fit), lists=(d.tolist(), y.tolist(), is_fit), tensors=(T(d), T(y), is_fit), half=(T(d).half(), T(y).bool(), is_fit), bfloat16=(T(d).bfloat16(), T(y).float(), is_fit), gradient=(T(d).requires_grad_(), T(y), is_fit), column=(d[:,None], y[:,None], is_fit), series=(pd.Series(d), pd.Series(y), is_fit), ints=([1,2,3,6,7,8], y, lambda o: 2<=o.threshold<=7),
    float128=(d.astype(np.longdouble), y, is_fit), booleans=(d, y>0, is_fit), negative=(d-1, y, lambda o: o.threshold<0), huge=(d*1e300, y, lambda o: o.threshold>1e299), tiny=(d*1e-300, y, lambda o: 0<o.threshold<1e-300),
    one_NaN=(np.where(d==.3, nan, d), y, fails('1 of 6 distances are NaN, the first is number 2')), all_NaN=(d*nan, y, fails('6 of 6 distances are NaN')), NaN_tensor=(T(d)*nan, y, fails('6 of 6 distances are NaN')), NaN_target=(d, y*nan, fails('targets are True or False, 1 or 0, not nan')), two=(d, y*2, fails('targets are True or False, 1 or 0, not 2')), minus=(d, -y, fails('targets are .* not -1')), half_target=(d, y/2, fails('targets are .* not 0.5')),
    too_few=(d, y[:5], fails('6 distances, but 5 targets')), none=([], [], fails('there are no pairs')), complex_=(d*1j, y, fails('distances are numbers, not complex')), objects=(d.astype(object), y, fails('distances are numbers, not object')), strings=(d.astype(str), y, fails('distances are numbers, not str')), dates=(d.astype('M8[s]'), y, fails('distances are numbers, not datetime')), None_=([None]*6, y, fails('distances are numbers, not object')), no_distances=(None, y, fails('distances are numbers')),
    words=(d, ['Same']*6, fails('targets are numbers, not str')), complex_targets=(d, y*1j, fails('targets are numbers, not complex')), no_targets=(d, None, fails('targets are numbers|6 distances, but 1')), sparse=(T(d).to_sparse(), y, fails('distances are in a sparse tensor')), sparse_targets=(d, T(y).to_sparse(), fails('targets are in a sparse tensor')), ragged=([[1],[2,3]], y, fails('distances')), a_dict=({}, y, fails('distances are numbers')))
@each('o', inputs)
def test_distances_and_targets(o): end(lambda: fit_threshold(o[0], o[1]), o[2])

@each('o', {k:v for k,v in inputs.items() if isinstance(v[2], fails)})
def test_every_reader_of_pairs(o):
    model = DistanceSiamese(nn.Flatten())
    readers = [lambda *a: error_rates(*a, .5), equal_error_rate, ErrorCurve.from_pairs, plot_distance_histogram, lambda *a: PairCounts.from_pairs(*a, np.arange(6), np.arange(6)), lambda *a: model.fit_threshold(a), lambda *a: Threshold().fit(ErrorCurve.from_pairs(*a))]
    for read in readers: end(lambda: read(o[0], o[1]), o[2])
    assert model.threshold==.5

curve = ErrorCurve.from_pairs(d, y)
odd_numbers = dict(minus=-.1, above=1.1, NaN=nan, inf=inf, text='0.1', a_list=[.1], complex_=1j, true=True)
goals = {f'{k}_{name}':({k:o}, f'{k} is a number from 0 to 1, not') for k in ('fmr','fnmr','prior') for name,o in odd_numbers.items()} | dict(
    cost_number=(dict(cost=1), r'cost is \(of a false match, of a false non-match, prior of same\), not 1'), cost_two=(dict(cost=(1,2)), 'cost is'), cost_four=(dict(cost=(1,2,.5,1)), 'cost is'), cost_text=(dict(cost='abc'), 'cost'), cost_dict=(dict(cost={}), 'cost is'),
    cost_inf=(dict(cost=(inf,1,.5)), 'the cost of a false match is a number of 0 or more, not inf'), cost_NaN=(dict(cost=(nan,1,.5)), 'the cost of a false match is a number'), cost_minus=(dict(cost=(-1,1,.5)), 'the cost of a false match'), cost_0=(dict(cost=(0,1,.5)), 'the cost of a false match is above 0'), cost_0_2=(dict(cost=(1,0,.5)), 'the cost of a false non-match is above 0'),
    cost_prior=(dict(cost=(1,1,2)), 'the prior of same is a number from 0 to 1, not 2'), cost_prior_NaN=(dict(cost=(1,1,nan)), 'the prior of same is a number from 0 to 1'), objective=(dict(objective='precision'), "no objective 'precision': take accuracy, balanced accuracy, f1, eer, fmr, fnmr or cost"), objective_None=(dict(objective=None), 'no objective None'), objective_list=(dict(objective=['eer']), 'no objective'),
    two_goals=(dict(fmr=.1, fnmr=.1), 'give one objective, not fmr, fnmr'), two_goals_2=(dict(objective='eer', fmr=.1), 'give one objective, not eer, fmr'), prior_with_fmr=(dict(fmr=.1, prior=.5), 'prior goes with accuracy'))
@each('o', goals)
def test_goals(o):
    counts = PairCounts.from_pairs(d, y, [0,1,2,3,4,5], [0,1,3,3,5,0])
    for fit in curve.fit, counts.fit, Threshold().fit and (lambda **k: Threshold().fit(curve, **k)): end(lambda: fit(**o[0]), fails(o[1]))

thresholds = dict(NaN=(nan, fails('threshold is a number, not NaN|threshold is a number')), text=('x', fails('threshold is a number')), None_=(None, fails('threshold is a number')), a_list=([1.,2.], fails('threshold is a number')), inf=(inf, lambda o: o.fnmr==0 and o.fmr==1), minus_inf=(-inf, lambda o: o.fnmr==1 and o.fmr==0), fit=(curve.fit(), lambda o: o.fmr<.5), tensor=(T(.5), lambda o: o.fnmr==1/3))
@each('o', thresholds)
def test_thresholds_of_rates(o): end(lambda: error_rates(d, y, o[0]), o[1])

kinds_alone = dict(all_same=np.ones(6), none_same=np.zeros(6))
@each('y', kinds_alone)
def test_pairs_of_one_kind(y):
    "No rate of what isn't there, and no warning of NumPy's"
    end(lambda: fit_threshold(d, y).warning, lambda o: 'all pairs are the same' in o or 'no pair is the same' in o)
    for k in dict(fmr=.1), dict(fnmr=.1), dict(objective='eer'), dict(cost=(1,1,.5)), dict(prior=.5): end(lambda: fit_threshold(d, y, **k), fails('(all pairs are the same|no pair is the same): this takes pairs of both kinds'))
    end(lambda: equal_error_rate(d, y), math.isnan)
    counts = PairCounts.from_pairs(d, y, [0]*6, [0]*6 if y.all() else [1]*6)
    end(lambda: repr(counts.rates(.5)), lambda o: isinstance(o, str))
    end(lambda: counts.curve.calibrate(), fails('takes pairs of both kinds'))
    end(lambda: counts.unsure(), fails('takes pairs of both kinds'))

settings = {f'{k}_{name}':(k, o) for k in ('threshold','scale') for name,o in dict(NaN=nan, inf=inf, text='1', None_=None, a_list=[1], complex_=1j, true=True).items()} | dict(scale_0=('scale', 0), scale_minus=('scale', -1))
@each('o', settings)
def test_threshold_layer(o):
    end(lambda: Threshold(**{o[0]:o[1]}), fails(f'{o[0]} is a number'))
    of_data = o==('threshold', None)    # where the distances of a batch are
    end(lambda: ThresholdSiamese(nn.Flatten(), **{o[0]:o[1]}), (lambda m: m.threshold==1) if of_data else fails(f'{o[0]} is a number'))
    if o[0]!='threshold': return
    model = DistanceSiamese(nn.Flatten())
    end(lambda: setattr(model, 'threshold', o[1]), fails('threshold is a number'))
    assert model.threshold==.5

g = torch.Generator().manual_seed(0)
e = torch.randn(12, 8, generator=g, dtype=torch.double)
metrics = [normalized_squared_euclidean_distance, cosine_distance, squared_euclidean_distance, euclidean_distance]
@pytest.mark.parametrize('metric', metrics)
@pytest.mark.parametrize('size', [1e-30, 1e-12, 1e-8, 1e-4, 1, 1e4, 1e12, 1e18])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_distances_of_any_size(metric, size, dtype):
    "As large as the embeddings are, distances are what double precision says, or infinite where no number is large enough"
    x = (e*size).to(dtype)
    right = metric(e[:6], e[6:]) if metric in metrics[:2] else metric(e[:6]*size, e[6:]*size)
    biggest = torch.finfo(dtype).max
    right = torch.where(right>biggest, inf, right).to(dtype)
    for got in metric(x[:6], x[6:]), distance_matrix(x, x, metric)[range(6),range(6,12)]:
        assert not got.isnan().any()
        torch.testing.assert_close(got, right, rtol=2e-4, atol=1e-5 if metric in metrics[:2] else 1e-18)

bad_embeddings = dict(NaN=(lambda e: e*nan, 'embeddings are NaN or infinite'), one_NaN=(lambda e: e.index_fill(0, T([3]), nan), '1 of 12 embeddings are NaN or infinite, such as number 3'), inf=(lambda e: e*inf, 'embeddings are NaN or infinite'), zero=(lambda e: e.index_fill(0, T([3]), 0), '1 of 12 embeddings are zero, such as number 3'), all_zero=(lambda e: e*0, '12 of 12 embeddings are zero'),
    one=(lambda e: e[:1], 'two embeddings|1 embeddings'), none=(lambda e: e[:0], 'two embeddings|0 embeddings'), one_dimension=(lambda e: e[:,0], 'N × D'), text=(lambda e: 'abc', 'embeddings'), None_=(lambda e: None, 'embeddings'), complex_=(lambda e: e*1j, 'embeddings'), sparse=(lambda e: e.to_sparse(), 'embeddings'))
@each('o', bad_embeddings)
def test_counts_of_embeddings(o): end(lambda: count_pairs(o[0](e), np.arange(12)//2), fails(o[1]))

bad_labels = dict(few=([0,1], '12 embeddings, but 2 labels'), NaN=(np.where(np.arange(12)<2, nan, 1), '2 of 12 labels are missing, such as number 0'), None_=(None, 'labels'), number=(7, 'labels'), matrix=(np.zeros((12,2)), 'labels'), None_in=([None]*12, 'labels'), NaN_names=(['a']*10+[nan]*2, '2 of 12 labels are missing, such as number 10'), mixed=([7]*6+['7']*6, 'all names or all numbers, not both'))
@each('o', bad_labels)
def test_labels_of_embeddings(o): end(lambda: count_pairs(e, o[0]), fails(o[1]))

counts = count_pairs(e, np.arange(12)//2)
rates = {f'{k}_{name}':({k:o}, f'{k} is a number') for k in ('fmr','prior','confidence') for name,o in odd_numbers.items()} | {f'threshold_{n}':(dict(threshold=o), 'threshold is a number') for n,o in dict(NaN=nan, text='1', a_list=[1,2]).items()}
@each('o', rates)
def test_rates(o):
    end(lambda: counts.rates(**{'threshold':1.} | o[0]), fails(o[1]))
    if 'threshold' not in o[0]: end(lambda: compare_rates(counts, counts, (1.,1.), **o[0]), fails(o[1]))

plans = {f'{k}_{name}':({k:o}, f'{k}|a rate to bound') for k in ('fmr','fnmr') for name,o in odd_numbers.items()} | dict(both=(dict(fmr=.1, fnmr=.1), 'fmr'), neither=(dict(), 'fmr'), confidence=(dict(fmr=.1, confidence=2), 'confidence is a number'), confidence_NaN=(dict(fmr=.1, confidence=nan), 'confidence is a number'))
@each('o', plans)
def test_plans(o): end(lambda: plan_classes(**o[0]), fails(o[1]))

def test_a_rate_that_is_not_there():
    comparison = compare_rates(counts, counts, (1.,1.))
    for rate in 'foo', 7, None: end(lambda: verdict(comparison, rate), fails('there is no rate .*, only EER'))

calibration = Calibration(0., 1., 0., .1, 3.9)
answers = {name:o for name,o in dict(NaN=nan, array=np.array([.1,nan]), tensor=T([nan,1.])).items()}
@each('d', answers)
def test_probabilities_of_NaN(d):
    for ask in calibration.llr, calibration.p_same, counts.unsure(fmr=.5, fnmr=.5).answer: end(lambda: ask(d), fails('distances are NaN'))

@pytest.mark.parametrize('prior', [-.1, 1.1, nan, inf, '.5', None, [.5], True])
def test_priors(prior):
    for ask in lambda: calibration.p_same(.5, prior), lambda: with_prior(T(.5), prior), lambda: DistanceSiamese(nn.Flatten()).p_same(T([.5]), prior): end(ask, fails('prior is a number from 0 to 1, not'))
    for ask in lambda: counts.ece(calibration, prior), lambda: counts.curve.reliability(calibration, prior): end(ask, fails('prior is a number from 0 to 1, not'))

@pytest.mark.parametrize('metric', metrics)
@pytest.mark.parametrize('bad', [nan, inf])
def test_an_answer_is_never_made_of_NaN(metric, bad):
    model = DistanceSiamese(nn.Flatten(), metric).eval()
    x = torch.rand(3,3,4,4)
    x[1] = bad
    end(lambda: model.answer(model(x, torch.rand(3,3,4,4))), fails('1 of 3 distances are NaN or infinite: has the training diverged'))
    end(lambda: ThresholdSiamese(nn.Flatten(), metric).answer(model.head(T([nan]))), fails('1 of 1 distances are NaN or infinite'))

@pytest.mark.parametrize('metric', metrics[:2])
def test_zero_embeddings_are_no_answer(metric):
    "Of a dead encoder: an angle to nothing is no distance"
    model = DistanceSiamese(nn.Flatten(), metric)
    end(lambda: model.answer(model(torch.zeros(2,3,4,4), torch.rand(2,3,4,4))), fails('2 of 2 distances are NaN or infinite: .* is an embedding zero'))
    end(lambda: model.answer(model(torch.zeros(2,3,4,4), torch.zeros(2,3,4,4))), fails('2 of 2 distances are NaN or infinite: .* is an embedding zero'))

# arguments of what counts or ranks all pairs of some embeddings
many = torch.randn(1100, 4, generator=g)
of = np.arange(1100)%50
arguments = {f'{k}_{o}':({k:o}, m) for k,os_,m in [('bins', (0,-1,1.5,'x',nan), 'bins is a whole number from 1'), ('thresholds', ([nan],['x'],[None],[inf]), 'a threshold is a number, not'), ('thresholds', (.5,'ab',None), 'thresholds are a list of numbers, not'), ('distance_metric', ('cosine',7,None,[]), 'distance_metric is a function of two batches of embeddings')] for o in os_}
@each('o', arguments)
def test_arguments_of_counts(o):
    for few in slice(None), slice(100): end(lambda: count_pairs(many[few], of[few], **o[0]), fails(o[1]))
    if 'distance_metric' in o[0]: end(lambda: worst_pairs(many, of, **o[0]), fails(o[1]))

@pytest.mark.parametrize('k,o', [(k, o) for k in ('n','block') for o in (0, -1, 1.5, 'x', nan)] + [('n', None)])
def test_arguments_of_the_worst(k, o): end(lambda: worst_pairs(many, of, **{k:o}), fails(f'{k} is a whole number of 1 or more'))

# what should be an index of neighbours
def filled(faiss): index = faiss.IndexFlatL2(4); index.add(np.zeros((3,4), np.float32)); return index
indexes = dict(number=(lambda faiss: 7, 'index is an empty index of FAISS, such as faiss.IndexFlatL2.4., not 7'), name=(lambda faiss: 'Flat', "index is an empty index of FAISS, .* not 'Flat'"), class_=(lambda faiss: faiss.IndexFlatL2, 'index is an empty index of FAISS, .* not <class'), array=(lambda faiss: np.zeros((2,4)), 'index is an empty index of FAISS'),
    other_width=(lambda faiss: faiss.IndexFlatL2(5), 'the index is for 5 numbers, and an embedding has 4'), filled=(filled, 'the index has 3 embeddings already'), numbered=(lambda faiss: faiss.IndexIDMap(faiss.IndexFlatL2(4)), 'FAISS cannot put 1100 embeddings into this index .* give another one'), cells=(lambda faiss: faiss.index_factory(4, 'IVF2048,Flat'), 'FAISS cannot put 1100 embeddings into this index'),
    city_blocks=(lambda faiss: faiss.IndexFlat(4, faiss.METRIC_L1), 'other neighbours than those by normalized_squared_euclidean_distance: make it with faiss.METRIC_L2'))
@each('o', indexes)
def test_indexes(o):
    faiss = pytest.importorskip('faiss')
    end(lambda: worst_pairs(many, of, index=o[0](faiss)), fails(o[1]))

def test_an_index_finds_what_all_pairs_find():
    "In double precision, too; one of inner products is for angles alone"
    faiss = pytest.importorskip('faiss')
    for x in many,many.double():
        for metric in metrics: assert worst_pairs(x, of, 20, metric, index=faiss.IndexFlatL2(4))[['left','right']].equals(worst_pairs(x, of, 20, metric)[['left','right']])
    assert worst_pairs(many, of, 20, index=faiss.IndexFlatIP(4))[['left','right']].equals(worst_pairs(many, of, 20)[['left','right']])
    for metric in metrics[2:]: end(lambda: worst_pairs(many, of, distance_metric=metric, index=faiss.IndexFlatIP(4)), fails('the index finds other neighbours than those by'))

# what is at the place where a count takes notes
def picture(p): (p/'x').write_bytes(b'\x89PNG\r\n\x1a\n'); return p/'x'
def of_others(p, o): torch.save(o, p/'x'); return p/'x'
noted = dict(folder=(lambda p: p, 'is a folder: give the name of a file'), pipe=(lambda p: os.mkfifo(p/'x') or p/'x', 'x is a named pipe'), picture=(picture, 'x cannot be read: delete it to count anew, if it is no file of yours, or give another'), dictionary=(lambda p: of_others(p, dict(a=1)), 'x cannot be read: delete it'), a_list=(lambda p: of_others(p, [1]), 'x cannot be read: delete it'), below_a_file=(lambda p: picture(p)/'y', 'cannot be written: give another place'))
@each('o', noted)
def test_notes_of_a_count(o, tmp_path):
    file = o[0](tmp_path)
    end(lambda: count_pairs(many, of, file=file), fails(o[1]))
    assert sorted(f.name for f in tmp_path.iterdir()) in ([],['x'])

compared = dict(alike=('a','a'), one=('a',), three=('a','b','c'), none=(), None_=None, text='ab', number=7)
@each('names', compared)
def test_names_of_what_is_compared(names): end(lambda: compare_rates(counts, counts, names=names), fails('names are two, one for each model, not'))

@pytest.mark.parametrize('top', [nan, 0, -1, 'x', None, True])
def test_tops(top): end(lambda: curve.calibrate(top), fails('top, the largest distance there is, is a number'))

@pytest.mark.parametrize('bins', [0, -1, 1.5, 'x', None, nan])
def test_bins_of_probabilities(bins):
    for ask in lambda: curve.ece(calibration, bins=bins), lambda: curve.reliability(calibration, bins=bins): end(ask, fails('bins is a whole number from 1'))

@pytest.mark.parametrize('k,o', [(k, o) for k in ('fmr','fnmr','confidence') for o in (nan, 2, -1, 'x', None)])
def test_unsure(k, o): end(lambda: counts.unsure(**{k:o}), fails(f'{k} is a number from'))
