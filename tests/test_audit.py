"Audits of images, pairs and models that are not as they should be"
import numpy as np, pytest, torch
from fastai.vision.all import L, nn
from PIL import Image

from siamese_verify.audit import *
from siamese_verify.data import ClassSplitter, LabeledImages
from siamese_verify.model import small_encoder
from siamese_verify.pairs import Pairs
from siamese_verify.training import siamese_learner

def picture(seed, size=(48,36)):
    a = np.random.default_rng(seed).integers(0, 256, (4,4,3), dtype=np.uint8)
    return Image.fromarray(a).resize(size)

def save(im, f, **kwargs):
    f.parent.mkdir(parents=True, exist_ok=True)
    im.save(f, **kwargs)
    return f

@pytest.fixture
def files(tmp_path): return L(save(picture(k), tmp_path/f'{"ab"[k//4]}'/f'{k}.png') for k in range(8))

def kinds(audit): return {(o.what,o.where):o.idx for o in audit}
def no_splits(files, y=None): return LabeledImages(files, y, valid=dict(train=range(len(files))))

def test_nothing(files):
    audit = LabeledImages(files, [*'aabbccdd'], valid=[4,5,6,7]).audit()
    assert len(audit)==0 and len(audit.drop())==8
    assert 'nothing found' in repr(audit) and 'Nothing found' in audit._repr_markdown_()
    assert list(audit.to_df())==['what','where','about','score','files','todo']

def test_no_labels(files, tmp_path):
    twin = save(picture(0), tmp_path/'c.png')
    audit = LabeledImages([*files, twin], valid=[8]).audit()
    assert kinds(audit)=={('exact copies','across splits'): [0,8]}
    assert audit.drop().files==[*files[1:], twin] and audit.has_leak()

def test_in_no_split(files, tmp_path):
    "An image in no split can't leak"
    twin = save(picture(0), tmp_path/'c.png')
    audit = LabeledImages([*files, twin], [0,0,0,0,1,1,1,1,0], valid=dict(train=[0,1], valid=[4,5])).audit()
    assert kinds(audit)=={('exact copies','inside a class'): [0,8]} and not audit.has_leak()
    assert 8 not in [*audit.drop().splits['train']] and len(audit.drop())==8

def test_blank_pages(tmp_path):
    "Blank images are exact copies or nothing"
    files = [save(Image.new('RGB', (20,20), c), tmp_path/f'{k}.png') for k,c in enumerate(['white','white','black','red'])]
    audit = no_splits(files).audit()
    assert kinds(audit)=={('exact copies','inside a class'): [0,1]}

@pytest.mark.parametrize('mode', ['L','RGBA','1','P','I;16'])
def test_modes(tmp_path, mode):
    grey = picture(3).convert('L')
    if mode=='I;16': im = Image.fromarray(np.asarray(grey).astype(np.uint16)*256)
    else: im = grey.convert('RGB').convert(mode) if mode in ('RGBA','P') else grey.convert(mode)
    files = [save(grey.convert('RGB'), tmp_path/'0.png'), save(im, tmp_path/'1.png'), save(picture(4), tmp_path/'2.png')]
    audit = no_splits(files).audit(near=.9)
    assert audit.groups[0]==audit.groups[1]!=audit.groups[2]

def test_turned_by_exif(tmp_path):
    "The same picture, upright in one file and turned by a number in the other"
    im = picture(5, (40,30))
    exif = Image.Exif()
    exif[0x0112] = 6
    files = [save(im, tmp_path/'0.png'), save(im.transpose(Image.Transpose.ROTATE_90), tmp_path/'1.png', exif=exif)]
    assert [o.what for o in no_splits(files).audit()]==['exact copies']

def test_unreadable(files):
    files[3].write_text('no image')
    with pytest.raises(ValueError, match='3.png cannot be read'): no_splits(files).audit()

def test_store_of_others(files):
    images = no_splits(files)
    with pytest.raises(ValueError, match='holds other images'): images.audit(images.subset([0,1]).store(32))

def test_chain_of_blocks():
    "Groups don't depend on the size of the blocks, or on the order"
    x = np.random.default_rng(0).normal(size=(60,256))
    x[30:40] = x[:10]+.1*x[40:50]
    z = standardized(torch.from_numpy(x)*1e4)
    whole = alike_groups(z)
    assert len(members(whole))==10
    for block in (1,7,59,60): assert np.array_equal(alike_groups(z, block=block), whole)

def test_all_alike():
    "As many hits as there can be"
    z = standardized(torch.arange(256.).repeat(3000,1)*1000)
    assert set(alike_groups(z, block=512))=={0}

def test_near_and_exact_together(files, tmp_path):
    im = picture(0)
    more = [save(im, tmp_path/'x.png'), save(im, tmp_path/'y.jpg', quality=70)]
    audit = LabeledImages([*files, *more], [*'aaaabbbbab'], valid=[4,5,6,7,9]).audit()
    assert kinds(audit)=={('exact copies','inside a class'): [0,8], ('near copies','across splits and classes'): [0,8,9]}
    assert audit.has_leak()    # one near copy in a split of five
    assert len(audit.drop())==9
    with pytest.warns(UserWarning, match='1 images are kept with one of several labels'): assert len(audit.drop(near=True))==8

def test_few_near_copies_are_no_leak(files):
    audit = Audit(no_splits(files), [])
    assert not audit.has_leak()
    idx = list(range(250))
    big = LabeledImages([f'{k}.png' for k in range(500)], [k//250 for k in range(500)], dict(train=range(250,500), valid=idx))
    near = lambda n: [Finding('near copies', 'across splits', [k,250+k], '') for k in range(n)]
    assert not Audit(big, near(2)).has_leak() and Audit(big, near(3)).has_leak()

@pytest.mark.parametrize('labels,found', [(['Cat','cat'],True), (['a b','a  b'],True), (['caf\u00e9','cafe\u0301'],True),
    (['a','A'],False), ([1,2],False), (['cat','cats'],False)])
def test_spellings(files, labels, found):
    audit = LabeledImages(files[:4], [*labels, *labels], valid=dict(train=range(4))).audit()
    assert (('labels','spelled in two ways') in audit.kinds())==found

def test_dollars_and_pipes(tmp_path):
    "Names that mean something to matplotlib or Markdown"
    im = picture(1)
    files = [save(im, tmp_path/'a$b$'/'x_$1.png'), save(im, tmp_path/'a|b'/'y.png')]
    audit = no_splits(files, ['a$b$','a|b']).audit()
    assert 'a\\|b' in audit._repr_markdown_()
    audit.show()

def test_audit_lines(files, tmp_path):
    twins = [save(picture(k), tmp_path/'c'/f'{k}.png') for k in range(3)]
    images = LabeledImages([*files, *twins], [*'aaaabbbb','a','B','B '], valid=[4,5,6,7,9,10])
    lines,leak = audit_lines(images.audit(images.store(32)))
    assert leak and 1<=len(lines)<=3 and 'across splits' in lines[0]

# -- pairs

def images_of(n): return LabeledImages([f'{k}.png' for k in range(n)], valid=dict(train=range(n//2), valid=range(n//2, n)))

def test_rows_across_splits():
    pairs = Pairs(images_of(8), tables=dict(train=[(0,1,1),(2,3,0)], valid=[(1,0,1),(4,5,0)]))
    found = kinds(pairs.audit())
    assert found=={('rows','in two splits'): [1,0], ('images','in two splits'): [0,1]}
    with pytest.raises(ValueError, match='copies are found by an audit of images'): pairs.audit().drop()

def test_drawn_pairs_are_clean():
    images = LabeledImages([f'{k}.png' for k in range(400)], [k//10 for k in range(400)])
    assert len(Pairs(images, 2).audit())==0

def test_sizes_give_it_away(tmp_path):
    "Same pairs are of one size of file, as if they were of one camera"
    for k in range(400): (tmp_path/f'{k:03}.png').write_bytes(b'x'*(100+k%2*50))
    images = LabeledImages([tmp_path/f'{k:03}.png' for k in range(400)], valid=range(200, 400))
    rng = np.random.default_rng(0)
    def table(low):
        i,j = low+rng.integers(0, 200, (2,300))
        return np.unique(np.stack([i, j, i%2==j%2], 1)[i!=j], axis=0)
    audit = Pairs(images, tables=dict(train=table(0), valid=table(200))).audit()
    accuracy = audit.tables['Right without opening an image'].accuracy
    assert accuracy['sizes']>.95 and accuracy['other pairs']<.65

def test_names_give_it_away():
    "Same pairs are neighbouring frames"
    images = LabeledImages([f's/frame_{k:04}.png' for k in range(800)], valid=range(400, 800))
    rng = np.random.default_rng(0)
    def table(low):
        i = low+rng.integers(0, 395, 300)
        same = rng.random(300)<.5
        i = low+(i-low)//2*2    # frames come in twos
        return np.stack([i, np.where(same, i+1, low+(i-low+rng.integers(20, 300, 300))%400), same], 1)
    accuracy = Pairs(images, tables=dict(train=table(0), valid=table(400))).blind_accuracy().accuracy
    assert accuracy['names']>.95 and accuracy['sizes']<.65

def test_how_often_gives_it_away():
    "Strangers are asked about once, acquaintances often, in splits that share no image"
    images = LabeledImages([f'{k}.png' for k in range(2000)], valid=range(1000, 2000))
    rng = np.random.default_rng(0)
    def table(low):
        few = low+rng.integers(0, 15, 300)*2+[[0],[1]]
        strangers = low+100+rng.permutation(800)[:600].reshape(2,300)
        return np.concatenate([np.stack([*few, np.ones(300)], 1), np.stack([*strangers, np.zeros(300)], 1)])
    accuracy = Pairs(images, tables=dict(train=table(0), valid=table(1000))).blind_accuracy().accuracy
    assert accuracy['how often']>.95

def test_too_few_rows():
    pairs = Pairs(images_of(8), tables=dict(train=[(0,1,1)], valid=[(4,5,0)]))
    assert not pairs.audit().tables
    with pytest.raises(ValueError, match="no pairs in 'seen'"): pairs.blind_accuracy('seen')

# -- models

def test_margins_by_hand():
    "Against a plain loop"
    rng = np.random.default_rng(0)
    e,y = torch.from_numpy(rng.normal(size=(40,5))).float(),rng.integers(0, 4, 40)
    margins,which = label_margins(e, y, bs=7)
    u = torch.nn.functional.normalize(e)
    for k in range(40):
        cos = [float(torch.nn.functional.normalize(u[(y==c) & (np.arange(40)!=k)].sum(0), dim=0)@u[k]) for c in range(4)]
        own = cos.pop(y[k])
        assert margins[k].item()==pytest.approx(own-max(cos), abs=1e-4)

def test_alone_in_its_class():
    margins,_ = label_margins(torch.eye(3), [0,0,1])
    assert margins.isnan().tolist()==[False,False,True]

def learner(files, y, valid, encoder=None):
    images = LabeledImages(files, y, valid)
    dls = images.dls(bs=4, per_class=2, store=images.store(32), num_workers=0)
    return siamese_learner(dls, encoder or small_encoder(n_out=16), kind='distance')

def test_collapse(files):
    class Constant(nn.Module):
        def __init__(self): super().__init__(); self.w = nn.Parameter(torch.ones(4))
        def forward(self, x): return self.w.expand(len(x), 4)
    audit = learner(files, [*'aabbccdd'], [4,5,6,7], Constant()).audit()
    assert audit[0].what=='embeddings' and 'distance' in audit[0].about
    repr(audit), audit._repr_markdown_(), audit.show()

def test_one_class_or_one_image(files):
    with pytest.raises(ValueError, match='all images are of one class'): learner(files, [*'aabbcccc'], [4,5,6,7]).audit()
    with pytest.raises(ValueError, match='each class has one image'): learner(files, [*'aabbcdef'], [4,5,6,7]).audit()
    with pytest.raises(ValueError, match="no split 'test'"): learner(files, [*'aabbccdd'], [4,5,6,7]).audit('test')

def test_suspects_are_of_the_split(files):
    learn = learner(files, [*'aabbccdd'], [4,5,6,7])
    assert set(learn.label_suspects().file)==set(files[4:]) and len(learn.label_suspects(None))==8
    assert learn.label_suspects().margin.is_monotonic_increasing

# -- groups

@pytest.mark.parametrize('size', [1,2,3,5])
def test_groups_stay_together(size):
    y = np.arange(200)//20
    groups = np.arange(200)//size
    splits = ClassSplitter(seen_pct=.3, groups=groups)(LabeledImages([f'{k}.png' for k in range(200)], y, dict(train=[0])))
    assert not set(groups[splits['train']]) & set(groups[splits['seen']])
    assert len(splits['seen']) and np.bincount(y[splits['train']]).max()>=2

def test_a_group_of_two_classes():
    "A copy under another name stays where its original is"
    y = np.arange(80)//10
    groups = np.arange(80)
    groups[40:80] = groups[:40]
    splits = ClassSplitter(seen_pct=.4, groups=groups)(LabeledImages([f'{k}.png' for k in range(80)], y, dict(train=[0])))
    assert not set(groups[splits['train']]) & set(groups[splits['seen']])
