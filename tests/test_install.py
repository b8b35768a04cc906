"What is in the wheel and the sdist, that an installed package starts light, and that it answers without what training takes"
import re, shutil, subprocess, sys, venv
from configparser import ConfigParser
from importlib.metadata import PathDistribution
from pathlib import Path
from zipfile import Path as ZipPath, ZipFile

import pytest

root = Path(__file__).parents[1]

def run(*cmd, **kwargs):
    "The output of a command, which must succeed"
    res = subprocess.run(cmd, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **kwargs)
    assert res.returncode == 0, res.stdout
    return res.stdout

@pytest.fixture(scope='session')
def wheel(tmp_path_factory):
    "The wheel made from the sdist of a copy of the repository"
    tmp = tmp_path_factory.mktemp('dist')
    skip = shutil.ignore_patterns('.*', '_docs', '_proc', 'build', 'dist', '*.egg-info', 'nbs', 'models', 'siamese_verify_demo')
    shutil.copytree(root, tmp/'src', ignore=skip)
    run(sys.executable, '-m', 'build', '--no-isolation', '--outdir', tmp, tmp/'src')
    return next(tmp.glob('*.whl'))

@pytest.fixture(scope='session')
def env(wheel, tmp_path_factory):
    "The `bin` folder of a fresh environment with the wheel installed; what it needs comes from the environment that runs the tests"
    path = tmp_path_factory.mktemp('env')
    venv.create(path)
    python = path/'bin'/'python'
    run(sys.executable, '-m', 'pip', '--python', python, 'install', '--no-deps', '--no-index', wheel)
    packages = run(python, '-c', 'import site; print(site.getsitepackages()[0])').strip()
    Path(packages, 'parent.pth').write_text('\n'.join(o for o in sys.path if o.endswith('-packages')))
    return path/'bin'

def test_modules(wheel):
    packed = {o for o in ZipFile(wheel).namelist() if o.startswith('siamese_verify/')}
    assert packed == {str(o.relative_to(root)) for o in root.glob('siamese_verify/*.py')}

def test_metadata(wheel):
    name, version = wheel.name.split('-')[:2]
    dist = PathDistribution(ZipPath(wheel, f'{name}-{version}.dist-info/'))
    ini = ConfigParser(delimiters=['='])
    ini.read(root/'settings.ini')
    assert {o for o in dist.requires if 'extra ==' not in o} == set(ini['package']['requirements'].split())
    assert dist.metadata.get_all('Provides-Extra') == list(ini['extras'])
    assert dist.metadata['License-Expression'] == 'Apache-2.0'
    assert dist.metadata['Author'] == ini['package']['author']
    assert dist.metadata['Description'].startswith('# siamese_verify')
    assert {(o.group, o.value) for o in dist.entry_points} == {('console_scripts', 'siamese_verify.cli:main'),
                                                               ('nbdev', 'siamese_verify._modidx:d')}

def test_import_is_light(env, tmp_path):
    "`import siamese_verify` brings nothing heavy with it"
    code = 'import sys, siamese_verify; print(siamese_verify.__file__, *sys.modules)'
    file, *modules = run(env/'python', '-c', code, cwd=tmp_path).split()
    assert file.startswith(str(env.parent))
    assert not {'torch', 'fastai', 'pandas', 'numpy', 'matplotlib'} & set(modules)

def test_help(env, tmp_path): assert 'usage' in run(env/'siamese_verify', '--help', cwd=tmp_path)

@pytest.fixture(scope='module')
def light_env(wheel, tmp_path_factory):
    "The `bin` folder of a fresh environment with the wheel and what `ship_it` says that an answer takes, and no more"
    path = tmp_path_factory.mktemp('light')
    pip = sys.executable, '-m', 'pip'
    shown = re.search(r'pip install (fastcore [\w ]+)', (root/'nbs/tutorials/ship_it.ipynb').read_text())[1].split()
    index = subprocess.run([*pip, 'download', '-q', '--no-deps', '-d', path/'index', shown[0]], text=True, capture_output=True)
    if index.returncode: pytest.skip(f'no package index: {index.stderr.strip().splitlines()[-1]}')
    venv.create(path/'env')
    pip += '--python', path/'env'/'bin'/'python', 'install', '-q'
    run(*pip, '--no-deps', '--no-index', wheel)
    run(*pip, *shown)
    return path/'env'/'bin'

@pytest.fixture(scope='module')
def asked(tmp_path_factory):
    "A folder with what a model's card speaks of: `model`, with its graph, and two photographs, `a.jpg` and `b.jpg`"
    from siamese_verify.all import Preprocessing, Verifier, add_onnx, asdict, set_seed, small_encoder
    from sklearn.datasets import load_sample_images
    from PIL import Image
    path = tmp_path_factory.mktemp('asked')
    set_seed(42)
    encoder = small_encoder()
    config = dict(format=1, library='siamese_verify', encoder=[encoder.recipe], preprocessing=asdict(Preprocessing('crop', 48, 64)),
                  metric='normalized_squared_euclidean_distance', threshold=.005, fitted=dict(on=None, objective=None, warning=None),
                  calibration=None, unsure=None, rates={}, not_measured=['anything'], made={})
    Verifier(encoder, config).save(path/'model')
    add_onnx(path/'model')
    for name,photo in zip('ab', load_sample_images().images): Image.fromarray(photo).save(path/f'{name}.jpg')
    return path

@pytest.mark.drill
def test_light_answers(light_env, asked):
    "Without fastai, PyTorch and what they bring, the lines of a model's card and the command answer as they do here"
    from siamese_verify.all import Verifier
    here = Verifier.load(asked/'model').verify(asked/'a.jpg', asked/'b.jpg')
    lines = re.search('(?s)```python\n(.*?)```', (asked/'model'/'README.md').read_text())[1]
    assert len(lines.splitlines()) == 5
    said,told = run(light_env/'python', '-c', lines, cwd=asked).splitlines()
    same,distance = told.split()
    assert said == str(here) and same == str(here.same) and float(distance) == pytest.approx(here.distance, abs=1e-4)
    res = subprocess.run([light_env/'siamese_verify', 'verify', 'model', 'a.jpg', 'b.jpg'], cwd=asked, text=True, capture_output=True)
    assert (res.returncode, res.stdout.strip(), res.stderr) == (0 if here.same else 1, said, '')
    installed = {o.partition('==')[0].lower() for o in run(sys.executable, '-m', 'pip', '--python', light_env/'python', 'freeze').split()}
    assert 'onnxruntime' in installed and not {'torch', 'fastai', 'torchvision', 'pandas', 'scipy', 'matplotlib'} & installed

@pytest.mark.drill
def test_light_says_what_it_needs(light_env, asked, tmp_path):
    "Without PyTorch, a folder that has no graph is refused in a line that says what to type elsewhere"
    shutil.copytree(asked/'model', tmp_path/'model', ignore=shutil.ignore_patterns('*.onnx'))
    res = subprocess.run([light_env/'siamese_verify', 'verify', tmp_path/'model', asked/'a.jpg', asked/'b.jpg'], text=True, capture_output=True)
    assert res.returncode == 2 and res.stderr.count('\n') == 1 and 'no PyTorch here' in res.stderr and 'siamese_verify export' in res.stderr
