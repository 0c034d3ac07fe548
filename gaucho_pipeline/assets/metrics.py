"""What is counted and measured of each asset: a typed model that its stage fills, its manifest keeps, and everything else reads.

Which model is which asset's is in `table.py`. What the numbers must be for an artifact to be used is in `checks.py`.
"""

from __future__ import annotations

from typing import Any, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, model_validator

from gaucho_pipeline.assets.verdicts import Word


class Metrics(BaseModel):
    """Numbers of one artifact.

    A key that comes later has a default, and one that is gone is passed over, so that whatever exists on disk can still be read.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class BaseTuned(Metrics):
    """One figure with the base model and with the tuned one."""

    base: float = Field(description="Of the base model")
    tuned: float = Field(description="Of what was learned")


class SourceCounts(Metrics):
    """What became of what one source lists."""

    listed: int = Field(description="Records that it listed")
    kept: int = Field(description="Images of them that were kept")
    refused: int = Field(description="Records whose licence, name or publisher forbids it")
    failed: int = Field(description="Images that could not be fetched")
    gone: int = Field(description="Images kept earlier that it lists no longer")
    there_are: int | None = Field(description="How many records it says there are; null where it does not say")
    failure: str = Field(description="What went wrong with the source; empty if nothing did")
    note: str = Field(description="What a person should know of it")


class RawCrawlMetrics(Metrics):
    """Of `raw_crawl`; found = kept + refused + failed."""

    found: int = Field(description="Images that the sources listed")
    kept: int = Field(description="Images whose bytes are there")
    refused: dict[str, int] = Field(description="Images that may not be used, by reason")
    failed: dict[str, int] = Field(description="Images that could not be fetched, by reason")
    licenses: dict[str, int] = Field(description="Kept images by licence")
    flags: dict[str, int] = Field(description="Kept images by what restricts them beside copyright")
    sources: dict[str, SourceCounts] = Field(description="The same for each source")
    failed_sources: dict[str, str] = Field(description="What went wrong, by source")
    gone: int = Field(description="Images kept earlier that are listed no longer")
    changed_licenses: int = Field(description="Images whose licence is another than before")

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if self.found != self.kept + sum(self.refused.values()) + sum(self.failed.values()):
            raise ValueError("found must be kept + refused + failed")
        return self


class OverrideCounts(Metrics):
    """What became of the curator's decisions."""

    applied: int = Field(description="Decisions that were carried out")
    without_image: tuple[str, ...] = Field(description="First digits of images that decisions name and that cannot be used")


class CuratedSetMetrics(Metrics):
    """Of `curated_set`; read = kept + excluded."""

    read: int = Field(description="Images of the crawl")
    kept: int = Field(description="Images worth training on")
    excluded: dict[str, int] = Field(description="The others, by reason")
    licenses: dict[str, int] = Field(description="Kept images by licence")
    captions: dict[str, int] = Field(description="Kept images by who wrote their caption")
    overrides: OverrideCounts = Field(description="The curator's decisions")
    if_relaxed: dict[str, int] = Field({}, description="Where too few are left: how many there would be without each filter")
    contexts: dict[str, dict[str, int]] = Field({}, description="Kept images by what their captions say, where captions say a context")
    masks: dict[str, int] = Field({}, description="Kept images that have a mask, by where it is from")
    people: int = Field(0, description="Kept images that seem to show a face or a child, for the curator to look at")

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if self.read != self.kept + sum(self.excluded.values()):
            raise ValueError("read must be kept + excluded")
        return self


class PromptLosses(Metrics):
    """Losses on the same images with three prompts: what was learned should answer to its token only."""

    token: BaseTuned = Field(description="With the concept's token")
    other_token: BaseTuned = Field(description="With another made-up word")
    class_noun: BaseTuned = Field(description="With the class noun alone")


class Losses(Metrics):
    """Losses on training images and on validation images."""

    train: PromptLosses = Field(description="On training images")
    validation: PromptLosses = Field(description="On validation images")


class ValidationLoss(BaseTuned):
    """The loss on validation images, and how sure its change is."""

    interval: tuple[float, float] | None = Field(None, description="95 % interval of tuned minus base, over images; null with one image")


class NoiseLevelLoss(BaseTuned):
    """The loss on validation images at one level of noise: low ones are details, high ones the whole."""

    noise: float = Field(description="Share of noise, 0 to 1")


class TrialResult(Metrics):
    """One trial of a study."""

    values: dict[str, Any] = Field(description="The values that it tried")
    loss: float | None = Field(description="Lowest validation loss on the images that choose; null where nothing was finite")
    best_step: int = Field(description="The step that had it")
    steps: int = Field(description="Steps that it ran")
    kept: bool = Field(description="Whether it is the one that was kept")


class Resources(Metrics):
    """What a training was predicted to take, what it took, and how it was computed."""

    micro_batch: int = Field(description="Images that were computed at once, in the end")
    gradient_checkpointing: bool = Field(description="Whether parts were computed twice to save memory")
    blocks_wait: bool = Field(False, description="Whether blocks waited in the machine's memory while others were computed")
    why: str = Field(description="Why so")
    predicted_memory_bytes: int = Field(description="Memory that was predicted after a trial of one image")
    predicted_seconds: float = Field(description="Seconds that were predicted then for the steps, without measuring and saving")
    seconds: float = Field(description="Seconds that the steps of the last run took")
    share_of_peak: float | None = Field(description="Operations a second, as a share of what products of large matrices reach here")
    peaks: dict[str, int] = Field({}, description="The most memory that was taken in each phase, in bytes")
    watt_hours: float | None = Field(
        description="Energy of loading, encoding and the steps of the last run; null where the device does not tell"
    )


class CheckpointMetrics(Metrics):
    """Of `checkpoint`. What says whether anything was learned is null where it was made before that was measured."""

    validation_loss: ValidationLoss = Field(description="Mean squared error on validation images, with the token")
    loss_fell: Word | None = Field(
        None,
        validation_alias=AliasChoices("loss_fell", "learned"),
        description="Whether all, none or some of the interval is a gain above a hundredth of the base model's loss; no at step 0",
    )
    prior_drift: float | None = Field(
        None,
        validation_alias=AliasChoices("prior_drift", "drift"),
        description="How far predictions without the token moved, as a share of the gain with it; null without a gain worth the name",
    )
    class_noun_drift: float | None = Field(None, description="The same with the class noun alone")
    reported_apart: bool | None = Field(None, description="Whether the reported images are others than those that chose the step")
    losses: Losses = Field(description="The losses as a set")
    outside_loss: BaseTuned | None = Field(
        None, description="The loss with the token outside the masks of validation images; null where images are learned whole"
    )
    steps: int = Field(description="Optimiser steps that it ran, in all")
    best_step: int = Field(
        description="The step whose weights were kept: that of the lowest validation loss, unless the last was asked for"
    )
    train_images: int = Field(description="Training images")
    validation_images: int = Field(description="Validation images")
    images_per_second: float = Field(description="Rate of training, without loading and final measuring")
    peak_memory_bytes: int = Field(description="The most memory that training took: the GPU's where there is one, else the process's")
    trainable_parameters: int = Field(description="Numbers that were learned")
    reload_difference: float = Field(description="Largest difference between predictions in memory and with the file read back")
    device: str = Field(description="What it was trained on")
    method: str = Field("lora", description="How it was taught")
    learning_rate: float | None = Field(None, description="The rate, which a range test may have found")
    ended: str = Field("", description="Why it ended before its last step; empty if it did not")
    by_noise_level: tuple[NoiseLevelLoss, ...] = Field((), description="The loss with the token, from little noise to much")
    study: tuple[TrialResult, ...] = Field((), description="What a study tried")
    resources: Resources | None = Field(None, description="What it took, and how it was computed")
    notes: tuple[str, ...] = Field((), description="What a person should know before believing it")
    pipeline_class: str = Field("", description="The diffusers class of the base model")
    base_model_license: str = Field("", description="Licence of the base model, and what it asks of what was learned")


class CollectionMetrics(Metrics):
    """Of `collection`: what was measured of each of its concepts, and what is of all."""

    concepts: dict[str, CheckpointMetrics] = Field(description="What was measured of each concept, by its token")
    steps: int = Field(description="Optimiser steps that it ran, in all")
    train_images: int = Field(description="Training images of all concepts")
    peak_memory_bytes: int = Field(description="The most memory that training took: the GPU's where there is one, else the process's")
    reload_difference: float = Field(description="Largest difference between predictions in memory and with the file read back")
    device: str = Field(description="What it was trained on")
    resources: Resources | None = Field(None, description="What it took, and how it was computed")

    def in_words(self) -> str:
        """Its concepts, and of how many the loss fell."""
        fell = sum(each.loss_fell == "yes" for each in self.concepts.values())
        return f"{len(self.concepts)} concepts in one adapter, the loss fell of {fell}"


class SampleGalleryMetrics(Metrics):
    """Of `sample_gallery`."""

    pictures: int = Field(description="Pictures of both models together")
    pictures_per_second: float = Field(description="Rate of generation, without loading; 0 where none was generated")
    generated: int = Field(0, description="Those that this run generated; the others stood already")
    drawn_again: int = Field(0, description="Prompts and seeds that were drawn with another seed, because a picture showed nothing")
    black: int = Field(description="Pictures of the tuned model that show nothing all the same")
    untranslated: tuple[str, ...] = Field((), description="Words of prompts that the glossary does not hold")


class Score(BaseTuned):
    """One figure of an evaluation."""

    interval: tuple[float, float] | None = Field(None, description="95 % interval of tuned minus base; null where too few are there")
    ceiling: float | None = Field(None, description="The same figure of the training images; null where they have none")
    floor: float | None = Field(None, description="The same figure of training images in shuffled tiles: colours without the subject")
    masked: BaseTuned | None = Field(
        None,
        exclude_if=lambda value: value is None,  # as it was before there were masks
        description="The same figure against real images with what their masks leave out in grey; null without masks",
    )
    backbone: str = Field("", description="The encoder, its revision and its pre-processing; figures of another one do not compare")


class Share(Metrics):
    """What share of the way to the real images was covered: 0 where it begins, 1 where a real image is among the others."""

    value: float = Field(description="Of all pictures and all real images")
    interval: tuple[float, float] = Field(description="95 % interval, drawing pictures and real images again together")
    quarter: float = Field(description="What it lies above with 75 %")


class Proportion(Metrics):
    """A share of answers, and how sure it is."""

    value: float = Field(description="0 to 1")
    interval: tuple[float, float] = Field(description="95 % interval, over raters and pictures")


class AttributeScore(Metrics):
    """How often tuned pictures show what they must, by a text-image model."""

    text: str = Field(description="The attribute, in the words that the model was asked by")
    ranked: float | None = Field(description="How often a real image scores higher than one of the class noun; null with too few images")
    seen: Proportion | None = Field(description="The share of tuned pictures that show it; null where the model cannot tell")


class Aside(Metrics):
    """What is said beside the reason of a verdict."""

    key: str = Field(description="A key of ASIDES")
    values: dict[str, str | int] = Field({}, description="What is put into its sentence")


class EvaluationMetrics(Metrics):
    """Of `evaluation`. Beside these keys it has one for each scorer, by name: a Score, or null for what was not measured.

    `missing` says why it was not.
    """

    model_config = ConfigDict(frozen=True, extra="allow", populate_by_name=True)
    __pydantic_extra__: dict[str, Score | None]

    verdict: Word = Field(description="Whether the concept can be drawn now")
    reason: str = Field(description="Why so: a key of evaluation/verdict.py")
    loss_fell: Word | None = Field(
        validation_alias=AliasChoices("loss_fell", "learned"), description="What the checkpoint says of its loss"
    )
    share: Share | None = Field(
        None, description="In similarity: from controls or the base model, whichever are nearer, to the real images"
    )
    separation: Share | None = Field(None, description="In what tells real images from controls and from the base model's pictures")
    found_again: float | None = Field(
        None, description="How often the encoder finds a real image nearer to another one than to a look-alike; by chance half"
    )
    asides: tuple[Aside, ...] = Field((), description="What is said beside the reason")
    counted: int | None = Field(None, description="Those that the scores count; null: all of them")
    unfollowed: tuple[str, ...] = Field(
        (), description="Prompts that are not counted: the base model's own pictures of them do not show the class noun"
    )
    attributes: tuple[AttributeScore, ...] = Field((), description="What pictures must show, as far as a text-image model can tell")
    real_images: int | None = Field(None, description="Real images that shares are held against: training and validation")
    memorised: int = Field(description="Tuned pictures that are so like a training image that they look copied")
    memorisation_line: float = Field(description="The cosine above which a picture is taken for a copy")
    memorisation_backbone: str = Field(description="What found copies; empty where nothing could")
    missing: dict[str, str] = Field(default_factory=dict, description="Figures that could not be had: why, and how to get them")
    beyond: tuple[str, ...] = Field((), description="Figures beyond their thresholds")
    pictures: int = Field(description="Pictures that were scored, of each model")
    validation_images: int = Field(description="Images that they were held against")

    @property
    def scores(self) -> dict[str, Score]:
        """The scores that there are, by scorer."""
        return {name: value for name, value in self.__pydantic_extra__.items() if value is not None}


class ConfusionRow(Metrics):
    """What the pictures of one concept of a collection are taken for: the concept whose images they are nearest to on the whole."""

    verdict: Word = Field(description="Whether the concept can be drawn, by its own evaluation")
    pictures: int = Field(description="Pictures of it that were counted, of each model")
    images: int = Field(description="Its real images")
    taken_for: dict[str, int] = Field(description="Tuned pictures, by the token of the concept that they are taken for")
    base_taken_for: dict[str, int] = Field(description="The same of the base model's pictures")
    real_taken_for: dict[str, int] = Field(description="The same of its real images, each without itself: what the encoder can tell")
    own: Proportion = Field(description="Share of tuned pictures that are taken for itself, with Wilson's interval")
    retrieval: Score | None = Field(None, description="Mean average precision: its real images before those of all other concepts")
    bleeds_into: tuple[str, ...] = Field(
        (), description="Concepts that its pictures are taken for more often than its real images, beyond chance"
    )


class CollectionEvaluationMetrics(Metrics):
    """Of `collection_evaluation`: the confusion table, and the verdict that follows from it."""

    verdict: Word = Field(description="Whether every concept can be drawn, and none is taken for another")
    reason: str = Field(description="Why so: a key of COLLECTION_REASONS in assets/verdicts.py")
    named: tuple[str, ...] = Field((), description="The tokens that the reason is about")
    rows: dict[str, ConfusionRow] = Field(description="What pictures of each concept are taken for, by token")
    backbone: str = Field("", description="The encoder; empty where none could be had")
    missing: str = Field("", description="Why nothing was measured; empty where something was")


class StoryMetrics(Metrics):
    """Of one story of a sequence. Its control: the same prompts switched at once, and a seed for each frame."""

    name: str = Field(description="The story's name")
    frames: int = Field(description="Its frames")
    seconds: float = Field(description="How long it plays")
    step_mean: float = Field(description="Mean change of a pixel from frame to frame, 0 to 1, without cuts")
    step_worst: float = Field(description="The largest of these changes")
    control_step_mean: float = Field(description="The same mean of the control")
    control_step_worst: float = Field(description="The same largest change of the control")
    distance_mean: float | None = Field(None, description="Mean distance from frame to frame by an encoder: one minus the cosine")
    distance_worst: float | None = Field(None, description="The largest of these distances")
    control_distance_mean: float | None = Field(None, description="The same mean of the control")
    control_distance_worst: float | None = Field(None, description="The same largest distance of the control")
    subject_mean: float | None = Field(None, description="Mean cosine of frames with validation images")
    subject_lowest: float | None = Field(None, description="That of the frame that has the lowest")
    subject_lowest_frame: int | None = Field(None, description="Which frame that is, from 0")
    base_subject_mean: float | None = Field(None, description="The same mean of the base model's frames")
    control_subject_mean: float | None = Field(None, description="The same mean of the control")
    frames_above_base: int | None = Field(None, description="Frames nearer to validation images than the base model's, beyond chance")
    beats_followed: int | None = Field(None, description="Beats whose frames agree with their own prompt more than with the other beats'")
    beats: int = Field(description="Its beats")
    control_beats_followed: int | None = Field(None, description="The same of the control")
    blank: int = Field(0, description="Frames that show nothing")


class SampleSequenceMetrics(Metrics):
    """Of `sample_sequence`. A figure that could not be had is null; `missing` says why."""

    method: str = Field(description="How it was drawn")
    frames: int = Field(description="Frames of all stories, of the tuned model")
    frames_per_second: float = Field(description="Rate of drawing, of frames of all models; 0 where all stood already")
    generated: int = Field(description="Frames that this run drew, of all models; the others stood already")
    stories: tuple[StoryMetrics, ...] = Field(description="Figures of each story")
    subject_backbone: str = Field("", description="The encoder that compared frames with images and with one another")
    prompt_backbone: str = Field("", description="The encoder that compared frames with prompts")
    missing: dict[str, str] = Field(default_factory=dict, description="Encoders and files that could not be had: why, and how to get them")


class KindJudgement(Metrics):
    """What people said of one kind of picture: real, tuned, base or look_alike."""

    pictures: int = Field(description="Single pictures of it that were judged")
    shows_it: Proportion | None = Field(description="How often a picture of it was taken for the concept; null where too few were judged")
    chosen_over_real: Proportion | None = Field(None, description="How often one is chosen over a real image; null for real ones")
    chosen_over_base: Proportion | None = Field(None, description="How often one is chosen over the base model's; null for these")
    attributes: dict[str, Proportion | None] = Field({}, description="How often each attribute was seen, by its Portuguese text")


class JudgementMetrics(Metrics):
    """Of `judgement`."""

    word: Word = Field(description="Whether the concept can be drawn now, by people who know it")
    reason: str = Field(description="Why so: a key of JUDGEMENT_REASONS")
    raters: int = Field(description="People who know it and whose answers count")
    relations: dict[str, int] = Field(description="How these know it, by what they said of themselves")
    left_out: dict[str, int] = Field(
        description="People whose answers do not count, by why: failed_controls, does_not_know, too_few_answers"
    )
    kinds: dict[str, KindJudgement] = Field(description="By kind of picture")
    missing_attributes: tuple[str, ...] = Field((), description="Attributes that most of the tuned pictures lack for certain")
    agreement_on_pairs: float | None = Field(description="Krippendorff's alpha of who chose what: 1 the same, 0 chance")
    agreement_on_singles: float | None = Field(description="The same of whether single pictures show it")
    remarks: int = Field(description="What is wrong with tuned pictures, in people's own words: so many remarks")
    panel: str = Field(description="Which panel it was")


class GallerySiteMetrics(Metrics):
    """Of `gallery_site`."""

    concepts: int = Field(description="Concepts that the site shows")
