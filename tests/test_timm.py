"Families of timm: an encoder pools as the model does, takes other sizes, and is made again by its recipe"
import pytest, torch

from siamese_verify.commands import *
from siamese_verify.model import *
from siamese_verify.verifier import *

timm = pytest.importorskip('timm')
families = {'vit_tiny_patch16_224':128, 'vit_small_patch14_dinov2':224, 'vit_small_patch16_dinov3':128, 'vit_base_patch32_clip_224':128,
            'vit_base_patch16_siglip_224':128, 'eva02_tiny_patch14_224':112, 'swin_tiny_patch4_window7_224':112, 'convnext_atto':96,
            'mobilenetv4_conv_small':96, 'mobilenetv3_small_050':96, 'efficientnet_b0':96, 'resnet10t':96, 'fastvit_t8':96, 'levit_128s':None}

@pytest.mark.parametrize('name', families)
@torch.no_grad()
def test_family(name):
    torch.manual_seed(0)
    theirs = timm.create_model(name, pretrained=False, num_classes=0).eval()
    encoder = create_encoder(name, pretrained=False, concat_pool=False).eval()
    encoder[0].model.load_state_dict(theirs.state_dict())
    own = theirs.default_cfg['input_size'][1]
    for size in [own] if own<500 else []:
        x = torch.rand(1, 3, size, size)
        torch.testing.assert_close(encoder(x), theirs(x), rtol=1e-5, atol=1e-4)    # channels are last in one of them
    again = build_encoder([encoder.recipe]).eval()
    again.load_state_dict(encoder.state_dict())
    x = torch.rand(2, 3, *[families[name] or own]*2)
    e = encoder(x)
    assert e.shape==(2, getattr(theirs, 'head_hidden_size', None) or theirs.num_features)
    torch.testing.assert_close(again(x), e)

@pytest.mark.parametrize('name', ['swin_tiny_patch4_window7_224','convnext_atto','resnet10t'])
@torch.no_grad()
def test_both_poolings(name):
    "The maximum beside the average of a feature map; of maps that have their channels last, the pooling of the model"
    encoder = create_encoder(name, pretrained=False).eval()
    e = encoder(torch.rand(2, 3, 224, 224))
    assert e.shape==(2, encoder[0].model.num_features*(1 if 'swin' in name else 2))

@pytest.mark.parametrize('row', known_encoders, ids=lambda o: o[0])
def test_listed(row):
    "What `siamese_verify encoders` says of weights and sizes"
    name,millions,pixels,*_ = row
    from torchvision import models
    if name in models.list_models(): model = models.get_model(name, weights=None).requires_grad_(False)
    else: model = timm.create_model(name if '.' in name else f'tf_{name}', pretrained=False, num_classes=0)
    n = sum(o.numel() for k,o in model.named_parameters() if not k.startswith('fc.'))
    assert round(n/1e6, 1)==millions
    assert name in models.list_models() or model.default_cfg['input_size'][1]==pixels
