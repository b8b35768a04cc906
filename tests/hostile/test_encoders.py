"Doors of models and losses: what an encoder gives, what a pair is, what a loss is asked for"
import numpy as np, pytest, torch
from torch import nn

from cases import each, end, fails
from siamese_verify.all import (
    AllPairsLoss, ContrastiveLoss, DistanceSiamese, MetricLoss, PairCrossEntropy, SiameseModel, ThresholdSiamese, create_encoder, create_siamese_model, distance_matrix, embed, embedding_shape,
    farthest_same, nearest_by_index, nearest_strangers, siamese_splitter, small_encoder, squared_euclidean_distance)

class Gives(nn.Module):
    "An encoder that makes something of the embeddings"
    def __init__(self, f): super().__init__(); self.f,self.layer = f,nn.Conv2d(3, 4, 2)
    def forward(self, x): return self.f(self.layer(x).mean((2,3)))

outs = dict(
    tuple=(lambda e: (e,e), 'not tuple'), list=(lambda e: [e], 'not list'), dict=(lambda e: dict(last=e), 'not dict'), None_=(lambda e: None, 'not NoneType'), number=(lambda e: 1., 'not float'), array=(lambda e: e.detach().numpy(), 'not ndarray'),
    flat=(lambda e: e[:,0], 'not \\d+'), scalar=(lambda e: e.sum(), 'not one number'), tokens=(lambda e: e[:,None].expand(-1,5,-1), 'not \\d+ × 5 × 4'), five=(lambda e: e[:,:,None,None,None], 'not \\d+ × 4 × 1 × 1 × 1'), no_features=(lambda e: e[:,:0], 'not \\d+ × 0'), no_map=(lambda e: e[:,:,None,None][:,:,:0], 'not \\d+ × 4 × 0 × 1'),
    fewer=(lambda e: e[:-1], 'not \\d+ × 4 for \\d images'), complex_=(lambda e: e*1j, 'not \\d+ × 4 of torch.complex64'), ints=(lambda e: e.int(), 'not \\d+ × 4 of torch.int32'))
x = torch.rand(4, 3, 8, 8)
@each('o', outs)
@pytest.mark.parametrize('kind', ['head','threshold','distance'])
def test_what_an_encoder_gives(o, kind):
    encoder = Gives(o[0])
    make = dict(head=lambda: SiameseModel(encoder, nn.Linear(8,2)), threshold=lambda: ThresholdSiamese(encoder), distance=lambda: DistanceSiamese(encoder))[kind]
    for ask in lambda m: m(x, x), lambda m: m(x): end(lambda: ask(make()), fails('an encoder gives N × D .*'+o[1]))
    if 'images' not in o[1]: end(lambda: embedding_shape(encoder, 8), fails('an encoder gives N × D .*'+o[1]))

pairs = dict(
    three=((x,x,x), 'not 4 × 3 × 8 × 8, 4 × 3 × 8 × 8, 4 × 3 × 8 × 8'), one=((x,), 'not 4 × 3 × 8 × 8'), none=((), 'not nothing'), unequal=((x,x[:2]), 'not 4 × 3 × 8 × 8, 2 × 3 × 8 × 8'), sizes=((x,x[...,:4]), 'not 4 × 3 × 8 × 8, 4 × 3 × 8 × 4'), unbatched=((x[0],x[0]), 'not 3 × 8 × 8, 3 × 8 × 8'), with_None=((x,None), 'NoneType'), arrays=((x.numpy(),x.numpy()), 'ndarray'), texts=(('a','b'), 'str'), numbers=((1,2), 'int'))
@each('o', pairs)
def test_what_is_no_pair(o):
    for model in SiameseModel(Gives(lambda e: e), nn.Linear(8,2)), DistanceSiamese(nn.Flatten()): end(lambda: model(o[0]), fails('a pair is two batches of as many images, N × C × H × W, .*'+o[1]))

archs = dict(None_=(None, 'arch is a function, the name of a timm model or a module, not None'), number=(7, 'arch is .* not 7'), a_list=([1], 'arch is'), unknown=('resnet_x', 'timm has no model|needs timm'), empty=('', 'timm has no model|needs timm'))
@each('o', archs)
def test_architectures(o): end(lambda: create_encoder(o[0], pretrained=False), fails(o[1]))

broken = dict(cut=RuntimeError('PytorchStreamReader failed reading zip archive: failed finding central directory'), empty=EOFError('Ran out of input'), offline=OSError('Name or service not known'))
@each('e', broken)
def test_weights_that_cannot_be_had(e):
    def resnet(pretrained): raise e
    end(lambda: create_encoder(resnet), fails('the pretrained weights of resnet (cannot be read .*: take their file out of|could not be downloaded .*: try again with a network)'))

@pytest.mark.parametrize('kind', ['heads', '', None, 7, ['head']])
def test_kinds(kind): end(lambda: create_siamese_model(small_encoder, kind), fails('kind is one of head, threshold, distance, not'))

@pytest.mark.parametrize('metric', [None, 'cosine', 7, []])
def test_metrics(metric):
    e,of = torch.rand(4,2),np.arange(4)//2
    asks = [lambda m: DistanceSiamese(nn.Flatten(), m), lambda m: ThresholdSiamese(nn.Flatten(), m), lambda m: create_siamese_model(small_encoder, 'distance', m), lambda m: distance_matrix(e, e, m),
            lambda m: nearest_strangers(e, torch.from_numpy(of), 1, m), lambda m: nearest_by_index(e, torch.from_numpy(of), 1, m, None), lambda m: farthest_same(e, of, 1, m)]
    for ask in asks: end(lambda: ask(metric), fails('distance_metric is a function of two batches of embeddings, such as cosine_distance, not'))

def test_arguments_of_others(): end(lambda: create_encoder(small_encoder, foo=1), fails('foo: only for timm models'))

losses = {f'{k}_{v}':(k, v) for k,vs in dict(margin=(-1, np.nan, np.inf, '1', None, True, [1]), hard=(0, -1, np.nan, np.inf, '3', True, [3])).items() for v in vs}
@each('o', losses)
def test_numbers_of_losses(o):
    make = ContrastiveLoss if o[0]=='margin' else lambda **k: AllPairsLoss(PairCrossEntropy(), **k)
    end(lambda: make(**{o[0]:o[1]}), fails(f'{o[0]}.* is a number'))

@pytest.mark.parametrize('loss', [None, 'mse', 7, ContrastiveLoss, nn.CrossEntropyLoss])
def test_losses_of_pairs(loss): end(lambda: AllPairsLoss(loss), fails(r'pair_loss is a loss of pairs, such as ContrastiveLoss\(\), not'))

weights = dict(one=[1], three=[1,1,1], minus=[-1,1], NaN=[np.nan,1], inf=[np.inf,1], texts=['1','1'], number=1, text='ab', zero=[0,0])
@each('o', weights)
def test_weights_of_a_loss(o): end(lambda: ContrastiveLoss(weight=o), fails('weight'))

@pytest.mark.parametrize('reduction', ['avg', None, '', 7])
def test_reductions(reduction): end(lambda: ContrastiveLoss(reduction=reduction), fails('reduction is mean, sum or none, not'))

d = torch.rand(4)
targets = dict(three=([1,0,1], '4 distances, but 3 targets'), two=([0,1,2,1], 'targets are .* not 2'), minus=([0,1,-1,1], 'targets are .* not -1'), NaN=([0,1,np.nan,1], 'targets are .* not nan'), half=([0,1,.5,1], 'targets are .* not 0.5'))
@each('o', targets)
def test_targets_of_a_loss(o):
    end(lambda: ContrastiveLoss()(d, torch.tensor(o[0])), fails(o[1]))
    if 'distances' not in o[1]: end(lambda: PairCrossEntropy()(torch.rand(4,2), torch.tensor(o[0])), fails(o[1]))

metric_losses = dict(
    unknown=(dict(loss='FooLoss'), 'there is no FooLoss among the losses of pytorch-metric-learning'), None_=(dict(loss=None), 'give one of the losses of pytorch-metric-learning, or its name, not None'), number=(dict(loss=7), 'give one of the losses'), a_class=(dict(loss=nn.CrossEntropyLoss), r'give a CrossEntropyLoss\(...\), or its name, not the class'),
    unknown_argument=(dict(loss='TripletMarginLoss', foo=1), 'TripletMarginLoss takes other arguments than foo'), miner=(dict(loss='TripletMarginLoss', miner='FooMiner'), 'there is no FooMiner among the miners'), arguments_of_an_object=(dict(loss=nn.CrossEntropyLoss(), foo=1), 'foo: only for a loss that is given by its name'))
@each('o', metric_losses)
def test_metric_losses(o):
    pytest.importorskip('pytorch_metric_learning')
    end(lambda: MetricLoss(**o[0]), fails(o[1]))

@each('o', dict(missing=({}, 'ProxyAnchorLoss needs num_classes, embedding_size'), missing_one=(dict(num_classes=3), 'ProxyAnchorLoss needs embedding_size')))
def test_metric_losses_of_unknown_classes(o):
    pytest.importorskip('pytorch_metric_learning')
    e = DistanceSiamese(nn.Identity())(torch.rand(4,2))
    end(lambda: MetricLoss('ProxyAnchorLoss', **o[0])(e, torch.tensor([0,0,1,1])), fails(o[1]))

def test_a_splitter_of_other_models(): end(lambda: siamese_splitter(nn.Linear(2,2)), fails('siamese_splitter splits a model with an encoder, not Linear'))

loaders = dict(NaN=lambda: [torch.full((2,3,8,8), np.nan)], one_NaN=lambda: [torch.rand(2,3,8,8).index_fill(0, torch.tensor(1), np.nan)], inf=lambda: [torch.full((2,3,8,8), np.inf)])
@each('o', loaders)
def test_embeddings_that_are_no_numbers(o): end(lambda: embed(Gives(lambda e: e), o()), fails('of 2 embeddings are NaN or infinite, such as number .: has the training diverged'))

@pytest.mark.parametrize('weight', [np.nan, np.inf])
def test_weights_that_are_no_numbers(weight):
    "No answer, no distance, no embedding comes from a model that has diverged"
    for make in lambda e: SiameseModel(e, nn.Linear(8,2)), ThresholdSiamese, DistanceSiamese, lambda e: DistanceSiamese(e, squared_euclidean_distance):
        model = make(Gives(lambda e: e)).eval()
        model.encoder.layer.weight.data.fill_(weight)
        end(lambda: model.answer(model(x, x)), fails('4 of 4 distances are NaN or infinite: has the training diverged'))
        end(lambda: embed(model.encoder, [x]), fails('4 of 4 embeddings are NaN or infinite'))

@pytest.mark.parametrize('kind', ['head','threshold','distance'])
@pytest.mark.filterwarnings('ignore::torch.jit.TracerWarning', 'ignore::DeprecationWarning', 'ignore::FutureWarning')
def test_a_whole_model_is_traced(kind):
    "And takes any number of pairs then, as it does when it's exported"
    model = create_siamese_model(small_encoder(n_out=8, n_layers=2), kind, size=8).eval()
    traced = torch.jit.trace(model, (x, x))
    a,b = torch.rand(2, 7, 3, 8, 8)
    torch.testing.assert_close(traced(a, b), model(a, b))
