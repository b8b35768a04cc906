"Options that cannot work end the command with one line and exit code 2, before anything is read or written"
import sys

import numpy as np, pytest
from PIL import Image

from cases import each
from siamese_verify.cli import main

@pytest.fixture(scope='module')
def d(tmp_path_factory):
    path = tmp_path_factory.mktemp('d')
    for c in 'abcdef':
        (path/c).mkdir()
        for k in range(3): Image.fromarray(np.random.default_rng(k).integers(0, 256, (8,8,3), dtype=np.uint8)).save(path/c/f'{k}.png')
    return path

options = {f'{k}_{v}':([f'--{k}={v}'], m) for k,vs,m in [
    ('lr', ('0','-1','nan','inf','-1e-3'), '--lr is a number'), ('epochs', ('-1',), '--epochs is a whole number of 0 or more'), ('bs', ('0','-1','1','3'), '--bs is a whole number of 4 or more'), ('size', ('0','-8'), '--size is a whole number'),
    ('seed', ('-1',), '--seed is a whole number of 0 or more'), ('fmr', ('0','-1','1','2','nan','inf'), '--fmr is a number'), ('folds', ('-1','1','2'), '--folds'), ('kind', ('heads','','Threshold'), '--kind is head, threshold or distance'), ('valid', ('class','x'), '--valid is "classes" or "images"'),
    ('pattern', ('(', '[', '*'), 'is no regular expression'), ('pattern', (r'\d', 'x'), 'has no group'), ('pattern', ('(zzz)',), 'does not match')] for v in vs} | {
    f'{k}_{v}':([f'--{k}={v}'], m) for k,vs,m in [('lr', ('x',''), 'invalid float value'), ('epochs', ('1.5','x','1e3'), 'invalid int value'), ('size', ('8.5',), 'invalid int value'), ('foo', ('1',), 'unrecognized arguments')] for v in vs} | dict(
    epochs_0=(['--epochs','0'], '--epochs 0 keeps a pretrained encoder as it is'), fmr_head=(['--fmr','.1','--kind','head'], '--fmr is for a threshold or a distance, not for a head'))
@each('o', options)
def test_options_of_train(o, d, tmp_path, monkeypatch, capsys):
    args = ['siamese_verify','train',str(d),'--arch','small','--out',str(tmp_path/'m'),'--size','8',*o[0]]
    monkeypatch.setattr(sys, 'argv', args)
    with pytest.raises(SystemExit) as e: main()
    err = capsys.readouterr().err.strip()
    assert e.value.code==2 and o[1] in err, err
    assert not (tmp_path/'m').exists() and 'Traceback' not in err
    if 'usage' not in err: assert len(err.splitlines())==1

calls = dict(nothing_there=(['train','nowhere'], 'there is no folder nowhere'), no_command=(['trian'], "there is no command 'trian', try siamese_verify --help"), a_file=(['train',__file__], 'there is no folder'), no_model=(['predict','nowhere','a.png','b.png'], 'there is no model nowhere'), prior=(['predict','nowhere','a','b','--prior','2'], '--prior is a number from 0 to 1'), too_few=(['predict','a'], 'required'), no_path=(['train'], 'required'))
@each('o', calls)
def test_calls(o, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'argv', ['siamese_verify', *o[0]])
    with pytest.raises(SystemExit) as e: main()
    err = capsys.readouterr().err
    assert e.value.code==2 and o[1] in err and 'Traceback' not in err, err
    assert not list(tmp_path.iterdir())
