"Models and losses given what they can't use"
import math
import pytest, torch
from torch import nn
from siamese_verify.data import *
from siamese_verify.losses import *
from siamese_verify.model import *

class Gives(nn.Module):
    "An encoder with a given output"
    def __init__(self, f):
        super().__init__()
        self.p,self.f = nn.Parameter(torch.ones(1)),f
    def forward(self, x): return self.f(x.flatten(1)[:,:8]*self.p)

odd = {'N numbers': lambda e: e[:,0], 'a dict': lambda e: {'embedding':e}, 'nothing': lambda e: None, 'a tuple': lambda e: (e,),
       'N × 0': lambda e: e[:,:0], 'N × tokens × D': lambda e: e[:,None]}
x1,x2 = torch.rand(2, 4, 3, 32, 32)

@pytest.mark.parametrize('name', odd)
@pytest.mark.parametrize('kind', ['head','threshold','distance'])
def test_odd_encoder(name, kind):
    "At the first batch at the latest"
    with pytest.raises(ValueError, match='an encoder gives N × D'):
        create_siamese_model(Gives(odd[name]), kind)(x1, x2)

@pytest.mark.parametrize('name', ['a dict','a tuple'])
def test_odd_encoder_chunks(name):
    model = DistanceSiamese(Gives(odd[name])).train()
    model.chunk = 2
    with pytest.raises(ValueError, match='an encoder gives N × D'): model(x1, x2)

@pytest.mark.parametrize('pair', [(x1,x2,x1), (x1,), (x1,x2[:1]), (x1[0],x2[0]), (x1,x2[:,:,:16]), (x1,None), ('a','b')])
def test_no_pair(pair):
    with pytest.raises(ValueError, match='a pair is two batches'): ThresholdSiamese(small_encoder())(pair)

@pytest.mark.parametrize('f', [normalized_squared_euclidean_distance, cosine_distance])
@pytest.mark.parametrize('scale', [1e30, 1e15, 1e-8, 1e-11])
def test_any_length(f, scale):
    "Only the direction counts, for pairs, for all at once, and for the slopes"
    x,y = torch.randn(2, 5, 16, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(f(scale*x, y), f(x, y), atol=1e-6)
    assert torch.allclose(distance_matrix(scale*x, scale*y, f), distance_matrix(x, y, f), atol=1e-6)
    slopes = []
    for s in 1,scale:
        e = (s*x).requires_grad_()
        f(e, y).sum().backward()
        slopes.append(s*e.grad)
    assert torch.allclose(*slopes, atol=1e-5)

def test_zero_embeddings():
    "In training no NaN, in values and slopes, whichever is zero; what doesn't train has no distance"
    assert normalized_squared_euclidean_distance(torch.zeros(3, 8), torch.ones(3, 8)).isnan().all()
    for n in 0.,1.:
        e,other = torch.zeros(3, 8, requires_grad=True),torch.full((3,8), n, requires_grad=True)
        for d in normalized_squared_euclidean_distance(e, other), distance_matrix(e, other):
            assert torch.allclose(d, torch.full_like(d, n), atol=1e-6)
            d.sum().backward(retain_graph=True)
            assert e.grad.isfinite().all()

@pytest.mark.parametrize('kind', ['head','threshold','distance'])
def test_no_answer_for_nan(kind):
    model = create_siamese_model(small_encoder, kind).eval()
    with torch.no_grad(): next(model.encoder.parameters()).fill_(math.nan)
    with pytest.raises(ValueError, match='4 of 4 distances are NaN'): model.answer(model(x1, x2))

@pytest.mark.parametrize('kind', ['head','threshold','distance'])
def test_export_dynamic(kind):
    "Any number of pairs goes through an exported model"
    model = create_siamese_model(small_encoder, kind).eval()
    n = torch.export.Dim('n')
    exported = torch.export.export(model, (x1,x2), dynamic_shapes=[{0:n}]*2).module()
    for k in 2,4,7:
        pair = torch.rand(2, k, 3, 32, 32)
        assert torch.allclose(exported(*pair), model(*pair), atol=1e-6)

@pytest.mark.parametrize('kind', ['threshold','distance'])
@pytest.mark.parametrize('t', [.1, .5, 1., 1/3, 2.])
@pytest.mark.parametrize('scale', [1e-3, 1., 7.3, 1e4])
def test_flips_at_threshold(kind, t, scale):
    "`answer` is exactly d < t, and what the logits say"
    model = create_siamese_model(small_encoder, kind)
    model.threshold = t
    if kind=='threshold': model.head.log_scale.data.fill_(math.log(scale))
    t = torch.tensor(t)
    d = torch.stack([torch.tensor(0.), t.nextafter(torch.tensor(0.)), t, t.nextafter(torch.tensor(9.)), torch.tensor(4.)])
    out = model.head(d) if kind=='threshold' else d
    assert model.answer(out).tolist()==[1,1,0,0,0]
    if kind=='threshold': assert out.argmax(1).tolist()==[1,1,0,0,0]

@pytest.mark.parametrize('bad', [-1, math.nan, math.inf, 'x', None])
def test_bad_numbers(bad):
    with pytest.raises(ValueError, match='margin'): ContrastiveLoss(margin=bad)
    with pytest.raises(ValueError, match='weight'): ContrastiveLoss(weight=(1, bad))
    with pytest.raises(ValueError, match='scale'): Threshold(scale=bad)
    if bad is not None:
        with pytest.raises(ValueError, match='hard'): AllPairsLoss(ContrastiveLoss(), hard=bad)

def test_bad_losses():
    with pytest.raises(ValueError, match='weight is'): ContrastiveLoss(weight=(1,2,3))
    with pytest.raises(ValueError, match='reduction'): ContrastiveLoss(reduction='median')
    for o in None,3,{}:
        with pytest.raises(TypeError, match='not'): MetricLoss(o)
    with pytest.raises(ValueError, match='threshold'): DistanceSiamese(small_encoder()).threshold = math.nan

def test_bad_classes():
    "One class for each image"
    e = ThresholdSiamese(small_encoder())(x1)
    loss = AllPairsLoss(PairCrossEntropy())
    for y in torch.eye(4).long(), torch.arange(3), torch.zeros(4, 1):
        with pytest.raises(ValueError, match='4 images, but classes of shape'): loss(e, y)

@pytest.mark.filterwarnings('ignore::DeprecationWarning', 'ignore::torch.jit.TracerWarning')
def test_traced():
    "TorchScript takes the encoder, for as many images as there are"
    encoder = small_encoder(n_out=8, n_layers=2).eval()
    traced = torch.jit.trace(encoder, x1[:3])
    torch.testing.assert_close(traced(x2), encoder(x2))
