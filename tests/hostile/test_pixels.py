"One door for pixels: the rule is by type and mode, never by the values of a file"
import io, os, socket, struct, zlib
from pathlib import Path

import numpy as np, pytest, torch
from PIL import Image, ImageCms

from cases import *
from siamese_verify.data import open_image
from siamese_verify.files import check_file
from siamese_verify.verifier import read_image

grey = np.linspace(0, 255, 24).astype(np.uint8).reshape(4,6)
def shown(o, **kwargs): return np.asarray(open_image(o, **kwargs))
def is_grey(a): return (shown_of(a)==grey).all() if isinstance(a, str) else (a==grey[...,None]).all()
def is_one(value): return lambda a: set(np.unique(a))=={value}

# kind of array × number of values × right answer or error
arrays = dict(
    uint8=(grey, is_grey), uint8_H_W_1=(grey[...,None], is_grey), uint8_H_W_3=(np.stack([grey]*3, -1), is_grey),
    uint8_read_only=(np.frombuffer(grey.tobytes(), np.uint8).reshape(4,6), is_grey), uint8_fortran=(np.asfortranarray(grey), is_grey),
    uint8_strided=(np.repeat(grey, 2, 1)[:,::2], is_grey), uint16=(grey.astype(np.uint16)*257, is_grey),
    uint16_big_endian=((grey.astype(np.uint16)*257).astype('>u2'), is_grey), uint16_H_W_3=(np.stack([grey.astype(np.uint16)*257]*3, -1), is_grey),
    bool=(np.full((4,6), True), is_one(255)), bool_tensor=(torch.ones(4,6, dtype=torch.bool), is_one(255)),
    float16=(np.full((4,6), .2, np.float16), is_one(51)), float32=(grey.astype(np.float32)/255, is_grey), float64=(grey/255, is_grey),
    tensor_H_W=(torch.from_numpy(grey), is_grey), tensor_1_H_W=(torch.from_numpy(grey)[None], is_grey),
    tensor_3_H_W=(torch.from_numpy(grey).expand(3,4,6), is_grey), tensor_float=(torch.from_numpy(grey/255), is_grey),
    tensor_grad=(torch.full((3,4,6), .2, requires_grad=True), is_one(51)), transparent=(np.zeros((4,6,4), np.uint8), is_one(255)),
    no_dimension=(np.uint8(3), fails('uint8|shape')), one_dimension=(np.zeros(10, np.uint8), fails(r'shape \(10,\)')),
    four_dimensions=(np.zeros((1,4,6,3), np.uint8), fails(r'shape \(1, 4, 6, 3\)')), empty=(np.zeros((0,0,3)), fails(r'shape \(0, 0, 3\)')),
    no_height=(np.zeros((0,6,3), np.uint8), fails(r'shape \(0, 6, 3\)')), two_channels=(np.zeros((4,6,2), np.uint8), fails(r'shape \(4, 6, 2\)')),
    five_channels=(np.zeros((4,6,5), np.uint8), fails(r'shape \(4, 6, 5\)')), array_C_H_W=(np.zeros((3,8,10), np.uint8), fails('shape.*H × W × 3 as an array')),
    tensor_H_W_C=(torch.zeros(8,10,3), fails('shape.*3 × H × W as a tensor')), batch=(torch.zeros(1,3,8,8), fails(r'shape \(1, 3, 8, 8\)')),
    int8=(np.zeros((4,6), np.int8), fails('an image of int8')), int16=(np.zeros((4,6), np.int16), fails('an image of int16')),
    int32=(np.zeros((4,6), np.int32), fails('an image of int32')), int64_1000=(np.full((4,6), 1000), fails('an image of int64')),
    uint32=(np.zeros((4,6), np.uint32), fails('an image of uint32')), uint64=(np.zeros((4,6), np.uint64), fails('an image of uint64')),
    complex=(np.zeros((4,6), complex), fails('an image of complex128')), objects=(np.zeros((4,6), object), fails('an image of object')),
    strings=(np.full((4,6), 'a'), fails('an image of <U1')), dates=(np.zeros((4,6), 'M8[s]'), fails('an image of datetime64')),
    float_NaN=(np.full((4,6), np.nan), fails('from 0 to 1, not from nan')), one_NaN=(np.where(grey==0, np.nan, .5), fails('from 0 to 1, not from nan')),
    float_inf=(np.full((4,6), np.inf), fails('from 0 to 1, not from inf')), float_255=(grey.astype(float), fails('from 0 to 1, not from 0 to 255')),
    float_1_01=(grey/255*1.01, fails('from 0 to 1, not from 0 to 1.01')), float_below=(grey/255-.5, fails('from 0 to 1, not from -0.5')),
    normalised_tensor=(torch.linspace(-2, 2, 72).view(3,4,6), fails('from 0 to 1, not from -2 to 2')), bfloat16=(torch.full((3,4,6), .2, dtype=torch.bfloat16), is_one(51)),
    tensor_int64=(torch.zeros(4,6, dtype=torch.int64), fails('an image of int64')), sparse=(torch.zeros(4,6).to_sparse(), fails('sparse')),
    quantised=(torch.zeros(0), fails(r'shape \(0,\)')), masked=(np.ma.masked_array(grey, grey>9), fails('masked')))

@each('o', {k:v for k,v in arrays.items()})
def test_arrays(o): end(lambda: shown(o[0]), o[1])

# not an image at all
@each('o', {str(type(o).__name__)+str(k):o for k,o in enumerate([None, 7, 1.5, True, b'\xff\xd8\xff', bytearray(9), io.BytesIO(b'x'), [1,2], (1,2), {}, {1}, len, object()])})
def test_no_image(o): end(lambda: open_image(o), fails('an image is a file, a Pillow image, an array or a tensor, not', TypeError))

# a Pillow image that was opened and not read yet, or that there is nothing of
def half_of(format, **kwargs):
    file = io.BytesIO()
    Image.effect_noise((64,64), 50).save(file, format, **kwargs)
    return Image.open(io.BytesIO(file.getvalue()[:len(file.getvalue())//2+200]))
unread = dict(png=(lambda: half_of('PNG'), ''), jpeg=(lambda: half_of('JPEG'), ''), tiff=(lambda: half_of('TIFF'), ''), none_wide=(lambda: Image.new('L', (0,4)), 'it has no pixels, 0 × 4'), none_high=(lambda: Image.new('RGBA', (4,0)), 'it has no pixels, 4 × 0'), nothing=(lambda: Image.new('F', (0,0)), 'it has no pixels'),
    premultiplied_grey=(lambda: Image.new('La', (4,4)), ''), odd_transparency=(lambda: cleared((1,2)), ''))
def cleared(o, mode='L'): im = Image.new(mode, (4,4)); im.info['transparency'] = o; return im
@each('o', unread)
def test_pillow_images_that_cannot_be_read(o):
    for read in open_image, read_image: end(lambda: read(o[0]()), fails('this image cannot be read as an image .*'+o[1], ValueError))

# values of a scale that can't be known from the type: an error that says how to give it, and a right answer if it's given
scales = dict(
    uint16_12_bits=(grey.astype(np.uint16)*16, dict(scale=4080), is_grey), uint16_10_bits=(grey.astype(np.uint16)*4, dict(scale=1020), is_grey),
    int64=(grey.astype(np.int64)*4, dict(scale=1020), is_grey), int32=(grey.astype(np.int32), dict(scale=255), is_grey), float_255=(grey.astype(np.float32), dict(scale=255), is_grey),
    float_1=(grey/255, dict(scale=1), is_grey), uint8_7_bits=(grey//2, dict(scale=127), lambda a: abs(a.astype(int)-grey[...,None]).max()<=2),
    beyond=(grey.astype(np.uint16)*16, dict(scale=1000), fails('values.*from 0 to 1000, not from 0 to 4080')), below=(grey.astype(int)-1, dict(scale=255), fails('from 0 to 255, not from -1')),
    NaN=(np.where(grey==0, np.nan, 5), dict(scale=255), fails('not from nan')), scale_0=(grey, dict(scale=0), fails('scale is a number')), scale_negative=(grey, dict(scale=-1), fails('scale is a number')),
    scale_NaN=(grey, dict(scale=np.nan), fails('scale is a number')), scale_inf=(grey, dict(scale=np.inf), fails('scale is a number')), scale_text=(grey, dict(scale='255'), fails('scale is a number')))
@each('o', scales)
def test_scales(o): end(lambda: shown(o[0], **o[1]), o[2])

def save(im, path, **kwargs): im.save(path, **kwargs); return path

def png16(path, a):
    "A grey PNG of 16 bits, whatever Pillow writes"
    h,w = a.shape
    def _chunk(name, data): return struct.pack('>I', len(data))+name+data+struct.pack('>I', zlib.crc32(name+data))
    rows = b''.join(b'\0'+r.astype('>u2').tobytes() for r in a)
    path.write_bytes(b'\x89PNG\r\n\x1a\n'+_chunk(b'IHDR', struct.pack('>IIBBBBB', w, h, 16, 0, 0, 0, 0))+_chunk(b'IDAT', zlib.compress(rows))+_chunk(b'IEND', b''))
    return path

files = dict(
    L=lambda p: save(Image.fromarray(grey), p/'x.png'), P=lambda p: save(Image.fromarray(grey).convert('P'), p/'x.png'), RGB=lambda p: save(Image.fromarray(grey).convert('RGB'), p/'x.png'),
    RGBA=lambda p: save(Image.fromarray(grey).convert('RGBA'), p/'x.png'), LA=lambda p: save(Image.fromarray(grey).convert('LA'), p/'x.png'), bmp=lambda p: save(Image.fromarray(grey), p/'x.bmp'),
    tif=lambda p: save(Image.fromarray(grey), p/'x.tif'), gif=lambda p: save(Image.fromarray(grey), p/'x.gif'), webp=lambda p: save(Image.fromarray(grey).convert('RGB'), p/'x.webp', lossless=True),
    png16=lambda p: png16(p/'x.png', grey.astype(np.uint16)*257), tif16=lambda p: save(Image.fromarray(grey.astype(np.uint16)*257), p/'x.tif'),
    tif32f=lambda p: save(Image.fromarray((grey/255).astype(np.float32)), p/'x.tif'), ppm=lambda p: save(Image.fromarray(grey), p/'x.pgm'), tga=lambda p: save(Image.fromarray(grey), p/'x.tga'),
    ico_like=lambda p: save(Image.fromarray(grey).convert('RGB'), p/'x.pcx'))
@each('make', files)
def test_files_alike(make, tmp_path): end(lambda: shown(make(tmp_path)), is_grey)

# two files of one series: what a value means doesn't hang on the others in its file
@pytest.mark.parametrize('high', [1, .9, .5, .01])
@pytest.mark.parametrize('kind', ['float','uint16','png16'])
def test_one_series(kind, high, tmp_path):
    a = np.full((4,6), .5*high); a[0,0] = high; a[0,1] = .004
    if kind=='float': f = save(Image.fromarray(a.astype(np.float32)), tmp_path/'x.tif')
    elif kind=='uint16': f = save(Image.fromarray((a*65535).astype(np.uint16)), tmp_path/'x.tif')
    else: f = png16(tmp_path/'x.png', (a*65535).astype(np.uint16))
    assert abs(int(shown(f)[0,1,0])-1)<=1 and abs(int(shown(f)[2,2,0])-127.5*high)<=1

bad_files = dict(
    float_NaN=(lambda p: save(Image.fromarray(np.array([[.5,np.nan]], np.float32)), p/'x.tif'), 'from 0 to 1, not from nan'),
    float_255=(lambda p: save(Image.fromarray(grey.astype(np.float32)), p/'x.tif'), 'from 0 to 1, not from 0 to 255.*scale'),
    float_1_01=(lambda p: save(Image.fromarray((grey/255*1.01).astype(np.float32)), p/'x.tif'), 'not from 0 to 1.01'),
    int32=(lambda p: save(Image.fromarray(grey.astype(np.int32)*257), p/'x.tif'), 'whole numbers of 32 bits|int32'),
    int32_negative=(lambda p: save(Image.fromarray(-grey.astype(np.int32)), p/'x.tif'), 'whole numbers of 32 bits|int32'),
    empty=(lambda p: write(p/'x.png', b''), 'cannot be read as an image'), text=(lambda p: write(p/'x.jpg', 'hello'), 'cannot be read as an image'),
    svg=(lambda p: write(p/'x.png', '<svg xmlns="http://www.w3.org/2000/svg"/>'), 'cannot be read as an image'),
    html=(lambda p: write(p/'x.jpg', '<html>404</html>'), 'cannot be read as an image'), pickle=(lambda p: write(p/'x.png', b'\x80\x04]\x94.'), 'cannot be read as an image'),
    zip=(lambda p: write(p/'x.png', b'PK\5\6'+bytes(18)), 'cannot be read as an image'), folder=(lambda p: (p/'x.png').mkdir() or p/'x.png', 'x.png is a folder: give a file'),
    missing=(lambda p: p/'none.png', 'there is no file .*none.png'), cut_png=(lambda p: cut(save(Image.effect_noise((64,64), 50), p/'x.png')), 'cannot be read as an image'),
    cut_jpg=(lambda p: cut(save(Image.effect_noise((64,64), 50), p/'x.jpg')), 'cannot be read as an image'), cut_tif=(lambda p: cut(save(Image.effect_noise((64,64), 50), p/'x.tif')), 'cannot be read as an image'),
    cut_gif=(lambda p: cut(save(Image.effect_noise((64,64), 50), p/'x.gif')), 'cannot be read as an image'), cut_webp=(lambda p: cut(save(Image.effect_noise((64,64), 50).convert('RGB'), p/'x.webp')), 'cannot be read as an image'),
    bomb=(lambda p: save(Image.new('1', (20000,20000)), p/'x.png'), 'cannot be read as an image'))
def write(path, o): path.write_bytes(o if isinstance(o, bytes) else o.encode()); return path
def cut(path): path.write_bytes(path.read_bytes()[:len(path.read_bytes())//2]); return path

@each('o', bad_files)
def test_bad_files(o, tmp_path):
    f = o[0](tmp_path)
    end(lambda: open_image(f), fails(o[1]))
    for read in open_image, read_image: end(lambda: read(str(f)), fails(f.name))    # alike for training and for answering

def test_sets_that_are_nearly_black(tmp_path):
    "12 bits in 16 can't be told from the type of a file, but a whole set without anything bright is told of"
    from siamese_verify.data import LabeledImages
    for k in range(4): png16(tmp_path/f'{k}.png', grey.astype(np.uint16)*16)
    images = LabeledImages(sorted(tmp_path.glob('*.png')), 'aabb', [0])
    end(images.check, warns('all images are nearly black, at most 15 of 255: are there 12 bits in 16'))
    for f in images.files: open_image(f, scale=4080).save(f)
    end(images.check, lambda o: o is images)
    assert is_grey(shown(images.files[0]))

square = np.zeros((16,24,3), np.uint8)    # a white corner tells how it was turned
square[:8,:12] = 255
ways = {1:square, 2:square[:,::-1], 3:square[::-1,::-1], 4:square[::-1], 5:square.transpose(1,0,2), 6:np.rot90(square, -1), 7:np.rot90(square, 2).transpose(1,0,2), 8:np.rot90(square)}
@pytest.mark.parametrize('turn', ways)
@pytest.mark.parametrize('suffix', ['jpg','png','tif','webp'])
def test_turned_once(suffix, turn, tmp_path):
    "By us or by Pillow, which turns a TIFF as it reads it; alike for training and for answering"
    exif = Image.Exif()
    exif[0x0112] = turn
    f = save(Image.fromarray(square), tmp_path/f'x.{suffix}', exif=exif)
    for o in open_image(f), read_image(f), open_image(open_image(f)):
        a = np.asarray(o)
        assert a.shape==ways[turn].shape and abs(a.astype(int)-ways[turn]).max()<30

def png(path, depth, kind, pixel, n=4, clear=None):
    "A PNG of n by n equal pixels of big-endian values, or of bytes that hold several; `clear` is its transparent colour"
    def _chunk(name, data): return struct.pack('>I', len(data))+name+data+struct.pack('>I', zlib.crc32(name+data))
    rows = (b'\0'+(np.array(pixel, f'>u{depth//8}').tobytes()*n if depth>=8 else bytes([pixel]*(n*depth//8))))*n
    head = struct.pack('>IIBBBBB', n, n, depth, kind, 0, 0, 0)
    seen = b'' if clear is None else _chunk(b'tRNS', np.array(clear, '>u2').tobytes())
    return write(path, b'\x89PNG\r\n\x1a\n'+_chunk(b'IHDR', head)+seen+_chunk(b'IDAT', zlib.compress(rows))+_chunk(b'IEND', b''))

black = Image.new('RGB', (4,4))
def pages(path, **kwargs): return save(Image.new('RGB', (4,4), 'white'), path, save_all=True, append_images=[black,black], **kwargs)
srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
white = dict(
    rgba16_transparent=lambda p: png(p/'x.png', 16, 6, [0xffff,0,0,0]), la16_transparent=lambda p: png(p/'x.png', 16, 4, [0,0]), rgb16=lambda p: png(p/'x.png', 16, 2, [0xffff]*3), rgba8_transparent=lambda p: png(p/'x.png', 8, 6, [9,9,9,0]),
    grey16_clear=lambda p: png(p/'x.png', 16, 0, [0x1234], clear=[0x1234]), grey8_clear=lambda p: png(p/'x.png', 8, 0, [9], clear=[9]), grey4_clear=lambda p: png(p/'x.png', 4, 0, 0x55, clear=[5]), grey2_clear=lambda p: png(p/'x.png', 2, 0, 0x55, clear=[1]), bit_clear=lambda p: png(p/'x.png', 1, 0, 0, 8, clear=[0]),
    rgb8_clear=lambda p: png(p/'x.png', 8, 2, [9,8,7], clear=[9,8,7]), rgb16_clear=lambda p: png(p/'x.png', 16, 2, [0x900,0x800,0x700], clear=[0x900,0x800,0x700]), film=lambda p: save(Image.fromarray(np.zeros((4,4), np.uint16)), p/'x.tif', tiffinfo={262:0}),
    palette_transparent=lambda p: save(Image.new('RGB', (4,4), 'red').convert('P', palette=1), p/'x.png', transparency=0), gif_transparent=lambda p: save(Image.new('P', (4,4), 3), p/'x.gif', transparency=3), la_tif=lambda p: save(Image.new('LA', (4,4), (0,0)), p/'x.tif'),
    cmyk=lambda p: save(Image.new('CMYK', (16,16)), p/'x.jpg'), ycbcr=lambda p: save(Image.new('RGB', (16,16), 'white').convert('YCbCr'), p/'x.jpg'), lab=lambda p: save(Image.new('LAB', (4,4), (255,128,128)), p/'x.tif'), one_bit=lambda p: save(Image.new('1', (4,4), 1), p/'x.bmp'),
    first_of_gif=lambda p: pages(p/'x.gif'), first_of_webp=lambda p: pages(p/'x.webp', lossless=True), first_of_tif=lambda p: pages(p/'x.tif'), first_of_mpo=lambda p: pages(p/'x.mpo', quality=100), first_of_apng=lambda p: pages(p/'x.png'),
    profile=lambda p: save(Image.new('RGB', (4,4), 'white'), p/'x.png', icc_profile=srgb), profile_of_rubbish=lambda p: save(Image.new('RGB', (4,4), 'white'), p/'x.png', icc_profile=b'rubbish'),
    jpeg2000=lambda p: save(Image.new('RGB', (4,4), 'white'), p/'x.jp2'), sixteen_of_jpeg2000=lambda p: save(Image.fromarray(np.full((4,4), 65535, np.uint16)), p/'x.jp2'), narrow=lambda p: save(Image.new('L', (1,10000), 255), p/'x.png'), other_suffix=lambda p: save(Image.new('RGB', (4,4), 'white'), p/'x.jpg', format='GIF'))
@each('make', white)
def test_what_a_person_sees_as_white(make, tmp_path):
    f = make(tmp_path)
    for read in open_image, read_image: end(lambda: np.asarray(read(f)), lambda a: a.min()>=253)

def near(value): return lambda a: a.max()<=value
@each('make', dict(grey16=lambda p: png(p/'x.png', 16, 0, [0x1235], clear=[0x1234]), grey4=lambda p: png(p/'x.png', 4, 0, 0x11, clear=[2]), grey8=lambda p: png(p/'x.png', 8, 0, [8], clear=[9])))
def test_a_colour_that_is_nearly_the_transparent_one(make, tmp_path):
    f = make(tmp_path)
    for read in open_image, read_image: end(lambda: np.asarray(read(f)), near(0x12))

@each('resolution', dict(text=struct.pack('<HHI4s', 0x011A, 2, 4, b'abc\0'), nowhere=struct.pack('<HHI4s', 0x011A, 2, 400, b'\xff'*4)))
def test_exif_that_cannot_be_written_back(resolution, tmp_path):
    "Only the turn is asked for"
    turn = struct.pack('<HHI4s', 0x0112, 3, 1, struct.pack('<HH', 6, 0))
    f = save(Image.fromarray(square), tmp_path/'x.jpg', exif=b'Exif\0\0II*\0'+struct.pack('<IH', 8, 2)+turn+resolution+bytes(4))
    for read in open_image, read_image: end(lambda: read(f).size, (16,24))

def test_a_picture_that_is_given_stays_as_it_is(tmp_path):
    im = Image.open(png(tmp_path/'x.png', 4, 0, 0x55, clear=[5]))
    for read in open_image, read_image: read(im)
    assert im.info['transparency']==5 and im.mode=='L'

no_files = dict(pipe=(lambda p: os.mkfifo(p/'x.png') or p/'x.png', 'x.png is a named pipe: give a file'), zeros=(lambda p: Path('/dev/zero'), 'zero is a device'), nothing=(lambda p: Path('/dev/null'), 'null is a device'), loop=(lambda p: (p/'x.png').symlink_to('x.png') or p/'x.png', 'x.png cannot be read .Too many levels'), to_zeros=(lambda p: (p/'x.png').symlink_to('/dev/zero') or p/'x.png', 'x.png is a device'),
    sock=(lambda p: bound(p/'x.png'), 'x.png is a socket: give a file'), long=(lambda p: p/('a'*300), 'cannot be read .File name too long'), below=(lambda p: write(p/'x.png', 'x')/'y.png', 'there is no file')) | {k:(lambda p, o=o: o, 'there is no file') for k,o in dict(nul='a\0b.png', tilde='~/x.png', backslash='a\\x.png', newline='a\nb.png', surrogate='a\udce9.png', nobody='').items()}
@pytest.mark.parametrize('o', [7, 0, True, 1.5, None, ['x']])
def test_what_is_no_name_of_a_file(o): end(lambda: check_file(o), fails(f'not .*{type(o).__name__}', TypeError))    # 0 is standard input, to the system

def bound(path): socket.socket(socket.AF_UNIX).bind(os.path.relpath(path)); return path    # a name of a socket is short
@each('o', no_files)
def test_what_is_no_file(o, tmp_path, monkeypatch):
    "Nothing waits for a pipe, or reads a device to its end"
    monkeypatch.chdir(tmp_path)
    f = o[0](tmp_path)
    for read in open_image, read_image: end(lambda: read(f), fails(o[1]))

@each('size', dict(none_wide=(0,4), none_high=(4,0), huge=(2**31-1,1)))
def test_sizes_that_a_header_makes_up(size, tmp_path):
    f = png(tmp_path/'x.png', 8, 2, [255]*3)
    data = f.read_bytes()
    write(f, data.replace(struct.pack('>II', 4, 4), struct.pack('>II', *size)))
    for read in open_image, read_image: end(lambda: read(f), fails('cannot be read as an image'))
