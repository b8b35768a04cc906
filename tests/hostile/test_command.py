"Options that cannot work end the command with one line and exit code 2, before anything is read or written"
import os, re, shutil, signal, subprocess, sys, time, warnings

import numpy as np, pytest
from PIL import Image

from cases import each
from siamese_verify.cli import main

serving = dict(port_beyond=(['--port','99999'], '--port is a number from 0 to 65535, not 99999'), port_below=(['--port=-1'], '--port is a number'), everywhere=(['--host',''], '--host is an address'), bytes_0=(['--most-bytes','0'], '--most_bytes is above 0'),
    seconds_NaN=(['--seconds','nan'], '--seconds is above 0'), seconds_inf=(['--seconds','inf'], '--seconds is above 0'))
@each('o', serving)
def test_options_of_serve(o, monkeypatch, capsys):
    "Refused before a model is read"
    pytest.importorskip('fastapi')
    monkeypatch.setattr(sys, 'argv', ['siamese_verify','serve','nowhere',*o[0]])
    with pytest.raises(SystemExit) as e: main()
    err = capsys.readouterr().err.strip().splitlines()
    assert e.value.code==2 and len(err)==1 and o[1] in err[0], err

galleries = dict(folder=(lambda p: p, 'is a folder: give the name of a file'), pipe=(lambda p: os.mkfifo(p/'x') or p/'x', 'x is a named pipe'), below_a_file=(lambda p: (p/'x').touch() or p/'x/y', 'x/y cannot be written: give another place'), device=(lambda p: '/dev/null', 'null is a device'))
@each('o', galleries)
@pytest.mark.parametrize('command', ['serve','enroll'])
def test_galleries_that_cannot_be_written(command, o, tmp_path, monkeypatch, capsys):
    "Known before a model is loaded, or images are embedded"
    if command=='serve': pytest.importorskip('fastapi')
    file = str(o[0](tmp_path))
    args = dict(serve=['nowhere','--gallery',file], enroll=['nowhere',file,'people'])[command]
    monkeypatch.setattr(sys, 'argv', ['siamese_verify',command,*args])
    with pytest.raises(SystemExit) as e: main()
    err = capsys.readouterr().err.strip().splitlines()
    assert e.value.code==2 and len(err)==1 and o[1] in err[0], err

@pytest.fixture(scope='module')
def d(tmp_path_factory):
    path = tmp_path_factory.mktemp('d')
    for c in 'abcdef':
        (path/c).mkdir()
        for k in range(3): Image.fromarray(np.random.default_rng(9*ord(c)+k).integers(0, 256, (8,8,3), dtype=np.uint8)).save(path/c/f'{k}.png')
    return path

options = {f'{k}_{v}':([f'--{k}={v}'], m) for k,vs,m in [
    ('lr', ('0','-1','nan','inf','-1e-3'), '--lr is a number'), ('epochs', ('-1',), '--epochs is a whole number of 0 or more'), ('bs', ('0','-1','1','3'), '--bs is a whole number of 4 or more'), ('size', ('0','-8','100000'), '--size is a whole number'),
    ('chunk', ('0','-1'), '--chunk is a whole number of 1 or more'), ('minutes', ('0','-1','nan','inf'), '--minutes is a number'),
    ('seed', ('-1',), '--seed is a whole number of 0 or more'), ('fmr', ('0','-1','1','2','nan','inf'), '--fmr is a number'), ('folds', ('-1','1','2'), '--folds'), ('kind', ('heads','','Threshold'), '--kind is head, threshold or distance'), ('valid', ('class','x'), '--valid is "classes" or "images"'),
    ('pattern', ('(', '[', '*'), 'is no regular expression'), ('pattern', (r'\d', 'x'), 'has no group'), ('pattern', ('(zzz)',), 'does not match')] for v in vs} | {
    f'{k}_{v}':([f'--{k}={v}'], m) for k,vs,m in [('lr', ('x',''), 'invalid float value'), ('epochs', ('1.5','x','1e3'), 'invalid int value'), ('size', ('8.5',), 'invalid int value'), ('foo', ('1',), 'unrecognized arguments')] for v in vs} | dict(
    epochs_0=(['--epochs','0'], '--epochs 0 keeps a pretrained encoder as it is'), fmr_head=(['--fmr','.1','--kind','head'], '--fmr is for a threshold or a distance, not for a head'))
known_before = dict(
    arch=(['--arch','resnt18'], "there is no encoder 'resnt18' in torchvision or timm; is it resnet18"), arch_of_nothing_like=(['--arch','§§'], "there is no encoder '§§' in torchvision or timm: siamese_verify encoders lists some"),
    arch_empty=(['--arch',''], "there is no encoder ''"), arch_of_boxes=(['--arch','raft_large','--scratch'], 'raft_large has no pooling layer'), arch_of_films=(['--arch','swin3d_t','--scratch'], 'swin3d_t does not embed an image of 8 × 8'),
    too_small=(['--arch','inception_v3','--scratch'], 'inception_v3 does not embed an image of 8 × 8 pixels'), no_weights=(['--arch','resnet18'], 'the pretrained weights of resnet18 could not be downloaded'), no_tag=(['--arch','resnet18.foo'], 'Invalid pretrained tag'),
    loss=(['--loss','TripletLoss'], 'is it .*TripletMarginLoss'), loss_of_none=(['--loss','WeightRegularizerMixin'], 'there is no WeightRegularizerMixin|does not train'), loss_of_losses=(['--loss','MultipleLosses'], 'MultipleLosses needs losses'),
    base=(['--loss','BaseMetricLossFunction'], 'BaseMetricLossFunction does not train on images with classes'), loss_without_labels=(['--loss','VICRegLoss'], 'VICRegLoss does not train on images with classes'))
@each('o', known_before)
def test_what_is_known_before_an_image_is_opened(o, d, tmp_path, monkeypatch, capsys):
    if '--loss' in o[0]: pytest.importorskip('pytorch_metric_learning')
    def offline(*args, **kwargs): raise OSError('Name or service not known')
    monkeypatch.setattr('torch.hub.load_state_dict_from_url', offline)
    monkeypatch.setattr('torchvision.models._api.load_state_dict_from_url', offline)
    monkeypatch.setattr('siamese_verify.data.LabeledImages.check', lambda *args: pytest.fail('the images are read'))
    monkeypatch.setattr(sys, 'argv', ['siamese_verify','train',str(d),'--out',str(tmp_path/'m'),'--size','8','--epochs','1',*o[0]])
    with pytest.raises(SystemExit) as e: main()
    err = capsys.readouterr().err.strip().splitlines()
    assert e.value.code==2 and len(err)==1 and re.search(o[1], err[0]), err
    assert not (tmp_path/'m').exists()

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

def ends(args, cwd, **env):
    "How the command ends in a process of its own"
    res = subprocess.run([sys.executable, '-c', 'from siamese_verify.cli import main; main()', *map(str, args)], cwd=cwd, capture_output=True, env=os.environ | env)
    return res.returncode,res.stdout.decode(errors='replace'),res.stderr.decode(errors='replace')

quick = '--arch','small','--size','8','--bs','8','--epochs','1'
outs = dict(
    images=(lambda d, p: d, 'is among the images'), among_images=(lambda d, p: d/'model', 'is among the images'), in_a_class=(lambda d, p: d/'a', 'is among the images'), linked=(lambda d, p: (p/'link').symlink_to(d) or p/'link', 'is among the images'),
    a_file=(lambda d, p: d/'a/0.png', 'is among the images|cannot be written to'), below_a_file=(lambda d, p: __file__+'/x', 'cannot be written to'), somebodys_table=(lambda d, p: holds(p/'m', 'results.csv'), 'there is results.csv in'), somebodys_picture=(lambda d, p: holds(p/'m', 'pairs.png'), 'there is pairs.png in'),
    somebodys_text=(lambda d, p: holds(p/'m', 'README.md'), 'there is README.md in'), a_model=(lambda d, p: holds(p/'m', 'config.json'), 'there is config.json in'), begun=(lambda d, p: holds(p/'m', '.0.ckpt'), 'a training was interrupted in'))
def holds(path, name): path.mkdir(); (path/name).write_text('mine'); return path
@each('o', outs)
def test_places_to_write_to(o, d, tmp_path, monkeypatch, capsys):
    "Nobody's files are overwritten, and nothing is written among the images"
    out,before = o[0](d, tmp_path),sorted(d.rglob('*'))
    monkeypatch.setattr(sys, 'argv', ['siamese_verify','train',str(d),'--out',str(out),*quick])
    with pytest.raises(SystemExit) as e: main()
    err = capsys.readouterr().err
    assert e.value.code==2 and re.search(o[1], err) and 'give another' in err and len(err.splitlines())==1, err
    assert sorted(d.rglob('*'))==before and all(f.read_text()=='mine' for f in tmp_path.rglob('*.*') if 'link' not in f.parts)

def test_somebodys_file_is_kept_by_the_demo(tmp_path, monkeypatch, capsys):
    holds(tmp_path/'m', 'results.csv')
    monkeypatch.setattr(sys, 'argv', ['siamese_verify','demo','--out',str(tmp_path/'m')])
    with pytest.raises(SystemExit): main()
    assert 'there is results.csv in' in capsys.readouterr().err

def test_letters_that_a_terminal_lacks(d, tmp_path):
    "A name, or a sign of ours, that can't be printed is printed in another way"
    env = dict(PYTHONIOENCODING='ascii')
    shutil.copytree(d, tmp_path/'images')
    (tmp_path/'images/a').rename(tmp_path/'images/Grüße 🐶 ≥')
    code,out,err = ends(['train','images','--out','m',*quick], tmp_path, **env)
    assert code==0 and not err, err
    image = 'images/Grüße 🐶 ≥/0.png'
    code,out,err = ends(['verify','m',image,'images/b/0.png'], tmp_path, **env)
    assert code in (0,1,3) and not err and 'Same' in out, err

def test_mistakes_with_names_that_are_not_utf8(d, tmp_path, monkeypatch, capsys):
    "They're written as the disk has them, at the end of a training that would be lost"
    shutil.copytree(d, tmp_path/'images')
    for o in [*(tmp_path/'images').rglob('*.png')]: os.rename(o, os.fsencode(o.with_suffix(''))+b'\xe9.png')
    for o in 'abc': os.rename(tmp_path/'images'/o, os.fsencode(tmp_path/'images'/o)+b'\xe9')    # of folders, too
    monkeypatch.setattr(sys, 'argv', ['siamese_verify','train',str(tmp_path/'images'),'--out',str(tmp_path/'m'),*quick])
    with pytest.raises(SystemExit) as e: main()
    assert not e.value.code, capsys.readouterr().err
    assert b'\xe9.png' in (tmp_path/'m/mistakes.csv').read_bytes()

def test_interrupted_by_hand(d, tmp_path):
    "Ctrl-C says where the work of the epochs is"
    p = subprocess.Popen([sys.executable, '-c', 'from siamese_verify.cli import main; main()', 'train', str(d), '--out', str(tmp_path/'m'), *quick[:-1], '300'],
                         stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))    # a job in the background ignores it
    while not (tmp_path/'m'/'.0.ckpt').exists() and p.poll() is None: time.sleep(.01)
    p.send_signal(signal.SIGINT)
    err = p.communicate(timeout=60)[1]
    assert p.returncode==130 and 'interrupted; what the finished epochs have learnt is in' in err and len(err.splitlines())==1, err

def test_main_changes_nothing_global(d, monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['siamese_verify','encoders'])
    before = list(warnings.filters)
    with pytest.raises(SystemExit): main()
    assert warnings.filters==before

def test_import_says_nothing(tmp_path):
    res = subprocess.run([sys.executable, '-c', 'from siamese_verify.all import *'], cwd=tmp_path, capture_output=True, text=True)
    assert (res.returncode,res.stdout,res.stderr)==(0,'','')
