"""Semi-supervised training by a teacher that is the running average of its student.

Shajini and Ramanan, "A knowledge-sharing semi-supervised approach for fashion clothes classification and attribute
prediction", The Visual Computer 2021 (known here by its abstract: a teacher-student pair, a weighted loss, labelled and
unlabelled photos learnt at once). The parts are those of Tarvainen and Valpola 2017, "Mean teachers", section 2: the
teacher's weights are an exponential average of the student's; both see photos changed differently; the squared
difference of their answers is added to the loss with a weight that rises over the first part (their appendix B).
Import it only where a network is trained: it imports Keras.
"""

from typing import Any

import keras
from keras import ops


class MeanTeacher(keras.Model):  # type: ignore[misc] # Keras ships no types
    """A student and its teacher in one model: `fit` trains the student, answers outside training are the teacher's.

    Its own policy is float32, whatever the networks': steps of a thousandth, as the average takes them, vanish in 16
    bits.

    Args:
        student: a network with one output; its layers are trained.
        teacher: another of the same kind; it takes over the student's weights at the start.
        ramp_steps: over which the weight of the consistency rises to its full value.
        weight: of the consistency, in full.
        momentum: of the average, at most; at the start the average is over what there was so far.
    """

    def __init__(
        self,
        student: keras.Model,
        teacher: keras.Model,
        *,
        ramp_steps: int,
        weight: float = 10.0,
        momentum: float = 0.995,
    ) -> None:
        super().__init__(name="mean_teacher", dtype="float32")
        teacher.set_weights(student.get_weights())
        teacher.trainable = False
        self.student, self.teacher = student, teacher
        self._ramp_steps, self._weight, self._momentum = float(ramp_steps), weight, momentum
        self.steps = self.add_weight(name="steps", initializer="zeros", trainable=False)

    def call(self, views: Any, training: bool = False) -> Any:  # noqa: ANN401 - tensors of any backend
        """Return the answers: when training the student's to the first of two views, else the teacher's to photos."""
        if not training:
            photos = views[0] if isinstance(views, (tuple, list)) else views
            return self.teacher(photos, training=False)
        first, second = views
        self._follow()
        answers = self.student(first, training=True)
        wanted = ops.stop_gradient(self.teacher(second, training=False))
        # The sigmoid-shaped rise of their appendix B.
        rise = ops.exp(-5.0 * ops.square(1.0 - ops.minimum(self.steps / self._ramp_steps, 1.0)))
        self.add_loss(self._weight * rise * ops.mean(ops.square(answers - wanted)))
        return answers

    def _follow(self) -> None:
        self.steps.assign(self.steps + 1.0)
        momentum = ops.minimum(self._momentum, self.steps / (self.steps + 9.0))
        for learnt, kept in zip(self.student.weights, self.teacher.weights, strict=True):
            kept.assign(momentum * kept + (1.0 - momentum) * ops.stop_gradient(ops.convert_to_tensor(learnt)))
