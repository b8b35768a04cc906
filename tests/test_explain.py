"Maps of what patches do: the same each time, on either side, by either runtime, and where the difference is"
import subprocess, sys
from dataclasses import asdict

import numpy as np, pytest, torch
from PIL import Image
from sklearn.datasets import load_sample_images
from siamese_verify.explain import *
from siamese_verify.onnx import *
from siamese_verify.verifier import *

photos = load_sample_images().images
metrics = 'normalized_squared_euclidean_distance', 'cosine_distance', 'euclidean_distance', 'squared_euclidean_distance'

def verifier(preprocessing=Preprocessing('crop', 32, 32), metric=metrics[0], threshold=.01, **kwargs):
    "A verifier of random weights"
    torch.manual_seed(0)
    layers = [dict(kind='small', n_out=32, n_layers=3)]
    config = dict(format=1, library='siamese_verify', encoder=layers, preprocessing=asdict(preprocessing), metric=metric,
                  threshold=threshold, fitted=dict(on=None, objective=None, warning=None), calibration=None, unsure=None,
                  rates={}, not_measured=[], made={})
    return Verifier(build_encoder(layers), config | kwargs)

@pytest.fixture(scope='module')
def v(): return verifier()

@pytest.fixture(scope='module')
def pair(): return [np.ascontiguousarray(o[100:230, 200:310]) for o in photos]

@pytest.mark.parametrize('options', [{}, dict(fill='blur'), dict(size=1.7), dict(grid=5, bs=7)], ids=str)
@pytest.mark.parametrize('metric', metrics)
def test_symmetric_and_deterministic(pair, metric, options):
    v = verifier(metric=metric)
    a, b = pair
    e, again, turned = v.explain(a, b, **options), v.explain(a, b, **options), v.explain(b, a, **options)
    for x, y in (e.left, again.left), (e.right, again.right), (e.left, turned.right), (e.right, turned.left):
        np.testing.assert_array_equal(x, y)
    assert np.abs(e.values).max() > 0 and turned.distance == pytest.approx(e.distance, rel=1e-5)
    assert e._repr_html_() == again._repr_html_()

@pytest.mark.parametrize('p', [Preprocessing('squish', 32, 48), Preprocessing('pad', 40, 32), Preprocessing('none', 130, 110)],
                         ids=lambda o: o.method)
@pytest.mark.parametrize('options', [{}, dict(fill='blur', size=1.5, grid=4)], ids=str)
def test_each_value_is_a_distance(pair, p, options):
    "By a plain loop, which asks for one distance at a time"
    v = verifier(p)
    e = v.explain(*pair, **options)
    for k, value in enumerate(e.values):
        assert v.distance(*e.hide([k])) - e.distance == pytest.approx(value, abs=1e-5)
    assert all((x == y).all() for x, y in zip(e.hide([]), e.answer.pictures))

@pytest.mark.parametrize('where', [0, 17, 24, 48])
@pytest.mark.parametrize('fill', ['mean', 'blur'])
def test_planted_patch(v, pair, where, fill):
    "One patch is all that differs"
    a = v.preprocess(pair[0])
    b = a.copy()
    b[patch_boxes(32, 32)[where]] = 255, 0, 255
    e = v.explain(a, b, fill=fill)
    assert e.right.argmin() == where and e.left.shape == (7, 7)
    assert e.right.min() < 0 and e.right.min() < e.left.min()

def test_same_image(v, pair):
    e = v.explain(pair[0], pair[0])
    np.testing.assert_array_equal(e.left, e.right)
    assert e.distance == pytest.approx(0, abs=1e-9) and (e.values >= 0).all() and 'nothing speaks against' in str(e)

def test_nothing_else_changes(v, pair):
    "Modes of modules, random states, images, weights"
    before = {k: o.clone() for k, o in v.encoder.state_dict().items()}
    copies, states = [o.copy() for o in pair], (torch.get_rng_state(), np.random.get_state()[1].copy())
    modes = [o.training for o in v.encoder.modules()]
    deletion_test(v, [pair], k=3)
    v.explain(*pair).show()
    assert [o.training for o in v.encoder.modules()] == modes == [False]*len(modes)
    assert all((before[k] == o).all() for k, o in v.encoder.state_dict().items())
    assert all((x == y).all() for x, y in zip(pair, copies))
    assert (torch.get_rng_state() == states[0]).all() and (np.random.get_state()[1] == states[1]).all()

def test_batches(v, pair):
    "What the encoder takes at a time changes no more than the last digits"
    e, other = v.explain(*pair), v.explain(*pair, bs=1)
    np.testing.assert_allclose(e.values, other.values, atol=1e-6)

@pytest.fixture(scope='module')
def graph(v, tmp_path_factory): return v.export_onnx(tmp_path_factory.mktemp('onnx')/'model.onnx')

@pytest.mark.parametrize('options', [{}, dict(fill='blur', size=1.5)], ids=str)
def test_onnx(v, graph, pair, options):
    e, other = v.explain(*pair, **options), OnnxVerifier.load(graph).explain(*pair, **options)
    np.testing.assert_allclose(other.values, e.values, atol=1e-5*max(1, np.abs(e.values).max()))
    assert np.abs(e.values).max() > 1e-4

@pytest.mark.parametrize('options,message', [
    (dict(grid=1), 'grid is a whole number from 2 to 32, not 1'), (dict(grid=33), 'not 33'), (dict(grid=7.), 'grid is a whole number'),
    (dict(grid=True), 'not True'), (dict(grid='7'), "not '7'"), (dict(size=0), 'size is a number'), (dict(size=float('nan')), 'not nan'),
    (dict(size=8), 'size is a number from 0.219 to 7, not 8'), (dict(fill='black'), "fill is mean or blur, not 'black'"),
    (dict(bs=0), 'bs is a whole number'), (dict(bs=None), 'bs is a whole number')])
def test_bad_options(v, pair, options, message):
    with pytest.raises(ValueError, match=message): v.explain(*pair, **options)

def test_bad_input(v, pair):
    with pytest.raises(FileNotFoundError, match='there is no file no.png'): v.explain('no.png', pair[0])
    with pytest.raises(ValueError, match='not empty'): deletion_test(v, [])
    with pytest.raises(ValueError, match='not empty'): deletion_test(v, [pair[:1]])
    with pytest.raises(ValueError, match='k is a whole number from 1 to 98, not 0'): deletion_test(v, [pair], k=0)
    with pytest.raises(ValueError, match='rival is'): deletion_test(v, [pair], rival='x')

@pytest.mark.parametrize('threshold', [-1., 0., 1e-9, 100.])
def test_any_threshold_can_be_drawn(pair, threshold, tmp_path):
    e = verifier(threshold=threshold).explain(*pair, grid=2)
    e.show().savefig(tmp_path/'why.png')
    assert 'alt="Two images under maps' in e._repr_html_()

def test_names_are_text(v, pair, tmp_path):
    name = tmp_path/'$x$ "><script>.png'
    Image.fromarray(pair[0]).save(name)
    html = v.explain(name, pair[1])._repr_html_()
    assert '<script>' not in html

def test_command_without_torch(graph, pair, tmp_path):
    for k, o in enumerate(pair): Image.fromarray(o).save(tmp_path/f'{k}.png')
    code = ('import sys; from siamese_verify.cli import main; sys.argv = ["siamese_verify", "explain", *sys.argv[1:]]\n'
            'try: main()\nfinally: print(*{"torch", "fastai", "torchvision"} & {*sys.modules}, file=sys.stderr)')
    def run(*args): return subprocess.run([sys.executable, '-c', code, graph, '0.png', '1.png', *args], capture_output=True, text=True, cwd=tmp_path)
    res = run('--out', 'x.png', '--fill', 'blur')
    assert res.returncode == 0 and 'most for same' in res.stdout and not res.stderr.strip(), res.stderr
    assert Image.open(tmp_path/'x.png').width > 500
    for args in ('--out', '0.png'), ('--out', 'x.exe'), ('--grid', '1'), ('--fill', 'black'):
        res = run(*args)
        assert res.returncode == 2 and res.stderr.startswith('siamese_verify explain: '), res.stderr
    assert not (tmp_path/'why.png').exists()
