"Do two images show the same thing? Siamese networks for image verification, with fastai"
__version__ = '0.2.0'
