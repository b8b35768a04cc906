"A server answers as the verifier does, refuses what is too much, and loses nothing"
import asyncio, http.client, io, json, os, platform, signal, struct, subprocess, sys, threading, time, zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from urllib.parse import quote

import httpx, numpy as np, pytest, torch
from fastapi.testclient import TestClient
from PIL import Image
from siamese_verify.files import *
from siamese_verify.gallery import *
from siamese_verify.onnx import *
from siamese_verify.serve import *
from siamese_verify.verifier import *

def verifier(preprocessing=Preprocessing('crop', 32, 32)):
    "A verifier of random weights"
    torch.manual_seed(0)
    layers = [dict(kind='small', n_out=32, n_layers=3)]
    config = dict(format=1, library='siamese_verify', encoder=layers, preprocessing=asdict(preprocessing), threshold=.05,
                  metric='normalized_squared_euclidean_distance', fitted=dict(on=None, objective=None, warning=None),
                  calibration=dict(offset=1., near=2., far=.5, low=.001, high=3.9, top=4.), unsure=None, rates={}, not_measured=[], made={})
    return Verifier(build_encoder(layers), config)

def picture(seed, h=40, w=50, format='PNG'):
    "The bytes of an image"
    small = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), np.uint8)
    res = io.BytesIO()
    Image.fromarray(small).resize((w, h), Image.Resampling.BICUBIC).save(res, format)
    return res.getvalue()

a, b, c = (picture(o) for o in range(3))

@pytest.fixture
def v(): return verifier()

@pytest.fixture
def file(tmp_path): return tmp_path/'people'/'gallery.safetensors'

@pytest.fixture
def client(v, file): return TestClient(create_app(v, file, threshold=.05))

def lock(file): return file.with_name(f'.{file.name}.lock')
def same(answer): return pytest.approx(answer.to_dict(), abs=1e-6)

def refused(res, status, text):
    assert (res.status_code, text in res.json()['detail']) == (status, True), res.text

# The routes

@pytest.mark.parametrize('prior', [0, .01, .5, 1])
def test_verify(client, v, prior):
    res = client.post('/verify', files=dict(left=a, right=b), data=dict(prior=prior))
    assert res.status_code == 200 and res.json() == same(v.verify(a, b, prior))

@pytest.mark.parametrize('format', ['JPEG', 'PNG', 'WEBP', 'GIF', 'BMP', 'TIFF'])
def test_formats(client, v, format):
    left = picture(0, format=format)
    assert client.post('/verify', files=dict(left=left, right=b)).json() == same(v.verify(left, b))

@pytest.mark.parametrize('method', ['crop', 'squish', 'pad'])
def test_odd_sizes(method):
    v = verifier(Preprocessing(method, 24, 32))
    for h, w in (1, 300), (300, 7), (33, 31):
        left = picture(0, h, w)
        res = TestClient(create_app(v)).post('/verify', files=dict(left=left, right=b))
        assert res.json() == same(v.verify(left, b))

def test_gallery(client, v, file):
    enroll = lambda image, name: client.post('/enroll', files=dict(image=image), data=dict(name=name))
    for o, name in zip((a, b, c), ('Anna', 'Børge', 'Anna')): assert enroll(o, name).status_code == 200
    assert client.get('/health').json()['gallery'] == dict(images=3, names=2)
    found = client.post('/identify', files=dict(image=b), data=dict(k=1)).json()
    assert found == Gallery.load(file, v).identify(b, 1, threshold=.05).to_dict() and found['name'] == 'Børge'
    assert client.delete('/enroll/B%C3%B8rge').json()['gallery'] == dict(images=2, names=1)
    assert 'Børge' not in client.post('/identify', files=dict(image=b)).text
    assert 'Børge'.encode() not in file.read_bytes()

def test_fitted_threshold(v, file):
    client = TestClient(create_app(v, file, fpir=.05))
    for k in range(6): client.post('/enroll', files=dict(image=picture(k)), data=dict(name=f'{k%3}'))
    assert client.post('/identify', files=dict(image=a)).json() == Gallery.load(file, v).identify(a, fpir=.05).to_dict()
    assert Gallery.load(file, v).strangers is not None    # measured before it was saved

def test_pages(client):
    assert '/docs' in client.get('/').text and 'Verifier: small' in client.get('/').text
    assert client.get('/docs').status_code == 200
    assert {'/verify', '/identify', '/enroll', '/enroll/{name}', '/health'} == set(client.get('/openapi.json').json()['paths'])

def test_graph_or_weights(v, tmp_path):
    folder = v.save(tmp_path/'model')
    add_onnx(folder)
    w = load_verifier(folder)
    assert type(w) is OnnxVerifier
    res = TestClient(create_app(w)).post('/verify', files=dict(left=a, right=b)).json()
    assert res == same(w.verify(a, b)) and res['distance'] == pytest.approx(v.verify(a, b).distance, abs=1e-5)

# What is refused

def test_no_gallery(v):
    client = TestClient(create_app(v))
    for res in (client.post('/identify', files=dict(image=a)), client.delete('/enroll/a'),
                client.post('/enroll', files=dict(image=a), data=dict(name='a'))): refused(res, 404, 'no gallery')
    assert client.get('/health').json()['gallery'] is None

def test_names(client, file):
    enroll = lambda image, name: client.post('/enroll', files=dict(image=image), data=dict(name=name))
    refused(client.post('/identify', files=dict(image=a)), 409, 'empty')
    refused(client.delete('/enroll/nobody'), 404, "nobody is called 'nobody'")
    for o in '', ' ', 'x'*201, 'two\nlines', 'nul\0': assert enroll(a, o).status_code == 422
    names = '../../etc/passwd', '/etc/passwd', 'a/b', '..\\..\\x', 'https://example.org', '<b>', '?x=1#y', 'Ж 字'
    for k, o in enumerate(names): assert enroll(picture(10+k), o).status_code == 200
    assert {o for o in file.parents[1].rglob('*') if o.is_file()} == {file, lock(file)}
    assert client.get('/health').json()['gallery']['names'] == len(names)
    for o in names: assert client.delete(f'/enroll/{quote(o, safe="")}').json()['images'] == 0
    assert client.get('/health').json()['gallery']['names'] == 0

def test_twins(client):
    assert client.post('/enroll', files=dict(image=a), data=dict(name='A')).json()['images'] == 1
    assert client.post('/enroll', files=dict(image=a), data=dict(name='A')).json()['images'] == 1
    refused(client.post('/enroll', files=dict(image=a), data=dict(name='B')), 409, 'is enrolled as')
    assert client.get('/health').json()['gallery'] == dict(images=1, names=1)

def test_too_few_names(v, file):
    client = TestClient(create_app(v, file))
    client.post('/enroll', files=dict(image=a), data=dict(name='A'))
    refused(client.post('/identify', files=dict(image=a)), 409, 'give a threshold')

@pytest.mark.parametrize('data', [b'', b'no image', b'/etc/passwd', b'https://example.org/cat.jpg', b'\x89PNG\r\n\x1a\n', a[:200],
                                  b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n'])
def test_no_image(client, data):
    for kw in dict(url='/verify', files=dict(left=a, right=data)), dict(url='/identify', files=dict(image=data)), \
              dict(url='/enroll', files=dict(image=data), data=dict(name='A')):
        res = client.post(**kw)
        assert res.status_code in (409, 422) if 'identify' in kw['url'] else res.status_code == 422, res.text
    assert client.get('/health').json()['gallery']['images'] == 0

def test_no_path(client, tmp_path):
    "An image is an upload: a path or an address is nothing that can be sent"
    file = tmp_path/'a.png'
    file.write_bytes(a)
    for o in str(file), file.as_uri(), 'https://example.org/a.png':
        refused(client.post('/verify', data=dict(left=o), files=dict(right=b)), 422, 'left: upload a file')
        for kw in dict(data=dict(left=o, right=o)), dict(json=dict(left=o, right=o)), dict(params=dict(left=o, right=o)):
            assert client.post('/verify', **kw).status_code == 422
        named = client.post('/verify', files=dict(left=(o, b'x'), right=b))    # a file name is not looked at
        refused(named, 422, 'no image')

@pytest.mark.parametrize('prior', [-1, 1.1, 'nan', 'inf', 'half'])
def test_prior(client, prior): refused(client.post('/verify', files=dict(left=a, right=b), data=dict(prior=prior)), 422, 'prior')

@pytest.mark.parametrize('k', [0, -1, 1.5, 10**9])
def test_k(client, k): refused(client.post('/identify', files=dict(image=a), data=dict(k=k)), 422, 'k: ')

def test_pixels(v):
    client = TestClient(create_app(v, most_pixels=2000))
    assert client.post('/verify', files=dict(left=a, right=b)).status_code == 200
    refused(client.post('/verify', files=dict(left=a, right=picture(1, 41, 50))), 422, '2,050 pixels')

def test_padded_pixels():
    "A strip is padded to a square, which is what takes memory"
    client = TestClient(create_app(verifier(Preprocessing('pad', 32, 32))))
    refused(client.post('/verify', files=dict(left=a, right=picture(1, 1, 20_000))), 422, '400,000,000 pixels')

def test_pixels_before_decoding(client):
    "A file that says it is huge is refused by its first bytes"
    chunk = lambda kind, o: struct.pack('>I', len(o))+kind+o+struct.pack('>I', zlib.crc32(kind+o))
    for side, text in (8000, '64,000,000 pixels'), (60_000, 'too many pixels'):
        png = b'\x89PNG\r\n\x1a\n'+chunk(b'IHDR', struct.pack('>IIBBBBB', side, side, 8, 2, 0, 0, 0))+chunk(b'IDAT', b'')
        refused(client.post('/verify', files=dict(left=a, right=png)), 422, text)

def test_bytes(v):
    client = TestClient(create_app(v, most_bytes=10_000))
    assert client.post('/verify', files=dict(left=a, right=b)).status_code == 200
    refused(client.post('/verify', files=dict(left=a, right=bytes(10_000))), 413, 'at most 10,000 bytes')
    many = (bytes(1000) for _ in range(100))    # chunks, without a length
    refused(client.post('/verify', content=many, headers={'Content-Type': 'multipart/form-data; boundary=x'}), 413, '10,000')

def test_size(v):
    client = TestClient(create_app(verifier(Preprocessing('none', 32, 32))))
    refused(client.post('/verify', files=dict(left=a, right=b)), 422, 'resizes nothing')

@pytest.mark.parametrize('header', [None, 'Bearer', 'Bearer wrong', 'Bearer secret secret', 'Basic secret', 'secret', 'Bearer sécret'])
def test_wrong_token(v, file, monkeypatch, header):
    monkeypatch.setenv('SIAMESE_VERIFY_TOKEN', 'secret')
    client = TestClient(create_app(v, file), headers={} if header is None else {'Authorization': header.encode()})
    for method, url in ('POST', '/verify'), ('POST', '/enroll'), ('DELETE', '/enroll/a'), ('GET', '/health'), ('GET', '/docs'), ('GET', '/'):
        res = client.request(method, url)
        refused(res, 401, 'token')
        assert res.headers['www-authenticate'] == 'Bearer' and 'secret' not in res.text

def test_token(v, monkeypatch):
    monkeypatch.setenv('SIAMESE_VERIFY_TOKEN', 'secret\n')
    client = TestClient(create_app(v), headers=dict(Authorization='bearer secret', Origin='https://example.org'))
    assert client.post('/verify', files=dict(left=a, right=b)).status_code == 200
    monkeypatch.setenv('SIAMESE_VERIFY_TOKEN', '')
    with pytest.raises(ValueError, match='is empty'): create_app(v)

def test_other_sites(client):
    "A page that the browser on this machine shows cannot enroll"
    for o in 'https://example.org', 'http://localhost.example.org:8000', 'null':
        refused(client.post('/enroll', files=dict(image=a), data=dict(name='A'), headers=dict(Origin=o)), 403, 'another site')
    assert client.post('/verify', files=dict(left=a, right=b), headers=dict(Origin='http://127.0.0.1:8000')).status_code == 200

def test_fresh_gallery(client, v, file):
    "What a command did to the file meanwhile is seen, and not overwritten"
    client.post('/enroll', files=dict(image=a), data=dict(name='A'))
    Gallery.load(file, v).add(dict(B=b)).save(file)
    assert client.post('/identify', files=dict(image=b)).json()['name'] == 'B'
    client.post('/enroll', files=dict(image=c), data=dict(name='C'))
    assert Gallery.load(file, v).names == ['A', 'B', 'C']

def test_unsaved_is_not_there(v, file, monkeypatch):
    "A disk that is full leaves the gallery as it was, in memory as well"
    client = TestClient(create_app(v, file, threshold=.05), raise_server_exceptions=False)
    client.post('/enroll', files=dict(image=a), data=dict(name='A'))
    def full(*args): raise OSError('no space left')
    monkeypatch.setattr(Gallery, 'save', full)
    assert client.post('/enroll', files=dict(image=b), data=dict(name='B')).status_code == 503
    assert client.get('/health').json()['gallery'] == dict(images=1, names=1)

def test_read_only(client, file, monkeypatch):
    "Whoever may not write the file of a gallery is answered, and told so when something is to change"
    client.post('/enroll', files=dict(image=a), data=dict(name='A'))
    whole = file.read_bytes()
    monkeypatch.setattr(os, 'access', lambda *args: False)
    refused(client.post('/enroll', files=dict(image=b), data=dict(name='B')), 403, 'this gallery may only be read')
    refused(client.delete('/enroll/A'), 403, 'this gallery may only be read')
    assert client.post('/identify', files=dict(image=a)).json()['name'] == 'A'
    assert file.read_bytes() == whole

def test_started_read_only(v, file, monkeypatch, capsys):
    "It starts, and says what it can't do; where nobody is enrolled, there is nothing to start for"
    model = v.save(file.parent/'model')
    monkeypatch.setattr(os, 'access', lambda *args: False)
    monkeypatch.setattr('siamese_verify.serve._listen', lambda *args: 0)
    with pytest.raises(PermissionError, match='cannot be written: give another place'): serve(model, file)
    Gallery(v).add(dict(A=a)).save(file)
    assert serve(model, file, port=0, threshold=.05) == 0
    assert 'may only be read: nobody can be enrolled or removed here' in capsys.readouterr().err

def test_locked_by_another(client, file, monkeypatch):
    "Who has to wait too long is told, and nothing was changed"
    client.post('/enroll', files=dict(image=a), data=dict(name='A'))
    monkeypatch.setattr('siamese_verify.gallery.locked', partial(locked, seconds=.1))
    with locked(file):
        refused(client.post('/enroll', files=dict(image=b), data=dict(name='B')), 503, 'locked by another process')
        refused(client.delete('/enroll/A'), 503, 'locked by another process')
        assert client.post('/identify', files=dict(image=a)).json()['name'] == 'A'
    assert client.get('/health').json()['gallery'] == dict(images=1, names=1)

# Many at a time

def together(app, *requests):
    "The answers to requests that come at the same time"
    async def all_of_them():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url='http://localhost') as client:
            return await asyncio.gather(*(client.post(url, files=files) for url, files in requests))
    return asyncio.run(all_of_them())

def test_batches(v):
    "16 at a time get what the verifier says, and are embedded in fewer batches"
    sizes, encode = [], v.encode
    def counted(x):
        sizes.append(len(x))
        return encode(x)
    expected = [v.verify(a, picture(k)) for k in range(16)]
    v.encode = counted
    res = together(create_app(v, wait=.2), *[('/verify', dict(left=a, right=picture(k))) for k in range(16)])
    for o, e in zip(res, expected):
        assert o.json()['answer'] == e.answer and o.json()['distance'] == pytest.approx(e.distance, abs=1e-6)
    assert sum(sizes) == 32 and len(sizes) < 8

def test_failing_batch(v):
    "Whoever waited for a batch that failed is told, and the next one is answered"
    encode = v.encode
    def failing(x): raise RuntimeError('out of memory')
    v.encode = lambda x: v.now(x)
    v.now = failing
    client = TestClient(create_app(v), raise_server_exceptions=False)
    assert client.post('/verify', files=dict(left=a, right=b)).status_code == 500
    v.now = encode
    assert client.post('/verify', files=dict(left=a, right=b)).status_code == 200

def test_too_many(v):
    "Who comes when the room is full is told to come again"
    encode, go = v.encode, threading.Event()
    def waiting(x):
        go.wait(10)
        return encode(x)
    v.encode = waiting
    threading.Timer(.5, go.set).start()
    res = together(create_app(v, most_waiting=4), *[('/verify', dict(left=a, right=b))]*10)
    assert sorted(o.status_code for o in res) == [200]*4+[429]*6
    full = next(o for o in res if o.status_code == 429)
    refused(full, 429, '4 requests are waiting')
    assert full.headers['retry-after'] == '1'

def test_too_slow(v):
    encode, go = v.encode, threading.Event()
    v.encode = lambda x: encode(x) if go.wait(5) else None
    app = create_app(v, seconds=1)
    refused(together(app, ('/verify', dict(left=a, right=b)))[0], 504, 'longer than 1 seconds')
    go.set()
    assert together(app, ('/verify', dict(left=a, right=b)))[0].status_code == 200

# A process

class Server:
    "`siamese_verify serve` on a free port"
    def __init__(self, *args, **env):
        cmd = [sys.executable, '-c', 'from siamese_verify.cli import main; main()', 'serve', '--port', '0', *map(str, args)]
        self.p = subprocess.Popen(cmd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, 'OMP_NUM_THREADS': '1', **env})
        line = self.p.stdout.readline()
        assert line.startswith('http://'), self.p.stderr.read()
        self.url = line.split('/docs')[0]
        self.port = int(self.url.rsplit(':', 1)[1])

    def __enter__(self): return self
    def __exit__(self, *args):
        self.p.kill()
        self.p.communicate()

    def post(self, url, data=None, headers=None, **files):
        return httpx.post(self.url+url, files=files, data=data, headers=headers, timeout=20)

@pytest.fixture(scope='module')
def model(tmp_path_factory):
    folder = verifier().save(tmp_path_factory.mktemp('model')/'v')
    add_onnx(folder)
    return folder

def half_sent(server, cut, **files):
    "A connection over which part of an upload went, and what is to come"
    request = httpx.Request('POST', server.url+'/verify', files=files)
    body = request.read()
    conn = http.client.HTTPConnection('127.0.0.1', server.port, timeout=20)
    conn.putrequest('POST', '/verify')
    for k, o in request.headers.items():
        if k != 'host': conn.putheader(k, o)
    conn.endheaders(body[:cut])
    return conn, body[cut:]

def test_process(model):
    "16 clients at a time get the answers of the verifier"
    v = load_verifier(model)
    with Server(model) as server, ThreadPoolExecutor(16) as pool:
        res = list(pool.map(lambda k: server.post('/verify', left=a, right=picture(k)).json(), range(64)))
        for k, o in enumerate(res):
            e = v.verify(a, picture(k))
            assert o['answer'] == e.answer and o['distance'] == pytest.approx(e.distance, abs=1e-6)
        large = server.post('/verify', left=a, right=bytes(2**25))    # an answer, not a broken connection
        refused(large, 413, 'at most 16,777,216 bytes')

def test_sigterm(model):
    "A signal in the middle of an upload: it's finished and answered, and then the process ends"
    with Server(model) as server:
        conn, rest = half_sent(server, 500, left=a, right=b)
        time.sleep(.3)
        server.p.send_signal(signal.SIGTERM)
        time.sleep(.5)
        assert server.p.poll() is None
        with pytest.raises(httpx.ConnectError): server.post('/verify', left=a, right=b)
        conn.send(rest)
        res = conn.getresponse()
        assert res.status == 200 and json.loads(res.read())['answer'] == load_verifier(model).verify(a, b).answer
        assert server.p.wait(10) in (0, -signal.SIGTERM)

def test_slow_upload(model):
    with Server(model, '--seconds', '.5') as server:
        conn, _ = half_sent(server, 500, left=a, right=b)
        res = conn.getresponse()
        assert res.status == 408 and b'longer than 0.5 seconds' in res.read()

def test_kill(model, tmp_path):
    "Whoever was told that an image is enrolled finds it after kill -9"
    file, told = tmp_path/'g.safetensors', []
    with Server(model, '--gallery', file) as server:
        def enroll(k):
            try: res = server.post('/enroll', dict(name=f'{k}'), image=picture(k))
            except httpx.HTTPError: return
            if res.status_code == 200: told.append(f'{k}')
            if len(told) == 12: server.p.kill()
        with ThreadPoolExecutor(4) as pool: list(pool.map(enroll, range(40)))
    assert len(told) >= 12
    names = Gallery.load(file, load_verifier(model)).names
    assert set(told) <= set(names) and len(names) == len(set(names))
    dead = subprocess.run([sys.executable, '-c', 'import os; print(os.getpid())'], capture_output=True, text=True).stdout.strip()
    left = [tmp_path/f'.{o}@{platform.node()}.{file.name}' for o in (dead, os.getpid())]
    for o in left: o.write_bytes(b'half of it')    # what kill -9 in the middle of writing leaves, and what somebody is writing
    with Server(model, '--gallery', file, '--threshold', '.01') as server:
        assert server.post('/identify', image=picture(int(told[-1]))).json()['name'] == told[-1]
        for k, name in enumerate(('../x', '%2e%2e', 'a b')):
            assert server.post('/enroll', dict(name=name), image=picture(50+k)).status_code == 200
            assert httpx.delete(f'{server.url}/enroll/{quote(name, safe="")}').json()['images'] == 0
    assert {*tmp_path.iterdir()} == {file, lock(file), left[1]}

def test_two_servers_and_a_command(model, tmp_path):
    "With one gallery: no enrolment is lost, whoever has made it"
    file = tmp_path/'g.safetensors'
    for k in range(20, 23): (tmp_path/f'{k}.png').write_bytes(picture(k))
    with Server(model, '--gallery', file) as one, Server(model, '--gallery', file) as two, ThreadPoolExecutor(6) as pool:
        def enroll(k):
            res = (one, two)[k%2].post('/enroll', dict(name=f'{k}'), image=picture(k))
            assert res.status_code == 200, res.text
        def command(k):
            (tmp_path/f'{k}.csv').write_text(f'file,name\n{k}.png,{k}\n')
            res = run('from siamese_verify.cli import main; main()', 'enroll', model, file, tmp_path/f'{k}.csv')
            assert res.returncode == 0, res.stderr
        list(pool.map(lambda k: (enroll if k < 20 else command)(k), [20, 0, 1, 21, *range(2, 20), 22]))
    assert sorted(map(int, Gallery.load(file, load_verifier(model)).names)) == [*range(23)]

def test_open_to_others(model):
    "A warning, unless there is a token"
    with Server(model, '--host', '0.0.0.0') as server:
        server.p.terminate()
        assert 'set SIAMESE_VERIFY_TOKEN' in server.p.communicate()[1]
    with Server(model, '--host', '0.0.0.0', SIAMESE_VERIFY_TOKEN='secret') as server:
        url = server.url.replace('0.0.0.0', '127.0.0.1')+'/health'
        assert httpx.get(url).status_code == 401
        assert httpx.get(url, headers=dict(Authorization='Bearer secret')).status_code == 200
        server.p.terminate()
        assert server.p.communicate()[1] == ''

def run(*args): return subprocess.run([sys.executable, '-c', *map(str, args)], capture_output=True, text=True)

def test_mistakes(model, tmp_path):
    "They end in one line"
    main = 'from siamese_verify.cli import main; main()'
    (tmp_path/'bad').write_text('no gallery')
    with Server(model) as server:
        for args, text in (('--port', server.port), 'in use'), (('--seconds', 0), '--seconds is above 0'), \
                          (('--gallery', tmp_path/'bad'), 'cannot be read as a gallery'):
            res = run(main, 'serve', model, *args)
            assert res.returncode == 2 and text in res.stderr and res.stderr.count('\n') == 1, res.stderr

def test_without_fastapi():
    "All else works where FastAPI is not installed, and the app says what to install"
    res = run('import sys; sys.modules["fastapi"] = None\nfrom siamese_verify.all import *\ncreate_app(None)')
    assert res.stderr.splitlines()[-1].startswith("ImportError: a server takes FastAPI") and "pip install -e '.[serve]'" in res.stderr

def test_light():
    "The command starts without FastAPI and PyTorch, and serves a graph without PyTorch"
    res = run('import sys, siamese_verify.cli; print({"fastapi", "uvicorn", "torch"} & {*sys.modules})')
    assert res.stdout.strip() == 'set()'
    res = run('import sys, siamese_verify.serve as s; s._fastapi(); print("torch" in sys.modules)')
    assert res.stdout.strip() == 'False'
