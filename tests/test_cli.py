"Folders that cannot be trained on end in an error that names the trouble"
import re

import numpy as np, pandas as pd, pytest
from PIL import Image

from siamese_verify.cli import predict, train

def images(path, *names):
    "Write small noise images below `path`"
    rng = np.random.default_rng(0)
    for name in names:
        (path/name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (40,40,3), dtype=np.uint8)).save(path/name)

def good(path): images(path, *(f'{c}/{k}.jpg' for c in 'abcde' for k in range(6)))
def missing(path): path.rmdir()
def empty(path): pass
def one_class(path): images(path, *(f'a/{k}.jpg' for k in range(6)))
def one_each(path): images(path, *(f'{c}/0.jpg' for c in 'abcdef'))
def in_no_class(path): good(path); images(path, 'stray.jpg')
def text(path): good(path); (path/'a/note.jpg').write_text('not an image')
def truncated(path):
    good(path)
    (path/'b/3.jpg').write_bytes((path/'b/3.jpg').read_bytes()[:700])

@pytest.mark.parametrize('make,message', [
    (missing, 'there is no folder'), (empty, 'there are no image files in'), (one_class, 'needs 2 classes for training besides 2 for validation and 0 for the threshold, and there are 1 (a)'),
    (one_each, 'each class in train has one image'), (in_no_class, 'stray.jpg is in no class folder'),
    (text, '1 of 31 files cannot be read as images: .*a/note.jpg'), (truncated, '1 of 30 files cannot be read as images: .*b/3.jpg')])
def test_bad_folder(make, message, tmp_path):
    (tmp_path/'images').mkdir()
    make(tmp_path/'images')
    with pytest.raises((ValueError, FileNotFoundError), match=message if '.*' in message else re.escape(message)):
        train(tmp_path/'images', 'small', out=tmp_path/'model', size=32, bs=8)
    assert not (tmp_path/'model').exists()

def test_train_then_predict(tmp_path, capsys):
    truncated(tmp_path/'images')
    kw = dict(arch='small', out=tmp_path/'model', size=32, epochs=1, bs=8)
    with pytest.raises(ValueError, match='--fmr is for a threshold or a distance, not for a head'): train(tmp_path/'images', kind='head', fmr=.1, **kw)
    with pytest.raises(ValueError, match='--epochs 0 keeps a pretrained encoder'): train(tmp_path/'images', **kw | dict(epochs=0))
    with pytest.warns(UserWarning, match='b/3.jpg'): train(tmp_path/'images', skip=True, fmr=.1, **kw)
    assert {'model.pkl','pairs.png','results.csv'} <= {f.name for f in (tmp_path/'model').iterdir()}
    table = pd.read_csv(tmp_path/'model/results.csv', index_col=0)
    out = capsys.readouterr().out
    assert f'{table.threshold.iloc[0]:.4g}' in out and 'FMR ≤ 0.1' in out
    assert (table['FMR low']<=table.FMR).all() and (table.FMR<=table['FMR high']).all()
    with pytest.raises(FileExistsError, match='there is model.pkl in'): train(tmp_path/'images', **kw)
    predict(tmp_path/'model', tmp_path/'images/a/0.jpg', tmp_path/'images/a/1.jpg')
    assert re.search(r'(Not Same|Same) \(.*\d+ % same, if 50 % of the pairs are\)\n$', capsys.readouterr().out)
    with pytest.raises(ValueError, match='b/3.jpg cannot be read'): predict(tmp_path/'model', tmp_path/'images/b/3.jpg', tmp_path/'images/a/1.jpg')
