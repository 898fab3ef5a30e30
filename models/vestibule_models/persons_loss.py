"""What the person detector is trained to do: cells are assigned to people, then scored.

Source: Ge et al. 2021, "YOLOX: Exceeding YOLO Series in 2021" (arXiv:2107.08430): SimOTA (section 2.1), box loss
weighed 5, class target is the IoU. The box loss is GIoU (Rezatofighi et al. 2019, arXiv:1902.09630, algorithm 1).
"""

import tensorflow as tf

from vestibule_models.artifact import InputSpec
from vestibule_models.persons_compose import IGNORE, PERSON
from vestibule_models.persons_decode import cells

_MOST_CELLS = 10
"""Of one person; also how many of the best cells vote on how many there are (YOLOX: 10)."""
_CENTRE_STRIDES = 2.5
_BOX_WEIGHT = 5.0
_FAR, _NEVER = 1e5, 1e9


class DetectionLoss:
    """Loss of one batch; the grid is fixed by the input's size.

    Args:
        spec: the network's input.
        strides: of its grids.
    """

    def __init__(self, spec: InputSpec, strides: tuple[int, ...]) -> None:
        grid = cells(spec, strides)
        self._corner = tf.constant(grid[:, :2])
        self._stride = tf.constant(grid[:, 2])
        self._centre = tf.constant((grid[:, :2] + 0.5) * grid[:, 2:])

    def __call__(self, raw: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        """Return the three parts of the loss, float32 (3,): boxes, objectness, person.

        Args:
            raw: float32 (B, N, 6), the network's output.
            targets: float32 (B, G, 5): box xyxy in input pixels and PERSON, IGNORE or 0 for an empty row.
        """
        boxes = self.boxes(raw)
        chosen, which, iou = self._assign(boxes, raw[..., 4], raw[..., 5], targets)
        positive = tf.cast(chosen, tf.float32)
        count = tf.maximum(tf.reduce_sum(positive), 1.0)
        wanted = tf.gather(targets[..., :4], which, batch_dims=1)
        box_loss = tf.reduce_sum(positive * (1.0 - _giou(boxes, wanted)))
        ignored = self._inside(targets[..., :4]) & (targets[..., 4:] == IGNORE)
        weight = tf.maximum(1.0 - tf.cast(tf.reduce_any(ignored, axis=1), tf.float32), positive)
        objectness = tf.nn.sigmoid_cross_entropy_with_logits(positive, raw[..., 4])
        person = tf.nn.sigmoid_cross_entropy_with_logits(iou, raw[..., 5])
        return (
            tf.stack([_BOX_WEIGHT * box_loss, tf.reduce_sum(weight * objectness), tf.reduce_sum(positive * person)])
            / count
        )

    def boxes(self, raw: tf.Tensor) -> tf.Tensor:
        """Decode float32 (B, N, 6) into boxes (B, N, 4) xyxy in input pixels."""
        centre = (raw[..., :2] + self._corner) * self._stride[:, tf.newaxis]
        side = tf.exp(tf.clip_by_value(raw[..., 2:4], -6.0, 6.0)) * self._stride[:, tf.newaxis]
        return tf.concat([centre - side / 2, centre + side / 2], axis=-1)

    def _inside(self, boxes: tf.Tensor) -> tf.Tensor:
        """Say which cells' centres lie in which of boxes (B, G, 4): bool (B, G, N)."""
        low, high = boxes[..., tf.newaxis, :2], boxes[..., tf.newaxis, 2:]
        return tf.reduce_all((self._centre > low) & (self._centre < high), axis=-1)

    def _assign(
        self, boxes: tf.Tensor, objectness: tf.Tensor, person: tf.Tensor, targets: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """SimOTA: each person gets the cells that are cheapest for it, as many as its best IoUs add up to.

        Returns:
            Which cells have a person, bool (B, N); whose, int (B, N); at which IoU, float32 (B, N). No gradients.
        """
        truth, real = targets[..., :4], targets[..., 4:] == PERSON
        inside = self._inside(truth)
        middle = (truth[..., :2] + truth[..., 2:])[..., tf.newaxis, :] / 2
        reach = _CENTRE_STRIDES * self._stride[:, tf.newaxis]
        near = tf.reduce_all(tf.abs(self._centre - middle) < reach, axis=-1)
        candidate = (inside | near) & real
        iou = _iou(truth[:, :, tf.newaxis], boxes[:, tf.newaxis]) * tf.cast(candidate, tf.float32)
        score = tf.sqrt(tf.sigmoid(objectness) * tf.sigmoid(person))[:, tf.newaxis]
        cost = -tf.math.log(score + 1e-6) - 3.0 * tf.math.log(iou + 1e-6)
        cost += _FAR * tf.cast(~(inside & near), tf.float32) + _NEVER * tf.cast(~candidate, tf.float32)
        count = tf.clip_by_value(
            tf.cast(tf.reduce_sum(tf.math.top_k(iou, _MOST_CELLS)[0], axis=-1), tf.int32), 1, _MOST_CELLS
        )
        cheapest = -tf.math.top_k(-cost, _MOST_CELLS)[0]
        limit = tf.gather(cheapest, count[..., tf.newaxis] - 1, batch_dims=2)
        matched = (cost <= limit) & (cost < _NEVER / 2)
        which = tf.argmin(tf.where(matched, cost, _NEVER), axis=1)
        chosen = tf.reduce_any(matched, axis=1)
        best = tf.reduce_sum(iou * tf.one_hot(which, tf.shape(iou)[1], axis=1), axis=1)
        return tf.stop_gradient(chosen), tf.stop_gradient(which), tf.stop_gradient(best)


def _parts(one: tf.Tensor, other: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    side = tf.maximum(tf.minimum(one[..., 2:], other[..., 2:]) - tf.maximum(one[..., :2], other[..., :2]), 0.0)
    shared = side[..., 0] * side[..., 1]
    area = tf.reduce_prod(one[..., 2:] - one[..., :2], axis=-1) + tf.reduce_prod(
        other[..., 2:] - other[..., :2], axis=-1
    )
    return shared, area - shared


def _iou(one: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    shared, union = _parts(one, other)
    return shared / tf.maximum(union, 1e-6)


def _giou(one: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    shared, union = _parts(one, other)
    side = tf.maximum(one[..., 2:], other[..., 2:]) - tf.minimum(one[..., :2], other[..., :2])
    hull = tf.maximum(side[..., 0] * side[..., 1], 1e-6)
    return shared / tf.maximum(union, 1e-6) - (hull - union) / hull
