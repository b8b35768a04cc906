"A training that can't be one is refused, one that diverges stops; what only looks changes nothing"
import os, random, warnings

import numpy as np, pytest, torch
from PIL import Image

from cases import each, end, fails, warns
from siamese_verify.all import (
    AllPairsLoss, Checkpoint, ClassScatter, ClassSplitter, ContrastiveLoss, ImagePair, LabeledImages, Learner, MetricLoss, Normalize, PairCrossEntropy, Pairs, RandomSplitter, Resize, Rotate, SiameseLearner,
    compare, create_siamese_model, cross_validate, imagenet_stats, load_learner, nn, partial, plan_training, plot_classes, set_seed, siamese_learner, small_encoder)

@pytest.fixture(scope='module')
def images(tmp_path_factory):
    "Ten classes of four images, each class of one colour"
    path,rng = tmp_path_factory.mktemp('images'),np.random.default_rng(0)
    for c in 'abcdefghij':
        (path/c).mkdir()
        color = rng.integers(0, 256, 3)
        for k in range(4): Image.fromarray((color + rng.integers(-9, 9, (8,8,3))).clip(0, 255).astype(np.uint8)).save(path/c/f'{k}.png')
    return LabeledImages.from_folder(path, valid=ClassSplitter(threshold_pct=.2))

def encoder(): return small_encoder(n_out=8, n_layers=2)
def learner(images, kind='distance', classes=False, **kwargs):
    set_seed(0)
    dls = images.dls(bs=8, after_item=Resize(8), num_workers=0) if classes else Pairs(images).dls(bs=8, after_item=Resize(8), num_workers=0, after_batch=Rotate(p=1.))
    return quiet(siamese_learner(dls, encoder(), kind, **kwargs))
def quiet(learn):
    learn.remove_cbs(learn.cbs.filter(lambda o: type(o).__name__=='ProgressCallback'))
    learn.logger = lambda *_: None
    return learn

nan,inf = np.nan,np.inf
rates = {f'lr_{o}':(dict(lr=o), 'the learning rate is (a number|above 0)') for o in (0, -1, -1e-3, nan, inf, '1e-3', True, 1j)} | {f'slice_{o}':(dict(lr=slice(*o)), 'the learning rate is (a number|above 0)') for o in ((1e-4,-1), (-1,1e-3), (nan,), (1e-3,inf), (0,))} | {
    f'epochs_{o}':(dict(n_epoch=o), 'the number of epochs is a whole number of 0 or more, not') for o in (-1, 1.5, nan, '1', None, True)}
@each('o', rates)
def test_trainings_that_are_none(o, images):
    learn = learner(images, 'threshold')
    before = [p.clone() for p in learn.model.parameters()]
    end(lambda: learn.fit(**dict(n_epoch=1, lr=1e-3) | o[0]), fails(o[1]))
    assert all((p==q).all() for p,q in zip(before, learn.model.parameters()))

@pytest.mark.parametrize('lr', [0, -1, nan, inf])
@pytest.mark.parametrize('how', ['fit_one_cycle','fine_tune','fit_flat_cos'])
def test_every_way_to_train(how, lr, images): end(lambda: getattr(learner(images), how)(1, lr), fails('the learning rate is (a number|above 0)'))

@pytest.mark.parametrize('classes', [False,True])
@pytest.mark.parametrize('lr', [1e8, 1e12])
@pytest.mark.parametrize('kind', ['distance','threshold','head'])
def test_divergence(kind, lr, classes, images):
    "The step is told, the weights are those from before the epoch, and the same learner can train on"
    learn = learner(images, kind, classes)
    learn.fit(1, 1e-3)
    before = [p.clone() for p in learn.model.parameters()]
    with torch.no_grad(): first = next(learn.model.encoder.parameters())
    class Spoil(type(learn.cbs[0]).__mro__[1]):
        order = 90
        def after_step(self): first.data.fill_(nan if lr==1e12 else inf)
    end(lambda: learn.fit(3, 1e-3, cbs=Spoil()), fails(r'(the loss is (nan|inf)|a weight is NaN or infinite) at step \d+ of epoch 0, so the training has diverged: take a lower learning rate than 0.001'))
    assert all((p==q).all() for p,q in zip(before, learn.model.parameters()))
    end(lambda: learn.fit(1, 1e-3), lambda o: o is None)
    assert all(p.isfinite().all() for p in learn.model.parameters())

@pytest.mark.parametrize('kind', ['distance','threshold','head'])
def test_weights_that_are_numbers_and_too_large(kind, images):
    "The step was finite, and what it leads to isn't"
    learn = learner(images, kind, True)
    before = [p.clone() for p in learn.model.encoder.parameters()]
    class Spoil(type(learn.cbs[0]).__mro__[1]):
        def after_train(self):
            for p in learn.model.parameters(): p.data.fill_(3e38)
    end(lambda: learn.fit(2, 1e-3, cbs=Spoil()), fails('distances are NaN or infinite after the last step of epoch 0, so the training has diverged: take a lower learning rate than 0.001'))
    assert all((p==q).all() for p,q in zip(before, learn.model.encoder.parameters()))

def test_a_rate_that_diverges(images): end(lambda: learner(images).fit(2, 1e12), fails('so the training has diverged: take a lower learning rate than 1e.12'))

def test_the_finder_of_rates_may_diverge(images):
    learn = learner(images)
    learn.lr_find(end_lr=1e20, num_it=12, stop_div=False, show_plot=False, suggest_funcs=None)
    assert all(p.isfinite().all() for p in learn.model.parameters())

def test_all_is_frozen(images):
    learn = learner(images)
    for p in learn.model.parameters(): p.requires_grad_(False)
    end(lambda: learn.fit(1, 1e-3), fails('all weights are frozen: call learn.unfreeze'))

# which loss goes with which model
mismatched = dict(ce_distance=('distance', PairCrossEntropy, 'PairCrossEntropy takes logits, and a distance has none: take kind="threshold", or ContrastiveLoss()'), torch_ce=('distance', nn.CrossEntropyLoss, 'CrossEntropyLoss takes logits'), all_ce=('distance', lambda: AllPairsLoss(PairCrossEntropy()), 'PairCrossEntropy takes logits'), contrastive_head=('head', ContrastiveLoss, 'ContrastiveLoss takes distances, and this model gives logits: take kind="distance"'),
    contrastive_threshold=('threshold', ContrastiveLoss, 'ContrastiveLoss takes distances'), name=('head', lambda: 'mse', "loss_func is a loss, such as ContrastiveLoss.., not 'mse'"), metric_pairs=('distance', lambda: MetricLoss(nn.CrossEntropyLoss()), 'a MetricLoss trains embeddings on images with classes'), metric_head=('head', lambda: MetricLoss(nn.CrossEntropyLoss()), 'takes distances|a MetricLoss trains embeddings'))
@each('o', mismatched)
def test_losses_of_other_models(o, images): end(lambda: learner(images, o[0], loss_func=o[1]()), fails(o[2].replace('(','.').replace(')','.')))

args = dict(chunk_minus=dict(chunk=-1), chunk_0=dict(chunk=0), chunk_half=dict(chunk=1.5), chunk_text=dict(chunk='8'), hard_0=dict(hard=0), hard_NaN=dict(hard=nan))
@each('o', args)
def test_arguments(o, images): end(lambda: learner(images, classes=True, **o), fails(f'{next(iter(o))}.* is a (whole )?number'))

def test_loaders_of_others(images):
    from siamese_verify.all import ImageDataLoaders
    dls = ImageDataLoaders.from_folder(images.files[0].parent.parent, valid_pct=.5, item_tfms=Resize(8), bs=4, num_workers=0)
    end(lambda: siamese_learner(dls, encoder()), fails('dls are loaders made by Pairs.dls or LabeledImages.dls'))
    end(lambda: siamese_learner(None, encoder()), fails('dls are loaders made by Pairs.dls or LabeledImages.dls'))

splits = {str(o):o for o in ('foo', 9, -9, 1.5, True, None)}
@each('o', splits)
def test_splits_that_are_not_there(o, images):
    learn = learner(images)
    asked = [learn.get_preds, learn.validate, learn.show_results, learn.pairs_of, learn.top_errors, learn.pair_counts]
    if o is not None: asked += [learn.report, learn.fit_threshold, learn.embeddings]    # of nothing they have a default
    for ask in asked: end(lambda: ask(o), fails(f'there is no split .*{o}.*, only train, valid, threshold'))

others = {str(o):o for o in ([1,2], 'train', 7)}
@each('o', others)
def test_what_are_no_pairs(o, images):
    learn = learner(images)
    for ask in learn.report, learn.fit_threshold, learn.pair_counts: end(lambda: ask(pairs=o), fails('pairs are Pairs, not'))

@pytest.mark.parametrize('n', [-1, 1.5, nan, '3', None, True])
def test_numbers_of_mistakes(n, images): end(lambda: learner(images).top_errors(n=n, show=False), fails('n is a whole number of 0 or more, not'))

def test_a_name_that_is_not_utf8(tmp_path):
    "A report shows it, and its table can be written"
    for c in 'abcd':
        (tmp_path/'d'/c).mkdir(parents=True)
        for k in range(4): Image.fromarray(np.random.default_rng(ord(c)+k).integers(0, 256, (8,8,3), dtype=np.uint8)).save(tmp_path/'d'/c/f'{k}.png')
        os.rename(tmp_path/'d'/c/'0.png', os.fsencode(tmp_path/'d'/c)+b'/caf\xe9.png')
    learn = learner(LabeledImages.from_folder(tmp_path/'d', ClassSplitter(.5)))
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        assert 'caf' in learn.write_report(tmp_path/'r.html').read_text('utf-8')

loaders = dict(
    bs_0=(dict(bs=0), 'bs.* is a whole number of 1 or more|bs.* is a whole number of 4 or more'), bs_minus=(dict(bs=-1), 'bs.* is a whole number'), bs_half=(dict(bs=2.5), 'bs.* is a whole number'), bs_text=(dict(bs='8'), 'bs.* is a whole number'), bs_None=(dict(bs=None), 'bs.* is a whole number'), bs_NaN=(dict(bs=nan), 'bs.* is a whole number'),
    bs_huge=(dict(bs=10**9), r'\d+ training (pairs|images) do not fill a batch of 1000000000: lower bs'), store_text=(dict(store='x'), 'store is what images.store.size. makes, not str'), store_number=(dict(store=8), 'store is what images.store.size. makes, not int'), unknown=(dict(item_tfms=[]), 'item_tfms: no such argument; transforms are after_item and after_batch'), shuffle=(dict(shuffle=False), 'shuffle|multiple'))
@each('o', loaders)
def test_loaders(o, images):
    for of in Pairs(images), images: end(lambda: of.dls(**{'bs':8, 'num_workers':0} | o[0]), fails(o[1]))

of_images = dict(bs_1=(dict(bs=1), 'bs, two images of two classes or more, is a whole number of 4 or more, not 1'), bs_2=(dict(bs=2), 'two images of two classes or more.*not 2'), bs_3=(dict(bs=3), 'not 3'), per_class_1=(dict(per_class=1), 'per_class, at most half of bs, is a whole number from 2 to 4, not 1'), per_class_5=(dict(per_class=5), 'from 2 to 4, not 5'), per_class_half=(dict(per_class=2.5), 'per_class, at most half of bs, is a whole number'), per_class_text=(dict(per_class='2'), 'per_class'), per_class_None=(dict(per_class=None), 'per_class'))
@each('o', of_images)
def test_loaders_of_images(o, images): end(lambda: images.dls(**{'bs':8, 'num_workers':0} | o[0]), fails(o[1]))

def test_images_of_two_sizes(images, tmp_path):
    for k,o in enumerate([(4,4),(6,6)]*8): Image.new('L', o).save(tmp_path/f'{k}.png')
    other = LabeledImages(sorted(tmp_path.glob('*.png')), list('aabbccddeeffgghh'))
    end(lambda: Pairs(other).dls(bs=4, num_workers=0).one_batch(), fails('images of 2 sizes in one batch: pass after_item=Resize'))
    end(lambda: images.dls(bs=8, store=other.store(8)), fails('the store holds other images'))

items = dict(
    three=(lambda f: (f[0],f[1],f[2]), 'a pair is two images'), one=(lambda f: (f[0],), 'a pair is two images|pair'), none=(lambda f: (), 'a pair is two images|pair'), a_file=(lambda f: f[0], 'a pair is two images'), a_name=(lambda f: str(f[0]), 'a pair is two images'), numbers=(lambda f: (1,2), 'an image is a file, a Pillow image, an array or a tensor, not int'), None_=(lambda f: None, 'a pair is two images|pair'), Nones=(lambda f: (None,None), 'an image is a file.* not NoneType'),
    missing=(lambda f: (f[0],'none.png'), 'there is no file none.png'), bytes=(lambda f: (b'x',b'y'), 'an image is a file.* not bytes'), folder=(lambda f: (f[0],f[0].parent), 'is a folder: give a file'), shapes=(lambda f: (np.zeros(9),np.zeros(9)), r'an image of shape \(9,\)'), floats=(lambda f: (np.full((8,8), nan),f[0]), 'from 0 to 1, not from nan'))
@each('o', items)
def test_what_is_no_pair(o, images):
    learn = learner(images, 'threshold')
    end(lambda: learn.predict(o[0](images.files)), fails(o[1]))
    if o[1].startswith('a pair'): return
    end(lambda: learn.get_preds(dl=learn.dls.test_dl([o[0](images.files)])), fails(o[1]))

@pytest.mark.parametrize('kind', ['distance','threshold','head'])
def test_weights_that_are_no_numbers(kind, images):
    "No answer, no rate, no threshold and no row of mistakes from a model that has diverged"
    learn = learner(images, kind)
    for p in learn.model.encoder.parameters(): p.data.fill_(nan)
    asks = dict(predict=lambda: learn.predict(tuple(images.files[:2])), report=learn.report, top_errors=lambda: learn.top_errors(show=False), counts=learn.pair_counts, embeddings=learn.embeddings, validate=learn.validate)
    if kind!='head': asks['fit_threshold'] = learn.fit_threshold
    for ask in asks.values(): end(ask, fails('(embeddings|distances) are NaN or infinite'))

def state(learn):
    "All that a look may not change"
    return (random.getstate()[1], np.random.get_state()[1].tolist(), torch.get_rng_state().tolist(), {n:m.training for n,m in learn.model.named_modules()},
            {n:p.numpy().tobytes() for n,p in learn.model.state_dict().items()}, learn.dls.train.epoch, learn.dls.train.rng.getstate())

looks = dict(
    predict=lambda o: o.predict(tuple(o.dls.images.files[:2])), report=lambda o: o.report(), validate=lambda o: o.validate(), validate_train=lambda o: o.validate(0), get_preds=lambda o: o.get_preds(), get_preds_train=lambda o: o.get_preds(0), show_results=lambda o: o.show_results(), show_batch=lambda o: o.dls.show_batch(), one_batch=lambda o: o.dls.one_batch(),
    top_errors=lambda o: o.top_errors(show=False), embeddings=lambda o: o.embeddings('valid'), counts=lambda o: o.pair_counts('train'), fit=lambda o: o.fit_threshold(use=False), distances=lambda o: o.model.distances(o.dls.valid), histogram=lambda o: o.model.plot_distance_histogram(o.dls.valid), audit=lambda o: o.audit(), suspects=lambda o: o.label_suspects(), passes=lambda o: [b for b in o.dls.valid])
@pytest.mark.parametrize('mode', ['train','eval','mixed'])
@each('look', looks)
def test_a_look_changes_nothing(look, mode, images):
    learn = learner(images)
    learn.fit(1, 1e-3)
    learn.model.train(mode!='eval')
    if mode=='mixed': learn.model.encoder[0].eval()
    before = state(learn)
    look(learn)
    assert state(learn)==before

def test_training_after_a_look_is_the_same(images):
    def weights(look):
        learn = learner(images)
        learn.fit(1, 1e-3)
        if look:
            for o in looks.values(): o(learn)
        learn.fit(1, 1e-3)
        return torch.cat([p.flatten() for p in learn.model.parameters()])
    assert (weights(True)==weights(False)).all()

def test_a_new_process_goes_on_with_the_next_pairs(images):
    def pairs_of_epochs(learn, **kwargs):
        seen = []
        class Note(type(learn.cbs[0]).__mro__[1]):
            def after_train(self): seen.append(self.dls.train.dataset.items.rows.tolist())
        learn.fit(cbs=Note(), lr=1e-3, **kwargs)
        return seen
    whole = pairs_of_epochs(learner(images), n_epoch=3)
    assert pairs_of_epochs(learner(images), n_epoch=3, start_epoch=1)==whole[1:]
    learn = learner(images)
    assert pairs_of_epochs(learn, n_epoch=1)+pairs_of_epochs(learn, n_epoch=2)==whole

@pytest.mark.parametrize('kind', ['distance','threshold'])
def test_saved_and_loaded(kind, images, tmp_path):
    "A threshold that was fitted comes back, by `export` and by `save`"
    learn = learner(images, kind)
    learn.fit_threshold()
    learn.model.threshold = .777
    learn.path = tmp_path
    learn.export('x.pkl')
    learn.save('x')
    assert abs(load_learner(tmp_path/'x.pkl').model.threshold-.777)<1e-6
    other = learner(images, kind)
    other.path = tmp_path
    assert abs(other.load('x').model.threshold-.777)<1e-6

without_data = dict(fit=lambda o: o.fit(1), one_cycle=lambda o: o.fit_one_cycle(1), validate=lambda o: o.validate(), get_preds=lambda o: o.get_preds(), report=lambda o: o.report(), fit_threshold=lambda o: o.fit_threshold(), top_errors=lambda o: o.top_errors(), show_results=lambda o: o.show_results(), show_batch=lambda o: o.dls.show_batch(), embeddings=lambda o: o.embeddings())
@each('ask', without_data)
def test_loaded_without_data(ask, images, tmp_path):
    learn = learner(images)
    learn.path = tmp_path
    learn.export('x.pkl')
    end(lambda: ask(quiet(load_learner(tmp_path/'x.pkl'))), fails('(was loaded|was exported|were exported) without (its|their) data: (give|set|make)'))

def test_loaders_stay_as_they_are(images):
    "An encoder that wants normalised images gets loaders of its own"
    dls = Pairs(images).dls(bs=8, after_item=Resize(8), num_workers=0)
    model = create_siamese_model(encoder(), 'distance')
    model.encoder.stats = imagenet_stats
    before = len(dls.valid.after_batch.fs)
    learn = siamese_learner(dls, model)
    assert len(dls.valid.after_batch.fs)==before
    assert all(len(o.after_batch.fs.filter(lambda t: isinstance(t, Normalize)))==1 for o in learn.dls.loaders)
    with pytest.warns(UserWarning, match='the loaders normalise with .* make new loaders, or pass normalize=False'):
        siamese_learner(Pairs(images).dls(bs=8, after_item=Resize(8), after_batch=Normalize.from_stats([.1]*3, [.1]*3), num_workers=0), model)

def test_one_class_validates(images):
    "No rate that needs two classes, and no warning of NumPy's"
    one = LabeledImages(images.files, images.y, valid=images.y==0)
    dls = one.dls(bs=8, after_item=Resize(8), num_workers=0)
    learn = quiet(siamese_learner(dls, encoder(), 'distance'))
    end(lambda: learn.fit(1, 1e-3), lambda o: o is None)
    end(lambda: [*learn.report()['valid'].rates], ['FNMR'])
    end(lambda: repr(learn.report()), lambda o: 'nan' not in o.lower())
    two = LabeledImages(images.files, images.y, valid=dict(train=np.flatnonzero(images.y>2), valid=np.flatnonzero(images.y==0), seen=np.flatnonzero((images.y==1)|(images.y==2))))
    learn = quiet(siamese_learner(two.dls(bs=8, after_item=Resize(8), num_workers=0), encoder(), 'distance'))
    end(lambda: repr(learn.report()), lambda o: 'nan' not in o.lower())
    for name in 'foo', 7, None: end(lambda: learn.report()[name], fails('there is no split .*, only valid, seen'))
    end(lambda: Pairs(one), fails('all images in valid are of one class .0.: a "not same" pair takes two classes'))

wrapped = dict(fit_threshold=lambda o: o.fit_threshold(), report=lambda o: o.report(), embeddings=lambda o: o.embeddings(), predict=lambda o: o.predict(tuple(o.dls.images.files[:2])), top_errors=lambda o: o.top_errors(show=False), verifier=lambda o: o.verifier(), get_preds=lambda o: o.get_preds())
@each('ask', wrapped)
def test_a_model_for_several_devices(ask, images):
    learn = learner(images)
    learn.model = nn.DataParallel(learn.model)
    end(lambda: ask(learn), fails('the model is wrapped in DataParallel: set learn.model = learn.model.module'))
    learn.model = learn.model.module
    end(lambda: learn.report(), lambda o: 'valid' in o.rates)

given = dict(rates_of_one=(lambda o: dict(rates=o.report()['valid']), 'rates are what fit_threshold or report gave, not ErrorRates'), number=(lambda o: dict(rates=7), 'rates are .* not int'), unsure=(lambda o: dict(unsure=(.1,.2)), 'unsure is what PairCounts.unsure gave, not tuple'))
@each('o', given)
def test_what_is_given_to_a_verifier(o, images):
    learn = learner(images)
    end(lambda: learn.verifier(**o[0](learn)), fails(o[1]))

def test_a_verifier_moves_no_random_numbers(images):
    learn = learner(images)
    before = state(learn)
    learn.verifier()
    assert state(learn)==before

heads = {f'{k}_{o}':({k:o}, m) for k,os_,m in [('head', ('foo',None,7), 'head is auto, none, centre'), ('shrink', (nan,0,2,'x'), 'shrink is a number from 0.001 to 1'), ('fmr', (nan,0,1,2,'x'), 'fmr is a number from'), ('name', ('foo',7), 'there is no split'), ('folds', (0,1,1.5,'x'), 'folds is a whole number of 2 or more')] for o in os_}
@each('o', heads)
def test_heads(o, images): end(lambda: learner(images).fit_head(**o[0]), fails(o[1]))

matrices = {f'{k}_{o}':({k:o}, k) for k,os_ in dict(n_out=(0,1.5,'x'), steps=(0,nan,None), bs=(1,'x'), dropout=(1,-.1,nan), lr=(0,nan,'x'), shrink=(0,2)).items() for o in os_}
@each('o', matrices)
def test_trained_matrices(o): end(lambda: ClassScatter(torch.randn(12, 5), np.arange(12)//3).sigmoid(**o[0]), fails(o[1]))

plans = {f'{k}_{o}':({k:o}, f'{k} is a') for k,os_ in dict(epochs=(-1,1.5,'x',nan), size=(0,-5,'x',1e6,nan), bs=(0,-1,'x',None), minutes=(0,-1,nan,'x'), budget=(0,-1,nan,'x')).items() for o in os_} | dict(
    arch=(dict(arch='resnt18'), "there is no encoder 'resnt18'.*is it resnet18|timm is not here"), arch_number=(dict(arch=7), 'an encoder has a name here, such as resnet18, not 7'))
@each('o', plans)
def test_plans(o, images): end(lambda: plan_training(images, **o[0]), fails(o[1]))

def test_nothing_trains(images):
    rest = LabeledImages(images.files, images.y, dict(valid=range(8)))
    end(lambda: plan_training(rest), fails("there is no split 'train', only valid"))
    end(lambda: rest.dls(bs=4), fails('there are no images in train'))

def test_what_are_no_learners(images):
    for o in 'x', None, images: end(lambda: compare(learner(images), o), fails('compare takes two learners, as siamese_learner makes them, not'))
    end(lambda: cross_validate(images, lambda o: None, 3), fails('train gives a trained learner, not NoneType'))

written = dict(report=lambda o, p: o.write_report(p), checkpoint=lambda o, p: o.fit(1, 1e-3, cbs=Checkpoint(p)), export=lambda o, p: o.export(p))
@each('write', written)
def test_places_to_write_to(write, images, tmp_path):
    learn = learner(images)
    (tmp_path/'x').touch()
    before = [p.clone() for p in learn.model.parameters()]
    end(lambda: write(learn, tmp_path), fails('is a folder: give the name of a file'))
    end(lambda: write(learn, tmp_path/'x'/'y'), fails('x/y cannot be written'))
    assert all((p==q).all() for p,q in zip(before, learn.model.parameters()))

def test_classes_whose_names_are_formulas(tmp_path):
    "A picture of them can be drawn"
    from matplotlib import pyplot as plt
    for c in '5$ note', '100$ - 200$', '$\\frac$', 'x_{1}$', '$$', '\\':
        for k in range(3):
            (tmp_path/'d'/c).mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.random.default_rng([k, *c.encode()]).integers(0, 256, (8,8,3), dtype=np.uint8)).save(tmp_path/'d'/c/f'{k}.png')
    images = LabeledImages.from_folder(tmp_path/'d', ClassSplitter(.4))
    learn = learner(images, classes=True)
    draws = dict(images=images.show, batch=learn.dls.show_batch, results=learn.show_results, errors=learn.top_errors, audit=lambda: images.audit().show(), classes=lambda: plot_classes(learn.pair_counts('train'), .5))
    for draw in draws.values():
        draw()
        plt.savefig(tmp_path/'x.png')
        plt.close('all')
