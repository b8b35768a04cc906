"Doors of verifiers and galleries: what an image is, a table, a name, a number; and files that are no model"
import sys

import numpy as np, pandas as pd, pytest, torch
from PIL import Image

from cases import each, end, fails
from siamese_verify.cli import main
from siamese_verify.gallery import Gallery, GalleryFile
import siamese_verify.shards    # Verifier.embed_shards
from siamese_verify.verifier import Verifier, build_encoder

def picture(k): return np.random.default_rng(k).integers(0, 256, (12,12,3), np.uint8)

@pytest.fixture(scope='module')
def v():
    "A verifier of random weights"
    torch.manual_seed(0)
    recipe = dict(kind='small', n_out=8, n_layers=2)
    preprocessing = dict(method='crop', height=8, width=8, interpolation='bilinear', pad_mode='reflection', mean=None, std=None)
    config = dict(format=1, library='siamese_verify', encoder=[recipe], preprocessing=preprocessing, metric='normalized_squared_euclidean_distance', threshold=.1, fitted=dict(on=None, objective=None, warning=None), calibration=None, unsure=None, rates={}, not_measured=[], made={})
    return Verifier(build_encoder([recipe]), config)

@pytest.fixture
def g(v): return v.enroll({name:picture(k) for k,name in enumerate('abc')})

nan,inf = np.nan,np.inf
images = dict(None_=(None, 'an image is a path, bytes, a Pillow image or an array, not NoneType'), number=(7, 'not int'), a_list=([1], 'not list'), tensor=(torch.zeros(3,8,8), 'not Tensor'), bytes=(b'x', 'these bytes cannot be read as an image'), missing=('none.png', 'there is no file none.png'), address=('https://example.org/a.png', 'address|no file'),
    flat=(np.zeros(9, np.uint8), 'an array of an image is H × W × 3 or H × W of uint8, not 9 of uint8'), empty=(np.zeros((0,0,3), np.uint8), 'not 0 × 0 × 3'), floats=(np.zeros((8,8)), 'of float64'), NaN=(np.full((8,8,3), nan), 'of float64'), channels=(np.zeros((3,8,8), np.uint8), 'not 3 × 8 × 8'))
@each('o', images)
def test_what_is_no_image(o, v):
    for ask in lambda: v.verify(o[0], picture(0)), lambda: v.verify(picture(0), o[0]), lambda: v.embed([o[0]]), lambda: v.enroll(dict(a=[picture(0), o[0]])): end(ask, fails(o[1]))

@pytest.mark.parametrize('prior', [-.1, 1.1, nan, inf, '1', None, True])
def test_priors(prior, v):
    end(lambda: v.verify(picture(0), picture(1), prior), fails('prior is a number from 0 to 1, not'))

def pairs(*o): return pd.DataFrame(o, columns=['left','right'])
tables = dict(
    a_list=([1,2], 'a table is a data frame, not list'), None_=(None, 'a table is a data frame, not NoneType'), no_rows=(pairs(), 'there are no pairs'), no_column=(pairs().rename(columns=dict(left='a')), "there is no column 'left', only a, right"),
    empty=(pairs(('',picture(0))), "1 cells of column 'left' are empty, the first in row 0"), blank=(pairs((picture(0),picture(1)), (picture(0),' ')), "1 cells of column 'right' are empty, the first in row 1"), NaN=(pairs((nan,picture(0))), "column 'left' are empty"), nothing=(pairs((picture(0),None)), "column 'right' are empty"), missing=(pairs(('none.png',picture(0))), 'there is no file none.png'))
@each('o', tables)
def test_tables(o, v): end(lambda: v.verify_pairs(o[0]), fails(o[1]))

def people(*o): return pd.DataFrame(o, columns=['file','name'])
sources = dict(
    None_=(None, 'images come as a folder, a data frame or a dictionary, not as NoneType'), number=(7, 'not as int'), nobody=({}, 'there are no images'), no_images=(dict(a=[]), 'there are no images'), blank=({' ':picture(5)}, 'a name is 1 to 200 characters'), lines=({'a\nb':picture(5)}, 'a name is'), long=({'a'*201:picture(5)}, 'a name is'),
    twin=(dict(d=picture(0)), "one image is enrolled as 'a' and as 'd'"), twins=(dict(d=picture(5), e=picture(5)), "one image is enrolled as 'd' and as 'e'"), folder=('nowhere', 'there is no folder nowhere'), no_column=(pd.DataFrame(dict(file=[])), "there is no column 'name', only file"), empty_file=(people(('', 'd')), "1 cells of column 'file' are empty, the first in row 0"), empty_name=(people((picture(5),nan)), "column 'name' are empty"))
@each('o', sources)
def test_what_cannot_be_enrolled(o, g, tmp_path, v):
    before,file = g.names,GalleryFile(tmp_path/'g.safetensors', v)
    end(lambda: g.add(o[0]), fails(o[1]))
    assert g.names==before
    file.change(lambda x: x.put(g.names, g.e))
    end(lambda: file.add(o[0]), fails(o[1]))
    assert file.read().names==Gallery.load(tmp_path/'g.safetensors', v).names==before

asked = {f'k_{o}':(dict(k=o), 'k is a whole number from 1') for o in (0, -1, 1.5, '1', None, True)} | {f'fpir_{o}':(dict(fpir=o), 'fpir is a number from 0 to 1') for o in (-.1, 1, 2, nan, '1', None)} | {
    f'threshold_{o}':(dict(threshold=o), 'threshold is a number, not') for o in (nan, 'x', [1], -inf, 1j)}
@each('o', asked)
def test_searches(o, g):
    end(lambda: g.identify(picture(0), **o[0]), fails(o[1]))
    if 'k' not in o[0]: end(lambda: g.rates(**o[0]), fails(o[1]))

@pytest.mark.parametrize('confidence', [0, 1, -1, 2, nan, '.9', None])
def test_confidence(confidence, g): end(lambda: g.rates(confidence=confidence), fails('confidence is a number'))

def test_one_image_each(g):
    "Nobody can be searched for with another image of his own: there's no FNIR, and no warning of NumPy's"
    end(lambda: [*g.rates()], ['FPIR'])

embeddings = dict(NaN=(np.full((1,8), nan), 'some are NaN or infinite'), inf=(np.full((1,8), inf), 'some are NaN or infinite'), too_many=(np.zeros((2,8)), '1 names, but 2 embeddings'))
@each('o', embeddings)
def test_embeddings(o, v): end(lambda: Gallery(v, ['a'], o[0]), fails(o[1]))

def empty(f): f.write_bytes(b'')
def text(f): f.write_text('no model\n'*20)
def image(f): Image.new('RGB', (8,8)).save(f, 'PNG')
def weights(f): torch.save(dict(a=torch.zeros(3)), f)
def module(f): torch.save(torch.nn.Linear(2,2), f)
def cut(f): module(f); f.write_bytes(f.read_bytes()[:200])
@pytest.mark.parametrize('make', [empty, text, image, weights, module, cut])
def test_files_that_are_no_model(make, tmp_path, monkeypatch, capsys):
    "Without --trust they're not opened, and with it they end in one line"
    make(tmp_path/'m.pkl')
    image(tmp_path/'a.png')
    monkeypatch.chdir(tmp_path)
    for trust,message in ([],'is a pickle, which runs the code in it'), (['--trust'],'m.pkl cannot be opened as a model'):
        monkeypatch.setattr(sys, 'argv', ['siamese_verify','verify','m.pkl','a.png','a.png',*trust])
        with pytest.raises(SystemExit) as e: main()
        err = capsys.readouterr().err.splitlines()
        assert e.value.code==2 and message in err[-1] and 'Traceback' not in ''.join(err)

def test_arguments_in_the_wrong_order(tmp_path, monkeypatch, capsys):
    image(tmp_path/'a.png')
    monkeypatch.setattr(sys, 'argv', ['siamese_verify','verify',str(tmp_path/'a.png'),str(tmp_path/'a.png'),'model'])
    with pytest.raises(SystemExit): main()
    assert 'a.png is an image: give the model first' in capsys.readouterr().err

@pytest.mark.parametrize('size', [1e-9, 1e-3, 1, 1e4, 1e6, 1e30])
def test_embeddings_of_strangers_of_any_size(size, v, tmp_path):
    "They come back as they were, in half precision if that's enough"
    e = (size*np.random.default_rng(0).normal(size=(6,8))).astype(np.float32)
    v.strangers = e,np.arange(6)//2
    back,_ = Verifier.load(v.save(tmp_path/'v')).strangers
    v.strangers = None
    np.testing.assert_allclose(back, e, rtol=2e-3, atol=1e-3*size)

def test_embeddings_that_half_precision_lacks(v, tmp_path):
    large = Verifier(v.encoder, v.config)
    large.encode = lambda x: 1e8*v.encode(x)
    pictures = [Image.fromarray(picture(k)) for k in range(3)]
    end(lambda: large.embed_shards(pictures, tmp_path/'s', bs=2), fails('embeddings as large as .* do not fit into half precision: pass half=False'))
    assert np.isfinite(large.embed_shards(pictures, tmp_path/'t', bs=2, half=False).array()).all()
