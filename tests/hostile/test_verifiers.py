"Doors of verifiers and galleries: what an image is, a table, a name, a number; and files that are no model"
import copy, io, json, os, shutil, sys, tarfile
from pathlib import Path

import numpy as np, pandas as pd, pytest, torch
from PIL import Image

from cases import each, end, fails, warns
from siamese_verify.cli import main
from siamese_verify.explain import Verifier    # with all that others have added to it
from siamese_verify.gallery import Gallery, GalleryFile
import siamese_verify.web    # Verifier.export_onnx and Verifier.export_web
from siamese_verify.shards import ParquetImages, Shards, TarImages, unpack_images
from siamese_verify.verifier import build_encoder

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

# one image where several are asked for, which would fall into its letters or rows
alone = dict(name='a.png', path=Path('a.png'), bytes=b'x', picture=Image.new('RGB', (8,8)), array=picture(0), grey=picture(0)[...,0], number=7, None_=None)
@each('o', alone)
def test_one_image_is_not_several(o, v, g):
    for ask in v.embed, g.identify_all: end(lambda: ask(o), fails('images are a list of them, not .*: give .image.'))

def test_lists_of_images(v):
    "Of whatever sort; an array of pictures is one of them"
    several = np.stack([picture(0),picture(1)])
    right = v.embed([picture(0),picture(1)])
    for o in several, tuple(several), pd.Series([*several]), iter(several): np.testing.assert_array_equal(v.embed(o), right)
    for ask in lambda: v.embed([]), lambda: v.enroll(dict(a=picture(0))).identify_all([]): end(ask, fails('there are no images'))

@pytest.mark.parametrize('bs', [0, -1, 1.5, '8', None, nan])
def test_images_at_a_time(bs, v): end(lambda: v.embed([picture(0)], bs), fails('bs is a whole number from 1'))

def spoilt(v, value):
    "A verifier whose weights are all of a value"
    res = Verifier(copy.deepcopy(v.encoder), json.loads(json.dumps(v.config)))
    for p in res.encoder.parameters(): p.data.fill_(value)
    return res

doors = dict(verify=lambda v, g: v.verify(picture(0), picture(1)), embed=lambda v, g: v.embed([picture(0)]), pairs=lambda v, g: v.verify_pairs(pairs((picture(0),picture(1)))), enroll=lambda v, g: v.enroll({'a':picture(0)}), distance=lambda v, g: v.distance(picture(0), picture(1)), explain=lambda v, g: v.explain(picture(0), picture(1), grid=2),
    identify=lambda v, g: g.identify(picture(0)), shards=lambda v, g: v.embed_shards([picture(0)], 's'), save=lambda v, g: v.save('m'), probe=lambda v, g: v.probe())
@pytest.mark.parametrize('value,message', [(0., 'an embedding is zero, so it has no direction'), (nan, 'an embedding is NaN or infinite'), (inf, 'an embedding is NaN or infinite')])
@each('door', doors)
def test_weights_that_answer_nothing(door, value, message, v, g, tmp_path, monkeypatch):
    "No answer, no gallery and no piece comes from a model that has died or diverged"
    monkeypatch.chdir(tmp_path)
    bad = spoilt(v, value)
    gallery = Gallery(bad, g.names, g.e)
    gallery.strangers = g.measure()
    end(lambda: door(bad, gallery), fails(f'{message}.*: these weights answer nothing'))
    assert not Path('m').exists()

@pytest.mark.parametrize('size', [1e-40, 1e-20, 1e-10, 1e10, 1e18])
@pytest.mark.parametrize('metric', ['normalized_squared_euclidean_distance', 'cosine_distance'])
def test_angles_of_embeddings_of_any_size(size, metric, v):
    "As a learner has them"
    e = np.random.default_rng(0).normal(size=(2,5,8))
    other = Verifier(v.encoder, v.config | dict(metric=metric))
    np.testing.assert_allclose(other.distances(*(e*size)), other.distances(*e), rtol=1e-6)

def test_a_verifier_moves_no_random_numbers(v, tmp_path):
    "Who loads one in the middle of a training trains on as if he hadn't"
    folder = v.save(tmp_path/'v')
    before = torch.get_rng_state()
    Verifier.load(folder)
    assert torch.equal(torch.get_rng_state(), before)

@pytest.mark.parametrize('prior', [-.1, 1.1, nan, inf, '1', None, True])
def test_priors(prior, v):
    end(lambda: v.verify(picture(0), picture(1), prior), fails('prior is a number from 0 to 1, not'))

def pairs(*o): return pd.DataFrame(o, columns=['left','right'])
tables = dict(
    a_list=([1,2], 'a table is a data frame, not list'), None_=(None, 'a table is a data frame, not NoneType'), no_rows=(pairs(), 'there are no pairs'), no_column=(pairs().rename(columns=dict(left='a')), "there is no column 'left', only a, right"),
    several=(pd.concat([pairs(), pairs()], axis=1), "there are several columns called 'left'"), NA=(pairs((pd.NA,picture(0))), "column 'left' are empty, the first in row 0"), NaT=(pairs((picture(0),pd.NaT)), "column 'right' are empty"),
    empty=(pairs(('',picture(0))), "1 cells of column 'left' are empty, the first in row 0"), blank=(pairs((picture(0),picture(1)), (picture(0),' ')), "1 cells of column 'right' are empty, the first in row 1"), NaN=(pairs((nan,picture(0))), "column 'left' are empty"), nothing=(pairs((picture(0),None)), "column 'right' are empty"), missing=(pairs(('none.png',picture(0))), 'there is no file none.png'))
@each('o', tables)
def test_tables(o, v): end(lambda: v.verify_pairs(o[0]), fails(o[1]))

def test_a_column_with_itself(v): end(lambda: v.verify_pairs(pairs((picture(0),picture(1))), left='left', right='left'), fails("there are several columns called 'left': rename, or name, another one"))

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

twins = dict(case={'Anna':picture(5), 'anna':picture(6)}, blanks={'Anna  B':picture(5), 'Anna B':picture(6)}, table=people((picture(5),'ANNA'), (picture(6),'Anna')))
@each('o', twins)
def test_names_that_look_alike(o, v): end(lambda: v.enroll(o), warns('names that differ in blanks or case alone: '))

def test_names_of_one_letter(v):
    import warnings
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert v.enroll({'a':picture(5), 'A':picture(6)}).names==['a','A']

@pytest.mark.parametrize('k,o', [('most',0), ('most',1), ('most',2.5), ('most',None), ('seed',-1), ('seed',.5)])
def test_measures(k, o, g): end(lambda: g.measure(**{k:o}), fails(f'{k} is a whole number from'))

def test_embeddings_of_another_width(v, tmp_path):
    known = Verifier.load(v.save(tmp_path/'v'))
    for make in lambda: Gallery(known, ['a'], np.ones((1,3))), lambda: known.enroll(dict(a=picture(0))).put(['b'], np.ones((1,3))): end(make, fails('embeddings of 3 numbers, and the verifier gives 8'))
    end(lambda: Gallery(known, ['a'], np.ones(1)), fails('embeddings are N × D, not of shape'))
    end(lambda: known.enroll(dict(a=picture(0))).put(['b','c'], np.ones((1,8))), fails('2 names, but 1 embeddings'))

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

# what takes long and writes at its end, and where it can't be written to
def folder(p): (p/'x.html').mkdir(); return p/'x.html'
def pipe(p): os.mkfifo(p/'x.html'); return p/'x.html'
def device(p): return Path('/dev/null')
def below(p): (p/'x').touch(); return p/'x'/'y.html'
places = dict(folder=(folder, 'is a folder: give the name of a file'), pipe=(pipe, 'x.html is a named pipe: give the name of a file'),
              device=(device, 'null is a device|null/runtime.bin cannot be written'), below_a_file=(below, 'x/y.html cannot be written'))
writers = dict(onnx=lambda v, p: v.export_onnx(p), web=lambda v, p: v.export_web(p, runtime='nowhere'), gallery=lambda v, p: v.enroll(dict(a=picture(0))).save(p))
@each('o', places)
@each('write', writers)
def test_places_of_files(write, o, v, tmp_path, monkeypatch):
    "Known before there's work that would be lost"
    place = o[0](tmp_path)
    if write is not writers['gallery']: monkeypatch.setattr(Verifier, 'embed', lambda *_: pytest.fail('it works first'))
    end(lambda: write(v, place), fails(o[1]+'|there is no folder'))
    assert Path('/dev/null').is_char_device()

@pytest.mark.parametrize('name', ['README.md', 'model.safetensors', 'strangers.safetensors', 'config.json'])
def test_somebodys_files_are_kept(name, v, tmp_path):
    (tmp_path/name).write_text('mine')
    end(lambda: v.save(tmp_path), fails(f'there is {"a verifier" if name=="config.json" else name} in .* already: give another folder'))
    assert (tmp_path/name).read_text()=='mine' and len(list(tmp_path.iterdir()))==1

@pytest.mark.parametrize('name', ['index.html', 'wasm.bin', 'model.bin', 'strangers.bin'])
def test_somebodys_site_is_kept(name, v, tmp_path):
    (tmp_path/name).write_text('mine')
    end(lambda: v.export_web(tmp_path, runtime='nowhere'), fails(f'has {name} of something else: give another folder'))
    assert (tmp_path/name).read_text()=='mine' and len(list(tmp_path.iterdir()))==1

@pytest.mark.parametrize('name', ['runtime.bin', 'strangers.bin'])
def test_a_part_of_a_site_that_cannot_be_written(name, v, tmp_path):
    (tmp_path/name).mkdir()
    end(lambda: v.export_web(tmp_path, runtime='nowhere'), fails(f'{name} is a folder: give the name of a file'))

def test_strangers_leave_a_site(v, tmp_path, monkeypatch):
    "A page that's written anew without them leaves no embeddings of anybody on the server"
    monkeypatch.setattr('siamese_verify.web.read_runtime', lambda _: dict.fromkeys(siamese_verify.web.runtime_files, b'x'))
    monkeypatch.setattr(v, 'strangers', (np.ones((4,8)),np.arange(4)))
    parts = {'index.html','runtime.bin','wasm.bin','model.bin'}
    for strangers in True,False:
        v.export_web(tmp_path/'site', strangers=strangers)
        assert {o.name for o in (tmp_path/'site').iterdir()}==parts | ({'strangers.bin'} if strangers else set())

def test_a_folder_below_a_file(v, tmp_path):
    (tmp_path/'x').touch()
    for place in tmp_path/'x', tmp_path/'x/y': end(lambda: v.save(place), fails('cannot be written: give another place'))

# what was given in the place of a model
def put(name, data=b'x'): return lambda p: (p/name).write_bytes(data)
mistaken = {f'image_{o}':(f'x{o}', put(f'x{o}'), 'is an image: give the model first') for o in ('.webp','.bmp','.tif','.GIF')} | dict(
    table=('x.csv', put('x.csv'), 'is a table: give the model first'), config=('v/config.json', lambda p: None, 'give the folder of a verifier'), weights=('v/model.safetensors', lambda p: None, 'give the folder of a verifier'), gallery=('x.safetensors', put('x.safetensors'), 'is no model by itself'), pipe=('x', lambda p: os.mkfifo(p/'x'), 'x is a named pipe'), nothing=('e', lambda p: (p/'e').mkdir(), 'there is no verifier in e'))
@each('o', mistaken)
def test_what_is_no_model(o, v, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    v.save('v')
    o[1](tmp_path)
    for c in 'verify','predict':
        monkeypatch.setattr(sys, 'argv', ['siamese_verify',c,o[0],'a.png','b.png'])
        with pytest.raises(SystemExit) as e: main()
        err = capsys.readouterr().err.splitlines()
        assert e.value.code==2 and len(err)==1 and o[2] in err[0], err

# ---- embeddings in pieces
numbers = {f'{k}_{o}':({k:o}, f'{k} is ') for k,os_ in dict(size=(0,-1,1.5,'x',None,nan), bs=(0,-1,1.5,'x'), rank=(7,(0,0),(5,2),(2,2),(-1,2),'x',(1,),())).items() for o in os_}
@each('o', numbers)
def test_pieces(o, v, tmp_path):
    end(lambda: v.embed_shards([picture(0)], tmp_path/'s', **o[0]), fails(o[1]))
    assert not (tmp_path/'s').exists()

sources = dict(generator=lambda: (o for o in [picture(0)]), name=lambda: 'a.png', array=lambda: picture(0), number=lambda: 7, a_set=lambda: {1}, None_=lambda: None)
@each('o', sources)
def test_what_is_no_source(o, v, tmp_path):
    for do in lambda: v.embed_shards(o(), tmp_path/'s'), lambda: unpack_images(o(), tmp_path/'u'): end(do, fails('a source gives images by number and has a length, as a list does, not'))
    assert not list(tmp_path.iterdir())

notes = dict(a_list='[]', empty='{}', number='7', texts='{"images":"a","size":2}', minus='{"images":-1,"size":2}', zero='{"images":3,"size":0}', no_json='x', nothing='', nested='{"images":[1],"size":2}')
@each('o', notes)
def test_notes_of_pieces(o, tmp_path):
    (tmp_path/'shards.json').write_text(o)
    end(lambda: Shards(tmp_path), fails('shards.json tells of no embeddings|there are no embeddings in'))

def test_a_piece_of_another_place(v, tmp_path):
    "Its rows would be those of other images"
    shards = v.embed_shards([picture(k) for k in range(3)], tmp_path/'s', size=2)
    shutil.copy(shards.file(0), shards.file(1))
    end(shards.array, fails(r'000001.safetensors has embeddings of shape \(2, 8\), not 1 of them: delete it'))
    torch.save(dict(a=1), shards.file(1))
    end(shards.array, fails('000001.safetensors cannot be read .*: delete it'))

def tar_of(*images):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode='w') as tar:
        for k,o in enumerate(images): info = tarfile.TarInfo(f'{k}.png'); info.size = len(o); tar.addfile(info, io.BytesIO(o))
    return file.getvalue()
whole = tar_of(*[bytes(2000)]*4)
tars = dict(cut=(put('x', whole[:5000]), 'x cannot be read as a tar file'), cut_in_a_header=(put('x', whole[:700]), 'x cannot be read as a tar file'), packed=(put('x', b'\x1f\x8b'+whole), 'is it cut, or compressed'), text=(put('x', b'hello'*200), 'cannot be read as a tar file'), pipe=(lambda p: os.mkfifo(p/'x'), 'x is a named pipe'), folder=(lambda p: (p/'x').mkdir(), 'x is a folder'), missing=(lambda p: None, 'there is no file .*x'))
@each('o', tars)
def test_tars(o, tmp_path):
    o[0](tmp_path)
    end(lambda: TarImages([tmp_path/'x']), fails(o[1]))

def test_files_that_are_one(tmp_path):
    for o in 'x.tar', tmp_path/'x.tar': end(lambda: TarImages(o), fails('files are a list of paths: give'))

@each('o', {k:tars[k] for k in ('text','pipe','folder','missing')})
def test_parquet(o, tmp_path):
    pytest.importorskip('pyarrow')
    o[0](tmp_path)
    end(lambda: ParquetImages([tmp_path/'x']), fails(o[1].replace('a tar file', 'a Parquet file')))
    end(lambda: ParquetImages('x.parquet'), fails('files are a list of paths: give'))
