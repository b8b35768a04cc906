"Graphs of several encoders answer as the modules do, and without PyTorch"
import json, shutil, subprocess, sys
from dataclasses import asdict

import numpy as np, onnx, pytest, torch
from PIL import Image
from sklearn.datasets import load_sample_images
from siamese_verify.onnx import *
from siamese_verify.verifier import *

photos = load_sample_images().images

def verifier(layers, preprocessing, metric='normalized_squared_euclidean_distance'):
    "A verifier of random weights"
    torch.manual_seed(0)
    encoder = build_encoder(layers)
    for o in encoder.buffers():
        if o.dtype == torch.float32 and o.ndim == 2: torch.nn.init.orthogonal_(o)    # of an affine layer
    config = dict(format=1, library='siamese_verify', encoder=layers, preprocessing=asdict(preprocessing), metric=metric, threshold=.1,
                  fitted=dict(on=None, objective=None, warning=None), calibration=None, unsure=None, rates={}, not_measured=[], made={})
    return Verifier(encoder, config, (np.eye(4, dtype=np.float32), np.arange(4)))

def pieces(n):
    rng = np.random.default_rng(0)
    for _ in range(n):
        photo, (h, w) = photos[rng.integers(2)], rng.integers(40, 300, 2)
        y, x = rng.integers(photo.shape[0]-h), rng.integers(photo.shape[1]-w)
        yield np.ascontiguousarray(photo[y:y+h, x:x+w])

imagenet = dict(mean=[.485, .456, .406], std=[.229, .224, .225])
small = [dict(kind='small', n_out=32, n_layers=3)]
cases = {
    'small':        (small, Preprocessing('squish', 32, 32)),
    'padded':       (small, Preprocessing('pad', 32, 24, pad_mode='zeros')),
    'edges':        (small, Preprocessing('pad', 24, 32, pad_mode='border')),
    'whitened':     ([*small, dict(kind='affine', n_in=32, n_out=32)], Preprocessing('crop', 32, 32)),
    'lite0':        ([dict(kind='efficientnet_lite0', children=5, pool='avg')], Preprocessing('crop', 96, 96, 'bicubic', **imagenet)),
    'resnet18':     ([dict(kind='torchvision', name='resnet18', children=8, pool='concat')], Preprocessing('crop', 64, 64, **imagenet)),
    'xresnet18':    ([dict(kind='xresnet', name='xresnet18', children=8, pool='avg')], Preprocessing('squish', 64, 48, **imagenet)),
    'transformer':  ([dict(kind='timm', name='vit_tiny_patch16_224', needs_pool=False, pool='none', options=dict(img_size=64))],
                     Preprocessing('crop', 64, 64, 'bicubic', **imagenet)),
}

@pytest.mark.parametrize('case', cases)
def test_same_distances(case, tmp_path):
    v = verifier(*cases[case])
    w = OnnxVerifier.load(v.export_onnx(tmp_path/'model.onnx'))
    images = list(pieces(24))
    e = v.embed(images)
    i, j = np.triu_indices(len(images), 1)
    np.testing.assert_allclose(w.embed(images), e, atol=1e-4*np.abs(e).max())
    whole = np.concatenate([w.run(o[None]).reshape(1, -1) for o in images])    # resized by the graph
    d = v.distances(e[i], e[j])
    assert np.abs(w.distances(whole[i], whole[j])-d).max() < 3e-3
    assert np.ptp(d) > 0

@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = verifier(*cases['whitened']).save(tmp_path_factory.mktemp('model'))
    add_onnx(folder)
    return folder

@pytest.fixture(scope='module')
def files(tmp_path_factory):
    path = tmp_path_factory.mktemp('images')
    for k, o in enumerate(pieces(2)): Image.fromarray(o).save(path/f'{k}.png')
    return sorted(path.iterdir())

def test_folder(folder, files):
    w = load_verifier(folder)
    assert type(w) is OnnxVerifier and len(w.strangers[0]) == 4
    assert w.verify(*files).distance == pytest.approx(Verifier.load(folder).verify(*files).distance, abs=1e-5)
    assert w.embedder == Verifier.load(folder).embedder    # a gallery of the one is the other's

def test_command_without_torch(folder, files):
    code = ('import sys; from siamese_verify.cli import main; sys.argv = ["siamese_verify", "verify", *sys.argv[1:]]\n'
            'try: main()\nfinally: print(*{"torch", "fastai", "torchvision"} & {*sys.modules}, file=sys.stderr)')
    res = subprocess.run([sys.executable, '-c', code, folder, *files], capture_output=True, text=True)
    assert res.returncode in (0, 1) and 'ame (distance' in res.stdout and not res.stderr.strip(), res.stderr

def change(file, o): file.write_bytes(o)
hostile = {
    'SHA-256':           lambda f: change(f, f.read_bytes()[:-1]+b'x'),
    'there is no file':  lambda f: f.unlink(),
}

@pytest.mark.parametrize('message', hostile)
def test_changed_graph(message, folder, tmp_path):
    copy = tmp_path/'copy'
    shutil.copytree(folder, copy)
    hostile[message](copy/'model.onnx')
    with pytest.raises((ValueError, FileNotFoundError), match=message): OnnxVerifier.load(copy)

@pytest.mark.parametrize('data', [b'', b'cbuiltins\nexec\n', bytes(1000), b'\x80\x04K\x01.'])
def test_no_graph(data, tmp_path):
    (tmp_path/'model.onnx').write_bytes(data)
    with pytest.raises(ValueError, match='no graph|no configuration'): OnnxVerifier.load(tmp_path/'model.onnx')

def test_configuration_is_checked(folder, tmp_path):
    graph = onnx.load(folder/'model.onnx')
    config = json.loads(graph.metadata_props[0].value)
    for change in dict(threshold='x'), dict(format=2), dict(code='import os'):
        onnx.helper.set_model_props(graph, dict(siamese_verify=json.dumps(config | change)))
        onnx.save(graph, tmp_path/'model.onnx')
        with pytest.raises(ValueError, match='model.onnx'): OnnxVerifier.load(tmp_path/'model.onnx')
    onnx.helper.set_model_props(graph, dict(siamese_verify=json.dumps(config | dict(probe=[0.]*32))))
    onnx.save(graph, tmp_path/'model.onnx')
    with pytest.raises(ValueError, match='probe'): OnnxVerifier.load(tmp_path/'model.onnx')
