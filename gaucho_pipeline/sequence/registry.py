"""The ways to draw a story, by name. A new one is a module of its own and a line here."""

from gaucho_pipeline.sequence.animatediff import AnimateDiff
from gaucho_pipeline.sequence.base import SequenceMethod
from gaucho_pipeline.sequence.storyboard import Storyboard
from gaucho_pipeline.sequence.video import Video

SEQUENCE_METHODS: dict[str, SequenceMethod] = {method.name: method for method in (Storyboard(), AnimateDiff(), Video())}
