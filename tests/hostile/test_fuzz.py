"Bytes that nobody would write by hand: they're read, or end in an error in words"
import io, json

import numpy as np, pytest, torch
from hypothesis import HealthCheck, given, settings, strategies as st
from PIL import Image

from cases import known
from siamese_verify.all import LabeledImages, Pairs, open_image, read_image
from siamese_verify.commands import info
from siamese_verify.verifier import Verifier, build_encoder

def named(do, *words):
    "Is it done, or does an error say what it was?"
    try: return do() is not None
    except known as e:
        assert len(str(e).split())>3 and all(o in str(e) for o in words), repr(e)
        return False

@pytest.fixture
def few(request):
    "The same cases each time, or as many others as `--fuzz` says"
    n = request.config.getoption('--fuzz')
    return settings(max_examples=n or 40, derandomize=not n, deadline=None, suppress_health_check=list(HealthCheck))

@st.composite
def damaged(draw, whole):
    "Some of the bytes changed, put in or cut off"
    data = bytearray(draw(st.sampled_from(whole)))
    for _ in range(draw(st.integers(0, 8))): data[draw(st.integers(0, len(data)-1))] = draw(st.integers(0, 255))
    if draw(st.booleans()): data = data[:draw(st.integers(0, len(data)))]
    return bytes(data)

def image_bytes(format, k):
    exif,file = Image.Exif(),io.BytesIO()
    exif[0x0112],exif[0x011A] = k%8+1,72.    # how it's turned, and its resolution
    kwargs = dict(compression=('tiff_lzw','tiff_deflate','packbits')[k%3]) if format=='TIFF' else dict(exif=exif)
    Image.fromarray(np.random.default_rng(k).integers(0, 256, (9,13,3), np.uint8)).save(file, format, **kwargs)
    return file.getvalue()

pictures = {o:[image_bytes(o, k) for k in range(6)] for o in ('JPEG','PNG','TIFF','WEBP')}
@pytest.mark.parametrize('format', pictures)
def test_images(format, few, tmp_path_factory):
    "What `check` passes can be opened"
    file = tmp_path_factory.mktemp('images')/f'x.{format.lower()}'
    @few
    @given(damaged(pictures[format]))
    def run(data):
        file.write_bytes(data)
        opened = named(lambda: open_image(file), file.name)
        assert named(lambda: LabeledImages([file], None, []).check(), file.name)==opened
        named(lambda: read_image(data))
        try: lazy = Image.open(io.BytesIO(data))
        except Exception: return    # of Pillow
        for read in open_image, read_image: named(lambda: read(lazy))
    run()

cells = st.one_of(st.sampled_from(['a.png','b.png','','NA','nan','1','0','True','Same','train','valid','007',' ']), st.text(max_size=6))
heads = st.sampled_from([['file','label'], ['left','right','same'], ['left','right','same','split'], ['file','label','split'], [], ['file','file']])
@st.composite
def tables(draw):
    rows = [draw(heads), *draw(st.lists(st.lists(cells, max_size=5), max_size=8))]
    text = draw(st.sampled_from(['\n','\r\n','\r'])).join(draw(st.sampled_from([',',',',';','\t'])).join(o) for o in rows)
    return draw(damaged([text.encode(draw(st.sampled_from(['utf-8','utf-16','latin1'])), 'replace') or b' ']))

def test_tables(few, tmp_path_factory):
    path = tmp_path_factory.mktemp('tables')
    for o in 'ab': Image.new('L', (4,4)).save(path/f'{o}.png')
    @few
    @given(tables())
    def run(data):
        (path/'t.csv').write_bytes(data)
        for do in lambda: LabeledImages.from_csv(path/'t.csv', valid=[0]), lambda: LabeledImages.from_csv(path/'t.csv', valid='split'), lambda: Pairs.from_csv(path/'t.csv', valid='split'): named(do)
    run()

values = st.one_of(st.none(), st.booleans(), st.integers(-5, 10**12), st.floats(), st.text(max_size=5), st.just([]), st.just({}), st.just(dict(kind=23)), st.lists(st.floats(), max_size=3))
def places(o, path=()):
    "Where something is in a configuration"
    if path: yield path
    for k in o if isinstance(o, dict) else range(min(len(o), 3)) if isinstance(o, list) else (): yield from places(o[k], (*path,k))

def test_verifiers(few, tmp_path_factory, capsys):
    "Never a NaN for an answer"
    recipe = dict(kind='small', n_out=8, n_layers=2)
    preprocessing = dict(method='crop', height=8, width=8, interpolation='bilinear', pad_mode='reflection', mean=[.5]*3, std=[.25]*3)
    calibration = dict(offset=1., near=2., far=.5, low=.001, high=3.9, top=4.)
    config = dict(format=1, library='siamese_verify', encoder=[recipe], preprocessing=preprocessing, metric='normalized_squared_euclidean_distance', threshold=.1,
                  fitted=dict(on=None, objective=None, warning=None), calibration=calibration, unsure=dict(low=.05, high=.2), rates={}, not_measured=[], made={})
    torch.manual_seed(0)
    v = Verifier(build_encoder([recipe]), config)
    v.strangers = np.ones((4,8)),np.arange(4)
    folder = v.save(tmp_path_factory.mktemp('model')/'v')
    whole = {o.name:o.read_bytes() for o in folder.iterdir()}
    def ask():
        v = Verifier.load(folder)
        answer = v.verify(np.zeros((9,9,3), np.uint8), np.full((9,9,3), 200, np.uint8))
        assert np.isfinite(answer.distance) and 0<=(answer.p_same or 0)<=1
        assert v.about() and v.card() and v.made() is not None
        return answer
    @few
    @given(st.data())
    def run(data):
        config = json.loads(whole['config.json'])
        *path,last = data.draw(st.sampled_from([*places(config)]))
        o = config
        for k in path: o = o[k]
        if data.draw(st.booleans()): o[last] = data.draw(values)
        else: del o[last]
        name = data.draw(st.sampled_from([*whole]))
        for k,o in (whole | {name:data.draw(damaged([whole[name]]))} | {'config.json':json.dumps(config).encode()}).items(): (folder/k).write_bytes(o)
        named(ask)
        named(lambda: info(folder))
    run()
