"""How many pairs a second a server answers, and how long each takes, beside what the encoder alone can do.

    python benchmarks/serve.py
    python benchmarks/serve.py --arch small --size 32 --seconds 40

Starts `siamese_verify serve` with an encoder of random weights, its graph beside it unless `--weights`, and asks it about pairs
of JPEG images, over as many connections as there are clients. Server and encoder take turns, in quarters of the time, so that a drift of the
machine hits both. Prints a table.
"""
import http.client, io, os, platform, subprocess, sys, tempfile, time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import httpx, numpy as np, torch
from fastcore.script import call_parse
from PIL import Image
from siamese_verify.onnx import add_onnx, load_verifier
from siamese_verify.verifier import Preprocessing, Verifier, build_encoder

def layers(arch):
    "An encoder by its name"
    if arch=='small': return [dict(kind='small', n_out=256, n_layers=4)]
    return [dict(kind='torchvision', name=arch, children=8, pool='avg')]

def make_model(folder, arch, size, graph):
    "A verifier of random weights in a folder"
    torch.manual_seed(0)
    config = dict(format=1, library='siamese_verify', encoder=layers(arch), preprocessing=asdict(Preprocessing('crop', size, size)),
                  metric='normalized_squared_euclidean_distance', threshold=.1, fitted=dict(on=None, objective=None, warning=None),
                  calibration=None, unsure=None, rates={}, not_measured=['anything'], made=dict(command='random weights'))
    Verifier(build_encoder(config['encoder']), config).save(folder)
    if graph: add_onnx(folder)

def pictures(n, side):
    "JPEG files of smooth noise"
    rng = np.random.default_rng(0)
    for _ in range(n):
        file = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (12,16,3), np.uint8)).resize((4*side//3, side), Image.Resampling.BICUBIC).save(file, 'JPEG')
        yield file.getvalue()

def uploads(files, n=256):
    "Headers and bodies of requests about pairs, made beforehand so that clients cost little"
    rng = np.random.default_rng(1)
    for a,b in rng.integers(len(files), size=(n,2)):
        o = httpx.Request('POST', 'http://server/verify', files=dict(left=files[a], right=files[b]))
        yield dict(o.headers),o.read()

def ask(address, requests, clients, seconds):
    "How long each of many requests took, and all of them"
    start,times = time.perf_counter(),[]
    def client(k):
        conn = http.client.HTTPConnection(address, timeout=60)
        while (before := time.perf_counter())<start+seconds:
            headers,body = requests[k%len(requests)]
            conn.request('POST', '/verify', body, headers)
            res = conn.getresponse()
            if res.status!=200: raise RuntimeError(res.read())
            res.read()
            times.append(time.perf_counter()-before)
            k += clients
    with ThreadPoolExecutor(clients) as pool: list(pool.map(client, range(clients)))
    return times,time.perf_counter()-start

def encode(v, x, seconds):
    "How long each batch took, and all of them"
    start,times = time.perf_counter(),[]
    while (before := time.perf_counter())<start+seconds:
        v.encode(x)
        times.append(time.perf_counter()-before)
    return times,time.perf_counter()-start

def row(way, turns, pairs):
    "A line of the table"
    times,taken = np.concatenate([o for o,_ in turns]),sum(o for _,o in turns)
    p50,p95 = (1000*np.quantile(times, q) for q in (.5,.95))
    return f'{way:34} {pairs*len(times)/taken:9.1f} {p50:9.1f} {p95:9.1f}'

@call_parse
def main(
    arch:str='resnet18', # `small`, or a network of torchvision that is cut after eight layers
    size:int=128, # Pixels that the encoder takes
    side:int=480, # Pixels of the images that are sent
    clients:int=16, # How many ask at a time
    seconds:float=20, # In all
    bs:int=32, # Images in a batch of the encoder alone
    weights:bool=False, # Answer from the weights, not from a graph?
):
    "Measure a server beside its encoder"
    files,turns = list(pictures(64, side)),4
    requests = list(uploads(files))
    with tempfile.TemporaryDirectory() as tmp:
        make_model(Path(tmp)/'model', arch, size, not weights)
        v = load_verifier(Path(tmp)/'model')
        x = np.stack([v.preprocess(o) for o in files[:bs]])
        start = time.perf_counter()
        for o in files: v.preprocess(o)
        reading = (time.perf_counter()-start)/len(files)
        cmd = [sys.executable, '-m', 'siamese_verify', 'serve', Path(tmp)/'model', '--port', '0']
        server = subprocess.Popen(cmd, stdout=subprocess.PIPE, text=True)
        try:
            address = server.stdout.readline().split('/docs')[0].removeprefix('http://')
            ask(address, requests, clients, .5)
            encode(v, x, .5)
            got = {o:[] for o in ('batch','pair','one','many')}
            for _ in range(turns):
                got['many'].append(ask(address, requests, clients, .5*seconds/turns))
                got['one'].append(ask(address, requests, 1, .1*seconds/turns))
                got['batch'].append(encode(v, x, .3*seconds/turns))
                got['pair'].append(encode(v, x[:2], .1*seconds/turns))
        finally: server.terminate()
    print(f'{arch} at {size} pixels, {type(v).__name__}, JPEG of {side} × {4*side//3}, {reading*1000:.1f} ms to read one; '
          f'{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}')
    print(f'{"":34} {"pairs/s":>9} {"p50 ms":>9} {"p95 ms":>9}')
    print(row(f'encoder alone, batches of {bs}', got['batch'], bs/2))
    print(row('encoder alone, a pair at a time', got['pair'], 1))
    print(row('server, 1 client', got['one'], 1))
    print(row(f'server, {clients} clients', got['many'], 1))
