"Adds what is in settings.ini to what is in pyproject.toml."
from configparser import ConfigParser

from setuptools import setup

ini = ConfigParser(delimiters=['='])
ini.read('settings.ini', encoding='utf-8')
package = ini['package']

setup(
    author=package['author'],
    keywords=package['keywords'],
    install_requires=package['requirements'].split(),
    extras_require={name: needs.split() for name, needs in ini['extras'].items()},
    entry_points={'console_scripts': package['scripts'].strip().splitlines(),
                  'nbdev': ['siamese_verify = siamese_verify._modidx:d']},  # so that other projects' pages can link to ours
)
