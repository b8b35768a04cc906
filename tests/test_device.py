"On a GPU if there is one; otherwise on a pretended one, which refuses what a GPU refuses"
import warnings
from functools import partial

import numpy as np, pytest, torch
from fastai.vision.all import load_learner, one_param, set_seed
from PIL import Image
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten, tree_map

from siamese_verify.audit import *
from siamese_verify.calibration import *
from siamese_verify.curves import *
from siamese_verify.data import *
from siamese_verify.embedding import *
from siamese_verify.evaluation import *
from siamese_verify.explain import *
from siamese_verify.gallery import *
from siamese_verify.heads import *
from siamese_verify.intervals import *
from siamese_verify.loaders import *
from siamese_verify.losses import *
from siamese_verify.model import *
from siamese_verify.pairs import *
from siamese_verify.store import *
from siamese_verify.threshold import *
from siamese_verify.training import *
from siamese_verify.verifier import *
from siamese_verify.whitening import *
from siamese_verify.worst import *

there = torch.cuda.is_available()
cuda = pytest.mark.skipif(not there, reason='takes a GPU')

# A pretended GPU

class Pretend(TorchFunctionMode):
    "Tensors that say that they are on `cuda`, and don't mix with others, on a machine without a GPU"
    free = {'to','cuda','cpu','numpy','__array__','pin_memory','__get__','__set__','__getitem__','__setitem__','copy_',
            'load_state_dict'}
    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if getattr(func, '__name__', '') in ('_parse_to','_has_compatible_shallow_copy_type'): return func(*args, **kwargs)
        name,owner = getattr(func, '__name__', ''),getattr(getattr(func, '__self__', None), '__name__', '')
        if name=='__get__' and owner in ('device','is_cuda') and far(args[0]): return owner=='is_cuda' or torch.device('cuda')
        if name in ('numpy','__array__') and far(args[0]): raise TypeError("can't convert a tensor on cuda to NumPy")
        where = [device(o, name) for o in (*args[1:], *kwargs.values())]
        where = next((o for o in where if o), 'cpu' if name=='cpu' else None)
        ours = [o for o in tree_flatten((args, kwargs))[0] if isinstance(o, Tensor)]
        mixed = len({far(o) for o in ours if o.dim() or far(o)})>1 and name not in self.free    # a number may come from the CPU
        if mixed: raise RuntimeError(f'{name}: tensors on cuda and on cpu')
        if name=='pin_memory': return args[0]
        if where=='cuda': args,kwargs = tree_map(near, (args, kwargs))
        moves = where and name in ('to','cpu') and far(args[0])!=(where=='cuda')
        res = func(*args, **kwargs)
        if moves: res = res.clone() if res is args[0] else res
        if name=='__set__': mark(args[0], far(args[1])) if owner=='data' else None
        inherits = far(args[0]) if name in self.free and args else any(map(far, ours))
        gone = where=='cuda' if where else inherits
        for o in tree_flatten(res)[0]:
            if isinstance(o, Tensor): mark(o, gone)
        return res

class Far:
    "The mark of a tensor that is on the pretended GPU, which a file doesn't keep"
    def __reduce__(self): return bool,()

def mark(o, on): o.__dict__['far'] = Far() if on else False
def far(o): return isinstance(o, Tensor) and isinstance(o.__dict__.get('far'), Far)
def near(o): return 'cpu' if device(o)=='cuda' else o
def device(o, name=''):
    if name=='to' and isinstance(o, Tensor): return 'cuda' if far(o) else 'cpu'    # where that one is
    if isinstance(o, torch.device): return o.type
    return o.split(':')[0] if isinstance(o, str) and o.split(':')[0] in ('cuda','cpu') else None

@pytest.fixture
def gpu():
    "What is done on `cuda` runs there, or as if it did"
    if there: yield 'cuda'
    else:
        with Pretend(): yield 'cuda'

@pytest.mark.skipif(there, reason='there is a real one')
def test_pretended():
    "The pretended GPU refuses what a real one refuses"
    with Pretend():
        x = torch.arange(3., device='cuda')
        assert x.is_cuda and (x+1).device.type=='cuda' and not x.cpu().is_cuda and x.cpu().to('cuda').is_cuda
        assert (x+torch.tensor(1.)).is_cuda and x[torch.tensor([0,1])].is_cuda and float(x.sum())==3 and x.tolist()==[0,1,2]
        for wrong in lambda: x+torch.ones(3), lambda: torch.ones(3)*x[0], lambda: torch.cat([x, torch.ones(3)]):
            with pytest.raises(RuntimeError, match='cuda and'): wrong()
        for wrong in x.numpy, partial(np.asarray, x), partial(np.asarray, x[:2]):
            with pytest.raises(TypeError): wrong()
        with pytest.raises(RuntimeError): nn.Linear(3, 2).to('cuda')(torch.ones(1, 3))
        assert nn.Linear(3, 2).to('cuda')(x[None]).is_cuda and not nn.Linear(3, 2)(x.cpu()[None]).is_cuda

# On either

@pytest.fixture(scope='module')
def images(tmp_path_factory):
    "Ten colours with noise, ten images each"
    path,rng = tmp_path_factory.mktemp('colours'),np.random.default_rng(0)
    for c in range(10):
        colour = rng.integers(60, 196, 3)
        for k in range(10):
            (path/str(c)).mkdir(exist_ok=True)
            noise = rng.integers(-60, 60, (16,16,3))
            Image.fromarray((colour+noise).astype(np.uint8)).save(path/str(c)/f'{k}.png')
    return LabeledImages.from_folder(path, ClassSplitter(.3, .2))

def loaders(images, by, device='cuda', store=None):
    kw = dict(bs=16, device=device, store=store or images.store(16), num_workers=0)
    return images.dls(per_class=4, **kw) if by=='classes' else Pairs(images).dls(**kw)

def learner(images, by='classes', kind='threshold', device='cuda', **kwargs):
    set_seed(0)
    model = create_siamese_model(partial(small_encoder, n_out=16, n_layers=2), kind, lin_ftrs=[16])
    return siamese_learner(loaders(images, by, device), model, **kwargs)

def fit(learn, n=1):
    with learn.no_bar(), learn.no_logging(): learn.fit(n, 1e-3)
    assert all(np.isfinite(o) for row in learn.recorder.values for o in row)
    return learn

e,y = torch.randn(200, 8, generator=torch.Generator().manual_seed(0)),np.arange(200)%20
many,y_many = torch.randn(1500, 8, generator=torch.Generator().manual_seed(0)).double(),np.arange(1500)%50
metrics = [normalized_squared_euclidean_distance, cosine_distance, euclidean_distance, squared_euclidean_distance]

# Each function that takes tensors: what it gives for tensors that `to` has moved. Those that read files or make loaders
# (`Siamese.distances`, `embed_once`, `every_pair`) are in the trainings below; what the rest takes is an array, a curve
# or counts, which are NumPy's and on no device.
a,b = e[:16],e[16:32]
same,classes = torch.arange(16)%2,torch.arange(16)//4
d = squared_euclidean_distance(a, b)
maps = torch.rand(2, 16, 8, 3, 3, generator=torch.Generator().manual_seed(0))
class Given(nn.Module):
    "An encoder whose images are embeddings already"
    def __init__(self): super().__init__(); self.layer = nn.Linear(8, 8)
    def forward(self, x): return self.layer(x)
def model(to, kind):
    set_seed(0)
    makes = dict(head=lambda: SiameseModel(Given(), nn.Linear(16, 2)), distance=lambda: DistanceSiamese(Given()), threshold=lambda: ThresholdSiamese(Given()))
    return to(makes[kind]()).eval()
def calibrated(to):
    res = model(to, 'distance')
    res.use_calibration(Calibration(1., 2., .5, .1, 3.9))
    return res
def headed(to):
    res = model(to, 'distance')
    res.use_head(ClassScatter(to(a), to(classes)).whiten())
    return res
curve = ErrorCurve.from_pairs(d, same)
unsure = PairCounts.from_pairs(d, same>0, y[:16], y[16:32]).unsure(.4, .4)
calibration = Calibration(1., 2., .5, .1, 3.9)
kinds = 'head','threshold','distance'
takers = dict(
    small_encoder=lambda to: (set_seed(0), to(small_encoder(n_out=8, n_layers=2)).eval()(to(torch.ones(2,3,16,16))))[1], embedding_shape=lambda to: embedding_shape(to(small_encoder(n_out=8, n_layers=2)), 16),
    concat_features=lambda to: concat_features(to(a), to(b)), symmetric_features=lambda to: symmetric_features(to(maps[0]), to(maps[1])), check_finite=lambda to: check_finite(to(a)), check_encoded=lambda to: check_encoded(to(a), 16), pair_indices=lambda to: pair_indices(9, to(a).device)[0],
    threshold=lambda to: to(Threshold(.5, 3.))(to(d)), fit_layer=lambda to: to(Threshold()).fit(ErrorCurve.from_pairs(to(d), to(same))).threshold, answer=lambda to: model(to, 'distance').answer(to(d)), p_same=lambda to: calibrated(to).p_same(to(d)), with_prior=lambda to: with_prior(to(torch.tensor([.2,.7])), .1),
    calibration=lambda to: calibration.p_same(to(d), .2), llr=lambda to: calibration.llr(to(d)), unsure=lambda to: unsure.answer(to(d)), embed=lambda to: embed(model(to, 'distance').encoder, [to(a), to(b)]), embed_from_the_cpu=lambda to: embed(model(to, 'distance').encoder, [a, b]),
    error_rates=lambda to: repr(error_rates(to(d), to(same), 1.)), equal_error_rate=lambda to: equal_error_rate(to(d), to(same)), from_pairs=lambda to: ErrorCurve.from_pairs(to(d), to(same)).fm, at_a_tensor=lambda to: repr(curve.at(to(torch.tensor(1.)))), histogram=lambda to: plot_distance_histogram(to(d), to(same), 1.) and None,
    cuts_of_pairs=lambda to: repr(PairCounts.from_pairs(to(d), to(same), y[:16], y[16:32]).rates(1.)), bins=lambda to: count_pairs(to(e), y, bins=64).curve.eer, clusters_on_the_device=lambda to: count_pairs(to(e), to(torch.from_numpy(y))).curve.eer, fit_model=lambda to: model(to, 'distance').fit_threshold((to(d), to(same))).threshold,
    contrastive=lambda to: ContrastiveLoss(weight=[1.,2.])(to(d), to(same)), squared=lambda to: ContrastiveLoss(squared=True, reduction='none')(to(d), to(same)), cross_entropy=lambda to: PairCrossEntropy()(to(torch.stack([d,-d], 1)), to(same)), cross_entropy_of_weights=lambda to: PairCrossEntropy(weight=to(torch.tensor([1.,2.])))(to(torch.stack([d,-d], 1)), to(same)),
    weights=lambda to: AllPairsLoss(ContrastiveLoss(), hard=2).weights(to(d), to(same>0)), worst=lambda to: worst_pairs(to(e), y, 5)[['left','right']].values, worst_in_blocks=lambda to: worst_pairs(to(e), to(torch.from_numpy(y)), 5, euclidean_distance, block=999)[['left','right']].values, scatter=lambda to: ClassScatter(to(e), to(torch.from_numpy(y))).variances,
    whiten=lambda to: to(ClassScatter(to(e), y).whiten(.5))(to(e)), lda=lambda to: to(ClassScatter(to(e), y).lda(.5))(to(e)).square().sum(1), centre=lambda to: to(ClassScatter(to(e), y).centre())(to(e)), sigmoid=lambda to: to(ClassScatter(to(e), y).sigmoid(steps=3))(to(e)), use_head=lambda to: headed(to)(to(a), to(b)), try_heads=lambda to: compare_heads(try_heads(model(to, 'distance'), to(e), y, head_choices('auto')))[1].EER.values,
    **{f'{f}_{kind}':(lambda to, f=f, kind=kind: f_of[f](model(to, kind), to)) for f in ('pair','together','all','rows','count','pairs') for kind in kinds})
f_of = dict(pair=lambda m, to: m(to(a), to(b)), together=lambda m, to: m.distance(to(a), to(b)), all=lambda m, to: m(to(a)).compare_all(), rows=lambda m, to: compare_rows(m, to(a), [[0,1],[2,3]]), count=lambda m, to: repr(count_all(m, to(e), y)), pairs=lambda m, to: all_pairs(m, to(a), to(classes))[0])

@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('take', [pytest.param(o, id=k) for k,o in takers.items()])
def test_takes_tensors(gpu, take):
    "What a function makes of tensors on the device is what it makes of them on a CPU, and it mixes none"
    here,there = take(lambda o: o),take(lambda o: o.to(gpu))
    if isinstance(here, Tensor):
        assert there.is_cuda or take is takers['scatter']    # a covariance in double precision, which is the CPU's
        here,there = here.detach(),there.detach().cpu()
    if isinstance(here, (Tensor,np.ndarray,float)): np.testing.assert_allclose(np.asarray(there, float), np.asarray(here, float), rtol=1e-3, atol=1e-4)
    else: assert here==there

def test_verifier(gpu):
    "Embeddings, answers, a gallery and a map come from an encoder on the device, as arrays"
    recipe = dict(kind='small', n_out=8, n_layers=2)
    preprocessing = dict(method='crop', height=16, width=16, interpolation='bilinear', pad_mode='reflection', mean=[.5]*3, std=[.2]*3)
    config = dict(format=1, library='siamese_verify', encoder=[recipe], preprocessing=preprocessing, metric='normalized_squared_euclidean_distance', threshold=.1,
                  fitted=dict(on=None, objective=None, warning=None), calibration=None, unsure=None, rates={}, not_measured=[], made={})
    set_seed(0)
    encoder = build_encoder([recipe])
    pictures = [np.random.default_rng(k).integers(0, 256, (20,20,3), np.uint8) for k in range(6)]
    def ask(v):
        g = v.enroll(dict(zip('abcde', pictures)))
        return v.embed(pictures), v.verify(*pictures[:2]).distance, [d for _,d in g.identify(pictures[5], threshold=.1).matches], v.explain(*pictures[:2], grid=3).left
    here = ask(Verifier(encoder, config))
    there = ask(Verifier(encoder.to(gpu), config))
    for x,z in zip(here, there): np.testing.assert_allclose(x, z, rtol=1e-3, atol=1e-4)

def test_heads(gpu, images):
    "A head is fitted to embeddings on the device, and answers there"
    learn = fit(learner(images, kind='distance'))
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        for head in 'auto','lda': learn.fit_head(head)
    assert all(p.is_cuda for p in learn.model.state_dict().values()) and np.isfinite(learn.model.threshold)

@pytest.mark.parametrize('metric', metrics)
def test_distances(gpu, metric):
    x = e.to(gpu)
    for d in metric(x[:100], x[100:]), distance_matrix(x[:100], x, metric):
        assert d.is_cuda
    torch.testing.assert_close(metric(x[:100], x[100:]).cpu(), metric(e[:100], e[100:]))
    torch.testing.assert_close(distance_matrix(x, x, metric).cpu(), distance_matrix(e, e, metric), atol=1e-3, rtol=1e-4)

def test_counts(gpu):
    "The same counts, few or many, at the same thresholds"
    for x,labels in (e.double(), y), (many, y_many):
        here,there = (count_pairs(o, labels, thresholds=[1.9]) for o in (x, x.to(gpu)))
        assert (here.n_same==there.n_same).all() and (here.n_not_same==there.n_not_same).all()
        assert repr(here.rates(1.9))==repr(there.rates(1.9))
        assert abs(here.curve.eer-there.curve.eer)<1e-4

def test_fit(gpu):
    d,same = normalized_squared_euclidean_distance(e[:100], e[100:]),torch.arange(100)%2
    for goal in {}, dict(fmr=.1), dict(objective='eer'): assert fit_threshold(d.to(gpu), same.to(gpu), **goal)==fit_threshold(d, same, **goal)
    c = ErrorCurve.from_pairs(d, same).calibrate()
    p = c.p_same(d.to(gpu))
    assert p.is_cuda
    torch.testing.assert_close(p.cpu(), c.p_same(d), atol=1e-5, rtol=1e-5)
    counts = PairCounts.from_pairs(d.to(gpu), same.to(gpu)>0, y[:100], y[100:])
    assert counts.unsure(.4, .4).answer(d.to(gpu)).is_cuda

def test_losses(gpu):
    labels = torch.arange(16)//4
    for kind,loss in [('threshold',PairCrossEntropy()), ('distance',ContrastiveLoss()), ('head',PairCrossEntropy())]:
        for hard in None,3:
            set_seed(0)
            model = create_siamese_model(partial(small_encoder, n_out=16, n_layers=2), kind, lin_ftrs=[16], ps=0.)
            x = torch.rand(16, 3, 16, 16)
            here = AllPairsLoss(loss, hard=hard)(model(x), labels)
            model.to(gpu)
            there = AllPairsLoss(loss, hard=hard)(model(x.to(gpu)), labels.to(gpu))
            there.backward()
            assert there.is_cuda and abs(here.item()-there.item())<1e-3

@pytest.mark.parametrize('by', ['classes','pairs'])
@pytest.mark.parametrize('kind', ['head','threshold','distance'])
def test_training(gpu, images, by, kind):
    "An epoch, evaluation, fit, calibration, answers and pictures"
    learn = fit(learner(images, by, kind))
    assert one_param(learn.model).is_cuda and learn.dls.one_batch()[-1].is_cuda
    if kind=='head': learn.report()
    else: assert np.isfinite(float(learn.fit_threshold(prior=.5)))
    with learn.no_bar(), warnings.catch_warnings():
        warnings.simplefilter('ignore')
        learn.validate()
        p,t = learn.get_preds()
        assert len(p)==len(t) and p.isfinite().all() and not p.is_cuda
        learn.predict(tuple(images.files[:2]))
        learn.top_errors(show=False)
        learn.show_results(max_n=2)
    assert learn.embeddings('valid').is_cuda
    learn.split_pairs()

def test_audit(gpu, images):
    learn = learner(images)
    learn.audit()
    learn.label_suspects()

def test_store(gpu, images):
    "A store on the device gives the batches that one in memory gives"
    far = images.store(16).to(gpu)
    idx = [1,3,5]
    assert far.batch(idx).is_cuda and images.store(16).batch(idx, gpu).is_cuda
    assert (far.batch(idx).cpu()==images.store(16).batch(idx)).all()
    a,b = (loaders(images, 'classes', store=o) for o in (far, images.store(16)))
    for (x1,y1),(x2,y2) in zip(a.valid, b.valid): assert x1.is_cuda and (x1==x2).all() and (y1==y2).all()
    fit(siamese_learner(a, small_encoder, 'distance'))

def test_exported(gpu, images, tmp_path):
    "What was trained there answers on a CPU"
    learn = fit(learner(images))
    learn.fit_threshold()
    learn.path = tmp_path
    learn.export()
    pair = tuple(images.files[[0,1]])
    with learn.no_bar(): there = learn.predict(pair)
    learn = load_learner(tmp_path/'export.pkl')
    assert not one_param(learn.model).is_cuda
    with learn.no_bar(): here = learn.predict(pair)
    assert here[0]==there[0]
    torch.testing.assert_close(here[2].cpu(), there[2].cpu(), atol=1e-3, rtol=1e-3)

# Only on a real one

@cuda
@pytest.mark.parametrize('precision', ['to_fp16','to_bf16'])
@pytest.mark.parametrize('kind', ['head','threshold','distance'])
def test_mixed_precision(images, kind, precision):
    learn = getattr(learner(images, kind=kind), precision)()
    with learn.no_bar(), learn.no_logging(): learn.fit(2, 1e-3)
    assert np.isfinite(learn.recorder.values[-1]).all()
    learn.report()

@cuda
def test_same_training(images):
    "Two epochs there and here end at nearly the same loss and embeddings"
    there,here = (fit(learner(images, device=o), 2) for o in ('cuda','cpu'))
    a,b = there.embeddings('valid').cpu(),here.embeddings('valid')
    assert nn.functional.cosine_similarity(a, b).min()>.99
    np.testing.assert_allclose(there.recorder.values, here.recorder.values, rtol=.05, atol=.02)

@cuda
def test_chunks(images):
    "Chunks don't change the gradient"
    x,y = torch.rand(16, 3, 16, 16, device='cuda'),(torch.arange(16)//4).cuda()
    def grads(chunk):
        set_seed(0)
        model = create_siamese_model(partial(small_encoder, n_out=16, n_layers=2), 'threshold').cuda()
        for m in model.modules():
            if isinstance(m, nn.BatchNorm2d): m.eval()
        model.chunk = chunk
        AllPairsLoss(PairCrossEntropy())(model(x), y).backward()
        return torch.cat([p.grad.flatten() for p in model.parameters()])
    torch.testing.assert_close(grads(4), grads(None), atol=1e-5, rtol=1e-3)

@cuda
def test_memory_of_counts():
    "30 000 images take less memory than a matrix of their distances"
    x,labels = torch.randn(30_000, 64, device='cuda'),np.arange(30_000)%1000
    torch.cuda.reset_peak_memory_stats()
    counts = count_pairs(x, labels)
    assert counts.curve.n_same+counts.curve.n_not_same==30_000*29_999//2
    assert torch.cuda.max_memory_allocated()<2e9

@cuda
def test_metric_loss(images):
    pytest.importorskip('pytorch_metric_learning')
    fit(learner(images, kind='distance', loss_func=MetricLoss('ArcFaceLoss', num_classes=10, embedding_size=16)))
