"What comes in a folder of a stranger: it answers as the learner does, or it ends in one line and runs nothing"
import hashlib, json, os, pickle, re, shutil, subprocess, sys

import numpy as np, pytest
from PIL import Image

from siamese_verify.gallery import Gallery
from siamese_verify.verifier import Verifier, build_encoder, probe_image, read_config

recipe = dict(kind='small', n_out=16, n_layers=3)

def config(**kwargs):
    preprocessing = dict(method='crop', height=16, width=16, interpolation='bilinear', pad_mode='reflection', mean=[.5]*3, std=[.25]*3)
    return dict(format=1, library='siamese_verify', encoder=[recipe], preprocessing=preprocessing,
                metric='normalized_squared_euclidean_distance', threshold=.1, fitted=dict(on=None, objective=None, warning=None),
                calibration=None, unsure=None, rates={}, not_measured=[], made={}) | kwargs

def image(seed, shape=(20,30,3)): return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)

@pytest.fixture(scope='session')
def verifier():
    import torch
    torch.manual_seed(0)
    return Verifier(build_encoder([recipe]), config())

@pytest.fixture
def folder(verifier, tmp_path): return verifier.save(tmp_path/'model')

def test_card(verifier, folder, tmp_path, monkeypatch, capsys):
    "What the card says to type runs as it stands, beside the folder"
    from siamese_verify import cli
    monkeypatch.chdir(tmp_path)
    for k,o in enumerate(('a.jpg', 'b.jpg')): Image.fromarray(image(k)).save(o)
    answer = verifier.verify('a.jpg', 'b.jpg')
    shell,python = re.findall(r'(?s)```\w+\n(.*?)```', (folder/'README.md').read_text())
    exec(python, {})
    assert capsys.readouterr().out == f'{answer}\n{answer.same} {answer.distance}\n'
    monkeypatch.setattr(sys, 'argv', shell.split())
    with pytest.raises(SystemExit) as e: cli.main()
    assert e.value.code in (0,1) and capsys.readouterr().out == f'{answer}\n'

ran = 'somebody was here'
class Hostile:
    "A pickle that writes a file"
    def __reduce__(self): return (os.system, (f'touch "{ran}"',))

def edit(folder, **kwargs):
    file = folder/'config.json'
    file.write_text(json.dumps(json.loads(file.read_text()) | kwargs))

def resign(folder, data):
    "Weights, and a configuration that knows their digest: what a forger would write"
    import hashlib
    (folder/'model.safetensors').write_bytes(data)
    weights = json.loads((folder/'config.json').read_text())['weights']
    edit(folder, weights=weights | dict(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data)))

def data(folder): return (folder/'model.safetensors').read_bytes()
def cut(f): (f/'model.safetensors').write_bytes(data(f)[:-1])
def emptied(f): (f/'model.safetensors').write_bytes(b'')
def flipped(f): (f/'model.safetensors').write_bytes(data(f)[:-5] + b'\x00' + data(f)[-4:])
def noise(f): resign(f, np.random.default_rng(0).bytes(5000))
def pickled(f): resign(f, pickle.dumps(Hostile()))
def cut_and_signed(f): resign(f, data(f)[:-8])
def no_weights(f): (f/'model.safetensors').unlink()
def no_config(f): (f/'config.json').unlink()
def large_config(f):
    with open(f/'config.json', 'wb') as o: o.truncate(10**8)
def deep_config(f): (f/'config.json').write_text('['*10**5)
def no_table(f): (f/'config.json').write_text('[1]')
def not_json(f): (f/'config.json').write_bytes(pickle.dumps(Hostile()))
def version(f): edit(f, format=2)
def unknown(f): edit(f, auto_map='evil.Model')
def missing(f): (f/'config.json').write_text(json.dumps({k:o for k,o in json.loads((f/'config.json').read_text()).items() if k!='threshold'}))
def nan(f): edit(f, threshold=float('nan'))
def huge(f): (f/'config.json').write_text((f/'config.json').read_text().replace('"threshold": 0.1', '"threshold": 1e999'))
def text(f): edit(f, threshold='0.1')
def true(f): edit(f, threshold=True)
def climbing(f): edit(f, encoder=[dict(kind='torchvision', name='../../etc/passwd', children=8, pool='avg')])
def any_name(f): edit(f, encoder=[dict(kind='xresnet', name='partial', children=8, pool='avg')])
def other_file(f): edit(f, weights=json.loads((f/'config.json').read_text())['weights'] | dict(file='../../secret'))
def checkpoint(f): edit(f, encoder=[dict(kind='timm', name='resnet18', needs_pool=True, pool='avg', options=dict(checkpoint_path='x.pth'))])
def from_hub(f): edit(f, encoder=[dict(kind='timm', name='hf-hub:evil/model', needs_pool=True, pool='avg', options={})])
def giant(f): edit(f, encoder=[dict(kind='small', n_out=10**9, n_layers=3)])
def large(f): edit(f, encoder=[dict(kind='small', n_out=2**14, n_layers=14)])    # 6 GB, if it were made
def large_behind(f): edit(f, encoder=[recipe, dict(kind='affine', n_in=2**16, n_out=2**16)])
def pixels(f): edit(f, preprocessing=config()['preprocessing'] | dict(height=2**15, width=2**15))
def terminal(f): edit(f, not_measured=['\x1b[31mred'])
def terminal_key(f): edit(f, made=dict(versions={'\x07':'1'}))
def deep_inside(f): (f/'config.json').write_text((f/'config.json').read_text().replace('"threshold": 0.1', '"threshold": '+10**5*'['+10**5*']'))
def long_number(f): (f/'config.json').write_text((f/'config.json').read_text().replace('"threshold": 0.1', '"threshold": '+10**4*'1'))
def pipe(f): (f/'config.json').unlink(); os.mkfifo(f/'config.json')
def pipe_of_weights(f): (f/'model.safetensors').unlink(); os.mkfifo(f/'model.safetensors')
def zeros(f): (f/'config.json').unlink(); (f/'config.json').symlink_to('/dev/zero')
def to_itself(f): (f/'config.json').unlink(); (f/'config.json').symlink_to('config.json')
def extra_tensor(f): tensors(f, lambda t: t | dict(extra=np.zeros(3, np.float32)))
def whole_numbers(f): tensors(f, lambda t: {k:o.astype(np.int8) for k,o in t.items()})
def other_shape(f): tensors(f, lambda t: {k:o[...,:1].copy() if o.ndim==4 else o for k,o in t.items()})
def nan_weights(f): tensors(f, lambda t: {k:o*np.float32('nan') if o.dtype==np.float32 else o for k,o in t.items()})
def tensors(f, change):
    from safetensors.numpy import load, save
    data = save(change(load((f/'model.safetensors').read_bytes())))
    (f/'model.safetensors').write_bytes(data)
    edit(f, weights=json.loads((f/'config.json').read_text())['weights'] | dict(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data)))
def other_layers(f): edit(f, encoder=[recipe | dict(n_out=8)])
def no_digest(f): edit(f, weights={})
def nothing(f): edit(f, weights=None)
def strangers(f): edit(f, strangers=[])
def graph(f): edit(f, onnx={})
def one_layer(f): edit(f, encoder=dict(kind=23))
def no_kind(f): edit(f, encoder=[{}])
def second_encoder(f): edit(f, encoder=[recipe, recipe])
def metric(f): edit(f, metric='__import__')
def size(f): edit(f, preprocessing=config()['preprocessing'] | dict(height=10**9))
def resize(f): edit(f, preprocessing=config()['preprocessing'] | dict(interpolation='nearest'))
def calibration(f): edit(f, calibration=dict(offset=0, near=1, far=1, low=0, high=1, top=4))
def band(f): edit(f, unsure=dict(low=1, high=0))
def rates(f): edit(f, rates=dict(valid=3))
def other_probe(f): edit(f, probe=[0.]*16)
def text_probe(f): edit(f, probe='x')

hostile = {
    cut:'it was cut or changed', emptied:'has 0 bytes', flipped:'SHA-256 differs', noise:'does not hold the weights', pickled:'does not hold the weights',
    cut_and_signed:'does not hold the weights', no_weights:'model.safetensors is missing', no_config:'there is no verifier in',
    large_config:'has 100,000,000 bytes', deep_config:'cannot be read', no_table:'is no table', not_json:'cannot be read',
    version:'format 2 of a verifier', unknown:'auto_map is not known', missing:'threshold is missing', nan:'NaN is no number', huge:'threshold is a number',
    text:"not '0.1'", true:'not True', climbing:'torchvision has no model', any_name:'fastai has no model', other_file:'file is not known', checkpoint:'checkpoint_path is not known',
    from_hub:'timm has no model', giant:'n_out is a whole number', large:'does not hold the weights', large_behind:'does not hold the weights', pixels:'height × width is a whole number', terminal:'control characters', terminal_key:'control characters', deep_inside:'cannot be read', long_number:'cannot be read',
    pipe:'there is no verifier', pipe_of_weights:'is missing', zeros:'there is no verifier', to_itself:'there is no verifier', extra_tensor:'does not hold', whole_numbers:'an embedding is zero', other_shape:'does not hold', nan_weights:'NaN or infinite', other_layers:'does not hold the weights', second_encoder:'the kind of a layer is',
    no_digest:'weights', nothing:'weights', strangers:'strangers', graph:'onnx', one_layer:'encoder is a list of layers', no_kind:'encoder is a list of layers',
    metric:'metric is', size:'height is', resize:'of its length away', calibration:'calibration', band:'low is above high', rates:'rates of valid is a table',
    other_probe:'of its length away', text_probe:'probe'}

@pytest.mark.parametrize('change', hostile, ids=lambda o: o.__name__)
def test_hostile_folder(change, folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    change(folder)
    with pytest.raises((ValueError, FileNotFoundError), match=hostile[change]) as e: Verifier.load(folder)
    assert len(str(e.value).splitlines())==1 and not (folder.parent/ran).exists()

@pytest.mark.parametrize('change', [one_layer, no_kind, deep_config, no_table, huge], ids=lambda o: o.__name__)
def test_what_is_told_of_a_hostile_folder(change, folder):
    from siamese_verify.commands import info
    change(folder)
    with pytest.raises(ValueError, match=hostile[change]): info(folder)

def test_command_in_one_line(folder, tmp_path):
    from siamese_verify.cli import main
    flipped(folder)
    Image.fromarray(image(0)).save(tmp_path/'a.png')
    code = 'import sys; sys.argv[1:] = ["verify", "model", "a.png", "a.png"]; from siamese_verify.cli import main; main()'
    out = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=tmp_path)
    assert out.returncode==2 and len(out.stderr.splitlines())==1 and 'SHA-256' in out.stderr and not out.stdout

def test_two_columns_of_one_name(folder, tmp_path):
    "Which one of them is meant?"
    from siamese_verify.commands import enroll, verify
    table = tmp_path/'t.csv'
    table.write_text('left,left,right,file,file\na.jpg,b.jpg,c.jpg,d.jpg,e.jpg\n')
    for ask in (lambda: verify(folder, table), lambda: enroll(folder, tmp_path/'g.safetensors', table)):
        with pytest.raises(ValueError, match="several columns called 'left'"): ask()

def test_pickle_is_not_opened(tmp_path, monkeypatch):
    from siamese_verify.commands import verify
    monkeypatch.chdir(tmp_path)
    (tmp_path/'old').mkdir()
    (tmp_path/'old/model.pkl').write_bytes(pickle.dumps(Hostile()))
    with pytest.raises(ValueError, match='open it with --trust'): verify(tmp_path/'old', 'a.png', 'b.png')
    assert not (tmp_path/ran).exists()

def test_fresh_process(verifier, folder):
    a,b = image(1),image(2, (37,21,3))
    np.savez(folder/'x.npz', a=a, b=b)
    code = ('import sys, numpy as np; from siamese_verify.verifier import Verifier; o = np.load("x.npz");'
            'v = Verifier.load("."); print(v.distance(o["a"], o["b"])); print({"fastai","torchvision"} & {*sys.modules})')
    d,loaded = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=folder, check=True).stdout.splitlines()
    assert abs(float(d)-verifier.distance(a, b))<1e-6 and loaded=='set()'

@pytest.mark.parametrize('o,error,message', [
    (np.zeros((8,8,3)), ValueError, 'of uint8'), (np.zeros((3,8,8), np.uint8), ValueError, 'not 3 × 8 × 8'), (np.zeros((0,8,3), np.uint8), ValueError, 'not 0'),
    ('ftp://x/y.png', ValueError, 'nothing is downloaded'), ('no.png', FileNotFoundError, 'there is no file'), (b'', ValueError, 'these bytes'), (3, TypeError, 'not int')])
def test_what_is_no_image(verifier, o, error, message):
    with pytest.raises(error, match=message): verifier.verify(o, image(0))

def test_a_crash_leaves_the_old_gallery(verifier, tmp_path, monkeypatch):
    g = verifier.enroll({'a':[image(1), image(2)], 'b':image(3)})
    file = g.save(tmp_path/'g.safetensors')
    def crash(*_): raise OSError('no space')
    monkeypatch.setattr(os, 'replace', crash)
    with pytest.raises(OSError): g.add({'c':image(4)}).save(file)
    assert len(Gallery.load(file, verifier))==3 and [o.name for o in tmp_path.iterdir()]==['g.safetensors']

def gallery_cut(o): return o[:-3]
def gallery_flipped(o): return o[:-9] + bytes([o[-9]^1]) + o[-8:]
def gallery_pickled(o): return pickle.dumps(Hostile())
def gallery_control(o): return o.replace(b'bob', b'\\\\t')    # a tab, when both layers of JSON are read
def gallery_version(o): return o.replace(b'\\"format\\": 1', b'\\"format\\": 7')
def gallery_of_others(o): return o.replace(b'embedder\\": \\"', b'embedder\\": \\"0')[:len(o)]

@pytest.mark.parametrize('change', [gallery_cut, gallery_flipped, gallery_pickled, gallery_control, gallery_version, gallery_of_others], ids=lambda o: o.__name__)
def test_hostile_gallery(verifier, change, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = verifier.enroll({'ann':image(1), 'bob':image(3)}).save(tmp_path/'g.safetensors')
    changed = change(file.read_bytes())
    assert changed!=file.read_bytes()
    file.write_bytes(changed)
    with pytest.raises(ValueError, match='g.safetensors') as e: Gallery.load(file, verifier)
    assert len(str(e.value).splitlines())==1 and not (tmp_path/ran).exists()

@pytest.mark.parametrize('name', ['', ' ', 'a\x1b[2J', 'a\nb', 'x'*201])
def test_names_are_printable(verifier, name):
    with pytest.raises(ValueError, match='a name is'): verifier.enroll({name:image(0)})

@pytest.mark.parametrize('name', [None, float('nan'), True, b'ann', ('a','b'), 'a\u202eb', '\udce9'])
def test_names_are_texts(verifier, name):
    with pytest.raises(ValueError, match='a name is'): verifier.enroll({name:image(0)})

def test_names_however_they_are_typed(verifier):
    g = verifier.enroll({'Zo\u00e9':image(1), 'Zoe\u0301 ':image(3), 'b':image(4)})
    assert g.names==['Zo\u00e9','Zo\u00e9','b'] and g.remove('Zoe\u0301').names==['b']

def few_numbers(t, about): t['embeddings'] = t['embeddings'][:,:3].copy()
def half(t, about): t['embeddings'] = t['embeddings'].astype(np.float16)
def one_text(t, about): about['names'] = 'ab'
def no_texts(t, about): about['names'] = [None,7]
def nested(t, about): about['names'] = [['a'],'b']
def long_name(t, about): about['names'] = ['x'*10**6,'b']
def nan_distances(t, about): t['strangers.nearest'] = t['strangers.nearest']*np.nan
@pytest.mark.parametrize('change,message', [(few_numbers,'embeddings of 3 numbers'), (half,'finite numbers'), (one_text,'list of texts'), (no_texts,'list of texts'), (nested,'list of texts'), (long_name,'a name is'), (nan_distances,'NaN')], ids=lambda o: getattr(o, '__name__', ''))
def test_galleries_that_were_signed_again(verifier, change, message, tmp_path):
    from safetensors import safe_open
    from safetensors.numpy import save
    gallery = verifier.enroll({'ann':image(1), 'bob':image(3)})
    gallery.measure()
    file = gallery.save(tmp_path/'g.safetensors')
    with safe_open(file, 'np') as f: about,tensors = json.loads(f.metadata()['gallery']),{k:f.get_tensor(k) for k in f.keys()}
    change(tensors, about)
    about['sha256'] = hashlib.sha256(tensors['embeddings'].tobytes()).hexdigest()
    file.write_bytes(save(tensors, dict(gallery=json.dumps(about))))
    with pytest.raises(ValueError, match=f'g.safetensors.*{message}') as e: Gallery.load(file, verifier)
    assert len(str(e.value).splitlines())==1

def test_name_is_no_path(verifier, tmp_path):
    "A name that climbs is only text"
    file = verifier.enroll({'../../etc/passwd':image(1), 'b':image(2)}).save(tmp_path/'g.safetensors')
    assert Gallery.load(file, verifier).identify(image(1), threshold=1e-6).name=='../../etc/passwd'
    assert [o.name for o in tmp_path.iterdir()]==['g.safetensors']

def test_one_embedding_is_nan(verifier, monkeypatch):
    monkeypatch.setattr(Verifier, 'encode', lambda self, x: np.where(np.arange(len(x))[:,None]==1, np.nan, np.ones((len(x),16))))
    assert np.isfinite(verifier.embed([image(0)])).all()
    with pytest.raises(ValueError, match='NaN or infinite'): verifier.embed([image(0), image(1)])

def test_strangers_are_as_they_were(tmp_path):
    strangers = np.eye(4, 16, dtype=np.float32),np.array([0,0,1,1])
    folder = Verifier(build_encoder([recipe]), config(), strangers).save(tmp_path/'model')
    for a,b in zip(Verifier.load(folder).strangers, strangers): assert (a==b).all()
    file = folder/'strangers.safetensors'
    file.write_bytes(file.read_bytes()[:-1]+b'x')
    with pytest.raises(ValueError, match='was changed: delete it'): Verifier.load(folder)

@pytest.mark.parametrize('layer', [dict(kind='linear', bias=True), dict(kind='affine')])
def test_linear_layer(layer):
    layer = layer | dict(n_in=16, n_out=2**16)
    assert build_encoder([recipe, layer])[-1].weight.shape==(2**16,16)
    with pytest.raises(ValueError, match='features is a whole number'): build_encoder([recipe, layer | dict(n_out=2**16+1)])

def test_white_of_16_bits(verifier):
    white = Image.fromarray(np.full((20,30), 65535, np.uint16))
    assert np.allclose(verifier.preprocess(white), verifier.preprocess(np.full((20,30,3), 255, np.uint8)))
    with pytest.raises(ValueError, match='an image of 32 bits may mean anything by white'): verifier.preprocess(Image.fromarray(np.full((20,30), 65535, np.int32)))

def test_probe_image():
    "Two discs on a slope, a quarter and an eighth of the picture in radius, where they are said to be"
    a = probe_image(160, 320)
    red,blue = ((a==o).all(-1) for o in ((250,40,60), (10,20,200)))
    for disc,centre,radius in (red,(60,120),2/8),(blue,(100,240),1/8):
        assert disc.mean()==pytest.approx(np.pi*radius**2, rel=.02)
        assert np.argwhere(disc).mean(0)==pytest.approx(centre, abs=1)
    assert a[[0,80,-1],0,1].tolist()==[0,128,255] and a[0,[0,160,-1],0].tolist()==[0,127,255]    # the slope
